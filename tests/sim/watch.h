/* tests/sim/watch.h: reads all traffic as it passes and holds it against the oracle.
 *
 * A `watch` sits on one client connection, at the client's end: what the client sends becomes known to the oracle as
 * submitted, what it receives must be the durable log, in order and without a gap. A `watch_link` sits at the shard's
 * end of the data links: nothing may leave a shard that is not on disk at that moment. */
#ifndef ORDO_TESTS_SIM_WATCH_H
#define ORDO_TESTS_SIM_WATCH_H

#include "common/limits.h"
#include "proto/message.h"
#include "tests/sim/oracle.h"

struct watch_open {
    uint32_t request;
    struct oracle_doc *doc;
    bool has_have, is_bare;
    uint64_t have_seq, have_lineage;
};

struct watch_history {
    uint32_t request;
    struct oracle_doc *doc;
    uint64_t next_seq;      /* of ops; 0: content was asked for */
    uint64_t at_ms;         /* content at a time; 0: at a seq */
    uint64_t asked_seq;     /* the head on disk when it was asked for */
    uint64_t content_seq;
    struct ordo_buffer content;
};

struct watch_doc {
    uint32_t handle;
    struct oracle_doc *doc;
    uint64_t seq;           /* the client holds this seq once it has applied all it got */
    uint64_t last_client_seq; /* of the newest Opened */
    bool in_parts, has_content, is_left;
    bool is_bare;           /* told of its own ops alone */
    uint64_t content_seq;
    struct ordo_buffer content;
};

struct watch {
    struct oracle *oracle;
    struct sim_verdict *verdict;
    char name[48];          /* for messages */
    uint8_t client[ORDO_CLIENT_ID_SIZE_MAX];
    size_t client_size;
    struct watch_open *opens;
    size_t open_count;
    struct watch_doc *docs;
    size_t doc_count;
    struct watch_history *histories; /* asked for, not answered yet */
    size_t history_count;
};

void watch_init(struct watch *watch, struct oracle *oracle, struct sim_verdict *verdict, const char *name);
void watch_finish(struct watch *watch);
void watch_sent(struct watch *watch, const Ordo__V1__ClientMessage *message);
void watch_received(struct watch *watch, const Ordo__V1__ServerMessage *message);
/* NULL: no such handle. */
struct watch_doc *watch_doc_of(struct watch *watch, uint32_t handle);

/* Committed as the oracle sees ops. */
struct oracle_op watch_op_of_committed(const Ordo__V1__Committed *committed);

struct watch_link; /* of one shard process */
struct watch_link *watch_link_create(struct oracle *oracle, struct sim_verdict *verdict);
void watch_link_destroy(struct watch_link *link);
void watch_link_to_shard(struct watch_link *link, struct ordo_slice envelope);
void watch_link_from_shard(struct watch_link *link, struct ordo_slice envelope);

#endif
