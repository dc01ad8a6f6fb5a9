#include "shard/core/key.h"

#include "common/hash.h"

const struct ordo_slice ordo_key_format = {.data = (const uint8_t *)"format", .size = 6};
const struct ordo_slice ordo_key_turn = {.data = (const uint8_t *)"turn", .size = 4};
const struct ordo_slice ordo_key_quarantine = {.data = (const uint8_t *)"quarantine", .size = 10};
const struct ordo_slice ordo_key_slots = {.data = (const uint8_t *)"owner", .size = 5};

bool ordo_key_name_is_valid(struct ordo_slice name) {
    return name.size >= 1 && name.size <= ORDO_NAME_SIZE_MAX && memchr(name.data, 0, name.size) == NULL;
}

void ordo_key_doc(struct ordo_buffer *out, struct ordo_slice collection, struct ordo_slice id) {
    ordo_buffer_clear(out);
    ordo_buffer_append_u16_be(out, ordo_slot_of(collection, id));
    ordo_buffer_append_slice(out, collection);
    ordo_buffer_append_u8(out, 0);
    ordo_buffer_append_slice(out, id);
    ordo_buffer_append_u8(out, 0);
}

void ordo_key_doc_end(struct ordo_buffer *out, struct ordo_slice doc_key) {
    ordo_buffer_clear(out);
    ordo_buffer_append_slice(out, ordo_slice(doc_key.data, doc_key.size - 1));
    ordo_buffer_append_u8(out, 1); /* instead of the NUL that ends the id */
}

bool ordo_key_range_is_of_document(struct ordo_slice lower, struct ordo_slice upper) {
    struct ordo_slice doc_key = ordo_key_document(lower);
    return doc_key.size > 0 && doc_key.size == upper.size && doc_key.data[doc_key.size - 1] == 0 &&
           upper.data[upper.size - 1] == 1 && memcmp(doc_key.data, upper.data, upper.size - 1) == 0;
}

void ordo_key_ops(struct ordo_buffer *out, struct ordo_slice doc_key, uint64_t seq) {
    ordo_buffer_clear(out);
    ordo_buffer_append_slice(out, doc_key);
    ordo_buffer_append_u64_be(out, seq);
}

void ordo_key_snapshot(struct ordo_buffer *out, struct ordo_slice doc_key, uint64_t seq, uint32_t piece) {
    ordo_key_ops(out, doc_key, seq);
    ordo_buffer_append_u16_be(out, (uint16_t)(piece >> 16));
    ordo_buffer_append_u16_be(out, (uint16_t)piece);
}

void ordo_key_client(struct ordo_buffer *out, struct ordo_slice doc_key, struct ordo_slice client_id) {
    ordo_buffer_clear(out);
    ordo_buffer_append_slice(out, doc_key);
    ordo_buffer_append_slice(out, client_id);
}

static bool take_name(struct ordo_reader *reader, struct ordo_slice *name) {
    size_t left = ordo_reader_left(reader);
    const uint8_t *end = left > 0 ? memchr(reader->next, 0, left) : NULL;
    if (end == NULL) return false;
    *name = ordo_slice(reader->next, (size_t)(end - reader->next));
    reader->next = end + 1;
    return ordo_key_name_is_valid(*name);
}

bool ordo_key_parse(struct ordo_slice key, struct ordo_key *out) {
    struct ordo_reader reader = ordo_reader(key);
    if (!ordo_take_u16_be(&reader, &out->slot)) return false;
    if (!take_name(&reader, &out->collection) || !take_name(&reader, &out->id)) return false;
    out->rest = ordo_slice(reader.next, ordo_reader_left(&reader));
    out->doc_key = ordo_slice(key.data, key.size - out->rest.size);
    return out->slot == ordo_slot_of(out->collection, out->id);
}

struct ordo_slice ordo_key_document(struct ordo_slice key) {
    struct ordo_key parsed;
    return ordo_key_parse(key, &parsed) ? parsed.doc_key : key;
}

bool ordo_key_parse_seq(struct ordo_slice rest, uint64_t *seq) {
    struct ordo_reader reader = ordo_reader(rest);
    return rest.size == 8 && ordo_take_u64_be(&reader, seq);
}

bool ordo_key_parse_piece(struct ordo_slice rest, uint64_t *seq, uint32_t *piece) {
    struct ordo_reader reader = ordo_reader(rest);
    uint16_t high, low;
    if (rest.size != 12 || !ordo_take_u64_be(&reader, seq)) return false;
    if (!ordo_take_u16_be(&reader, &high) || !ordo_take_u16_be(&reader, &low)) return false;
    *piece = (uint32_t)high << 16 | low;
    return true;
}

void ordo_key_slot_range(struct ordo_buffer *lower, struct ordo_buffer *upper, uint16_t slot) {
    ordo_buffer_clear(lower);
    ordo_buffer_append_u16_be(lower, slot);
    ordo_buffer_clear(upper);
    ordo_buffer_append_u16_be(upper, (uint16_t)(slot + 1)); /* there are fewer slots than numbers of two bytes */
}

void ordo_key_slot(struct ordo_buffer *out, uint16_t slot) {
    ordo_buffer_clear(out);
    ordo_buffer_append_slice(out, ordo_key_slots);
    ordo_buffer_append_u16_be(out, slot);
}

bool ordo_key_parse_slot(struct ordo_slice key, uint16_t *slot) {
    if (!ordo_slice_starts_with(key, ordo_key_slots)) return false;
    struct ordo_reader reader = ordo_reader(ordo_slice(key.data + ordo_key_slots.size, key.size - ordo_key_slots.size));
    return ordo_take_u16_be(&reader, slot) && ordo_reader_left(&reader) == 0 && *slot < ORDO_SLOT_COUNT;
}
