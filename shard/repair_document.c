#include "shard/repair_document.h"

#include "shard/core/key.h"
#include "shard/core/rows.h"
#include "shard/lineages.h"

static void count(struct ordo_repair_counts *counts, const struct ordo_mended *mended) {
    counts->documents++;
    switch (mended->outcome) {
    case ORDO_MEND_WHOLE: counts->whole++; break;
    case ORDO_MEND_UNSURE: counts->unsure++; break;
    case ORDO_MEND_SHORT: counts->shortened++; break;
    case ORDO_MEND_LOST: counts->lost++; break;
    }
    if (mended->outcome == ORDO_MEND_WHOLE && mended->has_lost_history) counts->history_lost++;
}

ordo_err ordo_repair_document(struct ordo_repair *repair, struct ordo_view *view, struct ordo_slice doc_key,
                              struct ordo_mend_hints hints, struct ordo_batch *batch) {
    struct ordo_mended mended;
    struct ordo_key names;
    hints.lineage = ordo_lineage_draw();
    ordo_err err = ordo_mend(view, doc_key, &hints, batch, &mended);
    if (err) return err;
    count(&repair->counts, &mended);
    if (ordo_key_parse(doc_key, &names) && (mended.outcome != ORDO_MEND_WHOLE || mended.has_lost_history)) {
        repair->document(repair->context, names.collection, names.id, &mended);
    }
    return ORDO_OK;
}

void ordo_repair_quarantine(struct ordo_buffer *row, struct ordo_slice low, struct ordo_slice high) {
    const struct ordo_quarantine_range range = {ordo_key_document(low), ordo_key_document(high)};
    if (low.size > 0 && ordo_slice_equal(range.low, range.high)) return;
    ordo_quarantine_add(row, &range);
}

void ordo_repair_put_quarantine(struct ordo_repair *repair, const struct ordo_buffer *row, struct ordo_batch *batch) {
    repair->counts.has_quarantine = row->size > 0 && !repair->allows_new;
    if (repair->counts.has_quarantine) {
        ordo_batch_put(batch, ORDO_CF_META, ordo_key_quarantine, ordo_buffer_slice(row));
    } else {
        ordo_batch_delete(batch, ORDO_CF_META, ordo_key_quarantine);
    }
}

ordo_err ordo_repair_read_quarantine(struct ordo_store *store, struct ordo_buffer *row) {
    struct ordo_view *view = store->ops->view_open(store);
    ordo_err err = view->ops->get(view, ORDO_CF_META, ordo_key_quarantine, row);
    store->ops->view_close(view);
    return err == ORDO_ERR_NOT_FOUND ? ORDO_OK : err;
}
