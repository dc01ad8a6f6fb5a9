#include "shard/core/erase_again.h"

#include "shard/core/key.h"
#include "shard/core/rows.h"

/* Rows that follow each other go with one deletion: not a key each, and so it is seen that tables are to be swept (sweep.h). */
struct stretch {
    struct ordo_batch *batch;
    enum ordo_cf cf;
    struct ordo_buffer first, end;
};

static void close_stretch(struct stretch *stretch) {
    if (stretch->first.size == 0) return;
    ordo_batch_delete_range(stretch->batch, stretch->cf, ordo_buffer_slice(&stretch->first), ordo_buffer_slice(&stretch->end));
    ordo_buffer_clear(&stretch->first);
}

static void add_to_stretch(struct stretch *stretch, struct ordo_slice key) {
    if (stretch->first.size == 0) ordo_buffer_append_slice(&stretch->first, key);
    ordo_buffer_clear(&stretch->end);
    ordo_buffer_append_slice(&stretch->end, key);
    ordo_buffer_append_u8(&stretch->end, 0); /* just behind the key */
}

/* Whether the row speaks of something at or before `erased_seq`. One that does not read is left for `ordo verify` to name. */
static bool is_of_before(enum ordo_cf cf, struct ordo_slice key, struct ordo_slice value, uint64_t erased_seq) {
    struct ordo_key parsed;
    struct ordo_client_row client;
    struct ordo_snapshot_row record;
    uint64_t seq;
    uint32_t piece;
    if (!ordo_key_parse(key, &parsed)) return false;
    if (cf == ORDO_CF_CLIENTS) return !ordo_client_row_decode(key, value, &client) && client.server_seq <= erased_seq;
    if (cf != ORDO_CF_SNAPSHOTS) return ordo_key_parse_seq(parsed.rest, &seq) && seq <= erased_seq;
    if (!ordo_key_parse_piece(parsed.rest, &seq, &piece) || seq > erased_seq) return false;
    if (seq < erased_seq || piece != ORDO_PIECE_VALID) return true;
    return !ordo_snapshot_row_decode(key, value, &record) && !ordo_snapshot_row_is_erased(&record);
}

static ordo_err erase_family(struct ordo_view *view, enum ordo_cf cf, struct ordo_slice doc_key, uint64_t erased_seq,
                             struct ordo_batch *batch) {
    struct stretch stretch = {.batch = batch, .cf = cf};
    struct ordo_buffer end_key = {0};
    ordo_key_doc_end(&end_key, doc_key);
    struct ordo_iterator *iterator = view->ops->iterate(view, cf, doc_key, ordo_buffer_slice(&end_key));
    for (bool more = iterator->ops->seek(iterator, doc_key); more; more = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator);
        if (is_of_before(cf, key, iterator->ops->value(iterator), erased_seq)) add_to_stretch(&stretch, key);
        else close_stretch(&stretch);
    }
    close_stretch(&stretch);
    ordo_err err = ordo_iterator_end(iterator);
    ordo_buffer_finish(&end_key);
    ordo_buffer_finish(&stretch.first);
    ordo_buffer_finish(&stretch.end);
    return err;
}

static ordo_err erase_document(struct ordo_view *view, struct ordo_slice doc_key, uint64_t erased_seq,
                               struct ordo_batch *batch) {
    static const enum ordo_cf families[] = {ORDO_CF_OPS, ORDO_CF_SNAPSHOTS, ORDO_CF_CLIENTS, ORDO_CF_HISTORY};
    ordo_err err = ORDO_OK;
    for (size_t i = 0; !err && i < sizeof families / sizeof *families; i++)
        err = erase_family(view, families[i], doc_key, erased_seq, batch);
    return err;
}

ordo_err ordo_erase_again(struct ordo_view *view, struct ordo_slice low, struct ordo_slice high, struct ordo_batch *batch) {
    struct ordo_iterator *iterator = view->ops->iterate(view, ORDO_CF_DOCS, low, ordo_slice(NULL, 0));
    ordo_err err = ORDO_OK;
    for (bool more = iterator->ops->seek(iterator, low); more && !err; more = iterator->ops->next(iterator)) {
        struct ordo_slice doc_key = iterator->ops->key(iterator);
        struct ordo_doc_row row;
        if (ordo_slice_compare(doc_key, high) > 0) break;
        bool was_erased = !ordo_doc_row_decode(doc_key, iterator->ops->value(iterator), &row) && row.erased_seq != 0;
        if (was_erased) err = erase_document(view, doc_key, row.erased_seq, batch);
    }
    if (!err) err = iterator->ops->status(iterator);
    iterator->ops->close(iterator);
    return err;
}
