#include "tools/ordo/op_json.h"

#include <jansson.h>
#include <stdlib.h>

#include "client/c/core/wire.h"
#include "common/ot/text_codec.h"
#include "common/utf8.h"

/* NULL if the slice is not UTF-8. */
static json_t *string_of(struct ordo_slice text) {
    return json_stringn(text.size ? (const char *)text.data : "", text.size);
}

static json_t *hex_of(struct ordo_slice bytes) {
    static const char digits[] = "0123456789abcdef";
    struct ordo_buffer hex = {0};
    for (size_t i = 0; i < bytes.size; i++) {
        ordo_buffer_append_u8(&hex, (uint8_t)digits[bytes.data[i] >> 4]);
        ordo_buffer_append_u8(&hex, (uint8_t)digits[bytes.data[i] & 15]);
    }
    json_t *string = string_of(ordo_buffer_slice(&hex));
    ordo_buffer_finish(&hex);
    return string;
}

static const char *hint_of(uint64_t span) {
    switch (span & TEXT_BITS_MASK) {
    case 0: return "";
    case TEXT_FOLLOWS: return "follows";
    case TEXT_PRECEDES: return "precedes";
    default: return "both";
    }
}

/* Takes `component`; false if it is NULL. */
static bool add(json_t *components, json_t *component) { return json_array_append_new(components, component) == 0; }

static json_t *components_of(struct ordo_slice op, json_t *hints, bool *has_hints) {
    struct text_op text;
    if (!text_op_open(op, &text) || !ordo_utf8_validate(text.text, NULL)) return NULL;
    json_t *components = json_array();
    struct ordo_slice rest = text.text;
    bool is_good = true;
    uint64_t span;
    while (is_good && (span = text_read(&text.spans)) != 0) {
        json_int_t n = (json_int_t)text_span_n(span);
        size_t size;
        switch (text_span_kind(span)) {
        case TEXT_RETAIN: is_good = add(components, json_integer(n)); break;
        case TEXT_DELETE: is_good = add(components, json_pack("{s:I}", "d", n)); break;
        case TEXT_INSERT:
            size = ordo_utf8_offset(rest, (uint64_t)n);
            is_good = add(components, string_of(ordo_slice(rest.data, size))) && add(hints, json_string(hint_of(span)));
            rest = ordo_slice(rest.data + size, rest.size - size);
            if ((span & TEXT_BITS_MASK) != 0) *has_hints = true;
            break;
        default: is_good = false;
        }
    }
    if (is_good && rest.size == 0) return components;
    json_decref(components);
    return NULL;
}

static json_t *create_of(struct ordo_slice op, json_t *hints, bool *has_hints) {
    struct ordo_wire_create create;
    if (!ordo_wire_read_create(op, &create)) return NULL;
    return json_pack("{s:o, s:o}", "create", components_of(create.text, hints, has_hints), "type",
                     string_of(create.type));
}

ordo_err ordo_op_json(const struct ordo_client_commit *commit, struct ordo_buffer *out) {
    json_t *hints = json_array(), *op = NULL;
    bool has_hints = false;
    switch (commit->kind) {
    case ORDO_CLIENT_EDIT: op = components_of(commit->op, hints, &has_hints); break;
    case ORDO_CLIENT_DELETE: op = json_pack("{s:b}", "delete", 1); break;
    case ORDO_CLIENT_CREATE: op = create_of(commit->op, hints, &has_hints); break;
    }
    json_t *line = json_pack("{s:I, s:o, s:I, s:I, s:I, s:o, s:o}", "server_seq", (json_int_t)commit->server_seq,
                             "client_id", hex_of(commit->client_id), "client_seq", (json_int_t)commit->client_seq,
                             "base_seq", (json_int_t)commit->base_seq, "timestamp_ms", (json_int_t)commit->timestamp_ms,
                             "user", string_of(commit->user), "op", op);
    if (line != NULL && has_hints) json_object_set(line, "hints", hints);
    json_decref(hints);
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (text == NULL) return ORDO_ERR_INVALID;
    ordo_buffer_append(out, text, strlen(text));
    free(text);
    return ORDO_OK;
}
