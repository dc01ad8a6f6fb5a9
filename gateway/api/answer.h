/* gateway/api/answer.h: a response as it comes into being: a head once it is known, and a body that grows while the edge takes
 * from it. Errors are JSON, {"code": a word for programs, "message": a sentence for people}.
 *
 * Zeroed memory is an answer that is not known yet. Ownership: the answer owns its body. Threads: one. */
#ifndef ORDO_GATEWAY_API_ANSWER_H
#define ORDO_GATEWAY_API_ANSWER_H

#include "common/json.h"
#include "gateway/api/request.h"
#include "proto/message.h"

enum { ORDO_API_ETAG_SIZE = 48, ORDO_API_LOCATION_SIZE = 3 * 2 * ORDO_NAME_SIZE_MAX + 16 };

struct ordo_api_answer {
    uint32_t status;          /* 0: not known yet */
    const char *content_type; /* static; NULL: there is no body */
    char etag[ORDO_API_ETAG_SIZE]; /* in quotes; "": none */
    char location[ORDO_API_LOCATION_SIZE]; /* "": none */
    uint32_t retry_after_s;   /* 0: none */
    struct ordo_buffer body;  /* what is there and was not taken yet */
    bool is_over;             /* nothing will be added */
    bool is_broken;           /* half an answer cannot be finished: cut the connection */
};

void ordo_api_answer_finish(struct ordo_api_answer *answer);

/* Each is a whole answer, to one of which nothing was said yet. `retry_after_ms` 0: there is no sense in trying again. */
void ordo_api_answer_error(struct ordo_api_answer *answer, uint32_t status, const char *code, struct ordo_slice message,
                           uint32_t retry_after_ms);
void ordo_api_answer_fault(struct ordo_api_answer *answer, const struct ordo_api_fault *fault);
void ordo_api_answer_unchanged(struct ordo_api_answer *answer); /* 304, with the ETag that stands there */
struct ordo_api_commit {
    uint64_t server_seq, lineage, timestamp_ms; /* timestamp_ms 0: not known any more */
    bool is_duplicate;
};
void ordo_api_answer_commit(struct ordo_api_answer *answer, uint32_t status, const struct ordo_api_commit *commit);
void ordo_api_answer_forgotten(struct ordo_api_answer *answer, uint64_t head);

void ordo_api_answer_set_etag(struct ordo_api_answer *answer, uint64_t lineage, uint64_t seq);
void ordo_api_answer_set_location(struct ordo_api_answer *answer, const struct ordo_api_request *request);

/* The content of a document, part by part. */
void ordo_api_answer_begin_text(struct ordo_api_answer *answer, const struct ordo_api_request *request, uint64_t lineage,
                                const Ordo__V1__History *history);
void ordo_api_answer_add_text(struct ordo_api_answer *answer, const struct ordo_api_request *request, struct ordo_slice text);
void ordo_api_answer_end_text(struct ordo_api_answer *answer, const struct ordo_api_request *request);

/* Ops of it. False: an op is none that this server can show. */
void ordo_api_answer_begin_ops(struct ordo_api_answer *answer, uint64_t lineage, const Ordo__V1__History *history);
bool ordo_api_answer_add_op(struct ordo_api_answer *answer, const Ordo__V1__Committed *committed, bool is_first);
void ordo_api_answer_end_ops(struct ordo_api_answer *answer, uint64_t next_seq); /* 0: that is all there is */

#endif
