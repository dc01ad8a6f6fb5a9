#include "gateway/api/body.h"

#include "common/ot/text_codec.h"
#include "common/ot/text_json.h"
#include "common/utf8.h"

static bool refuse(struct ordo_api_fault *fault, const char *code, const char *message) {
    *fault = (struct ordo_api_fault){.status = 400, .code = code, .message = message};
    return false;
}

bool ordo_api_body_text(struct ordo_slice body, struct ordo_buffer *op, struct ordo_api_fault *fault) {
    uint64_t count = 0;
    if (!ordo_utf8_validate(body, &count) || (body.size > 0 && memchr(body.data, 0, body.size) != NULL))
        return refuse(fault, "bad_text", "the text must be UTF-8 without U+0000");
    size_t start;
    struct text_writer writer = text_message_begin(op, &start);
    if (count > 0) text_put(&writer, text_span(TEXT_INSERT, count));
    text_message_end(&writer, start, body);
    return true;
}

enum member { MEMBER_BASE_SEQ = 1, MEMBER_OP = 2, MEMBER_CLIENT_ID = 4, MEMBER_CLIENT_SEQ = 8 };

static bool take_client_id(struct json_reader *reader, struct ordo_buffer *scratch, uint8_t out[ORDO_CLIENT_ID_SIZE]) {
    struct ordo_buffer bytes = {0};
    ordo_buffer_clear(scratch);
    bool is_good = json_take_string(reader, scratch) && json_hex_decode(ordo_buffer_slice(scratch), &bytes) &&
                   bytes.size == ORDO_CLIENT_ID_SIZE;
    if (is_good) memcpy(out, bytes.data, ORDO_CLIENT_ID_SIZE);
    ordo_buffer_finish(&bytes);
    return is_good;
}

/* The value of the member that `scratch` names; 0: it is none of ours, or not what it should be. */
static uint32_t take_member(struct json_reader *reader, struct ordo_buffer *scratch, struct ordo_api_op *out) {
    struct ordo_slice name = ordo_buffer_slice(scratch);
    if (ordo_slice_equal(name, ordo_slice_of("base_seq")))
        return json_take_number(reader, &out->base_seq) ? MEMBER_BASE_SEQ : 0;
    if (ordo_slice_equal(name, ordo_slice_of("op"))) return ordo_text_json_take(reader, &out->op) ? MEMBER_OP : 0;
    if (ordo_slice_equal(name, ordo_slice_of("client_id")))
        return take_client_id(reader, scratch, out->client_id) ? MEMBER_CLIENT_ID : 0;
    if (ordo_slice_equal(name, ordo_slice_of("client_seq")))
        return json_take_number(reader, &out->client_seq) && out->client_seq > 0 ? MEMBER_CLIENT_SEQ : 0;
    return 0;
}

static bool take_members(struct json_reader *reader, struct ordo_buffer *scratch, struct ordo_api_op *out, uint32_t *seen) {
    bool is_first = true;
    if (!json_take(reader, '{')) return false;
    while (json_take_next(reader, '}', &is_first)) {
        ordo_buffer_clear(scratch);
        if (!json_take_string(reader, scratch) || !json_take(reader, ':')) return false;
        uint32_t member = take_member(reader, scratch, out);
        if (member == 0 || *seen & member) return false;
        *seen |= member;
    }
    return !json_is_broken(reader) && json_take_end(reader);
}

bool ordo_api_body_op(struct ordo_slice body, struct ordo_api_op *out, struct ordo_api_fault *fault) {
    *out = (struct ordo_api_op){0};
    struct json_reader reader = json_reader(body);
    struct ordo_buffer scratch = {0};
    uint32_t seen = 0, id_members = MEMBER_CLIENT_ID | MEMBER_CLIENT_SEQ, needed = MEMBER_BASE_SEQ | MEMBER_OP;
    bool is_good = ordo_utf8_validate(body, NULL) && take_members(&reader, &scratch, out, &seen);
    ordo_buffer_finish(&scratch);
    out->has_op_id = (seen & id_members) == id_members;
    if (!is_good || (seen & needed) != needed || ((seen & id_members) != 0 && !out->has_op_id))
        return refuse(fault, "bad_body",
                      "an op is written {\"base_seq\": 12, \"op\": [5, \"abc\", {\"d\": 2}]}, with \"client_id\": 32 hex digits "
                      "and \"client_seq\" or without both");
    return true;
}
