/* common/directory/cluster.h: what the keys of a directory mean: the cluster as it was last seen. Pure.
 *
 *     table              router table: cluster id, format level, founder, who owns which slot with which epoch
 *     stores/<id>        every store that ever claimed to be one of this cluster
 *     live/<id>          leased: the store is served by a process now, and where
 *     gateways/<name>    leased: a gateway is running
 *     moves/<slot>       an order: the slot shall go to that store
 *     hold/<name>        leased: while there is one, no move is begun
 *     balancer, balance  leased: who balances; whether balancing is switched off
 *     revoked/user/<name>, revoked/token/<name>  tokens that gateways let in no more
 *
 * Values are JSON objects (docs/directory.md); members that are not known are ignored. What does not read is named in
 * `garbled`, never taken for absent: a change of such a key is refused (cluster_change.h). A table that does not read
 * makes the whole view unreadable, because without it nobody can say what a store may do. */
#ifndef ORDO_DIRECTORY_CLUSTER_H
#define ORDO_DIRECTORY_CLUSTER_H

#include "common/directory/content.h"
#include "common/format.h"
#include "common/placement.h"
#include "common/problem.h"
#include "common/revocation.h"

#define ORDO_CLUSTER_NAME_SIZE_MAX 63
#define ORDO_CLUSTER_TEXT_SIZE_MAX 255 /* endpoints, places, reasons */

struct ordo_cluster_id {
    uint8_t bytes[ORDO_CLUSTER_ID_SIZE]; /* random; all zero: none */
};
/* One life of one process: drawn at its start. Tells whether a leased key is one's own. */
struct ordo_process_id {
    uint8_t bytes[16]; /* random; all zero: none */
};

static inline bool ordo_cluster_id_equal(const struct ordo_cluster_id *a, const struct ordo_cluster_id *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
static inline bool ordo_process_id_equal(const struct ordo_process_id *a, const struct ordo_process_id *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

struct ordo_cluster_table {
    struct ordo_cluster_id cluster;
    uint32_t format_level;
    struct ordo_store_id founder;    /* none: nobody has founded the cluster yet, and no slot has an epoch */
    struct ordo_placement placement; /* all that stores and gateways decide by */
};

struct ordo_cluster_store {
    struct ordo_store_id id;
    uint64_t incarnation;           /* of the newest claim */
    struct ordo_process_id process; /* that made it */
    char name[ORDO_CLUSTER_NAME_SIZE_MAX + 1];
    uint32_t reads_format_min, reads_format_max; /* levels */
    bool is_draining, is_forgotten;
};

struct ordo_cluster_live {
    struct ordo_store_id id;
    uint64_t incarnation;
    struct ordo_process_id process;
    char name[ORDO_CLUSTER_NAME_SIZE_MAX + 1];
    char host[ORDO_CLUSTER_TEXT_SIZE_MAX + 1];
    /* Where the store's folder is, so that two processes that name the same place cannot both have it (they lock it):
     * machine, device and inode, made by ordo_cluster_place. "" is like no other. */
    char place[ORDO_CLUSTER_TEXT_SIZE_MAX + 1];
    char data_endpoint[ORDO_CLUSTER_TEXT_SIZE_MAX + 1]; /* "": claimed, not served yet */
    char side_endpoint[ORDO_CLUSTER_TEXT_SIZE_MAX + 1];
};

struct ordo_cluster_gateway {
    char name[ORDO_CLUSTER_NAME_SIZE_MAX + 1];
    struct ordo_process_id process;
    char url[ORDO_CLUSTER_TEXT_SIZE_MAX + 1];         /* of its clients */
    char metrics_url[ORDO_CLUSTER_TEXT_SIZE_MAX + 1]; /* of its figures; "": it tells none */
    uint32_t reads_format_min, reads_format_max;
};

struct ordo_cluster_move {
    uint16_t slot;
    struct ordo_store_id target;
    bool is_by_balancer;                         /* else by an operator */
    char failure[ORDO_CLUSTER_TEXT_SIZE_MAX + 1]; /* "": it is under way or waits for its turn */
};

struct ordo_cluster_hold {
    char name[ORDO_CLUSTER_NAME_SIZE_MAX + 1];
    struct ordo_process_id process;
};

struct ordo_cluster {
    uint64_t generation;    /* of the view; 0: the directory was never read, so nothing is known */
    uint64_t away_since_ms; /* wall clock; 0: the directory is there */
    bool has_table;
    bool balance_is_off;
    struct ordo_process_id balancer; /* none: nobody */
    struct ordo_cluster_table table; /* zeroed unless has_table */
    struct ordo_cluster_store *stores; /* each list is sorted by its key */
    struct ordo_cluster_live *live;
    struct ordo_cluster_gateway *gateways;
    struct ordo_cluster_move *moves;
    struct ordo_cluster_hold *holds;
    struct ordo_revocation *revocations; /* also those whose time is over */
    size_t store_count, live_count, gateway_count, move_count, hold_count, revocation_count;
    size_t garbled_count;         /* keys that do not read … */
    struct ordo_problem garbled; /* … and the first of them, in a sentence */
};

/* CORRUPT: the table does not read, `problem` says why; nothing is written to `out`. Free it with destroy (NULL is
 * fine). */
ORDO_MUST_USE ordo_err ordo_cluster_decode(const struct ordo_directory_view *view, struct ordo_cluster **out,
                                           struct ordo_problem *problem);
void ordo_cluster_destroy(struct ordo_cluster *cluster);

/* NULL: not there. Good as long as the cluster. */
const struct ordo_cluster_store *ordo_cluster_store(const struct ordo_cluster *cluster, const struct ordo_store_id *id);
const struct ordo_cluster_live *ordo_cluster_live(const struct ordo_cluster *cluster, const struct ordo_store_id *id);
const struct ordo_cluster_move *ordo_cluster_move(const struct ordo_cluster *cluster, uint16_t slot);
/* Whether the store can read what is written at this level. */
bool ordo_cluster_reads_format(const struct ordo_cluster_store *store, uint32_t format_level);
/* The store by its name or by the beginning (4 digits at least) of its id, as people write it; NULL: none, or
 * several. */
const struct ordo_cluster_store *ordo_cluster_store_called(const struct ordo_cluster *cluster, const char *text);

/* ---- keys and values, one by one: for cluster_change.c and the tests. An encoder appends JSON text; a decoder reads
 * what stands under a key, hostile or not, and answers NULL or what is wrong with it. */

#define ORDO_CLUSTER_KEY_SIZE (ORDO_DIRECTORY_KEY_SIZE_MAX + 1)
#define ORDO_KEY_TABLE "table"
#define ORDO_KEY_BALANCER "balancer"
#define ORDO_KEY_BALANCE "balance"
void ordo_cluster_key_store(char out[ORDO_CLUSTER_KEY_SIZE], const struct ordo_store_id *id);
void ordo_cluster_key_live(char out[ORDO_CLUSTER_KEY_SIZE], const struct ordo_store_id *id);
void ordo_cluster_key_gateway(char out[ORDO_CLUSTER_KEY_SIZE], const char *name);
void ordo_cluster_key_move(char out[ORDO_CLUSTER_KEY_SIZE], uint16_t slot);
void ordo_cluster_key_hold(char out[ORDO_CLUSTER_KEY_SIZE], const char *name);
#define ORDO_KEY_REVOKED "revoked/"
/* `name` is 1..ORDO_REVOCATION_NAME_SIZE_MAX bytes. */
void ordo_cluster_key_revoked(char out[ORDO_CLUSTER_KEY_SIZE], bool is_token, struct ordo_slice name);
/* Names of stores, gateways and holds: 1..ORDO_CLUSTER_NAME_SIZE_MAX of A-Z a-z 0-9 . _ - */
bool ordo_cluster_name_is_valid(const char *name);
/* All other texts: UTF-8 without control characters (they would end up in logs and terminals),
 * ORDO_CLUSTER_TEXT_SIZE_MAX bytes. */
bool ordo_cluster_text_is_valid(const char *text);

void ordo_cluster_table_encode(struct ordo_buffer *out, const struct ordo_cluster_table *table);
void ordo_cluster_store_encode(struct ordo_buffer *out, const struct ordo_cluster_store *store);
void ordo_cluster_live_encode(struct ordo_buffer *out, const struct ordo_cluster_live *live);
void ordo_cluster_gateway_encode(struct ordo_buffer *out, const struct ordo_cluster_gateway *gateway);
void ordo_cluster_move_encode(struct ordo_buffer *out, const struct ordo_cluster_move *move);
void ordo_cluster_hold_encode(struct ordo_buffer *out, const struct ordo_cluster_hold *hold);
void ordo_cluster_balancer_encode(struct ordo_buffer *out, const struct ordo_process_id *process);
void ordo_cluster_balance_encode(struct ordo_buffer *out, bool is_off);
void ordo_cluster_revoked_encode(struct ordo_buffer *out, const struct ordo_revocation *revocation);

const char *ordo_cluster_table_decode(struct ordo_slice value, struct ordo_cluster_table *out);
const char *ordo_cluster_store_decode(const struct ordo_directory_item *item, struct ordo_cluster_store *out);
const char *ordo_cluster_live_decode(const struct ordo_directory_item *item, struct ordo_cluster_live *out);
const char *ordo_cluster_gateway_decode(const struct ordo_directory_item *item, struct ordo_cluster_gateway *out);
const char *ordo_cluster_move_decode(const struct ordo_directory_item *item, struct ordo_cluster_move *out);
const char *ordo_cluster_hold_decode(const struct ordo_directory_item *item, struct ordo_cluster_hold *out);
const char *ordo_cluster_balancer_decode(struct ordo_slice value, struct ordo_process_id *out);
const char *ordo_cluster_balance_decode(struct ordo_slice value, bool *is_off_out);
/* Where the name reads and the value does not, `out` is in force for good; where the name does not, its size is 0. */
const char *ordo_cluster_revoked_decode(const struct ordo_directory_item *item, struct ordo_revocation *out);

#endif
