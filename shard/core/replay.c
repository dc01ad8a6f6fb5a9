#include "shard/core/replay.h"

#include "shard/core/key.h"

ordo_err ordo_doc_state_step(struct ordo_doc_state *state, const struct ordo_committed *op) {
    if (op->server_seq != state->seq + 1) return ORDO_ERR_CORRUPT;
    struct ordo_create create;
    const struct ordo_type *type;
    switch (ordo_committed_kind(op->op_field)) {
    case ORDO_OP_EDIT:
        if (state->type == NULL || op->op_field != state->type->committed_field) return ORDO_ERR_CORRUPT;
        if (ordo_doc_exists(state)) state->length = state->type->length_after(op->op, state->length);
        else if (op->op.size > 0) return ORDO_ERR_CORRUPT; /* only the empty op can stand where there is no content */
        break;
    case ORDO_OP_DELETE:
        if (!ordo_doc_exists(state)) return ORDO_ERR_CORRUPT;
        state->deleted_seq = op->server_seq;
        state->length = 0;
        break;
    case ORDO_OP_CREATE:
        switch (ordo_create_decode(op->op, &create, &type)) {
        case ORDO_CREATE_VALID: break;
        case ORDO_CREATE_MALFORMED: return ORDO_ERR_CORRUPT;
        case ORDO_CREATE_TYPE_UNKNOWN: return ORDO_ERR_VERSION;
        }
        if (ordo_doc_exists(state)) return ORDO_ERR_CORRUPT;
        state->type = type;
        state->lineage = create.lineage;
        state->created_seq = op->server_seq;
        state->length = type->length_after(create.op, 0);
        break;
    }
    state->seq = op->server_seq;
    state->timestamp_ms = op->timestamp_ms;
    return ORDO_OK;
}

ordo_err ordo_snapshot_find(struct ordo_view *view, struct ordo_slice doc_key, uint64_t seq,
                            struct ordo_snapshot_row *row) {
    struct ordo_buffer key = {0}, end = {0};
    ordo_key_doc_end(&end, doc_key);
    struct ordo_iterator *iterator =
        view->ops->iterate(view, ORDO_CF_SNAPSHOTS, doc_key, ordo_buffer_slice(&end));
    ordo_err err = ORDO_ERR_NOT_FOUND;
    for (;;) {
        uint64_t found_seq;
        uint32_t piece;
        ordo_key_snapshot(&key, doc_key, seq, ORDO_PIECE_VALID);
        if (!iterator->ops->seek_back(iterator, ordo_buffer_slice(&key))) {
            ordo_err status = iterator->ops->status(iterator);
            if (status) err = status;
            break;
        }
        struct ordo_slice at = iterator->ops->key(iterator);
        if (!ordo_slice_starts_with(at, doc_key)) break;
        struct ordo_slice rest = ordo_slice(at.data + doc_key.size, at.size - doc_key.size);
        if (!ordo_key_parse_piece(rest, &found_seq, &piece) || found_seq == 0) break;
        if (piece == ORDO_PIECE_VALID &&
            !ordo_snapshot_row_decode(at, iterator->ops->value(iterator), row) && row->seq == found_seq) {
            const struct ordo_type *type = ordo_type_of(row->type);
            err = type ? ORDO_OK : ORDO_ERR_VERSION;
            row->type = type ? ordo_slice_of(type->name) : ordo_slice(NULL, 0);
            break;
        }
        seq = found_seq - 1;
    }
    iterator->ops->close(iterator);
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&end);
    return err;
}

ordo_err ordo_doc_state_of_snapshot(const struct ordo_snapshot_row *row, struct ordo_doc_state *state) {
    *state = (struct ordo_doc_state){.seq = row->seq, .type = ordo_type_of(row->type), .lineage = row->lineage,
                                     .created_seq = row->created_seq, .deleted_seq = row->deleted_seq,
                                     .timestamp_ms = row->timestamp_ms, .length = row->length};
    if (state->type == NULL) return ORDO_ERR_VERSION;
    return state->created_seq == 0 || (!ordo_doc_exists(state) && state->length > 0) ? ORDO_ERR_CORRUPT : ORDO_OK;
}

struct ordo_snapshot_row ordo_doc_state_snapshot(const struct ordo_doc_state *state) {
    return (struct ordo_snapshot_row){.seq = state->seq, .type = ordo_slice_of(state->type->name), .lineage = state->lineage,
                                      .created_seq = state->created_seq, .deleted_seq = state->deleted_seq,
                                      .timestamp_ms = state->timestamp_ms, .length = state->length};
}

/* The content of a snapshot, piece by piece. */
static ordo_err read_pieces(struct ordo_view *view, struct ordo_slice doc_key, const struct ordo_snapshot_row *row,
                            const struct ordo_type *type, struct ordo_content *content) {
    struct ordo_buffer key = {0}, value = {0};
    uint64_t hash = 0;
    ordo_err err = ORDO_OK;
    for (uint32_t piece = 0; piece < row->piece_count && !err; piece++) {
        ordo_key_snapshot(&key, doc_key, row->seq, piece);
        ordo_buffer_clear(&value);
        err = view->ops->get(view, ORDO_CF_SNAPSHOTS, ordo_buffer_slice(&key), &value);
        if (err == ORDO_ERR_NOT_FOUND) err = ORDO_ERR_CORRUPT;
        struct ordo_slice bytes;
        if (!err) err = ordo_snapshot_piece_decode(ordo_buffer_slice(&key), ordo_buffer_slice(&value), &bytes);
        if (!err && type->content_append(content, bytes)) err = ORDO_ERR_CORRUPT;
        if (!err && row->has_hash) hash = ordo_snapshot_hash(hash, bytes);
    }
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
    if (!err && (type->content_size(content) != row->size || type->content_length(content) != row->length))
        err = ORDO_ERR_CORRUPT;
    if (!err && row->has_hash && hash != row->content_hash) err = ORDO_ERR_CORRUPT;
    return err;
}

/* The newest snapshot at or below `seq` whose every piece can be read; NOT_FOUND: none. */
static ordo_err start_from_snapshot(struct ordo_view *view, struct ordo_slice doc_key, uint64_t seq,
                                    struct ordo_materialised *out) {
    for (;;) {
        struct ordo_snapshot_row row;
        ordo_err err = ordo_snapshot_find(view, doc_key, seq, &row);
        if (err) return err;
        err = ordo_doc_state_of_snapshot(&row, &out->state);
        if (!err && !ordo_doc_exists(&out->state)) return ORDO_OK;
        if (!err) {
            out->content = out->state.type->content_create();
            err = read_pieces(view, doc_key, &row, out->state.type, out->content);
        }
        if (!err || err == ORDO_ERR_IO || err == ORDO_ERR_VERSION) return err;
        ordo_materialised_finish(out);
        out->damaged_seq = row.seq;
        seq = row.seq - 1;
    }
}

void ordo_materialised_finish(struct ordo_materialised *materialised) {
    if (materialised->content != NULL) materialised->state.type->content_destroy(materialised->content);
    *materialised = (struct ordo_materialised){0};
}

ordo_err ordo_materialised_step(struct ordo_materialised *materialised, const struct ordo_committed *op) {
    const struct ordo_type *type = materialised->state.type;
    bool did_exist = ordo_doc_exists(&materialised->state);
    uint64_t created_seq = materialised->state.created_seq;
    ordo_err err = ordo_doc_state_step(&materialised->state, op);
    if (err) return err;
    struct ordo_doc_state *state = &materialised->state;
    if (did_exist && !ordo_doc_exists(state)) {
        type->content_destroy(materialised->content);
        materialised->content = NULL;
    } else if (state->created_seq != created_seq) {
        struct ordo_create create;
        const struct ordo_type *created;
        if (ordo_create_decode(op->op, &create, &created) != ORDO_CREATE_VALID) return ORDO_ERR_CORRUPT;
        materialised->content = created->content_create();
        if (created->content_apply(materialised->content, create.op)) return ORDO_ERR_CORRUPT;
    } else if (did_exist) {
        if (type->content_apply(materialised->content, op->op)) return ORDO_ERR_CORRUPT;
    }
    if (materialised->content == NULL) return ORDO_OK;
    return state->type->content_length(materialised->content) == state->length ? ORDO_OK : ORDO_ERR_CORRUPT;
}

ordo_err ordo_materialise(struct ordo_view *view, struct ordo_slice doc_key, uint64_t seq,
                          struct ordo_materialised *out, uint64_t *bad_seq) {
    *out = (struct ordo_materialised){0};
    *bad_seq = 0;
    ordo_err err = start_from_snapshot(view, doc_key, seq, out);
    if (err && err != ORDO_ERR_NOT_FOUND) {
        ordo_materialised_finish(out);
        return err;
    }
    struct ordo_op_log log;
    struct ordo_run_op op;
    ordo_op_log_open(&log, view, doc_key, out->state.seq + 1);
    err = ORDO_OK;
    while (!err && out->state.seq < seq) {
        err = ordo_op_log_next_merged(&log, seq, &op);
        if (err) break;
        out->state.seq = op.op.server_seq - 1; /* it may stand for several */
        err = ordo_materialised_step(out, &op.op);
    }
    *bad_seq = log.next_seq;
    ordo_op_log_close(&log);
    if (err == ORDO_ERR_NOT_FOUND) err = ORDO_OK; /* the head */
    if (err) ordo_materialised_finish(out);
    return err;
}
