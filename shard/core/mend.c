#include "shard/core/mend.h"

#include "shard/core/authors.h"
#include "shard/core/block.h"
#include "shard/core/key.h"
#include "shard/core/replay.h"
#include "shard/core/survey.h"

/* The rows that are left are laid out as truncation leaves them: blocks follow each other up to the horizon, from there on
 * runs lead to the end, and some snapshot is at the horizon or behind it. */
struct mend {
    const struct ordo_mend_hints *hints;
    struct ordo_batch *batch;
    struct ordo_mended *out;
    struct ordo_survey survey;
    struct ordo_buffer key, value;
    uint64_t runs_seq;   /* from this op on runs lead to the end; the one behind the end: none does */
    uint64_t blocks_seq; /* blocks from this op on ... */
    uint64_t packed_seq; /* ... up to this one stay; the one before `blocks_seq`: none does */
    const struct ordo_snapshot_row *newest, *older; /* the two that loading starts from; NULL: none */
};

static void put(struct mend *mend, enum ordo_cf cf) {
    ordo_batch_put(mend->batch, cf, ordo_buffer_slice(&mend->key), ordo_buffer_slice(&mend->value));
}

/* Deletes the rows of a family that `is_wanted` does not want. */
static ordo_err sweep(struct mend *mend, enum ordo_cf cf, bool (*is_wanted)(struct mend *mend, struct ordo_slice key)) {
    struct ordo_iterator *iterator = ordo_survey_iterate(&mend->survey, cf);
    for (bool more = iterator->ops->seek(iterator, mend->survey.doc_key); more; more = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator);
        if (!is_wanted(mend, key)) ordo_batch_delete(mend->batch, cf, key);
    }
    return ordo_iterator_end(iterator);
}

static bool wants_nothing(struct mend *mend, struct ordo_slice key) {
    (void)mend, (void)key;
    return false;
}

/* ---- ops: what stays in runs, and what in blocks */

/* Deleted runs may be back, before the log or as its beginning; so blocks that begin before it, or with it, come first. Blocks
 * that do not lead up to it, or do so only behind its beginning, are of no use. */
static void lay_out(struct mend *mend) {
    const struct ordo_survey *survey = &mend->survey;
    const struct ordo_stretch *runs = ordo_stretch_with(&survey->runs, survey->end_seq);
    mend->runs_seq = runs != NULL ? runs->first : survey->end_seq + 1;
    mend->blocks_seq = mend->runs_seq;
    mend->packed_seq = mend->runs_seq - 1;
    uint64_t first = 0, next = 0; /* of blocks that follow each other */
    for (size_t i = 0; i < survey->blocks.count; i++) {
        const struct ordo_stretch *block = &survey->blocks.items[i];
        if (block->first != next) first = block->first;
        next = block->next;
        if (first > mend->runs_seq) break;
        if (next < mend->runs_seq) continue;
        mend->blocks_seq = first;
        mend->packed_seq = next - 1;
    }
}

static bool wants_block(struct mend *mend, struct ordo_slice key) {
    uint64_t seq;
    return ordo_key_parse_seq(ordo_survey_rest_of(&mend->survey, key), &seq) && seq >= mend->blocks_seq &&
           seq <= mend->packed_seq;
}

static bool wants_run(struct mend *mend, struct ordo_slice key) {
    uint64_t seq;
    return ordo_key_parse_seq(ordo_survey_rest_of(&mend->survey, key), &seq) && seq > mend->packed_seq &&
           seq <= mend->survey.end_seq;
}

static void put_block(struct mend *mend, const struct ordo_block_builder *builder) {
    uint64_t first_seq = ordo_block_builder_next_seq(builder) - ordo_block_builder_count(builder);
    ordo_key_ops(&mend->key, mend->survey.doc_key, first_seq);
    ordo_block_builder_encode(builder, ordo_buffer_slice(&mend->key), &mend->value);
    put(mend, ORDO_CF_HISTORY);
    mend->packed_seq = ordo_block_builder_next_seq(builder) - 1;
}

/* Packs what the run holds behind the op `packed_seq`. */
static ordo_err pack_rest_of_run(struct mend *mend, struct ordo_run *run) {
    struct ordo_block_builder *builder = ordo_block_builder_create(mend->packed_seq + 1, mend->hints->lineage);
    struct ordo_run_op op;
    ordo_err err;
    while (!(err = ordo_run_next(run, &op))) {
        if (op.op.server_seq < ordo_block_builder_next_seq(builder)) continue;
        err = ordo_block_builder_append(builder, &op.op);
        if (err == ORDO_ERR_FULL) {
            put_block(mend, builder);
            ordo_block_builder_destroy(builder);
            builder = ordo_block_builder_create(op.op.server_seq, mend->hints->lineage);
            err = ordo_block_builder_append(builder, &op.op);
        }
        if (err) break;
    }
    if (err == ORDO_ERR_NOT_FOUND) put_block(mend, builder);
    ordo_block_builder_destroy(builder);
    return err == ORDO_ERR_NOT_FOUND ? ORDO_OK : err;
}

/* A run is kept whole or not at all, but what is left of a lost block need not begin with one. */
static ordo_err end_blocks_with_a_run(struct mend *mend) {
    if (mend->packed_seq < mend->runs_seq || mend->packed_seq == mend->survey.end_seq) return ORDO_OK;
    struct ordo_iterator *iterator = ordo_survey_iterate(&mend->survey, ORDO_CF_OPS);
    struct ordo_run run;
    ordo_err err = ORDO_OK;
    ordo_key_ops(&mend->key, mend->survey.doc_key, mend->packed_seq + 1);
    bool found = iterator->ops->seek_back(iterator, ordo_buffer_slice(&mend->key)) &&
                 !ordo_run_open(iterator->ops->key(iterator), iterator->ops->value(iterator), &run);
    if (found && run.first_seq <= mend->packed_seq) err = pack_rest_of_run(mend, &run);
    ordo_err status = ordo_iterator_end(iterator);
    return status ? status : err;
}

/* ---- snapshots */

/* The two newest from which the log leads on. */
static void choose_snapshots(struct mend *mend) {
    const struct ordo_survey *survey = &mend->survey;
    mend->newest = mend->older = NULL;
    for (size_t i = survey->snapshot_count; i > 0 && mend->older == NULL; i--) {
        const struct ordo_snapshot_row *snapshot = &survey->snapshots[i - 1];
        if (snapshot->seq > survey->end_seq || snapshot->seq < mend->packed_seq) continue;
        if (mend->newest == NULL) mend->newest = snapshot;
        else mend->older = snapshot;
    }
}

/* Where those at the horizon and behind it are lost, and the end was reached over blocks. */
static ordo_err make_snapshot(struct mend *mend) {
    struct ordo_materialised now;
    struct ordo_buffer content = {0};
    uint64_t bad_seq;
    ordo_err err = ordo_materialise(mend->survey.view, mend->survey.doc_key, mend->survey.end_seq, &now, &bad_seq);
    if (err) return err;
    if (now.content != NULL) now.state.type->content_write(now.content, &content);
    struct ordo_snapshot_row row = ordo_doc_state_snapshot(&now.state);
    row.size = content.size;
    row.piece_count = ordo_snapshot_piece_count(content.size);
    for (uint32_t piece = 0; piece < row.piece_count; piece++) {
        ordo_key_snapshot(&mend->key, mend->survey.doc_key, row.seq, piece);
        ordo_snapshot_piece_encode(&mend->value, ordo_buffer_slice(&mend->key),
                                   ordo_snapshot_piece(ordo_buffer_slice(&content), piece));
        put(mend, ORDO_CF_SNAPSHOTS);
    }
    ordo_key_snapshot(&mend->key, mend->survey.doc_key, row.seq, ORDO_PIECE_VALID);
    ordo_snapshot_row_encode(&mend->value, ordo_buffer_slice(&mend->key), &row);
    put(mend, ORDO_CF_SNAPSHOTS);
    ordo_survey_add_snapshot(&mend->survey, &row);
    ordo_buffer_finish(&content);
    ordo_materialised_finish(&now);
    choose_snapshots(mend);
    return ORDO_OK;
}

/* History begins with nothing, or with the oldest snapshot from which ops lead on; that one is kept for it. */
static void choose_history(struct mend *mend) {
    const struct ordo_survey *survey = &mend->survey;
    struct ordo_mended *out = mend->out;
    out->history_seq = 0;
    for (size_t i = 0; i < survey->snapshot_count && mend->blocks_seq > 1 && out->history_seq == 0; i++) {
        uint64_t seq = survey->snapshots[i].seq;
        if (seq + 1 >= mend->blocks_seq && seq <= survey->end_seq) out->history_seq = seq;
    }
    out->has_lost_history = out->history_seq > survey->row.history_seq;
}

static bool wants_piece(struct mend *mend, struct ordo_slice key) {
    const struct ordo_survey *survey = &mend->survey;
    uint64_t seq;
    uint32_t piece;
    if (!ordo_key_parse_piece(ordo_survey_rest_of(survey, key), &seq, &piece)) return false;
    for (size_t i = 0; i < survey->snapshot_count; i++) {
        const struct ordo_snapshot_row *snapshot = &survey->snapshots[i];
        if (snapshot->seq != seq) continue;
        bool is_kept = snapshot == mend->newest || snapshot == mend->older || seq == mend->out->history_seq;
        return is_kept && (piece == ORDO_PIECE_VALID || piece < snapshot->piece_count);
    }
    return false;
}

/* ---- clients and the document's row */

static struct ordo_relineage relineage_of(const struct mend *mend) {
    if (!mend->out->is_relineaged) return mend->survey.row.relineage;
    return (struct ordo_relineage){.seq = mend->survey.end_seq, .lineage = mend->hints->lineage};
}

/* The row is as of the newest snapshot; without one there is none, unless it says something else, too. */
static void put_row(struct mend *mend) {
    const struct ordo_survey *survey = &mend->survey;
    struct ordo_relineage relineage = relineage_of(mend);
    if (mend->newest == NULL && relineage.seq == 0) {
        ordo_batch_delete(mend->batch, ORDO_CF_DOCS, survey->doc_key);
        return;
    }
    const struct ordo_snapshot_row none = {.seq = survey->end_seq}, *from = mend->newest != NULL ? mend->newest : &none;
    struct ordo_doc_row row = {.type = from->type, .lineage = from->lineage, .head = from->seq, .horizon = mend->packed_seq,
                               .created_seq = from->created_seq, .deleted_seq = from->deleted_seq,
                               .forgotten_seq = survey->row.forgotten_seq, .history_seq = mend->out->history_seq,
                               .relineage = relineage, .erased_seq = survey->row.erased_seq};
    if (mend->out->is_relineaged) row.lineage = relineage.lineage;
    ordo_doc_row_encode(&mend->value, survey->doc_key, &row);
    ordo_batch_put(mend->batch, ORDO_CF_DOCS, survey->doc_key, ordo_buffer_slice(&mend->value));
}

static ordo_err read_authors(struct mend *mend, uint64_t from_seq, uint64_t to_seq, struct ordo_authors *authors) {
    struct ordo_op_log log;
    struct ordo_run_op op;
    if (from_seq > to_seq) return ORDO_OK;
    ordo_op_log_open(&log, mend->survey.view, mend->survey.doc_key, from_seq);
    ordo_err err = ORDO_OK;
    while (!err && log.next_seq <= to_seq) {
        err = ordo_op_log_next(&log, &op);
        if (!err) ordo_authors_note_op(authors, &op);
    }
    ordo_op_log_close(&log);
    return err;
}

/* Rows whose op is in the log, or was lost, or cannot have been, go; the log knows better. */
static ordo_err read_client_rows(struct mend *mend, struct ordo_authors *authors) {
    struct ordo_iterator *iterator = ordo_survey_iterate(&mend->survey, ORDO_CF_CLIENTS);
    for (bool more = iterator->ops->seek(iterator, mend->survey.doc_key); more; more = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator);
        struct ordo_client_row row;
        bool reads = !ordo_client_row_decode(key, iterator->ops->value(iterator), &row);
        bool is_before = reads && row.server_seq < mend->runs_seq && !ordo_survey_is_erased(&mend->survey, row.server_seq);
        if (is_before) ordo_authors_learn(ordo_authors_get(authors, ordo_survey_rest_of(&mend->survey, key)), &row);
        else ordo_batch_delete(mend->batch, ORDO_CF_CLIENTS, key);
    }
    return ordo_iterator_end(iterator);
}

/* What a row and a run say of an op is preferred: blocks do not have its hash. */
static ordo_err gather_clients(struct mend *mend, struct ordo_authors *authors) {
    uint64_t forgotten_seq = mend->survey.row.forgotten_seq;
    uint64_t from_seq = mend->blocks_seq > forgotten_seq ? mend->blocks_seq : forgotten_seq + 1;
    ordo_err err = read_client_rows(mend, authors);
    if (!err) err = read_authors(mend, mend->runs_seq, mend->survey.end_seq, authors);
    if (!err && mend->out->outcome != ORDO_MEND_WHOLE) err = read_authors(mend, from_seq, mend->runs_seq - 1, authors);
    return err;
}

/* Entries whose op the newest snapshot covers need a row; what is behind it, the log tells. */
static ordo_err put_clients(struct mend *mend) {
    struct ordo_authors authors = {.table.seed = mend->hints->lineage};
    ordo_err err = gather_clients(mend, &authors);
    uint32_t cursor = 0;
    struct ordo_author *author;
    while (!err && mend->newest != NULL && (author = ordo_table_next(&authors.table, &cursor)) != NULL) {
        if (!author->is_dirty || author->server_seq > mend->newest->seq) continue; /* its row stays as it is */
        struct ordo_client_row row = ordo_author_row(author);
        ordo_key_client(&mend->key, mend->survey.doc_key, ordo_author_client_id(author));
        ordo_client_row_encode(&mend->value, ordo_buffer_slice(&mend->key), &row);
        put(mend, ORDO_CF_CLIENTS);
    }
    ordo_authors_finish(&authors);
    return err;
}

/* ---- all of it */

static void judge(struct mend *mend) {
    struct ordo_mended *out = mend->out;
    out->has_lost_clients = mend->runs_seq > 1 && mend->hints->may_lack_clients;
    if (out->end_seq < out->known_seq) out->outcome = ORDO_MEND_SHORT;
    else if (mend->hints->may_lack_ops || out->has_lost_clients) out->outcome = ORDO_MEND_UNSURE;
    else out->outcome = ORDO_MEND_WHOLE;
    out->is_relineaged = out->outcome != ORDO_MEND_WHOLE;
}

static ordo_err write_readable(struct mend *mend) {
    lay_out(mend);
    judge(mend);
    ordo_err err = sweep(mend, ORDO_CF_HISTORY, wants_block);
    if (!err) err = end_blocks_with_a_run(mend);
    if (err) return err;
    mend->out->first_seq = mend->packed_seq + 1;
    choose_snapshots(mend);
    if (mend->newest == NULL && mend->packed_seq > 0) err = make_snapshot(mend);
    if (err) return err;
    choose_history(mend);
    err = sweep(mend, ORDO_CF_OPS, wants_run);
    if (!err) err = sweep(mend, ORDO_CF_SNAPSHOTS, wants_piece);
    if (!err) err = put_clients(mend);
    if (!err) put_row(mend);
    return err;
}

/* A row that knows of ops that no log has: loading it fails, by name, for ever. */
static ordo_err write_lost(struct mend *mend) {
    struct ordo_mended *out = mend->out;
    out->outcome = ORDO_MEND_LOST;
    out->is_relineaged = true;
    if (out->known_seq == 0) out->known_seq = 1; /* it was something */
    ordo_err err = sweep(mend, ORDO_CF_OPS, wants_nothing);
    if (!err) err = sweep(mend, ORDO_CF_SNAPSHOTS, wants_nothing);
    if (!err) err = sweep(mend, ORDO_CF_CLIENTS, wants_nothing);
    if (!err) err = sweep(mend, ORDO_CF_HISTORY, wants_nothing);
    struct ordo_doc_row row = {.lineage = mend->hints->lineage, .head = out->known_seq};
    ordo_doc_row_encode(&mend->value, mend->survey.doc_key, &row);
    ordo_batch_put(mend->batch, ORDO_CF_DOCS, mend->survey.doc_key, ordo_buffer_slice(&mend->value));
    return err;
}

ordo_err ordo_mend(struct ordo_view *view, struct ordo_slice doc_key, const struct ordo_mend_hints *hints,
                   struct ordo_batch *batch, struct ordo_mended *out) {
    struct mend mend = {.hints = hints, .batch = batch, .out = out};
    ordo_err err = ordo_survey_make(&mend.survey, view, doc_key, hints->seen_seq);
    *out = (struct ordo_mended){.known_seq = mend.survey.known_seq, .end_seq = mend.survey.end_seq};
    if (!err) err = out->end_seq > 0 ? write_readable(&mend) : write_lost(&mend);
    ordo_survey_finish(&mend.survey);
    ordo_buffer_finish(&mend.key);
    ordo_buffer_finish(&mend.value);
    return err;
}
