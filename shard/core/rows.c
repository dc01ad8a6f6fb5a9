#include "shard/core/rows.h"

#include "common/assert.h"
#include "common/format.h"
#include "common/hash.h"
#include "shard/core/key.h"
#include "shard/core/value.h"

enum { ROW_VERSION = 1, SNAPSHOT_WITH_HASH = 2 };

/* What is left of a body after decoding would be fields that we do not know: another version's, or damage. */
static ordo_err body_end(bool is_read, const struct ordo_reader *body) {
    return is_read && ordo_reader_left(body) == 0 ? ORDO_OK : ORDO_ERR_CORRUPT;
}

void ordo_doc_row_encode(struct ordo_buffer *out, struct ordo_slice key, const struct ordo_doc_row *row) {
    ordo_value_begin(out, ROW_VERSION);
    ordo_buffer_append_sized(out, row->type);
    ordo_buffer_append_u64_le(out, row->lineage);
    ordo_buffer_append_varint(out, row->head);
    ordo_buffer_append_varint(out, row->horizon);
    ordo_buffer_append_varint(out, row->created_seq);
    ordo_buffer_append_varint(out, row->deleted_seq);
    ordo_buffer_append_varint(out, row->forgotten_seq);
    ordo_buffer_append_varint(out, row->history_seq);
    if (row->relineage.seq > 0 || row->erased_seq > 0) {
        ordo_buffer_append_varint(out, row->relineage.seq);
        ordo_buffer_append_u64_le(out, row->relineage.lineage);
    }
    if (row->erased_seq > 0) ordo_buffer_append_varint(out, row->erased_seq);
    ordo_value_seal(out, key);
}

ordo_err ordo_doc_row_decode(struct ordo_slice key, struct ordo_slice value, struct ordo_doc_row *row) {
    struct ordo_reader body;
    ordo_err err = ordo_value_open(key, value, ROW_VERSION, &body);
    if (err) return err;
    bool is_read = ordo_take_sized(&body, &row->type) && ordo_take_u64_le(&body, &row->lineage) &&
                   ordo_take_varint(&body, &row->head) && ordo_take_varint(&body, &row->horizon) &&
                   ordo_take_varint(&body, &row->created_seq) && ordo_take_varint(&body, &row->deleted_seq) &&
                   ordo_take_varint(&body, &row->forgotten_seq);
    row->history_seq = 0; /* rows from before there was truncation end here */
    if (is_read && ordo_reader_left(&body) > 0) is_read = ordo_take_varint(&body, &row->history_seq);
    row->relineage = (struct ordo_relineage){0};
    if (is_read && ordo_reader_left(&body) > 0)
        is_read = ordo_take_varint(&body, &row->relineage.seq) && ordo_take_u64_le(&body, &row->relineage.lineage);
    row->erased_seq = 0;
    if (is_read && ordo_reader_left(&body) > 0) is_read = ordo_take_varint(&body, &row->erased_seq);
    return body_end(is_read, &body);
}

void ordo_client_row_encode(struct ordo_buffer *out, struct ordo_slice key, const struct ordo_client_row *row) {
    ordo_value_begin(out, ROW_VERSION);
    ordo_buffer_append_varint(out, row->client_seq);
    ordo_buffer_append_varint(out, row->server_seq);
    ordo_buffer_append_u64_le(out, row->hash);
    ordo_buffer_append_varint(out, row->timestamp_ms);
    ordo_buffer_append_sized(out, row->user);
    ordo_value_seal(out, key);
}

ordo_err ordo_client_row_decode(struct ordo_slice key, struct ordo_slice value, struct ordo_client_row *row) {
    struct ordo_reader body;
    ordo_err err = ordo_value_open(key, value, ROW_VERSION, &body);
    if (err) return err;
    return body_end(ordo_take_varint(&body, &row->client_seq) && ordo_take_varint(&body, &row->server_seq) &&
                        ordo_take_u64_le(&body, &row->hash) && ordo_take_varint(&body, &row->timestamp_ms) &&
                        ordo_take_sized(&body, &row->user),
                    &body);
}

uint32_t ordo_snapshot_piece_count(uint64_t size) {
    return (uint32_t)((size + ORDO_SNAPSHOT_PIECE_SIZE_MAX - 1) / ORDO_SNAPSHOT_PIECE_SIZE_MAX);
}

struct ordo_slice ordo_snapshot_piece(struct ordo_slice content, uint32_t piece) {
    size_t offset = (size_t)piece * ORDO_SNAPSHOT_PIECE_SIZE_MAX;
    if (offset >= content.size) return ordo_slice(NULL, 0);
    size_t left = content.size - offset;
    return ordo_slice(content.data + offset, left < ORDO_SNAPSHOT_PIECE_SIZE_MAX ? left : ORDO_SNAPSHOT_PIECE_SIZE_MAX);
}

uint64_t ordo_snapshot_hash(uint64_t before, struct ordo_slice piece) { return ordo_hash_with(before, piece); }

uint64_t ordo_snapshot_content_hash(struct ordo_slice content) {
    uint64_t hash = 0;
    for (uint32_t piece = 0; piece < ordo_snapshot_piece_count(content.size); piece++)
        hash = ordo_snapshot_hash(hash, ordo_snapshot_piece(content, piece));
    return hash;
}

void ordo_snapshot_row_encode(struct ordo_buffer *out, struct ordo_slice key, const struct ordo_snapshot_row *row) {
    ordo_value_begin(out, row->has_hash ? SNAPSHOT_WITH_HASH : ROW_VERSION);
    ordo_buffer_append_varint(out, row->seq);
    ordo_buffer_append_sized(out, row->type);
    ordo_buffer_append_u64_le(out, row->lineage);
    ordo_buffer_append_varint(out, row->created_seq);
    ordo_buffer_append_varint(out, row->deleted_seq);
    ordo_buffer_append_varint(out, row->timestamp_ms);
    ordo_buffer_append_varint(out, row->length);
    ordo_buffer_append_varint(out, row->size);
    ordo_buffer_append_varint(out, row->piece_count);
    if (row->has_hash) ordo_buffer_append_u64_le(out, row->content_hash);
    ordo_value_seal(out, key);
}

ordo_err ordo_snapshot_row_decode(struct ordo_slice key, struct ordo_slice value, struct ordo_snapshot_row *row) {
    struct ordo_reader body;
    bool may_have_hash = ordo_format_max() >= ORDO_FORMAT_CONTENT_HASH;
    row->has_hash = may_have_hash && value.size > 0 && value.data[0] == SNAPSHOT_WITH_HASH;
    row->content_hash = 0;
    ordo_err err = ordo_value_open(key, value, row->has_hash ? SNAPSHOT_WITH_HASH : ROW_VERSION, &body);
    if (err) return err;
    uint64_t piece_count;
    bool is_read = ordo_take_varint(&body, &row->seq) && ordo_take_sized(&body, &row->type) &&
                   ordo_take_u64_le(&body, &row->lineage) && ordo_take_varint(&body, &row->created_seq) &&
                   ordo_take_varint(&body, &row->deleted_seq) && ordo_take_varint(&body, &row->timestamp_ms) &&
                   ordo_take_varint(&body, &row->length) && ordo_take_varint(&body, &row->size) &&
                   ordo_take_varint(&body, &piece_count) && piece_count < ORDO_PIECE_VALID;
    if (is_read) row->piece_count = (uint32_t)piece_count;
    if (is_read && row->has_hash) is_read = ordo_take_u64_le(&body, &row->content_hash);
    return body_end(is_read, &body);
}

void ordo_snapshot_piece_encode(struct ordo_buffer *out, struct ordo_slice key, struct ordo_slice bytes) {
    ordo_value_begin(out, ROW_VERSION);
    ordo_buffer_append_slice(out, bytes);
    ordo_value_seal(out, key);
}

ordo_err ordo_snapshot_piece_decode(struct ordo_slice key, struct ordo_slice value, struct ordo_slice *bytes) {
    struct ordo_reader body;
    ordo_err err = ordo_value_open(key, value, ROW_VERSION, &body);
    if (!err) *bytes = ordo_slice(body.next, ordo_reader_left(&body));
    return err;
}

void ordo_turn_row_encode(struct ordo_buffer *out, const struct ordo_turn_row *row) {
    ordo_value_begin(out, ROW_VERSION);
    ordo_buffer_append_varint(out, row->turn);
    ordo_buffer_append_varint(out, row->term);
    ordo_value_seal(out, ordo_key_turn);
}

ordo_err ordo_turn_row_decode(struct ordo_slice value, struct ordo_turn_row *row) {
    struct ordo_reader body;
    ordo_err err = ordo_value_open(ordo_key_turn, value, ROW_VERSION, &body);
    if (err) return err;
    return body_end(ordo_take_varint(&body, &row->turn) && ordo_take_varint(&body, &row->term), &body);
}

void ordo_format_row_encode(struct ordo_buffer *out, uint64_t level) {
    ordo_value_begin(out, ROW_VERSION);
    ordo_buffer_append_u64_le(out, level);
    ordo_value_seal(out, ordo_key_format);
}

ordo_err ordo_format_row_decode(struct ordo_slice value, uint64_t *level_out) {
    struct ordo_reader body;
    ordo_err err = ordo_value_open(ordo_key_format, value, ROW_VERSION, &body);
    return err ? err : body_end(ordo_take_u64_le(&body, level_out), &body);
}

/* The epoch alone is OWNED. Behind it: the state, the turn, the other store, the move, and what only some states have. */
void ordo_slot_row_encode(struct ordo_buffer *out, struct ordo_slice key, const struct ordo_slot_row *row) {
    ORDO_ASSERT(row->state != ORDO_SLOT_NONE);
    ordo_value_begin(out, ROW_VERSION);
    ordo_buffer_append_u64_le(out, row->epoch);
    if (row->state != ORDO_SLOT_OWNED || row->turn > 0) {
        ordo_buffer_append_u8(out, (uint8_t)row->state);
        ordo_buffer_append_varint(out, row->turn);
    }
    if (row->state != ORDO_SLOT_OWNED) {
        ordo_buffer_append_slice(out, ordo_slice(row->other.bytes, sizeof row->other.bytes));
        ordo_buffer_append_u64_le(out, row->move);
        if (row->state == ORDO_SLOT_GIVEN) ordo_buffer_append_u8(out, row->is_cleared);
        else ordo_buffer_append_u64_le(out, row->incarnation);
    }
    ordo_value_seal(out, key);
}

static bool take_slot_details(struct ordo_reader *body, struct ordo_slot_row *row) {
    uint8_t state, is_cleared = 0;
    struct ordo_slice other;
    if (!ordo_take_u8(body, &state) || state < ORDO_SLOT_OWNED || state > ORDO_SLOT_IMPORTED) return false;
    if (!ordo_take_varint(body, &row->turn)) return false;
    row->state = (enum ordo_slot_state)state;
    if (row->state == ORDO_SLOT_OWNED) return true;
    if (!ordo_take_bytes(body, sizeof row->other.bytes, &other) || !ordo_take_u64_le(body, &row->move)) return false;
    memcpy(row->other.bytes, other.data, sizeof row->other.bytes);
    if (row->state != ORDO_SLOT_GIVEN) return ordo_take_u64_le(body, &row->incarnation);
    if (!ordo_take_u8(body, &is_cleared) || is_cleared > 1) return false;
    row->is_cleared = is_cleared;
    return true;
}

ordo_err ordo_slot_row_decode(struct ordo_slice key, struct ordo_slice value, struct ordo_slot_row *row) {
    struct ordo_reader body;
    *row = (struct ordo_slot_row){.state = ORDO_SLOT_OWNED};
    ordo_err err = ordo_value_open(key, value, ROW_VERSION, &body);
    if (err) return err;
    bool is_read = ordo_take_u64_le(&body, &row->epoch) && row->epoch > 0;
    if (is_read && ordo_reader_left(&body) > 0) is_read = take_slot_details(&body, row);
    return body_end(is_read, &body);
}

void ordo_quarantine_encode(struct ordo_buffer *out, const struct ordo_quarantine_range *ranges, size_t count) {
    ordo_value_begin(out, ROW_VERSION);
    for (size_t i = 0; i < count; i++) {
        ordo_buffer_append_sized(out, ranges[i].low);
        ordo_buffer_append_sized(out, ranges[i].high);
    }
    ordo_value_seal(out, ordo_key_quarantine);
}

void ordo_quarantine_add(struct ordo_buffer *row, const struct ordo_quarantine_range *range) {
    struct ordo_buffer before = *row;
    struct ordo_reader body = {0};
    bool reads = before.size == 0 || !ordo_value_open(ordo_key_quarantine, ordo_buffer_slice(&before), ROW_VERSION, &body);
    const struct ordo_quarantine_range all = {.low = ordo_slice(NULL, 0)};
    *row = (struct ordo_buffer){0};
    ordo_value_begin(row, ROW_VERSION);
    if (ordo_reader_left(&body) > 0) ordo_buffer_append(row, body.next, ordo_reader_left(&body));
    ordo_buffer_append_sized(row, reads ? range->low : all.low);
    ordo_buffer_append_sized(row, reads ? range->high : all.high);
    ordo_value_seal(row, ordo_key_quarantine);
    ordo_buffer_finish(&before);
}

bool ordo_quarantine_touches(struct ordo_slice value, struct ordo_slice lower, struct ordo_slice upper) {
    struct ordo_reader body;
    struct ordo_quarantine_range range;
    if (ordo_value_open(ordo_key_quarantine, value, ROW_VERSION, &body)) return true;
    while (ordo_reader_left(&body) > 0) {
        if (!ordo_take_sized(&body, &range.low) || !ordo_take_sized(&body, &range.high)) return true;
        bool begins_before_end = range.low.size == 0 || ordo_slice_compare(range.low, upper) < 0;
        if (begins_before_end && (range.high.size == 0 || ordo_slice_compare(lower, range.high) <= 0)) return true;
    }
    return false;
}

bool ordo_quarantine_holds(struct ordo_slice value, struct ordo_slice doc_key) {
    struct ordo_buffer behind = {0};
    ordo_key_doc_end(&behind, doc_key);
    bool holds = ordo_quarantine_touches(value, doc_key, ordo_buffer_slice(&behind));
    ordo_buffer_finish(&behind);
    return holds;
}
