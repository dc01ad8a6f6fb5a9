#include "tools/ordo/import_doc.h"

#include <stdlib.h>

#include "common/format.h"
#include "common/limits.h"
#include "common/memory.h"
#include "shard/core/authors.h"
#include "shard/core/block.h"
#include "shard/core/damage.h"
#include "shard/core/key.h"
#include "shard/core/replay.h"
#include "shard/core/run.h"

enum { WRITE_SIZE = 1024 * 1024 };

enum import_state { IN_BEGIN, IN_CONTENT, IN_OPS, IN_CLIENTS, COMPLETE };

struct import_doc {
    struct ordo_store *store;
    uint32_t format; /* level of the store */
    uint64_t (*draw_lineage)(void);
    enum import_state state;
    struct ordo_buffer doc_key, key, value;
    struct ordo_batch batch; /* what makes the document, or pieces ahead of it */

    uint64_t begin_seq, head, forgotten_seq; /* as the file says */
    uint64_t erased_seq; /* begin_seq, if the document was forgotten there; else 0 */
    const struct ordo_type *type;
    uint64_t content_size;                   /* of the beginning, as the file says */
    struct ordo_materialised now;
    struct ordo_snapshot_row begin_row;      /* piece_count and so on, where history begins */
    uint64_t op_count, client_count;
    struct ordo_buffer client_id;            /* of the newest client's line */
    struct ordo_authors authors;             /* newest op of each client in the file */

    struct ordo_block_builder *builder;      /* of the block that grows; NULL: none yet */
    uint64_t block_seq;                      /* first of its ops */
    struct ordo_batch blocks;                /* full ones */

    struct ordo_buffer last;                 /* the newest op, encoded; empty: none yet */
    uint64_t last_length_before;
    uint64_t last_hash;                      /* as its client's line says */
    struct ordo_buffer create;               /* of the op being taken, with its lineage */
};

const char *import_doc_check(const struct export_document *document) {
    if (ordo_type_of(document->type) == NULL) return "is of a document whose type this version does not know";
    if (document->begin_seq >= document->head) return "is of a document that has no op";
    /* Who has written the newest op, or what could still be rebased, is never forgotten. */
    if (document->forgotten_seq >= document->head) return "says that the newest clients were forgotten";
    return NULL;
}

struct import_doc *import_doc_create(struct ordo_store *store, uint32_t format, const struct export_document *document,
                                     uint64_t (*draw_lineage)(void)) {
    struct import_doc *doc = ordo_alloc(sizeof *doc);
    *doc = (struct import_doc){
        .store = store, .format = format, .draw_lineage = draw_lineage, .begin_seq = document->begin_seq, .head = document->head,
        .forgotten_seq = document->forgotten_seq, .type = ordo_type_of(document->type),
        .state = document->begin_seq > 0 ? IN_BEGIN : IN_OPS,
    };
    ordo_key_doc(&doc->doc_key, document->collection, document->id);
    return doc;
}

void import_doc_destroy(struct import_doc *doc) {
    if (doc == NULL) return;
    ordo_materialised_finish(&doc->now);
    ordo_authors_finish(&doc->authors);
    ordo_block_builder_destroy(doc->builder);
    ordo_batch_finish(&doc->batch);
    ordo_batch_finish(&doc->blocks);
    struct ordo_buffer *buffers[] = {&doc->doc_key, &doc->key, &doc->value, &doc->last, &doc->create, &doc->client_id};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) ordo_buffer_finish(buffers[i]);
    free(doc);
}

static struct ordo_slice doc_key(const struct import_doc *doc) { return ordo_buffer_slice(&doc->doc_key); }

/* --- writing ---------------------------------------------------------------------------------------------------- */

static void put(struct import_doc *doc, enum ordo_cf cf) {
    ordo_batch_put(&doc->batch, cf, ordo_buffer_slice(&doc->key), ordo_buffer_slice(&doc->value));
}

static ordo_err write_ahead(struct import_doc *doc) {
    ordo_err err = doc->store->ops->write(doc->store, &doc->batch, false);
    ordo_batch_clear(&doc->batch);
    return err;
}

/* Pieces of the content as it is now; `row` is what will make them a snapshot. */
static ordo_err write_pieces(struct import_doc *doc, struct ordo_snapshot_row *row) {
    const struct ordo_doc_state *state = &doc->now.state;
    struct ordo_buffer content = {0};
    ordo_err err = ORDO_OK;
    if (doc->now.content != NULL) state->type->content_write(doc->now.content, &content);
    *row = ordo_doc_state_snapshot(state);
    row->size = content.size;
    row->piece_count = ordo_snapshot_piece_count(content.size);
    row->has_hash = doc->format >= ORDO_FORMAT_CONTENT_HASH;
    row->content_hash = ordo_snapshot_content_hash(ordo_buffer_slice(&content));
    for (uint32_t piece = 0; !err && piece < row->piece_count; piece++) {
        ordo_key_snapshot(&doc->key, doc_key(doc), state->seq, piece);
        ordo_snapshot_piece_encode(&doc->value, ordo_buffer_slice(&doc->key),
                                   ordo_snapshot_piece(ordo_buffer_slice(&content), piece));
        put(doc, ORDO_CF_SNAPSHOTS);
        if (doc->batch.records.size >= WRITE_SIZE) err = write_ahead(doc);
    }
    if (!err && doc->batch.count > 0) err = write_ahead(doc);
    ordo_buffer_finish(&content);
    return err;
}

static void put_snapshot(struct import_doc *doc, const struct ordo_snapshot_row *row) {
    ordo_key_snapshot(&doc->key, doc_key(doc), row->seq, ORDO_PIECE_VALID);
    ordo_snapshot_row_encode(&doc->value, ordo_buffer_slice(&doc->key), row);
    put(doc, ORDO_CF_SNAPSHOTS);
}

static void put_clients(struct import_doc *doc) {
    uint32_t cursor = 0;
    const struct ordo_author *author;
    while ((author = ordo_table_next(&doc->authors.table, &cursor)) != NULL) {
        struct ordo_client_row row = ordo_author_row(author);
        ordo_key_client(&doc->key, doc_key(doc), ordo_author_client_id(author));
        ordo_client_row_encode(&doc->value, ordo_buffer_slice(&doc->key), &row);
        put(doc, ORDO_CF_CLIENTS);
    }
}

static void put_last_run(struct import_doc *doc) {
    struct ordo_buffer records = {0};
    ordo_run_append_op(&records, doc->last_hash, 0, ordo_buffer_slice(&doc->last));
    ordo_key_ops(&doc->key, doc_key(doc), doc->head);
    ordo_run_encode(&doc->value, ordo_buffer_slice(&doc->key), doc->head, 1, doc->last_length_before,
                    ordo_buffer_slice(&records));
    put(doc, ORDO_CF_OPS);
    ordo_buffer_finish(&records);
}

static void put_doc_row(struct import_doc *doc) {
    const struct ordo_doc_state *state = &doc->now.state;
    struct ordo_doc_row row = {
        .type = ordo_slice_of(state->type->name), .lineage = state->lineage, .head = doc->head, .horizon = doc->head - 1,
        .created_seq = state->created_seq, .deleted_seq = state->deleted_seq, .forgotten_seq = doc->forgotten_seq,
        .history_seq = doc->begin_seq, .erased_seq = doc->erased_seq};
    ordo_doc_row_encode(&doc->value, doc_key(doc), &row);
    ordo_batch_put(&doc->batch, ORDO_CF_DOCS, doc_key(doc), ordo_buffer_slice(&doc->value));
}

static void end_block(struct import_doc *doc) {
    if (doc->builder == NULL) return;
    ordo_key_ops(&doc->key, doc_key(doc), doc->block_seq);
    ordo_block_builder_encode(doc->builder, ordo_buffer_slice(&doc->key), &doc->value);
    ordo_batch_put(&doc->blocks, ORDO_CF_HISTORY, ordo_buffer_slice(&doc->key), ordo_buffer_slice(&doc->value));
    ordo_block_builder_destroy(doc->builder);
    doc->builder = NULL;
}

ordo_err import_doc_commit(struct import_doc *doc, uint64_t turn, uint64_t term) {
    struct ordo_snapshot_row head_row;
    ordo_err err = write_pieces(doc, &head_row);
    if (err) return err;
    end_block(doc);
    ordo_buffer_append_slice(&doc->batch.records, ordo_buffer_slice(&doc->blocks.records));
    doc->batch.count += doc->blocks.count;
    put_last_run(doc);
    put_clients(doc);
    if (doc->begin_seq > 0) put_snapshot(doc, &doc->begin_row);
    put_snapshot(doc, &head_row);
    put_doc_row(doc);
    ordo_turn_row_encode(&doc->value, &(struct ordo_turn_row){.turn = turn, .term = term});
    ordo_batch_put(&doc->batch, ORDO_CF_META, ordo_key_turn, ordo_buffer_slice(&doc->value));
    return doc->store->ops->write(doc->store, &doc->batch, false);
}

/* --- what history begins with ------------------------------------------------------------------------------------------ */

static const char *take_begin(struct import_doc *doc, const struct export_begin *begin) {
    bool was_forgotten = begin->created_seq == doc->begin_seq && begin->deleted_seq == doc->begin_seq; /* there */
    if (begin->created_seq == 0 || begin->created_seq > doc->begin_seq || begin->deleted_seq > doc->begin_seq ||
        (begin->created_seq == begin->deleted_seq && !was_forgotten))
        return "says that the document was created or deleted where that cannot be";
    struct ordo_doc_state *state = &doc->now.state;
    *state = (struct ordo_doc_state){.seq = doc->begin_seq, .type = doc->type, .lineage = doc->draw_lineage(),
                                     .created_seq = begin->created_seq, .deleted_seq = begin->deleted_seq,
                                     .timestamp_ms = begin->timestamp_ms, .length = begin->length};
    if (!ordo_doc_exists(state) && (begin->length > 0 || begin->size > 0))
        return "says that a deleted document has content";
    if (begin->length > ORDO_DOCUMENT_SIZE_MAX || begin->size > 4 * (uint64_t)ORDO_DOCUMENT_SIZE_MAX)
        return "says that the content is larger than a document may be";
    if (ordo_doc_exists(state)) doc->now.content = doc->type->content_create();
    doc->content_size = begin->size;
    doc->erased_seq = was_forgotten ? doc->begin_seq : 0;
    doc->state = IN_CONTENT;
    return NULL;
}

static const char *take_content(struct import_doc *doc, struct ordo_slice content) {
    if (doc->now.content == NULL || doc->type->content_append(doc->now.content, content))
        return "holds content that cannot be part of this document";
    if (doc->type->content_size(doc->now.content) > doc->content_size) return "holds more content than there should be";
    return NULL;
}

static const char *end_content(struct import_doc *doc) {
    uint64_t size = doc->now.content ? doc->type->content_size(doc->now.content) : 0;
    uint64_t length = doc->now.content ? doc->type->content_length(doc->now.content) : 0;
    if (size != doc->content_size || length != doc->now.state.length)
        return "comes before all of the content that history begins with";
    doc->state = IN_OPS;
    return write_pieces(doc, &doc->begin_row) ? "cannot be imported: the store takes no more writes" : NULL;
}

/* --- ops ----------------------------------------------------------------------------------------------------------- */

static const char *pack(struct import_doc *doc, const struct ordo_committed *op) {
    ordo_err err = doc->builder != NULL ? ordo_block_builder_append(doc->builder, op) : ORDO_ERR_FULL;
    if (err == ORDO_ERR_FULL) {
        end_block(doc);
        doc->builder = ordo_block_builder_create(op->server_seq, 0);
        doc->block_seq = op->server_seq;
        err = ordo_block_builder_append(doc->builder, op);
    }
    return err ? "stands behind an op that is too large" : NULL;
}

static const char *check_numbers(const struct import_doc *doc, const struct ordo_committed *op) {
    if (op->server_seq != doc->now.state.seq + 1) return "is not the next op: its server_seq does not follow";
    if (op->server_seq > doc->head) return "has an op behind the document's head";
    if (op->base_seq >= op->server_seq) return "has an op that was made after itself";
    if (op->timestamp_ms < doc->now.state.timestamp_ms) return "has an op that is older than the one before";
    return NULL;
}

static const char *note_author(struct import_doc *doc, const struct ordo_committed *op) {
    if (op->client_seq == 0) { /* the create that an Open made has no op_id */
        bool is_create = op->op_field == ORDO_COMMITTED_CREATE;
        return is_create ? NULL : "has an op with the client_seq 0, which only a create may have";
    }
    struct ordo_author *author = ordo_authors_get(&doc->authors, op->client_id);
    if (op->client_seq <= author->client_seq) return "has an op whose client_seq does not rise";
    if (ordo_author_is_foreign(author, op->user)) return "has an op by a client_id of another user";
    ordo_authors_note(&doc->authors, author,
                      &(struct ordo_client_row){.client_seq = op->client_seq, .server_seq = op->server_seq,
                                                .timestamp_ms = op->timestamp_ms, .user = op->user});
    return NULL;
}

static const char *check_edit(const struct ordo_type *type, struct ordo_slice op, uint64_t length) {
    switch (type->validate(op, length, &length)) {
    case ORDO_OP_VALID: return NULL;
    case ORDO_OP_MALFORMED: return "has an op that breaks a rule of its type";
    case ORDO_OP_PAST_END: return "has an op that reaches beyond the end of the content";
    case ORDO_OP_TOO_LARGE: return "has an op that makes the document larger than one may be";
    }
    return NULL;
}

/* Checks that the op can stand here; a create gets its lineage. */
static const char *check_op(struct import_doc *doc, struct ordo_committed *op) {
    const struct ordo_doc_state *state = &doc->now.state;
    bool exists = ordo_doc_exists(state);
    struct ordo_create create;
    const struct ordo_type *type;
    const char *fault;
    switch (ordo_committed_kind(op->op_field)) {
    case ORDO_OP_EDIT:
        if (exists) return check_edit(doc->type, op->op, state->length);
        return op->op.size == 0 && state->type != NULL ? NULL : "edits a document that does not exist at this place";
    case ORDO_OP_DELETE: return exists ? NULL : "deletes a document that does not exist at this place";
    case ORDO_OP_CREATE:
        if (exists) return "creates a document that exists at this place";
        if (ordo_create_decode(op->op, &create, &type) != ORDO_CREATE_VALID || type != doc->type)
            return "creates a document of another type";
        fault = check_edit(type, create.op, 0);
        if (fault != NULL) return fault;
        create.lineage = doc->draw_lineage();
        ordo_buffer_clear(&doc->create);
        ordo_create_encode(&create, &doc->create);
        op->op = ordo_buffer_slice(&doc->create);
        return NULL;
    }
    return NULL;
}

static const char *take_op(struct import_doc *doc, const struct ordo_committed *line) {
    struct ordo_committed op = *line, before;
    const char *fault = check_numbers(doc, &op);
    if (fault == NULL) fault = check_op(doc, &op);
    if (fault == NULL) fault = note_author(doc, &op);
    if (fault != NULL) return fault;
    doc->last_length_before = doc->now.state.length;
    if (ordo_materialised_step(&doc->now, &op)) return "has an op that does not fit the content";
    bool has_before = doc->last.size > 0 && ordo_committed_decode(ordo_buffer_slice(&doc->last), &before);
    if (has_before) fault = pack(doc, &before);
    ordo_buffer_clear(&doc->last);
    ordo_committed_encode(&op, &doc->last);
    doc->op_count++;
    return fault;
}

/* --- clients and the end -------------------------------------------------------------------------------------------- */

static const char *end_ops(struct import_doc *doc) {
    if (doc->now.state.seq != doc->head) return "comes before the document's newest ops";
    doc->state = IN_CLIENTS;
    return NULL;
}

/* Of a client whose ops are all gone it is all that is known; of others it adds the hash of what was submitted. */
static const char *take_client(struct import_doc *doc, const struct export_client *client) {
    const struct ordo_client_row *row = &client->row;
    struct ordo_author *author = ordo_authors_find(&doc->authors, client->client_id);
    if (doc->client_count++ > 0 && ordo_slice_compare(client->client_id, ordo_buffer_slice(&doc->client_id)) <= 0)
        return "describes a client out of the order of client_ids";
    ordo_buffer_clear(&doc->client_id);
    ordo_buffer_append_slice(&doc->client_id, client->client_id);
    if (author == NULL) {
        if (row->client_seq == 0 || row->server_seq == 0 || row->server_seq > doc->begin_seq)
            return "describes a client that never wrote";
        ordo_authors_note(&doc->authors, ordo_authors_get(&doc->authors, client->client_id), row);
        return NULL;
    }
    if (author->client_seq != row->client_seq || author->server_seq != row->server_seq ||
        author->timestamp_ms != row->timestamp_ms || !ordo_slice_equal(ordo_author_user(author), row->user))
        return "says something else of a client than the ops do";
    author->hash = row->hash;
    if (author->server_seq == doc->head) doc->last_hash = row->hash;
    return NULL;
}

static const char *take_end(struct import_doc *doc, const struct export_end *end) {
    if (end->op_count != doc->op_count) return "counts other ops than there are";
    if (end->client_count != doc->client_count) return "counts other clients than there are";
    doc->state = COMPLETE;
    return NULL;
}

const char *import_doc_line(struct import_doc *doc, const struct export_line *line) {
    static const char out_of_place[] = "stands at a place where no such line may be";
    const char *fault = NULL;
    bool ends_content = line->kind == EXPORT_OP || line->kind == EXPORT_CLIENT || line->kind == EXPORT_END;
    if (doc->state == IN_CONTENT && ends_content) fault = end_content(doc);
    bool ends_ops = line->kind == EXPORT_CLIENT || line->kind == EXPORT_END;
    if (fault == NULL && doc->state == IN_OPS && ends_ops) fault = end_ops(doc);
    if (fault != NULL) return fault;
    switch (line->kind) {
    case EXPORT_BEGIN: return doc->state == IN_BEGIN ? take_begin(doc, &line->begin) : out_of_place;
    case EXPORT_CONTENT: return doc->state == IN_CONTENT ? take_content(doc, line->content) : out_of_place;
    case EXPORT_OP: return doc->state == IN_OPS ? take_op(doc, &line->op) : out_of_place;
    case EXPORT_CLIENT: return doc->state == IN_CLIENTS ? take_client(doc, &line->client) : out_of_place;
    case EXPORT_END: return doc->state == IN_CLIENTS ? take_end(doc, &line->end) : out_of_place;
    case EXPORT_HEADER:
    case EXPORT_DOCUMENT:
    case EXPORT_DONE: break;
    }
    return out_of_place;
}

/* --- what the store has already ------------------------------------------------------------------------------------- */

ordo_err import_doc_exists(struct ordo_store *store, struct ordo_slice collection, struct ordo_slice id,
                           bool *exists_out) {
    static const enum ordo_cf families[] = {ORDO_CF_DOCS, ORDO_CF_OPS, ORDO_CF_HISTORY, ORDO_CF_CLIENTS};
    struct ordo_buffer key = {0}, end = {0};
    struct ordo_view *view = store->ops->view_open(store);
    *exists_out = false;
    ordo_key_doc(&key, collection, id);
    ordo_key_doc_end(&end, ordo_buffer_slice(&key));
    ordo_err err = ordo_damage_check(view, ordo_buffer_slice(&key));
    for (size_t i = 0; !err && i < sizeof families / sizeof *families; i++) {
        struct ordo_iterator *rows =
            view->ops->iterate(view, families[i], ordo_buffer_slice(&key), ordo_buffer_slice(&end));
        if (rows->ops->seek(rows, ordo_buffer_slice(&key))) *exists_out = true;
        else err = rows->ops->status(rows);
        rows->ops->close(rows);
    }
    store->ops->view_close(view);
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&end);
    return err;
}
