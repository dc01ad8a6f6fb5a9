/* client/c/core/wire.h: the messages of proto/ordo.proto as a client reads and writes them.
 *
 * Reading makes no copies: slices point into the frame. A reader with many subscriptions receives hundreds of
 * thousands of Committed a second, which is why this does not go through protobuf-c (the tests check the two
 * against each other). Everything is bounded by the frame: no memory is allocated, nothing is recursive.
 *
 * Writing appends one message of a ClientFrame, so a buffer of such messages is a frame at any time. */
#ifndef ORDO_CLIENT_CORE_WIRE_H
#define ORDO_CLIENT_CORE_WIRE_H

#include "common/buffer.h"
#include "common/slice.h"

/* --- server messages -------------------------------------------------------------------------------------------- */

enum ordo_wire_kind { /* the field numbers in ServerMessage */
    ORDO_WIRE_NONE = 0, /* a body that this build does not know: ignored */
    ORDO_WIRE_WELCOME = 3,
    ORDO_WIRE_OPENED = 4,
    ORDO_WIRE_COMMITTED = 5,
    ORDO_WIRE_ACK = 6,
    ORDO_WIRE_NACK = 7,
    ORDO_WIRE_PRESENCE = 8,
    ORDO_WIRE_HISTORY = 9,
    ORDO_WIRE_STATUS = 10,
    ORDO_WIRE_GO_AWAY = 11,
    ORDO_WIRE_ERROR = 12,
    ORDO_WIRE_PONG = 13,
    ORDO_WIRE_FORGOTTEN = 20,
};

/* The op members of Committed; further types have numbers from ORDO_WIRE_OP_TYPES on. */
enum { ORDO_WIRE_OP_UNSET = 0, ORDO_WIRE_OP_TEXT = 6, ORDO_WIRE_OP_DELETE = 7, ORDO_WIRE_OP_CREATE = 8,
       ORDO_WIRE_OP_TYPES = 20 };

struct ordo_wire_committed {
    uint64_t server_seq, client_seq, timestamp_ms, base_seq;
    struct ordo_slice client_id, user;
    uint32_t op_field; /* which member of the oneof */
    struct ordo_slice op;
};
struct ordo_wire_create {
    struct ordo_slice type, text;
    uint64_t lineage;
};
struct ordo_wire_content {
    bool is_present;
    uint64_t seq;
    uint32_t field; /* 2 text, from 20 other types, 0 none */
    struct ordo_slice bytes;
    bool deleted;
};
struct ordo_wire_opened {
    struct ordo_slice collection, id, type;
    uint64_t head, last_client_seq, last_client_server_seq, horizon, lineage, forgotten_seq;
    struct ordo_wire_content content;
    struct ordo_slice body; /* iterate its `ops` with ordo_wire_next_op(&reader, ORDO_WIRE_OPENED_OPS, …) */
    uint32_t permission;    /* 0 none, 1 read, 2 write */
    bool created, more;
    bool viewer;            /* READ only for want of a place among the writers */
};
struct ordo_wire_history {
    struct ordo_slice body; /* its `ops`: ORDO_WIRE_HISTORY_OPS */
    struct ordo_wire_content content;
    uint64_t horizon, head, begin_seq, forgotten_seq, timestamp_ms, created_seq, deleted_seq;
    bool more;
};
struct ordo_wire_welcome {
    uint64_t protocol, server_time_ms, op_size_max, frame_size_max, presence_size_max;
    struct ordo_slice user, gateway;
};
struct ordo_wire_ack {
    uint64_t client_seq, server_seq, timestamp_ms;
    bool duplicate;
};
enum ordo_wire_nack_code {
    ORDO_NACK_UNKNOWN, ORDO_NACK_INVALID_OP, ORDO_NACK_FORBIDDEN, ORDO_NACK_STALE_BASE, ORDO_NACK_FUTURE_BASE,
    ORDO_NACK_REPLAYED, ORDO_NACK_TOO_LARGE, ORDO_NACK_RATE_LIMITED, ORDO_NACK_UNAVAILABLE, ORDO_NACK_NOT_OPEN,
    ORDO_NACK_CLIENT_ID_TAKEN, ORDO_NACK_DELETED, ORDO_NACK_PIPELINED, ORDO_NACK_EXISTS, ORDO_NACK_CONFLICT,
};
struct ordo_wire_nack {
    uint64_t client_seq, retry_after_ms, horizon;
    uint32_t code;
    struct ordo_slice message;
};
#define ORDO_WIRE_RANGES_MAX 16 /* what we keep of a presence; further ranges are dropped */
struct ordo_wire_range {
    uint64_t anchor, head;
};
struct ordo_wire_presence {
    struct ordo_slice client_id, user, data;
    uint64_t base_seq;
    struct ordo_wire_range ranges[ORDO_WIRE_RANGES_MAX];
    size_t range_count;
    bool gone;
};
struct ordo_wire_status {
    uint32_t state; /* 0 available, 1 unavailable */
    struct ordo_slice message;
};
struct ordo_wire_go_away {
    struct ordo_slice reason;
    uint64_t reconnect_after_ms;
};
struct ordo_wire_error {
    uint32_t code;
    struct ordo_slice message;
};

struct ordo_wire_message {
    uint32_t request, doc;
    enum ordo_wire_kind kind;
    union {
        struct ordo_wire_welcome welcome;
        struct ordo_wire_opened opened;
        struct ordo_wire_committed committed;
        struct ordo_wire_ack ack;
        struct ordo_wire_nack nack;
        struct ordo_wire_presence presence;
        struct ordo_wire_history history;
        struct ordo_wire_status status;
        struct ordo_wire_go_away go_away;
        struct ordo_wire_error error;
        uint64_t pong;
        uint64_t forgotten_head;
    };
};

/* True if every message of the frame decodes, down to the ops in Opened and History. Only then is any of it
 * applied. */
bool ordo_wire_frame_is_valid(struct ordo_slice frame);
/* The next message of a valid frame; false at its end. */
bool ordo_wire_next_message(struct ordo_reader *frame, struct ordo_wire_message *out);

enum { ORDO_WIRE_OPENED_OPS = 6, ORDO_WIRE_HISTORY_OPS = 1 };
bool ordo_wire_next_op(struct ordo_reader *body, uint32_t ops_field, struct ordo_wire_committed *out);
/* A create as it stands in `op` of a Committed. False: it does not decode. */
bool ordo_wire_read_create(struct ordo_slice op, struct ordo_wire_create *out);

/* --- client messages -------------------------------------------------------------------------------------------- */

struct ordo_wire_hello {
    uint64_t protocol;
    struct ordo_slice client_id, token, agent;
    struct ordo_slice type; /* the one that this build speaks */
};
struct ordo_wire_open {
    struct ordo_slice collection, id, create_type, create_content;
    bool has_have, presence, has_create_content, clean;
    uint64_t have_seq, have_lineage;
};
struct ordo_wire_submit {
    uint64_t client_seq, base_seq;
    uint32_t op_field; /* 3 text, 4 delete, 5 create, from 20 other types */
    struct ordo_slice op;
};
struct ordo_wire_read_history {
    uint64_t from_seq, to_seq, at_seq, at_time_ms;
    bool has_at_seq, has_at_time;
};
/* The request number of all presence updates. They have no answer, but a refusal must not look like an Error that
 * nobody asked for, which would close the document. */
#define ORDO_WIRE_REQUEST_PRESENCE UINT32_MAX
enum { ORDO_WIRE_SUBMIT_TEXT = 3, ORDO_WIRE_SUBMIT_DELETE = 4, ORDO_WIRE_SUBMIT_CREATE = 5 };

void ordo_wire_write_hello(struct ordo_buffer *frame, const struct ordo_wire_hello *hello);
void ordo_wire_write_authenticate(struct ordo_buffer *frame, struct ordo_slice token);
void ordo_wire_write_open(struct ordo_buffer *frame, uint32_t request, const struct ordo_wire_open *open);
void ordo_wire_write_leave(struct ordo_buffer *frame, uint32_t doc);
void ordo_wire_write_submit(struct ordo_buffer *frame, uint32_t doc, const struct ordo_wire_submit *submit);
void ordo_wire_write_presence(struct ordo_buffer *frame, uint32_t doc, struct ordo_slice data, uint64_t base_seq,
                              const struct ordo_wire_range *ranges, size_t range_count, bool clear);
void ordo_wire_write_read_history(struct ordo_buffer *frame, uint32_t request, uint32_t doc,
                                  const struct ordo_wire_read_history *read);
void ordo_wire_write_forget(struct ordo_buffer *frame, uint32_t request, uint32_t doc, uint64_t lineage);
void ordo_wire_write_ping(struct ordo_buffer *frame, uint64_t nonce);
/* A CreateDocument, as the op of a submit; `text`: its content, as an op on the empty document. */
void ordo_wire_append_create(struct ordo_buffer *out, struct ordo_slice type, struct ordo_slice text);

#endif
