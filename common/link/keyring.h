/* common/link/keyring.h: the keys of one process, from a folder that `ordo keys make` writes:
 *
 *     FOLDER/ROLE.key    the secret key of this process's role, read once, at the start
 *     FOLDER/trusted     the public keys of everybody, read again whenever the file has changed
 *
 * A secret that others than its owner can read is refused. A group may read it where the file belongs to root and not to the
 * user of this process: that is how an orchestrator hands a secret to a process that is not root.
 * A `trusted` that cannot be read later on changes nothing: what it said last stays true, and a line in the log says so.
 * Threads: any; a mutex inside. */
#ifndef ORDO_LINK_KEYRING_H
#define ORDO_LINK_KEYRING_H

#include "common/link/key.h"

struct ordo_link_keyring;

/* Errors: NOT_FOUND, IO, INVALID (a malformed file, a secret that is open to others, a key that is not trusted);
 * `problem` is a sentence that names the file. */
ORDO_MUST_USE ordo_err ordo_link_keyring_open(const char *folder, enum ordo_link_role role, struct ordo_problem *problem,
                                         struct ordo_link_keyring **out);
void ordo_link_keyring_close(struct ordo_link_keyring *ring); /* NULL is fine */

const struct ordo_link_key *ordo_link_keyring_public(const struct ordo_link_keyring *ring);
const struct ordo_link_key *ordo_link_keyring_secret(const struct ordo_link_keyring *ring);
/* Whether somebody with this public key is trusted now, and as what. */
bool ordo_link_keyring_find(struct ordo_link_keyring *ring, const struct ordo_link_key *key, enum ordo_link_role *role);

#endif
