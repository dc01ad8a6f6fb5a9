/* shard/core/verify.h: checks all data of a store against what Ordo promises, for `ordo verify` and the tests.
 *
 * Per document: the ops are dense from 1 to the head, each follows from the last (types, creates, deletes,
 * timestamps), the numbers of each client's ops grow, lengths in runs agree with the ops before them, the content of each
 * snapshot equals the replay of the log, dedupe rows agree with the log (every client's newest op at or below the
 * newest snapshot has its row), the document row agrees with the snapshot, of what was before a document was forgotten
 * nothing is left, and every checksum is right. Of documents that a damaged table touched (damage.h) only that is said.
 * Pure: reads through a view only. */
#ifndef ORDO_SHARD_CORE_VERIFY_H
#define ORDO_SHARD_CORE_VERIFY_H

#include "shard/store.h"

struct ordo_finding {
    struct ordo_slice collection, id; /* empty: not of one document */
    uint64_t seq;                     /* where in its order; 0: nowhere in particular */
    const char *text;                 /* a sentence without a full stop */
};
/* What it hands out is good during the call. */
typedef void (*ordo_verify_found)(void *context, const struct ordo_finding *finding);

struct ordo_verify_counts {
    uint64_t documents, ops, snapshots, client_rows, findings;
    uint64_t blocks, block_size; /* of packed history: how many, and their bytes in all */
};

/* A document's content as it was at a seq, of which it is said what it hashes to (XXH3, of the bytes of the text; 0: deleted). */
struct ordo_content_hash {
    struct ordo_slice collection, id;
    uint64_t seq, hash;
};
struct ordo_hashing {
    uint64_t every; /* at each multiple of this many ops, and at the head */
    void (*hashed)(void *context, const struct ordo_content_hash *hash);
};

/* Calls `found` for each thing that is wrong and goes on with the next document. */
struct ordo_verify_counts ordo_verify(struct ordo_view *view, ordo_verify_found found, void *context);
/* The same, and tells hashes on the way. */
struct ordo_verify_counts ordo_verify_hashing(struct ordo_view *view, ordo_verify_found found, const struct ordo_hashing *hashing,
                                              void *context);

#endif
