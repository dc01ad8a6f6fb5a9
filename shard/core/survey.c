#include "shard/core/survey.h"

#include "common/memory.h"
#include "shard/core/block.h"
#include "shard/core/key.h"
#include "shard/core/replay.h"

#include <stdlib.h>

struct ordo_iterator *ordo_survey_iterate(struct ordo_survey *survey, enum ordo_cf cf) {
    return survey->view->ops->iterate(survey->view, cf, survey->doc_key, ordo_buffer_slice(&survey->end_key));
}

struct ordo_slice ordo_survey_rest_of(const struct ordo_survey *survey, struct ordo_slice key) {
    return ordo_slice(key.data + survey->doc_key.size, key.size - survey->doc_key.size);
}

bool ordo_survey_is_erased(const struct ordo_survey *survey, uint64_t seq) { return seq <= survey->row.erased_seq; }

static void see(struct ordo_survey *survey, uint64_t seq) {
    if (seq > survey->known_seq) survey->known_seq = seq;
}

/* ---- the document's row and its clients' */

static ordo_err read_row(struct ordo_survey *survey) {
    struct ordo_buffer value = {0};
    ordo_err err = survey->view->ops->get(survey->view, ORDO_CF_DOCS, survey->doc_key, &value);
    bool reads = !err && !ordo_doc_row_decode(survey->doc_key, ordo_buffer_slice(&value), &survey->row);
    if (!reads) survey->row = (struct ordo_doc_row){0};
    survey->row.type = ordo_slice(NULL, 0); /* it borrows */
    see(survey, survey->row.head);
    ordo_buffer_finish(&value);
    return err == ORDO_ERR_IO ? err : ORDO_OK;
}

/* They know of ops, too. */
static ordo_err look_at_clients(struct ordo_survey *survey) {
    struct ordo_iterator *iterator = ordo_survey_iterate(survey, ORDO_CF_CLIENTS);
    for (bool more = iterator->ops->seek(iterator, survey->doc_key); more; more = iterator->ops->next(iterator)) {
        struct ordo_client_row row;
        if (!ordo_client_row_decode(iterator->ops->key(iterator), iterator->ops->value(iterator), &row)) {
            see(survey, row.server_seq);
        }
    }
    return ordo_iterator_end(iterator);
}

/* ---- snapshots */

static bool pieces_read(const struct ordo_survey *survey, const struct ordo_snapshot_row *row) {
    struct ordo_buffer key = {0}, value = {0};
    uint64_t size = 0, hash = 0;
    bool reads = true;
    for (uint32_t piece = 0; reads && piece < row->piece_count; piece++) {
        struct ordo_slice bytes;
        ordo_key_snapshot(&key, survey->doc_key, row->seq, piece);
        ordo_buffer_clear(&value);
        reads = !survey->view->ops->get(survey->view, ORDO_CF_SNAPSHOTS, ordo_buffer_slice(&key), &value) &&
                !ordo_snapshot_piece_decode(ordo_buffer_slice(&key), ordo_buffer_slice(&value), &bytes);
        if (!reads) break;
        size += bytes.size;
        hash = ordo_snapshot_hash(hash, bytes);
    }
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
    return reads && size == row->size && (!row->has_hash || hash == row->content_hash);
}

void ordo_survey_add_snapshot(struct ordo_survey *survey, const struct ordo_snapshot_row *row) {
    survey->snapshots = ordo_realloc(survey->snapshots, (survey->snapshot_count + 1) * sizeof *survey->snapshots);
    survey->snapshots[survey->snapshot_count++] = *row;
}

static ordo_err list_snapshots(struct ordo_survey *survey) {
    struct ordo_iterator *iterator = ordo_survey_iterate(survey, ORDO_CF_SNAPSHOTS);
    for (bool more = iterator->ops->seek(iterator, survey->doc_key); more; more = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator);
        struct ordo_snapshot_row row;
        uint64_t seq;
        uint32_t piece;
        if (!ordo_key_parse_piece(ordo_survey_rest_of(survey, key), &seq, &piece) || piece != ORDO_PIECE_VALID) continue;
        if (ordo_snapshot_row_decode(key, iterator->ops->value(iterator), &row) || row.seq != seq) continue;
        if (ordo_snapshot_row_is_erased(&row) && seq >= survey->row.erased_seq) { /* the document's row may be lost */
            survey->row.erased_seq = seq;
            survey->snapshot_count = 0;
        } else if (ordo_survey_is_erased(survey, seq)) {
            continue;
        }
        see(survey, seq);
        const struct ordo_type *type = ordo_type_of(row.type);
        if (type == NULL || !pieces_read(survey, &row)) continue;
        row.type = ordo_slice_of(type->name); /* it borrowed */
        ordo_survey_add_snapshot(survey, &row);
    }
    return ordo_iterator_end(iterator);
}

/* ---- ops */

const struct ordo_stretch *ordo_stretch_with(const struct ordo_stretches *stretches, uint64_t seq) {
    for (size_t i = stretches->count; i > 0; i--) {
        const struct ordo_stretch *stretch = &stretches->items[i - 1];
        if (stretch->first <= seq && seq < stretch->next) return stretch;
    }
    return NULL;
}

static void add_stretch(struct ordo_stretches *stretches, struct ordo_stretch stretch) {
    stretches->items = ordo_realloc(stretches->items, (stretches->count + 1) * sizeof *stretches->items);
    stretches->items[stretches->count++] = stretch;
}

static bool run_reads(struct ordo_slice key, struct ordo_slice value, struct ordo_stretch *out) {
    struct ordo_run run;
    struct ordo_run_op op;
    if (ordo_run_open(key, value, &run)) return false;
    ordo_err err;
    while (!(err = ordo_run_next(&run, &op))) continue;
    *out = (struct ordo_stretch){run.first_seq, run.next_seq};
    return err == ORDO_ERR_NOT_FOUND && run.count > 0;
}

static bool block_reads(struct ordo_slice key, struct ordo_slice value, struct ordo_stretch *out) {
    struct ordo_block *block;
    if (ordo_block_open(key, value, &block)) return false;
    const struct ordo_block_info *info = ordo_block_info(block);
    *out = (struct ordo_stretch){info->first_seq, info->first_seq + info->count};
    ordo_block_close(block);
    return out->next > out->first;
}

/* Runs or blocks that can be read to their end and end at `limit` or before it. */
static ordo_err list_stretches(struct ordo_survey *survey, enum ordo_cf cf, uint64_t limit, struct ordo_stretches *out) {
    struct ordo_iterator *iterator = ordo_survey_iterate(survey, cf);
    out->count = 0;
    for (bool more = iterator->ops->seek(iterator, survey->doc_key); more; more = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator), value = iterator->ops->value(iterator);
        struct ordo_stretch stretch;
        uint64_t seq;
        if (!ordo_key_parse_seq(ordo_survey_rest_of(survey, key), &seq) || ordo_survey_is_erased(survey, seq)) continue;
        if (!(cf == ORDO_CF_OPS ? run_reads(key, value, &stretch) : block_reads(key, value, &stretch))) continue;
        if (stretch.first != seq) continue;
        see(survey, stretch.next - 1);
        if (stretch.next - 1 > limit) continue;
        struct ordo_stretch *last = out->count > 0 ? &out->items[out->count - 1] : NULL;
        if (cf == ORDO_CF_OPS && last != NULL && last->next == stretch.first) last->next = stretch.next;
        else add_stretch(out, stretch);
    }
    return ordo_iterator_end(iterator);
}

/* ---- how far it leads */

/* Whether the log ends with this op: then no block goes on (op_log.h). */
static bool ends_runs(const struct ordo_survey *survey, uint64_t seq) {
    return survey->runs.count > 0 && survey->runs.items[survey->runs.count - 1].next == seq + 1;
}

/* The last op that is reached when one starts behind `seq`; in the same way as op_log.h does. */
static uint64_t reach(const struct ordo_survey *survey, uint64_t seq) {
    for (;;) {
        const struct ordo_stretch *stretch = ordo_stretch_with(&survey->runs, seq + 1);
        if (stretch == NULL && !ends_runs(survey, seq)) stretch = ordo_stretch_with(&survey->blocks, seq + 1);
        if (stretch == NULL) return seq;
        seq = stretch->next - 1;
    }
}

static uint64_t furthest(const struct ordo_survey *survey, uint64_t limit) {
    uint64_t end = reach(survey, 0);
    for (size_t i = 0; i < survey->snapshot_count; i++) {
        uint64_t seq = survey->snapshots[i].seq;
        if (seq <= limit && reach(survey, seq) > end) end = reach(survey, seq);
    }
    return end;
}

/* Checksums say that the rows are ours; that each op follows the one before is seen by doing it. Where one does not,
 * the document ends before it. */
static ordo_err find_end(struct ordo_survey *survey) {
    uint64_t limit = UINT64_MAX;
    for (;;) {
        ordo_err err = list_stretches(survey, ORDO_CF_OPS, limit, &survey->runs);
        if (!err) err = list_stretches(survey, ORDO_CF_HISTORY, limit, &survey->blocks);
        if (err) return err;
        survey->end_seq = furthest(survey, limit);
        if (survey->end_seq == 0) return ORDO_OK;
        struct ordo_materialised content;
        uint64_t bad_seq;
        err = ordo_materialise(survey->view, survey->doc_key, survey->end_seq, &content, &bad_seq);
        if (err == ORDO_ERR_IO) return err;
        if (!err) {
            uint64_t seq = content.state.seq;
            ordo_materialised_finish(&content);
            if (seq == survey->end_seq) return list_stretches(survey, ORDO_CF_HISTORY, seq, &survey->blocks);
        }
        limit = survey->end_seq - 1;
        if (bad_seq > 2 && bad_seq - 2 < limit) limit = bad_seq - 2; /* it has counted the op that did not follow */
    }
}

/* ---- all of it */

ordo_err ordo_survey_make(struct ordo_survey *survey, struct ordo_view *view, struct ordo_slice doc_key, uint64_t seen_seq) {
    *survey = (struct ordo_survey){.view = view, .doc_key = doc_key, .known_seq = seen_seq};
    ordo_key_doc_end(&survey->end_key, doc_key);
    ordo_err err = read_row(survey);
    if (!err) err = list_snapshots(survey);
    if (!err) err = look_at_clients(survey);
    if (!err) err = find_end(survey);
    return err;
}

void ordo_survey_finish(struct ordo_survey *survey) {
    free(survey->runs.items);
    free(survey->blocks.items);
    free(survey->snapshots);
    ordo_buffer_finish(&survey->end_key);
}
