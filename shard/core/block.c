#include "shard/core/block.h"

#include <stdlib.h>
#include <zstd.h>

#include "common/assert.h"
#include "common/memory.h"
#include "common/utf8.h"
#include "shard/core/block_form.h"
#include "shard/core/value.h"

struct author {
    struct ordo_slice client_id, user;
    uint64_t client_seq; /* of its newest op */
};

/* Reads values of which many in a row are the same. */
struct repeat {
    struct ordo_reader lengths, values;
    uint64_t value, left; /* how often the value is still to come */
};

struct lane {
    uint64_t cursor;
    uint64_t left; /* ops still to come in its run; what follows is about that run */
    enum block_kind kind;
    uint64_t inserted, deleted; /* by each op */
    uint64_t jump, hints;       /* of the next op */
    uint64_t later_hints;
    struct ordo_slice text;     /* still to come */
};

struct ordo_block {
    struct ordo_block_info info;
    uint64_t next_seq;
    bool is_broken;            /* there is no way on */
    struct ordo_buffer memory; /* all columns */
    struct author *authors;
    size_t author_count, lane_count;
    struct repeat who, client_seqs, bases, fields;
    struct author *author, *author_before;
    uint64_t timestamp_ms;
    struct ordo_reader times, times_low, times_high;
    struct lane lanes[BLOCK_LANES];
    struct ordo_reader run_shapes, run_lengths, run_jumps, run_sizes;
    struct ordo_slice text;    /* of the runs that did not begin yet */
    uint64_t text_length;      /* its code points */
    struct ordo_reader raw_sizes, raw;
    struct ordo_buffer op;     /* the one handed out, if it was put together */
};

/* --- opening ---------------------------------------------------------------------------------------------------- */

static ordo_err open_head(struct ordo_slice key, struct ordo_slice value, struct ordo_block_info *info,
                          struct ordo_reader *body) {
    ordo_err err = ordo_value_open(key, value, ORDO_BLOCK_VERSION, body);
    if (err) return err;
    if (!ordo_take_varint(body, &info->first_seq) || !ordo_take_varint(body, &info->count) ||
        !ordo_take_varint(body, &info->first_timestamp_ms) ||
        !ordo_take_varint(body, &info->last_timestamp_ms))
        return ORDO_ERR_CORRUPT;
    bool is_sane = info->first_seq > 0 && info->count > 0 && info->count <= ORDO_BLOCK_OPS_MAX &&
                   info->first_seq + info->count > info->first_seq;
    return is_sane ? ORDO_OK : ORDO_ERR_CORRUPT;
}

ordo_err ordo_block_look(struct ordo_slice key, struct ordo_slice value, struct ordo_block_info *out) {
    struct ordo_reader body;
    struct ordo_block_info info;
    ordo_err err = open_head(key, value, &info, &body);
    if (!err) *out = info;
    return err;
}

struct column {
    uint64_t size, stored_size;
};

/* The sizes, all checked before any memory is asked for. */
static bool take_columns(struct ordo_reader *body, struct column columns[BLOCK_COLUMNS]) {
    uint64_t size = 0, stored_size = 0;
    for (size_t i = 0; i < BLOCK_COLUMNS; i++) {
        columns[i] = (struct column){0};
        if (!ordo_take_varint(body, &columns[i].size) || columns[i].size > ORDO_BLOCK_MEMORY_MAX) return false;
        if (columns[i].size > 0 && !ordo_take_varint(body, &columns[i].stored_size)) return false;
        if (columns[i].stored_size > columns[i].size) return false;
        size += columns[i].size;
        stored_size += columns[i].stored_size;
    }
    return size <= ORDO_BLOCK_MEMORY_MAX && stored_size == ordo_reader_left(body);
}

static bool unpack_columns(struct ordo_block *block, struct ordo_reader *body,
                           const struct column columns[BLOCK_COLUMNS], struct ordo_slice out[BLOCK_COLUMNS]) {
    size_t size = 0;
    for (size_t i = 0; i < BLOCK_COLUMNS; i++) size += columns[i].size;
    uint8_t *to = ordo_buffer_reserve(&block->memory, size);
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    ORDO_ASSERT(zstd != NULL);
    bool is_whole = true;
    for (size_t i = 0; i < BLOCK_COLUMNS && is_whole; i++) {
        const struct column *column = &columns[i];
        struct ordo_slice stored;
        out[i] = ordo_slice(to, column->size);
        is_whole = ordo_take_bytes(body, column->stored_size, &stored);
        if (!is_whole || column->size == 0) continue;
        if (column->stored_size == column->size) memcpy(to, stored.data, column->size);
        else is_whole = ZSTD_decompressDCtx(zstd, to, column->size, stored.data, stored.size) == column->size;
        to += column->size;
    }
    ZSTD_freeDCtx(zstd);
    return is_whole;
}

static bool read_authors(struct ordo_block *block, struct ordo_slice column) {
    struct ordo_reader reader = ordo_reader(column);
    size_t capacity = 0;
    while (ordo_reader_left(&reader) > 0) {
        if (block->author_count == capacity) {
            capacity = capacity ? 2 * capacity : 8;
            block->authors = ordo_realloc(block->authors, capacity * sizeof *block->authors);
        }
        struct author *author = &block->authors[block->author_count++];
        if (!ordo_take_sized(&reader, &author->client_id) || !ordo_take_sized(&reader, &author->user) ||
            !ordo_take_varint(&reader, &author->client_seq))
            return false;
        if (author->client_id.size > ORDO_CLIENT_ID_SIZE_MAX || author->user.size > ORDO_USER_SIZE_MAX) return false;
    }
    block->lane_count = block->author_count < BLOCK_LANES ? block->author_count : BLOCK_LANES;
    return block->author_count > 0 && block->author_count <= block->info.count;
}

static struct repeat repeat_of(const struct ordo_slice columns[BLOCK_COLUMNS], enum block_column lengths) {
    return (struct repeat){.lengths = ordo_reader(columns[lengths]), .values = ordo_reader(columns[lengths + 1])};
}

static ordo_err open_columns(struct ordo_block *block, struct ordo_reader *body) {
    struct column columns[BLOCK_COLUMNS];
    struct ordo_slice bytes[BLOCK_COLUMNS];
    if (!take_columns(body, columns) || !unpack_columns(block, body, columns, bytes)) return ORDO_ERR_CORRUPT;
    if (!read_authors(block, bytes[BLOCK_AUTHORS])) return ORDO_ERR_CORRUPT;
    block->who = repeat_of(bytes, BLOCK_AUTHOR_LENGTHS);
    block->client_seqs = repeat_of(bytes, BLOCK_CLIENT_SEQ_LENGTHS);
    block->bases = repeat_of(bytes, BLOCK_BASE_LENGTHS);
    block->fields = repeat_of(bytes, BLOCK_FIELD_LENGTHS);
    block->times = ordo_reader(bytes[BLOCK_TIMES]);
    block->times_low = ordo_reader(bytes[BLOCK_TIMES_LOW]);
    block->times_high = ordo_reader(bytes[BLOCK_TIMES_HIGH]);
    block->run_shapes = ordo_reader(bytes[BLOCK_RUN_SHAPES]);
    block->run_lengths = ordo_reader(bytes[BLOCK_RUN_LENGTHS]);
    block->run_jumps = ordo_reader(bytes[BLOCK_RUN_JUMPS]);
    block->run_sizes = ordo_reader(bytes[BLOCK_RUN_SIZES]);
    block->raw_sizes = ordo_reader(bytes[BLOCK_RAW_SIZES]);
    block->raw = ordo_reader(bytes[BLOCK_RAW]);
    block->text = bytes[BLOCK_TEXT];
    return ordo_utf8_validate(block->text, &block->text_length) ? ORDO_OK : ORDO_ERR_CORRUPT;
}

ordo_err ordo_block_open(struct ordo_slice key, struct ordo_slice value, struct ordo_block **out) {
    struct ordo_block_info info;
    struct ordo_reader body;
    ordo_err err = open_head(key, value, &info, &body);
    if (err) return err;
    struct ordo_block *block = ordo_alloc(sizeof *block);
    block->info = info;
    block->next_seq = info.first_seq;
    block->timestamp_ms = info.first_timestamp_ms;
    err = open_columns(block, &body);
    if (err) {
        ordo_block_close(block);
        return err;
    }
    *out = block;
    return ORDO_OK;
}

void ordo_block_close(struct ordo_block *block) {
    if (block == NULL) return;
    ordo_buffer_finish(&block->memory);
    ordo_buffer_finish(&block->op);
    free(block->authors);
    free(block);
}

const struct ordo_block_info *ordo_block_info(const struct ordo_block *block) { return &block->info; }
uint64_t ordo_block_next_seq(const struct ordo_block *block) { return block->next_seq; }

/* --- numbers ---------------------------------------------------------------------------------------------------- */

/* Makes sure that the value in hand is the next one's. */
static bool repeat_fill(struct repeat *repeat) {
    if (repeat->left > 0) return true;
    return ordo_take_varint(&repeat->lengths, &repeat->left) && repeat->left > 0 &&
           ordo_take_varint(&repeat->values, &repeat->value);
}

static bool fill_author(struct ordo_block *block) {
    if (block->who.left > 0) return true;
    if (!repeat_fill(&block->who)) return false;
    uint64_t value = block->who.value;
    struct author *author = value == 0                      ? block->author_before
                            : value <= block->author_count ? &block->authors[value - 1]
                                                            : NULL;
    if (author == NULL) return false;
    block->author_before = block->author;
    block->author = author;
    return true;
}

static bool pass_client_seqs(struct ordo_block *block, uint64_t count) {
    while (count > 0) {
        struct repeat *repeat = &block->client_seqs;
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
        struct repeat *repeat = &block->bases;
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

static bool take_sizes(struct ordo_block *block, uint8_t shape, struct lane *lane) {
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

static bool begin_run(struct ordo_block *block, struct lane *lane) {
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
static bool take_splice(struct ordo_block *block, struct lane *lane, uint64_t count, struct block_splice *out) {
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
    struct lane *lane = &block->lanes[(size_t)(block->author - block->authors) % BLOCK_LANES];
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
