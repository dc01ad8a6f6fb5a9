#include "shard/store.h"

#include "common/assert.h"

const char *const ordo_cf_names[ORDO_CF_COUNT] = {"meta", "docs", "ops", "snapshots", "clients", "history"};

void ordo_batch_finish(struct ordo_batch *batch) {
    ordo_buffer_finish(&batch->records);
    batch->count = 0;
}

void ordo_batch_clear(struct ordo_batch *batch) {
    ordo_buffer_clear(&batch->records);
    batch->count = 0;
}

static void append_record(struct ordo_batch *batch, enum ordo_batch_kind kind, enum ordo_cf cf,
                          struct ordo_slice key) {
    ordo_buffer_append_u8(&batch->records, (uint8_t)kind);
    ordo_buffer_append_u8(&batch->records, (uint8_t)cf);
    ordo_buffer_append_sized(&batch->records, key);
    batch->count++;
}

void ordo_batch_put(struct ordo_batch *batch, enum ordo_cf cf, struct ordo_slice key, struct ordo_slice value) {
    append_record(batch, ORDO_BATCH_PUT, cf, key);
    ordo_buffer_append_sized(&batch->records, value);
}

void ordo_batch_delete(struct ordo_batch *batch, enum ordo_cf cf, struct ordo_slice key) {
    append_record(batch, ORDO_BATCH_DELETE, cf, key);
}

void ordo_batch_delete_range(struct ordo_batch *batch, enum ordo_cf cf, struct ordo_slice lower,
                             struct ordo_slice upper) {
    append_record(batch, ORDO_BATCH_DELETE_RANGE, cf, lower);
    ordo_buffer_append_sized(&batch->records, upper);
}

bool ordo_batch_next(struct ordo_reader *reader, struct ordo_batch_item *item) {
    uint8_t kind, cf;
    if (!ordo_take_u8(reader, &kind)) return false;
    bool read = ordo_take_u8(reader, &cf) && ordo_take_sized(reader, &item->key);
    ORDO_ASSERT(read && kind >= ORDO_BATCH_PUT && kind <= ORDO_BATCH_DELETE_RANGE && cf < ORDO_CF_COUNT);
    item->kind = (enum ordo_batch_kind)kind;
    item->cf = (enum ordo_cf)cf;
    item->value = ordo_slice(NULL, 0);
    if (item->kind != ORDO_BATCH_DELETE) ORDO_ASSERT(ordo_take_sized(reader, &item->value));
    return true;
}
