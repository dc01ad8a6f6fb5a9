#include "shard/store.h"

#include "common/assert.h"

enum { RECORD_PUT = 1, RECORD_DELETE = 2 };

const char *const ordo_cf_names[ORDO_CF_COUNT] = {"meta", "docs", "ops", "snapshots", "clients", "history"};

void ordo_batch_finish(struct ordo_batch *batch) {
    ordo_buffer_finish(&batch->records);
    batch->count = 0;
}

void ordo_batch_clear(struct ordo_batch *batch) {
    ordo_buffer_clear(&batch->records);
    batch->count = 0;
}

static void append_record(struct ordo_batch *batch, uint8_t kind, enum ordo_cf cf, struct ordo_slice key) {
    ordo_buffer_append_u8(&batch->records, kind);
    ordo_buffer_append_u8(&batch->records, (uint8_t)cf);
    ordo_buffer_append_sized(&batch->records, key);
    batch->count++;
}

void ordo_batch_put(struct ordo_batch *batch, enum ordo_cf cf, struct ordo_slice key, struct ordo_slice value) {
    append_record(batch, RECORD_PUT, cf, key);
    ordo_buffer_append_sized(&batch->records, value);
}

void ordo_batch_delete(struct ordo_batch *batch, enum ordo_cf cf, struct ordo_slice key) {
    append_record(batch, RECORD_DELETE, cf, key);
}

bool ordo_batch_next(struct ordo_reader *reader, struct ordo_batch_item *item) {
    uint8_t kind, cf;
    if (!ordo_take_u8(reader, &kind)) return false;
    bool read = ordo_take_u8(reader, &cf) && ordo_take_sized(reader, &item->key);
    ORDO_ASSERT(read && (kind == RECORD_PUT || kind == RECORD_DELETE) && cf < ORDO_CF_COUNT);
    item->cf = (enum ordo_cf)cf;
    item->is_delete = kind == RECORD_DELETE;
    item->value = ordo_slice(NULL, 0);
    if (!item->is_delete) ORDO_ASSERT(ordo_take_sized(reader, &item->value));
    return true;
}
