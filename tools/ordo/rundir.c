#include "tools/ordo/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
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

void ordo_rundir_close(struct ordo_rundir *rundir) {
    if (rundir->lock >= 0) close(rundir->lock); /* the file stays: removing it would race with the next holder */
    rundir->lock = -1;
}

void ordo_rundir_set_pid(const struct ordo_rundir *rundir, const char *name, pid_t pid) {
    char path[PATH_MAX + 64], fresh_path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s.pid", rundir->path, name);
    if (pid == 0) {
        unlink(path);
        return;
    }
    snprintf(fresh_path, sizeof fresh_path, "%s/%s.pid.new", rundir->path, name);
    FILE *file = fopen(fresh_path, "we");
    bool is_written = file != NULL && fprintf(file, "%ld\n", (long)pid) > 0;
    if (file != NULL) is_written = fclose(file) == 0 && is_written;
    if (!is_written || rename(fresh_path, path) != 0) {
        log_warn("event=pid_file_failed path=%s reason=\"%s\"", path, strerror(errno));
    }
}
