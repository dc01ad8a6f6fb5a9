#include "common/token/token.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>

#include "common/assert.h"
#include "common/base64.h"
#include "common/token/key_impl.h"
#include "common/token/token_impl.h"

enum { HASH_SIZE = 32, P256_HALF = 32, P256_DER_SIZE_MAX = 80 };

void ordo_token_finish(struct ordo_token *token) {
    ordo_buffer_finish(&token->user);
    ordo_buffer_finish(&token->id);
    ordo_rights_finish(&token->rights);
    *token = (struct ordo_token){0};
}

/* ---- the three parts */

struct parts {
    struct ordo_slice signed_text;            /* header and payload, as they stand in the token */
    struct ordo_buffer header, payload, signature; /* decoded */
};

static void parts_finish(struct parts *parts) {
    ordo_buffer_finish(&parts->header);
    ordo_buffer_finish(&parts->payload);
    ordo_buffer_finish(&parts->signature);
}

/* The part in front of the next dot, or all of it; the rest stays in `text`. False: it is no base64url. */
static bool take_part(struct ordo_slice *text, bool is_last, struct ordo_buffer *out) {
    const uint8_t *dot = text->size > 0 ? memchr(text->data, '.', text->size) : NULL;
    if ((dot == NULL) != is_last) return false;
    size_t size = dot != NULL ? (size_t)(dot - text->data) : text->size;
    if (size == 0 || !ordo_base64url_decode(out, ordo_slice(text->data, size))) return false;
    if (dot != NULL) *text = ordo_slice(dot + 1, text->size - size - 1);
    return true;
}

static bool take_parts(struct ordo_slice text, struct parts *out) {
    struct ordo_slice rest = text;
    if (!take_part(&rest, false, &out->header) || !take_part(&rest, false, &out->payload)) return false;
    out->signed_text = ordo_slice(text.data, text.size - rest.size - 1);
    return take_part(&rest, true, &out->signature);
}

/* ---- signatures: false unless the key made it */

static bool hs256_is_good(const struct ordo_token_key *key, const struct parts *parts) {
    uint8_t mac[HASH_SIZE];
    unsigned size = 0;
    bool is_made = HMAC(EVP_sha256(), key->secret.data, (int)key->secret.size, parts->signed_text.data,
                        parts->signed_text.size, mac, &size) != NULL;
    return is_made && size == HASH_SIZE && parts->signature.size == HASH_SIZE &&
           CRYPTO_memcmp(mac, parts->signature.data, HASH_SIZE) == 0;
}

static bool digest_is_good(const struct ordo_token_key *key, const EVP_MD *hash, struct ordo_slice signature,
                           struct ordo_slice text) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ORDO_ASSERT(context != NULL);
    bool is_good = EVP_DigestVerifyInit(context, NULL, hash, NULL, key->key) == 1 &&
                   EVP_DigestVerify(context, signature.data, signature.size, text.data, text.size) == 1;
    EVP_MD_CTX_free(context);
    return is_good;
}

/* A token has the two numbers side by side, OpenSSL wants them in DER. */
static bool es256_is_good(const struct ordo_token_key *key, const struct parts *parts) {
    uint8_t der[P256_DER_SIZE_MAX], *end = der;
    if (parts->signature.size != 2 * P256_HALF) return false;
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(parts->signature.data, P256_HALF, NULL);
    BIGNUM *s = BN_bin2bn(parts->signature.data + P256_HALF, P256_HALF, NULL);
    ORDO_ASSERT(signature != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(signature, r, s) == 1);
    int size = i2d_ECDSA_SIG(signature, NULL);
    bool fits = size > 0 && size <= P256_DER_SIZE_MAX && i2d_ECDSA_SIG(signature, &end) == size;
    ECDSA_SIG_free(signature);
    return fits && digest_is_good(key, EVP_sha256(), ordo_slice(der, (size_t)size), parts->signed_text);
}

static bool key_made_it(const struct ordo_token_key *key, const struct parts *parts) {
    struct ordo_slice signature = ordo_buffer_slice(&parts->signature);
    switch (key->alg) {
    case ORDO_TOKEN_HS256: return hs256_is_good(key, parts);
    case ORDO_TOKEN_RS256: return digest_is_good(key, EVP_sha256(), signature, parts->signed_text);
    case ORDO_TOKEN_ES256: return es256_is_good(key, parts);
    case ORDO_TOKEN_EDDSA: return digest_is_good(key, NULL, signature, parts->signed_text);
    }
    ORDO_ASSERT(false);
    return false;
}

/* ---- which key */

static bool has_kid(const struct ordo_token_key *key, struct ordo_slice kid) {
    return ordo_slice_equal(ordo_buffer_slice(&key->kid), kid);
}

/* The key that made it; NULL: none of these. A `kid` that the set knows names the only keys that are tried, one that it
 * does not know leaves those without a name. */
static const struct ordo_token_key *find_maker(const struct ordo_token_keys *keys, const char *alg,
                                               const struct ordo_slice *kid, const struct parts *parts) {
    bool is_known = false;
    const struct ordo_token_key *maker = NULL;
    for (size_t i = 0; kid != NULL && i < keys->count; i++) is_known = is_known || has_kid(&keys->items[i], *kid);
    for (size_t i = 0; maker == NULL && i < keys->count; i++) {
        const struct ordo_token_key *key = &keys->items[i];
        bool is_meant = kid == NULL || (is_known ? has_kid(key, *kid) : key->kid.size == 0);
        if (is_meant && strcmp(alg, ordo_token_alg_name(key->alg)) == 0 && key_made_it(key, parts)) maker = key;
    }
    ERR_clear_error(); /* or whoever uses OpenSSL next on this thread takes it for its own */
    return maker;
}

static enum ordo_token_fault check_signature(const struct ordo_token_keys *keys, const struct parts *parts,
                                             uint64_t *key_out) {
    json_t *header = json_loadb((const char *)parts->header.data, parts->header.size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *alg = json_object_get(header, "alg"), *kid = json_object_get(header, "kid");
    enum ordo_token_fault fault = ORDO_TOKEN_FINE;
    if (!json_is_string(alg) || (kid != NULL && !json_is_string(kid))) {
        fault = ORDO_TOKEN_NOT_A_TOKEN;
    } else if (json_object_get(header, "crit") != NULL) {
        fault = ORDO_TOKEN_CRITICAL;
    } else {
        struct ordo_slice name = ordo_slice(json_string_value(kid), json_string_length(kid));
        const struct ordo_token_key *maker =
            find_maker(keys, json_string_value(alg), name.size > 0 ? &name : NULL, parts);
        if (maker == NULL) fault = ORDO_TOKEN_KEY;
        else *key_out = maker->fingerprint;
    }
    json_decref(header);
    return fault;
}

/* ---- all together */

enum ordo_token_fault ordo_token_verify(const struct ordo_token_keys *keys, const struct ordo_token_policy *policy,
                                        struct ordo_slice text, uint64_t now_ms, struct ordo_token *out) {
    struct parts parts = {0};
    struct ordo_token token = {0};
    if (text.size == 0) return ORDO_TOKEN_MISSING;
    if (text.size > ORDO_TOKEN_SIZE_MAX) return ORDO_TOKEN_TOO_LARGE;
    enum ordo_token_fault fault =
        take_parts(text, &parts) ? check_signature(keys, &parts, &token.key) : ORDO_TOKEN_NOT_A_TOKEN;
    if (fault == ORDO_TOKEN_FINE)
        fault = ordo_token_read_claims(policy, ordo_buffer_slice(&parts.payload), now_ms, &token);
    parts_finish(&parts);
    if (fault == ORDO_TOKEN_FINE) *out = token;
    else ordo_token_finish(&token);
    return fault;
}
