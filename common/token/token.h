/* common/token/token.h: a JSON Web Token (RFC 7519, signed as RFC 7515 says in its compact form): what it says, once a key
 * is known to have made it. docs/security.md has the claims.
 *
 * Nothing of a token is believed, and its claims are not even parsed, before its signature was checked. Pure: keys and
 * time are handed in. Threads: any. Limits: ORDO_TOKEN_SIZE_MAX. */
#ifndef ORDO_TOKEN_TOKEN_H
#define ORDO_TOKEN_TOKEN_H

#include "common/token/key.h"
#include "common/token/rights.h"

/* Some hundred rules; a header of this size passes most proxies. A cookie holds 4 KiB in most browsers. */
#define ORDO_TOKEN_SIZE_MAX 8192
#define ORDO_TOKEN_ID_SIZE_MAX 128 /* `jti` */

struct ordo_token_policy {
    struct ordo_slice issuer;   /* `iss` must be this; empty: it is not looked at */
    struct ordo_slice audience; /* `aud` must name this; empty: there must be no `aud` */
    uint64_t leeway_ms;         /* by which the issuer's clock may differ from ours */
};

struct ordo_token {
    struct ordo_buffer user;   /* `sub`: 1 to ORDO_USER_SIZE_MAX bytes of UTF-8 without control characters */
    struct ordo_buffer id;     /* `jti`; empty: it has none */
    uint64_t issued_ms;        /* `iat`, since 1970; 0: it does not say */
    uint64_t expires_ms;       /* `exp` and the leeway: from then on it is worth nothing. UINT64_MAX: never */
    uint64_t key;              /* fingerprint of the key that made it */
    struct ordo_rights rights; /* `docs` */
};

void ordo_token_finish(struct ordo_token *token); /* leaves an empty one */

/* clang-format off */
#define ORDO_TOKEN_FAULTS(X)                                                                                            \
    X(MISSING, "this server asks for a token, and none came")                                                           \
    X(TOO_LARGE, "the token is larger than 8192 bytes")                                                                 \
    X(NOT_A_TOKEN, "the token is not a signed JWT (three parts in base64url, JSON without duplicates)")                 \
    X(CRITICAL, "the token's header asks for what is not known here (crit)")                                            \
    X(KEY, "no key of this server made the token's signature")                                                          \
    X(CLAIMS, "the token's claims do not read (sub, exp, docs and what they may hold)")                                 \
    X(EXPIRED, "the token has expired")                                                                                 \
    X(NOT_YET, "the token is not valid yet")                                                                            \
    X(ISSUER, "the token is by another issuer")                                                                         \
    X(AUDIENCE, "the token is meant for another audience")                                                              \
    X(REVOKED, "the token was revoked")
/* clang-format on */

enum ordo_token_fault {
    ORDO_TOKEN_FINE = 0,
#define X(name, text) ORDO_TOKEN_##name,
    ORDO_TOKEN_FAULTS(X)
#undef X
};

/* A static sentence without a full stop; at most 100 bytes. */
const char *ordo_token_fault_text(enum ordo_token_fault fault);

/* FINE: `out` is filled, the caller finishes it. Else nothing is written. `now_ms` is since 1970. */
ORDO_MUST_USE enum ordo_token_fault ordo_token_verify(const struct ordo_token_keys *keys,
                                                      const struct ordo_token_policy *policy, struct ordo_slice text,
                                                      uint64_t now_ms, struct ordo_token *out);

#endif
