#include "tools/ordo/export_line.h"

#include "common/json.h"
#include "common/limits.h"
#include "common/ot/text_codec.h"
#include "common/utf8.h"

/* --- a schema is a list of members, in whatever order they come ------------------------------------------------------ */

enum member_kind {
    MEMBER_NUMBER, /* out: uint64_t */
    MEMBER_STRING, /* out: struct ordo_buffer, cleared before */
    MEMBER_HEX,    /* the same, with the bytes that the digits say */
    MEMBER_HEX64,  /* out: uint64_t */
    MEMBER_OP,     /* out: struct op_parts */
    MEMBER_HINTS,  /* out: struct ordo_buffer, a byte of bits for each insert */
};
struct member {
    const char *name;
    enum member_kind kind;
    void *out;
    bool is_optional;
};

/* An op as it stands in JSON: components, or what it is instead. */
struct op_parts {
    struct export_reader *memory;
    enum ordo_op_kind kind;
    struct ordo_buffer *type; /* of a create */
};

static bool take_insert(struct json_reader *json, struct export_reader *memory, uint64_t *n) {
    size_t start = memory->text.size;
    if (!json_take_string(json, &memory->text) || memory->text.size == start) return false;
    *n = ordo_utf8_count(ordo_slice(memory->text.data + start, memory->text.size - start));
    return true;
}

static bool take_delete(struct json_reader *json, uint64_t *n) {
    return json_take(json, '{') && json_take_word(json, "\"d\"") && json_take(json, ':') && json_take_number(json, n) &&
           json_take(json, '}');
}

/* One component becomes one span, 5 bytes at most, kept as 8. */
static bool take_component(struct json_reader *json, struct export_reader *memory) {
    enum text_kind kind;
    uint64_t n;
    bool is_good;
    switch (json_peek(json)) {
    case '"': kind = TEXT_INSERT; is_good = take_insert(json, memory, &n); break;
    case '{': kind = TEXT_DELETE; is_good = take_delete(json, &n); break;
    default: kind = TEXT_RETAIN; is_good = json_take_number(json, &n); break;
    }
    if (!is_good || n == 0 || n > ORDO_SPAN_LENGTH_MAX) return false;
    ordo_buffer_append_u64_le(&memory->spans, text_span(kind, n));
    return true;
}

static bool take_components(struct json_reader *json, struct export_reader *memory) {
    bool is_first = true;
    if (!json_take(json, '[')) return false;
    while (json_take_next(json, ']', &is_first))
        if (!take_component(json, memory)) return false;
    return !json_is_broken(json);
}

static bool take_create(struct json_reader *json, struct op_parts *parts) {
    parts->kind = ORDO_OP_CREATE;
    return json_take(json, ':') && take_components(json, parts->memory) && json_take(json, ',') &&
           json_take_word(json, "\"type\"") && json_take(json, ':') && json_take_string(json, parts->type);
}

static bool take_op(struct json_reader *json, struct op_parts *parts) {
    parts->kind = ORDO_OP_EDIT;
    if (json_peek(json) == '[') return take_components(json, parts->memory);
    if (!json_take(json, '{')) return false;
    if (json_take_word(json, "\"delete\"")) {
        parts->kind = ORDO_OP_DELETE;
        return json_take(json, ':') && json_take_word(json, "true") && json_take(json, '}');
    }
    return json_take_word(json, "\"create\"") && take_create(json, parts) && json_take(json, '}');
}

static bool take_hints(struct json_reader *json, struct ordo_buffer *out) {
    static const struct { const char *word; uint8_t bits; } hints[] = {
        {"\"\"", 0}, {"\"follows\"", TEXT_FOLLOWS}, {"\"precedes\"", TEXT_PRECEDES}, {"\"both\"", TEXT_BITS_MASK}};
    bool is_first = true;
    if (!json_take(json, '[')) return false;
    while (json_take_next(json, ']', &is_first)) {
        size_t i = 0, count = sizeof hints / sizeof *hints;
        while (i < count && !json_take_word(json, hints[i].word)) i++;
        if (i == count) return false;
        ordo_buffer_append_u8(out, hints[i].bits);
    }
    return !json_is_broken(json);
}

static bool take_hex(struct json_reader *json, struct ordo_buffer *digits, struct ordo_buffer *out) {
    ordo_buffer_clear(digits);
    return json_take_string(json, digits) && json_hex_decode(ordo_buffer_slice(digits), out);
}

static bool take_hex64(struct json_reader *json, struct ordo_buffer *digits, uint64_t *out) {
    ordo_buffer_clear(digits);
    return json_take_string(json, digits) && json_hex64_decode(ordo_buffer_slice(digits), out);
}

static bool take_value(struct json_reader *json, const struct member *member, struct export_reader *memory) {
    switch (member->kind) {
    case MEMBER_NUMBER: return json_take_number(json, member->out);
    case MEMBER_STRING: return json_take_string(json, member->out);
    case MEMBER_HEX: return take_hex(json, &memory->digits, member->out);
    case MEMBER_HEX64: return take_hex64(json, &memory->digits, member->out);
    case MEMBER_OP: return take_op(json, member->out);
    case MEMBER_HINTS: return take_hints(json, member->out);
    }
    return false;
}

static size_t find_member(const struct member *members, size_t count, const struct ordo_buffer *name) {
    size_t i = 0;
    while (i < count && !ordo_slice_equal(ordo_slice_of(members[i].name), ordo_buffer_slice(name))) i++;
    return i;
}

/* Behind the '{'. Each member once, no other. */
static bool take_object(struct json_reader *json, const struct member *members, size_t count,
                        struct export_reader *memory) {
    bool is_first = true;
    uint32_t seen = 0;
    while (json_take_next(json, '}', &is_first)) {
        ordo_buffer_clear(&memory->digits);
        if (!json_take_string(json, &memory->digits) || !json_take(json, ':')) return false;
        size_t i = find_member(members, count, &memory->digits);
        if (i == count || (seen & 1u << i) != 0 || !take_value(json, &members[i], memory)) return false;
        seen |= 1u << i;
    }
    for (size_t i = 0; i < count; i++)
        if (!members[i].is_optional && (seen & 1u << i) == 0) return false;
    return !json_is_broken(json);
}
#define TAKE_OBJECT(json, members, memory) take_object(json, members, sizeof(members) / sizeof *(members), memory)

/* --- the kinds of lines ----------------------------------------------------------------------------------------------- */

static bool has_size(struct ordo_slice bytes, size_t min, size_t max) { return bytes.size >= min && bytes.size <= max; }

static struct ordo_slice string_of(const struct export_reader *reader, int i) {
    return ordo_buffer_slice(&reader->strings[i]);
}

static bool read_document(struct export_reader *reader, struct json_reader *json, struct export_line *out) {
    struct export_document *document = &out->document;
    const struct member members[] = {
        {"collection", MEMBER_STRING, &reader->strings[0]},
        {"id", MEMBER_STRING, &reader->strings[1]},
        {"type", MEMBER_STRING, &reader->strings[2]},
        {"begin_seq", MEMBER_NUMBER, &document->begin_seq},
        {"head", MEMBER_NUMBER, &document->head},
        {"forgotten_seq", MEMBER_NUMBER, &document->forgotten_seq},
    };
    if (!TAKE_OBJECT(json, members, reader)) return false;
    document->collection = string_of(reader, 0);
    document->id = string_of(reader, 1);
    document->type = string_of(reader, 2);
    return has_size(document->collection, 1, ORDO_NAME_SIZE_MAX) && has_size(document->id, 1, ORDO_NAME_SIZE_MAX) &&
           has_size(document->type, 1, ORDO_TYPE_NAME_SIZE_MAX);
}

static bool read_begin(struct export_reader *reader, struct json_reader *json, struct export_line *out) {
    struct export_begin *begin = &out->begin;
    const struct member members[] = {
        {"created_seq", MEMBER_NUMBER, &begin->created_seq}, {"deleted_seq", MEMBER_NUMBER, &begin->deleted_seq},
        {"timestamp_ms", MEMBER_NUMBER, &begin->timestamp_ms}, {"length", MEMBER_NUMBER, &begin->length},
        {"size", MEMBER_NUMBER, &begin->size},
    };
    return TAKE_OBJECT(json, members, reader);
}

static bool read_content(struct export_reader *reader, struct json_reader *json, struct export_line *out) {
    const struct member members[] = {{"text", MEMBER_STRING, &reader->text}};
    if (!TAKE_OBJECT(json, members, reader)) return false;
    out->content = ordo_buffer_slice(&reader->text);
    return has_size(out->content, 1, EXPORT_CONTENT_SIZE_MAX);
}

static bool read_client(struct export_reader *reader, struct json_reader *json, struct export_line *out) {
    struct export_client *client = &out->client;
    const struct member members[] = {
        {"client_id", MEMBER_HEX, &reader->strings[0]},        {"client_seq", MEMBER_NUMBER, &client->row.client_seq},
        {"server_seq", MEMBER_NUMBER, &client->row.server_seq}, {"timestamp_ms", MEMBER_NUMBER, &client->row.timestamp_ms},
        {"user", MEMBER_STRING, &reader->strings[1]},          {"hash", MEMBER_HEX64, &client->row.hash},
    };
    if (!TAKE_OBJECT(json, members, reader)) return false;
    client->client_id = string_of(reader, 0);
    client->row.user = string_of(reader, 1);
    return has_size(client->client_id, 1, ORDO_CLIENT_ID_SIZE_MAX) && has_size(client->row.user, 0, ORDO_USER_SIZE_MAX);
}

static bool read_end(struct export_reader *reader, struct json_reader *json, struct export_line *out) {
    const struct member members[] = {
        {"ops", MEMBER_NUMBER, &out->end.op_count},
        {"clients", MEMBER_NUMBER, &out->end.client_count},
        {"lineage", MEMBER_NUMBER, &out->end.lineage},
        {"checksum", MEMBER_HEX64, &out->end.checksum},
    };
    return TAKE_OBJECT(json, members, reader);
}

static bool read_header(struct export_reader *reader, struct json_reader *json, struct export_line *out) {
    const struct member members[] = {{"version", MEMBER_NUMBER, &out->version}};
    return TAKE_OBJECT(json, members, reader);
}

static bool read_done(struct export_reader *reader, struct json_reader *json, struct export_line *out) {
    const struct member members[] = {{"documents", MEMBER_NUMBER, &out->document_count}};
    return TAKE_OBJECT(json, members, reader);
}

/* Spans and hints together are the op: as many hints as inserts, or none at all. */
static bool build_edit(struct export_reader *reader) {
    struct ordo_reader spans = ordo_reader(ordo_buffer_slice(&reader->spans));
    struct ordo_buffer packed = {0};
    size_t insert_count = 0;
    uint64_t span;
    bool is_good = true;
    while (is_good && ordo_take_u64_le(&spans, &span)) {
        if (text_span_is_insert(span) && reader->hints.size > 0) {
            is_good = insert_count < reader->hints.size;
            if (is_good) span |= reader->hints.data[insert_count++];
        }
        ordo_buffer_append_varint(&packed, span);
    }
    is_good = is_good && insert_count == reader->hints.size;
    ordo_buffer_clear(&reader->edit);
    if (is_good) text_message_append(&reader->edit, ordo_buffer_slice(&packed), ordo_buffer_slice(&reader->text));
    ordo_buffer_finish(&packed);
    return is_good;
}

static bool build_op(struct export_reader *reader, const struct op_parts *parts, struct ordo_committed *op) {
    if (!build_edit(reader)) return false;
    op->op = ordo_buffer_slice(&reader->edit);
    switch (parts->kind) {
    case ORDO_OP_EDIT: op->op_field = ordo_type_text.committed_field; return true;
    case ORDO_OP_DELETE: op->op_field = ORDO_COMMITTED_DELETE; return op->op.size == 0;
    case ORDO_OP_CREATE:
        if (!has_size(ordo_buffer_slice(parts->type), 1, ORDO_TYPE_NAME_SIZE_MAX)) return false;
        ordo_buffer_clear(&reader->op);
        ordo_create_encode(&(struct ordo_create){.type = ordo_buffer_slice(parts->type), .op = op->op}, &reader->op);
        op->op_field = ORDO_COMMITTED_CREATE;
        op->op = ordo_buffer_slice(&reader->op);
        return true;
    }
    return false;
}

static bool read_op(struct export_reader *reader, struct json_reader *json, struct export_line *out) {
    struct ordo_committed *op = &out->op;
    struct op_parts parts = {.memory = reader, .type = &reader->strings[2]};
    const struct member members[] = {
        {"server_seq", MEMBER_NUMBER, &op->server_seq}, {"client_id", MEMBER_HEX, &reader->strings[0]},
        {"client_seq", MEMBER_NUMBER, &op->client_seq}, {"base_seq", MEMBER_NUMBER, &op->base_seq},
        {"timestamp_ms", MEMBER_NUMBER, &op->timestamp_ms}, {"user", MEMBER_STRING, &reader->strings[1]},
        {"op", MEMBER_OP, &parts}, {"hints", MEMBER_HINTS, &reader->hints, .is_optional = true},
    };
    if (!TAKE_OBJECT(json, members, reader)) return false;
    op->client_id = string_of(reader, 0);
    op->user = string_of(reader, 1);
    return has_size(op->client_id, 1, ORDO_CLIENT_ID_SIZE_MAX) && has_size(op->user, 0, ORDO_USER_SIZE_MAX) &&
           build_op(reader, &parts, op);
}

static const struct {
    const char *key;
    enum export_line_kind kind;
    bool (*read)(struct export_reader *reader, struct json_reader *json, struct export_line *out);
    const char *fault;
} shells[] = {
    {"\"ordo_export\"", EXPORT_HEADER, read_header, "is not the header of an export"},
    {"\"document\"", EXPORT_DOCUMENT, read_document, "does not say which document begins as it should"},
    {"\"begin\"", EXPORT_BEGIN, read_begin, "does not say what the history begins with as it should"},
    {"\"content\"", EXPORT_CONTENT, read_content, "is not a piece of content as it should be"},
    {"\"client\"", EXPORT_CLIENT, read_client, "does not describe a client as it should"},
    {"\"end\"", EXPORT_END, read_end, "does not end the document as it should"},
    {"\"done\"", EXPORT_DONE, read_done, "does not end the file as it should"},
};

static void clear_memory(struct export_reader *reader) {
    struct ordo_buffer *buffers[] = {&reader->strings[0], &reader->strings[1], &reader->strings[2],
                                     &reader->spans, &reader->text, &reader->hints};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) ordo_buffer_clear(buffers[i]);
}

void export_reader_finish(struct export_reader *reader) {
    struct ordo_buffer *buffers[] = {&reader->strings[0], &reader->strings[1], &reader->strings[2], &reader->digits,
                                     &reader->spans, &reader->text, &reader->hints, &reader->edit, &reader->op};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) ordo_buffer_finish(buffers[i]);
}

const char *export_line_read(struct export_reader *reader, struct ordo_slice line, struct export_line *out) {
    struct json_reader json = json_reader(line);
    *out = (struct export_line){0};
    clear_memory(reader);
    if (line.size > EXPORT_LINE_SIZE_MAX) return "is longer than a line may be";
    if (!ordo_utf8_validate(line, NULL)) return "is not UTF-8";
    if (!json_take(&json, '{')) return "is not a JSON object";
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (!json_take_word(&json, shells[i].key)) continue;
        out->kind = shells[i].kind;
        bool is_good = json_take(&json, ':') && json_take(&json, '{') && shells[i].read(reader, &json, out) &&
                       json_take(&json, '}') && json_take_end(&json);
        return is_good ? NULL : shells[i].fault;
    }
    out->kind = EXPORT_OP;
    return read_op(reader, &json, out) && json_take_end(&json) ? NULL : "is not an op as it should be";
}
