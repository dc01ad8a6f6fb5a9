/* shard/sst_block.h: the rows of a table's block that does not pass RocksDB's checksum.
 *
 * RocksDB must not see such a block, and refuses all of it for one flipped bit. But each of our values has a checksum of its
 * own over key and value, so whatever reads under that is true, and most of the block does: what was flushed and not yet
 * compacted is not compressed. What does not read is a question of where it stood.
 *
 * Format (RocksDB's "block-based table"): entries in the order of their keys (shared prefix with the last key, rest, value),
 * every sixteenth with its whole key; the offsets of those; their number. Behind a key stand 8 bytes: sequence number and
 * kind. Pure; whatever the bytes are, reading stays within them. */
#ifndef ORDO_SHARD_SST_BLOCK_H
#define ORDO_SHARD_SST_BLOCK_H

#include "common/buffer.h"

struct ordo_sst_walk {
    void *context;
    void (*row)(void *context, struct ordo_slice key, struct ordo_slice value);
    /* Something between these two keys does not read; empty: from the block's beginning, to its end. `suspect` is its key,
     * if all but that one value looks sound: true unless the damage is in the key itself; else empty. */
    void (*lost)(void *context, struct ordo_slice low, struct ordo_slice high, struct ordo_slice suspect);
};

/* `block` without its 5 bytes of kind and checksum. False: it does not look like one at all (a compressed one does not), and
 * nothing was handed out. What is handed out is good during the call. */
bool ordo_sst_block_walk(const struct ordo_sst_walk *walk, struct ordo_slice block);
/* The first row of an uncompressed block of which `bytes` are the beginning. Replaces what `key` holds; `value` is borrowed from
 * `bytes`. False: it does not read. */
bool ordo_sst_block_first(struct ordo_slice bytes, struct ordo_buffer *key, struct ordo_slice *value);

#endif
