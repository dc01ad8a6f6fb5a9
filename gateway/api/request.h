/* gateway/api/request.h: what an HTTP request for documents asks for (docs/http.md).
 *
 *     /v1/docs/{collection}/{id}          GET, PUT, DELETE
 *     /v1/docs/{collection}/{id}/ops      GET, POST
 *     /v1/docs?collection=…&id=…          the same, for names that a path cannot say
 *     /v1/docs/ops?collection=…&id=…
 *
 * The edge hands in the path and the arguments as libwebsockets gives them: decoded, a `+` as a blank, and without "." and ".."
 * segments. So a blank in a path may have been a `+`, and a slash an escape: names with either are refused in a path and go
 * into the arguments, where nothing is lost. GET …/ops wants `from`, so that it is never taken for a document whose id ends in
 * "/ops". No request means another document than the one that its sender wrote down.
 *
 * Ownership: a parsed request owns all that it holds. Limits: names, key and ETag as below; whatever is longer is refused. */
#ifndef ORDO_GATEWAY_API_REQUEST_H
#define ORDO_GATEWAY_API_REQUEST_H

#include "common/limits.h"
#include "common/slice.h"

enum { ORDO_API_KEY_SIZE_MAX = 255, ORDO_API_ETAGS_SIZE_MAX = 512, ORDO_API_ARGS_MAX = 8 };

enum ordo_api_method { ORDO_API_GET, ORDO_API_PUT, ORDO_API_POST, ORDO_API_DELETE, ORDO_API_OTHER };

/* All borrowed for the call; absent headers are empty. */
struct ordo_api_input {
    enum ordo_api_method method;
    struct ordo_slice path; /* what follows "/v1/docs" */
    struct ordo_slice args[ORDO_API_ARGS_MAX]; /* "name=value" */
    size_t arg_count;                          /* may be above the limit: then it is refused */
    struct ordo_slice accept, if_none_match, if_match, key;
};

enum ordo_api_action {
    ORDO_API_READ,   /* the content, now, at a seq or at a time */
    ORDO_API_OPS,    /* a range of ops */
    ORDO_API_CREATE,
    ORDO_API_SUBMIT,
    ORDO_API_DELETE_DOCUMENT,
    ORDO_API_FORGET,
};

enum ordo_api_at { ORDO_API_AT_HEAD, ORDO_API_AT_SEQ, ORDO_API_AT_TIME };

struct ordo_api_request {
    enum ordo_api_action action;
    uint8_t collection[ORDO_NAME_SIZE_MAX], id[ORDO_NAME_SIZE_MAX], key[ORDO_API_KEY_SIZE_MAX];
    size_t collection_size, id_size, key_size; /* key_size 0: none was given */
    bool wants_json;                           /* READ */
    enum ordo_api_at at_kind;                  /* READ */
    uint64_t at;                               /* a seq, or ms since 1970 */
    uint64_t from_seq, to_seq;                 /* OPS; to_seq 0: up to the head */
    uint64_t lineage;                          /* FORGET; 0: any */
    bool must_be_new;                          /* CREATE with If-None-Match: * */
    uint8_t known[ORDO_API_ETAGS_SIZE_MAX];    /* READ: If-None-Match, as it came */
    size_t known_size;
};

/* What is wrong with a request, to be answered: an HTTP status, a word for programs, a sentence for people; static. */
struct ordo_api_fault {
    uint32_t status;
    const char *code, *message;
};

/* False: `fault` says what is wrong. */
bool ordo_api_request_parse(const struct ordo_api_input *input, struct ordo_api_request *out, struct ordo_api_fault *fault);

/* Whether an If-None-Match (a list of ETags, or *) names `etag`, which has its quotes. */
bool ordo_api_knows(struct ordo_slice if_none_match, struct ordo_slice etag);

#endif
