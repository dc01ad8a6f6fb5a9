/* common/directory/backend.h: what the two kinds of directory have in common, for them alone.
 *
 * A kind embeds struct ordo_directory as its first member, starts a thread of its own, and publishes whatever content
 * it comes to know. Views, waiting and the eventfd are done here. */
#ifndef ORDO_DIRECTORY_BACKEND_H
#define ORDO_DIRECTORY_BACKEND_H

#include <pthread.h>

#include "common/directory/directory.h"

struct ordo_directory_ops {
    /* As ordo_directory_change; on OK the change was published, or will be as soon as the news come. */
    ordo_err (*change)(struct ordo_directory *directory, const struct ordo_directory_view *view,
                       const struct ordo_directory_changes *changes, struct ordo_problem *problem);
    /* Gives up the lease, ends the thread, frees everything. */
    void (*close)(struct ordo_directory *directory);
};

struct ordo_directory {
    const struct ordo_directory_ops *ops;
    struct ordo_directory_options options; /* defaults filled in */
    pthread_mutex_t mutex;                 /* guards `view`; held for moments only */
    pthread_cond_t published;
    const struct ordo_directory_view *view;
    int event_fd;
};

void ordo_directory_init(struct ordo_directory *directory, const struct ordo_directory_ops *ops,
                         const struct ordo_directory_options *options);
void ordo_directory_finish(struct ordo_directory *directory);

/* The directory is there, and this is in it. From one thread at a time. Makes no view where nothing changed. */
void ordo_directory_publish(struct ordo_directory *directory, const struct ordo_directory_content *content);
/* The directory is away since now, or still is, for this reason; what was known stays. From one thread at a time,
 * too. */
void ordo_directory_publish_away(struct ordo_directory *directory, const char *reason);
/* Waits for a view of at least this revision; false: not within `timeout_ms`. */
bool ordo_directory_wait_revision(struct ordo_directory *directory, uint64_t revision, uint32_t timeout_ms);

/* Whether the key that a change names is as its maker saw it. `now` NULL: not there. */
bool ordo_directory_is_as_seen(const struct ordo_directory_view *view, const char *key,
                               const struct ordo_directory_item *now);

/* `address` is what the URL says behind "file:" or "etcd:". */
ORDO_MUST_USE ordo_err ordo_directory_file_open(struct ordo_directory **out, const char *address,
                                                const struct ordo_directory_options *options,
                                                struct ordo_problem *problem);
ORDO_MUST_USE ordo_err ordo_directory_etcd_open(struct ordo_directory **out, const char *address,
                                                const struct ordo_directory_options *options,
                                                struct ordo_problem *problem);

#endif
