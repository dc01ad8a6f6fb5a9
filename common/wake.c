#include "common/wake.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/assert.h"

int ordo_wake_open(void) {
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ORDO_ASSERT(fd >= 0);
    return fd;
}

void ordo_wake_raise(int fd) {
    uint64_t one = 1;
    if (fd < 0) return;
    ssize_t written = write(fd, &one, sizeof one);
    (void)written; /* a full eventfd is raised already */
}

void ordo_wake_calm(int fd) {
    uint64_t count;
    ssize_t taken = read(fd, &count, sizeof count);
    (void)taken; /* nothing to read: it was calm already */
}

void ordo_thread_name(const char *name) { (void)prctl(PR_SET_NAME, name); }

void ordo_thread_start(struct ordo_thread *thread, void *(*run)(void *context), void *context) {
    thread->stop_fd = ordo_wake_open();
    int error = pthread_create(&thread->id, NULL, run, context);
    ORDO_ASSERT(error == 0);
}

void ordo_thread_stop(struct ordo_thread *thread) {
    ordo_wake_raise(thread->stop_fd);
    pthread_join(thread->id, NULL);
    close(thread->stop_fd);
}
