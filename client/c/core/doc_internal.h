/* client/c/core/doc_internal.h: a document's state, shared by the files of doc_*.c and by nobody else. */
#ifndef ORDO_CLIENT_CORE_DOC_INTERNAL_H
#define ORDO_CLIENT_CORE_DOC_INTERNAL_H

#include "client/c/core/doc.h"
#include "common/limits.h"
#include "common/ot/text_typing.h"

enum doc_phase {
    DOC_CLOSED,  /* no Open was sent on this connection */
    DOC_OPENING, /* one was, Opened is awaited */
    DOC_LIVE,    /* level with the server, up to what is still to come */
};

/* What the document needs of the connection before it can go on; the gravest wins. */
enum doc_need { DOC_NEEDS_NOTHING, DOC_NEEDS_REOPEN, DOC_NEEDS_CLIENT_ID, DOC_NEEDS_RECONNECT };

struct doc_in_flight {
    bool is_set;
    enum ordo_client_op_kind kind;
    uint64_t client_seq, base_seq;
    struct ordo_buffer frozen; /* as first sent, byte for byte */
    struct ordo_live_op *live; /* rebased to `seq`; edits only */
    bool is_rebased;           /* `live` differs from `frozen` */
    bool is_inexact;           /* rebased over a difference, not over ops: the server's form may be another */
    bool is_doubtful;          /* committed or not, nobody knows; taken for not. Told when it is made anew */
    bool is_stored;            /* the owner wrote the record that holds it */
    bool is_sent;              /* since the last Opened or retryable nack */
    /* A delete or create of ours, and somebody else deleted or created the document since: it has nothing to do with
     * what is shown any more. But it may still commit (a create, if the document is deleted once more; a delete, as
     * the empty op), so its answer is awaited before anything else is sent, and what it did is learnt from its
     * body. */
    bool is_overtaken;
    bool is_refused;           /* it can never commit as it is: goes anew, under a new client_seq, after Opened */
    uint32_t attempt_count;    /* nacks in a row that asked for another try */
};

struct doc_pending {
    enum ordo_client_op_kind kind;
    struct ordo_live_op *live; /* of an edit, or the content of a create; NULL until the first */
};

/* An Opened in several parts. Content is staged until it is whole: half an answer must leave no trace. */
struct doc_answer {
    bool is_active;
    bool has_content, is_installed;
    struct ordo_content *content;
    uint64_t content_seq;
    bool content_deleted;
    struct ordo_wire_opened header; /* of the first part; its slices are gone */
};

/* A recent op, to bring presence that was made before it up to date. */
struct doc_recent {
    uint64_t seq;
    uint8_t client_id[ORDO_CLIENT_ID_SIZE_MAX];
    size_t client_id_size;
    struct ordo_buffer op;
};
enum { DOC_RECENT_COUNT = 64, DOC_RECENT_OP_SIZE_MAX = 4096, DOC_HELD_COUNT_MAX = 64 };

struct doc_held { /* presence made against a seq that is still to come */
    struct ordo_buffer bytes; /* data, then user */
    struct ordo_wire_presence presence;
    uint8_t client_id[ORDO_CLIENT_ID_SIZE_MAX]; /* the slice in `presence` points here */
};

struct doc_presence {
    bool is_set, is_due;
    struct ordo_buffer data;
    struct ordo_wire_range ranges[ORDO_WIRE_RANGES_MAX]; /* in what is shown */
    size_t range_count;
    struct doc_recent *recent; /* ring by seq % DOC_RECENT_COUNT; NULL unless presence is received */
    struct doc_held *held;
    size_t held_count;
};

struct ordo_client_doc {
    uint8_t collection[ORDO_NAME_SIZE_MAX], id[ORDO_NAME_SIZE_MAX];
    size_t collection_size, id_size;
    char create_type[ORDO_TYPE_NAME_SIZE_MAX + 1];
    struct ordo_buffer create_content;
    bool wants_presence, is_light;
    struct ordo_client_doc_listener listener;
    void *user;
    struct ordo_client_id client_id;
    const struct ordo_type *type;

    enum doc_phase phase;
    enum doc_need need;
    uint32_t reopen_count;    /* in a row, without any progress between */
    uint64_t retry_at_ms;     /* neither an Open nor a submit goes out before */
    uint32_t permission;
    bool is_viewer;
    bool is_unavailable;
    bool was_open;
    bool has_failed;
    uint32_t error_code;
    struct ordo_buffer error_message;
    enum ordo_client_status status; /* as last told */

    /* confirmed */
    bool has_content; /* `seq` and what follows mean something */
    uint64_t seq, lineage;
    bool is_deleted;
    struct ordo_content *content; /* NULL if light */
    uint64_t length;

    struct doc_in_flight in_flight;
    struct doc_pending pending;
    uint64_t next_client_seq;
    uint64_t visible_length; /* of confirmed ∘ in_flight ∘ pending */
    struct ordo_text_typing typing;

    struct doc_answer answer;
    struct doc_presence presence;

    struct ordo_buffer shown[2]; /* an op of others on its way through in_flight and pending */
    struct ordo_buffer scratch;  /* ops that are made and used at once, never across a listener */
    struct ordo_buffer record;
    bool is_record_due; /* edits were merged or given back since the last: it is stored before anything is sent */

    /* The owner, told when the doc may want something because of a call by the application. */
    void (*touched)(void *owner, struct ordo_client_doc *doc);
    void *owner;
    uint32_t handle;       /* on the owner's connection; 0: none */
    uint32_t open_request; /* number of the Open that is unanswered; 0: none */
    bool is_queued;        /* in the owner's list of touched documents */
};

/* --- small questions -------------------------------------------------------------------------------------------- */

static inline struct ordo_slice doc_client(const struct ordo_client_doc *doc) {
    return ordo_slice(doc->client_id.bytes, sizeof doc->client_id.bytes);
}
static inline bool doc_has_pending(const struct ordo_client_doc *doc) {
    return doc->pending.kind != ORDO_CLIENT_EDIT ||
           (doc->pending.live != NULL && !doc->type->live_is_empty(doc->pending.live));
}
/* The visible content is not made of text ops alone: a delete or create of ours is on its way. */
static inline bool doc_is_reshaping(const struct ordo_client_doc *doc) {
    if (doc->pending.kind != ORDO_CLIENT_EDIT) return true;
    return doc->in_flight.is_set && doc->in_flight.kind != ORDO_CLIENT_EDIT && !doc->in_flight.is_overtaken;
}
static inline bool doc_has_edit_in_flight(const struct ordo_client_doc *doc) {
    return doc->in_flight.is_set && doc->in_flight.kind == ORDO_CLIENT_EDIT;
}

/* --- doc.c ------------------------------------------------------------------------------------------------------ */

/* Tells the listener if the status is another now. Last thing in every event. */
void doc_tell_status(struct ordo_client_doc *doc);
/* The document is in error for good: no way to go on without risking other content than the server's. */
void doc_fail(struct ordo_client_doc *doc, uint32_t code, struct ordo_slice message);
void doc_need(struct ordo_client_doc *doc, enum doc_need need);
/* False: this build does not know the type; the document is in error then. */
bool doc_use_type(struct ordo_client_doc *doc, struct ordo_slice name);
void doc_drop_edits(struct ordo_client_doc *doc); /* nothing in flight, nothing pending */
/* in_flight ∘ pending becomes pending, so that it goes as a new op. */
void doc_unfreeze(struct ordo_client_doc *doc);
/* The content that our create in flight brings, as an op; good as long as it is in flight. */
struct ordo_slice doc_created_content(const struct ordo_client_doc *doc);
/* U+0000 cannot be part of a text, so it becomes U+FFFD, as lone surrogates do elsewhere. The result is `text`, or
 * points into `copy`. */
struct ordo_slice doc_without_nul(struct ordo_slice text, struct ordo_buffer *copy);
/* Whether content can be compared with other content. */
bool doc_can_diff(const struct ordo_client_doc *doc);
/* What is shown, with the edits. */
void doc_write_visible(const struct ordo_client_doc *doc, struct ordo_buffer *out);

/* --- doc_receive.c ---------------------------------------------------------------------------------------------- */

/* Nothing that arrives is of interest any more. */
bool doc_is_deaf(const struct ordo_client_doc *doc);
/* Start over on this connection; if that has not helped several times, on a new one, which backs off. */
void doc_reopen(struct ordo_client_doc *doc);

/* --- doc_place.c ------------------------------------------------------------------------------------------------ */

/* An op at its place. False: the document cannot go on from here (it failed, or is to be opened again). */
bool doc_place(struct ordo_client_doc *doc, const struct ordo_wire_committed *committed);
/* The next place is our op in flight, as we know it. What is shown does not change. False: it does not fit. */
bool doc_promote(struct ordo_client_doc *doc, struct ordo_slice op, uint64_t seq);
/* The op in flight as it stands now; good until the next message. */
struct ordo_slice doc_in_flight_now(struct ordo_client_doc *doc);
/* Rebases an op of somebody else over the edits, and them over it, and shows it. Confirmed, its length and seq have
 * it already. An empty `client_id` goes left at every tie. */
void doc_show(struct ordo_client_doc *doc, struct ordo_slice op, struct ordo_slice client_id);
void doc_tell_acked(struct ordo_client_doc *doc, uint64_t client_seq, uint64_t server_seq);
void doc_tell_committed(struct ordo_client_doc *doc, const struct ordo_client_commit *commit);

/* --- doc_merge.c ------------------------------------------------------------------------------------------------ */

/* Confirmed becomes `content` (taken; NULL if light). `own_is_in_it`: it contains the op in flight, which is dropped;
 * otherwise that op has to be made anew. Edits are rebased over the difference. */
void doc_merge_content(struct ordo_client_doc *doc, struct ordo_content *content, uint64_t length, uint64_t seq,
                       bool own_is_in_it);
/* Whether `content` seems to hold the edit in flight, of which the server does not know any more. */
bool doc_guess_own_is_in(const struct ordo_client_doc *doc, const struct ordo_content *content);
/* Tells what was guessed of the op that is, or was until just now, in flight. */
void doc_tell_guessed(struct ordo_client_doc *doc, bool is_saved);
/* The same without a merge: edits are given back. `deleted`: no content any more. */
void doc_replace_content(struct ordo_client_doc *doc, struct ordo_content *content, uint64_t length, uint64_t seq,
                         uint64_t lineage, bool deleted, enum ordo_client_give_back_reason reason);
/* Confirmed stays as it is, edits are given back. */
void doc_give_back(struct ordo_client_doc *doc, enum ordo_client_give_back_reason reason, uint32_t code,
                   struct ordo_slice message);
/* Our create in flight was refused, whatever stands in the document now: what it would have brought is given back. The
 * caller takes it out of flight. */
void doc_give_back_created(struct ordo_client_doc *doc, enum ordo_client_give_back_reason reason, uint32_t code,
                           struct ordo_slice message);
/* The server committed `op` in place of our op in flight, at the next seq. False: it does not fit. */
bool doc_accept_other_body(struct ordo_client_doc *doc, struct ordo_slice op);

/* --- doc_record.c ----------------------------------------------------------------------------------------------- */

/* Hands the record to the owner. True: stored, or nobody stores. */
bool doc_store(struct ordo_client_doc *doc);

/* --- doc_presence.c --------------------------------------------------------------------------------------------- */

void doc_presence_finish(struct ordo_client_doc *doc);
/* `op` was just placed at `seq`: remember it. */
void doc_presence_note(struct ordo_client_doc *doc, struct ordo_slice op, struct ordo_slice client_id);
/* Tells of presence that waited for a seq that is reached. After the op is shown. */
void doc_presence_release(struct ordo_client_doc *doc);
void doc_presence_forget(struct ordo_client_doc *doc); /* positions no longer compare */
/* What is shown changes by `op`; `is_own`: an edit made here. */
void doc_presence_over(struct ordo_client_doc *doc, struct ordo_slice op, bool is_own);
void doc_presence_write(struct ordo_client_doc *doc, uint32_t handle, struct ordo_buffer *frame);

#endif
