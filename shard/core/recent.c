#include "shard/core/recent.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"

struct ordo_recent_item {
    uint64_t length_after;
    uint32_t offset;       /* of the record in `bytes` */
    uint32_t op_offset;    /* of the op within the record */
    uint32_t op_size;
    uint8_t client_offset; /* of the client_id within the record: behind hash, flags, size and server_seq */
    uint8_t client_size;
    uint8_t kind;
};

void ordo_recent_init(struct ordo_recent *recent, uint64_t first_seq, uint64_t length_before) {
    *recent = (struct ordo_recent){.first_seq = first_seq, .length_before = length_before};
}

void ordo_recent_finish(struct ordo_recent *recent) {
    free(recent->items);
    ordo_buffer_finish(&recent->bytes);
    ordo_recent_init(recent, recent->first_seq, recent->length_before);
}

static void compact(struct ordo_recent *recent) {
    if (recent->item_start > 0 && recent->item_count > 0)
        memmove(recent->items, recent->items + recent->item_start, recent->item_count * sizeof *recent->items);
    recent->item_start = 0;
    if (recent->byte_start == 0) return;
    size_t size = ordo_recent_size(recent);
    if (size > 0) memmove(recent->bytes.data, recent->bytes.data + recent->byte_start, size);
    for (uint32_t i = 0; i < recent->item_count; i++) recent->items[i].offset -= recent->byte_start;
    recent->bytes.size = size;
    recent->byte_start = 0;
}

void ordo_recent_append(struct ordo_recent *recent, uint64_t hash, uint8_t flags, struct ordo_slice committed,
                        const struct ordo_committed *op, uint64_t length_after) {
    ORDO_ASSERT(op->server_seq == ordo_recent_end_seq(recent));
    /* Half empty at the front: move the rest there rather than grow; each byte is moved at most once per own
     * length. */
    if (recent->byte_start > recent->bytes.size / 2) compact(recent);
    if (recent->item_start + recent->item_count == recent->item_capacity) {
        if (recent->item_start > recent->item_count) compact(recent);
        if (recent->item_start + recent->item_count == recent->item_capacity) {
            recent->item_capacity = recent->item_capacity ? 2 * recent->item_capacity : 4;
            recent->items = ordo_realloc(recent->items, recent->item_capacity * sizeof *recent->items);
        }
    }
    ORDO_ASSERT(recent->bytes.size + committed.size < UINT32_MAX - 64);
    size_t offset = recent->bytes.size;
    ordo_run_append_op(&recent->bytes, hash, flags, committed);
    size_t head = recent->bytes.size - committed.size - offset; /* hash, flags and size */
    recent->items[recent->item_start + recent->item_count++] = (struct ordo_recent_item){
        .length_after = length_after,
        .offset = (uint32_t)offset,
        .op_offset = op->op.size ? (uint32_t)(head + (size_t)(op->op.data - committed.data)) : 0,
        .op_size = (uint32_t)op->op.size,
        .client_offset = op->client_id.size ? (uint8_t)(head + (size_t)(op->client_id.data - committed.data)) : 0,
        .client_size = (uint8_t)op->client_id.size,
        .kind = (uint8_t)ordo_committed_kind(op->op_field),
    };
}

static const struct ordo_recent_item *item_at(const struct ordo_recent *recent, uint64_t seq) {
    ORDO_ASSERT(seq >= recent->first_seq && seq < ordo_recent_end_seq(recent));
    return &recent->items[recent->item_start + (uint32_t)(seq - recent->first_seq)];
}

uint64_t ordo_recent_length_at(const struct ordo_recent *recent, uint64_t seq) {
    return seq + 1 == recent->first_seq ? recent->length_before : item_at(recent, seq)->length_after;
}

struct ordo_recent_op ordo_recent_get(const struct ordo_recent *recent, uint64_t seq) {
    const struct ordo_recent_item *item = item_at(recent, seq);
    const uint8_t *record = recent->bytes.data + item->offset;
    return (struct ordo_recent_op){
        .kind = (enum ordo_op_kind)item->kind,
        .client_id = ordo_slice(record + item->client_offset, item->client_size),
        .op = ordo_slice(record + item->op_offset, item->op_size),
        .length_after = item->length_after,
    };
}

struct ordo_run_op ordo_recent_record(const struct ordo_recent *recent, uint64_t seq) {
    struct ordo_reader reader = ordo_reader(ordo_recent_records(recent, seq));
    struct ordo_run_op out;
    ORDO_ASSERT(ordo_run_take_op(&reader, &out));
    return out;
}

static size_t offset_of(const struct ordo_recent *recent, uint64_t seq) {
    return seq == ordo_recent_end_seq(recent) ? recent->bytes.size : item_at(recent, seq)->offset;
}

struct ordo_slice ordo_recent_records(const struct ordo_recent *recent, uint64_t from_seq) {
    size_t offset = offset_of(recent, from_seq);
    return ordo_slice(recent->bytes.data + offset, recent->bytes.size - offset);
}

size_t ordo_recent_size_from(const struct ordo_recent *recent, uint64_t from_seq) {
    return recent->bytes.size - offset_of(recent, from_seq);
}

bool ordo_recent_find(const struct ordo_recent *recent, uint64_t from_seq, struct ordo_slice client_id,
                      uint64_t client_seq, const uint64_t *hash, struct ordo_run_op *out) {
    if (from_seq < recent->first_seq) from_seq = recent->first_seq;
    for (uint64_t seq = ordo_recent_end_seq(recent); seq > from_seq; seq--) {
        struct ordo_recent_op op = ordo_recent_get(recent, seq - 1);
        if (!ordo_slice_equal(op.client_id, client_id)) continue;
        *out = ordo_recent_record(recent, seq - 1);
        if (out->op.client_seq == client_seq && (hash == NULL || *hash == out->hash)) return true;
    }
    return false;
}

void ordo_recent_trim(struct ordo_recent *recent, size_t size_max, uint64_t keep_seq, bool is_tight) {
    while (recent->item_count > 0 && recent->first_seq < keep_seq && ordo_recent_size(recent) > size_max) {
        recent->length_before = recent->items[recent->item_start].length_after;
        recent->first_seq++;
        recent->item_start++;
        recent->item_count--;
        recent->byte_start = (uint32_t)(recent->item_count ? recent->items[recent->item_start].offset
                                                           : recent->bytes.size);
    }
    if (recent->item_count == 0) recent->bytes.size = recent->byte_start = recent->item_start = 0;
    if (!is_tight) return;
    if (recent->item_count == 0) {
        ordo_recent_finish(recent);
        return;
    }
    compact(recent);
    recent->items = ordo_realloc(recent->items, recent->item_count * sizeof *recent->items);
    recent->item_capacity = recent->item_count;
    recent->bytes.data = ordo_realloc(recent->bytes.data, recent->bytes.size);
    recent->bytes.capacity = recent->bytes.size;
}
