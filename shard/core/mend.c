#include "shard/core/mend.h"

#include "common/memory.h"
#include "shard/core/authors.h"
#include "shard/core/block.h"
#include "shard/core/key.h"
#include "shard/core/replay.h"

#include <stdlib.h>

/* Ops first..next-1 stand in the log without a hole. */
struct stretch {
    uint64_t first, next;
};

struct snapshot {
    struct ordo_snapshot_row row; /* its type is a static name */
    bool is_kept;
};

struct mend {
    struct ordo_view *view;
    struct ordo_slice doc_key;
    const struct ordo_mend_hints *hints;
    struct ordo_batch *batch;
    struct ordo_mended *out;
    struct ordo_buffer end_key, key, value;
    struct stretch *stretches;
    size_t stretch_count;
    struct snapshot *snapshots; /* whole ones, oldest first */
    size_t snapshot_count;
    bool has_row;
    struct ordo_doc_row row;    /* without its type */
    uint64_t blocks_seq;         /* blocks from this op on lead up to the log; the log's first: there are none */
    uint64_t packed_seq;         /* ... and go up to this op; the last before the log: there are none */
};

static struct ordo_iterator *iterate(struct mend *mend, enum ordo_cf cf) {
    return mend->view->ops->iterate(mend->view, cf, mend->doc_key, ordo_buffer_slice(&mend->end_key));
}

static struct ordo_slice rest_of(const struct mend *mend, struct ordo_slice key) {
    return ordo_slice(key.data + mend->doc_key.size, key.size - mend->doc_key.size);
}

static void see(struct mend *mend, uint64_t seq) {
    if (seq > mend->out->known_seq) mend->out->known_seq = seq;
}

/* Rows of what was forgotten may be back, too: they are not taken for anything. */
static bool is_erased(const struct mend *mend, uint64_t seq) { return seq <= mend->row.erased_seq; }

/* ---- what is there */

static ordo_err read_row(struct mend *mend) {
    ordo_buffer_clear(&mend->value);
    ordo_err err = mend->view->ops->get(mend->view, ORDO_CF_DOCS, mend->doc_key, &mend->value);
    if (err == ORDO_ERR_IO) return err;
    if (!err) err = ordo_doc_row_decode(mend->doc_key, ordo_buffer_slice(&mend->value), &mend->row);
    mend->has_row = err == ORDO_OK;
    if (!mend->has_row) mend->row = (struct ordo_doc_row){0};
    see(mend, mend->row.head);
    return ORDO_OK;
}

/* Whether all of the run can be read; `next` is where the log goes on behind it. */
static bool run_reads(const struct mend *mend, struct ordo_slice key, struct ordo_slice value, uint64_t *first,
                      uint64_t *next) {
    struct ordo_run run;
    struct ordo_run_op op;
    if (!ordo_key_parse_seq(rest_of(mend, key), first) || ordo_run_open(key, value, &run)) return false;
    if (run.first_seq != *first) return false;
    ordo_err err;
    while (!(err = ordo_run_next(&run, &op))) continue;
    *next = run.next_seq;
    return err == ORDO_ERR_NOT_FOUND;
}

/* Runs up to `limit`, joined where they follow each other. */
static ordo_err list_stretches(struct mend *mend, uint64_t limit) {
    struct ordo_iterator *iterator = iterate(mend, ORDO_CF_OPS);
    mend->stretch_count = 0;
    for (bool more = iterator->ops->seek(iterator, mend->doc_key); more; more = iterator->ops->next(iterator)) {
        uint64_t first, next;
        if (!run_reads(mend, iterator->ops->key(iterator), iterator->ops->value(iterator), &first, &next)) continue;
        if (is_erased(mend, first)) continue;
        see(mend, next - 1);
        if (next - 1 > limit) continue;
        struct stretch *last = mend->stretch_count > 0 ? &mend->stretches[mend->stretch_count - 1] : NULL;
        if (last != NULL && last->next == first) {
            last->next = next;
            continue;
        }
        mend->stretches = ordo_realloc(mend->stretches, (mend->stretch_count + 1) * sizeof *mend->stretches);
        mend->stretches[mend->stretch_count++] = (struct stretch){first, next};
    }
    return ordo_iterator_end(iterator);
}

static bool pieces_read(struct mend *mend, const struct ordo_snapshot_row *row) {
    uint64_t size = 0, hash = 0;
    for (uint32_t piece = 0; piece < row->piece_count; piece++) {
        struct ordo_slice bytes;
        ordo_key_snapshot(&mend->key, mend->doc_key, row->seq, piece);
        ordo_buffer_clear(&mend->value);
        if (mend->view->ops->get(mend->view, ORDO_CF_SNAPSHOTS, ordo_buffer_slice(&mend->key), &mend->value) ||
            ordo_snapshot_piece_decode(ordo_buffer_slice(&mend->key), ordo_buffer_slice(&mend->value), &bytes)) {
            return false;
        }
        size += bytes.size;
        hash = ordo_snapshot_hash(hash, bytes);
    }
    return size == row->size && (!row->has_hash || hash == row->content_hash);
}

static void add_snapshot(struct mend *mend, const struct ordo_snapshot_row *row, const struct ordo_type *type) {
    mend->snapshots = ordo_realloc(mend->snapshots, (mend->snapshot_count + 1) * sizeof *mend->snapshots);
    mend->snapshots[mend->snapshot_count] = (struct snapshot){.row = *row};
    mend->snapshots[mend->snapshot_count++].row.type = ordo_slice_of(type->name);
}

static ordo_err list_snapshots(struct mend *mend) {
    struct ordo_iterator *iterator = iterate(mend, ORDO_CF_SNAPSHOTS);
    for (bool more = iterator->ops->seek(iterator, mend->doc_key); more; more = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator);
        struct ordo_snapshot_row row;
        uint64_t seq;
        uint32_t piece;
        if (!ordo_key_parse_piece(rest_of(mend, key), &seq, &piece) || piece != ORDO_PIECE_VALID) continue;
        if (ordo_snapshot_row_decode(key, iterator->ops->value(iterator), &row) || row.seq != seq) continue;
        if (is_erased(mend, seq) && (seq < mend->row.erased_seq || !ordo_snapshot_row_is_erased(&row))) continue;
        see(mend, seq);
        const struct ordo_type *type = ordo_type_of(row.type);
        if (type != NULL && pieces_read(mend, &row)) add_snapshot(mend, &row, type);
    }
    return ordo_iterator_end(iterator);
}

/* They know of ops, too. */
static ordo_err look_at_clients(struct mend *mend) {
    struct ordo_iterator *iterator = iterate(mend, ORDO_CF_CLIENTS);
    for (bool more = iterator->ops->seek(iterator, mend->doc_key); more; more = iterator->ops->next(iterator)) {
        struct ordo_client_row row;
        if (!ordo_client_row_decode(iterator->ops->key(iterator), iterator->ops->value(iterator), &row)) {
            see(mend, row.server_seq);
        }
    }
    return ordo_iterator_end(iterator);
}

/* ---- how far it leads */

static const struct stretch *stretch_with(const struct mend *mend, uint64_t seq) {
    for (size_t i = 0; i < mend->stretch_count; i++) {
        if (mend->stretches[i].first <= seq && seq < mend->stretches[i].next) return &mend->stretches[i];
    }
    return NULL;
}

/* The last op that is reached when one starts behind `seq`. */
static uint64_t reach(const struct mend *mend, uint64_t seq) {
    const struct stretch *stretch = stretch_with(mend, seq + 1);
    return stretch != NULL ? stretch->next - 1 : seq;
}

static void choose_end(struct mend *mend, uint64_t limit) {
    uint64_t end = reach(mend, 0);
    for (size_t i = 0; i < mend->snapshot_count; i++) {
        uint64_t seq = mend->snapshots[i].row.seq;
        if (seq <= limit && reach(mend, seq) > end) end = reach(mend, seq);
    }
    const struct stretch *log = stretch_with(mend, end);
    mend->out->end_seq = end;
    mend->out->first_seq = log != NULL ? log->first : end + 1;
}

/* Checksums say that the rows are ours; that each op follows the one before is seen by doing it. Where one does not,
 * the document ends before it. */
static ordo_err find_end(struct mend *mend) {
    uint64_t limit = UINT64_MAX;
    for (;;) {
        ordo_err err = list_stretches(mend, limit);
        if (err) return err;
        choose_end(mend, limit);
        if (mend->out->end_seq == 0) return ORDO_OK;
        struct ordo_materialised content;
        uint64_t bad_seq;
        err = ordo_materialise(mend->view, mend->doc_key, mend->out->end_seq, &content, &bad_seq);
        if (err == ORDO_ERR_IO) return err;
        if (!err) {
            uint64_t seq = content.state.seq;
            ordo_materialised_finish(&content);
            if (seq == mend->out->end_seq) return ORDO_OK;
        }
        limit = mend->out->end_seq - 1;
        if (bad_seq > 2 && bad_seq - 2 < limit) limit = bad_seq - 2; /* it has counted the op that did not follow */
    }
}

/* ---- what is written */

/* Deletes the rows of a family that `is_wanted` does not want. */
static ordo_err sweep(struct mend *mend, enum ordo_cf cf, bool (*is_wanted)(struct mend *mend, struct ordo_slice key)) {
    struct ordo_iterator *iterator = iterate(mend, cf);
    for (bool more = iterator->ops->seek(iterator, mend->doc_key); more; more = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator);
        if (!is_wanted(mend, key)) ordo_batch_delete(mend->batch, cf, key);
    }
    return ordo_iterator_end(iterator);
}

static bool wants_nothing(struct mend *mend, struct ordo_slice key) {
    (void)mend, (void)key;
    return false;
}

static bool wants_run(struct mend *mend, struct ordo_slice key) {
    uint64_t seq;
    return ordo_key_parse_seq(rest_of(mend, key), &seq) && seq >= mend->out->first_seq && seq <= mend->out->end_seq;
}

static bool wants_piece(struct mend *mend, struct ordo_slice key) {
    uint64_t seq;
    uint32_t piece;
    if (!ordo_key_parse_piece(rest_of(mend, key), &seq, &piece)) return false;
    for (size_t i = 0; i < mend->snapshot_count; i++) {
        const struct snapshot *snapshot = &mend->snapshots[i];
        if (snapshot->row.seq != seq) continue;
        return snapshot->is_kept && (piece == ORDO_PIECE_VALID || piece < snapshot->row.piece_count);
    }
    return false;
}

/* The two newest from which the log leads on. */
static struct snapshot *choose_snapshots(struct mend *mend) {
    struct snapshot *newest = NULL;
    size_t kept = 0;
    for (size_t i = mend->snapshot_count; i > 0 && kept < 2; i--) {
        struct snapshot *snapshot = &mend->snapshots[i - 1];
        if (snapshot->row.seq > mend->out->end_seq || snapshot->row.seq + 1 < mend->out->first_seq) continue;
        snapshot->is_kept = true;
        if (kept++ == 0) newest = snapshot;
    }
    return newest;
}

/* Blocks of packed history lead up to the log if they follow each other without a hole. */
static ordo_err find_blocks(struct mend *mend) {
    struct ordo_iterator *iterator = iterate(mend, ORDO_CF_HISTORY);
    uint64_t begin = 0, next = 0;
    for (bool more = iterator->ops->seek(iterator, mend->doc_key); more; more = iterator->ops->next(iterator)) {
        struct ordo_block *block;
        if (ordo_block_open(iterator->ops->key(iterator), iterator->ops->value(iterator), &block)) continue;
        const struct ordo_block_info *info = ordo_block_info(block);
        if (is_erased(mend, info->first_seq)) {
            ordo_block_close(block);
            continue;
        }
        if (info->first_seq != next) begin = info->first_seq;
        next = info->first_seq + info->count;
        ordo_block_close(block);
    }
    bool leads = begin > 0 && begin < mend->out->first_seq && next >= mend->out->first_seq;
    mend->blocks_seq = leads ? begin : mend->out->first_seq;
    mend->packed_seq = leads ? next - 1 : mend->out->first_seq - 1;
    return ordo_iterator_end(iterator);
}

/* History begins with nothing, or with the oldest snapshot from which ops lead on; that one is kept for it. */
static void choose_history(struct mend *mend) {
    mend->out->history_seq = 0;
    for (size_t i = 0; i < mend->snapshot_count && mend->blocks_seq > 1 && mend->out->history_seq == 0; i++) {
        struct snapshot *snapshot = &mend->snapshots[i];
        if (snapshot->row.seq + 1 < mend->blocks_seq || snapshot->row.seq > mend->out->end_seq) continue;
        snapshot->is_kept = true;
        mend->out->history_seq = snapshot->row.seq;
    }
    mend->out->has_lost_history = mend->out->history_seq > mend->row.history_seq;
}

static bool wants_block(struct mend *mend, struct ordo_slice key) {
    uint64_t seq;
    return ordo_key_parse_seq(rest_of(mend, key), &seq) && seq >= mend->blocks_seq && seq < mend->out->first_seq;
}

static struct ordo_relineage relineage_of(const struct mend *mend) {
    if (!mend->out->is_relineaged) return mend->row.relineage;
    return (struct ordo_relineage){.seq = mend->out->end_seq, .lineage = mend->hints->lineage};
}

/* The row is as of the newest snapshot; without one there is none, unless it says something else, too. */
static void write_row(struct mend *mend, const struct snapshot *newest) {
    struct ordo_relineage relineage = relineage_of(mend);
    if (newest == NULL && relineage.seq == 0) {
        ordo_batch_delete(mend->batch, ORDO_CF_DOCS, mend->doc_key);
        return;
    }
    const struct ordo_snapshot_row none = {.seq = mend->out->end_seq}, *from = newest != NULL ? &newest->row : &none;
    struct ordo_doc_row row = {.type = from->type, .lineage = from->lineage, .head = from->seq,
                               .horizon = mend->row.horizon, .created_seq = from->created_seq,
                               .deleted_seq = from->deleted_seq, .forgotten_seq = mend->row.forgotten_seq,
                               .history_seq = mend->out->history_seq, .relineage = relineage,
                               .erased_seq = mend->row.erased_seq};
    if (mend->out->is_relineaged) row.lineage = relineage.lineage;
    /* Runs that had been packed may have come back in the place of a lost block: truncation packs them again. */
    if (row.horizon > mend->packed_seq) row.horizon = mend->packed_seq;
    if (row.horizon < mend->out->first_seq - 1) row.horizon = mend->out->first_seq - 1;
    if (row.horizon > row.head) row.horizon = row.head;
    ordo_doc_row_encode(&mend->value, mend->doc_key, &row);
    ordo_batch_put(mend->batch, ORDO_CF_DOCS, mend->doc_key, ordo_buffer_slice(&mend->value));
}

static ordo_err read_authors(struct mend *mend, struct ordo_authors *authors) {
    struct ordo_op_log log;
    struct ordo_run_op op;
    if (mend->out->first_seq > mend->out->end_seq) return ORDO_OK;
    ordo_op_log_open(&log, mend->view, mend->doc_key, mend->out->first_seq);
    ordo_err err = ORDO_OK;
    while (!err && log.next_seq <= mend->out->end_seq) {
        err = ordo_op_log_next(&log, &op);
        if (err || op.op.client_seq == 0) continue;
        ordo_authors_note(authors, ordo_authors_get(authors, op.op.client_id),
                          &(struct ordo_client_row){.client_seq = op.op.client_seq, .server_seq = op.op.server_seq,
                                                    .hash = op.hash, .timestamp_ms = op.op.timestamp_ms,
                                                    .user = op.op.user});
    }
    ordo_op_log_close(&log);
    return err;
}

/* Rows that the log does not know better stay if their op was before it, and go if it is lost or cannot have been. */
static ordo_err keep_client_rows(struct mend *mend, const struct ordo_authors *authors) {
    struct ordo_iterator *iterator = iterate(mend, ORDO_CF_CLIENTS);
    for (bool more = iterator->ops->seek(iterator, mend->doc_key); more; more = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator);
        struct ordo_client_row row;
        bool reads = !ordo_client_row_decode(key, iterator->ops->value(iterator), &row);
        bool is_before = reads && row.server_seq < mend->out->first_seq && !is_erased(mend, row.server_seq);
        if (!is_before || ordo_authors_find(authors, rest_of(mend, key)) != NULL) {
            ordo_batch_delete(mend->batch, ORDO_CF_CLIENTS, key);
        }
    }
    return ordo_iterator_end(iterator);
}

/* Entries whose op the newest snapshot covers need a row; what is behind it, the log tells. */
static ordo_err write_clients(struct mend *mend, const struct snapshot *newest) {
    struct ordo_authors authors = {0};
    ordo_err err = read_authors(mend, &authors);
    if (!err) err = keep_client_rows(mend, &authors);
    uint32_t cursor = 0;
    struct ordo_author *author;
    while (!err && newest != NULL && (author = ordo_table_next(&authors.table, &cursor)) != NULL) {
        if (author->server_seq > newest->row.seq) continue;
        struct ordo_client_row row = ordo_author_row(author);
        ordo_key_client(&mend->key, mend->doc_key, ordo_author_client_id(author));
        ordo_client_row_encode(&mend->value, ordo_buffer_slice(&mend->key), &row);
        ordo_batch_put(mend->batch, ORDO_CF_CLIENTS, ordo_buffer_slice(&mend->key), ordo_buffer_slice(&mend->value));
    }
    ordo_authors_finish(&authors);
    return err;
}

static void judge(struct mend *mend) {
    struct ordo_mended *out = mend->out;
    out->has_lost_clients = out->first_seq > 1 && mend->hints->may_lack_clients;
    if (out->end_seq < out->known_seq) out->outcome = ORDO_MEND_SHORT;
    else if (mend->hints->may_lack_ops || out->has_lost_clients) out->outcome = ORDO_MEND_UNSURE;
    else out->outcome = ORDO_MEND_WHOLE;
    out->is_relineaged = out->outcome != ORDO_MEND_WHOLE;
}

static ordo_err write_readable(struct mend *mend) {
    judge(mend);
    struct snapshot *newest = choose_snapshots(mend);
    ordo_err err = find_blocks(mend);
    if (err) return err;
    choose_history(mend);
    err = sweep(mend, ORDO_CF_OPS, wants_run);
    if (!err) err = sweep(mend, ORDO_CF_HISTORY, wants_block);
    if (!err) err = sweep(mend, ORDO_CF_SNAPSHOTS, wants_piece);
    if (!err) err = write_clients(mend, newest);
    if (!err) write_row(mend, newest);
    return err;
}

/* A row that knows of ops that no log has: loading it fails, by name, for ever. */
static ordo_err write_lost(struct mend *mend) {
    mend->out->outcome = ORDO_MEND_LOST;
    mend->out->is_relineaged = true;
    if (mend->out->known_seq == 0) mend->out->known_seq = 1; /* it was something */
    ordo_err err = sweep(mend, ORDO_CF_OPS, wants_nothing);
    if (!err) err = sweep(mend, ORDO_CF_SNAPSHOTS, wants_nothing);
    if (!err) err = sweep(mend, ORDO_CF_CLIENTS, wants_nothing);
    if (!err) err = sweep(mend, ORDO_CF_HISTORY, wants_nothing);
    struct ordo_doc_row row = {.lineage = mend->hints->lineage, .head = mend->out->known_seq};
    ordo_doc_row_encode(&mend->value, mend->doc_key, &row);
    ordo_batch_put(mend->batch, ORDO_CF_DOCS, mend->doc_key, ordo_buffer_slice(&mend->value));
    return err;
}

ordo_err ordo_mend(struct ordo_view *view, struct ordo_slice doc_key, const struct ordo_mend_hints *hints,
                   struct ordo_batch *batch, struct ordo_mended *out) {
    *out = (struct ordo_mended){.known_seq = hints->seen_seq};
    struct mend mend = {.view = view, .doc_key = doc_key, .hints = hints, .batch = batch, .out = out};
    ordo_key_doc_end(&mend.end_key, doc_key);
    ordo_err err = read_row(&mend);
    if (!err) err = list_snapshots(&mend);
    if (!err) err = look_at_clients(&mend);
    if (!err) err = find_end(&mend);
    if (!err) err = out->end_seq > 0 ? write_readable(&mend) : write_lost(&mend);
    free(mend.stretches);
    free(mend.snapshots);
    ordo_buffer_finish(&mend.end_key);
    ordo_buffer_finish(&mend.key);
    ordo_buffer_finish(&mend.value);
    return err;
}
