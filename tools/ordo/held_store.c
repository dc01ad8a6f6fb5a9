#include "tools/ordo/held_store.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/memory.h"
#include "common/random.h"
#include "tools/ordo/side_link.h"

enum { ASK_MS = 1000, POLL_MS = 20, ANSWER_TIMEOUT_MS = 2000, PATIENCE_MS = 15000, RELEASE_TIMEOUT_MS = 500,
       ENDPOINT_SIZE = 256 };

struct held_store {
    struct side_link *link;
    Ordo__Cluster__V1__Backup request;
    uint64_t asked_ms;
    char database[PATH_MAX];
};

/* The shard that has the store wrote it there (shard/folder.h). */
static ordo_err find_endpoint(const char *path, char endpoint[ENDPOINT_SIZE], struct ordo_problem *problem) {
    char note[PATH_MAX];
    bool fits = snprintf(note, sizeof note, "%s/side", path) < (int)sizeof note;
    FILE *file = fits ? fopen(note, "re") : NULL;
    bool is_read = file != NULL && fgets(endpoint, ENDPOINT_SIZE, file) != NULL;
    if (file != NULL) fclose(file);
    if (is_read) {
        endpoint[strcspn(endpoint, "\n")] = '\0';
        return ORDO_OK;
    }
    ordo_problem_set(problem, "The store is in use, and %s does not say how its shard is reached.", note);
    return ORDO_ERR_LOCKED;
}

/* The answer to one question; NULL: none came. */
static const Ordo__Cluster__V1__BackupStatus *ask(struct held_store *held, int timeout_ms) {
    const Ordo__Cluster__V1__SideReply *reply = side_link_ask_backup(held->link, &held->request, timeout_ms);
    held->asked_ms = ordo_clock_monotonic_ms();
    if (reply != NULL && held->request.incarnation == 0) held->request.incarnation = reply->incarnation; /* that one is meant */
    return reply != NULL ? reply->backup : NULL;
}

static void set_why(struct ordo_problem *problem, const Ordo__Cluster__V1__BackupStatus *status) {
    ordo_problem_set(problem, "The shard does not hold it: %.*s", (int)status->message.len, (const char *)status->message.data);
}

/* The first answer only tells whom to ask; one that is busy may soon give up what nobody waits for. */
static ordo_err wait_until_held(struct held_store *held, struct ordo_problem *problem) {
    uint64_t begun_ms = ordo_clock_monotonic_ms();
    bool has_asked = false;
    while (ordo_clock_monotonic_ms() - begun_ms < PATIENCE_MS) {
        const Ordo__Cluster__V1__BackupStatus *status = ask(held, ANSWER_TIMEOUT_MS);
        if (status == NULL) continue;
        bool goes_on = status->state == ORDO__CLUSTER__V1__BACKUP_STATE__BACKUP_RUNNING ||
                       status->state == ORDO__CLUSTER__V1__BACKUP_STATE__BACKUP_BUSY ||
                       (status->state == ORDO__CLUSTER__V1__BACKUP_STATE__BACKUP_UNKNOWN && !has_asked);
        has_asked = true;
        if (status->state == ORDO__CLUSTER__V1__BACKUP_STATE__BACKUP_HELD) return ORDO_OK;
        set_why(problem, status);
        if (!goes_on) return ORDO_ERR_UNAVAILABLE;
        ordo_clock_sleep_ms(POLL_MS);
    }
    if (problem->text[0] == '\0') ordo_problem_set(problem, "The shard does not answer.");
    return ORDO_ERR_TIMEOUT;
}

ordo_err held_store_open(struct held_store **out, const char *path, struct ordo_problem *problem) {
    char endpoint[ENDPOINT_SIZE];
    problem->text[0] = '\0';
    ordo_err err = find_endpoint(path, endpoint, problem);
    if (err) return err;
    struct held_store *held = ordo_alloc(sizeof *held);
    ordo__cluster__v1__backup__init(&held->request);
    held->request.id = ordo_random_u64() | 1;
    held->request.hold = true;
    if (snprintf(held->database, sizeof held->database, "%s/checkpoint", path) < (int)sizeof held->database) {
        held->link = side_link_open(endpoint, problem);
        if (held->link == NULL) err = ORDO_ERR_UNAVAILABLE;
    } else {
        ordo_problem_set(problem, "The path of the store is too long.");
        err = ORDO_ERR_TOO_LARGE;
    }
    if (!err) err = wait_until_held(held, problem);
    if (err) held_store_close(held);
    else *out = held;
    return err;
}

void held_store_close(struct held_store *held) {
    if (held == NULL) return;
    held->request.release = true;
    if (held->link != NULL) (void)ask(held, RELEASE_TIMEOUT_MS);
    side_link_close(held->link);
    free(held);
}

const char *held_store_database(const struct held_store *held) { return held->database; }

bool held_store_is_held(struct held_store *held, bool now, struct ordo_problem *problem) {
    if (!now && ordo_clock_monotonic_ms() < held->asked_ms + ASK_MS) return true;
    const Ordo__Cluster__V1__BackupStatus *status = ask(held, ANSWER_TIMEOUT_MS);
    if (status == NULL) ordo_problem_set(problem, "The shard does not answer any more.");
    else if (status->state != ORDO__CLUSTER__V1__BACKUP_STATE__BACKUP_HELD) set_why(problem, status);
    else return true;
    return false;
}
