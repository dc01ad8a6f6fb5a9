/* shard/core/authors.h: who wrote to a document: the dedupe entries, and who may write now.
 *
 * Per client_id the newest client_seq with its server_seq, hash and user: what recognises an op that comes again. In
 * memory are the entries that the log behind the newest snapshot yields (not yet on disk in `clients`: dirty), and
 * those of attached clients. An entry with client_seq 0 says: known to have written nothing. */
#ifndef ORDO_SHARD_CORE_AUTHORS_H
#define ORDO_SHARD_CORE_AUTHORS_H

#include "common/slice.h"
#include "shard/core/rows.h"
#include "shard/core/run.h"
#include "common/table.h"

struct ordo_author {
    uint64_t client_seq, server_seq, hash, timestamp_ms; /* of the newest op; 0: none */
    uint8_t *user;            /* whom the client_id is bound to since its first op */
    void *holder;             /* the subscriber whose submits count (the latest to open); NULL: none */
    uint32_t pin_count;       /* attached subscribers with this client_id */
    uint8_t user_size;
    uint8_t client_size;
    bool is_dirty;            /* newer than the row on disk */
    bool is_asked;            /* a job reads the row: nothing is known until it is done */
    uint8_t client_id[];
};

struct ordo_authors {
    struct ordo_table table;
    uint32_t dirty_count;
};

/* Zeroed memory is empty; the table's seed may be set. */
void ordo_authors_finish(struct ordo_authors *authors);
struct ordo_author *ordo_authors_find(const struct ordo_authors *authors, struct ordo_slice client_id);
/* Finds or makes an entry without an op. */
struct ordo_author *ordo_authors_get(struct ordo_authors *authors, struct ordo_slice client_id);
/* Takes note of a committed op, if it is the newest of its client. */
void ordo_authors_note(struct ordo_authors *authors, struct ordo_author *author, const struct ordo_client_row *op);
/* The same for an op as it stands in the log, by whoever wrote it. */
void ordo_authors_note_op(struct ordo_authors *authors, const struct ordo_run_op *op);
/* Takes in what the disk says of this client, unless something newer is known. */
void ordo_authors_learn(struct ordo_author *author, const struct ordo_client_row *row);
void ordo_authors_clean(struct ordo_authors *authors, struct ordo_author *author);
/* Frees the entry if nobody needs it: not pinned, not asked for, and on disk or empty. */
void ordo_authors_let_go(struct ordo_authors *authors, struct ordo_author *author);
/* Nobody has written anything. Entries that are pinned stay, nothing is asked for any more. */
void ordo_authors_erase(struct ordo_authors *authors);
/* Lets go of all entries that nobody needs. */
void ordo_authors_sweep(struct ordo_authors *authors);

static inline struct ordo_slice ordo_author_client_id(const struct ordo_author *author) {
    return ordo_slice(author->client_id, author->client_size);
}
static inline struct ordo_slice ordo_author_user(const struct ordo_author *author) {
    return ordo_slice(author->user, author->user_size);
}
/* The client_id belongs to somebody else. */
static inline bool ordo_author_is_foreign(const struct ordo_author *author, struct ordo_slice user) {
    return author->client_seq != 0 && !ordo_slice_equal(ordo_author_user(author), user);
}
static inline struct ordo_client_row ordo_author_row(const struct ordo_author *author) {
    return (struct ordo_client_row){.client_seq = author->client_seq, .server_seq = author->server_seq,
                                    .hash = author->hash, .timestamp_ms = author->timestamp_ms,
                                    .user = ordo_author_user(author)};
}

#endif
