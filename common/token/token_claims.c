/* The claims of a token: `sub`, `exp` and `docs`, which it must have, and `iss`, `aud`, `nbf`, `iat`, `jti`. Others are
 * the application's own. A rule of `docs` is read strictly: a member that is not known may be a restriction. */
#include <jansson.h>

#include "common/limits.h"
#include "common/token/token_impl.h"

/* Some three thousand years: beyond it somebody has mistaken milliseconds for seconds. */
#define SECONDS_MAX 1e11

static struct ordo_slice slice_of(const json_t *text) {
    return ordo_slice(json_string_value(text), json_string_length(text));
}

/* Names of users and tokens end up in logs and on terminals. */
static bool is_printable(struct ordo_slice text) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < ' ' || text.data[i] == 0x7f) return false;
    }
    return true;
}

static bool take_name(const json_t *value, size_t size_max, struct ordo_buffer *out) {
    struct ordo_slice name = slice_of(value);
    if (name.size == 0 || name.size > size_max || !is_printable(name)) return false;
    ordo_buffer_append_slice(out, name);
    return true;
}

/* Seconds since 1970, perhaps with a fraction. */
static bool take_time(const json_t *value, uint64_t *ms_out) {
    double seconds = json_number_value(value);
    if (!json_is_number(value) || !(seconds >= 0 && seconds <= SECONDS_MAX)) return false;
    *ms_out = (uint64_t)(seconds * 1000);
    return true;
}

/* ---- docs */

static bool take_access(const json_t *value, enum ordo_access *out) {
    const char *text = json_string_value(value);
    if (text == NULL) return false;
    if (strcmp(text, "read") == 0) *out = ORDO_ACCESS_READ;
    else if (strcmp(text, "write") == 0) *out = ORDO_ACCESS_WRITE;
    else if (strcmp(text, "admin") == 0) *out = ORDO_ACCESS_ADMIN;
    else return false;
    return true;
}

/* One of the two members, and a name that a document could have, or begin with. */
static bool take_pattern(const json_t *rule, const char *exact_name, const char *prefix_name, struct ordo_slice *out,
                         bool *is_prefix_out) {
    const json_t *exact = json_object_get(rule, exact_name), *prefix = json_object_get(rule, prefix_name);
    if ((exact == NULL) == (prefix == NULL)) return false;
    *is_prefix_out = prefix != NULL;
    const json_t *value = exact != NULL ? exact : prefix;
    *out = slice_of(value);
    return json_is_string(value) && out->size <= ORDO_NAME_SIZE_MAX && (out->size > 0 || prefix != NULL);
}

static bool take_rule(const json_t *value, struct ordo_rights *rights) {
    enum { MEMBERS = 3 }; /* so there is none but these */
    struct ordo_rule rule;
    if (json_object_size(value) != MEMBERS || !take_access(json_object_get(value, "access"), &rule.access) ||
        !take_pattern(value, "collection", "collection_prefix", &rule.collection, &rule.is_collection_prefix) ||
        !take_pattern(value, "id", "id_prefix", &rule.id, &rule.is_id_prefix))
        return false;
    ordo_rights_add(rights, &rule);
    return true;
}

static bool take_docs(const json_t *docs, struct ordo_rights *rights) {
    if (!json_is_array(docs)) return false;
    for (size_t i = 0; i < json_array_size(docs); i++) {
        if (!take_rule(json_array_get(docs, i), rights)) return false;
    }
    return true;
}

/* ---- whom it is by and for */

static bool is_by(const json_t *claim, struct ordo_slice issuer) {
    return issuer.size == 0 || (json_is_string(claim) && ordo_slice_equal(slice_of(claim), issuer));
}

/* A token that names its audience is for nobody else (RFC 7519, section 4.1.3): without a name of our own, for none. */
static bool is_for(const json_t *claim, struct ordo_slice audience) {
    if (audience.size == 0) return claim == NULL;
    if (json_is_string(claim)) return ordo_slice_equal(slice_of(claim), audience);
    for (size_t i = 0; i < json_array_size(claim); i++) {
        const json_t *one = json_array_get(claim, i);
        if (json_is_string(one) && ordo_slice_equal(slice_of(one), audience)) return true;
    }
    return false;
}

/* ---- all together */

static enum ordo_token_fault check_times(const json_t *claims, const struct ordo_token_policy *policy, uint64_t now_ms,
                                         struct ordo_token *out) {
    const json_t *begins = json_object_get(claims, "nbf"), *issued = json_object_get(claims, "iat");
    uint64_t begins_ms = 0;
    if (!take_time(json_object_get(claims, "exp"), &out->expires_ms) || (begins != NULL && !take_time(begins, &begins_ms)) ||
        (issued != NULL && !take_time(issued, &out->issued_ms)))
        return ORDO_TOKEN_CLAIMS;
    out->expires_ms += policy->leeway_ms;
    if (now_ms >= out->expires_ms) return ORDO_TOKEN_EXPIRED;
    return now_ms + policy->leeway_ms < begins_ms ? ORDO_TOKEN_NOT_YET : ORDO_TOKEN_FINE;
}

static enum ordo_token_fault read_claims(const json_t *claims, const struct ordo_token_policy *policy, uint64_t now_ms,
                                         struct ordo_token *out) {
    const json_t *id = json_object_get(claims, "jti");
    if (!json_is_object(claims)) return ORDO_TOKEN_CLAIMS;
    if (!is_by(json_object_get(claims, "iss"), policy->issuer)) return ORDO_TOKEN_ISSUER;
    if (!is_for(json_object_get(claims, "aud"), policy->audience)) return ORDO_TOKEN_AUDIENCE;
    enum ordo_token_fault fault = check_times(claims, policy, now_ms, out);
    if (fault != ORDO_TOKEN_FINE) return fault;
    bool reads = take_name(json_object_get(claims, "sub"), ORDO_USER_SIZE_MAX, &out->user) &&
                 (id == NULL || take_name(id, ORDO_TOKEN_ID_SIZE_MAX, &out->id)) &&
                 take_docs(json_object_get(claims, "docs"), &out->rights);
    return reads ? ORDO_TOKEN_FINE : ORDO_TOKEN_CLAIMS;
}

enum ordo_token_fault ordo_token_read_claims(const struct ordo_token_policy *policy, struct ordo_slice json,
                                             uint64_t now_ms, struct ordo_token *out) {
    json_t *claims = json_loadb((const char *)json.data, json.size, JSON_REJECT_DUPLICATES, NULL);
    enum ordo_token_fault fault = read_claims(claims, policy, now_ms, out);
    json_decref(claims);
    return fault;
}
