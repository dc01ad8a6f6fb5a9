#include "shard/core/slot_rows.h"

#include "shard/core/key.h"

ordo_err ordo_slot_rows_read(struct ordo_view *view, bool tolerates, struct ordo_slot_row *rows) {
    struct ordo_iterator *iterator = view->ops->iterate(view, ORDO_CF_META, ordo_key_slots, ordo_slice(NULL, 0));
    ordo_err err = ORDO_OK;
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) rows[slot] = (struct ordo_slot_row){0};
    while (!err && iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator);
        struct ordo_slot_row row;
        uint16_t slot;
        if (!ordo_slice_starts_with(key, ordo_key_slots)) break;
        err = ordo_key_parse_slot(key, &slot) ? ordo_slot_row_decode(key, iterator->ops->value(iterator), &row)
                                              : ORDO_ERR_CORRUPT;
        if (!err) rows[slot] = row;
        else if (tolerates) err = ORDO_OK;
    }
    if (!err) err = iterator->ops->status(iterator);
    iterator->ops->close(iterator);
    return err;
}

void ordo_slot_delete_rows(struct ordo_batch *batch, uint16_t slot) {
    struct ordo_buffer lower = {0}, upper = {0};
    ordo_key_slot_range(&lower, &upper, slot);
    for (int cf = ORDO_CF_META + 1; cf < ORDO_CF_COUNT; cf++)
        ordo_batch_delete_range(batch, (enum ordo_cf)cf, ordo_buffer_slice(&lower), ordo_buffer_slice(&upper));
    ordo_buffer_finish(&lower);
    ordo_buffer_finish(&upper);
}
