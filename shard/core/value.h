/* shard/core/value.h: what all stored values have in common: a version in front, a checksum behind.
 *
 * The checksum covers the key too, so a value that came to stand under another key is damage as well. */
#ifndef ORDO_SHARD_CORE_VALUE_H
#define ORDO_SHARD_CORE_VALUE_H

#include "common/buffer.h"
#include "common/error.h"

/* Replaces what `out` holds by the version byte; the caller appends the body, then seals. */
void ordo_value_begin(struct ordo_buffer *out, uint8_t version);
/* Appends the checksum over `key` and all of `out`. */
void ordo_value_seal(struct ordo_buffer *out, struct ordo_slice key);
/* Whether the checksum is right, whatever the version. */
bool ordo_value_is_whole(struct ordo_slice key, struct ordo_slice value);
/* Checks version and checksum and leaves the reader on the body. CORRUPT: damaged; VERSION: written by a later
 * one. */
ORDO_MUST_USE ordo_err ordo_value_open(struct ordo_slice key, struct ordo_slice value, uint8_t version,
                                       struct ordo_reader *body);

#endif
