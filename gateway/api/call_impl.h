/* gateway/api/call_impl.h: what a call is made of, for call.c (what becomes of the core's answers) and call_say.c (what is said to
 * it). */
#ifndef ORDO_GATEWAY_API_CALL_IMPL_H
#define ORDO_GATEWAY_API_CALL_IMPL_H

#include "gateway/api/call.h"

/* Numbers of the first two messages; each question that follows has one of its own, so that a late answer is known as such. */
enum { CALL_REQUEST_HELLO = 1, CALL_REQUEST_OPEN = 2 };

enum call_state {
    CALL_OPENING,
    CALL_READING,    /* content or ops */
    CALL_CHECKING,   /* there is such a document already: is it the one that this very request made? */
    CALL_SUBMITTING,
    CALL_FORGETTING,
    CALL_OVER,
};

struct ordo_api_call {
    struct ordo_api_request request;
    struct ordo_api_answer answer;
    enum call_state state;
    uint8_t client_id[ORDO_CLIENT_ID_SIZE];
    uint64_t client_seq, base_seq;
    struct ordo_buffer op;     /* of PUT and POST */
    struct ordo_buffer saying; /* fields of the ClientFrame to be said next */
    uint32_t handle, question; /* of Opened; number of the newest question */
    uint64_t head, lineage, created_seq;
    bool is_deleted, is_created;
    uint64_t last_client_seq, last_client_server_seq;
    uint64_t due_ms, again_ms; /* again_ms: the question, or the op, is said again then; 0: not */
    uint64_t listed_seq;       /* newest op in the answer; 0: none yet */
};

/* Hello and Open. */
void call_begin(struct ordo_api_call *call, struct ordo_slice token);
/* What the present state is about; once more if it was said before. */
void call_ask(struct ordo_api_call *call);

#endif
