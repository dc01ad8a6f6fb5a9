/* tests/unit/toy_server.h: one document in memory, sequenced with the real type and spoken of over the real wire.
 *
 * No disk, no threads, no sockets: every connection is two queues of frames which the test moves, loses or mixes
 * up. It encodes and decodes with protobuf-c, so it also checks the client's own reading and writing of messages. */
#ifndef ORDO_TESTS_TOY_SERVER_H
#define ORDO_TESTS_TOY_SERVER_H

#include "common/arena.h"
#include "common/buffer.h"
#include "common/ot/text.h"
#include "common/random.h"
#include "proto/message.h"

struct toy_op {
    uint8_t client_id[16];
    uint64_t client_seq, base_seq;
    struct ordo_buffer submitted, op;
    uint64_t length; /* after it */
};

struct toy_client { /* dedupe */
    uint8_t client_id[16];
    uint64_t client_seq, server_seq;
};

enum toy_frame_kind { TOY_ORDERED, TOY_ANSWER };
struct toy_frame {
    enum toy_frame_kind kind;
    uint64_t seq; /* of an ordered one */
    struct ordo_buffer bytes;
};

struct toy_queue {
    struct toy_frame *frames;
    size_t count;
};

struct toy_conn {
    struct toy_server *server;
    bool is_cut;    /* the client is gone; what it sent may still arrive */
    bool is_ended;  /* its client opened again elsewhere: its submits are refused */
    bool is_mute;   /* nothing in order is sent until the next resync */
    uint8_t client_id[16];
    uint32_t handle; /* 0: not open */
    uint64_t sent_seq; /* in order, up to here */
    struct toy_queue to_client, to_server;
};

struct toy_faults { /* chances in 1000 per submit */
    unsigned rate_limited, unavailable_before, unavailable_after;
};

struct toy_server {
    struct ordo_prng prng;
    struct toy_op *ops;
    uint64_t head, horizon, lineage, forgotten_seq;
    bool is_readonly;
    struct toy_client *clients;
    size_t client_count;
    struct toy_conn **conns;
    size_t conn_count;
    uint32_t next_handle;
    size_t part_size; /* content is cut at it; 0: not at all */
    struct toy_faults faults;
    struct ordo_arena arena;
    size_t nack_counts[16], submit_count, duplicate_count;
};

void toy_init(struct toy_server *server, uint64_t seed);
void toy_finish(struct toy_server *server);
struct toy_conn *toy_connect(struct toy_server *server);
/* Hands one frame of a client to the server. */
void toy_receive(struct toy_conn *conn, struct ordo_slice frame);
/* Moves the oldest frame of a queue; false: there is none. */
bool toy_pop(struct toy_queue *queue, struct ordo_buffer *out);
void toy_push(struct toy_queue *queue, enum toy_frame_kind kind, uint64_t seq, struct ordo_slice bytes);
/* Everything in order that was not delivered is lost; Opened is sent instead, from what was. */
void toy_resync(struct toy_conn *conn);
/* Forgets ops so that bases below `horizon` are stale. */
void toy_truncate(struct toy_server *server, uint64_t horizon);
/* Forgets the authors whose newest op is at or below `seq`, and below the horizon. */
void toy_forget(struct toy_server *server, uint64_t seq);
/* Replaces the document: another lineage with other content. */
void toy_restore(struct toy_server *server, const char *text);
void toy_write_content(const struct toy_server *server, uint64_t seq, struct ordo_buffer *out);

/* Appends a server message as a frame. */
void toy_encode(const Ordo__V1__ServerMessage *message, struct ordo_buffer *out);

#endif
