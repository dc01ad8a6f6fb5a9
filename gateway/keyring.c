#include "gateway/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"

/* What tells one content of a file from another. */
struct version {
    struct timespec changed;
    off_t size;
    ino_t inode;
    dev_t device;
};

struct ordo_keyring {
    struct ordo_key_file files[ORDO_KEYRING_FILES_MAX];
    struct version versions[ORDO_KEYRING_FILES_MAX];
    size_t file_count;
    struct ordo_token_keys *keys, *old; /* old: until the next look */
    bool has_failed;                    /* the newest try to read them */
};

static struct version version_of(const struct stat *status) {
    return (struct version){status->st_mtim, status->st_size, status->st_ino, status->st_dev};
}

static bool is_same(const struct version *a, const struct version *b) {
    return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec && a->size == b->size &&
           a->inode == b->inode && a->device == b->device;
}

static ordo_err cannot(const struct ordo_key_file *file, struct ordo_problem *problem) {
    ordo_problem_set(problem, "%s cannot be read: %s", file->path, strerror(errno));
    return ORDO_ERR_IO;
}

/* All of an open file, after a look at what it is. */
static ordo_err read_open_file(int fd, const struct ordo_key_file *file, struct version *version,
                               struct ordo_buffer *out, struct ordo_problem *problem) {
    struct stat status;
    if (fstat(fd, &status) != 0) return cannot(file, problem);
    *version = version_of(&status);
    if (!S_ISREG(status.st_mode) || status.st_size > (off_t)ORDO_KEYRING_FILE_SIZE_MAX) {
        ordo_problem_set(problem, "%s is no file of at most %u bytes.", file->path, ORDO_KEYRING_FILE_SIZE_MAX);
        return ORDO_ERR_INVALID;
    }
    if (file->kind == ORDO_KEY_FILE_SECRET && (status.st_mode & S_IRWXO) != 0) {
        ordo_problem_set(problem, "%s holds a secret, and everybody on this machine may read it: `chmod o= FILE`.",
                         file->path);
        return ORDO_ERR_INVALID;
    }
    while (out->size < (size_t)status.st_size) {
        size_t left = (size_t)status.st_size - out->size;
        ssize_t size = read(fd, ordo_buffer_reserve(out, left), left);
        if (size < 0) return cannot(file, problem);
        if (size == 0) break; /* became shorter meanwhile: the next look sees that */
        out->size += (size_t)size;
    }
    return ORDO_OK;
}

static ordo_err add_file(struct ordo_token_keys *keys, const struct ordo_key_file *file, struct ordo_slice bytes,
                         struct ordo_problem *problem) {
    struct ordo_problem wrong = {{0}};
    ordo_err err = ORDO_ERR_INVALID;
    switch (file->kind) {
    case ORDO_KEY_FILE_PEM: err = ordo_token_keys_add_pem(keys, bytes, &wrong); break;
    case ORDO_KEY_FILE_SECRET: err = ordo_token_keys_add_secret(keys, bytes, &wrong); break;
    case ORDO_KEY_FILE_JWKS: err = ordo_token_keys_add_jwks(keys, bytes, &wrong); break;
    }
    if (err) ordo_problem_set(problem, "%.200s: %s", file->path, wrong.text);
    return err;
}

static ordo_err read_file(struct ordo_token_keys *keys, const struct ordo_key_file *file, struct version *version,
                          struct ordo_problem *problem) {
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return cannot(file, problem);
    struct ordo_buffer bytes = {0};
    ordo_err err = read_open_file(fd, file, version, &bytes, problem);
    if (!err) err = add_file(keys, file, ordo_buffer_slice(&bytes), problem);
    if (bytes.size > 0) explicit_bzero(bytes.data, bytes.size);
    ordo_buffer_finish(&bytes);
    close(fd);
    return err;
}

static ordo_err read_all(struct ordo_keyring *keyring, struct ordo_problem *problem) {
    struct ordo_token_keys *keys = ordo_token_keys_create();
    ordo_err err = ORDO_OK;
    for (size_t i = 0; !err && i < keyring->file_count; i++)
        err = read_file(keys, &keyring->files[i], &keyring->versions[i], problem);
    if (err) {
        ordo_token_keys_destroy(keys);
        return err;
    }
    keyring->old = keyring->keys;
    keyring->keys = keys;
    return ORDO_OK;
}

ordo_err ordo_keyring_open(struct ordo_keyring **out, const struct ordo_key_file *files, size_t file_count,
                           struct ordo_problem *problem) {
    struct ordo_keyring *keyring = ordo_alloc(sizeof *keyring);
    memcpy(keyring->files, files, file_count * sizeof *files);
    keyring->file_count = file_count;
    ordo_err err = read_all(keyring, problem);
    if (err) ordo_keyring_close(keyring);
    else *out = keyring;
    return err;
}

void ordo_keyring_close(struct ordo_keyring *keyring) {
    if (keyring == NULL) return;
    ordo_token_keys_destroy(keyring->keys);
    ordo_token_keys_destroy(keyring->old);
    free(keyring);
}

const struct ordo_token_keys *ordo_keyring_keys(const struct ordo_keyring *keyring) { return keyring->keys; }

static bool has_changed(const struct ordo_keyring *keyring) {
    for (size_t i = 0; i < keyring->file_count; i++) {
        struct stat status;
        if (stat(keyring->files[i].path, &status) != 0) return true; /* reading it says why */
        struct version version = version_of(&status);
        if (!is_same(&version, &keyring->versions[i])) return true;
    }
    return false;
}

bool ordo_keyring_look(struct ordo_keyring *keyring) {
    struct ordo_problem problem = {{0}};
    ordo_token_keys_destroy(keyring->old);
    keyring->old = NULL;
    if (!keyring->has_failed && !has_changed(keyring)) return false;
    if (read_all(keyring, &problem) != ORDO_OK) {
        if (!keyring->has_failed)
            log_error("event=keys_not_taken reason=\"%s\" action=\"the keys of before stay\"", problem.text);
        keyring->has_failed = true;
        return false;
    }
    keyring->has_failed = false;
    log_info("event=keys_read count=%zu", ordo_token_keys_count(keyring->keys));
    return true;
}
