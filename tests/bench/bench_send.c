/* What the kernel itself takes for one small message to one of many sockets, as one JSON line.
 *
 *   bench_send READER_CORE [SOCKETS [ROUNDS [PAUSE_MS]]]
 *
 * Sends 100 bytes over one loopback connection after the other, whose reader runs on another core. The floor under any
 * delivery that has nothing to be joined with, and a measure of how fast this machine is just now. With a PAUSE after each
 * round it is the floor under a broadcast now and then, which finds its sockets in no cache. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGE_SIZE = 100, SOCKETS_DEFAULT = 500, ROUNDS_DEFAULT = 300 };

static void check(int result, const char *what) {
    if (result >= 0) return;
    fprintf(stderr, "bench_send: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static int listen_anywhere(struct sockaddr_in *address) {
    socklen_t size = sizeof *address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(listener, "socket");
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    check(bind(listener, (struct sockaddr *)address, sizeof *address), "bind");
    check(listen(listener, SOMAXCONN), "listen");
    check(getsockname(listener, (struct sockaddr *)address, &size), "getsockname");
    return listener;
}

/* Reads all that comes until every connection has ended. */
static void read_all(const struct sockaddr_in *address, int count, int core) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    (void)sched_setaffinity(0, sizeof cores, &cores); /* with one core only, the figure is another */
    int poll = epoll_create1(EPOLL_CLOEXEC);
    check(poll, "epoll_create1");
    for (int i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check(fd, "socket");
        check(connect(fd, (const struct sockaddr *)address, sizeof *address), "connect");
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        check(epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    }
    for (int open = count; open > 0;) {
        struct epoll_event events[64];
        char bytes[65536];
        int ready = epoll_wait(poll, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            if (read(events[i].data.fd, bytes, sizeof bytes) > 0) continue;
            close(events[i].data.fd);
            open--;
        }
    }
}

static double cpu_us(void) {
    struct rusage usage;
    check(getrusage(RUSAGE_SELF, &usage), "getrusage");
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: bench_send READER_CORE [SOCKETS [ROUNDS [PAUSE_MS]]]\n");
        return 2;
    }
    int count = argc > 2 ? atoi(argv[2]) : SOCKETS_DEFAULT, rounds = argc > 3 ? atoi(argv[3]) : ROUNDS_DEFAULT;
    unsigned pause_us = argc > 4 ? 1000 * (unsigned)atoi(argv[4]) : 0;
    struct sockaddr_in address;
    int listener = listen_anywhere(&address);
    pid_t reader = fork();
    check(reader, "fork");
    if (reader == 0) {
        close(listener);
        read_all(&address, count, atoi(argv[1]));
        _exit(EXIT_SUCCESS);
    }
    int *fds = calloc((size_t)count, sizeof *fds), on = 1;
    for (int i = 0; i < count; i++) {
        check(fds[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept4");
        check(setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
    }
    char bytes[MESSAGE_SIZE];
    memset(bytes, 'x', sizeof bytes);
    double begin_us = cpu_us();
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < count; i++) check((int)send(fds[i], bytes, sizeof bytes, MSG_NOSIGNAL), "send");
        if (pause_us > 0) usleep(pause_us);
    }
    printf("{\"sends\": %d, \"cpu_us_per_send\": %.2f}\n", count * rounds, (cpu_us() - begin_us) / (count * rounds));
    for (int i = 0; i < count; i++) close(fds[i]);
    free(fds);
    return waitpid(reader, NULL, 0) == reader ? EXIT_SUCCESS : EXIT_FAILURE;
}
