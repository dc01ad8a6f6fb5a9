/* ordo doc cat, log, put: one document of a running cluster, through the client library. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/c/core/text_diff.h"
#include "client/c/ordo_client.h"
#include "common/limits.h"
#include "common/utf8.h"
#include "tools/history.h"
#include "tools/ordo/command.h"
#include "tools/ordo/op_json.h"

enum { WORK_TIMEOUT_MS = 120000 }; /* to read a log or to save, once the server has answered */

struct session {
    const char *url, *token, *name; /* name: COLLECTION/ID, as given */
    uint64_t timeout_ms;            /* until the document is open */
    struct ordo_client_loop *loop;
    struct ordo_client *client;
    struct ordo_client_doc *doc;
    char refusal[256];  /* the newest from the connection; "" if none */
    char given_back[256]; /* why edits came back; "" if none did */
};

static void session_init(struct session *session) {
    *session = (struct session){.url = "ws://127.0.0.1:8080/v1/ws", .timeout_ms = 10000};
}

#define SESSION_OPTIONS(session)                                                                                       \
    {"--url", "URL", "of a gateway (ws://127.0.0.1:8080/v1/ws)", ORDO_OPTION_TEXT, &(session).url},                    \
        {"--token", "TOKEN", "to show at the door", ORDO_OPTION_TEXT, &(session).token},                               \
        {"--timeout", "MS", "to wait for the document to open (10000)", ORDO_OPTION_COUNT, &(session).timeout_ms, 1, 86400000}

static void refused(void *user, struct ordo_client *client, uint32_t code, struct ordo_slice message) {
    struct session *session = user;
    (void)client;
    (void)code;
    snprintf(session->refusal, sizeof session->refusal, "%.*s", (int)message.size, (const char *)message.data);
}

static void given_back(void *user, struct ordo_client_doc *doc, const struct ordo_client_given_back *given) {
    struct session *session = user;
    (void)doc;
    snprintf(session->given_back, sizeof session->given_back, "%s%.*s", given->message.size ? "" : "it cannot be merged",
             (int)given->message.size, (const char *)given->message.data);
}

static void session_close(struct session *session) {
    ordo_client_disconnect(session->client);
    ordo_client_loop_destroy(session->loop);
}

/* EXIT_SUCCESS: the document is open. Else the exit status; the session is closed. */
static int session_open(struct session *session, const char *name, const char *create_type) {
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
    struct ordo_client_open_options open = {
        .create_type = create_type, .listener = {.given_back = given_back}, .user = session};
    session->doc = ordo_client_open(session->client, collection, id, &open);
    ordo_err err = ordo_client_wait_open(session->doc, (uint32_t)session->timeout_ms);
    if (err == ORDO_OK) return EXIT_SUCCESS;
    if (err == ORDO_ERR_NOT_FOUND) {
        ordo_command_fail("there is no document %s", name);
    } else if (err == ORDO_ERR_TIMEOUT) {
        ordo_command_fail("no answer from %s%s%s", session->url, session->refusal[0] ? ": " : "", session->refusal);
    } else {
        struct ordo_slice message = ordo_client_error_message(session->doc);
        ordo_command_fail("%s cannot be opened: error %u: %.*s", name, ordo_client_error_code(session->doc),
                          (int)message.size, (const char *)message.data);
    }
    session_close(session);
    return EXIT_FAILURE;
}

static int flush_stdout(void) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return EXIT_SUCCESS;
    return ordo_command_fail("cannot write to stdout: %s", strerror(errno));
}

int ordo_doc_cat_run(int argc, char **argv) {
    struct session session;
    session_init(&session);
    const struct ordo_option options[] = {SESSION_OPTIONS(session)};
    const char *name;
    struct ordo_words words = {.items = &name, .capacity = 1};
    int status;
    if (!ordo_command_parse("ordo doc cat [OPTIONS] COLLECTION/ID", options, 3, argc, argv, &words, &status)) return status;

    status = session_open(&session, name, NULL);
    if (status != EXIT_SUCCESS) return status;
    size_t size;
    char *text = ordo_client_text(session.doc, &size);
    fwrite(text, 1, size, stdout);
    free(text);
    session_close(&session);
    return flush_stdout();
}

struct log_printing {
    struct ordo_buffer line;
    uint64_t unreadable_seq; /* 0: none */
};

static void print_op(void *user, const struct ordo_client_commit *op) {
    struct log_printing *printing = user;
    ordo_buffer_clear(&printing->line);
    if (ordo_op_json(op, &printing->line) == ORDO_OK) {
        ordo_buffer_append_u8(&printing->line, '\n');
        fwrite(printing->line.data, 1, printing->line.size, stdout);
    } else if (printing->unreadable_seq == 0) {
        printing->unreadable_seq = op->server_seq;
    }
}

int ordo_doc_log_run(int argc, char **argv) {
    struct session session;
    session_init(&session);
    uint64_t from_seq = 1, to_seq = 0;
    const struct ordo_option options[] = {
        SESSION_OPTIONS(session),
        {"--from", "SEQ", "first server_seq (1)", ORDO_OPTION_COUNT, &from_seq, 1, ORDO_NUMBER_MAX},
        {"--to", "SEQ", "last server_seq (the newest)", ORDO_OPTION_COUNT, &to_seq, 1, ORDO_NUMBER_MAX},
    };
    const char *name;
    struct ordo_words words = {.items = &name, .capacity = 1};
    int status;
    if (!ordo_command_parse("ordo doc log [OPTIONS] COLLECTION/ID", options, 5, argc, argv, &words, &status)) return status;

    status = session_open(&session, name, NULL);
    if (status != EXIT_SUCCESS) return status;
    struct log_printing printing = {0};
    struct ordo_tools_history history = {.op = print_op, .user = &printing};
    ordo_err err = ordo_tools_read_history(session.loop, session.doc, from_seq, to_seq, WORK_TIMEOUT_MS, &history);
    session_close(&session);
    ordo_buffer_finish(&printing.line);
    status = flush_stdout();
    if (history.error_code != 0) {
        return ordo_command_fail("%s: error %u: %s", name, history.error_code, history.error_message);
    }
    if (err) return ordo_command_fail("%s: %s", name, ordo_err_text(err));
    if (printing.unreadable_seq != 0) {
        return ordo_command_fail("%s: op %llu is not understood by this version", name,
                                 (unsigned long long)printing.unreadable_seq);
    }
    return status;
}

/* All of stdin. False: a message was printed. */
static bool read_stdin(struct ordo_buffer *text) {
    enum { CHUNK_SIZE = 1 << 16 };
    size_t size;
    while ((size = fread(ordo_buffer_reserve(text, CHUNK_SIZE), 1, CHUNK_SIZE, stdin)) > 0) {
        text->size += size;
        if (text->size > ORDO_DOCUMENT_SIZE_MAX) {
            ordo_command_fail("stdin has more than the %u MiB that a document can hold", ORDO_DOCUMENT_SIZE_MAX >> 20);
            return false;
        }
    }
    if (ferror(stdin)) {
        ordo_command_fail("cannot read stdin: %s", strerror(errno));
        return false;
    }
    if (!ordo_utf8_validate(ordo_buffer_slice(text), NULL) ||
        (text->size > 0 && memchr(text->data, 0, text->size) != NULL)) {
        ordo_command_fail("stdin is not UTF-8 text without U+0000");
        return false;
    }
    return true;
}

/* Turns the document into `text` by an op that says no more than what differs: what others have in the same document
 * (cursors, edits on their way) stays in place. The client sends it in several ops if it is too large for one. */
static int replace(struct session *session, struct ordo_slice text) {
    size_t size;
    char *old = ordo_client_text(session->doc, &size);
    struct ordo_buffer op = {0};
    ordo_client_text_diff(ordo_slice(old, size), text, &op);
    free(old);
    ordo_err err = op.size > 0 ? ordo_client_apply(session->doc, ordo_buffer_slice(&op)) : ORDO_OK;
    ordo_buffer_finish(&op);
    if (!err) err = ordo_client_wait_synced(session->doc, WORK_TIMEOUT_MS);
    if (session->given_back[0]) return ordo_command_fail("%s was refused: %s", session->name, session->given_back);
    if (err) return ordo_command_fail("%s was not saved: %s", session->name, ordo_err_text(err));
    return EXIT_SUCCESS;
}

int ordo_doc_put_run(int argc, char **argv) {
    struct session session;
    session_init(&session);
    const struct ordo_option options[] = {SESSION_OPTIONS(session)};
    const char *name;
    struct ordo_words words = {.items = &name, .capacity = 1};
    int status;
    if (!ordo_command_parse("ordo doc put [OPTIONS] COLLECTION/ID < FILE", options, 3, argc, argv, &words, &status)) {
        return status;
    }
    struct ordo_buffer text = {0};
    status = EXIT_FAILURE;
    if (read_stdin(&text)) status = session_open(&session, name, "text");
    if (status == EXIT_SUCCESS) {
        status = replace(&session, ordo_buffer_slice(&text));
        session_close(&session);
    }
    ordo_buffer_finish(&text);
    return status;
}
