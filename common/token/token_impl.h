/* common/token/token_impl.h: between token.c and token_claims.c. */
#ifndef ORDO_TOKEN_TOKEN_IMPL_H
#define ORDO_TOKEN_TOKEN_IMPL_H

#include "common/token/token.h"

/* Reads the payload of a token whose signature is good. Anything but FINE leaves `out` to be finished by the caller. */
enum ordo_token_fault ordo_token_read_claims(const struct ordo_token_policy *policy, struct ordo_slice json,
                                             uint64_t now_ms, struct ordo_token *out);

#endif
