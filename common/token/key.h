/* common/token/key.h: the keys whose tokens are accepted. Pure: the caller reads the files.
 *
 * A key belongs to one algorithm, and it alone decides: what a token's header claims is only compared with it. So a
 * public key never serves as an HMAC secret, and "none" is the algorithm of no key.
 *
 *     shared secret, 32 bytes at least     HS256
 *     RSA public key, 2048 to 8192 bits    RS256
 *     P-256 public key                     ES256
 *     Ed25519 public key                   EdDSA
 *
 * Ownership: a set owns its keys; it does not change while it is used to verify, so threads may share it then.
 * Limits: ORDO_TOKEN_KEYS_MAX keys. Errors: INVALID, FULL, with a sentence that never quotes a secret. */
#ifndef ORDO_TOKEN_KEY_H
#define ORDO_TOKEN_KEY_H

#include "common/buffer.h"
#include "common/error.h"
#include "common/problem.h"

/* A token without `kid` is tried against all keys of its algorithm, some 0.1 ms each: this bounds what it may cost. */
#define ORDO_TOKEN_KEYS_MAX 32
#define ORDO_TOKEN_SECRET_SIZE_MIN 32 /* RFC 7518, section 3.2: as long as the hash */
#define ORDO_TOKEN_KID_SIZE_MAX 256

enum ordo_token_alg { ORDO_TOKEN_HS256, ORDO_TOKEN_RS256, ORDO_TOKEN_ES256, ORDO_TOKEN_EDDSA };

/* As a token's header has it; static. */
const char *ordo_token_alg_name(enum ordo_token_alg alg);

struct ordo_token_keys;

struct ordo_token_keys *ordo_token_keys_create(void);
void ordo_token_keys_destroy(struct ordo_token_keys *keys); /* NULL is fine; secrets are wiped */
size_t ordo_token_keys_count(const struct ordo_token_keys *keys);
/* Whether the set holds the key that a token was accepted with (struct ordo_token). */
bool ordo_token_keys_have(const struct ordo_token_keys *keys, uint64_t fingerprint);

/* The secret is all of `file`, but for the newline at the end of a file that is text. */
ORDO_MUST_USE ordo_err ordo_token_keys_add_secret(struct ordo_token_keys *keys, struct ordo_slice file,
                                                  struct ordo_problem *problem);
/* One public key in PEM ("BEGIN PUBLIC KEY"). A private one is refused: a gateway should not have it. */
ORDO_MUST_USE ordo_err ordo_token_keys_add_pem(struct ordo_token_keys *keys, struct ordo_slice file,
                                               struct ordo_problem *problem);
/* A JSON Web Key Set (RFC 7517). Keys of other kinds, uses or algorithms are left out; one of ours that is broken or too
 * weak refuses the whole file, and so does a set without any of ours. `kid`s count. */
ORDO_MUST_USE ordo_err ordo_token_keys_add_jwks(struct ordo_token_keys *keys, struct ordo_slice file,
                                                struct ordo_problem *problem);

#endif
