/* common/directory/directory.h: a small shared store of keys and values in which the processes of a cluster find each
 * other.
 *
 * It holds the router table, who is alive, and what is to be done (cluster.h says which keys); never a document.
 * Nothing on the way of an op asks it: a process reads its newest *view*, which stays as it was while the directory is
 * away. Changes are compare-and-swap: they are made on the ground of a view and fail with CONFLICT if the keys are not
 * any more as seen there.
 *
 * Two kinds, told apart by the URL, with one conformance test (tests/unit/directory_conformance.h):
 *
 *     file:PATH                                a folder on this machine; no service is needed
 *     etcd:http://HOST:PORT[,HOST:PORT…]/NAME  etcd v3 through its JSON gateway; all keys begin with NAME/
 *
 * A *leased* key goes away by itself when its holder does not renew the lease for `lease_ttl_ms`: killed, stopped by
 * SIGSTOP, cut off. A handle has one lease, which its thread renews. A lease that was lost takes its keys with it for
 * good, so whoever put them sees in a later view that they are not there, and puts them again. The end of a lease says
 * that nobody was heard of, and nothing else.
 *
 * Threads: all calls may come from any thread; they block for `timeout_ms` at most (`view` and `calm` never do). Each
 * handle has one thread of its own. A process has one handle, or several: each is a holder for itself. */
#ifndef ORDO_DIRECTORY_DIRECTORY_H
#define ORDO_DIRECTORY_DIRECTORY_H

#include "common/directory/content.h"
#include "common/problem.h"

#define ORDO_DIRECTORY_CHANGES_MAX 64 /* in one step; etcd's own limit is 128 */
#define ORDO_DIRECTORY_LEASE_TTL_MS 6000
#define ORDO_DIRECTORY_TIMEOUT_MS 3000

struct ordo_directory;

struct ordo_directory_options {
    uint32_t lease_ttl_ms; /* 0: ORDO_DIRECTORY_LEASE_TTL_MS. etcd counts whole seconds (rounded up), 2 at least */
    uint32_t timeout_ms;   /* 0: ORDO_DIRECTORY_TIMEOUT_MS. Of a change as a whole */
};

/* INVALID: the URL is not one of those above; `problem` says why. The directory itself need not be there yet: until it
 * was read for the first time the view's generation is 0. `options` may be NULL. */
ORDO_MUST_USE ordo_err ordo_directory_open(struct ordo_directory **out, const char *url,
                                           const struct ordo_directory_options *options, struct ordo_problem *problem);
/* Gives the lease up, so that its keys are gone at once, and waits for the thread. NULL is fine. */
void ordo_directory_close(struct ordo_directory *directory);

/* The newest view; never NULL. The caller releases it (ordo_directory_view_release). */
const struct ordo_directory_view *ordo_directory_view(struct ordo_directory *directory);
/* Waits until there is a view of a later generation than `generation`; false: not within `timeout_ms`. Content that
 * changed, the directory going away and its coming back make a new one each. */
bool ordo_directory_wait(struct ordo_directory *directory, uint64_t generation, uint32_t timeout_ms);
/* An eventfd, readable from each new view on until `calm`. For one event loop per handle; the handle's own. */
int ordo_directory_event_fd(const struct ordo_directory *directory);
void ordo_directory_calm(struct ordo_directory *directory);

/* ---- changes */

enum ordo_directory_verb {
    ORDO_DIRECTORY_CHECK, /* the key must be as seen, and stays so */
    ORDO_DIRECTORY_PUT,
    ORDO_DIRECTORY_PUT_LEASED,
    ORDO_DIRECTORY_DELETE,
};

/* Some keys that change together or not at all. Zeroed memory is an empty list. */
struct ordo_directory_changes {
    size_t count;
    struct {
        enum ordo_directory_verb verb;
        bool is_regardless; /* of what the key is now; else it has to have the value that it has in the view, or be
                               absent as there */
        char key[ORDO_DIRECTORY_KEY_SIZE_MAX + 2]; /* one more than is valid, so that one too long is seen to be */
        struct ordo_buffer value; /* of the two puts */
    } items[ORDO_DIRECTORY_CHANGES_MAX];
};

/* Adds one; the value is copied. More than ORDO_DIRECTORY_CHANGES_MAX, or a key twice, is the caller's bug. */
void ordo_directory_check(struct ordo_directory_changes *changes, const char *key);
void ordo_directory_put(struct ordo_directory_changes *changes, const char *key, struct ordo_slice value);
void ordo_directory_put_leased(struct ordo_directory_changes *changes, const char *key, struct ordo_slice value);
void ordo_directory_delete(struct ordo_directory_changes *changes, const char *key);
/* The change that was added last is made whatever the key is now. */
void ordo_directory_regardless(struct ordo_directory_changes *changes);
void ordo_directory_changes_finish(struct ordo_directory_changes *changes); /* leaves an empty list */

/* Makes all of the changes in one step if all keys are as in `view` (from this directory), and none otherwise. On OK
 * they are durable, and the newest view shows them already, as far as the directory's news come in time.
 *   CONFLICT     a key is not as seen: wait for a newer view, decide again
 *   UNAVAILABLE, IO, NO_SPACE  the directory is away, or cannot be written: whether it was done is not known; a later
 * view shows it TOO_LARGE, INVALID (a key), CORRUPT, VERSION (the directory's file)  nothing was changed `problem` says
 * why, in each case. */
ORDO_MUST_USE ordo_err ordo_directory_change(struct ordo_directory *directory, const struct ordo_directory_view *view,
                                             const struct ordo_directory_changes *changes,
                                             struct ordo_problem *problem);

#endif
