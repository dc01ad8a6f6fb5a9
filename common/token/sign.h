/* common/token/sign.h: making tokens, for `ordo token make` and the tests. (A gateway has no private key.) */
#ifndef ORDO_TOKEN_SIGN_H
#define ORDO_TOKEN_SIGN_H

#include "common/token/key.h"

struct ordo_token_signer;

/* `file` is a private key in PEM (RSA, P-256, Ed25519; no passphrase), or else the secret for HS256, as in key.h: the kind
 * of key is the algorithm. INVALID: neither, or too weak for anybody to accept. */
ORDO_MUST_USE ordo_err ordo_token_signer_create(struct ordo_slice file, struct ordo_token_signer **out,
                                                struct ordo_problem *problem);
void ordo_token_signer_destroy(struct ordo_token_signer *signer); /* NULL is fine */
enum ordo_token_alg ordo_token_signer_alg(const struct ordo_token_signer *signer);
/* Appends the token. `claims` is JSON, taken as it is; `kid` is empty or goes into the header (printable ASCII without
 * quotes and backslashes). */
void ordo_token_sign(const struct ordo_token_signer *signer, struct ordo_slice kid, struct ordo_slice claims,
                     struct ordo_buffer *out);

#endif
