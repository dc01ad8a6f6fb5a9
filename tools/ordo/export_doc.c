#include "tools/ordo/export_doc.h"

#include <stdlib.h>

#include "common/memory.h"
#include "common/utf8.h"
#include "shard/core/damage.h"
#include "shard/core/key.h"
#include "shard/core/replay.h"

/* --- lines on their way out ------------------------------------------------------------------------------------------- */

void export_out_finish(struct export_out *out) { ordo_buffer_finish(&out->line); }

ordo_err export_out_line(struct export_out *out, const struct export_line *line) {
    ordo_buffer_clear(&out->line);
    ordo_err err = export_line_write(line, &out->line);
    if (!err && out->line.size > EXPORT_LINE_SIZE_MAX) err = ORDO_ERR_TOO_LARGE;
    if (err) return err;
    bool is_inside = line->kind != EXPORT_HEADER && line->kind != EXPORT_END && line->kind != EXPORT_DONE;
    if (is_inside) out->sum = export_sum(out->sum, ordo_buffer_slice(&out->line));
    if (line->kind == EXPORT_OP) out->op_count++;
    if (line->kind == EXPORT_CLIENT) out->client_count++;
    ordo_buffer_append_u8(&out->line, '\n');
    return out->write(out->context, ordo_buffer_slice(&out->line)) ? ORDO_OK : ORDO_ERR_CLOSED;
}

ordo_err export_out_content(struct export_out *out, struct ordo_slice content) {
    ordo_err err = ORDO_OK;
    while (!err && content.size > 0) {
        size_t size = ordo_utf8_floor(content, EXPORT_CONTENT_SIZE_MAX);
        struct export_line line = {.kind = EXPORT_CONTENT, .content = ordo_slice(content.data, size)};
        err = export_out_line(out, &line);
        content = ordo_slice(content.data + size, content.size - size);
    }
    return err;
}

ordo_err export_out_end(struct export_out *out, uint64_t lineage) {
    struct export_line line = {.kind = EXPORT_END, .end = {out->op_count, out->client_count, lineage, out->sum}};
    out->sum = out->op_count = out->client_count = 0;
    return export_out_line(out, &line);
}

void export_note_author(struct ordo_authors *authors, const struct ordo_committed *op, uint64_t hash) {
    if (op->client_seq == 0) return; /* the create that an Open made */
    ordo_authors_note(authors, ordo_authors_get(authors, op->client_id),
                      &(struct ordo_client_row){.client_seq = op->client_seq, .server_seq = op->server_seq, .hash = hash,
                                                .timestamp_ms = op->timestamp_ms, .user = op->user});
}

static int compare_authors(const void *a, const void *b) {
    const struct ordo_author *const *left = a, *const *right = b;
    return ordo_slice_compare(ordo_author_client_id(*left), ordo_author_client_id(*right));
}

/* In order of their ids, so that the same document always makes the same lines. */
ordo_err export_out_clients(struct export_out *out, const struct ordo_authors *from) {
    ordo_err err = ORDO_OK;
    size_t count = 0;
    uint32_t cursor = 0;
    const struct ordo_author *author;
    const struct ordo_author **authors = ordo_alloc_array(from->table.count, sizeof *authors);
    while ((author = ordo_table_next(&from->table, &cursor)) != NULL) authors[count++] = author;
    if (count > 0) qsort(authors, count, sizeof *authors, compare_authors);
    for (size_t i = 0; i < count && !err; i++) {
        struct export_line line = {
            .kind = EXPORT_CLIENT, .client = {ordo_author_client_id(authors[i]), ordo_author_row(authors[i])}};
        err = export_out_line(out, &line);
    }
    free(authors);
    return err;
}

/* --- a document of a store -------------------------------------------------------------------------------------------- */

struct source {
    struct ordo_view *view;
    struct ordo_slice doc_key;
    struct export_out *out;
    struct ordo_doc_row row;      /* zeroed: there is none */
    struct ordo_buffer row_memory;
    struct ordo_doc_state head;
    struct ordo_authors authors;
    uint64_t bad_seq;
};

static ordo_err read_row(struct source *source) {
    ordo_err err = source->view->ops->get(source->view, ORDO_CF_DOCS, source->doc_key, &source->row_memory);
    if (err == ORDO_ERR_NOT_FOUND) return ORDO_OK;
    return err ? err : ordo_doc_row_decode(source->doc_key, ordo_buffer_slice(&source->row_memory), &source->row);
}

/* As loading does: from the newest snapshot's record over the log behind it, without content. */
static ordo_err find_head(struct source *source) {
    struct ordo_snapshot_row snapshot;
    ordo_err err = ordo_snapshot_find(source->view, source->doc_key, UINT64_MAX - 1, &snapshot);
    if (!err) err = ordo_doc_state_of_snapshot(&snapshot, &source->head);
    if (err && err != ORDO_ERR_NOT_FOUND) return err;
    struct ordo_op_log log;
    struct ordo_run_op op;
    ordo_op_log_open(&log, source->view, source->doc_key, source->head.seq + 1);
    while (!(err = ordo_op_log_next(&log, &op)) && !(err = ordo_doc_state_step(&source->head, &op.op))) {}
    source->bad_seq = log.next_seq;
    ordo_op_log_close(&log);
    if (err != ORDO_ERR_NOT_FOUND) return err;
    ordo_doc_state_relineage(&source->head, &source->row.relineage);
    return source->head.seq < source->row.head ? ORDO_ERR_CORRUPT : ORDO_OK;
}

static ordo_err write_document(struct source *source) {
    struct ordo_key key;
    if (!ordo_key_parse(source->doc_key, &key)) return ORDO_ERR_CORRUPT;
    struct export_line line = {
        .kind = EXPORT_DOCUMENT,
        .document = {.collection = key.collection, .id = key.id, .type = ordo_slice_of(source->head.type->name),
                     .begin_seq = source->row.history_seq, .head = source->head.seq,
                     .forgotten_seq = source->row.forgotten_seq},
    };
    return export_out_line(source->out, &line);
}

/* What stands where truncation has taken all that was before. */
static ordo_err write_begin(struct source *source) {
    struct ordo_materialised begin;
    uint64_t begin_seq = source->row.history_seq;
    if (begin_seq == 0) return ORDO_OK;
    ordo_err err = ordo_materialise(source->view, source->doc_key, begin_seq, &begin, &source->bad_seq);
    if (err) return err;
    const struct ordo_doc_state *state = &begin.state;
    struct ordo_buffer content = {0};
    if (begin.content != NULL) state->type->content_write(begin.content, &content);
    struct export_line line = {
        .kind = EXPORT_BEGIN,
        .begin = {.created_seq = state->created_seq, .deleted_seq = state->deleted_seq,
                  .timestamp_ms = state->timestamp_ms, .length = state->length, .size = content.size},
    };
    if (state->seq != begin_seq || state->type != source->head.type) err = ORDO_ERR_CORRUPT;
    ordo_materialised_finish(&begin);
    if (!err) err = export_out_line(source->out, &line);
    if (!err) err = export_out_content(source->out, ordo_buffer_slice(&content));
    ordo_buffer_finish(&content);
    return err;
}

static ordo_err write_ops(struct source *source) {
    struct ordo_op_log log;
    struct ordo_run_op op;
    ordo_err err;
    ordo_op_log_open(&log, source->view, source->doc_key, source->row.history_seq + 1);
    while (!(err = ordo_op_log_next(&log, &op))) {
        export_note_author(&source->authors, &op.op, op.hash);
        struct export_line line = {.kind = EXPORT_OP, .op = op.op};
        err = export_out_line(source->out, &line);
        if (err) break;
    }
    source->bad_seq = log.next_seq;
    if (err == ORDO_ERR_NOT_FOUND) err = log.next_seq == source->head.seq + 1 ? ORDO_OK : ORDO_ERR_CORRUPT;
    ordo_op_log_close(&log);
    return err;
}

/* Rows on disk may be of clients whose ops are gone, and know hashes that packed history does not keep. */
static ordo_err read_clients(struct source *source) {
    struct ordo_buffer end = {0};
    ordo_key_doc_end(&end, source->doc_key);
    struct ordo_iterator *rows =
        source->view->ops->iterate(source->view, ORDO_CF_CLIENTS, source->doc_key, ordo_buffer_slice(&end));
    ordo_err err = ORDO_OK;
    for (bool has = rows->ops->seek(rows, source->doc_key); has && !err; has = rows->ops->next(rows)) {
        struct ordo_slice key = rows->ops->key(rows);
        struct ordo_client_row row;
        err = ordo_client_row_decode(key, rows->ops->value(rows), &row);
        if (err) break;
        struct ordo_slice client_id = ordo_slice(key.data + source->doc_key.size, key.size - source->doc_key.size);
        struct ordo_author *author = ordo_authors_get(&source->authors, client_id);
        ordo_authors_learn(author, &row);
        if (row.client_seq == author->client_seq) author->hash = row.hash;
    }
    if (!err) err = rows->ops->status(rows);
    rows->ops->close(rows);
    ordo_buffer_finish(&end);
    return err;
}

ordo_err export_doc_write(struct ordo_view *view, struct ordo_slice doc_key, struct export_out *out, uint64_t *bad_seq) {
    struct source source = {.view = view, .doc_key = doc_key, .out = out};
    ordo_err err = ordo_damage_check(view, doc_key);
    if (!err) err = read_row(&source);
    if (!err) err = find_head(&source);
    if (!err && source.head.seq == source.row.erased_seq) err = ORDO_ERR_NOT_FOUND; /* nothing yet, or nothing any more */
    if (!err) err = write_document(&source);
    if (!err) err = write_begin(&source);
    if (!err) err = write_ops(&source);
    if (!err) err = read_clients(&source);
    if (!err) err = export_out_clients(out, &source.authors);
    if (!err) err = export_out_end(out, source.head.lineage);
    *bad_seq = source.bad_seq;
    ordo_authors_finish(&source.authors);
    ordo_buffer_finish(&source.row_memory);
    return err;
}
