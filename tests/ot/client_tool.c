/* tests/ot/client_tool.c: the C client's state machines as a filter, for comparison with those in TypeScript.
 *
 * Reads one event per line and answers each with one line:
 *   { "ms": n, "do": "start" | "connect" | "disconnect" | "tick" }, { …, "do": "receive", "frame": hex },
 *   { …, "do": "splice", "position": n, "count": n, "text": string }, { …, "do": "delete" },
 *   { …, "do": "create", "text": string };
 *   { "frames": [hex], "close": bool, "shown": string, "seq": n, "status": string, "given": string }: what there is to send,
 *   whether it wishes to close, the text of edits that were given back, all by then.
 * "start" begins anew: document c/d of the client 00…01, without a record. */
#include <stdio.h>
#include <stdlib.h>

#include "client/c/core/connection.h"
#include "common/assert.h"
#include "common/ot/text.h"
#include "tests/ot/support.h"

struct tool {
    struct ordo_client_connection *connection;
    struct ordo_client_doc *doc;
    struct ordo_buffer given; /* back */
};

static void given_back(void *user, struct ordo_client_doc *doc, const struct ordo_client_given_back *given) {
    (void)doc;
    struct tool *tool = user;
    ordo_buffer_append_slice(&tool->given, given->inserted);
}

static void start(struct tool *tool) {
    ordo_client_connection_destroy(tool->connection);
    ordo_buffer_clear(&tool->given);
    struct ordo_client_connection_options options = {.agent = ordo_slice_of("tool")};
    options.client_id.bytes[sizeof options.client_id.bytes - 1] = 1;
    ordo_prng_init(&options.prng, 1);
    tool->connection = ordo_client_connection_create(&options);
    tool->doc = ordo_client_connection_open(tool->connection,
                                            &(struct ordo_client_doc_options){.collection = ordo_slice_of("c"),
                                                                              .id = ordo_slice_of("d"),
                                                                              .create_type = ordo_slice_of("text"),
                                                                              .listener = {.given_back = given_back},
                                                                              .user = tool});
}

static struct ordo_slice text_of(const json_t *event, const char *name) {
    const json_t *text = json_object_get(event, name);
    return ordo_slice(json_string_value(text), json_string_length(text));
}

static uint64_t number_of(const json_t *event, const char *name) {
    return (uint64_t)json_integer_value(json_object_get(event, name));
}

static void receive(struct tool *tool, struct ordo_slice hex, uint64_t now_ms) {
    struct ordo_buffer frame = {0};
    for (size_t i = 0; i + 1 < hex.size; i += 2) {
        char digits[3] = {(char)hex.data[i], (char)hex.data[i + 1], 0};
        ordo_buffer_append_u8(&frame, (uint8_t)strtoul(digits, NULL, 16));
    }
    ordo_client_connection_received(tool->connection, ordo_buffer_slice(&frame), now_ms);
    ordo_buffer_finish(&frame);
}

static void create_again(struct tool *tool, struct ordo_slice text) {
    struct ordo_buffer op = {0};
    ordo_text_splice(0, 0, text, (struct ordo_text_hints){0}, &op);
    (void)!ordo_client_doc_create_again(tool->doc, ordo_buffer_slice(&op));
    ordo_buffer_finish(&op);
}

static void step(struct tool *tool, const json_t *event, uint64_t now_ms) {
    struct ordo_slice what = text_of(event, "do");
    if (ordo_slice_equal(what, ordo_slice_of("start"))) {
        start(tool);
    } else if (ordo_slice_equal(what, ordo_slice_of("connect"))) {
        ordo_client_connection_dialing(tool->connection, now_ms);
        ordo_client_connection_connected(tool->connection, now_ms);
    } else if (ordo_slice_equal(what, ordo_slice_of("disconnect"))) {
        ordo_client_connection_disconnected(tool->connection, now_ms);
    } else if (ordo_slice_equal(what, ordo_slice_of("tick"))) {
        ordo_client_connection_tick(tool->connection, now_ms);
    } else if (ordo_slice_equal(what, ordo_slice_of("receive"))) {
        receive(tool, text_of(event, "frame"), now_ms);
    } else if (ordo_slice_equal(what, ordo_slice_of("splice"))) {
        (void)!ordo_client_doc_splice(tool->doc, number_of(event, "position"), number_of(event, "count"),
                                      text_of(event, "text"));
    } else if (ordo_slice_equal(what, ordo_slice_of("delete"))) {
        (void)!ordo_client_doc_delete(tool->doc);
    } else {
        ORDO_ASSERT(ordo_slice_equal(what, ordo_slice_of("create")));
        create_again(tool, text_of(event, "text"));
    }
}

static json_t *json_text(struct ordo_slice text) {
    return text.size > 0 ? json_stringn((const char *)text.data, text.size) : json_string("");
}

static json_t *json_hex(struct ordo_slice bytes) {
    struct ordo_buffer hex = {0};
    for (size_t i = 0; i < bytes.size; i++) {
        char digits[3];
        snprintf(digits, sizeof digits, "%02x", bytes.data[i]);
        ordo_buffer_append(&hex, digits, 2);
    }
    json_t *text = json_text(ordo_buffer_slice(&hex));
    ordo_buffer_finish(&hex);
    return text;
}

static json_t *answer_to(struct tool *tool, const json_t *event) {
    uint64_t now_ms = number_of(event, "ms");
    step(tool, event, now_ms);
    json_t *frames = json_array();
    for (struct ordo_slice frame; (frame = ordo_client_connection_take_frame(tool->connection, now_ms)).size > 0;)
        json_array_append_new(frames, json_hex(frame));
    struct ordo_buffer shown = {0};
    ordo_client_doc_write_visible(tool->doc, &shown);
    bool closes = ordo_client_connection_wish(tool->connection, now_ms) == ORDO_CLIENT_WISH_CLOSE;
    json_t *answer = json_pack("{s:o, s:b, s:o, s:I, s:s, s:o}", "frames", frames, "close", closes, "shown",
                               json_text(ordo_buffer_slice(&shown)), "seq", (json_int_t)ordo_client_doc_seq(tool->doc),
                               "status", ordo_client_status_text(ordo_client_doc_status(tool->doc)), "given",
                               json_text(ordo_buffer_slice(&tool->given)));
    ordo_buffer_finish(&shown);
    return answer;
}

int main(void) {
    struct tool tool = {0};
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    while ((size = getline(&line, &capacity, stdin)) > 0) {
        json_error_t error;
        json_t *event = json_loadb(line, (size_t)size, JSON_ALLOW_NUL, &error);
        if (event == NULL) {
            fprintf(stderr, "client_tool: not JSON: %s\n", error.text);
            return EXIT_FAILURE;
        }
        json_t *answer = answer_to(&tool, event);
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(answer);
        json_decref(event);
    }
    free(line);
    ordo_client_connection_destroy(tool.connection);
    ordo_buffer_finish(&tool.given);
    return EXIT_SUCCESS;
}
