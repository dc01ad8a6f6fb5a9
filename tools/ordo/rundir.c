#include "tools/ordo/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

static ordo_err make_folder(const char *path) {
    return mkdir(path, 0777) == 0 || errno == EEXIST ? ORDO_OK : ORDO_ERR_IO;
}

ordo_err ordo_rundir_open(struct ordo_rundir *rundir, const char *data_dir) {
    rundir->lock = -1;
    char lock_path[PATH_MAX];
    int size = snprintf(rundir->path, sizeof rundir->path, "%s/run", data_dir);
    int lock_size = snprintf(lock_path, sizeof lock_path, "%s/run/lock", data_dir);
    if (size < 0 || (size_t)size >= sizeof rundir->path || (size_t)lock_size >= sizeof lock_path) {
        errno = ENAMETOOLONG;
        return ORDO_ERR_IO;
    }
    if (make_folder(data_dir) != ORDO_OK || make_folder(rundir->path) != ORDO_OK) return ORDO_ERR_IO;
    int lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock < 0) return ORDO_ERR_IO;
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        ordo_err err = errno == EWOULDBLOCK ? ORDO_ERR_LOCKED : ORDO_ERR_IO;
        close(lock);
        return err;
    }
    rundir->lock = lock;
    return ORDO_OK;
}

static pid_t read_pid(const struct ordo_rundir *rundir, const char *name) {
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s.pid", rundir->path, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) return 0;
    long pid;
    bool is_read = fscanf(file, "%ld", &pid) == 1 && pid > 0;
    fclose(file);
    return is_read ? (pid_t)pid : 0;
}

/* A number in an old file may by now be anybody's. */
static bool is_program_of_ours(pid_t pid) {
    char path[64], name[64] = "";
    snprintf(path, sizeof path, "/proc/%ld/comm", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    if (fgets(name, sizeof name, file) == NULL) name[0] = '\0';
    fclose(file);
    name[strcspn(name, "\n")] = '\0';
    return strcmp(name, "ordo-shard") == 0 || strcmp(name, "ordo-gateway") == 0;
}

static bool wait_gone(const struct ordo_rundir *rundir, const char *name, int timeout_ms) {
    pid_t pid = read_pid(rundir, name);
    int fd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (fd < 0) return true;
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    /* Asked after it was opened, so that it is this very process. */
    bool is_gone = !is_program_of_ours(pid) || poll(&ended, 1, timeout_ms) > 0;
    close(fd);
    return is_gone;
}

bool ordo_rundir_wait_all_gone(const struct ordo_rundir *rundir, int timeout_ms, char left[64]) {
    DIR *folder = opendir(rundir->path);
    bool are_gone = true;
    for (struct dirent *entry; are_gone && folder != NULL && (entry = readdir(folder)) != NULL;) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || strcmp(dot, ".pid") != 0 || dot - entry->d_name >= 64) continue;
        snprintf(left, 64, "%.*s", (int)(dot - entry->d_name), entry->d_name);
        are_gone = wait_gone(rundir, left, timeout_ms);
        if (are_gone) ordo_rundir_set_pid(rundir, left, 0);
    }
    if (folder != NULL) closedir(folder);
    return are_gone;
}

void ordo_rundir_close(struct ordo_rundir *rundir) {
    if (rundir->lock >= 0) close(rundir->lock); /* the file stays: removing it would race with the next holder */
    rundir->lock = -1;
}

/* Replaces run/NAME.KIND by one line; NULL removes it. */
static void set_line(const struct ordo_rundir *rundir, const char *name, const char *kind, const char *line) {
    char path[PATH_MAX + 64], fresh_path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s.%s", rundir->path, name, kind);
    if (line == NULL) {
        unlink(path);
        return;
    }
    snprintf(fresh_path, sizeof fresh_path, "%s/%s.%s.new", rundir->path, name, kind);
    FILE *file = fopen(fresh_path, "we");
    bool is_written = file != NULL && fprintf(file, "%s\n", line) > 0;
    if (file != NULL) is_written = fclose(file) == 0 && is_written;
    if (!is_written || rename(fresh_path, path) != 0) {
        log_warn("event=run_file_failed path=%s reason=\"%s\"", path, strerror(errno));
    }
}

void ordo_rundir_set_pid(const struct ordo_rundir *rundir, const char *name, pid_t pid) {
    char line[32];
    snprintf(line, sizeof line, "%ld", (long)pid);
    set_line(rundir, name, "pid", pid != 0 ? line : NULL);
}
