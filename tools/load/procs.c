#include "tools/load/procs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_small(const char *path, char *out, size_t out_size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t size = read(fd, out, out_size - 1);
    close(fd);
    if (size <= 0) return false;
    out[size] = '\0';
    return true;
}

bool ordo_proc_stat_parse(const char *stat, pid_t *parent, uint64_t *ticks, uint64_t *start) {
    const char *after = strrchr(stat, ')'); /* the name may hold anything, also spaces and brackets */
    if (after == NULL) return false;
    int parent_number;
    unsigned long long user, system, start_ticks;
    if (sscanf(after + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %llu",
               &parent_number, &user, &system, &start_ticks) != 4) {
        return false;
    }
    *parent = parent_number;
    *ticks = user + system;
    *start = start_ticks;
    return true;
}

static bool read_proc(pid_t pid, struct ordo_proc *out, pid_t *parent) {
    char path[64], text[1024];
    uint64_t ticks, resident;
    *out = (struct ordo_proc){.pid = pid};
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    if (!read_small(path, text, sizeof text) || !ordo_proc_stat_parse(text, parent, &ticks, &out->start)) return false;
    out->cpu_us = ticks * (1000000u / (uint64_t)sysconf(_SC_CLK_TCK));
    snprintf(path, sizeof path, "/proc/%ld/statm", (long)pid);
    if (!read_small(path, text, sizeof text) || sscanf(text, "%*u %lu", &resident) != 1) return false;
    out->rss_size = resident * (uint64_t)sysconf(_SC_PAGESIZE);
    return true;
}

/* The socket's inode, as /proc names it behind file descriptors; 0: nobody listens. */
static unsigned long find_listener(const char *table, uint16_t port) {
    enum { LISTENING = 10 };
    FILE *file = fopen(table, "re");
    if (file == NULL) return 0;
    char line[512];
    unsigned long found = 0, inode;
    unsigned line_port, state;
    while (found == 0 && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu", &line_port, &state,
                   &inode) == 3 &&
            state == LISTENING && line_port == port) {
            found = inode;
        }
    }
    fclose(file);
    return found;
}

static bool has_socket(long pid, unsigned long inode) {
    char path[320], wanted[64], link[64];
    snprintf(wanted, sizeof wanted, "socket:[%lu]", inode);
    snprintf(path, sizeof path, "/proc/%ld/fd", pid);
    DIR *folder = opendir(path);
    if (folder == NULL) return false;
    bool found = false;
    const struct dirent *entry;
    while (!found && (entry = readdir(folder)) != NULL) {
        snprintf(path, sizeof path, "/proc/%ld/fd/%s", pid, entry->d_name);
        ssize_t size = readlink(path, link, sizeof link - 1);
        if (size <= 0) continue;
        link[size] = '\0';
        found = strcmp(link, wanted) == 0;
    }
    closedir(folder);
    return found;
}

static bool has_name(long pid, const char *name) {
    char path[64], text[64];
    snprintf(path, sizeof path, "/proc/%ld/comm", pid);
    if (!read_small(path, text, sizeof text)) return false;
    text[strcspn(text, "\n")] = '\0';
    return strcmp(text, name) == 0;
}

/* The first process that `matches`; 0: none. */
static pid_t find_process(bool (*matches)(long pid, const void *wanted), const void *wanted) {
    DIR *folder = opendir("/proc");
    if (folder == NULL) return 0;
    pid_t found = 0;
    const struct dirent *entry;
    while (found == 0 && (entry = readdir(folder)) != NULL) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (pid > 0 && *end == '\0' && matches(pid, wanted)) found = (pid_t)pid;
    }
    closedir(folder);
    return found;
}

static bool holds_socket(long pid, const void *wanted) { return has_socket(pid, *(const unsigned long *)wanted); }

static bool is_shard_under(long pid, const void *wanted) {
    struct ordo_proc proc;
    pid_t parent;
    return has_name(pid, "ordo-shard") && read_proc((pid_t)pid, &proc, &parent) && parent == *(const pid_t *)wanted;
}

struct ordo_procs ordo_procs_find(uint16_t port) {
    struct ordo_procs procs = {0};
    unsigned long inode = find_listener("/proc/net/tcp", port);
    if (inode == 0) inode = find_listener("/proc/net/tcp6", port);
    if (inode == 0) return procs;
    pid_t gateway = find_process(holds_socket, &inode), parent;
    if (gateway == 0 || !read_proc(gateway, &procs.gateway, &parent)) return (struct ordo_procs){0};
    pid_t shard = find_process(is_shard_under, &parent);
    if (shard != 0 && !read_proc(shard, &procs.shard, &parent)) procs.shard.pid = 0;
    return procs;
}

static struct ordo_proc sample(const struct ordo_proc *before) {
    struct ordo_proc now;
    pid_t parent;
    if (before->pid == 0 || !read_proc(before->pid, &now, &parent) || now.start != before->start) {
        return (struct ordo_proc){0};
    }
    return now;
}

struct ordo_procs ordo_procs_sample(const struct ordo_procs *procs) {
    return (struct ordo_procs){.gateway = sample(&procs->gateway), .shard = sample(&procs->shard)};
}

struct ordo_proc ordo_proc_self(void) {
    struct ordo_proc self;
    pid_t parent;
    return read_proc(getpid(), &self, &parent) ? self : (struct ordo_proc){0};
}
