/* common/revocation.h: tokens that are worth nothing any more although they have not expired. */
#ifndef ORDO_COMMON_REVOCATION_H
#define ORDO_COMMON_REVOCATION_H

#include "common/limits.h"
#include "common/slice.h"

#define ORDO_REVOCATION_NAME_SIZE_MAX ORDO_USER_SIZE_MAX
/* Everybody who reads the directory decodes all of them, whenever anything in it changes. */
#define ORDO_REVOCATIONS_MAX 1000

struct ordo_revocation {
    bool is_token;       /* one token, by its `jti`; else a user's tokens, those issued up to `at_ms` */
    uint8_t name_size;   /* 1..ORDO_REVOCATION_NAME_SIZE_MAX */
    uint8_t name[ORDO_REVOCATION_NAME_SIZE_MAX];
    uint64_t at_ms;      /* wall clock, since 1970, of whoever revoked */
    uint64_t until_ms;   /* it is in force before this; UINT64_MAX: until it is taken back */
};

struct ordo_revocations {
    const struct ordo_revocation *items;
    size_t count;
};

static inline struct ordo_slice ordo_revocation_name(const struct ordo_revocation *revocation) {
    return ordo_slice(revocation->name, revocation->name_size);
}
/* First users, then tokens, each by name: <0, 0, >0. */
static inline int ordo_revocation_compare(bool is_token, struct ordo_slice name, const struct ordo_revocation *other) {
    if (is_token != other->is_token) return is_token ? 1 : -1;
    return ordo_slice_compare(name, ordo_revocation_name(other));
}

#endif
