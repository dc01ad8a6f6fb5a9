#include "common/token/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/hash.h"
#include "common/memory.h"
#include "common/token/key_impl.h"

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192, GROUP_NAME_SIZE = 64 };

const char *ordo_token_alg_name(enum ordo_token_alg alg) {
    switch (alg) {
    case ORDO_TOKEN_HS256: return "HS256";
    case ORDO_TOKEN_RS256: return "RS256";
    case ORDO_TOKEN_ES256: return "ES256";
    case ORDO_TOKEN_EDDSA: return "EdDSA";
    }
    ORDO_ASSERT(false);
    return NULL;
}

struct ordo_token_keys *ordo_token_keys_create(void) { return ordo_alloc(sizeof(struct ordo_token_keys)); }

void ordo_token_keys_destroy(struct ordo_token_keys *keys) {
    if (keys == NULL) return;
    for (size_t i = 0; i < keys->count; i++) {
        struct ordo_token_key *key = &keys->items[i];
        if (key->secret.size > 0) OPENSSL_cleanse(key->secret.data, key->secret.size);
        ordo_buffer_finish(&key->secret);
        ordo_buffer_finish(&key->kid);
        EVP_PKEY_free(key->key);
    }
    free(keys);
}

size_t ordo_token_keys_count(const struct ordo_token_keys *keys) { return keys->count; }

bool ordo_token_keys_have(const struct ordo_token_keys *keys, uint64_t fingerprint) {
    for (size_t i = 0; i < keys->count; i++) {
        if (keys->items[i].fingerprint == fingerprint) return true;
    }
    return false;
}

/* ---- adding */

static ordo_err find_room(struct ordo_token_keys *keys, struct ordo_slice kid, struct ordo_problem *problem) {
    if (keys->count == ORDO_TOKEN_KEYS_MAX) {
        ordo_problem_set(problem, "There are more than %d keys.", ORDO_TOKEN_KEYS_MAX);
        return ORDO_ERR_FULL;
    }
    if (kid.size <= ORDO_TOKEN_KID_SIZE_MAX) return ORDO_OK;
    ordo_problem_set(problem, "A kid is longer than %d bytes.", ORDO_TOKEN_KID_SIZE_MAX);
    return ORDO_ERR_INVALID;
}

static void add(struct ordo_token_keys *keys, struct ordo_token_key key, struct ordo_slice kid,
                struct ordo_slice key_bytes) {
    key.fingerprint = ordo_hash_with((uint64_t)key.alg, key_bytes);
    ordo_buffer_append_slice(&key.kid, kid);
    keys->items[keys->count++] = key;
}

struct ordo_slice ordo_token_secret_of_file(struct ordo_slice file) {
    bool is_text = true;
    for (size_t i = 0; i < file.size; i++) {
        uint8_t c = file.data[i];
        if ((c < ' ' && c != '\n' && c != '\r' && c != '\t') || c >= 0x7f) is_text = false;
    }
    if (is_text && file.size > 0 && file.data[file.size - 1] == '\n') file.size--;
    if (is_text && file.size > 0 && file.data[file.size - 1] == '\r') file.size--;
    return file;
}

bool ordo_token_file_says(struct ordo_slice file, const char *words) {
    size_t size = strlen(words);
    for (size_t i = 0; i + size <= file.size; i++) {
        if (memcmp(file.data + i, words, size) == 0) return true;
    }
    return false;
}

ordo_err ordo_token_keys_add_raw(struct ordo_token_keys *keys, struct ordo_slice secret, struct ordo_slice kid,
                                 struct ordo_problem *problem) {
    ordo_err err = find_room(keys, kid, problem);
    if (err) return err;
    if (secret.size < ORDO_TOKEN_SECRET_SIZE_MIN) {
        ordo_problem_set(problem, "A secret for HS256 needs %d bytes at least, and this one has %zu.",
                         ORDO_TOKEN_SECRET_SIZE_MIN, secret.size);
        return ORDO_ERR_INVALID;
    }
    struct ordo_token_key key = {.alg = ORDO_TOKEN_HS256};
    ordo_buffer_append_slice(&key.secret, secret);
    add(keys, key, kid, secret);
    return ORDO_OK;
}

ordo_err ordo_token_keys_add_secret(struct ordo_token_keys *keys, struct ordo_slice file,
                                    struct ordo_problem *problem) {
    if (ordo_token_file_says(file, "-----BEGIN ")) { /* as a secret everybody could know it */
        ordo_problem_set(problem, "This is a key in PEM and no secret.");
        return ORDO_ERR_INVALID;
    }
    return ordo_token_keys_add_raw(keys, ordo_token_secret_of_file(file), ordo_slice(NULL, 0), problem);
}

int ordo_token_no_passphrase(char *out, int size, int is_for_writing, void *user) {
    (void)out;
    (void)size;
    (void)is_for_writing;
    (void)user;
    return 0;
}

ordo_err ordo_token_keys_add_pem(struct ordo_token_keys *keys, struct ordo_slice file, struct ordo_problem *problem) {
    if (ordo_token_file_says(file, "PRIVATE KEY-----")) {
        ordo_problem_set(problem, "This is a private key, which should not be here: `openssl pkey -in FILE -pubout` "
                                  "prints the public one.");
        return ORDO_ERR_INVALID;
    }
    if (file.size > INT32_MAX) return ORDO_ERR_TOO_LARGE;
    BIO *bio = BIO_new_mem_buf(file.size > 0 ? (const void *)file.data : "", (int)file.size);
    ORDO_ASSERT(bio != NULL);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, ordo_token_no_passphrase, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (key != NULL) return ordo_token_keys_add_pkey(keys, key, ordo_slice(NULL, 0), problem);
    ordo_problem_set(problem, "This is no public key in PEM (\"-----BEGIN PUBLIC KEY-----\").");
    return ORDO_ERR_INVALID;
}

/* ---- kinds and strength */

/* With an exponent of 1 every number is a signature of itself. */
static bool has_sound_exponent(EVP_PKEY *key) {
    BIGNUM *exponent = NULL;
    bool is_sound = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1 && BN_is_odd(exponent) &&
                    !BN_is_one(exponent) && BN_num_bits(exponent) <= 64;
    BN_free(exponent);
    return is_sound;
}

static const char *fault_of_rsa(EVP_PKEY *key) {
    int bits = EVP_PKEY_get_bits(key);
    if (bits < RSA_BITS_MIN) return "An RSA key needs 2048 bits at least.";
    if (bits > RSA_BITS_MAX) return "An RSA key of more than 8192 bits is not taken: each check would take long.";
    return has_sound_exponent(key) ? NULL : "An RSA key has a public exponent that nobody should use.";
}

static const char *fault_of_ec(EVP_PKEY *key) {
    char group[GROUP_NAME_SIZE] = "";
    if (EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 || strcmp(group, "prime256v1") != 0)
        return "Of elliptic curves P-256 (ES256) and Ed25519 (EdDSA) are known here, and this is another.";
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    ORDO_ASSERT(context != NULL);
    bool is_point = EVP_PKEY_public_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    return is_point ? NULL : "A P-256 key is no point of its curve.";
}

ordo_err ordo_token_alg_of_pkey(EVP_PKEY *key, enum ordo_token_alg *out, struct ordo_problem *problem) {
    const char *fault;
    if (EVP_PKEY_is_a(key, "RSA")) {
        *out = ORDO_TOKEN_RS256;
        fault = fault_of_rsa(key);
    } else if (EVP_PKEY_is_a(key, "EC")) {
        *out = ORDO_TOKEN_ES256;
        fault = fault_of_ec(key);
    } else if (EVP_PKEY_is_a(key, "ED25519")) {
        *out = ORDO_TOKEN_EDDSA;
        fault = NULL;
    } else {
        fault = "This kind of key is not known here: RSA, P-256 and Ed25519 are.";
    }
    ERR_clear_error();
    if (fault == NULL) return ORDO_OK;
    ordo_problem_set(problem, "%s", fault);
    return ORDO_ERR_INVALID;
}

ordo_err ordo_token_keys_add_pkey(struct ordo_token_keys *keys, EVP_PKEY *pkey, struct ordo_slice kid,
                                  struct ordo_problem *problem) {
    struct ordo_token_key key = {.key = pkey};
    uint8_t *encoded = NULL;
    ordo_err err = find_room(keys, kid, problem);
    if (!err) err = ordo_token_alg_of_pkey(pkey, &key.alg, problem);
    if (err) {
        EVP_PKEY_free(pkey);
        return err;
    }
    int size = i2d_PUBKEY(pkey, &encoded);
    ORDO_ASSERT(size > 0);
    add(keys, key, kid, ordo_slice(encoded, (size_t)size));
    OPENSSL_free(encoded);
    return ORDO_OK;
}
