/* common/directory/etcd_http.h: POST to an etcd server, and a stream of lines from one.
 *
 * Threads: an object is used by one thread at a time. */
#ifndef ORDO_DIRECTORY_ETCD_HTTP_H
#define ORDO_DIRECTORY_ETCD_HTTP_H

#include "common/buffer.h"
#include "common/error.h"
#include "common/problem.h"

/* Base64 in JSON of the largest directory, with some room. */
#define ORDO_ETCD_ANSWER_SIZE_MAX (24u * 1024 * 1024)

struct ordo_etcd_http; /* keeps its connection from one request to the next */

struct ordo_etcd_http *ordo_etcd_http_create(void);
void ordo_etcd_http_destroy(struct ordo_etcd_http *http); /* NULL is fine */

/* POSTs `body` to http://ENDPOINT/PATH; the answer's bytes replace what is in `answer`.
 *   OK           status 200
 *   INVALID      another status: the answer says why (ordo_etcd_error_decode)
 *   CLOSED       nobody was there to take the request: nothing was done
 *   UNAVAILABLE  no answer, or not all of it: whether it was done is not known */
ORDO_MUST_USE ordo_err ordo_etcd_post(struct ordo_etcd_http *http, const char *endpoint, const char *path,
                                      struct ordo_slice body, uint32_t timeout_ms, struct ordo_buffer *answer,
                                      struct ordo_problem *problem);

/* An answer that goes on until one side ends it, line by line. */
struct ordo_etcd_stream;

struct ordo_etcd_stream *ordo_etcd_stream_open(const char *endpoint, const char *path, struct ordo_slice body);
void ordo_etcd_stream_close(struct ordo_etcd_stream *stream); /* NULL is fine */
/* Waits for more, `timeout_ms` at most or until it is woken, and takes what has come. CLOSED: it is over, `problem`
 * says why. */
ORDO_MUST_USE ordo_err ordo_etcd_stream_wait(struct ordo_etcd_stream *stream, uint32_t timeout_ms,
                                             struct ordo_problem *problem);
/* The next whole line that has come, good until the next wait; false: there is none yet. */
bool ordo_etcd_stream_line(struct ordo_etcd_stream *stream, struct ordo_slice *out);
/* Ends a wait early; any thread. */
void ordo_etcd_stream_wake(struct ordo_etcd_stream *stream);

#endif
