#include "tools/ordo/session.h"

#include <stdlib.h>

#include "common/limits.h"

void session_init(struct session *session) {
    *session = (struct session){.url = "ws://127.0.0.1:8080/v1/ws", .token = getenv("ORDO_TOKEN"), .timeout_ms = 10000};
}

void session_forget_answers(struct session *session) {
    session->ack_count = session->acked_seq = 0;
    session->was_given_back = false;
}

static void refused(void *user, struct ordo_client *client, uint32_t code, struct ordo_slice message) {
    struct session *session = user;
    (void)client;
    session->is_turned_away = code == 401;
    snprintf(session->refusal, sizeof session->refusal, "%.*s", (int)message.size, (const char *)message.data);
}

static void acked(void *user, struct ordo_client_doc *doc, uint64_t client_seq, uint64_t server_seq) {
    struct session *session = user;
    (void)doc;
    (void)client_seq;
    session->ack_count++;
    session->acked_seq = server_seq;
}

static void given_back(void *user, struct ordo_client_doc *doc, const struct ordo_client_given_back *given) {
    struct session *session = user;
    (void)doc;
    session->was_given_back = true;
    session->given_reason = given->reason;
    session->given_code = given->code;
    const char *reason = given->message.size                    ? ""
                         : given->reason == ORDO_CLIENT_GONE     ? "the document was deleted meanwhile"
                         : given->reason == ORDO_CLIENT_REPLACED ? "the document was created anew meanwhile"
                                                                 : "it cannot be merged";
    snprintf(session->given_message, sizeof session->given_message, "%s%.*s", reason, (int)given->message.size,
             (const char *)given->message.data);
}

void session_close(struct session *session) {
    ordo_client_disconnect(session->client);
    ordo_client_loop_destroy(session->loop);
}

/* In short waits, to see whether the token was refused. */
static ordo_err wait_open(struct session *session) {
    enum { SLICE_MS = 50 };
    uint64_t left_ms = session->timeout_ms;
    for (;;) {
        uint32_t wait_ms = left_ms < SLICE_MS ? (uint32_t)left_ms : SLICE_MS;
        ordo_err err = ordo_client_wait_open(session->doc, wait_ms);
        left_ms -= wait_ms;
        if (err != ORDO_ERR_TIMEOUT || left_ms == 0 || session->is_turned_away) return err;
    }
}

static void print_why_not_open(const struct session *session, ordo_err err) {
    if (err == ORDO_ERR_TIMEOUT && session->is_turned_away) {
        ordo_command_fail("%s: %s", session->url, session->refusal);
    } else if (err == ORDO_ERR_NOT_FOUND) {
        ordo_command_fail("there is no document %s", session->name);
    } else if (err == ORDO_ERR_TIMEOUT) {
        ordo_command_fail("no answer from %s%s%s", session->url, session->refusal[0] ? ": " : "", session->refusal);
    } else {
        struct ordo_slice message = ordo_client_error_message(session->doc);
        ordo_command_fail("%s cannot be opened: error %u: %.*s", session->name, ordo_client_error_code(session->doc),
                          (int)message.size, (const char *)message.data);
    }
}

int session_open(struct session *session, const char *name, const char *create_type, bool light) {
    char collection[ORDO_NAME_SIZE_MAX + 1], id[ORDO_NAME_SIZE_MAX + 1];
    session->name = name;
    if (!ordo_document_name_parse(name, collection, id)) {
        fprintf(stderr, "ordo doc: '%.100s' is not COLLECTION/ID, each 1 to 128 bytes\n", name);
        return EXIT_USAGE;
    }
    session->loop = ordo_client_loop_create();
    if (session->loop == NULL) return ordo_command_fail("no event loop to be had");
    struct ordo_client_options options = {.url = session->url, .token = session->token, .agent = "ordo",
                                          .error = refused, .user = session};
    if (ordo_client_connect(session->loop, &options, &session->client) != ORDO_OK) {
        ordo_client_loop_destroy(session->loop);
        fprintf(stderr, "ordo doc: '%.100s' is no ws:// or wss:// URL\n", session->url);
        return EXIT_USAGE;
    }
    struct ordo_client_open_options open = {.create_type = create_type, .light = light, .user = session,
                                            .listener = {.acked = acked, .given_back = given_back}};
    session->doc = ordo_client_open(session->client, collection, id, &open);
    ordo_err err = wait_open(session);
    if (err == ORDO_OK) return EXIT_SUCCESS;
    print_why_not_open(session, err);
    session_close(session);
    return EXIT_FAILURE;
}
