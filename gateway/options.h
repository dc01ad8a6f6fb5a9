/* gateway/options.h: the command line of ordo-gateway. */
#ifndef ORDO_GATEWAY_OPTIONS_H
#define ORDO_GATEWAY_OPTIONS_H

#include "common/link/socket.h"
#include "common/log.h"
#include "gateway/ip.h"
#include "gateway/core/gateway.h"
#include "gateway/door.h"
#include "gateway/keyring.h"

struct ordo_site;
struct ordo_tls;

struct ordo_options {
    char host[256];                        /* as given, without brackets */
    char address[64];                      /* numeric */
    uint16_t port;                         /* 0: any free one */
    bool has_metrics;                      /* figures are told at: */
    char metrics_host[256], metrics_address[64];
    uint16_t metrics_port;
    char shard_data[256], shard_side[256]; /* ZeroMQ endpoints; "": the directory tells */
    const char *directory;                 /* URL; NULL: there is one shard, above */
    const char *advertise;                 /* the host that others reach this one by; NULL: as it listens */
    const char *name;                      /* NULL: one of its own */
    const char *keys_folder;               /* NULL: none */
    struct ordo_link_security links;       /* to shards; its keys are read by main */
    enum ordo_log_level log_level;
    uint32_t ping_interval_ms; /* a client that says nothing for so long is pinged, for so long again: it is
                                  dead */
    uint32_t connections_max, connections_per_address; /* WebSockets; the latter 0: any number */
    uint32_t handshakes_max, handshake_timeout_ms;     /* connections that have brought nothing whole yet */
    uint32_t message_timeout_ms;                       /* from a message's first byte to its last */
    uint32_t memory_max_mib;                           /* 0: no limit; counts if ... */
    bool memory_max_is_given;                          /* ... else it goes by the machine */
    const char *tls_cert, *tls_key; /* files; NULL: no TLS */
    struct ordo_tls *tls;         /* what was read of them: set by main */
    struct ordo_proxies proxies;  /* whose word for a client's address counts */
    uint32_t token_leeway_ms;
    struct ordo_key_file key_files[ORDO_KEYRING_FILES_MAX];
    size_t key_file_count; /* 0: no token is asked for */
    struct ordo_door door;
    const char *site_folder;      /* NULL: no files are served */
    const struct ordo_site *site; /* what was read of it: set by main */
    struct ordo_gateway_config core;
};

enum ordo_options_outcome { ORDO_OPTIONS_RUN, ORDO_OPTIONS_HELP, ORDO_OPTIONS_WRONG };

#define ORDO_OPTIONS_FAULT_SIZE 400

extern const char ordo_options_help[];

/* Strings are borrowed from argv. On WRONG `fault` says what is wrong and what would be right. */
enum ordo_options_outcome ordo_options_parse(struct ordo_options *options, int argc, char **argv,
                                             char fault[ORDO_OPTIONS_FAULT_SIZE]);

#endif
