/* What it costs to check a token, per algorithm, as one JSON line: microseconds of CPU time per check, the mean of SECONDS
 * each; so a busy machine does not show.
 *
 *   bench_token [SECONDS]
 *
 * The claims are those of an ordinary token: a user, a few rules. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/assert.h"
#include "common/token/sign.h"
#include "common/token/token.h"

#define NOW_MS UINT64_C(1700000000000)
static const char claims[] =
    "{\"sub\":\"alice@example.com\",\"jti\":\"0123456789abcdef\",\"iat\":1700000000,\"exp\":1700003600,\"docs\":["
    "{\"collection\":\"notes\",\"id_prefix\":\"\",\"access\":\"write\"},"
    "{\"collection\":\"team\",\"id\":\"plan\",\"access\":\"read\"}]}";
static const char secret[] = "0123456789abcdef0123456789abcdef";

static struct ordo_buffer pem_of(EVP_PKEY *key, bool is_private) {
    struct ordo_buffer out = {0};
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    ORDO_ASSERT(bio != NULL);
    ORDO_ASSERT((is_private ? PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) : PEM_write_bio_PUBKEY(bio, key)) == 1);
    long size = BIO_get_mem_data(bio, &data);
    ordo_buffer_append(&out, data, (size_t)size);
    BIO_free(bio);
    return out;
}

static uint64_t cpu_ns(void) {
    struct timespec now;
    ORDO_ASSERT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* NULL: the shared secret. */
static double measure(EVP_PKEY *key, double seconds) {
    struct ordo_buffer private_file = {0}, public_file = {0}, text = {0};
    struct ordo_token_keys *keys = ordo_token_keys_create();
    struct ordo_token_signer *signer;
    struct ordo_problem problem;
    if (key == NULL) {
        ordo_buffer_append_slice(&private_file, ordo_slice_of(secret));
        ORDO_ASSERT(ordo_token_keys_add_secret(keys, ordo_slice_of(secret), &problem) == ORDO_OK);
    } else {
        private_file = pem_of(key, true);
        public_file = pem_of(key, false);
        ORDO_ASSERT(ordo_token_keys_add_pem(keys, ordo_buffer_slice(&public_file), &problem) == ORDO_OK);
    }
    ORDO_ASSERT(ordo_token_signer_create(ordo_buffer_slice(&private_file), &signer, &problem) == ORDO_OK);
    ordo_token_sign(signer, ordo_slice(NULL, 0), ordo_slice_of(claims), &text);

    const struct ordo_token_policy policy = {.leeway_ms = 0};
    uint64_t begun_ns = cpu_ns(), elapsed_ns = 0, count = 0;
    while ((double)elapsed_ns < seconds * 1e9) {
        for (int i = 0; i < 50; i++, count++) {
            struct ordo_token token;
            ORDO_ASSERT(ordo_token_verify(keys, &policy, ordo_buffer_slice(&text), NOW_MS, &token) == ORDO_TOKEN_FINE);
            ordo_token_finish(&token);
        }
        elapsed_ns = cpu_ns() - begun_ns;
    }
    ordo_buffer_finish(&private_file);
    ordo_buffer_finish(&public_file);
    ordo_buffer_finish(&text);
    ordo_token_signer_destroy(signer);
    ordo_token_keys_destroy(keys);
    return (double)elapsed_ns / 1e3 / (double)count;
}

int main(int argc, char **argv) {
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    EVP_PKEY *rsa = EVP_RSA_gen(2048u), *p256 = EVP_EC_gen("P-256"), *ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    ORDO_ASSERT(rsa != NULL && p256 != NULL && ed25519 != NULL);
    double hs = measure(NULL, seconds), rs = measure(rsa, seconds), es = measure(p256, seconds), ed = measure(ed25519, seconds);
    printf("{\"HS256_us\": %.1f, \"RS256_us\": %.1f, \"ES256_us\": %.1f, \"EdDSA_us\": %.1f}\n", hs, rs, es, ed);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(ed25519);
    return EXIT_SUCCESS;
}
