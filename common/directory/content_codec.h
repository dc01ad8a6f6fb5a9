/* common/directory/content_codec.h: a content as the bytes of one file, with a checksum over all of it. Pure.
 *
 *     "ordo-directory 1\n"  revision (8)  count (varint)  count × { sized key, sized value, lease (8) }  XXH3 of all
 * before (8)
 *
 * Numbers are little-endian; "sized" and varints as in buffer.h; items stand in the order of their keys. */
#ifndef ORDO_DIRECTORY_CONTENT_CODEC_H
#define ORDO_DIRECTORY_CONTENT_CODEC_H

#include "common/directory/content.h"

void ordo_directory_content_encode(struct ordo_buffer *out, const struct ordo_directory_content *content);
/* Into an empty content. CORRUPT, VERSION: it stays empty. */
ORDO_MUST_USE ordo_err ordo_directory_content_decode(struct ordo_slice bytes, struct ordo_directory_content *out);

#endif
