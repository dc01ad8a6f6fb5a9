/* common/link/key.h: the keys of the links between processes, as text: key files, the list of trusted keys, and endpoints that
 * say whose key is there. Pure.
 *
 * A key is a Curve25519 key, as CURVE of ZeroMQ has it. There are two kinds of files, in lines; `#` begins a comment, and
 * empty lines do not count:
 *
 *     secret 64 hex digits               a key file, ROLE.key: exactly one such line
 *     ROLE 64 hex digits                 `trusted`: a public key, and what its owner may be; any number of lines
 *
 * An endpoint may end in `#` and the 64 hex digits of the public key of whoever listens there:
 * `tcp://10.0.0.1:7001#5f…`. That is how gateways learn each shard's key, by the way that they learn its address. */
#ifndef ORDO_LINK_KEY_H
#define ORDO_LINK_KEY_H

#include "common/buffer.h"
#include "common/error.h"
#include "common/problem.h"

enum {
    ORDO_LINK_KEY_SIZE = 32,
    ORDO_LINK_KEY_TEXT_SIZE = 2 * ORDO_LINK_KEY_SIZE,
    ORDO_LINK_TRUSTED_MAX = 1000,
    ORDO_LINK_KEY_FILE_SIZE_MAX = 128 * 1024, /* as many keys take some 80 KiB */
};

struct ordo_link_key {
    uint8_t bytes[ORDO_LINK_KEY_SIZE];
};

/* Shards listen, and give slots to one another. Gateways send what clients wrote. Operators are the commands of `ordo`: they
 * ask how shards are, and have them make backups. */
enum ordo_link_role { ORDO_LINK_ROLE_SHARD, ORDO_LINK_ROLE_GATEWAY, ORDO_LINK_ROLE_OPERATOR, ORDO_LINK_ROLE_COUNT };

struct ordo_link_trusted_key {
    enum ordo_link_role role;
    struct ordo_link_key key; /* public */
};

struct ordo_link_trusted {
    struct ordo_link_trusted_key items[ORDO_LINK_TRUSTED_MAX];
    size_t count;
};

const char *ordo_link_role_name(enum ordo_link_role role);
bool ordo_link_key_equal(const struct ordo_link_key *a, const struct ordo_link_key *b);

/* INVALID: `problem` names the line and what is wrong with it; never a key. */
ORDO_MUST_USE ordo_err ordo_link_key_parse_secret(struct ordo_slice text, struct ordo_link_key *out, struct ordo_problem *problem);
ORDO_MUST_USE ordo_err ordo_link_key_parse_trusted(struct ordo_slice text, struct ordo_link_trusted *out,
                                              struct ordo_problem *problem);
/* NULL: nobody has this key. */
const struct ordo_link_trusted_key *ordo_link_trusted_find(const struct ordo_link_trusted *trusted,
                                                           const struct ordo_link_key *key);

void ordo_link_key_write_secret(struct ordo_buffer *out, enum ordo_link_role role, const struct ordo_link_key *key);
void ordo_link_key_write_trusted(struct ordo_buffer *out, const struct ordo_link_trusted *trusted);

#define ORDO_ENDPOINT_SIZE 256

struct ordo_endpoint {
    char address[ORDO_ENDPOINT_SIZE]; /* as ZeroMQ takes it */
    bool has_key;
    struct ordo_link_key key;
};

/* False: too long, or what follows the `#` is no key. */
bool ordo_endpoint_parse(const char *text, struct ordo_endpoint *out);
/* Appends `#` and the key to the address in `out`; one that was there is replaced. False: it does not fit, nothing is changed. */
bool ordo_endpoint_put_key(char out[ORDO_ENDPOINT_SIZE], const struct ordo_link_key *key);
/* Whether only this machine can be at its other end: loopback in numbers or by the name localhost, ipc or inproc. */
bool ordo_endpoint_is_local(const char *text);

#endif
