/* Tokens: what each algorithm accepts, and every way that we know to get in without a key. */
#define _GNU_SOURCE /* memrchr */
#include "token_fixture.h"

#include <openssl/hmac.h>
#include <string.h>

#include "common/limits.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define GOOD "{\"sub\":\"alice\",\"exp\":1700000060,\"docs\":[{\"collection\":\"team\",\"id_prefix\":\"\",\"access\":\"write\"}]}"
#define DOCS "\"docs\":[]"

static const struct ordo_token_policy no_policy = {.leeway_ms = 0};
static EVP_PKEY *rsa, *p256, *ed25519;

static int make_keys(void **state) {
    (void)state;
    rsa = EVP_RSA_gen(2048u);
    p256 = EVP_EC_gen("P-256");
    ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return rsa == NULL || p256 == NULL || ed25519 == NULL;
}

static int free_keys(void **state) {
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(ed25519);
    return 0;
}

/* ---- key sets */

static struct ordo_token_keys *secret_keys(void) {
    struct ordo_token_keys *keys = ordo_token_keys_create();
    struct ordo_problem problem;
    assert_int_equal(ordo_token_keys_add_secret(keys, ordo_slice_of(SECRET), &problem), ORDO_OK);
    return keys;
}

static struct ordo_token_keys *public_keys(EVP_PKEY *key) {
    struct ordo_token_keys *keys = ordo_token_keys_create();
    struct ordo_problem problem = {{0}};
    struct ordo_buffer pem = fixture_public_pem(key);
    if (ordo_token_keys_add_pem(keys, ordo_buffer_slice(&pem), &problem) != ORDO_OK) fail_msg("%s", problem.text);
    ordo_buffer_finish(&pem);
    return keys;
}

static struct ordo_token_signer *secret_signer(void) {
    struct ordo_buffer file = {0};
    ordo_buffer_append_slice(&file, ordo_slice_of(SECRET));
    return fixture_signer(file);
}

/* The outcome alone; takes the token. */
static enum ordo_token_fault outcome(const struct ordo_token_keys *keys, const struct ordo_token_policy *policy,
                                     struct ordo_buffer text) {
    struct ordo_token token = {0};
    enum ordo_token_fault fault = ordo_token_verify(keys, policy, ordo_buffer_slice(&text), FIXTURE_NOW_MS, &token);
    ordo_token_finish(&token);
    ordo_buffer_finish(&text);
    return fault;
}

/* With our secret. */
static enum ordo_token_fault outcome_of_claims(const struct ordo_token_policy *policy, const char *claims) {
    struct ordo_token_keys *keys = secret_keys();
    struct ordo_token_signer *signer = secret_signer();
    enum ordo_token_fault fault = outcome(keys, policy, fixture_sign(signer, "", claims));
    ordo_token_signer_destroy(signer);
    ordo_token_keys_destroy(keys);
    return fault;
}
#define ASSERT_CLAIMS(claims, fault) assert_int_equal(outcome_of_claims(&no_policy, claims), ORDO_TOKEN_##fault)

/* ---- algorithms */

static void check_algorithm(const struct ordo_token_keys *keys, const struct ordo_token_signer *signer,
                            const struct ordo_token_keys *other_keys) {
    struct ordo_buffer text = fixture_sign(signer, "", GOOD);
    struct ordo_token token;
    assert_int_equal(ordo_token_verify(keys, &no_policy, ordo_buffer_slice(&text), FIXTURE_NOW_MS, &token), ORDO_TOKEN_FINE);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&token.user), ordo_slice_of("alice")));
    assert_int_equal(token.expires_ms, UINT64_C(1700000060000));
    assert_true(ordo_token_keys_have(keys, token.key));
    assert_false(ordo_token_keys_have(other_keys, token.key));
    assert_int_equal(ordo_rights_for(&token.rights, ordo_slice_of("team"), ordo_slice_of("x")), ORDO_ACCESS_WRITE);
    ordo_token_finish(&token);
    assert_int_equal(ordo_token_verify(other_keys, &no_policy, ordo_buffer_slice(&text), FIXTURE_NOW_MS, &token),
                     ORDO_TOKEN_KEY);
    /* Any other byte of it, anywhere, and it is none. */
    for (size_t i = 0; i < text.size; i += 7) {
        uint8_t was = text.data[i];
        text.data[i] = was == 'A' ? 'B' : 'A';
        assert_int_not_equal(
            ordo_token_verify(keys, &no_policy, ordo_buffer_slice(&text), FIXTURE_NOW_MS, &token), ORDO_TOKEN_FINE);
        text.data[i] = was;
    }
    ordo_buffer_finish(&text);
}

static void check_pair(EVP_PKEY *key, EVP_PKEY *other, enum ordo_token_alg alg) {
    struct ordo_token_keys *keys = public_keys(key), *other_keys = public_keys(other);
    struct ordo_token_signer *signer = fixture_signer(fixture_private_pem(key));
    assert_int_equal(ordo_token_signer_alg(signer), alg);
    check_algorithm(keys, signer, other_keys);
    ordo_token_signer_destroy(signer);
    ordo_token_keys_destroy(keys);
    ordo_token_keys_destroy(other_keys);
}

static void a_token_is_good_for_the_key_that_made_it_alone(void **state) {
    (void)state;
    EVP_PKEY *other_p256 = EVP_EC_gen("P-256"), *other_ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    struct ordo_token_keys *keys = secret_keys(), *other = ordo_token_keys_create();
    struct ordo_token_signer *signer = secret_signer();
    struct ordo_problem problem;
    assert_int_equal(ordo_token_keys_add_secret(other, ordo_slice_of(SECRET "x"), &problem), ORDO_OK);
    assert_int_equal(ordo_token_signer_alg(signer), ORDO_TOKEN_HS256);
    check_algorithm(keys, signer, other);
    check_pair(rsa, p256, ORDO_TOKEN_RS256);
    check_pair(p256, other_p256, ORDO_TOKEN_ES256);
    check_pair(ed25519, other_ed, ORDO_TOKEN_EDDSA);
    ordo_token_signer_destroy(signer);
    ordo_token_keys_destroy(keys);
    ordo_token_keys_destroy(other);
    EVP_PKEY_free(other_p256);
    EVP_PKEY_free(other_ed);
}

/* RFC 7515, appendix A.1: not made by our own code. */
static void a_token_of_the_standard_is_verified(void **state) {
    (void)state;
    static const char text[] =
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
        "LmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    static const char jwks[] =
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1"
        "Z9CAow\"}]}";
    struct ordo_token_keys *keys = ordo_token_keys_create();
    struct ordo_problem problem = {{0}};
    struct ordo_token token;
    assert_int_equal(ordo_token_keys_add_jwks(keys, ordo_slice_of(jwks), &problem), ORDO_OK);
    assert_int_equal(ordo_token_verify(keys, &no_policy, ordo_slice_of(text), FIXTURE_NOW_MS, &token), ORDO_TOKEN_EXPIRED);
    assert_int_equal(ordo_token_verify(keys, &no_policy, ordo_slice_of(text), UINT64_C(1300819379999), &token),
                     ORDO_TOKEN_CLAIMS); /* it names no user */
    ordo_token_keys_destroy(keys);
}

/* ---- forgeries */

static void a_token_that_names_no_algorithm_is_refused(void **state) {
    (void)state;
    static const char *const headers[] = {"{\"alg\":\"none\"}", "{\"alg\":\"None\"}", "{\"alg\":\"NONE\"}", "{\"alg\":\"\"}",
                                          "{\"alg\":\"HS512\"}", "{\"alg\":\"hs256\"}"};
    struct ordo_token_keys *keys = secret_keys();
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        assert_int_equal(outcome(keys, &no_policy, fixture_forge(headers[i], GOOD, ordo_slice(NULL, 0))),
                         ORDO_TOKEN_NOT_A_TOKEN); /* no signature at all */
        assert_int_equal(outcome(keys, &no_policy, fixture_forge(headers[i], GOOD, ordo_slice_of("x"))), ORDO_TOKEN_KEY);
    }
    assert_int_equal(outcome(keys, &no_policy, fixture_forge("{}", GOOD, ordo_slice_of("x"))), ORDO_TOKEN_NOT_A_TOKEN);
    assert_int_equal(outcome(keys, &no_policy, fixture_forge("{\"alg\":256}", GOOD, ordo_slice_of("x"))),
                     ORDO_TOKEN_NOT_A_TOKEN);
    ordo_token_keys_destroy(keys);
}

/* The classic: everybody knows the public key, and it is taken for a shared secret. */
static void a_public_key_is_no_secret(void **state) {
    (void)state;
    EVP_PKEY *all[] = {rsa, p256, ed25519};
    for (size_t i = 0; i < 3; i++) {
        struct ordo_token_keys *keys = public_keys(all[i]);
        struct ordo_buffer pem = fixture_public_pem(all[i]), text = fixture_forge("{\"alg\":\"HS256\"}", GOOD, ordo_slice_of("x"));
        uint8_t mac[32], *der = NULL;
        unsigned mac_size = sizeof mac;
        int der_size = i2d_PUBKEY(all[i], &der);
        struct ordo_slice secrets[] = {ordo_buffer_slice(&pem), ordo_slice(der, (size_t)der_size)};
        size_t signed_size = (size_t)((uint8_t *)memrchr(text.data, '.', text.size) - text.data);
        for (size_t k = 0; k < 2; k++) {
            HMAC(EVP_sha256(), secrets[k].data, (int)secrets[k].size, text.data, signed_size, mac, &mac_size);
            struct ordo_buffer forged = fixture_forge("{\"alg\":\"HS256\"}", GOOD, ordo_slice(mac, sizeof mac));
            assert_int_equal(outcome(keys, &no_policy, forged), ORDO_TOKEN_KEY);
        }
        OPENSSL_free(der);
        ordo_buffer_finish(&pem);
        ordo_buffer_finish(&text);
        ordo_token_keys_destroy(keys);
    }
}

/* The other way round: the header of one algorithm, the signature of another. */
static void the_key_decides_the_algorithm(void **state) {
    (void)state;
    static const char *const names[] = {"HS256", "RS256", "ES256", "EdDSA"};
    struct ordo_token_keys *keys = public_keys(p256);
    struct ordo_token_signer *signer = fixture_signer(fixture_private_pem(p256));
    struct ordo_buffer honest = fixture_sign(signer, "", GOOD), signature = {0};
    const uint8_t *dot = memrchr(honest.data, '.', honest.size);
    assert_true(ordo_base64url_decode(&signature, ordo_slice(dot + 1, (size_t)(honest.data + honest.size - dot - 1))));
    for (size_t i = 0; i < 4; i++) {
        char header[64];
        snprintf(header, sizeof header, "{\"alg\":\"%s\"}", names[i]);
        assert_int_equal(outcome(keys, &no_policy, fixture_forge(header, GOOD, ordo_buffer_slice(&signature))), ORDO_TOKEN_KEY);
    }
    /* Numbers that verify anything where nobody looks (CVE-2022-21449). */
    uint8_t zeros[64] = {0};
    assert_int_equal(outcome(keys, &no_policy, fixture_forge("{\"alg\":\"ES256\"}", GOOD, ordo_slice(zeros, 64))), ORDO_TOKEN_KEY);
    ordo_buffer_finish(&honest);
    ordo_buffer_finish(&signature);
    ordo_token_signer_destroy(signer);
    ordo_token_keys_destroy(keys);
}

static void a_header_brings_no_key_of_its_own(void **state) {
    (void)state;
    struct ordo_token_keys *keys = secret_keys();
    static const char own[] = "{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE\"}}";
    struct ordo_buffer text = fixture_forge(own, GOOD, ordo_slice_of("x"));
    uint8_t mac[32];
    unsigned size = sizeof mac;
    HMAC(EVP_sha256(), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 32, text.data,
         (size_t)((uint8_t *)memrchr(text.data, '.', text.size) - text.data), mac, &size);
    assert_int_equal(outcome(keys, &no_policy, fixture_forge(own, GOOD, ordo_slice(mac, 32))), ORDO_TOKEN_KEY);
    assert_int_equal(outcome(keys, &no_policy,
                             fixture_forge("{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", GOOD, ordo_slice(mac, 32))),
                     ORDO_TOKEN_CRITICAL);
    assert_int_equal(outcome(keys, &no_policy,
                             fixture_forge("{\"alg\":\"none\",\"alg\":\"HS256\"}", GOOD, ordo_slice(mac, 32))),
                     ORDO_TOKEN_NOT_A_TOKEN);
    ordo_buffer_finish(&text);
    ordo_token_keys_destroy(keys);
}

static void what_is_no_token_is_refused_before_it_costs_anything(void **state) {
    (void)state;
    static const char *const texts[] = {".", "..", "...", "a.b", "a.b.c", "e30.e30.", "e30..e30", ".e30.e30", "e30.e30.e30.e30",
                                        "e30=.e30.e30", "e30.e30.e3 0", "e31.e30.e30", "\xff.e30.e30"};
    struct ordo_token_keys *keys = secret_keys();
    struct ordo_token token;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(ordo_token_verify(keys, &no_policy, ordo_slice_of(texts[i]), FIXTURE_NOW_MS, &token),
                         ORDO_TOKEN_NOT_A_TOKEN);
    assert_int_equal(ordo_token_verify(keys, &no_policy, ordo_slice_of(""), FIXTURE_NOW_MS, &token), ORDO_TOKEN_MISSING);
    ordo_token_keys_destroy(keys);
}

static void a_token_is_as_large_as_one_may_be_and_no_larger(void **state) {
    (void)state;
    struct ordo_token_keys *keys = secret_keys();
    struct ordo_token_signer *signer = secret_signer();
    char claims[ORDO_TOKEN_SIZE_MAX];
    size_t seen_max = 0;
    bool is_refused = false;
    for (int pad = 5900; pad < 6100; pad++) {
        snprintf(claims, sizeof claims, "{\"sub\":\"a\",\"exp\":1700000060," DOCS ",\"x\":\"%0*d\"}", pad, 0);
        struct ordo_buffer text = fixture_sign(signer, "", claims);
        size_t size = text.size;
        enum ordo_token_fault fault = outcome(keys, &no_policy, text);
        assert_int_equal(fault, size <= ORDO_TOKEN_SIZE_MAX ? ORDO_TOKEN_FINE : ORDO_TOKEN_TOO_LARGE);
        if (size <= ORDO_TOKEN_SIZE_MAX) seen_max = size;
        else is_refused = true;
    }
    assert_true(is_refused);
    assert_in_range(seen_max, ORDO_TOKEN_SIZE_MAX - 2, ORDO_TOKEN_SIZE_MAX);
    ordo_token_signer_destroy(signer);
    ordo_token_keys_destroy(keys);
}

/* ---- claims */

static void times_decide_to_the_millisecond(void **state) {
    (void)state;
    struct ordo_token_policy lenient = {.leeway_ms = 30000};
    ASSERT_CLAIMS("{\"sub\":\"a\",\"exp\":1700000000.001," DOCS "}", FINE);
    ASSERT_CLAIMS("{\"sub\":\"a\",\"exp\":1700000000," DOCS "}", EXPIRED);
    ASSERT_CLAIMS("{\"sub\":\"a\",\"exp\":1700000060,\"nbf\":1700000000," DOCS "}", FINE);
    ASSERT_CLAIMS("{\"sub\":\"a\",\"exp\":1700000060,\"nbf\":1700000001," DOCS "}", NOT_YET);
    assert_int_equal(outcome_of_claims(&lenient, "{\"sub\":\"a\",\"exp\":1699999971," DOCS "}"), ORDO_TOKEN_FINE);
    assert_int_equal(outcome_of_claims(&lenient, "{\"sub\":\"a\",\"exp\":1699999970," DOCS "}"), ORDO_TOKEN_EXPIRED);
    assert_int_equal(outcome_of_claims(&lenient, "{\"sub\":\"a\",\"exp\":1700000060,\"nbf\":1700000030," DOCS "}"), ORDO_TOKEN_FINE);
    assert_int_equal(outcome_of_claims(&lenient, "{\"sub\":\"a\",\"exp\":1700000060,\"nbf\":1700000031," DOCS "}"), ORDO_TOKEN_NOT_YET);
    ASSERT_CLAIMS("{\"sub\":\"a\"," DOCS "}", CLAIMS);
    ASSERT_CLAIMS("{\"sub\":\"a\",\"exp\":\"1700000060\"," DOCS "}", CLAIMS);
    ASSERT_CLAIMS("{\"sub\":\"a\",\"exp\":-1," DOCS "}", CLAIMS);
    ASSERT_CLAIMS("{\"sub\":\"a\",\"exp\":1e300," DOCS "}", CLAIMS);
    ASSERT_CLAIMS("{\"sub\":\"a\",\"exp\":1700000060000," DOCS "}", CLAIMS); /* milliseconds */
    ASSERT_CLAIMS("{\"sub\":\"a\",\"exp\":1700000060,\"nbf\":null," DOCS "}", CLAIMS);
    ASSERT_CLAIMS("{\"sub\":\"a\",\"exp\":1700000060,\"iat\":true," DOCS "}", CLAIMS);
}

static void issuer_and_audience_must_be_ours(void **state) {
    (void)state;
    const struct ordo_token_policy policy = {.issuer = ordo_slice_of("https://id"), .audience = ordo_slice_of("ordo")};
#define ASSERT_POLICY(members, fault)                                                                                  \
    assert_int_equal(outcome_of_claims(&policy, "{" members ",\"sub\":\"a\",\"exp\":1700000060," DOCS "}"), ORDO_TOKEN_##fault)
    ASSERT_POLICY("\"iss\":\"https://id\",\"aud\":\"ordo\"", FINE);
    ASSERT_POLICY("\"iss\":\"https://id\",\"aud\":[\"x\",\"ordo\"]", FINE);
    ASSERT_POLICY("\"iss\":\"https://id/\",\"aud\":\"ordo\"", ISSUER);
    ASSERT_POLICY("\"iss\":[\"https://id\"],\"aud\":\"ordo\"", ISSUER);
    ASSERT_POLICY("\"aud\":\"ordo\"", ISSUER);
    ASSERT_POLICY("\"iss\":\"https://id\",\"aud\":\"ordo2\"", AUDIENCE);
    ASSERT_POLICY("\"iss\":\"https://id\",\"aud\":[]", AUDIENCE);
    ASSERT_POLICY("\"iss\":\"https://id\",\"aud\":{\"ordo\":1}", AUDIENCE);
    ASSERT_POLICY("\"iss\":\"https://id\"", AUDIENCE);
    /* One that is meant for somebody is not meant for us, who have no name. */
    ASSERT_CLAIMS("{\"aud\":\"ordo\",\"sub\":\"a\",\"exp\":1700000060," DOCS "}", AUDIENCE);
}

static void users_have_names_that_can_be_shown(void **state) {
    (void)state;
    char claims[512];
    ASSERT_CLAIMS("{\"exp\":1700000060," DOCS "}", CLAIMS);
    ASSERT_CLAIMS("{\"sub\":\"\",\"exp\":1700000060," DOCS "}", CLAIMS);
    ASSERT_CLAIMS("{\"sub\":7,\"exp\":1700000060," DOCS "}", CLAIMS);
    ASSERT_CLAIMS("{\"sub\":\"a\\nb\",\"exp\":1700000060," DOCS "}", CLAIMS);
    ASSERT_CLAIMS("{\"sub\":\"a\\u0000b\",\"exp\":1700000060," DOCS "}", CLAIMS);
    ASSERT_CLAIMS("{\"sub\":\"a\\ud800\",\"exp\":1700000060," DOCS "}", CLAIMS);
    ASSERT_CLAIMS("{\"sub\":\"\xc3\xa4\",\"exp\":1700000060," DOCS "}", FINE);
    ASSERT_CLAIMS("{\"sub\":\"\xff\",\"exp\":1700000060," DOCS "}", CLAIMS);
    for (int size = ORDO_USER_SIZE_MAX - 1; size <= ORDO_USER_SIZE_MAX + 1; size++) {
        snprintf(claims, sizeof claims, "{\"sub\":\"%0*d\",\"exp\":1700000060," DOCS "}", size, 0);
        assert_int_equal(outcome_of_claims(&no_policy, claims), size <= ORDO_USER_SIZE_MAX ? ORDO_TOKEN_FINE : ORDO_TOKEN_CLAIMS);
    }
    ASSERT_CLAIMS("{\"sub\":\"a\",\"sub\":\"b\",\"exp\":1700000060," DOCS "}", CLAIMS);
    ASSERT_CLAIMS("[\"sub\"]", CLAIMS);
    ASSERT_CLAIMS("{\"sub\":\"a\",\"exp\":1700000060," DOCS "} {}", CLAIMS);
    ASSERT_CLAIMS("not json", CLAIMS);
}

/* ---- rights */

#define WITH_DOCS(docs) "{\"sub\":\"a\",\"exp\":1700000060,\"docs\":" docs "}"

static void a_rule_that_is_not_understood_grants_nothing(void **state) {
    (void)state;
    ASSERT_CLAIMS("{\"sub\":\"a\",\"exp\":1700000060}", CLAIMS);
    ASSERT_CLAIMS(WITH_DOCS("[]"), FINE);
    ASSERT_CLAIMS(WITH_DOCS("{}"), CLAIMS);
    ASSERT_CLAIMS(WITH_DOCS("\"*\""), CLAIMS);
    ASSERT_CLAIMS(WITH_DOCS("[\"team/x\"]"), CLAIMS);
    ASSERT_CLAIMS(WITH_DOCS("[{\"collection\":\"c\",\"id\":\"i\",\"access\":\"read\"}]"), FINE);
    ASSERT_CLAIMS(WITH_DOCS("[{\"collection\":\"c\",\"id\":\"i\",\"access\":\"owner\"}]"), CLAIMS);
    ASSERT_CLAIMS(WITH_DOCS("[{\"collection\":\"c\",\"id\":\"i\"}]"), CLAIMS);
    ASSERT_CLAIMS(WITH_DOCS("[{\"collection\":\"c\",\"access\":\"read\"}]"), CLAIMS);
    ASSERT_CLAIMS(WITH_DOCS("[{\"id\":\"c\",\"access\":\"read\"}]"), CLAIMS);
    ASSERT_CLAIMS(WITH_DOCS("[{\"collection\":\"\",\"id\":\"i\",\"access\":\"read\"}]"), CLAIMS);
    ASSERT_CLAIMS(WITH_DOCS("[{\"collection\":\"c\",\"id\":\"\",\"access\":\"read\"}]"), CLAIMS);
    ASSERT_CLAIMS(WITH_DOCS("[{\"collection\":\"c\",\"id\":\"i\",\"id_prefix\":\"\",\"access\":\"read\"}]"), CLAIMS);
    ASSERT_CLAIMS(WITH_DOCS("[{\"collection\":\"c\",\"id\":\"i\",\"access\":\"write\",\"until\":1}]"), CLAIMS);
    ASSERT_CLAIMS(WITH_DOCS("[{\"collection\":\"c\",\"id\":\"i\",\"access\":\"read\",\"access\":\"write\"}]"), CLAIMS);
    ASSERT_CLAIMS(WITH_DOCS("[{\"collection\":\"c\",\"id\":7,\"access\":\"read\"}]"), CLAIMS);
}

static enum ordo_access access_of(const struct ordo_rights *rights, const char *collection, const char *id) {
    return ordo_rights_for(rights, ordo_slice_of(collection), ordo_slice_of(id));
}

static void rights_are_the_best_of_the_rules_that_match_byte_for_byte(void **state) {
    (void)state;
    struct ordo_token_keys *keys = secret_keys();
    struct ordo_token_signer *signer = secret_signer();
    struct ordo_buffer text = fixture_sign(
        signer, "",
        WITH_DOCS("[{\"collection\":\"team\",\"id_prefix\":\"\",\"access\":\"read\"},"
                  "{\"collection\":\"team\",\"id\":\"plan\",\"access\":\"write\"},"
                  "{\"collection\":\"team\",\"id\":\"plan\",\"access\":\"read\"},"
                  "{\"collection\":\"star\",\"id\":\"x*\",\"access\":\"write\"},"
                  "{\"collection\":\"pre\",\"id_prefix\":\"a/\",\"access\":\"write\"},"
                  "{\"collection\":\"caf\\u00e9\",\"id\":\"i\",\"access\":\"write\"},"
                  "{\"collection_prefix\":\"own-\",\"id_prefix\":\"\",\"access\":\"admin\"}]"));
    struct ordo_token token;
    assert_int_equal(ordo_token_verify(keys, &no_policy, ordo_buffer_slice(&text), FIXTURE_NOW_MS, &token), ORDO_TOKEN_FINE);
    const struct ordo_rights *rights = &token.rights;
    assert_int_equal(access_of(rights, "team", "other"), ORDO_ACCESS_READ);
    assert_int_equal(access_of(rights, "team", "plan"), ORDO_ACCESS_WRITE);
    assert_int_equal(access_of(rights, "team", "plan2"), ORDO_ACCESS_READ);
    assert_int_equal(access_of(rights, "Team", "plan"), ORDO_ACCESS_NONE);
    assert_int_equal(access_of(rights, "teams", "plan"), ORDO_ACCESS_NONE);
    assert_int_equal(access_of(rights, "tea", "m/plan"), ORDO_ACCESS_NONE);
    /* A star is a letter like others: an application may take ids from its users. */
    assert_int_equal(access_of(rights, "star", "x*"), ORDO_ACCESS_WRITE);
    assert_int_equal(access_of(rights, "star", "xy"), ORDO_ACCESS_NONE);
    assert_int_equal(access_of(rights, "pre", "a/"), ORDO_ACCESS_WRITE);
    assert_int_equal(access_of(rights, "pre", "a/../b"), ORDO_ACCESS_WRITE); /* that is a name as it stands, and not b */
    assert_int_equal(access_of(rights, "pre", "b/../a/x"), ORDO_ACCESS_NONE);
    assert_int_equal(access_of(rights, "pre", "a%2fx"), ORDO_ACCESS_NONE);
    assert_int_equal(access_of(rights, "caf\xc3\xa9", "i"), ORDO_ACCESS_WRITE);
    assert_int_equal(access_of(rights, "cafe\xcc\x81", "i"), ORDO_ACCESS_NONE); /* looks the same, is another name */
    assert_int_equal(access_of(rights, "own-x", "y"), ORDO_ACCESS_ADMIN);
    assert_int_equal(access_of(rights, "own", "y"), ORDO_ACCESS_NONE);
    ordo_token_finish(&token);
    ordo_buffer_finish(&text);
    ordo_token_signer_destroy(signer);
    ordo_token_keys_destroy(keys);
}

/* ---- keys */

static void assert_refused(ordo_err (*add)(struct ordo_token_keys *, struct ordo_slice, struct ordo_problem *),
                           struct ordo_slice file, const char *part) {
    struct ordo_token_keys *keys = ordo_token_keys_create();
    struct ordo_problem problem = {{0}};
    assert_int_equal(add(keys, file, &problem), ORDO_ERR_INVALID);
    if (strstr(problem.text, part) == NULL) fail_msg("\"%s\" says nothing about \"%s\"", problem.text, part);
    assert_int_equal(ordo_token_keys_count(keys), 0);
    ordo_token_keys_destroy(keys);
}

static void weak_and_misplaced_keys_are_refused(void **state) {
    (void)state;
    EVP_PKEY *small = EVP_RSA_gen(1024u), *p384 = EVP_EC_gen("P-384"), *x25519 = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    struct ordo_buffer small_pem = fixture_public_pem(small), p384_pem = fixture_public_pem(p384),
                       x25519_pem = fixture_public_pem(x25519), private_pem = fixture_private_pem(rsa),
                       public_pem = fixture_public_pem(rsa);
    assert_refused(ordo_token_keys_add_pem, ordo_buffer_slice(&small_pem), "2048");
    assert_refused(ordo_token_keys_add_pem, ordo_buffer_slice(&p384_pem), "P-256");
    assert_refused(ordo_token_keys_add_pem, ordo_buffer_slice(&x25519_pem), "not known");
    assert_refused(ordo_token_keys_add_pem, ordo_buffer_slice(&private_pem), "private");
    assert_refused(ordo_token_keys_add_pem, ordo_slice_of("no key"), "PEM");
    assert_refused(ordo_token_keys_add_pem, ordo_slice(NULL, 0), "PEM");
    assert_refused(ordo_token_keys_add_secret, ordo_slice_of("0123456789abcdef0123456789abcde"), "32");
    assert_refused(ordo_token_keys_add_secret, ordo_slice_of("0123456789abcdef0123456789abcde\n"), "32"); /* the newline is none of it */
    assert_refused(ordo_token_keys_add_secret, ordo_buffer_slice(&public_pem), "PEM");
    struct ordo_token_signer *signer;
    struct ordo_problem problem;
    struct ordo_buffer small_private = fixture_private_pem(small);
    assert_int_equal(ordo_token_signer_create(ordo_buffer_slice(&small_private), &signer, &problem), ORDO_ERR_INVALID);
    assert_int_equal(ordo_token_signer_create(ordo_slice_of("short"), &signer, &problem), ORDO_ERR_INVALID);
    struct ordo_buffer *all[] = {&small_pem, &p384_pem, &x25519_pem, &private_pem, &public_pem, &small_private};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) ordo_buffer_finish(all[i]);
    EVP_PKEY_free(small);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(x25519);
}

static void a_secret_ends_before_the_newline_of_a_text_file(void **state) {
    (void)state;
    struct ordo_token_keys *keys = ordo_token_keys_create();
    struct ordo_token_signer *signer = secret_signer();
    struct ordo_problem problem;
    assert_int_equal(ordo_token_keys_add_secret(keys, ordo_slice_of(SECRET "\r\n"), &problem), ORDO_OK);
    assert_int_equal(outcome(keys, &no_policy, fixture_sign(signer, "", GOOD)), ORDO_TOKEN_FINE);
    ordo_token_keys_destroy(keys);
    keys = ordo_token_keys_create(); /* of a binary file every byte counts */
    assert_int_equal(ordo_token_keys_add_secret(keys, ordo_slice_of(SECRET "\x01\n"), &problem), ORDO_OK);
    ordo_token_signer_destroy(signer);
    struct ordo_buffer file = {0};
    ordo_buffer_append_slice(&file, ordo_slice_of(SECRET "\x01\n"));
    signer = fixture_signer(file);
    assert_int_equal(outcome(keys, &no_policy, fixture_sign(signer, "", GOOD)), ORDO_TOKEN_FINE);
    ordo_token_signer_destroy(signer);
    ordo_token_keys_destroy(keys);
}

/* ---- JWKS */

static void append_number(struct ordo_buffer *out, const char *member, EVP_PKEY *key, const char *param, int size) {
    BIGNUM *number = NULL;
    uint8_t bytes[512];
    assert_int_equal(EVP_PKEY_get_bn_param(key, param, &number), 1);
    if (size == 0) size = BN_num_bytes(number);
    assert_int_equal(BN_bn2binpad(number, bytes, size), size);
    ordo_buffer_append_slice(out, ordo_slice_of(",\""));
    ordo_buffer_append_slice(out, ordo_slice_of(member));
    ordo_buffer_append_slice(out, ordo_slice_of("\":\""));
    ordo_base64url_encode(out, ordo_slice(bytes, (size_t)size));
    ordo_buffer_append_slice(out, ordo_slice_of("\""));
    BN_free(number);
}

/* All three public keys, under the kids r, e and d, and a shared secret s. */
static struct ordo_buffer jwks_of_all(void) {
    struct ordo_buffer out = {0};
    uint8_t raw[32];
    size_t size = sizeof raw;
    ordo_buffer_append_slice(&out, ordo_slice_of("{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r\",\"use\":\"sig\",\"alg\":\"RS256\""));
    append_number(&out, "n", rsa, "n", 0);
    append_number(&out, "e", rsa, "e", 0);
    ordo_buffer_append_slice(&out, ordo_slice_of("},{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\""));
    append_number(&out, "x", p256, "qx", 32);
    append_number(&out, "y", p256, "qy", 32);
    ordo_buffer_append_slice(&out, ordo_slice_of("},{\"kty\":\"OKP\",\"kid\":\"d\",\"crv\":\"Ed25519\",\"x\":\""));
    assert_int_equal(EVP_PKEY_get_raw_public_key(ed25519, raw, &size), 1);
    ordo_base64url_encode(&out, ordo_slice(raw, size));
    ordo_buffer_append_slice(&out, ordo_slice_of("\"},{\"kty\":\"oct\",\"kid\":\"s\",\"k\":\""));
    ordo_base64url_encode(&out, ordo_slice_of(SECRET));
    /* And some that are none of our business. */
    ordo_buffer_append_slice(&out, ordo_slice_of("\"},{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"\"},{\"kty\":\"new\"},"
                                                 "{\"kty\":\"RSA\",\"use\":\"enc\"},{\"kty\":\"RSA\",\"alg\":\"PS256\"}]}"));
    return out;
}

static void a_key_set_names_its_keys(void **state) {
    (void)state;
    struct ordo_buffer jwks = jwks_of_all();
    struct ordo_token_keys *keys = ordo_token_keys_create();
    struct ordo_problem problem = {{0}};
    if (ordo_token_keys_add_jwks(keys, ordo_buffer_slice(&jwks), &problem) != ORDO_OK) fail_msg("%s", problem.text);
    assert_int_equal(ordo_token_keys_count(keys), 4);
    struct ordo_token_signer *signers[] = {fixture_signer(fixture_private_pem(rsa)), fixture_signer(fixture_private_pem(p256)),
                                           fixture_signer(fixture_private_pem(ed25519)), secret_signer()};
    static const char *const kids[] = {"r", "e", "d", "s"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(outcome(keys, &no_policy, fixture_sign(signers[i], kids[i], GOOD)), ORDO_TOKEN_FINE);
        assert_int_equal(outcome(keys, &no_policy, fixture_sign(signers[i], "", GOOD)), ORDO_TOKEN_FINE);
        assert_int_equal(outcome(keys, &no_policy, fixture_sign(signers[i], kids[(i + 1) % 4], GOOD)), ORDO_TOKEN_KEY);
        assert_int_equal(outcome(keys, &no_policy, fixture_sign(signers[i], "unknown", GOOD)), ORDO_TOKEN_KEY);
        ordo_token_signer_destroy(signers[i]);
    }
    ordo_buffer_finish(&jwks);
    ordo_token_keys_destroy(keys);
}

/* A file of one key knows no kids: whatever a token calls it, it may be meant. */
static void a_key_without_a_name_answers_to_any(void **state) {
    (void)state;
    struct ordo_token_keys *keys = public_keys(p256);
    struct ordo_token_signer *signer = fixture_signer(fixture_private_pem(p256));
    assert_int_equal(outcome(keys, &no_policy, fixture_sign(signer, "whatever", GOOD)), ORDO_TOKEN_FINE);
    ordo_token_signer_destroy(signer);
    ordo_token_keys_destroy(keys);
}

static void broken_key_sets_are_refused_as_a_whole(void **state) {
    (void)state;
    static const struct {
        const char *jwks, *part;
    } cases[] = {
        {"", "keys"},
        {"[]", "keys"},
        {"{\"keys\":{}}", "keys"},
        {"{\"keys\":[]}", "no key"},
        {"{\"keys\":[{\"kty\":\"new\"}]}", "no key"},
        {"{\"keys\":[7]}", "Key 1"},
        {"{\"keys\":[{\"kty\":\"oct\",\"kid\":7,\"k\":\"x\"}]}", "Key 1"},
        {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"QUFB\"}]}", "32"},
        {"{\"keys\":[{\"kty\":\"oct\"}]}", "base64url"},
        {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"****\"}]}", "base64url"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}", "2048"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\"}]}", "no key"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\",\"d\":\"AQAB\"}]}", "private"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\","
         "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}]}", "Key 1"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAE\",\"y\":\"AAE\"}]}", "no key"},
        {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAE\"}]}", "no key"},
        {"{\"keys\":[{\"kty\":\"oct\",\"kty\":\"oct\",\"k\":\"x\"}]}", "keys"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_refused(ordo_token_keys_add_jwks, ordo_slice_of(cases[i].jwks), cases[i].part);
    struct ordo_token_keys *keys = ordo_token_keys_create();
    struct ordo_problem problem;
    char jwks[8192] = "{\"keys\":[";
    for (int i = 0; i <= ORDO_TOKEN_KEYS_MAX; i++)
        strcat(jwks, "{\"kty\":\"oct\",\"k\":\"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE\"},");
    strcat(jwks, "{}]}");
    assert_int_equal(ordo_token_keys_add_jwks(keys, ordo_slice_of(jwks), &problem), ORDO_ERR_FULL);
    ordo_token_keys_destroy(keys);
}

/* An exponent of 1: every number is a signature of itself. */
static void an_rsa_key_that_signs_anything_is_refused(void **state) {
    (void)state;
    struct ordo_buffer jwks = {0};
    ordo_buffer_append_slice(&jwks, ordo_slice_of("{\"keys\":[{\"kty\":\"RSA\""));
    append_number(&jwks, "n", rsa, "n", 0);
    ordo_buffer_append_slice(&jwks, ordo_slice_of(",\"e\":\"AQ\"}]}"));
    assert_refused(ordo_token_keys_add_jwks, ordo_buffer_slice(&jwks), "exponent");
    ordo_buffer_finish(&jwks);
}

static void base64url_has_one_text_for_each_value(void **state) {
    (void)state;
    for (size_t size = 0; size < 70; size++) {
        uint8_t bytes[70];
        for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(255 - i * 7);
        struct ordo_buffer text = {0}, back = {0};
        ordo_base64url_encode(&text, ordo_slice(bytes, size));
        assert_true(ordo_base64url_decode(&back, ordo_buffer_slice(&text)));
        assert_true(ordo_slice_equal(ordo_buffer_slice(&back), ordo_slice(bytes, size)));
        if (size % 3 != 0) { /* the digits' last bits say nothing, and are 0 */
            text.data[text.size - 1]++;
            assert_false(ordo_base64url_decode(&back, ordo_buffer_slice(&text)));
            assert_int_equal(back.size, size);
        }
        ordo_buffer_finish(&text);
        ordo_buffer_finish(&back);
    }
    struct ordo_buffer out = {0};
    static const char *const wrong[] = {"A", "AAAAA", "AA==", "A+AA", "A/AA", "A AA", "AAA\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_false(ordo_base64url_decode(&out, ordo_slice_of(wrong[i])));
    assert_int_equal(out.size, 0);
    ordo_buffer_finish(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64url_has_one_text_for_each_value),
        cmocka_unit_test(a_token_is_good_for_the_key_that_made_it_alone),
        cmocka_unit_test(a_token_of_the_standard_is_verified),
        cmocka_unit_test(a_token_that_names_no_algorithm_is_refused),
        cmocka_unit_test(a_public_key_is_no_secret),
        cmocka_unit_test(the_key_decides_the_algorithm),
        cmocka_unit_test(a_header_brings_no_key_of_its_own),
        cmocka_unit_test(what_is_no_token_is_refused_before_it_costs_anything),
        cmocka_unit_test(a_token_is_as_large_as_one_may_be_and_no_larger),
        cmocka_unit_test(times_decide_to_the_millisecond),
        cmocka_unit_test(issuer_and_audience_must_be_ours),
        cmocka_unit_test(users_have_names_that_can_be_shown),
        cmocka_unit_test(a_rule_that_is_not_understood_grants_nothing),
        cmocka_unit_test(rights_are_the_best_of_the_rules_that_match_byte_for_byte),
        cmocka_unit_test(weak_and_misplaced_keys_are_refused),
        cmocka_unit_test(a_secret_ends_before_the_newline_of_a_text_file),
        cmocka_unit_test(a_key_set_names_its_keys),
        cmocka_unit_test(a_key_without_a_name_answers_to_any),
        cmocka_unit_test(broken_key_sets_are_refused_as_a_whole),
        cmocka_unit_test(an_rsa_key_that_signs_anything_is_refused),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
