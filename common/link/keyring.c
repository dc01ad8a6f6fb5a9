#include "common/link/keyring.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "common/files.h"
#include "common/hex.h"
#include "common/log.h"
#include "common/memory.h"

struct ordo_link_keyring {
    struct ordo_link_key public_key, secret_key;
    char trusted_path[PATH_MAX];
    pthread_mutex_t mutex; /* guards what follows */
    struct stat seen;      /* of the file, as it was read or failed to be read last */
    struct ordo_link_trusted trusted, fresh;
};

/* ---- reading */

static ordo_err cannot_read(const char *path, struct ordo_problem *problem) {
    ordo_err err = ordo_file_error();
    ordo_problem_set(problem, "%s cannot be read: %s.", path, strerror(errno));
    return err;
}

/* Whole files of keys are short; whatever is longer is something else. */
static ordo_err read_short(const char *path, const struct stat *status, struct ordo_buffer *out, struct ordo_problem *problem) {
    if (!S_ISREG(status->st_mode) || status->st_size > ORDO_LINK_KEY_FILE_SIZE_MAX) {
        ordo_problem_set(problem, "%s is no file of keys: it is no plain file, or too large.", path);
        return ORDO_ERR_INVALID;
    }
    return ordo_file_read(path, out) ? cannot_read(path, problem) : ORDO_OK;
}

static ordo_err is_malformed(const char *path, ordo_err err, struct ordo_problem *problem) {
    char why[ORDO_PROBLEM_SIZE];
    if (!err) return ORDO_OK;
    snprintf(why, sizeof why, "%s", problem->text);
    ordo_problem_set(problem, "%.300s is malformed: %.150s.", path, why);
    return err;
}

/* What would make a secret none. */
static bool is_open_to_others(const struct stat *status) {
    bool is_handed_over = status->st_uid == 0 && geteuid() != 0;
    mode_t refused = is_handed_over ? S_IWGRP | S_IRWXO : S_IRWXG | S_IRWXO;
    return (status->st_mode & refused) != 0 || (status->st_uid != geteuid() && status->st_uid != 0);
}

static ordo_err read_secret(const char *path, struct ordo_link_key *out, struct ordo_problem *problem) {
    struct stat status;
    struct ordo_buffer text = {0};
    if (stat(path, &status) != 0) return cannot_read(path, problem);
    if (is_open_to_others(&status)) {
        ordo_problem_set(problem,
                         "%s holds a secret key and is open to others than the user of this process (mode %04o): say "
                         "`chmod 600`, and make new keys if somebody may have read it.",
                         path, (unsigned)(status.st_mode & 07777));
        return ORDO_ERR_INVALID;
    }
    ordo_err err = read_short(path, &status, &text, problem);
    if (!err) err = is_malformed(path, ordo_link_key_parse_secret(ordo_buffer_slice(&text), out, problem), problem);
    if (text.size > 0) explicit_bzero(text.data, text.size);
    ordo_buffer_finish(&text);
    return err;
}

static ordo_err read_trusted(struct ordo_link_keyring *ring, struct ordo_problem *problem) {
    struct ordo_buffer text = {0};
    ordo_err err = read_short(ring->trusted_path, &ring->seen, &text, problem);
    if (!err) {
        err = ordo_link_key_parse_trusted(ordo_buffer_slice(&text), &ring->fresh, problem);
        err = is_malformed(ring->trusted_path, err, problem);
    }
    ordo_buffer_finish(&text);
    if (!err) ring->trusted = ring->fresh;
    return err;
}

/* ---- what it says now */

static bool is_same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A file that is away for now is one that somebody is about to replace. */
static void refresh(struct ordo_link_keyring *ring) {
    struct stat now;
    struct ordo_problem problem;
    if (stat(ring->trusted_path, &now) != 0 || is_same_file(&now, &ring->seen)) return;
    ring->seen = now;
    if (read_trusted(ring, &problem) == ORDO_OK) {
        log_info("event=trusted_read file=%s count=%zu", ring->trusted_path, ring->trusted.count);
    } else {
        log_error("event=trusted_unreadable reason=\"%s\" text=\"what it said before stays true\"", problem.text);
    }
}

bool ordo_link_keyring_find(struct ordo_link_keyring *ring, const struct ordo_link_key *key, enum ordo_link_role *role) {
    pthread_mutex_lock(&ring->mutex);
    refresh(ring);
    const struct ordo_link_trusted_key *one = ordo_link_trusted_find(&ring->trusted, key);
    if (one != NULL) *role = one->role;
    pthread_mutex_unlock(&ring->mutex);
    return one != NULL;
}

/* ---- start and stop */

/* ZeroMQ wants the secret as text of its own kind to tell the public key. */
static bool derive_public(struct ordo_link_keyring *ring) {
    char secret[41], public[41];
    bool is_done = zmq_z85_encode(secret, ring->secret_key.bytes, ORDO_LINK_KEY_SIZE) != NULL &&
                   zmq_curve_public(public, secret) == 0 && zmq_z85_decode(ring->public_key.bytes, public) != NULL;
    explicit_bzero(secret, sizeof secret);
    return is_done;
}

/* Somebody else's folder, or one that was made anew half-way: everybody would refuse this process, so it says so itself. */
static ordo_err check_trusted(struct ordo_link_keyring *ring, const char *path, enum ordo_link_role role,
                                 struct ordo_problem *problem) {
    const struct ordo_link_trusted_key *one = ordo_link_trusted_find(&ring->trusted, &ring->public_key);
    if (one != NULL && one->role == role) return ORDO_OK;
    ordo_problem_set(problem, "The public key of %.200s is not in %.200s as that of a%s %s: they do not belong together.", path,
                     ring->trusted_path, role == ORDO_LINK_ROLE_OPERATOR ? "n" : "", ordo_link_role_name(role));
    return ORDO_ERR_INVALID;
}

static ordo_err open_folder(struct ordo_link_keyring *ring, const char *folder, enum ordo_link_role role,
                            struct ordo_problem *problem) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s.key", folder, ordo_link_role_name(role)) >= PATH_MAX ||
        snprintf(ring->trusted_path, PATH_MAX, "%s/trusted", folder) >= PATH_MAX) {
        ordo_problem_set(problem, "The path of the folder of keys is too long.");
        return ORDO_ERR_TOO_LARGE;
    }
    ordo_err err = read_secret(path, &ring->secret_key, problem);
    if (err) return err;
    if (!derive_public(ring)) {
        ordo_problem_set(problem, "This ZeroMQ was built without CURVE, so keys cannot be used.");
        return ORDO_ERR_UNAVAILABLE;
    }
    if (stat(ring->trusted_path, &ring->seen) != 0) return cannot_read(ring->trusted_path, problem);
    err = read_trusted(ring, problem);
    return err ? err : check_trusted(ring, path, role, problem);
}

ordo_err ordo_link_keyring_open(const char *folder, enum ordo_link_role role, struct ordo_problem *problem,
                                struct ordo_link_keyring **out) {
    struct ordo_link_keyring *ring = ordo_alloc(sizeof *ring);
    pthread_mutex_init(&ring->mutex, NULL);
    ordo_err err = open_folder(ring, folder, role, problem);
    if (err) {
        ordo_link_keyring_close(ring);
        return err;
    }
    *out = ring;
    return ORDO_OK;
}

void ordo_link_keyring_close(struct ordo_link_keyring *ring) {
    if (ring == NULL) return;
    pthread_mutex_destroy(&ring->mutex);
    explicit_bzero(&ring->secret_key, sizeof ring->secret_key);
    free(ring);
}

const struct ordo_link_key *ordo_link_keyring_public(const struct ordo_link_keyring *ring) { return &ring->public_key; }
const struct ordo_link_key *ordo_link_keyring_secret(const struct ordo_link_keyring *ring) { return &ring->secret_key; }
