/* revoked/user/NAME, revoked/token/NAME: what was revoked, when, and until when. Names are in base64url, because users and
 * token ids may hold any character and keys may not. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/base64.h"
#include "common/directory/cluster.h"

#define USER_PREFIX ORDO_KEY_REVOKED "user/"
#define TOKEN_PREFIX ORDO_KEY_REVOKED "token/"

_Static_assert(sizeof TOKEN_PREFIX - 1 + (ORDO_REVOCATION_NAME_SIZE_MAX * 4 + 2) / 3 <= ORDO_DIRECTORY_KEY_SIZE_MAX,
               "every name has a key");

void ordo_cluster_key_revoked(char out[ORDO_CLUSTER_KEY_SIZE], bool is_token, struct ordo_slice name) {
    struct ordo_buffer text = {0};
    ORDO_ASSERT(name.size > 0 && name.size <= ORDO_REVOCATION_NAME_SIZE_MAX);
    ordo_base64url_encode(&text, name);
    snprintf(out, ORDO_CLUSTER_KEY_SIZE, "%s%.*s", is_token ? TOKEN_PREFIX : USER_PREFIX, (int)text.size,
             (const char *)text.data);
    ordo_buffer_finish(&text);
}

void ordo_cluster_revoked_encode(struct ordo_buffer *out, const struct ordo_revocation *revocation) {
    json_t *object = json_pack("{s:I}", "at", (json_int_t)revocation->at_ms);
    if (revocation->until_ms != UINT64_MAX)
        json_object_set_new(object, "until", json_integer((json_int_t)revocation->until_ms));
    char *text = json_dumps(object, JSON_COMPACT);
    ORDO_ASSERT(text != NULL);
    ordo_buffer_append(out, text, strlen(text));
    free(text);
    json_decref(object);
}

static bool take_name(const char *key, struct ordo_revocation *out) {
    struct ordo_slice text = ordo_slice_of(key), user = ordo_slice_of(USER_PREFIX), token = ordo_slice_of(TOKEN_PREFIX);
    out->is_token = ordo_slice_starts_with(text, token);
    if (!out->is_token && !ordo_slice_starts_with(text, user)) return false;
    size_t prefix_size = out->is_token ? token.size : user.size;
    struct ordo_buffer name = {0};
    bool reads = ordo_base64url_decode(&name, ordo_slice(text.data + prefix_size, text.size - prefix_size)) &&
                 name.size > 0 && name.size <= ORDO_REVOCATION_NAME_SIZE_MAX;
    if (reads) {
        out->name_size = (uint8_t)name.size;
        memcpy(out->name, name.data, name.size);
    }
    ordo_buffer_finish(&name);
    return reads;
}

static bool take_ms(const json_t *value, uint64_t *out) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (uint64_t)json_integer_value(value);
    return *out <= ORDO_NUMBER_MAX;
}

const char *ordo_cluster_revoked_decode(const struct ordo_directory_item *item, struct ordo_revocation *out) {
    *out = (struct ordo_revocation){.until_ms = UINT64_MAX};
    if (!take_name(item->key, out)) return "names neither a user nor a token";
    json_t *object = json_loadb((const char *)item->value.data, item->value.size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *until = json_object_get(object, "until");
    bool reads = take_ms(json_object_get(object, "at"), &out->at_ms) && (until == NULL || take_ms(until, &out->until_ms));
    json_decref(object);
    return reads ? NULL : "does not say since when and until when";
}
