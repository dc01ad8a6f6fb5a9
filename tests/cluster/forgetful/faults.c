#define _GNU_SOURCE

#include "faults.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    uint64_t fail_sync_from, sync_ms, stall_at, stall_ms, free, skip_real_sync;
    bool limits_space;
} faults;
static uint64_t sync_count;
static const char *control_path;
static struct timespec control_changed;
static ino_t control_inode;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void parse(char *text) {
    memset(&faults, 0, sizeof faults);
    faults.stall_ms = 5000;
    sync_count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(text, ", \t\n", &rest); word != NULL; word = strtok_r(NULL, ", \t\n", &rest)) {
        char name[32];
        unsigned long long value;
        if (sscanf(word, "%31[a-z_]=%llu", name, &value) != 2) {
            fprintf(stderr, "forgetful: \"%s\" is no fault\n", word);
            abort();
        }
        if (strcmp(name, "fail_sync_from") == 0) faults.fail_sync_from = value;
        else if (strcmp(name, "sync_ms") == 0) faults.sync_ms = value;
        else if (strcmp(name, "stall_at") == 0) faults.stall_at = value;
        else if (strcmp(name, "stall_ms") == 0) faults.stall_ms = value;
        else if (strcmp(name, "skip_real_sync") == 0) faults.skip_real_sync = value;
        else if (strcmp(name, "free") == 0) faults.free = value, faults.limits_space = true;
        else {
            fprintf(stderr, "forgetful: \"%s\" is no fault\n", word);
            abort();
        }
    }
}

/* Under the mutex. */
static void read_control(void) {
    struct stat status;
    if (control_path == NULL || stat(control_path, &status) != 0) return;
    if (status.st_ino == control_inode && memcmp(&status.st_mtim, &control_changed, sizeof control_changed) == 0) return;
    control_inode = status.st_ino;
    control_changed = status.st_mtim;
    char text[1024] = {0};
    int fd = (int)syscall(SYS_openat, AT_FDCWD, control_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    close(fd);
    if (size >= 0) parse(text);
}

void faults_begin(void) {
    char text[1024] = {0};
    const char *given = getenv("ORDO_FORGET_FAULTS");
    if (given != NULL) snprintf(text, sizeof text, "%s", given);
    parse(text);
    control_path = getenv("ORDO_FORGET_CONTROL");
}

struct fault_of_sync faults_next_sync(void) {
    pthread_mutex_lock(&mutex);
    read_control();
    sync_count++;
    struct fault_of_sync fault = {
        .fails = faults.fail_sync_from > 0 && sync_count >= faults.fail_sync_from,
        .skips_real = faults.skip_real_sync > 0,
        .delay_ms = (unsigned)(faults.sync_ms + (sync_count == faults.stall_at ? faults.stall_ms : 0)),
    };
    pthread_mutex_unlock(&mutex);
    return fault;
}

bool faults_take_space(uint64_t size) {
    pthread_mutex_lock(&mutex);
    read_control();
    bool fits = !faults.limits_space || faults.free >= size;
    if (fits && faults.limits_space) faults.free -= size;
    pthread_mutex_unlock(&mutex);
    return fits;
}

bool faults_free_space(uint64_t *free_out) {
    pthread_mutex_lock(&mutex);
    read_control();
    bool limits = faults.limits_space;
    *free_out = faults.free;
    pthread_mutex_unlock(&mutex);
    return limits;
}
