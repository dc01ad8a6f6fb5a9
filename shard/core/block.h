/* shard/core/block.h: a block, packed history: the value that many ops become when they leave `ops` and are kept.
 *
 * In a run each op carries its client, times and numbers in full, ten times the weight of a keystroke. A block holds
 * the same ops by columns: authors in a table, numbers as differences to what was to be expected, typing as runs of
 * edits that each stand where the last one of their author ended, all inserted text in one piece; each column is
 * compressed. Reading gives back every op exactly: `ordo_committed_encode` of what comes out makes the very bytes
 * that went in. What does not look like one splice of text (creates, deletes, wide ops, other types) is kept whole.
 *
 * Not kept are the hash and the flags of a run's record: they answer whether an op that comes again is a duplicate,
 * and an op whose base is below the horizon is refused before anybody asks that.
 *
 * A block is a value like others: version in front, checksum over key and bytes behind (value.h). Its layout is in
 * block_form.h. Whatever the bytes are, reading stays within them and within ORDO_BLOCK_MEMORY_MAX,
 * or, of a single op, ORDO_BLOCK_OP_SIZE_MAX.
 * Threads: no shared state; the owner of a builder or block uses it from one thread at a time. Compressing a full
 * block takes 10 to 25 ms, one of pasted texts half a second: work for a helper thread. */
#ifndef ORDO_SHARD_CORE_BLOCK_H
#define ORDO_SHARD_CORE_BLOCK_H

#include "common/error.h"
#include "shard/core/committed.h"

#define ORDO_BLOCK_VERSION 1

/* When a block is full. The longer a block, the better it compresses, for it learns the author's words but once; but
 * each extension writes it anew and each reading unpacks it from its first op. A paper of 259,778 keystrokes takes
 * 92.8 kB in blocks of 8 Ki ops, 83.4 of 16, 76.9 of 32, 72.5 of 64, 68.3 of 128, 63.6 in one (times not counted).
 * One of 64 Ki ops is read in 2 ms, and made from the ops in 10 to 30 ms. The size (of ops and names, before
 * compression) bounds the same for ops that are large. */
#define ORDO_BLOCK_OPS_MAX (64u * 1024)
#define ORDO_BLOCK_SIZE_MAX (1024u * 1024)
/* An op that exceeds ORDO_BLOCK_SIZE_MAX has a block of its own. Clients cannot submit as much, but rebasing makes ops longer,
 * and nothing bounds by how much: to delete a document of 64 Mi code points into which others typed meanwhile, here and there,
 * takes two spans, of four bytes and more, around each of their insertions. */
#define ORDO_BLOCK_OP_SIZE_MAX (512u * 1024 * 1024)
/* All columns uncompressed, of a block of several ops. One that claims more is damaged, and nothing is allocated for it. */
#define ORDO_BLOCK_MEMORY_MAX (16u * 1024 * 1024)

/* --- making one ------------------------------------------------------------------------------------------------- */

struct ordo_block_builder;

/* `seed`: of its table of authors, who choose their ids (common/table.h); the bytes do not depend on it. */
struct ordo_block_builder *ordo_block_builder_create(uint64_t first_seq, uint64_t seed);
void ordo_block_builder_destroy(struct ordo_block_builder *builder); /* NULL is fine */
/* A builder that holds the ops of an existing block, to append to. CORRUPT, VERSION: nothing was made. */
ORDO_MUST_USE ordo_err ordo_block_builder_open(struct ordo_slice key, struct ordo_slice value, uint64_t seed,
                                               struct ordo_block_builder **out);

/* Appends the next op; its bytes are copied. On an error the builder is as before. FULL: begin the next block with
 * it. TOO_LARGE: no block can hold it. INVALID: not the next server_seq, or names beyond their limits. */
ORDO_MUST_USE ordo_err ordo_block_builder_append(struct ordo_block_builder *builder,
                                                 const struct ordo_committed *op);
uint64_t ordo_block_builder_count(const struct ordo_block_builder *builder);
uint64_t ordo_block_builder_next_seq(const struct ordo_block_builder *builder);
/* Replaces what `out` holds by the value, sealed for `key`; there must be an op. Appending may go on. The same ops
 * make the same bytes, in however many steps. */
void ordo_block_builder_encode(const struct ordo_block_builder *builder, struct ordo_slice key,
                               struct ordo_buffer *out);

/* --- reading one ------------------------------------------------------------------------------------------------ */

struct ordo_block_info {
    uint64_t first_seq, count;
    uint64_t first_timestamp_ms, last_timestamp_ms; /* of the first op and of the last */
};
/* What a value says of itself, without unpacking it. CORRUPT, VERSION. */
ORDO_MUST_USE ordo_err ordo_block_look(struct ordo_slice key, struct ordo_slice value, struct ordo_block_info *out);

struct ordo_block;

/* Unpacks; stands before the first op. `value` is not needed afterwards. CORRUPT, VERSION. */
ORDO_MUST_USE ordo_err ordo_block_open(struct ordo_slice key, struct ordo_slice value, struct ordo_block **out);
void ordo_block_close(struct ordo_block *block); /* NULL is fine */
const struct ordo_block_info *ordo_block_info(const struct ordo_block *block);
/* Server_seq of the op that comes next. */
uint64_t ordo_block_next_seq(const struct ordo_block *block);

/* Moves on to stand before the op `seq`, which is the next or a later one, or behind the last. CORRUPT. */
ORDO_MUST_USE ordo_err ordo_block_seek(struct ordo_block *block, uint64_t seq);
/* The next op; its slices are good until the next call. NOT_FOUND: that was all. CORRUPT: here the block makes no
 * sense; it stays there. */
ORDO_MUST_USE ordo_err ordo_block_next(struct ordo_block *block, struct ordo_committed *out);
/* For materialising: like `next`, but a stretch of typing or erasing by one author comes as one op that does it all,
 * hints left out. It is of the type text and ends at `to_seq` at the latest; numbers and times are those of the last
 * op in it. */
ORDO_MUST_USE ordo_err ordo_block_next_merged(struct ordo_block *block, uint64_t to_seq, struct ordo_committed *out);

#endif
