#include "common/assert.h"
#include "common/memory.h"
#include "common/utf8.h"
#include "shard/core/block_reader.h"

/* --- numbers ---------------------------------------------------------------------------------------------------- */

/* Makes sure that the value in hand is the next one's. */
static bool repeat_fill(struct read_repeat *repeat) {
    if (repeat->left > 0) return true;
    return ordo_take_varint(&repeat->lengths, &repeat->left) && repeat->left > 0 &&
           ordo_take_varint(&repeat->values, &repeat->value);
}

static bool fill_author(struct ordo_block *block) {
    if (block->who.left > 0) return true;
    if (!repeat_fill(&block->who)) return false;
    uint64_t value = block->who.value;
    struct read_author *author = value == 0                    ? block->author_before
                                 : value <= block->author_count ? &block->authors[value - 1]
                                                                : NULL;
    if (author == NULL) return false;
    block->author_before = block->author;
    block->author = author;
    return true;
}

static bool pass_client_seqs(struct ordo_block *block, uint64_t count) {
    while (count > 0) {
        struct read_repeat *repeat = &block->client_seqs;
        if (!repeat_fill(repeat)) return false;
        uint64_t now = count < repeat->left ? count : repeat->left;
        block->author->client_seq += now * (1 + block_unzigzag(repeat->value));
        repeat->left -= now;
        count -= now;
    }
    return true;
}

static bool pass_bases(struct ordo_block *block, uint64_t count) {
    while (count > 0) {
        struct read_repeat *repeat = &block->bases;
        if (!repeat_fill(repeat)) return false;
        uint64_t now = count < repeat->left ? count : repeat->left;
        repeat->left -= now;
        count -= now;
    }
    return true;
}

static bool pass_times(struct ordo_block *block, uint64_t count) {
    for (; count > 0; count--) {
        uint8_t since, low;
        uint64_t high;
        if (block->times.next == block->times.end) return false;
        since = *block->times.next++;
        block->timestamp_ms += since;
        if (since < BLOCK_TIME_MORE) continue;
        if (!ordo_take_u8(&block->times_low, &low) || !ordo_take_varint(&block->times_high, &high)) return false;
        block->timestamp_ms += low + (high << 8);
    }
    return true;
}

/* --- edits ------------------------------------------------------------------------------------------------------ */

/* The first `length` code points of what is left in `text`. */
static bool take_text(struct ordo_slice *text, uint64_t length, bool is_ascii, struct ordo_slice *out) {
    if (is_ascii && length > text->size) return false;
    size_t size = is_ascii ? length : ordo_utf8_offset(*text, length);
    *out = ordo_slice(text->data, size);
    *text = ordo_slice(text->data + size, text->size - size);
    return true;
}

static bool take_sizes(struct ordo_block *block, uint8_t shape, struct read_lane *lane) {
    uint64_t size = 1;
    lane->inserted = lane->deleted = 0;
    if (lane->kind == BLOCK_KIND_REPLACE)
        return ordo_take_varint(&block->run_sizes, &lane->inserted) &&
               ordo_take_varint(&block->run_sizes, &lane->deleted);
    if ((shape & BLOCK_SIZED) != 0 && !ordo_take_varint(&block->run_sizes, &size)) return false;
    if (lane->kind == BLOCK_KIND_INSERT) lane->inserted = size;
    else if (lane->kind != BLOCK_KIND_RAW) lane->deleted = size;
    return true;
}

static bool begin_run(struct ordo_block *block, struct read_lane *lane) {
    uint8_t shape;
    uint64_t jump = 0;
    if (!ordo_take_u8(&block->run_shapes, &shape) || !ordo_take_varint(&block->run_lengths, &lane->left))
        return false;
    lane->kind = block_shape_kind(shape);
    if ((shape & BLOCK_JUMP) != 0 && !ordo_take_varint(&block->run_jumps, &jump)) return false;
    lane->jump = block_unzigzag(jump);
    lane->hints = block_shape_hints(shape, BLOCK_FIRST_HINTS);
    lane->later_hints = block_shape_hints(shape, BLOCK_LATER_HINTS);
    if (!take_sizes(block, shape, lane)) return false;
    if (lane->left == 0 || lane->left > block->info.count) return false;
    if (lane->inserted > ORDO_SPAN_LENGTH_MAX || lane->deleted > ORDO_SPAN_LENGTH_MAX) return false;
    if (!block_kind_inserts(lane->kind)) return true;
    uint64_t length = lane->left * lane->inserted; /* below 2^48 */
    if (length == 0 || length > block->text_length) return false;
    bool is_ascii = block->text_length == block->text.size;
    block->text_length -= length;
    return take_text(&block->text, length, is_ascii, &lane->text);
}

static bool take_raw(struct ordo_block *block, struct ordo_slice *out) {
    uint64_t size;
    return ordo_take_varint(&block->raw_sizes, &size) && size <= ordo_reader_left(&block->raw) &&
           ordo_take_bytes(&block->raw, size, out);
}

/* `count` ops of the lane's run as one splice. */
static bool take_splice(struct ordo_block *block, struct read_lane *lane, uint64_t count, struct block_splice *out) {
    uint64_t first = block_expected(lane->kind, lane->cursor, lane->deleted) + lane->jump;
    uint64_t back = lane->kind == BLOCK_KIND_BACK ? (count - 1) * lane->deleted : 0;
    *out = (struct block_splice){.position = first - back, .inserted = count * lane->inserted,
                                 .deleted = count * lane->deleted};
    if (first < back || first > ORDO_SPAN_LENGTH_MAX || out->inserted > ORDO_SPAN_LENGTH_MAX ||
        out->deleted > ORDO_SPAN_LENGTH_MAX || out->inserted + out->deleted == 0)
        return false;
    if (out->inserted > 0) {
        /* Of one byte each, all that are left: no need to look at them. */
        bool is_ascii = lane->text.size == lane->left * lane->inserted;
        if (!take_text(&lane->text, out->inserted, is_ascii, &out->text)) return false;
    }
    if (count == 1 && block_kind_inserts(lane->kind)) out->hints = lane->hints;
    for (size_t i = 0; i < block->lane_count; i++)
        block->lanes[i].cursor =
            block_cursor_over(block->lanes[i].cursor, out->position, out->inserted, out->deleted);
    lane->cursor = out->position + out->inserted;
    lane->jump = 0;
    lane->hints = lane->later_hints;
    return true;
}

static struct ordo_slice encode_splice(struct ordo_buffer *out, const struct block_splice *splice) {
    ordo_buffer_clear(out);
    uint8_t *start = ordo_buffer_reserve(out, BLOCK_SPLICE_HEAD_MAX + splice->text.size);
    uint8_t *at = block_put_splice_head(start, splice);
    if (splice->text.size > 0) memcpy(at, splice->text.data, splice->text.size);
    out->size = (size_t)(at - start) + splice->text.size;
    return ordo_buffer_slice(out);
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* The next op, or as many as make one splice, at most `count_max`. With `out` NULL they are passed over. */
static bool take_ops(struct ordo_block *block, uint64_t count_max, struct ordo_committed *out) {
    if (!fill_author(block) || !repeat_fill(&block->fields)) return false;
    struct read_lane *lane = &block->lanes[(size_t)(block->author - block->authors) % BLOCK_LANES];
    if (lane->left == 0 && !begin_run(block, lane)) return false;

    bool is_one = lane->kind == BLOCK_KIND_RAW || lane->kind == BLOCK_KIND_REPLACE;
    uint64_t count = least(least(is_one ? 1 : count_max, lane->left), least(block->who.left, block->fields.left));
    uint64_t field = block->fields.value;
    struct ordo_slice op;
    if (field == 0 || field > UINT32_MAX) return false;
    if (lane->kind == BLOCK_KIND_RAW) {
        if (!take_raw(block, &op)) return false;
    } else {
        struct block_splice splice;
        if (field != ordo_type_text.committed_field || !take_splice(block, lane, count, &splice)) return false;
        if (out != NULL) op = encode_splice(&block->op, &splice);
    }
    lane->left -= count;
    block->who.left -= count;
    block->fields.left -= count;
    if (!pass_client_seqs(block, count) || !pass_bases(block, count) || !pass_times(block, count)) return false;
    block->next_seq += count;
    if (out == NULL) return true;
    uint64_t seq = block->next_seq - 1;
    *out = (struct ordo_committed){.server_seq = seq, .client_seq = block->author->client_seq,
                                   .base_seq = seq - 1 - block->bases.value, .timestamp_ms = block->timestamp_ms,
                                   .client_id = block->author->client_id, .user = block->author->user,
                                   .op_field = (uint32_t)field, .op = op};
    return true;
}

static uint64_t end_seq(const struct ordo_block *block) { return block->info.first_seq + block->info.count; }

/* Behind the last op nothing may be left, or what was read were not the ops that were written. */
static bool is_used_up(const struct ordo_block *block) {
    const struct ordo_reader *const readers[] = {
        &block->who.lengths, &block->who.values, &block->client_seqs.lengths, &block->client_seqs.values,
        &block->bases.lengths, &block->bases.values, &block->fields.lengths, &block->fields.values,
        &block->times, &block->times_low, &block->times_high, &block->run_shapes, &block->run_lengths,
        &block->run_jumps, &block->run_sizes, &block->raw_sizes, &block->raw};
    size_t left = block->text.size;
    left += block->who.left + block->client_seqs.left + block->bases.left + block->fields.left;
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) left += ordo_reader_left(readers[i]);
    for (size_t i = 0; i < BLOCK_LANES; i++) left += block->lanes[i].left;
    return left == 0 && block->timestamp_ms == block->info.last_timestamp_ms;
}

static ordo_err advance(struct ordo_block *block, uint64_t count_max, struct ordo_committed *out) {
    if (block->is_broken) return ORDO_ERR_CORRUPT;
    if (block->next_seq == end_seq(block)) return ORDO_ERR_NOT_FOUND;
    uint64_t count_left = end_seq(block) - block->next_seq;
    block->is_broken = !take_ops(block, least(count_max, count_left), out) ||
                       (block->next_seq == end_seq(block) && !is_used_up(block));
    return block->is_broken ? ORDO_ERR_CORRUPT : ORDO_OK;
}

ordo_err ordo_block_seek(struct ordo_block *block, uint64_t seq) {
    ORDO_ASSERT(seq >= block->next_seq && seq <= end_seq(block));
    ordo_err err = block->is_broken ? ORDO_ERR_CORRUPT : ORDO_OK;
    while (!err && block->next_seq < seq) err = advance(block, seq - block->next_seq, NULL);
    return err;
}

ordo_err ordo_block_next(struct ordo_block *block, struct ordo_committed *out) { return advance(block, 1, out); }

ordo_err ordo_block_next_merged(struct ordo_block *block, uint64_t to_seq, struct ordo_committed *out) {
    if (block->next_seq > to_seq) return ORDO_ERR_NOT_FOUND;
    return advance(block, to_seq - block->next_seq + 1, out);
}
