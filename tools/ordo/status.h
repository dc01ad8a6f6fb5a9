/* tools/ordo/status.h: how a cluster is: what its directory says, and what its shards and gateways say of themselves. */
#ifndef ORDO_TOOLS_STATUS_H
#define ORDO_TOOLS_STATUS_H

#include "tools/ordo/cluster_access.h"

enum status_state {
    STATUS_SERVING,
    STATUS_STARTING, /* its process has claimed it, and waits for something */
    STATUS_SILENT,   /* the directory says where it is, and nobody answers there */
    STATUS_DOWN,     /* no process has it */
    STATUS_FORGOTTEN,
};

#define STATUS_TROUBLES_MAX 64
#define STATUS_TEXT_SIZE 400

/* Something that is not as it should be. */
struct status_trouble {
    char text[STATUS_TEXT_SIZE];
    uint64_t since_ms; /* for so long; 0: not known */
};

struct status_move {
    uint16_t slot;
    char target[ORDO_CLUSTER_NAME_SIZE_MAX + 1];
    char phase[32];
    uint64_t sent_size, queued_count;
};

struct status_shard {
    struct ordo_store_id id;
    char id_text[2 * ORDO_STORE_ID_SIZE + 1];
    char name[ORDO_CLUSTER_NAME_SIZE_MAX + 1];
    char host[ORDO_CLUSTER_TEXT_SIZE_MAX + 1];
    enum status_state state;
    bool is_draining;
    uint64_t incarnation;
    unsigned slot_count; /* by the table */
    /* What it says of itself, if it is SERVING: */
    uint64_t uptime_ms, age_ms, documents, subscribers, gateways, ops_committed, turns, documents_damaged;
    double ops_per_s;
    uint64_t commit_p50_us, commit_p99_us, commit_max_us;
    const char *disk; /* "ok", "full", "stalled" */
    bool is_moving;
    struct status_move move;
};

struct status_gateway {
    char name[ORDO_CLUSTER_NAME_SIZE_MAX + 1];
    char url[ORDO_CLUSTER_TEXT_SIZE_MAX + 1];
    char metrics_url[ORDO_CLUSTER_TEXT_SIZE_MAX + 1]; /* "": it tells no figures */
    bool is_there;                                    /* it answers where its clients reach it */
    bool has_figures;                                 /* these are known: */
    uint64_t connections, documents, subscribers, links, links_ready, resyncs;
};

struct status {
    const struct ordo_cluster *cluster; /* borrowed */
    const char *directory;              /* URL; borrowed */
    const char *away;                   /* NULL, or why this is what a gateway knew last; borrowed */
    struct status_shard *shards;
    size_t shard_count;
    struct status_gateway *gateways;
    size_t gateway_count;
    bool unowned[ORDO_SLOT_COUNT]; /* slots that nobody has, or whose owner does not serve */
    unsigned unowned_count;
    struct status_trouble troubles[STATUS_TROUBLES_MAX];
    size_t trouble_count;
};

/* Asks all shards and gateways at once; takes about a second where one does not answer. */
void status_collect(struct status *status, const struct ordo_cluster *cluster, const char *directory, const char *away);
void status_finish(struct status *status);

void status_print(const struct status *status);
void status_print_json(const struct status *status);

/* The name of a store, or the beginning of its id; static text. */
const char *status_store_name(const struct ordo_cluster *cluster, const struct ordo_store_id *id);

/* status_last_known.c: what the gateway at this URL was told by the directory, which is away now. NULL: it says nothing of
 * the kind. */
struct ordo_cluster *status_ask_last_known(const char *gateway_url);

/* status_request.c: GET of a URL, or of a path at a gateway that clients reach as ws://HOST:PORT/…; false: no such URL. Otherwise the
 * request is in the handle, to be performed; `answer` takes what comes. */
struct status_request {
    void *handle; /* a CURL *; NULL: none */
    struct ordo_buffer answer;
};
bool status_request_begin(struct status_request *request, const char *gateway_url, const char *path);
bool status_request_begin_at(struct status_request *request, const char *url);
long status_request_end(struct status_request *request); /* the code, 0: no answer; keeps `answer`, ended by a NUL */

/* status_gateways.c: fills in what the gateways say over HTTP. */
void status_ask_gateways(struct status_gateway *gateways, size_t count);

#endif
