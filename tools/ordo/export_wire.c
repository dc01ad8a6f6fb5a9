#include "tools/ordo/export_wire.h"

#include <stdlib.h>

#include "client/c/core/doc.h"
#include "common/utf8.h"
#include "tools/history.h"


struct source {
    struct session *session;
    struct export_out *out;
    struct ordo_authors authors;
    uint64_t head, lineage, begin_seq; /* head and lineage go together */
    ordo_err err;                      /* of writing */
};

static int fail(const struct source *source, ordo_err err, uint32_t code, const char *message) {
    const char *name = source->session->name;
    if (source->err == ORDO_ERR_CLOSED) return ordo_command_flush(); /* it says why */
    if (source->err) return ordo_command_fail("%s cannot be exported: %s", name, ordo_err_text(source->err));
    if (code == ORDO_TOOLS_GONE) /* what is kept of it has moved on while it was read */
        return ordo_command_fail("%s has lost the beginning of its history meanwhile: %s; try again", name, message);
    if (code != 0) return ordo_command_fail("%s: error %u: %s", name, code, message);
    return ordo_command_fail("%s: %s", name, ordo_err_text(err));
}

static void pass_over(void *user, const struct ordo_client_commit *op) { (void)user, (void)op; }

/* What a history answer says beside its ops. */
static int write_document(struct source *source) {
    struct session *session = source->session;
    struct ordo_tools_history history = {.op = pass_over};
    ordo_err err = ordo_tools_read_history(session->loop, session->doc, source->head + 1, 0, SESSION_WORK_TIMEOUT_MS, &history);
    if (err) return fail(source, err, history.error_code, history.error_message);
    source->begin_seq = history.begin_seq;
    if (source->begin_seq == source->head) return ordo_command_fail("nothing is left of %s: it was forgotten", session->name);
    struct export_line line = {
        .kind = EXPORT_DOCUMENT,
        .document = {.collection = ordo_client_doc_collection(session->doc), .id = ordo_client_doc_id(session->doc),
                     .type = ordo_slice_of(ordo_client_doc_type(session->doc)->name), .begin_seq = source->begin_seq,
                     .head = source->head, .forgotten_seq = history.forgotten_seq}};
    source->err = export_out_line(source->out, &line);
    return source->err ? fail(source, source->err, 0, NULL) : EXIT_SUCCESS;
}

static int write_begin(struct source *source) {
    struct session *session = source->session;
    struct ordo_client_content content;
    if (source->begin_seq == 0) return EXIT_SUCCESS;
    const struct ordo_tools_place place = {.seq_or_ms = source->begin_seq};
    ordo_err err = ordo_tools_read_content(session->loop, session->doc, place, SESSION_WORK_TIMEOUT_MS, &content);
    if (err) {
        int status = fail(source, err, content.error_code, content.error_message);
        ordo_client_content_finish(&content);
        return status;
    }
    const struct ordo_slice text = ordo_slice(content.text, content.size);
    struct export_line line = {
        .kind = EXPORT_BEGIN,
        .begin = {.created_seq = content.created_seq, .deleted_seq = content.deleted_seq,
                  .timestamp_ms = content.timestamp_ms, .size = content.size}};
    uint64_t code_points = 0;
    if (!ordo_utf8_validate(text, &code_points)) source->err = ORDO_ERR_INVALID;
    line.begin.length = code_points;
    if (!source->err) source->err = export_out_line(source->out, &line);
    if (!source->err) source->err = export_out_content(source->out, text);
    ordo_client_content_finish(&content);
    return source->err ? fail(source, source->err, 0, NULL) : EXIT_SUCCESS;
}

static uint32_t field_of(const struct session *session, enum ordo_client_op_kind kind) {
    switch (kind) {
    case ORDO_CLIENT_EDIT: break;
    case ORDO_CLIENT_DELETE: return ORDO_COMMITTED_DELETE;
    case ORDO_CLIENT_CREATE: return ORDO_COMMITTED_CREATE;
    }
    return ordo_client_doc_type(session->doc)->committed_field;
}

static void write_op(void *user, const struct ordo_client_commit *op) {
    struct source *source = user;
    if (source->err) return;
    struct export_line line = {
        .kind = EXPORT_OP,
        .op = {.server_seq = op->server_seq, .client_seq = op->client_seq, .base_seq = op->base_seq,
               .timestamp_ms = op->timestamp_ms, .client_id = op->client_id, .user = op->user,
               .op_field = field_of(source->session, op->kind), .op = op->op}};
    export_note_author(&source->authors, &line.op, 0);
    source->err = export_out_line(source->out, &line);
}

static int write_ops(struct source *source) {
    struct session *session = source->session;
    struct ordo_tools_history history = {.op = write_op, .user = source};
    ordo_err err = ordo_tools_read_history(session->loop, session->doc, source->begin_seq + 1, source->head,
                                           SESSION_WORK_TIMEOUT_MS, &history);
    if (!err && history.last_seq != source->head) err = ORDO_ERR_CORRUPT;
    return err || source->err ? fail(source, err, history.error_code, history.error_message) : EXIT_SUCCESS;
}

static int write_end(struct source *source) {
    source->err = export_out_clients(source->out, &source->authors);
    if (!source->err) source->err = export_out_end(source->out, source->lineage);
    return source->err ? fail(source, source->err, 0, NULL) : EXIT_SUCCESS;
}

int export_wire_write(struct session *session, struct export_out *out) {
    struct source source = {.session = session, .out = out, .head = ordo_client_seq(session->doc),
                            .lineage = ordo_client_lineage(session->doc)};
    int status = write_document(&source);
    if (status == EXIT_SUCCESS) status = write_begin(&source);
    if (status == EXIT_SUCCESS) status = write_ops(&source);
    if (status == EXIT_SUCCESS) status = write_end(&source);
    ordo_authors_finish(&source.authors);
    return status;
}
