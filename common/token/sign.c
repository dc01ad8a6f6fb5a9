#include "common/token/sign.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/base64.h"
#include "common/memory.h"
#include "common/token/key_impl.h"

enum { HASH_SIZE = 32, P256_HALF = 32, SIGNATURE_SIZE_MAX = 1024 };

struct ordo_token_signer {
    enum ordo_token_alg alg;
    struct ordo_buffer secret;
    EVP_PKEY *key;
};

void ordo_token_signer_destroy(struct ordo_token_signer *signer) {
    if (signer == NULL) return;
    if (signer->secret.size > 0) OPENSSL_cleanse(signer->secret.data, signer->secret.size);
    ordo_buffer_finish(&signer->secret);
    EVP_PKEY_free(signer->key);
    free(signer);
}

enum ordo_token_alg ordo_token_signer_alg(const struct ordo_token_signer *signer) { return signer->alg; }

/* ---- loading */

static ordo_err load_secret(struct ordo_token_signer *signer, struct ordo_slice file, struct ordo_problem *problem) {
    struct ordo_slice secret = ordo_token_secret_of_file(file);
    signer->alg = ORDO_TOKEN_HS256;
    ordo_buffer_append_slice(&signer->secret, secret);
    if (secret.size >= ORDO_TOKEN_SECRET_SIZE_MIN) return ORDO_OK;
    ordo_problem_set(problem, "A secret for HS256 needs %d bytes at least, and this one has %zu.",
                     ORDO_TOKEN_SECRET_SIZE_MIN, secret.size);
    return ORDO_ERR_INVALID;
}

static ordo_err load_pem(struct ordo_token_signer *signer, struct ordo_slice file, struct ordo_problem *problem) {
    BIO *bio = BIO_new_mem_buf(file.size > 0 ? (const void *)file.data : "", (int)file.size);
    ORDO_ASSERT(bio != NULL);
    signer->key = PEM_read_bio_PrivateKey(bio, NULL, ordo_token_no_passphrase, NULL);
    BIO_free(bio);
    ERR_clear_error();
    if (signer->key != NULL) return ordo_token_alg_of_pkey(signer->key, &signer->alg, problem);
    ordo_problem_set(problem, "This is no private key in PEM, or one with a passphrase.");
    return ORDO_ERR_INVALID;
}

ordo_err ordo_token_signer_create(struct ordo_slice file, struct ordo_token_signer **out, struct ordo_problem *problem) {
    struct ordo_token_signer *signer = ordo_alloc(sizeof *signer);
    bool is_pem = ordo_token_file_says(file, "-----BEGIN ") && file.size <= INT32_MAX;
    ordo_err err = is_pem ? load_pem(signer, file, problem) : load_secret(signer, file, problem);
    if (err) ordo_token_signer_destroy(signer);
    else *out = signer;
    return err;
}

/* ---- signing */

static size_t sign_hs256(const struct ordo_token_signer *signer, struct ordo_slice text, uint8_t *out) {
    unsigned size = 0;
    ORDO_ASSERT(HMAC(EVP_sha256(), signer->secret.data, (int)signer->secret.size, text.data, text.size, out, &size) != NULL);
    return size;
}

static size_t sign_digest(const struct ordo_token_signer *signer, struct ordo_slice text, uint8_t *out) {
    size_t size = SIGNATURE_SIZE_MAX;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const EVP_MD *hash = signer->alg == ORDO_TOKEN_EDDSA ? NULL : EVP_sha256();
    ORDO_ASSERT(context != NULL && EVP_DigestSignInit(context, NULL, hash, NULL, signer->key) == 1);
    ORDO_ASSERT(EVP_DigestSign(context, out, &size, text.data, text.size) == 1);
    EVP_MD_CTX_free(context);
    return size;
}

/* From DER to the two numbers side by side. */
static size_t flatten_es256(uint8_t *signature, size_t size) {
    const uint8_t *der = signature;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)size);
    ORDO_ASSERT(pair != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, P256_HALF) == P256_HALF &&
                BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + P256_HALF, P256_HALF) == P256_HALF);
    ECDSA_SIG_free(pair);
    return 2 * P256_HALF;
}

static void append_text(struct ordo_buffer *out, const char *text) { ordo_buffer_append(out, text, strlen(text)); }

static void append_header(const struct ordo_token_signer *signer, struct ordo_slice kid, struct ordo_buffer *out) {
    append_text(out, "{\"alg\":\"");
    append_text(out, ordo_token_alg_name(signer->alg));
    append_text(out, "\",\"typ\":\"JWT\"");
    if (kid.size > 0) {
        append_text(out, ",\"kid\":\"");
        ordo_buffer_append_slice(out, kid);
        append_text(out, "\"");
    }
    append_text(out, "}");
}

void ordo_token_sign(const struct ordo_token_signer *signer, struct ordo_slice kid, struct ordo_slice claims,
                     struct ordo_buffer *out) {
    struct ordo_buffer header = {0};
    uint8_t signature[SIGNATURE_SIZE_MAX];
    size_t begin = out->size;
    append_header(signer, kid, &header);
    ordo_base64url_encode(out, ordo_buffer_slice(&header));
    append_text(out, ".");
    ordo_base64url_encode(out, claims);
    ordo_buffer_finish(&header);
    struct ordo_slice text = ordo_slice(out->data + begin, out->size - begin);
    size_t size = signer->alg == ORDO_TOKEN_HS256 ? sign_hs256(signer, text, signature) : sign_digest(signer, text, signature);
    if (signer->alg == ORDO_TOKEN_ES256) size = flatten_es256(signature, size);
    append_text(out, ".");
    ordo_base64url_encode(out, ordo_slice(signature, size));
}
