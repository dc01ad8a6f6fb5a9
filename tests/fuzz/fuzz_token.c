/* Whatever somebody shows as a token, and whatever a file of keys holds: reading it ends and stays in bounds, nobody gets in
 * without a signature, and what gets in has a name and an end. The first byte says which door the rest comes in by. */
#include <stdlib.h>

#include "common/limits.h"
#include "common/token/sign.h"
#include "common/token/token.h"

enum { DOORS = 4, FILE_SIZE_MAX = 1 << 16 };

#define NOW_MS UINT64_C(1700000000000)
#define SECRET "a secret that no input can know, 0123456789"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) abort();
}

static const struct ordo_token_policy policy = {.leeway_ms = 1000};
static struct ordo_token_keys *keys;
static struct ordo_token_signer *signer;

static void set_up(void) {
    static const char p256[] = "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\","
                               "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                               "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"; /* RFC 7515, appendix A.3 */
    struct ordo_problem problem;
    keys = ordo_token_keys_create();
    check(ordo_token_keys_add_secret(keys, ordo_slice_of(SECRET), &problem) == ORDO_OK);
    check(ordo_token_keys_add_jwks(keys, ordo_slice_of(p256), &problem) == ORDO_OK);
    check(ordo_token_signer_create(ordo_slice_of(SECRET), &signer, &problem) == ORDO_OK);
}

static void show_token(struct ordo_slice text) {
    struct ordo_token token;
    check(ordo_token_verify(keys, &policy, text, NOW_MS, &token) != ORDO_TOKEN_FINE);
}

/* Claims of anybody who has the secret. */
static void show_claims(struct ordo_slice claims) {
    struct ordo_buffer text = {0};
    struct ordo_token token;
    ordo_token_sign(signer, ordo_slice(NULL, 0), claims, &text);
    if (ordo_token_verify(keys, &policy, ordo_buffer_slice(&text), NOW_MS, &token) == ORDO_TOKEN_FINE) {
        check(token.user.size > 0 && token.user.size <= ORDO_USER_SIZE_MAX && token.expires_ms > NOW_MS);
        check(token.id.size <= ORDO_TOKEN_ID_SIZE_MAX);
        struct ordo_slice name = claims.size > ORDO_NAME_SIZE_MAX ? ordo_slice(claims.data, ORDO_NAME_SIZE_MAX) : claims;
        check(ordo_rights_for(&token.rights, name, ordo_slice_of("x")) <= ORDO_ACCESS_ADMIN);
        ordo_token_finish(&token);
    }
    ordo_buffer_finish(&text);
}

static void read_keys(struct ordo_slice file, bool is_pem) {
    struct ordo_token_keys *set = ordo_token_keys_create();
    struct ordo_problem problem;
    ordo_err err = is_pem ? ordo_token_keys_add_pem(set, file, &problem) : ordo_token_keys_add_jwks(set, file, &problem);
    check(err || ordo_token_keys_count(set) > 0);
    check(ordo_token_keys_count(set) <= ORDO_TOKEN_KEYS_MAX);
    ordo_token_keys_destroy(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (keys == NULL) set_up();
    if (size == 0 || size > FILE_SIZE_MAX) return 0;
    struct ordo_slice rest = ordo_slice(data + 1, size - 1);
    switch (data[0] % DOORS) {
    case 0: show_token(rest); break;
    case 1: show_claims(rest); break;
    case 2: read_keys(rest, false); break;
    default: read_keys(rest, true); break;
    }
    return 0;
}
