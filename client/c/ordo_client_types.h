/* client/c/ordo_client_types.h: what an application sees of a document; shared by the pure core and ordo_client.h.
 *
 * Ownership: every slice that is handed to a listener is borrowed until the listener returns. Ops are in the encoding
 * of the document's type (for `text` the protobuf message TextOp of proto/ordo.proto). Positions and lengths of text
 * count Unicode code points. */
#ifndef ORDO_CLIENT_TYPES_H
#define ORDO_CLIENT_TYPES_H

#include "common/error.h"
#include "common/slice.h"

#define ORDO_CLIENT_ID_BYTES 16

/* Names a client instance: 16 random bytes, stable over its reconnects. */
struct ordo_client_id {
    uint8_t bytes[ORDO_CLIENT_ID_BYTES];
};

/* One open document. */
struct ordo_client_doc;

enum ordo_client_status {
    ORDO_CLIENT_CONNECTING, /* nothing known of the document yet, or it is being opened again */
    ORDO_CLIENT_SYNCED,     /* all that was typed here is durable on the server */
    ORDO_CLIENT_SAVING,     /* some of it is on its way */
    ORDO_CLIENT_OFFLINE,    /* no connection; edits go on and are merged later */
    ORDO_CLIENT_READ_ONLY,  /* no permission to write, no place among the writers, or the document is deleted */
    ORDO_CLIENT_ERROR,      /* given up; the code says why. Edits are refused */
};

/* A short word such as "saving"; static. */
const char *ordo_client_status_text(enum ordo_client_status status);

enum ordo_client_op_kind { ORDO_CLIENT_EDIT, ORDO_CLIENT_DELETE, ORDO_CLIENT_CREATE };

/* One place of the document's order, as this client learnt of it: a Committed, or an Ack for its own op. */
struct ordo_client_commit {
    uint64_t server_seq;
    struct ordo_slice client_id; /* 1..128 bytes */
    uint64_t client_seq;
    uint64_t base_seq;           /* 0 if the server did not say */
    uint64_t timestamp_ms;       /* server's clock */
    struct ordo_slice user;      /* empty in an Ack */
    enum ordo_client_op_kind kind;
    struct ordo_slice op;        /* transformed, against the content at server_seq - 1; as it stands on the wire */
    bool is_ack;                 /* this client's own op in flight, learnt by an Ack */
};

enum ordo_client_give_back_reason {
    ORDO_CLIENT_REFUSED,      /* the server refused the op: `code` is a NackCode of proto/ordo.proto */
    ORDO_CLIENT_GONE,         /* the document was deleted */
    ORDO_CLIENT_REPLACED,     /* another lineage: restored, forgotten or created anew; positions no longer compare */
    ORDO_CLIENT_FATE_UNKNOWN, /* the op may or may not be part of the document; the server can no longer tell, and the
                                 content cannot be asked (`light`), or the server contradicts itself */
    ORDO_CLIENT_UNMERGEABLE,  /* too far behind, and no content is kept here to merge with (`light`) */
};

/* Edits that could not be saved. The document shows the confirmed content again; what was typed is in here. */
struct ordo_client_given_back {
    enum ordo_client_give_back_reason reason;
    uint32_t code;              /* with ORDO_CLIENT_REFUSED */
    struct ordo_slice message;  /* the server's sentence, may be empty */
    struct ordo_slice op;       /* the edits in one op, against the content as it was confirmed before */
    struct ordo_slice inserted; /* all text that the edits inserted, from the left to the right */
    struct ordo_slice content;  /* the document as it was shown, with the edits; empty if `light` */
};

/* An op in flight of which the server no longer knows whether it was committed (docs/client.md, "Coming back from
 * afar"). The content that it sent was compared with the op, and this is what was guessed. */
struct ordo_client_guess {
    bool is_saved;              /* true: it is in the content already, and is not sent again; were that wrong, what it
                                   typed would be missing, and is in `inserted`. False: it is not, so it is made anew
                                   and sent; were that wrong, what it typed would stand in the document twice */
    uint64_t client_seq;        /* that it was sent with; not used again */
    struct ordo_slice op;       /* as it was sent */
    struct ordo_slice inserted; /* all text that it inserted, from the left to the right */
};

struct ordo_client_range {
    uint64_t anchor, head; /* positions in the content as shown here */
};

struct ordo_client_presence {
    struct ordo_slice client_id, user;
    struct ordo_slice data; /* the application's own, at most 4 KiB */
    const struct ordo_client_range *ranges;
    size_t range_count;
    bool is_gone;
};

/* What a document tells its application. Any member may be NULL. Editing the document from within a listener is fine;
 * closing it, or its connection, is not. */
struct ordo_client_doc_listener {
    /* The document is (again) level with the server: at first, and after each reconnect or resync. */
    void (*opened)(void *user, struct ordo_client_doc *doc);
    /* Somebody else's edit, made to fit the content as shown here: apply it to the editor as it is. */
    void (*changed)(void *user, struct ordo_client_doc *doc, struct ordo_slice op);
    /* Edits came back; called after `changed` took them out of what is shown. */
    void (*given_back)(void *user, struct ordo_client_doc *doc, const struct ordo_client_given_back *given);
    /* What became of an op of unknown fate; called after `changed`. Show it: only a person can tell whether the guess
     * was right. Nothing is dropped and nothing applied twice without this call. */
    void (*guessed)(void *user, struct ordo_client_doc *doc, const struct ordo_client_guess *guess);
    /* `code` and `message` explain ORDO_CLIENT_ERROR: an Error code like HTTP's. */
    void (*status)(void *user, struct ordo_client_doc *doc, enum ordo_client_status status, uint32_t code,
                   struct ordo_slice message);
    /* This client's op is durable at server_seq. */
    void (*acked)(void *user, struct ordo_client_doc *doc, uint64_t client_seq, uint64_t server_seq);
    /* Every place of the order that passes by while the document is open, own ones included. */
    void (*committed)(void *user, struct ordo_client_doc *doc, const struct ordo_client_commit *commit);
    void (*presence)(void *user, struct ordo_client_doc *doc, const struct ordo_client_presence *presence);
    /* Write `record` where the next start finds it (one record per document, atomically, under a lock): called before
     * an op is sent for the first time, when edits were merged with content or given back, and when the client_id
     * changes. False: nothing is sent, and it is tried again at the next chance. Without this member all state lives in memory only. */
    bool (*store)(void *user, struct ordo_client_doc *doc, struct ordo_slice record);
};

/* One message of an answer to a history request. */
struct ordo_client_history {
    const struct ordo_client_commit *ops;
    size_t op_count;
    bool has_content;
    uint64_t content_seq;
    bool content_deleted;
    struct ordo_slice content; /* a part: append it to the parts before */
    uint64_t content_timestamp_ms;                     /* of the op at content_seq; */
    uint64_t content_created_seq, content_deleted_seq; /* the newest create and delete up to there; 0: none */
    uint64_t begin_seq;        /* history begins with the content here; 0: with nothing */
    uint64_t forgotten_seq;    /* dedupe may have forgotten clients whose newest op is at or below it */
    uint64_t horizon, head;
    bool more;                 /* further parts follow */
    uint32_t error_code;       /* not 0: the request failed, and this is the last call */
    struct ordo_slice error_message;
};

/* What became of a request to forget a document. */
struct ordo_client_forgotten {
    uint64_t head;             /* nothing up to here is left; a document created again goes on behind it */
    uint32_t error_code;       /* not 0: refused, like HTTP's, or 503: perhaps done, perhaps not; ask again */
    char error_message[256];
};

typedef void (*ordo_client_forgotten_listener)(void *user, const struct ordo_client_forgotten *forgotten);
typedef void (*ordo_client_history_listener)(void *user, const struct ordo_client_history *part);

#endif
