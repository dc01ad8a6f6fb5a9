/* common/token/key_impl.h: the inside of a key, for the files of common/token alone. */
#ifndef ORDO_TOKEN_KEY_IMPL_H
#define ORDO_TOKEN_KEY_IMPL_H

#include <openssl/evp.h>

#include "common/token/key.h"

struct ordo_token_key {
    enum ordo_token_alg alg;
    struct ordo_buffer kid;    /* empty: it has none */
    struct ordo_buffer secret; /* HS256 */
    EVP_PKEY *key;             /* the others; public */
    uint64_t fingerprint;      /* of algorithm and key, not of its kid */
};

struct ordo_token_keys {
    size_t count;
    struct ordo_token_key items[ORDO_TOKEN_KEYS_MAX];
};

/* Takes the key, whatever the outcome, after a look at its kind and strength. `kid` is copied. */
ORDO_MUST_USE ordo_err ordo_token_keys_add_pkey(struct ordo_token_keys *keys, EVP_PKEY *key, struct ordo_slice kid,
                                                struct ordo_problem *problem);
/* `secret` is copied. */
ORDO_MUST_USE ordo_err ordo_token_keys_add_raw(struct ordo_token_keys *keys, struct ordo_slice secret,
                                               struct ordo_slice kid, struct ordo_problem *problem);
/* A text file's last newline, which editors add, is none of the secret's. */
struct ordo_slice ordo_token_secret_of_file(struct ordo_slice file);
/* The algorithm of a key of this kind. INVALID: none of ours, or it is too weak. */
ORDO_MUST_USE ordo_err ordo_token_alg_of_pkey(EVP_PKEY *key, enum ordo_token_alg *out, struct ordo_problem *problem);
/* For OpenSSL's PEM readers: nobody is asked for a passphrase. */
int ordo_token_no_passphrase(char *out, int size, int is_for_writing, void *user);
bool ordo_token_file_says(struct ordo_slice file, const char *words);

#endif
