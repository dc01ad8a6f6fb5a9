/* tools/ordo/session.h: one document of a running cluster, open for one command. */
#ifndef ORDO_TOOLS_SESSION_H
#define ORDO_TOOLS_SESSION_H

#include "client/c/ordo_client.h"
#include "tools/ordo/command.h"

enum { SESSION_WORK_TIMEOUT_MS = 120000 }; /* to save, or of silence while reading, once the document is open */

struct session {
    const char *url, *token, *name; /* name: COLLECTION/ID, as given */
    uint64_t timeout_ms;            /* until the document is open */
    struct ordo_client_loop *loop;
    struct ordo_client *client;
    struct ordo_client_doc *doc;
    char refusal[256];              /* the newest from the connection; "" if none */
    bool is_turned_away;            /* 401: trying on with the same token would change nothing */
    uint64_t ack_count, acked_seq;  /* ops of ours that are durable, and the newest's server_seq */
    bool was_given_back;            /* edits of ours; why: */
    enum ordo_client_give_back_reason given_reason;
    uint32_t given_code;            /* a NackCode, with ORDO_CLIENT_REFUSED */
    char given_message[256];
};

void session_init(struct session *session);

/* The first rows of a command's options. */
#define SESSION_OPTIONS(session)                                                                                       \
    {"--url", "URL", "of a gateway (ws://127.0.0.1:8080/v1/ws)", ORDO_OPTION_TEXT, &(session).url},                    \
        {"--token", "TOKEN", "to show at the door ($ORDO_TOKEN)", ORDO_OPTION_TEXT, &(session).token},                               \
        {"--timeout", "MS", "to wait for the document to open (10000)", ORDO_OPTION_COUNT, &(session).timeout_ms, 1, 86400000}
enum { SESSION_OPTION_COUNT = 3 };

/* `create_type`: created with it if it does not exist; NULL: it must exist. `light`: the content of now is not wanted.
 * EXIT_SUCCESS: the document is open. Else the exit status: a message was printed, the session is closed. */
int session_open(struct session *session, const char *name, const char *create_type, bool light);
void session_close(struct session *session);
/* Forgets what was acked and given back so far. */
void session_forget_answers(struct session *session);

#endif
