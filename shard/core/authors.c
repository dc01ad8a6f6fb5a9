#include "shard/core/authors.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/limits.h"
#include "common/memory.h"

static bool author_is(const void *item, const void *key) {
    return ordo_slice_equal(ordo_author_client_id(item), *(const struct ordo_slice *)key);
}

static void author_free(struct ordo_author *author) {
    free(author->user);
    free(author);
}

void ordo_authors_finish(struct ordo_authors *authors) {
    uint32_t cursor = 0;
    struct ordo_author *author;
    while ((author = ordo_table_next(&authors->table, &cursor)) != NULL) author_free(author);
    ordo_table_finish(&authors->table);
    authors->dirty_count = 0;
}

struct ordo_author *ordo_authors_find(const struct ordo_authors *authors, struct ordo_slice client_id) {
    return ordo_table_find(&authors->table, ordo_table_hash(&authors->table, client_id), author_is, &client_id);
}

struct ordo_author *ordo_authors_get(struct ordo_authors *authors, struct ordo_slice client_id) {
    ORDO_ASSERT(client_id.size <= ORDO_CLIENT_ID_SIZE_MAX);
    struct ordo_author *author = ordo_authors_find(authors, client_id);
    if (author != NULL) return author;
    author = ordo_alloc(sizeof *author + client_id.size);
    author->client_size = (uint8_t)client_id.size;
    memcpy(author->client_id, client_id.data, client_id.size);
    ordo_table_insert(&authors->table, ordo_table_hash(&authors->table, client_id), author);
    return author;
}

static void set(struct ordo_author *author, const struct ordo_client_row *row) {
    author->client_seq = row->client_seq;
    author->server_seq = row->server_seq;
    author->hash = row->hash;
    author->timestamp_ms = row->timestamp_ms;
    if (author->user != NULL && ordo_slice_equal(ordo_author_user(author), row->user)) return;
    ORDO_ASSERT(row->user.size <= UINT8_MAX);
    free(author->user);
    author->user_size = (uint8_t)row->user.size;
    author->user = ordo_memdup(row->user.data, row->user.size);
}

void ordo_authors_note(struct ordo_authors *authors, struct ordo_author *author, const struct ordo_client_row *op) {
    if (op->client_seq <= author->client_seq) return;
    set(author, op);
    if (!author->is_dirty) authors->dirty_count++;
    author->is_dirty = true;
}

void ordo_authors_note_op(struct ordo_authors *authors, const struct ordo_run_op *op) {
    if (op->op.client_seq == 0) return; /* the create that an Open made has no op_id */
    ordo_authors_note(authors, ordo_authors_get(authors, op->op.client_id),
                      &(struct ordo_client_row){.client_seq = op->op.client_seq, .server_seq = op->op.server_seq,
                                                .hash = op->hash, .timestamp_ms = op->op.timestamp_ms,
                                                .user = op->op.user});
}

void ordo_authors_learn(struct ordo_author *author, const struct ordo_client_row *row) {
    if (row->client_seq > author->client_seq) set(author, row);
}

void ordo_authors_clean(struct ordo_authors *authors, struct ordo_author *author) {
    if (author->is_dirty) authors->dirty_count--;
    author->is_dirty = false;
}

static bool is_needed(const struct ordo_author *author) {
    return author->pin_count > 0 || author->is_asked || author->is_dirty;
}

void ordo_authors_let_go(struct ordo_authors *authors, struct ordo_author *author) {
    if (is_needed(author)) return;
    ordo_table_remove(&authors->table, ordo_table_hash(&authors->table, ordo_author_client_id(author)), author);
    author_free(author);
}

void ordo_authors_sweep(struct ordo_authors *authors) {
    for (uint32_t i = 0; i < authors->table.capacity;) {
        struct ordo_author *author = authors->table.slots[i].item;
        /* A removal may move another entry into this slot, so look again. */
        if (author != NULL && !is_needed(author)) ordo_authors_let_go(authors, author);
        else i++;
    }
}

void ordo_authors_erase(struct ordo_authors *authors) {
    uint32_t cursor = 0;
    struct ordo_author *author;
    while ((author = ordo_table_next(&authors->table, &cursor)) != NULL) {
        free(author->user);
        author->user = NULL;
        author->user_size = 0;
        author->client_seq = author->server_seq = author->hash = author->timestamp_ms = 0;
        author->is_dirty = author->is_asked = false;
    }
    authors->dirty_count = 0;
    ordo_authors_sweep(authors);
}
