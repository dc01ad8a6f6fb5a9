/* tools/load/procs.h: what the servers cost, when they run on this machine.
 *
 * The gateway is whoever listens on the URL's port; the shard is a program called ordo-shard under the same parent
 * (`ordo up`, or the shell or test that started both). All from /proc; nothing is found for a remote URL. */
#ifndef ORDO_TOOLS_LOAD_PROCS_H
#define ORDO_TOOLS_LOAD_PROCS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ordo_proc {
    pid_t pid;         /* 0: not found */
    uint64_t start;    /* tells a pid that was given anew from the process that we meant */
    uint64_t cpu_us;   /* user and system since its start, all threads; 10 ms steps */
    uint64_t rss_size; /* bytes */
};

struct ordo_procs {
    struct ordo_proc gateway, shard;
};

/* `port` is a listening TCP port of this machine. */
struct ordo_procs ordo_procs_find(uint16_t port);
/* Reads both anew; a process that is gone gets pid 0. */
struct ordo_procs ordo_procs_sample(const struct ordo_procs *procs);
struct ordo_proc ordo_proc_self(void);

/* Parses the content of /proc/PID/stat; false: it is something else. `ticks` is in clock ticks. */
bool ordo_proc_stat_parse(const char *stat, pid_t *parent, uint64_t *ticks, uint64_t *start);

#endif
