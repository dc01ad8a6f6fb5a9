/* ordo token make, show: tokens for trying things out, and for operators. An application makes its own, with any library
 * for JSON Web Tokens (docs/security.md). */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/clock.h"
#include "common/files.h"
#include "common/hex.h"
#include "common/limits.h"
#include "common/random.h"
#include "common/token/sign.h"
#include "common/token/token.h"
#include "tools/moment.h"
#include "tools/ordo/command.h"

enum { ID_SIZE = 16 };

struct making {
    const char *user, *ttl, *key_path, *kid, *issuer, *audience, *id;
    struct ordo_option_texts rules;
    uint64_t ttl_ms;
};

/* ---- rules */

/* A name, or what names begin with in front of a `*`. */
static bool set_pattern(json_t *rule, const char *exact, const char *prefix, const char *text, size_t size) {
    bool is_prefix = size > 0 && text[size - 1] == '*';
    if (is_prefix) size--;
    if (size > ORDO_NAME_SIZE_MAX || (size == 0 && !is_prefix)) return false;
    return json_object_set_new(rule, is_prefix ? prefix : exact, json_stringn(text, size)) == 0;
}

/* COLLECTION/ID:ACCESS; NULL: it is something else. */
static json_t *rule_of(const char *text) {
    const char *slash = strchr(text, '/'), *colon = strrchr(text, ':');
    if (slash == NULL || colon == NULL || colon < slash) return NULL;
    const char *access = colon + 1;
    bool is_access = strcmp(access, "read") == 0 || strcmp(access, "write") == 0 || strcmp(access, "admin") == 0;
    json_t *rule = json_object();
    bool reads = is_access && set_pattern(rule, "collection", "collection_prefix", text, (size_t)(slash - text)) &&
                 set_pattern(rule, "id", "id_prefix", slash + 1, (size_t)(colon - slash - 1)) &&
                 json_object_set_new(rule, "access", json_string(access)) == 0;
    if (reads) return rule;
    json_decref(rule);
    return NULL;
}

/* EXIT_SUCCESS, or the exit status. */
static int take_rules(const struct making *making, json_t *docs) {
    for (size_t i = 0; i < making->rules.count; i++) {
        json_t *rule = rule_of(making->rules.items[i]);
        if (rule == NULL) {
            fprintf(stderr,
                    "ordo token make: --doc wants COLLECTION/ID:ACCESS, with read, write or admin, and perhaps a * at the "
                    "end of a name, not '%.100s'\n",
                    making->rules.items[i]);
            return EXIT_USAGE;
        }
        json_array_append_new(docs, rule);
    }
    return EXIT_SUCCESS;
}

/* ---- claims */

static void set_text(json_t *claims, const char *name, const char *text) {
    if (text != NULL) json_object_set_new(claims, name, json_string(text));
}

/* So that this one token can be revoked. */
static void set_id(json_t *claims, const char *id) {
    uint8_t bytes[ID_SIZE];
    char digits[2 * ID_SIZE + 1];
    ordo_random_bytes(bytes, sizeof bytes);
    ordo_hex_encode(digits, bytes, sizeof bytes);
    set_text(claims, "jti", id != NULL ? id : digits);
}

static json_t *claims_of(const struct making *making, json_t *docs) {
    uint64_t now_s = ordo_clock_wall_ms() / 1000;
    json_t *claims = json_object();
    set_text(claims, "sub", making->user);
    set_text(claims, "iss", making->issuer);
    set_text(claims, "aud", making->audience);
    set_id(claims, making->id);
    json_object_set_new(claims, "iat", json_integer((json_int_t)now_s));
    json_object_set_new(claims, "exp", json_integer((json_int_t)(now_s + making->ttl_ms / 1000)));
    json_object_set(claims, "docs", docs);
    return claims;
}

/* ---- make */

static int print_token(const struct making *making, const struct ordo_token_signer *signer, json_t *docs) {
    json_t *claims = claims_of(making, docs);
    char *text = json_dumps(claims, JSON_COMPACT);
    json_decref(claims);
    if (text == NULL) return ordo_command_fail("out of memory");
    struct ordo_buffer token = {0};
    struct ordo_slice kid = making->kid != NULL ? ordo_slice_of(making->kid) : ordo_slice(NULL, 0);
    ordo_token_sign(signer, kid, ordo_slice_of(text), &token);
    free(text);
    size_t size = token.size;
    if (size <= ORDO_TOKEN_SIZE_MAX) printf("%.*s\n", (int)size, (const char *)token.data);
    ordo_buffer_finish(&token);
    if (size <= ORDO_TOKEN_SIZE_MAX) return ordo_command_flush();
    return ordo_command_fail("the token would have %zu bytes, and %d is the most that is taken: fewer --doc", size,
                             ORDO_TOKEN_SIZE_MAX);
}

static int make(const struct making *making) {
    struct ordo_buffer file = {0};
    struct ordo_token_signer *signer = NULL;
    struct ordo_problem problem = {{0}};
    json_t *docs = json_array();
    int status = take_rules(making, docs);
    if (status == EXIT_SUCCESS && ordo_file_read(making->key_path, &file) != ORDO_OK)
        status = ordo_command_fail("%s cannot be read: %s", making->key_path, strerror(errno));
    if (status == EXIT_SUCCESS && ordo_token_signer_create(ordo_buffer_slice(&file), &signer, &problem) != ORDO_OK)
        status = ordo_command_fail("%s: %s", making->key_path, problem.text);
    if (status == EXIT_SUCCESS) status = print_token(making, signer, docs);
    ordo_token_signer_destroy(signer);
    if (file.size > 0) explicit_bzero(file.data, file.size);
    ordo_buffer_finish(&file);
    json_decref(docs);
    return status;
}

static bool is_text(const char *text, size_t size_max) {
    json_t *json = json_string(text);
    size_t size = strlen(text);
    bool reads = json != NULL && size > 0 && size <= size_max;
    for (size_t i = 0; i < size; i++) reads = reads && (unsigned char)text[i] >= ' ' && text[i] != 0x7f;
    json_decref(json);
    return reads;
}

static bool is_kid(const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7f || *c == '"' || *c == '\\') return false;
    }
    return text[0] != '\0' && strlen(text) <= ORDO_TOKEN_KID_SIZE_MAX;
}

static const char *fault_of(struct making *making) {
    if (making->user == NULL || making->key_path == NULL) return "--sub and --key are needed";
    if (!is_text(making->user, ORDO_USER_SIZE_MAX)) return "--sub wants 1 to 128 bytes of UTF-8 without control characters";
    if (making->id != NULL && !is_text(making->id, ORDO_TOKEN_ID_SIZE_MAX))
        return "--jti wants 1 to 128 bytes of UTF-8 without control characters";
    if ((making->issuer != NULL && !is_text(making->issuer, 1024)) || (making->audience != NULL && !is_text(making->audience, 1024)))
        return "--iss and --aud want UTF-8 without control characters";
    if (making->kid != NULL && !is_kid(making->kid)) return "--kid wants printable ASCII without blanks, quotes and backslashes";
    if (!ordo_duration_parse(making->ttl, &making->ttl_ms) || making->ttl_ms > UINT64_C(100) * 366 * 24 * 3600 * 1000)
        return "--ttl wants a time such as 30m, 1h or 7d";
    return NULL;
}

int ordo_token_make_run(int argc, char **argv) {
    struct making making = {.ttl = "1h"};
    const struct ordo_option options[] = {
        {"--sub", "USER", "whose token it is", ORDO_OPTION_TEXT, &making.user},
        {"--doc", "RULE", "COLLECTION/ID:read, :write or :admin (may forget, too); a * at the end of a name\n"
                          "stands for all that begin so: 'team/*:write'. May be repeated", ORDO_OPTION_TEXTS, &making.rules},
        {"--ttl", "TIME", "how long it is valid: 30m, 1h (the default), 7d", ORDO_OPTION_TEXT, &making.ttl},
        {"--key", "FILE", "private key in PEM (RSA, P-256, Ed25519), or a secret of 32 bytes at least", ORDO_OPTION_TEXT,
         &making.key_path},
        {"--kid", "NAME", "of the key, where the gateways know several", ORDO_OPTION_TEXT, &making.kid},
        {"--iss", "ISS", "as the gateways' --token-issuer", ORDO_OPTION_TEXT, &making.issuer},
        {"--aud", "AUD", "as the gateways' --token-audience", ORDO_OPTION_TEXT, &making.audience},
        {"--jti", "ID", "of this token, for `ordo revoke` (one is drawn)", ORDO_OPTION_TEXT, &making.id},
    };
    struct ordo_words words = {0};
    int status;
    if (!ordo_command_parse("ordo token make --sub USER --key FILE [--doc RULE]… [OPTIONS]", options,
                            sizeof options / sizeof *options, argc, argv, &words, &status))
        return status;
    const char *fault = fault_of(&making);
    return fault != NULL ? ordo_command_misuse("token make", fault) : make(&making);
}

/* ---- show */

static bool print_part(const char *text, size_t size) {
    struct ordo_buffer bytes = {0};
    bool reads = ordo_base64url_decode(&bytes, ordo_slice(text, size));
    json_t *json = reads ? json_loadb((const char *)bytes.data, bytes.size, JSON_REJECT_DUPLICATES, NULL) : NULL;
    char *shown = json_dumps(json, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    if (shown != NULL) printf("%s\n", shown);
    reads = shown != NULL;
    free(shown);
    json_decref(json);
    ordo_buffer_finish(&bytes);
    return reads;
}

int ordo_token_show_run(int argc, char **argv) {
    const char *token = NULL;
    struct ordo_words words = {.items = &token, .capacity = 1, .optional_count = 1};
    int status;
    if (!ordo_command_parse("ordo token show [TOKEN]\n\nPrints what a token (or $ORDO_TOKEN) says. Its signature is not looked at.",
                            NULL, 0, argc, argv, &words, &status))
        return status;
    if (token == NULL) token = getenv("ORDO_TOKEN");
    if (token == NULL) return ordo_command_misuse("token show", "a token is needed, as a word or in ORDO_TOKEN");
    const char *dot = strchr(token, '.'), *second = dot != NULL ? strchr(dot + 1, '.') : NULL;
    bool reads = second != NULL && print_part(token, (size_t)(dot - token)) &&
                 print_part(dot + 1, (size_t)(second - dot - 1));
    if (!reads) return ordo_command_fail("this is no JSON Web Token");
    return ordo_command_flush();
}
