/* tests/unit/token_fixture.h: keys made on the spot, and tokens made with them or forged. Tests only. */
#ifndef ORDO_TESTS_TOKEN_FIXTURE_H
#define ORDO_TESTS_TOKEN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include "common/base64.h"
#include "common/token/sign.h"
#include "common/token/token.h"

#define FIXTURE_NOW_MS UINT64_C(1700000000000)
#define FIXTURE_NOW_S UINT64_C(1700000000)

static inline struct ordo_buffer fixture_take_bio(BIO *bio) {
    char *data;
    long size = BIO_get_mem_data(bio, &data);
    struct ordo_buffer out = {0};
    ordo_buffer_append(&out, data, (size_t)size);
    BIO_free(bio);
    return out;
}

static inline struct ordo_buffer fixture_private_pem(EVP_PKEY *key) {
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    return fixture_take_bio(bio);
}

static inline struct ordo_buffer fixture_public_pem(EVP_PKEY *key) {
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    return fixture_take_bio(bio);
}

/* Keys with this one secret: the caller's to destroy. */
static inline struct ordo_token_keys *fixture_keys(const char *secret) {
    struct ordo_token_keys *keys = ordo_token_keys_create();
    struct ordo_problem problem = {{0}};
    assert_int_equal(ordo_token_keys_add_secret(keys, ordo_slice_of(secret), &problem), ORDO_OK);
    return keys;
}

/* Takes the file. */
static inline struct ordo_token_signer *fixture_signer(struct ordo_buffer file) {
    struct ordo_token_signer *signer = NULL;
    struct ordo_problem problem = {{0}};
    if (ordo_token_signer_create(ordo_buffer_slice(&file), &signer, &problem) != ORDO_OK) fail_msg("%s", problem.text);
    ordo_buffer_finish(&file);
    return signer;
}

static inline struct ordo_buffer fixture_sign(const struct ordo_token_signer *signer, const char *kid, const char *claims) {
    struct ordo_buffer token = {0};
    ordo_token_sign(signer, ordo_slice_of(kid), ordo_slice_of(claims), &token);
    return token;
}

/* A token of any header and payload, with any signature. */
static inline struct ordo_buffer fixture_forge(const char *header, const char *claims, struct ordo_slice signature) {
    struct ordo_buffer token = {0};
    ordo_base64url_encode(&token, ordo_slice_of(header));
    ordo_buffer_append(&token, ".", 1);
    ordo_base64url_encode(&token, ordo_slice_of(claims));
    ordo_buffer_append(&token, ".", 1);
    ordo_base64url_encode(&token, signature);
    return token;
}

#endif
