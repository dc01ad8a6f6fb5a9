/* Hostile HTTP requests for documents, as the edge hands them on: a byte for the method, then lines (path, arguments, headers),
 * then the body. Refused with a sentence, or what they make is an op that the type takes, and a call that whatever comes
 * from the core brings to an end or leaves waiting. */
#include <stdlib.h>

#include "common/assert.h"
#include "common/ot/text.h"
#include "common/ot/text_json.h"
#include "gateway/api/body.h"
#include "gateway/api/call.h"
#include "shard/webhook/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OP_SIZE_MAX = 4096, DUE_MS = 30000 };

/* Up to the end of the line, which is taken too. */
static struct ordo_slice take_line(struct ordo_reader *reader) {
    const uint8_t *start = reader->next;
    while (reader->next < reader->end && *reader->next != '\n') reader->next++;
    struct ordo_slice line = ordo_slice(start, (size_t)(reader->next - start));
    if (reader->next < reader->end) reader->next++;
    return line;
}

static void check_fault(const struct ordo_api_fault *fault) {
    ORDO_ASSERT(fault->status >= 400 && fault->status < 500 && fault->code[0] != '\0' && fault->message[0] != '\0');
}

/* What is read as JSON is an op, and written as JSON it is read as the same. */
static void try_op(struct ordo_slice body) {
    struct ordo_api_op op;
    struct ordo_api_fault fault;
    struct ordo_buffer json = {0}, again = {0};
    if (ordo_api_body_op(body, &op, &fault)) {
        uint64_t length;
        enum ordo_op_fault wrong = ordo_type_text.validate(ordo_buffer_slice(&op.op), UINT32_MAX, &length);
        ORDO_ASSERT(wrong == ORDO_OP_VALID || body.size > 8); /* lengths that add up to too much */
        ORDO_ASSERT(ordo_text_json_put(&json, ordo_buffer_slice(&op.op)));
        struct json_reader reader = json_reader(ordo_buffer_slice(&json));
        if (wrong == ORDO_OP_VALID) {
            ORDO_ASSERT(ordo_text_json_take(&reader, &again) && json_take_end(&reader));
            ORDO_ASSERT(ordo_slice_equal(ordo_buffer_slice(&again), ordo_buffer_slice(&op.op)));
        }
    } else {
        check_fault(&fault);
    }
    ordo_buffer_finish(&op.op);
    ordo_buffer_finish(&json);
    ordo_buffer_finish(&again);
}

static void try_call(const struct ordo_api_request *request, struct ordo_slice body) {
    struct ordo_api_call_config config = {.body = body, .op_size_max = OP_SIZE_MAX, .due_ms = DUE_MS};
    struct ordo_api_call *call = ordo_api_call_create(request, &config);
    struct ordo_api_answer *answer = ordo_api_call_answer(call);
    struct ordo_arena arena;
    struct ordo_buffer frame = {0};
    ordo_arena_init(&arena, 0);
    ORDO_ASSERT(ordo_api_call_say(call, &frame) == !answer->is_over);
    if (!answer->is_over) ordo_api_call_hear(call, body, &arena, 0);
    ordo_api_call_tick(call, 1000);
    ordo_api_call_tick(call, DUE_MS);
    if (!answer->is_over) ordo_api_call_closed(call);
    ORDO_ASSERT(answer->is_over && answer->status >= 200 && answer->status < 600);
    ordo_arena_finish(&arena);
    ordo_buffer_finish(&frame);
    ordo_api_call_destroy(call);
}

static void try_url(struct ordo_slice text) {
    char url[256];
    size_t size = text.size < sizeof url ? text.size : sizeof url - 1;
    if (size > 0) memcpy(url, text.data, size);
    url[size] = '\0';
    (void)ordo_webhook_url_is_valid(url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    struct ordo_reader reader = ordo_reader(ordo_slice(data + 1, size - 1));
    struct ordo_api_input input = {.method = (enum ordo_api_method)(data[0] % 5)};
    input.path = take_line(&reader);
    input.arg_count = data[0] / 5 % (ORDO_API_ARGS_MAX + 2);
    for (size_t i = 0; i < input.arg_count && i < ORDO_API_ARGS_MAX; i++) input.args[i] = take_line(&reader);
    input.accept = take_line(&reader);
    input.if_none_match = take_line(&reader);
    input.if_match = take_line(&reader);
    input.key = take_line(&reader);
    struct ordo_slice body = ordo_slice(reader.next, ordo_reader_left(&reader));
    struct ordo_api_request request;
    struct ordo_api_fault fault;
    try_op(body);
    try_url(input.path);
    if (ordo_api_request_parse(&input, &request, &fault)) try_call(&request, body);
    else check_fault(&fault);
    return 0;
}
