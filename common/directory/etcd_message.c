#include "common/directory/etcd_message.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/base64.h"

enum { KEY_SIZE = 2 * ORDO_DIRECTORY_KEY_SIZE_MAX + 2 }; /* a prefix and a key */

/* ---- parts of requests */

static void append(struct ordo_buffer *out, json_t *object) {
    ORDO_ASSERT(object != NULL);
    char *text = json_dumps(object, JSON_COMPACT);
    ORDO_ASSERT(text != NULL);
    ordo_buffer_append(out, text, strlen(text));
    free(text);
    json_decref(object);
}

static json_t *bytes_json(struct ordo_slice bytes) {
    struct ordo_buffer text = {0};
    ordo_base64_encode(&text, bytes);
    json_t *json = json_stringn((const char *)text.data, text.size);
    ordo_buffer_finish(&text);
    return json;
}

static json_t *number_json(uint64_t number) {
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    return json_string(text);
}

static json_t *key_json(const char *prefix, const char *key) {
    char whole[KEY_SIZE];
    int size = snprintf(whole, sizeof whole, "%s%s", prefix, key);
    ORDO_ASSERT(size > 0 && (size_t)size < sizeof whole);
    return bytes_json(ordo_slice_of(whole));
}

/* The first key behind all that begin with the prefix. */
static json_t *end_json(const char *prefix) {
    char end[KEY_SIZE];
    size_t size = strlen(prefix);
    ORDO_ASSERT(size > 0 && size < sizeof end && prefix[size - 1] == '/');
    memcpy(end, prefix, size);
    end[size - 1]++;
    return bytes_json(ordo_slice(end, size));
}

/* ---- requests */

static json_t *compare_json(const char *prefix, const struct ordo_directory_view *view, const char *key) {
    const struct ordo_directory_item *seen = ordo_directory_find(view, key);
    if (seen == NULL) {
        return json_pack("{s:o, s:s, s:s, s:s}", "key", key_json(prefix, key), "target", "VERSION", "result", "EQUAL",
                         "version", "0");
    }
    return json_pack("{s:o, s:s, s:s, s:o}", "key", key_json(prefix, key), "target", "VALUE", "result", "EQUAL",
                     "value", bytes_json(seen->value));
}

static json_t *put_json(const char *prefix, const char *key, struct ordo_slice value, uint64_t lease) {
    return json_pack("{s:{s:o, s:o, s:o}}", "request_put", "key", key_json(prefix, key), "value", bytes_json(value),
                     "lease", number_json(lease));
}

void ordo_etcd_txn_encode(struct ordo_buffer *out, const char *prefix, const struct ordo_directory_view *view,
                          const struct ordo_directory_changes *changes, uint64_t lease) {
    json_t *compares = json_array(), *requests = json_array();
    for (size_t i = 0; i < changes->count; i++) {
        const char *key = changes->items[i].key;
        struct ordo_slice value = ordo_buffer_slice(&changes->items[i].value);
        if (!changes->items[i].is_regardless) json_array_append_new(compares, compare_json(prefix, view, key));
        switch (changes->items[i].verb) {
        case ORDO_DIRECTORY_CHECK: break;
        case ORDO_DIRECTORY_PUT: json_array_append_new(requests, put_json(prefix, key, value, 0)); break;
        case ORDO_DIRECTORY_PUT_LEASED: json_array_append_new(requests, put_json(prefix, key, value, lease)); break;
        case ORDO_DIRECTORY_DELETE:
            json_array_append_new(requests,
                                  json_pack("{s:{s:o}}", "request_delete_range", "key", key_json(prefix, key)));
            break;
        }
    }
    append(out, json_pack("{s:o, s:o}", "compare", compares, "success", requests));
}

void ordo_etcd_range_encode(struct ordo_buffer *out, const char *prefix) {
    append(out, json_pack("{s:o, s:o}", "key", key_json(prefix, ""), "range_end", end_json(prefix)));
}

void ordo_etcd_ping_encode(struct ordo_buffer *out, const char *prefix) {
    append(out, json_pack("{s:o, s:b}", "key", key_json(prefix, ""), "keys_only", 1));
}

void ordo_etcd_watch_encode(struct ordo_buffer *out, const char *prefix, uint64_t from_revision) {
    append(out, json_pack("{s:{s:o, s:o, s:o}}", "create_request", "key", key_json(prefix, ""), "range_end",
                          end_json(prefix), "start_revision", number_json(from_revision)));
}

void ordo_etcd_grant_encode(struct ordo_buffer *out, uint32_t ttl_s) {
    append(out, json_pack("{s:o}", "TTL", number_json(ttl_s)));
}

void ordo_etcd_lease_encode(struct ordo_buffer *out, uint64_t lease) {
    append(out, json_pack("{s:o}", "ID", number_json(lease)));
}

/* ---- parts of answers */

/* Absent: 0. */
static bool take_number(const json_t *object, const char *name, uint64_t *out) {
    const json_t *value = json_object_get(object, name);
    *out = 0;
    if (value == NULL) return true;
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *out = (uint64_t)json_integer_value(value);
        return true;
    }
    const char *text = json_string_value(value);
    if (text == NULL || text[0] == '\0' || strlen(text) > 19 || strspn(text, "0123456789") != strlen(text))
        return false;
    *out = strtoull(text, NULL, 10);
    return true;
}

static bool take_revision(const json_t *answer, uint64_t *out) {
    const json_t *header = json_object_get(answer, "header");
    return json_is_object(header) && take_number(header, "revision", out) && *out > 0;
}

/* Absent: empty. */
static bool take_bytes(const json_t *object, const char *name, struct ordo_buffer *out) {
    const json_t *value = json_object_get(object, name);
    ordo_buffer_clear(out);
    if (value == NULL) return true;
    return json_is_string(value) &&
           ordo_base64_decode(out, ordo_slice(json_string_value(value), json_string_length(value)));
}

/* The key without the prefix; false: it cannot be one of ours. */
static bool our_key(struct ordo_slice whole, const char *prefix, char out[ORDO_DIRECTORY_KEY_SIZE_MAX + 1]) {
    size_t size = strlen(prefix);
    if (!ordo_slice_starts_with(whole, ordo_slice_of(prefix))) return false;
    if (whole.size - size > ORDO_DIRECTORY_KEY_SIZE_MAX || memchr(whole.data, '\0', whole.size) != NULL) return false;
    snprintf(out, ORDO_DIRECTORY_KEY_SIZE_MAX + 1, "%.*s", (int)(whole.size - size), (const char *)whole.data + size);
    return ordo_directory_key_is_valid(out);
}

/* Puts or deletes what a key-value pair of etcd says. */
static ordo_err take_pair(const json_t *pair, bool is_delete, const char *prefix,
                          struct ordo_directory_content *content) {
    struct ordo_buffer whole = {0}, value = {0};
    char key[ORDO_DIRECTORY_KEY_SIZE_MAX + 1];
    uint64_t lease;
    ordo_err err = ORDO_OK;
    if (!take_bytes(pair, "key", &whole) || !take_bytes(pair, "value", &value) || !take_number(pair, "lease", &lease)) {
        err = ORDO_ERR_CORRUPT;
    } else if (our_key(ordo_buffer_slice(&whole), prefix, key)) {
        if (is_delete) {
            ordo_directory_content_delete(content, key);
        } else {
            err = ordo_directory_content_put(content, key, ordo_buffer_slice(&value), lease);
        }
    }
    ordo_buffer_finish(&whole);
    ordo_buffer_finish(&value);
    return err;
}

static json_t *object_of(struct ordo_slice text) { return json_loadb((const char *)text.data, text.size, 0, NULL); }

/* ---- answers */

ordo_err ordo_etcd_txn_decode(struct ordo_slice text, bool *is_done_out, uint64_t *revision_out) {
    json_t *answer = object_of(text);
    bool is_understood = take_revision(answer, revision_out);
    *is_done_out = json_is_true(json_object_get(answer, "succeeded"));
    json_decref(answer);
    return is_understood ? ORDO_OK : ORDO_ERR_CORRUPT;
}

ordo_err ordo_etcd_range_decode(struct ordo_slice text, const char *prefix, struct ordo_directory_content *out) {
    json_t *answer = object_of(text), *pair;
    const json_t *pairs = json_object_get(answer, "kvs");
    size_t index;
    uint64_t count, revision;
    ordo_err err = ORDO_OK;
    if (!take_revision(answer, &revision) || !take_number(answer, "count", &count) || count != json_array_size(pairs) ||
        json_is_true(json_object_get(answer, "more"))) {
        err = ORDO_ERR_CORRUPT; /* an answer that was cut short must not pass for all */
    }
    json_array_foreach(pairs, index, pair) {
        if (!err) err = take_pair(pair, false, prefix, out);
    }
    if (err) {
        ordo_directory_content_finish(out);
    } else {
        out->revision = revision;
    }
    json_decref(answer);
    return err;
}

static ordo_err take_events(const json_t *result, const char *prefix, struct ordo_directory_content *content) {
    const json_t *events = json_object_get(result, "events");
    json_t *event;
    size_t index;
    json_array_foreach(events, index, event) {
        const char *type = json_string_value(json_object_get(event, "type"));
        bool is_delete = type != NULL && strcmp(type, "DELETE") == 0;
        if (type != NULL && !is_delete && strcmp(type, "PUT") != 0) return ORDO_ERR_CORRUPT;
        const json_t *pair = json_object_get(event, "kv");
        uint64_t revision;
        ordo_err err = take_pair(pair, is_delete, prefix, content);
        if (!err && !take_number(pair, "mod_revision", &revision)) err = ORDO_ERR_CORRUPT;
        if (err) return err;
        if (revision > content->revision) content->revision = revision;
    }
    return ORDO_OK;
}

/* The revision in the header is what etcd has come to, not what this watch was told of so far: only events count. */
ordo_err ordo_etcd_watch_decode(struct ordo_slice line, const char *prefix, struct ordo_directory_content *content) {
    json_t *answer = object_of(line);
    const json_t *result = json_object_get(answer, "result");
    uint64_t revision;
    ordo_err err = ORDO_ERR_CORRUPT;
    if (json_object_get(answer, "error") != NULL || json_is_true(json_object_get(result, "canceled"))) {
        err = ORDO_ERR_CLOSED;
    } else if (take_revision(result, &revision)) {
        err = take_events(result, prefix, content);
    }
    json_decref(answer);
    return err;
}

ordo_err ordo_etcd_grant_decode(struct ordo_slice text, uint64_t *lease_out) {
    json_t *answer = object_of(text);
    bool is_understood = take_number(answer, "ID", lease_out) && *lease_out > 0;
    json_decref(answer);
    return is_understood ? ORDO_OK : ORDO_ERR_CORRUPT;
}

ordo_err ordo_etcd_keepalive_decode(struct ordo_slice text, bool *is_held_out) {
    json_t *answer = object_of(text);
    const json_t *result = json_object_get(answer, "result");
    uint64_t revision, ttl_s;
    bool is_understood = take_revision(result, &revision) && take_number(result, "TTL", &ttl_s);
    *is_held_out = is_understood && ttl_s > 0;
    json_decref(answer);
    return is_understood ? ORDO_OK : ORDO_ERR_CORRUPT;
}

enum ordo_etcd_refusal ordo_etcd_refusal_decode(struct ordo_slice text, struct ordo_problem *problem) {
    static const struct {
        const char *words;
        enum ordo_etcd_refusal refusal;
    } known[] = {
        {"request is too large", ORDO_ETCD_TOO_LARGE},       /* etcd's limit */
        {"message larger than max", ORDO_ETCD_TOO_LARGE},    /* that of its gateway */
        {"requested lease not found", ORDO_ETCD_NO_LEASE},
        {"database space exceeded", ORDO_ETCD_NO_SPACE},
    };
    json_t *answer = object_of(text);
    const char *said = json_string_value(json_object_get(answer, "message"));
    enum ordo_etcd_refusal refusal = ORDO_ETCD_OTHER;
    for (size_t i = 0; said != NULL && i < sizeof known / sizeof known[0]; i++) {
        if (strstr(said, known[i].words) != NULL) refusal = known[i].refusal;
    }
    ordo_problem_set(problem, "etcd says: %.200s.", said != NULL ? said : "something that is not understood");
    for (char *c = problem->text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = ' ';
    }
    json_decref(answer);
    return refusal;
}
