/* client/c/core/doc.h: one document as a client holds it. Pure: messages come in as data and go out as data.
 *
 * The state is `confirmed` (content at `seq` of a `lineage`), at most one op `in_flight` (frozen bytes, and a live
 * form rebased as the order grows) and one `pending` op that further edits are composed into. What is shown is
 * confirmed ∘ in_flight ∘ pending. Each op of others is applied to confirmed, rebased over both, and both over it,
 * op by op, exactly as the server does. How an op in flight is settled, and what is done about each nack, is in
 * docs/protocol.md; docs/client.md has the rest.
 *
 * The driver of a document is a connection (connection.h) or a test: it hands in decoded messages and asks for what
 * to send: `ordo_client_doc_wants` after each event, then `…_write_open` or `…_flush`.
 *
 * Ownership: the doc copies what it keeps. Threads: one owner. Listeners may edit the doc, not destroy it.
 * Times: monotonic milliseconds. */
#ifndef ORDO_CLIENT_CORE_DOC_H
#define ORDO_CLIENT_CORE_DOC_H

#include "client/c/core/wire.h"
#include "client/c/ordo_client_types.h"
#include "common/buffer.h"
#include "common/ot/type.h"

struct ordo_client_doc_options {
    struct ordo_slice collection, id; /* 1..128 bytes each */
    struct ordo_slice create_type;    /* create with this type if it does not exist; empty: it must exist */
    struct ordo_slice create_content; /* an op on the empty document, used only by the Open that creates */
    bool presence;                    /* receive presence of others */
    bool light;                       /* keep no content: for readers that only count, and writers that trust their
                                         knowledge of the length */
    struct ordo_client_doc_listener listener;
    void *user;
};

struct ordo_client_doc *ordo_client_doc_create(const struct ordo_client_doc_options *options,
                                               struct ordo_client_id client_id);
void ordo_client_doc_destroy(struct ordo_client_doc *doc); /* NULL is fine */
/* Takes over what `store` wrote, before the first Open. CORRUPT: it is no record. INVALID: it is of another document,
 * or has an op in flight under another client_id, whose fate only that client_id can learn. Nothing changed then. */
ORDO_MUST_USE ordo_err ordo_client_doc_restore(struct ordo_client_doc *doc, struct ordo_slice record);
/* Hands the record to `store` now, whatever is to be sent. False: never opened, or `store` said so. */
bool ordo_client_doc_store(struct ordo_client_doc *doc);
/* The owner cannot open it as asked (a record of no use, a name that is none): the document is in error. */
void ordo_client_doc_refuse(struct ordo_client_doc *doc, uint32_t code, const char *message);
/* The client_id in a record, for the Hello of the connection that will hold it. */
ORDO_MUST_USE ordo_err ordo_client_record_client_id(struct ordo_slice record, struct ordo_client_id *out);

/* --- the application's side ------------------------------------------------------------------------------------- */

/* Applies an op made against the content as shown. INVALID: it does not fit. UNAVAILABLE: the document was never
 * opened. CLOSED: read-only, deleted or in error. TOO_LARGE: the document would grow beyond its limit. */
ORDO_MUST_USE ordo_err ordo_client_doc_edit(struct ordo_client_doc *doc, struct ordo_slice op);
/* Text only: at `position` inserts `text` and deletes `count` code points, with tie hints. U+0000 becomes U+FFFD.
 * Errors as above; INVALID also for text that is not UTF-8, or for other types. */
ORDO_MUST_USE ordo_err ordo_client_doc_splice(struct ordo_client_doc *doc, uint64_t position, uint64_t count,
                                              struct ordo_slice text);
/* Deletes the document for everybody; edits that are pending go with it. */
ORDO_MUST_USE ordo_err ordo_client_doc_delete(struct ordo_client_doc *doc);
/* Creates a deleted document anew; `content`: an op on the empty document, shown once the server has it. EXISTS: it is
 * not deleted. INVALID: the op does not fit. TOO_LARGE: it does not fit into one op: create it empty, then edit. */
ORDO_MUST_USE ordo_err ordo_client_doc_create_again(struct ordo_client_doc *doc, struct ordo_slice content);
/* Text only: makes `text` the content, by an edit that says no more than what differs from what is shown, or, if the
 * document is deleted, by creating it with that content. Errors as of these two; INVALID also if `light`. */
ORDO_MUST_USE ordo_err ordo_client_doc_set_text(struct ordo_client_doc *doc, struct ordo_slice text);

/* Tells the others where this client is; sent again after each reconnect. At most 16 ranges; TOO_LARGE beyond. */
ORDO_MUST_USE ordo_err ordo_client_doc_set_presence(struct ordo_client_doc *doc, struct ordo_slice data,
                                                    const struct ordo_client_range *ranges, size_t range_count);
void ordo_client_doc_clear_presence(struct ordo_client_doc *doc);

/* --- accessors -------------------------------------------------------------------------------------------------- */

struct ordo_slice ordo_client_doc_collection(const struct ordo_client_doc *doc);
struct ordo_slice ordo_client_doc_id(const struct ordo_client_doc *doc);
void *ordo_client_doc_user(const struct ordo_client_doc *doc);
enum ordo_client_status ordo_client_doc_status(const struct ordo_client_doc *doc);
/* Why the status is ORDO_CLIENT_ERROR: a code like HTTP's, and a sentence that lives until the next event. */
uint32_t ordo_client_doc_error_code(const struct ordo_client_doc *doc);
struct ordo_slice ordo_client_doc_error_message(const struct ordo_client_doc *doc);
bool ordo_client_doc_is_open(const struct ordo_client_doc *doc);    /* level with the server, as far as it said */
bool ordo_client_doc_is_deleted(const struct ordo_client_doc *doc); /* the confirmed content is */
bool ordo_client_doc_is_viewer(const struct ordo_client_doc *doc);  /* may write once there is a place among the writers */
bool ordo_client_doc_is_settled(const struct ordo_client_doc *doc); /* nothing in flight and nothing pending */
const struct ordo_type *ordo_client_doc_type(const struct ordo_client_doc *doc); /* NULL until opened */
uint64_t ordo_client_doc_seq(const struct ordo_client_doc *doc);
uint64_t ordo_client_doc_lineage(const struct ordo_client_doc *doc);
uint64_t ordo_client_doc_length(const struct ordo_client_doc *doc); /* as shown, the type's units */
struct ordo_client_id ordo_client_doc_client_id(const struct ordo_client_doc *doc);
bool ordo_client_doc_in_flight(const struct ordo_client_doc *doc, uint64_t *client_seq, uint64_t *base_seq);
struct ordo_slice ordo_client_doc_in_flight_bytes(const struct ordo_client_doc *doc); /* the frozen form */
/* Append the content; nothing if `light`. */
void ordo_client_doc_write_confirmed(const struct ordo_client_doc *doc, struct ordo_buffer *out);
void ordo_client_doc_write_visible(const struct ordo_client_doc *doc, struct ordo_buffer *out);

/* --- the connection's side: what the server said ---------------------------------------------------------------- */

void ordo_client_doc_opened(struct ordo_client_doc *doc, const struct ordo_wire_opened *part);
void ordo_client_doc_committed(struct ordo_client_doc *doc, const struct ordo_wire_committed *committed);
void ordo_client_doc_ack(struct ordo_client_doc *doc, const struct ordo_wire_ack *ack);
void ordo_client_doc_nack(struct ordo_client_doc *doc, const struct ordo_wire_nack *nack, uint64_t now_ms);
void ordo_client_doc_document_status(struct ordo_client_doc *doc, const struct ordo_wire_status *status);
void ordo_client_doc_presence(struct ordo_client_doc *doc, const struct ordo_wire_presence *presence);
/* The Open was answered with an Error. 409, 429 and 503 are tried again, all others put the document in error. */
void ordo_client_doc_open_refused(struct ordo_client_doc *doc, const struct ordo_wire_error *error, uint64_t now_ms);
/* The server closed the document on this connection, unasked: it is opened again after a pause. */
void ordo_client_doc_ended(struct ordo_client_doc *doc, uint64_t now_ms);
/* The connection is gone: what is in flight will be sent again after the next Opened. */
void ordo_client_doc_disconnected(struct ordo_client_doc *doc);

/* --- the connection's side: what to send ------------------------------------------------------------------------ */

enum ordo_client_doc_wish {
    ORDO_CLIENT_DOC_NOTHING,
    ORDO_CLIENT_DOC_OPEN,      /* not open on this connection: send what `…_write_open` makes */
    ORDO_CLIENT_DOC_REOPEN,    /* the same, after a Leave */
    ORDO_CLIENT_DOC_CLIENT_ID, /* its client_id is spent: give it a new one, on a new connection */
    ORDO_CLIENT_DOC_RECONNECT, /* what the server says makes no sense: start over on a new connection */
};
enum ordo_client_doc_wish ordo_client_doc_wants(const struct ordo_client_doc *doc, uint64_t now_ms);

/* Appends an Open as one message of a ClientFrame. The doc then waits for Opened. */
void ordo_client_doc_write_open(struct ordo_client_doc *doc, uint32_t request, struct ordo_buffer *frame);
/* Appends whatever is due: the op in flight (again), or a new one made of what is pending, and presence. `handle`:
 * the doc's on this connection. Not `may_start`: nothing new is put in flight, only resends. */
void ordo_client_doc_flush(struct ordo_client_doc *doc, uint32_t handle, size_t op_size_max, bool may_start,
                           uint64_t now_ms, struct ordo_buffer *frame);
/* When the doc next wants something by itself; UINT64_MAX: never. */
uint64_t ordo_client_doc_timer_ms(const struct ordo_client_doc *doc);
/* A new identity, between connections. Nothing may be in flight. */
void ordo_client_doc_set_client_id(struct ordo_client_doc *doc, struct ordo_client_id client_id);

#endif
