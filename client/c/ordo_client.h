/* client/c/ordo_client.h: libordo-client, the C library for applications.
 *
 * Documents are edited here at once, and saved, merged and shown to others in the background. An example that appends
 * to a document and waits until that is durable:
 *
 *     struct ordo_client_loop *loop = ordo_client_loop_create();
 *     struct ordo_client *client;
 *     ordo_err err = ordo_client_connect(loop, &(struct ordo_client_options){.url = NULL}, &client);
 *     if (err) return fail(err);
 *     struct ordo_client_doc *doc = ordo_client_open(client, "notes", "today",
 *                                                    &(struct ordo_client_open_options){.create_type = "text"});
 *     err = ordo_client_wait_open(doc, 5000);
 *     if (!err) err = ordo_client_insert(doc, ordo_client_length(doc), "hello\n");
 *     if (!err) err = ordo_client_wait_synced(doc, 5000);
 *     ordo_client_disconnect(client);
 *     ordo_client_loop_destroy(loop);
 *
 * Threads: a loop and all that lives in it belong to one thread; several threads may have a loop each. One loop
 * drives thousands of connections. Listeners (ordo_client_types.h) are called from within the loop's functions only.
 * Ownership: strings and slices that are passed in are copied. Strings are UTF-8; U+0000 cannot be part of a
 * document. Positions and lengths of text count Unicode code points. Times are milliseconds.
 * Waiting functions run the loop meanwhile; do not call them from a listener. */
#ifndef ORDO_CLIENT_H
#define ORDO_CLIENT_H

#include "client/c/ordo_client_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- the loop --------------------------------------------------------------------------------------------------- */

struct ordo_client_loop;

struct ordo_client_loop *ordo_client_loop_create(void);     /* NULL: no event loop to be had (file descriptors?) */
/* One that believes servers of wss:// URLs if an authority in this PEM file has signed them, and no other; the system's own
 * are not asked. INVALID: no certificate can be read from the file. UNAVAILABLE: no event loop to be had. */
ORDO_MUST_USE ordo_err ordo_client_loop_create_trusting(const char *ca_file, struct ordo_client_loop **loop_out);
void ordo_client_loop_destroy(struct ordo_client_loop *loop); /* its clients must be gone; NULL is fine */
/* Serves all connections until `ordo_client_loop_stop`. */
void ordo_client_loop_run(struct ordo_client_loop *loop);
/* Makes the running function return at the end of this turn. Also from a signal watcher of the same loop. */
void ordo_client_loop_stop(struct ordo_client_loop *loop);
/* Runs until `is_done(user)`, asked after every turn. TIMEOUT: it never was. */
ORDO_MUST_USE ordo_err ordo_client_loop_run_until(struct ordo_client_loop *loop, bool (*is_done)(void *user),
                                                  void *user, uint32_t timeout_ms);
/* The libev loop inside, for watchers of your own. */
struct ev_loop;
struct ev_loop *ordo_client_loop_ev(struct ordo_client_loop *loop);

/* --- connections ------------------------------------------------------------------------------------------------ */

/* One connection to a gateway, renewed by itself whenever it breaks. */
struct ordo_client;

struct ordo_client_options {
    const char *url;   /* ws://HOST[:PORT]/PATH or wss://…; NULL: ws://127.0.0.1:8080/v1/ws */
    const char *token; /* a JWT, where the server asks for one; NULL: none */
    const char *agent; /* name and version of the application, for the server's logs; NULL: none */
    /* Names this client; keep it with what `store` writes. All zero: drawn at random. */
    struct ordo_client_id client_id;
    uint32_t backoff_min_ms, backoff_max_ms; /* between attempts to connect; 0: 100 and 10,000 */
    /* Told of refusals that concern no single document (401: no valid token, …) and of failed attempts to connect
     * (code 0). The client goes on trying. May be NULL. */
    void (*error)(void *user, struct ordo_client *client, uint32_t code, struct ordo_slice message);
    /* The connection is up (again), or lost. May be NULL. */
    void (*connected)(void *user, struct ordo_client *client, bool is_connected);
    void *user;
};

/* Starts connecting. INVALID: the url is none. */
ORDO_MUST_USE ordo_err ordo_client_connect(struct ordo_client_loop *loop, const struct ordo_client_options *options,
                                           struct ordo_client **client_out);
/* Closes the connection and all its documents. Edits that are not synced are lost unless stored: wait before. */
void ordo_client_disconnect(struct ordo_client *client); /* NULL is fine */
void ordo_client_set_token(struct ordo_client *client, const char *token);
bool ordo_client_is_connected(const struct ordo_client *client);
struct ordo_client_id ordo_client_id(const struct ordo_client *client);
/* Cuts the connection; it is made again after a backoff. For tests. */
void ordo_client_drop_connection(struct ordo_client *client);

/* --- documents -------------------------------------------------------------------------------------------------- */

struct ordo_client_open_options {
    const char *create_type;          /* create with this type ("text") if there is none; NULL: it must exist */
    struct ordo_slice create_content; /* op on the empty document, if this Open creates it */
    struct ordo_slice record;         /* what `store` wrote before; of this client_id */
    bool presence;                    /* receive the presence of others */
    bool light;                       /* keep no content, only count and order */
    struct ordo_client_doc_listener listener;
    void *user;                       /* for the listener */
};

/* Opens a document, now or when the connection is up. Never NULL; `status` tells how it goes. A name that is none, or a
 * record that does not fit, puts the document in ORDO_CLIENT_ERROR. Each document is opened once per client. */
struct ordo_client_doc *ordo_client_open(struct ordo_client *client, const char *collection, const char *id,
                                         const struct ordo_client_open_options *options);
void ordo_client_close(struct ordo_client_doc *doc); /* leaves it */

/* Calls `store` with the state as it is now: what is typed offline is not sent, so nothing else writes it down before
 * the process ends. It costs the size of the document: every few seconds, and before the end, is often enough.
 * False: `store` said so, or the document was never open. */
bool ordo_client_store(struct ordo_client_doc *doc);
/* The client_id that a record belongs to, for `client_id` above. CORRUPT: it is no record. */
ORDO_MUST_USE ordo_err ordo_client_record_id(struct ordo_slice record, struct ordo_client_id *out);

/* INVALID: the position or op does not fit, or the text is not UTF-8. UNAVAILABLE: not opened yet. CLOSED: read-only,
 * deleted or in error. TOO_LARGE: the document would grow beyond its limit. */
ORDO_MUST_USE ordo_err ordo_client_insert(struct ordo_client_doc *doc, uint64_t position, const char *text);
ORDO_MUST_USE ordo_err ordo_client_delete(struct ordo_client_doc *doc, uint64_t position, uint64_t count);
/* Deletes `count` code points at `position` and inserts `text` there, in one op. */
ORDO_MUST_USE ordo_err ordo_client_splice(struct ordo_client_doc *doc, uint64_t position, uint64_t count,
                                          struct ordo_slice text);
/* Applies an op of the document's type to what is shown. */
ORDO_MUST_USE ordo_err ordo_client_apply(struct ordo_client_doc *doc, struct ordo_slice op);
ORDO_MUST_USE ordo_err ordo_client_delete_document(struct ordo_client_doc *doc);
ORDO_MUST_USE ordo_err ordo_client_create_document(struct ordo_client_doc *doc); /* again, after a delete */
/* Erases the document with all of its history, for everybody and for good. `lineage` (0: any) says which life of it is meant:
 * asked for again after a lost answer, nothing is erased that was created meanwhile (409). Edits that anybody has not saved
 * yet are given back to them. UNAVAILABLE: the document is not open now. */
ORDO_MUST_USE ordo_err ordo_client_forget_document(struct ordo_client_doc *doc, uint64_t lineage,
                                                   ordo_client_forgotten_listener listener, void *user);
/* Makes `text` the content, by one edit that says no more than what differs from what is shown: so edits that others make
 * meanwhile are merged, not lost. A deleted document is created again with it, and shows it once that is committed. With
 * the content of an earlier seq this restores it; history goes on. Nothing differs: nothing is sent. Settles like any
 * edit (`acked`, `given_back`, `ordo_client_wait_synced`); what is too large for one op goes as several.
 * INVALID: not UTF-8, not a document of type `text`, or a `light` one. TOO_LARGE: beyond the limit of a document, or a
 * deleted one whose content does not fit into one op: create it empty, wait until that is synced, then call this. */
ORDO_MUST_USE ordo_err ordo_client_set_text(struct ordo_client_doc *doc, struct ordo_slice text);

/* The content as shown, in memory that the caller frees; it ends with a NUL that size_out (may be NULL) does not
 * count. Empty if the document is not open yet, deleted or `light`. Costs the size of the document. */
char *ordo_client_text(const struct ordo_client_doc *doc, size_t *size_out);
uint64_t ordo_client_length(const struct ordo_client_doc *doc);
bool ordo_client_is_deleted(const struct ordo_client_doc *doc); /* for everybody, as confirmed here */
/* There is the right to write, but the document has as many writers as it takes: edits are refused until a place is free, which
 * the listener's `opened` tells. What was typed before is kept, and sent then. */
bool ordo_client_is_viewer(const struct ordo_client_doc *doc);
uint64_t ordo_client_seq(const struct ordo_client_doc *doc); /* newest server_seq that is confirmed here */
uint64_t ordo_client_lineage(const struct ordo_client_doc *doc); /* 0: never open. Each create and restore makes another */
enum ordo_client_status ordo_client_status(const struct ordo_client_doc *doc);
/* After ORDO_CLIENT_ERROR: an Error code like HTTP's (404 not found, 403 forbidden, …) and the sentence. */
uint32_t ordo_client_error_code(const struct ordo_client_doc *doc);
struct ordo_slice ordo_client_error_message(const struct ordo_client_doc *doc);

/* Ranges are positions in what is shown; at most 16. */
ORDO_MUST_USE ordo_err ordo_client_set_presence(struct ordo_client_doc *doc, struct ordo_slice data,
                                                const struct ordo_client_range *ranges, size_t range_count);
void ordo_client_clear_presence(struct ordo_client_doc *doc);

/* Committed ops from_seq..to_seq, in parts; from_seq is at least 1, to_seq 0 or beyond the head: up to the head. The
 * server bounds one answer: one that ends below both to_seq and `head` is to be asked on from there; one without ops is
 * the end. UNAVAILABLE: the document is not open now. */
ORDO_MUST_USE ordo_err ordo_client_read_history(struct ordo_client_doc *doc, uint64_t from_seq, uint64_t to_seq,
                                                ordo_client_history_listener listener, void *user);
/* The content at a seq, in parts; 0: before the first op, when there was no document (`content_deleted`). A seq above the
 * head, or below what history is kept, is refused with an error code. */
ORDO_MUST_USE ordo_err ordo_client_read_at(struct ordo_client_doc *doc, uint64_t at_seq,
                                           ordo_client_history_listener listener, void *user);
/* The same at a time, in milliseconds since 1970 by the server's clock: with the newest op that was committed then or
 * before. `content_seq` says which that is; 0: the time is before the first. */
ORDO_MUST_USE ordo_err ordo_client_read_at_time(struct ordo_client_doc *doc, uint64_t at_time_ms,
                                                ordo_client_history_listener listener, void *user);

/* --- waiting, for tools ----------------------------------------------------------------------------------------- */

/* OK: the document is open. Else why not: NOT_FOUND, CLOSED (any other refusal), TIMEOUT. */
ORDO_MUST_USE ordo_err ordo_client_wait_open(struct ordo_client_doc *doc, uint32_t timeout_ms);
/* OK: all edits are durable on the server. */
ORDO_MUST_USE ordo_err ordo_client_wait_synced(struct ordo_client_doc *doc, uint32_t timeout_ms);
/* OK: the document is at `seq` or beyond. */
ORDO_MUST_USE ordo_err ordo_client_wait_seq(struct ordo_client_doc *doc, uint64_t seq, uint32_t timeout_ms);
/* Reads one answer of history to its end; the listener is called within. TIMEOUT: no part of it came for so long.
 * NOT_FOUND, UNAVAILABLE: refused, as the last part says. */
ORDO_MUST_USE ordo_err ordo_client_wait_history(struct ordo_client_doc *doc, uint64_t from_seq, uint64_t to_seq,
                                                ordo_client_history_listener listener, void *user,
                                                uint32_t timeout_ms);

/* OK: it is gone. UNAVAILABLE: refused, as `forgotten` says; code 0: the document is not open now. TIMEOUT: no answer came. */
ORDO_MUST_USE ordo_err ordo_client_wait_forgotten(struct ordo_client_doc *doc, uint64_t lineage, uint32_t timeout_ms,
                                                  struct ordo_client_forgotten *forgotten);

struct ordo_client_content { /* of a document, as it was at some seq */
    uint64_t seq;            /* of the newest op in it; 0: before the first */
    bool is_deleted;         /* there was no document then: `text` is empty */
    char *text;              /* `size` bytes in the encoding of the type, then a NUL; NULL after an error */
    size_t size;
    uint64_t timestamp_ms;             /* of that op */
    uint64_t created_seq, deleted_seq; /* the newest create and delete up to there; 0: none */
    uint64_t head;           /* when it was read */
    uint32_t error_code;     /* of a refusal, like HTTP's; 0: none */
    char error_message[256];
};
/* The whole content at a seq, or at a time, as `ordo_client_read_at` and `…_at_time`; never half of it. Errors as of
 * `ordo_client_wait_history`; CORRUPT: more than a document can hold. `content` is filled in any case; finish it. */
ORDO_MUST_USE ordo_err ordo_client_wait_content_at(struct ordo_client_doc *doc, uint64_t at_seq, uint32_t timeout_ms,
                                                   struct ordo_client_content *content);
ORDO_MUST_USE ordo_err ordo_client_wait_content_at_time(struct ordo_client_doc *doc, uint64_t at_time_ms,
                                                        uint32_t timeout_ms, struct ordo_client_content *content);
void ordo_client_content_finish(struct ordo_client_content *content); /* frees the text */

#ifdef __cplusplus
}
#endif

#endif
