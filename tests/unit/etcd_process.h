/* tests/unit/etcd_process.h: a real etcd on loopback for a test, with a temporary data folder. */
#ifndef ORDO_TESTS_ETCD_PROCESS_H
#define ORDO_TESTS_ETCD_PROCESS_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/assert.h"
#include "tests/unit/scratch.h"

enum { ETCD_MEMBERS_MAX = 3 };

struct etcd_process {
    char folder[PATH_MAX], name[16];
    int client_port, peer_port;
    char members[256]; /* NAME=URL,…: all of the same etcd */
    pid_t pid;         /* 0: it does not run */
};

static inline bool etcd_is_installed(void) { return system("command -v etcd > /dev/null 2>&1") == 0; }

/* A port that nobody has now. */
static inline int free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ORDO_ASSERT(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0);
    ORDO_ASSERT(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    close(fd);
    return ntohs(address.sin_port);
}

/* Does not wait until it answers: whoever uses it has to. */
static inline void etcd_start(struct etcd_process *etcd) {
    char client[64], peer[64], data[PATH_MAX], log[PATH_MAX];
    snprintf(client, sizeof client, "http://127.0.0.1:%d", etcd->client_port);
    snprintf(peer, sizeof peer, "http://127.0.0.1:%d", etcd->peer_port);
    scratch_join(data, etcd->folder, "data");
    scratch_join(log, etcd->folder, "log");
    etcd->pid = fork();
    ORDO_ASSERT(etcd->pid >= 0);
    if (etcd->pid > 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    execlp("etcd", "etcd", "--name", etcd->name, "--data-dir", data, "--listen-client-urls", client,
           "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
           "--initial-cluster", etcd->members, "--logger", "zap", "--log-level", "error", (char *)NULL);
    _exit(127);
}

/* `count` processes that are one etcd. */
static inline void etcd_init(struct etcd_process *etcds, size_t count) {
    char members[sizeof etcds->members] = "";
    ORDO_ASSERT(count <= ETCD_MEMBERS_MAX);
    for (size_t i = 0, size = 0; i < count; i++) {
        etcds[i] = (struct etcd_process){.client_port = free_port(), .peer_port = free_port()};
        snprintf(etcds[i].name, sizeof etcds[i].name, "m%zu", i);
        scratch_make(etcds[i].folder);
        size += (size_t)snprintf(members + size, sizeof members - size, "%sm%zu=http://127.0.0.1:%d", i > 0 ? "," : "",
                                 i, etcds[i].peer_port);
        ORDO_ASSERT(size < sizeof members);
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(etcds[i].members, members, sizeof members);
        etcd_start(&etcds[i]);
    }
}

static inline void etcd_kill(struct etcd_process *etcd) {
    if (etcd->pid == 0) return;
    kill(etcd->pid, SIGKILL);
    ORDO_ASSERT(waitpid(etcd->pid, NULL, 0) == etcd->pid);
    etcd->pid = 0;
}

/* Another one with nothing in it, at the same place. */
static inline void etcd_wipe(struct etcd_process *etcd) {
    char data[PATH_MAX];
    etcd_kill(etcd);
    scratch_join(data, etcd->folder, "data");
    scratch_remove(data);
    etcd_start(etcd);
}

static inline void etcd_finish(struct etcd_process *etcd) {
    etcd_kill(etcd);
    scratch_remove(etcd->folder);
}

#endif
