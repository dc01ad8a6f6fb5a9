/* gateway/api/call.h: one HTTP request as a client of the gateway's core: what it says to the core, and what becomes of the
 * answers. So rights, limits, dedupe and routing are those of every client.
 *
 *     Hello with the token, and a bare Open ──▶ Opened ──▶ ReadHistory, Submit or Forget ──▶ the answer
 *
 * What fails for a moment (a shard that restarts, a slot that moves) is said again until the request's time is over: an op is
 * frozen, so it is committed once however often it is said. Nothing waits here but the part that was received last: the edge
 * asks the core for more when its socket has taken what there is.
 *
 * Pure: the time comes in, as does a client_id. Ownership: bytes handed in are borrowed for the call. Threads: one. */
#ifndef ORDO_GATEWAY_API_CALL_H
#define ORDO_GATEWAY_API_CALL_H

#include "gateway/api/answer.h"
#include "gateway/api/request.h"

struct ordo_api_call;

struct ordo_api_call_config {
    struct ordo_slice token;                /* "": none was given */
    uint8_t client_id[ORDO_CLIENT_ID_SIZE]; /* random, or made of the request's key: it is the same for every repetition */
    struct ordo_slice body;                 /* PUT: text; POST: JSON */
    uint32_t op_size_max;                   /* bytes of an op, encoded */
    uint64_t due_ms;                        /* monotonic: whatever is not known by then is answered with 503 */
};

/* The request may be answered already, when its body is wrong: then there is nothing to say to the core. */
struct ordo_api_call *ordo_api_call_create(const struct ordo_api_request *request, const struct ordo_api_call_config *config);
/* One that is answered already. */
struct ordo_api_call *ordo_api_call_create_refused(const struct ordo_api_fault *fault);
/* The same with 204 and nothing else to say. */
struct ordo_api_call *ordo_api_call_create_empty(void);
void ordo_api_call_destroy(struct ordo_api_call *call); /* NULL is fine */

/* Appends the ClientFrame to be given to the core; false, with nothing appended: there is nothing to say. */
bool ordo_api_call_say(struct ordo_api_call *call, struct ordo_buffer *frame);

/* A ServerFrame of the core. `arena` is used for the call and reset at its start. */
void ordo_api_call_hear(struct ordo_api_call *call, struct ordo_slice frame, struct ordo_arena *arena, uint64_t now_ms);
/* The core closed the connection. */
void ordo_api_call_closed(struct ordo_api_call *call);
void ordo_api_call_tick(struct ordo_api_call *call, uint64_t now_ms);

/* The edge takes bytes from its body. */
struct ordo_api_answer *ordo_api_call_answer(struct ordo_api_call *call);

#endif
