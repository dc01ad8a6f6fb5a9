/* gateway/keyring.h: the files that hold the keys of tokens, read at the start and again whenever they change.
 *
 * Whether they changed is looked up by their size, time and inode, so replaced files, links that point elsewhere (as
 * Kubernetes mounts secrets) and files that are written in place are all seen. All files are read anew then; if one of
 * them is missing or does not read, the keys of before stay, the log says why, and it is tried again. Threads: one. */
#ifndef ORDO_GATEWAY_KEYRING_H
#define ORDO_GATEWAY_KEYRING_H

#include "common/token/key.h"

#define ORDO_KEYRING_FILES_MAX 16
#define ORDO_KEYRING_FILE_SIZE_MAX (256u * 1024)

enum ordo_key_file_kind { ORDO_KEY_FILE_PEM, ORDO_KEY_FILE_SECRET, ORDO_KEY_FILE_JWKS };

struct ordo_key_file {
    enum ordo_key_file_kind kind;
    const char *path; /* borrowed */
};

struct ordo_keyring;

/* Anything but OK: `problem` says which file, and what is wrong with it. */
ORDO_MUST_USE ordo_err ordo_keyring_open(struct ordo_keyring **out, const struct ordo_key_file *files, size_t file_count,
                                         struct ordo_problem *problem);
void ordo_keyring_close(struct ordo_keyring *keyring); /* NULL is fine */
const struct ordo_token_keys *ordo_keyring_keys(const struct ordo_keyring *keyring);
/* Looks whether files changed, for a call a second or so. True: there are other keys now, and whoever used the ones of
 * before has to be given these before the next call, which frees them. */
bool ordo_keyring_look(struct ordo_keyring *keyring);

#endif
