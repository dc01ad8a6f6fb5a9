/* shard/config.h: the command line of ordo-shard. `ordo-shard --help` prints it. */
#ifndef ORDO_SHARD_CONFIG_H
#define ORDO_SHARD_CONFIG_H

#include "common/log.h"
#include "shard/retention.h"
#include "shard/webhook/sender.h"

struct ordo_config {
    const char *data;            /* the store's folder; borrowed from argv, as are all texts. NULL: one of `volume` */
    const char *volume;          /* a folder of stores that processes divide among themselves; NULL: none */
    const char *directory;       /* URL; NULL: alone, without a cluster */
    const char *advertise;       /* the host that others reach this one by; NULL: as it listens */
    const char *advertise_data, *advertise_side; /* whole endpoints, where a port is mapped; of the first store; NULL: as above */
    bool creates_cluster;        /* where there is none and all is new */
    bool is_balance_off;         /* this process does not balance */
    const char *listen_data, *listen_side;
    const char *listen_metrics;  /* HOST:PORT; NULL: figures are told nowhere */
    const char *name;
    enum ordo_log_level log_level;
    uint64_t helper_count;       /* threads for jobs */
    uint64_t disk_reserve_size, disk_headroom_size; /* bytes */
    struct ordo_webhooks_config webhook;  /* its url is NULL: nobody is told of changes */
    struct ordo_webhooks *webhooks; /* set by main once they run; NULL: there are none */
    struct ordo_retention_rules retention_rules; /* `core` points here */
    struct ordo_shard_config core; /* its limits; identity and seed are filled in once the store is open */
};

enum ordo_config_outcome { ORDO_CONFIG_RUN, ORDO_CONFIG_HELP, ORDO_CONFIG_WRONG };

#define ORDO_CONFIG_FAULT_SIZE 256

/* WRONG: `fault` says what is wrong and what would be right. */
enum ordo_config_outcome ordo_config_parse(struct ordo_config *config, int argc, char **argv,
                                           char fault[ORDO_CONFIG_FAULT_SIZE]);
/* What --help prints. */
extern const char ordo_config_help[];

#endif
