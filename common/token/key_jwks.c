/* JSON Web Key Sets: RFC 7517, with the members of RFC 7518 (RSA, EC, oct) and RFC 8037 (OKP). */
#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "common/assert.h"
#include "common/base64.h"
#include "common/token/key_impl.h"

enum {
    NUMBER_SIZE_MAX = 1025, /* of an RSA modulus of 8192 bits, and a zero byte that some put before it */
    COORDINATE_SIZE = 32,
};

/* The bytes of a member in base64url; false: it is not there, or is something else. */
static bool take_bytes(const json_t *jwk, const char *name, size_t size_max, struct ordo_buffer *out) {
    const json_t *value = json_object_get(jwk, name);
    if (!json_is_string(value)) return false;
    struct ordo_slice text = ordo_slice(json_string_value(value), json_string_length(value));
    return text.size > 0 && text.size / 4 * 3 <= size_max && ordo_base64url_decode(out, text);
}

/* NULL: OpenSSL does not take it for a key. */
static EVP_PKEY *key_of_params(const char *kind, OSSL_PARAM_BLD *builder) {
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
    EVP_PKEY *key = NULL;
    ORDO_ASSERT(params != NULL && context != NULL);
    if (EVP_PKEY_fromdata_init(context) != 1 || EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) key = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    ERR_clear_error();
    return key;
}

static EVP_PKEY *read_rsa(const json_t *jwk) {
    struct ordo_buffer modulus = {0}, exponent = {0};
    EVP_PKEY *key = NULL;
    if (take_bytes(jwk, "n", NUMBER_SIZE_MAX, &modulus) && take_bytes(jwk, "e", sizeof(uint64_t), &exponent)) {
        OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
        BIGNUM *n = BN_bin2bn(modulus.data, (int)modulus.size, NULL), *e = BN_bin2bn(exponent.data, (int)exponent.size, NULL);
        ORDO_ASSERT(builder != NULL && n != NULL && e != NULL);
        if (OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
            OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
            key = key_of_params("RSA", builder);
        OSSL_PARAM_BLD_free(builder);
        BN_free(n);
        BN_free(e);
    }
    ordo_buffer_finish(&modulus);
    ordo_buffer_finish(&exponent);
    return key;
}

static EVP_PKEY *read_p256(const json_t *jwk) {
    struct ordo_buffer x = {0}, y = {0};
    EVP_PKEY *key = NULL;
    bool is_whole = take_bytes(jwk, "x", COORDINATE_SIZE, &x) && take_bytes(jwk, "y", COORDINATE_SIZE, &y) &&
                    x.size == COORDINATE_SIZE && y.size == COORDINATE_SIZE;
    if (is_whole) {
        uint8_t point[1 + 2 * COORDINATE_SIZE] = {POINT_CONVERSION_UNCOMPRESSED};
        memcpy(point + 1, x.data, COORDINATE_SIZE);
        memcpy(point + 1 + COORDINATE_SIZE, y.data, COORDINATE_SIZE);
        OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
        ORDO_ASSERT(builder != NULL);
        if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
            OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) == 1)
            key = key_of_params("EC", builder);
        OSSL_PARAM_BLD_free(builder);
    }
    ordo_buffer_finish(&x);
    ordo_buffer_finish(&y);
    return key;
}

static EVP_PKEY *read_ed25519(const json_t *jwk) {
    struct ordo_buffer x = {0};
    EVP_PKEY *key = NULL;
    if (take_bytes(jwk, "x", COORDINATE_SIZE, &x) && x.size == COORDINATE_SIZE)
        key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x.data, x.size);
    ERR_clear_error();
    ordo_buffer_finish(&x);
    return key;
}

static bool member_is(const json_t *jwk, const char *name, const char *wanted) {
    const char *text = json_string_value(json_object_get(jwk, name));
    return text != NULL && strcmp(text, wanted) == 0;
}

/* Absent is as good. */
static bool member_may_be(const json_t *jwk, const char *name, const char *wanted) {
    return json_object_get(jwk, name) == NULL || member_is(jwk, name, wanted);
}

/* Its kind and algorithm; false: none that we know. */
static bool is_ours(const json_t *jwk, enum ordo_token_alg *out) {
    if (member_is(jwk, "kty", "oct")) *out = ORDO_TOKEN_HS256;
    else if (member_is(jwk, "kty", "RSA")) *out = ORDO_TOKEN_RS256;
    else if (member_is(jwk, "kty", "EC") && member_is(jwk, "crv", "P-256")) *out = ORDO_TOKEN_ES256;
    else if (member_is(jwk, "kty", "OKP") && member_is(jwk, "crv", "Ed25519")) *out = ORDO_TOKEN_EDDSA;
    else return false;
    return member_may_be(jwk, "use", "sig") && member_may_be(jwk, "alg", ordo_token_alg_name(*out));
}

static ordo_err add_secret(struct ordo_token_keys *keys, const json_t *jwk, struct ordo_slice kid,
                           struct ordo_problem *problem) {
    struct ordo_buffer secret = {0};
    ordo_err err = ORDO_ERR_INVALID;
    if (take_bytes(jwk, "k", 4096, &secret))
        err = ordo_token_keys_add_raw(keys, ordo_buffer_slice(&secret), kid, problem);
    else ordo_problem_set(problem, "Its \"k\" is not in base64url.");
    if (secret.size > 0) OPENSSL_cleanse(secret.data, secret.size);
    ordo_buffer_finish(&secret);
    return err;
}

static ordo_err add_public(struct ordo_token_keys *keys, const json_t *jwk, enum ordo_token_alg alg,
                           struct ordo_slice kid, struct ordo_problem *problem) {
    if (json_object_get(jwk, "d") != NULL) {
        ordo_problem_set(problem, "It is a private key, which should not be here: leave out \"d\" and what belongs to it.");
        return ORDO_ERR_INVALID;
    }
    EVP_PKEY *key = alg == ORDO_TOKEN_RS256 ? read_rsa(jwk) : alg == ORDO_TOKEN_ES256 ? read_p256(jwk) : read_ed25519(jwk);
    if (key != NULL) return ordo_token_keys_add_pkey(keys, key, kid, problem);
    ordo_problem_set(problem, "Its numbers make no key.");
    return ORDO_ERR_INVALID;
}

/* OK also for a key that is none of ours. */
static ordo_err add_jwk(struct ordo_token_keys *keys, const json_t *jwk, struct ordo_problem *problem) {
    enum ordo_token_alg alg;
    const json_t *kid = json_object_get(jwk, "kid");
    if (!json_is_object(jwk) || (kid != NULL && !json_is_string(kid))) {
        ordo_problem_set(problem, "It is no object, or its kid is no string.");
        return ORDO_ERR_INVALID;
    }
    if (!is_ours(jwk, &alg)) return ORDO_OK;
    struct ordo_slice name = ordo_slice(json_string_value(kid), json_string_length(kid));
    return alg == ORDO_TOKEN_HS256 ? add_secret(keys, jwk, name, problem) : add_public(keys, jwk, alg, name, problem);
}

static ordo_err add_all(struct ordo_token_keys *keys, const json_t *set, struct ordo_problem *problem) {
    const json_t *list = json_object_get(set, "keys");
    size_t before = keys->count;
    if (!json_is_array(list)) {
        ordo_problem_set(problem, "This is no JSON object with a list \"keys\" in it.");
        return ORDO_ERR_INVALID;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct ordo_problem wrong = {{0}};
        ordo_err err = add_jwk(keys, json_array_get(list, i), &wrong);
        if (!err) continue;
        ordo_problem_set(problem, "Key %zu of the set is not taken. %s", i + 1, wrong.text);
        return err;
    }
    if (keys->count > before) return ORDO_OK;
    ordo_problem_set(problem, "The set has no key of a kind that is known here (RSA, P-256, Ed25519, oct).");
    return ORDO_ERR_INVALID;
}

ordo_err ordo_token_keys_add_jwks(struct ordo_token_keys *keys, struct ordo_slice file, struct ordo_problem *problem) {
    json_t *set = json_loadb((const char *)file.data, file.size, JSON_REJECT_DUPLICATES, NULL);
    ordo_err err = add_all(keys, set, problem);
    json_decref(set);
    return err;
}
