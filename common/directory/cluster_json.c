/* The values of a directory's keys, encoder and decoder side by side. What decodes is in bounds and consistent with its
 * key. */
#include "common/directory/cluster.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/hex.h"
#include "common/utf8.h"

enum { ID_SIZE = 16, DIGITS = 2 * ID_SIZE };
_Static_assert(ORDO_STORE_ID_SIZE == ID_SIZE && ORDO_CLUSTER_ID_SIZE == ID_SIZE &&
                   sizeof(struct ordo_process_id) == ID_SIZE,
               "all ids are of one size");

static const char not_an_object[] = "is not a JSON object";

/* ---- parts */

static json_t *object_of(struct ordo_slice value) {
    json_t *object = json_loadb((const char *)value.data, value.size, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(object)) return object;
    json_decref(object);
    return NULL;
}

/* Appends it as text. Takes it. */
static void append(struct ordo_buffer *out, json_t *object) {
    ORDO_ASSERT(object != NULL); /* all that goes in is ours: valid UTF-8 and in bounds */
    char *text = json_dumps(object, JSON_COMPACT);
    ORDO_ASSERT(text != NULL);
    ordo_buffer_append(out, text, strlen(text));
    free(text);
    json_decref(object);
}

static json_t *id_json(const uint8_t bytes[ID_SIZE]) {
    char digits[DIGITS + 1];
    ordo_hex_encode(digits, bytes, ID_SIZE);
    return json_string(digits);
}

/* An id that is none is garbled: whoever writes one has drawn it. */
static bool read_id(const json_t *value, uint8_t out[ID_SIZE]) {
    static const uint8_t none[ID_SIZE];
    const char *digits = json_string_value(value);
    return digits != NULL && ordo_hex_decode(digits, out, ID_SIZE) && memcmp(out, none, ID_SIZE) != 0;
}

static bool take_id(const json_t *object, const char *name, uint8_t out[ID_SIZE]) {
    return read_id(json_object_get(object, name), out);
}

/* The id that a key ends with. */
static bool key_id(const char *key, const char *prefix, uint8_t out[ID_SIZE]) {
    size_t size = strlen(prefix);
    return strncmp(key, prefix, size) == 0 && ordo_hex_decode(key + size, out, ID_SIZE);
}

static bool read_number(const json_t *value, uint64_t max, uint64_t *out) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (uint64_t)json_integer_value(value);
    return *out <= max;
}

static bool take_number(const json_t *object, const char *name, uint64_t *out) {
    return read_number(json_object_get(object, name), ORDO_NUMBER_MAX, out);
}

static bool take_level(const json_t *object, const char *name, uint32_t *out) {
    uint64_t number;
    if (!read_number(json_object_get(object, name), UINT32_MAX, &number)) return false;
    *out = (uint32_t)number;
    return true;
}

static const char *take_levels(const json_t *object, uint32_t *min_out, uint32_t *max_out) {
    bool is_read = take_level(object, "reads_format_min", min_out) && take_level(object, "reads_format_max", max_out);
    return is_read && *min_out <= *max_out ? NULL : "does not say which formats it reads";
}

bool ordo_cluster_text_is_valid(const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) return false;
    }
    return strlen(text) <= ORDO_CLUSTER_TEXT_SIZE_MAX && ordo_utf8_validate(ordo_slice_of(text), NULL);
}

static bool take_text(const json_t *object, const char *name, char *out, size_t size) {
    const char *text = json_string_value(json_object_get(object, name));
    if (text == NULL || !ordo_cluster_text_is_valid(text) || strlen(text) >= size) return false;
    snprintf(out, size, "%s", text);
    return true;
}

static bool take_name(const json_t *object, char out[ORDO_CLUSTER_NAME_SIZE_MAX + 1]) {
    return take_text(object, "name", out, ORDO_CLUSTER_NAME_SIZE_MAX + 1) && ordo_cluster_name_is_valid(out);
}

/* Absent: false. */
static bool take_flag(const json_t *object, const char *name, bool *out) {
    const json_t *value = json_object_get(object, name);
    *out = json_is_true(value);
    return value == NULL || json_is_boolean(value);
}

bool ordo_cluster_name_is_valid(const char *name) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t size = strlen(name);
    return size > 0 && size <= ORDO_CLUSTER_NAME_SIZE_MAX && strspn(name, allowed) == size;
}

/* ---- keys */

static void key_of_id(char out[ORDO_CLUSTER_KEY_SIZE], const char *prefix, const struct ordo_store_id *id) {
    char digits[DIGITS + 1];
    ordo_hex_encode(digits, id->bytes, sizeof id->bytes);
    snprintf(out, ORDO_CLUSTER_KEY_SIZE, "%s%s", prefix, digits);
}

static void key_of_name(char out[ORDO_CLUSTER_KEY_SIZE], const char *prefix, const char *name) {
    ORDO_ASSERT(ordo_cluster_name_is_valid(name));
    snprintf(out, ORDO_CLUSTER_KEY_SIZE, "%s%s", prefix, name);
}

void ordo_cluster_key_store(char out[ORDO_CLUSTER_KEY_SIZE], const struct ordo_store_id *id) {
    key_of_id(out, "stores/", id);
}
void ordo_cluster_key_live(char out[ORDO_CLUSTER_KEY_SIZE], const struct ordo_store_id *id) {
    key_of_id(out, "live/", id);
}
void ordo_cluster_key_gateway(char out[ORDO_CLUSTER_KEY_SIZE], const char *name) {
    key_of_name(out, "gateways/", name);
}
void ordo_cluster_key_hold(char out[ORDO_CLUSTER_KEY_SIZE], const char *name) { key_of_name(out, "hold/", name); }
void ordo_cluster_key_move(char out[ORDO_CLUSTER_KEY_SIZE], uint16_t slot) {
    ORDO_ASSERT(slot < ORDO_SLOT_COUNT);
    snprintf(out, ORDO_CLUSTER_KEY_SIZE, "moves/%04u", slot); /* four digits: keys and slots have one order */
}

/* ---- table */

/* The store's place in the list, where it is added if it is not there yet. */
static size_t store_index(json_t *stores, struct ordo_store_id *ids, const struct ordo_store_id *id) {
    size_t count = json_array_size(stores);
    for (size_t i = 0; i < count; i++) {
        if (ordo_store_id_equal(&ids[i], id)) return i;
    }
    ids[count] = *id;
    json_array_append_new(stores, id_json(id->bytes));
    return count;
}

void ordo_cluster_table_encode(struct ordo_buffer *out, const struct ordo_cluster_table *table) {
    struct ordo_store_id ids[ORDO_SLOT_COUNT];
    json_t *stores = json_array(), *slots = json_array();
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        const struct ordo_slot_place *place = &table->placement.slots[slot];
        json_t *entry = json_null();
        if (place->epoch > 0) {
            size_t index = store_index(stores, ids, &place->store);
            entry = json_pack("[I,I]", (json_int_t)index, (json_int_t)place->epoch);
        }
        json_array_append_new(slots, entry);
    }
    json_t *founder = ordo_store_id_is_none(&table->founder) ? json_null() : id_json(table->founder.bytes);
    append(out, json_pack("{s:o, s:I, s:o, s:o, s:o}", "cluster", id_json(table->cluster.bytes), "format",
                          (json_int_t)table->format_level, "founder", founder, "stores", stores, "slots", slots));
}

static const char *take_stores(const json_t *stores, struct ordo_store_id ids[ORDO_SLOT_COUNT]) {
    if (!json_is_array(stores) || json_array_size(stores) > ORDO_SLOT_COUNT) return "has no list of stores";
    for (size_t i = 0; i < json_array_size(stores); i++) {
        if (!read_id(json_array_get(stores, i), ids[i].bytes)) return "has a store id that does not read";
        for (size_t k = 0; k < i; k++) {
            if (ordo_store_id_equal(&ids[k], &ids[i])) return "names a store twice";
        }
    }
    return NULL;
}

static bool read_place(const json_t *entry, const struct ordo_store_id *ids, size_t id_count,
                       struct ordo_slot_place *out) {
    if (json_is_null(entry)) return true;
    uint64_t index;
    if (json_array_size(entry) != 2 || !read_number(json_array_get(entry, 0), ORDO_SLOT_COUNT, &index) ||
        index >= id_count || !read_number(json_array_get(entry, 1), ORDO_NUMBER_MAX, &out->epoch) || out->epoch == 0) {
        return false;
    }
    out->store = ids[index];
    return true;
}

static const char *take_slots(const json_t *object, struct ordo_placement *out) {
    struct ordo_store_id ids[ORDO_SLOT_COUNT];
    const json_t *stores = json_object_get(object, "stores"), *slots = json_object_get(object, "slots");
    const char *wrong = take_stores(stores, ids);
    if (wrong != NULL) return wrong;
    if (json_array_size(slots) != ORDO_SLOT_COUNT) return "does not have 1024 slots";
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        if (!read_place(json_array_get(slots, slot), ids, json_array_size(stores), &out->slots[slot])) {
            return "has a slot that does not read";
        }
    }
    return NULL;
}

static const char *take_table(const json_t *object, struct ordo_cluster_table *out) {
    if (!take_id(object, "cluster", out->cluster.bytes)) return "has no cluster id";
    if (!take_level(object, "format", &out->format_level) || out->format_level == 0) return "has no format level";
    const json_t *founder = json_object_get(object, "founder");
    if (!json_is_null(founder) && !read_id(founder, out->founder.bytes)) return "has a founder that does not read";
    const char *wrong = take_slots(object, &out->placement);
    if (wrong != NULL || !ordo_store_id_is_none(&out->founder)) return wrong;
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) { /* else somebody would found over what they have */
        if (out->placement.slots[slot].epoch > 0) return "has owners but no founder";
    }
    return NULL;
}

const char *ordo_cluster_table_decode(struct ordo_slice value, struct ordo_cluster_table *out) {
    *out = (struct ordo_cluster_table){0};
    json_t *object = object_of(value);
    const char *wrong = object == NULL ? not_an_object : take_table(object, out);
    json_decref(object);
    return wrong;
}

/* ---- stores */

void ordo_cluster_store_encode(struct ordo_buffer *out, const struct ordo_cluster_store *store) {
    append(out, json_pack("{s:I, s:o, s:s, s:I, s:I, s:b, s:b}", "incarnation", (json_int_t)store->incarnation,
                          "process", id_json(store->process.bytes), "name", store->name, "reads_format_min",
                          (json_int_t)store->reads_format_min, "reads_format_max", (json_int_t)store->reads_format_max,
                          "draining", store->is_draining, "forgotten", store->is_forgotten));
}

static const char *take_store(const json_t *object, struct ordo_cluster_store *out) {
    if (!take_number(object, "incarnation", &out->incarnation)) return "has no incarnation";
    if (!take_id(object, "process", out->process.bytes)) return "has no process";
    if (!take_name(object, out->name)) return "has no valid name";
    const char *wrong = take_levels(object, &out->reads_format_min, &out->reads_format_max);
    if (wrong != NULL) return wrong;
    if (!take_flag(object, "draining", &out->is_draining)) return "has a \"draining\" that is neither true nor false";
    if (!take_flag(object, "forgotten", &out->is_forgotten))
        return "has a \"forgotten\" that is neither true nor false";
    return NULL;
}

const char *ordo_cluster_store_decode(const struct ordo_directory_item *item, struct ordo_cluster_store *out) {
    *out = (struct ordo_cluster_store){0};
    if (!key_id(item->key, "stores/", out->id.bytes)) return "is not the id of a store";
    json_t *object = object_of(item->value);
    const char *wrong = object == NULL ? not_an_object : take_store(object, out);
    json_decref(object);
    return wrong;
}

/* ---- live */

void ordo_cluster_live_encode(struct ordo_buffer *out, const struct ordo_cluster_live *live) {
    append(out, json_pack("{s:I, s:o, s:s, s:s, s:s, s:s, s:s}", "incarnation", (json_int_t)live->incarnation,
                          "process", id_json(live->process.bytes), "name", live->name, "host", live->host, "place",
                          live->place, "data", live->data_endpoint, "side", live->side_endpoint));
}

static const char *take_live(const json_t *object, struct ordo_cluster_live *out) {
    if (!take_number(object, "incarnation", &out->incarnation)) return "has no incarnation";
    if (!take_id(object, "process", out->process.bytes)) return "has no process";
    if (!take_name(object, out->name)) return "has no valid name";
    if (!take_text(object, "host", out->host, sizeof out->host)) return "has no host";
    if (!take_text(object, "place", out->place, sizeof out->place)) return "has no place";
    if (!take_text(object, "data", out->data_endpoint, sizeof out->data_endpoint)) return "has no data endpoint";
    if (!take_text(object, "side", out->side_endpoint, sizeof out->side_endpoint)) return "has no side endpoint";
    return NULL;
}

const char *ordo_cluster_live_decode(const struct ordo_directory_item *item, struct ordo_cluster_live *out) {
    *out = (struct ordo_cluster_live){0};
    if (!key_id(item->key, "live/", out->id.bytes)) return "is not the id of a store";
    json_t *object = object_of(item->value);
    const char *wrong = object == NULL ? not_an_object : take_live(object, out);
    json_decref(object);
    return wrong;
}

/* ---- gateways and holds: their names are their keys */

static bool key_name(const char *key, const char *prefix, char out[ORDO_CLUSTER_NAME_SIZE_MAX + 1]) {
    size_t size = strlen(prefix);
    if (strncmp(key, prefix, size) != 0 || !ordo_cluster_name_is_valid(key + size)) return false;
    snprintf(out, ORDO_CLUSTER_NAME_SIZE_MAX + 1, "%s", key + size);
    return true;
}

void ordo_cluster_gateway_encode(struct ordo_buffer *out, const struct ordo_cluster_gateway *gateway) {
    json_t *object = json_pack("{s:o, s:s, s:I, s:I}", "process", id_json(gateway->process.bytes), "url", gateway->url,
                               "reads_format_min", (json_int_t)gateway->reads_format_min, "reads_format_max",
                               (json_int_t)gateway->reads_format_max);
    if (gateway->metrics_url[0] != '\0') json_object_set_new(object, "metrics", json_string(gateway->metrics_url));
    append(out, object);
}

static const char *take_gateway(const json_t *object, struct ordo_cluster_gateway *out) {
    if (!take_id(object, "process", out->process.bytes)) return "has no process";
    if (!take_text(object, "url", out->url, sizeof out->url)) return "has no URL";
    bool has_metrics = json_object_get(object, "metrics") != NULL;
    if (has_metrics && !take_text(object, "metrics", out->metrics_url, sizeof out->metrics_url))
        return "has a metrics URL that is none";
    return take_levels(object, &out->reads_format_min, &out->reads_format_max);
}

const char *ordo_cluster_gateway_decode(const struct ordo_directory_item *item, struct ordo_cluster_gateway *out) {
    *out = (struct ordo_cluster_gateway){0};
    if (!key_name(item->key, "gateways/", out->name)) return "is not the name of a gateway";
    json_t *object = object_of(item->value);
    const char *wrong = object == NULL ? not_an_object : take_gateway(object, out);
    json_decref(object);
    return wrong;
}

void ordo_cluster_hold_encode(struct ordo_buffer *out, const struct ordo_cluster_hold *hold) {
    append(out, json_pack("{s:o}", "process", id_json(hold->process.bytes)));
}

const char *ordo_cluster_hold_decode(const struct ordo_directory_item *item, struct ordo_cluster_hold *out) {
    *out = (struct ordo_cluster_hold){0};
    if (!key_name(item->key, "hold/", out->name)) return "is not the name of a hold";
    json_t *object = object_of(item->value);
    const char *wrong = object == NULL                                   ? not_an_object
                        : !take_id(object, "process", out->process.bytes) ? "has no process"
                                                                          : NULL;
    json_decref(object);
    return wrong;
}

/* ---- moves */

void ordo_cluster_move_encode(struct ordo_buffer *out, const struct ordo_cluster_move *move) {
    append(out, json_pack("{s:o, s:s, s:s}", "target", id_json(move->target.bytes), "by",
                          move->is_by_balancer ? "balancer" : "operator", "failed", move->failure));
}

static bool key_slot(const char *key, uint16_t *out) {
    unsigned slot;
    char again[ORDO_CLUSTER_KEY_SIZE];
    if (sscanf(key, "moves/%4u", &slot) != 1 || slot >= ORDO_SLOT_COUNT) return false;
    *out = (uint16_t)slot;
    ordo_cluster_key_move(again, *out);
    return strcmp(again, key) == 0;
}

static const char *take_move(const json_t *object, struct ordo_cluster_move *out) {
    const char *by = json_string_value(json_object_get(object, "by"));
    if (!take_id(object, "target", out->target.bytes)) return "has no target";
    if (by == NULL || (strcmp(by, "balancer") != 0 && strcmp(by, "operator") != 0)) return "does not say by whom it is";
    out->is_by_balancer = strcmp(by, "balancer") == 0;
    if (!take_text(object, "failed", out->failure, sizeof out->failure)) return "does not say whether it failed";
    return NULL;
}

const char *ordo_cluster_move_decode(const struct ordo_directory_item *item, struct ordo_cluster_move *out) {
    *out = (struct ordo_cluster_move){0};
    if (!key_slot(item->key, &out->slot)) return "is not a slot";
    json_t *object = object_of(item->value);
    const char *wrong = object == NULL ? not_an_object : take_move(object, out);
    json_decref(object);
    return wrong;
}

/* ---- balancing */

void ordo_cluster_balancer_encode(struct ordo_buffer *out, const struct ordo_process_id *process) {
    append(out, json_pack("{s:o}", "process", id_json(process->bytes)));
}

const char *ordo_cluster_balancer_decode(struct ordo_slice value, struct ordo_process_id *out) {
    *out = (struct ordo_process_id){0};
    json_t *object = object_of(value);
    const char *wrong = object == NULL                            ? not_an_object
                        : !take_id(object, "process", out->bytes) ? "has no process"
                                                                  : NULL;
    json_decref(object);
    return wrong;
}

void ordo_cluster_balance_encode(struct ordo_buffer *out, bool is_off) {
    append(out, json_pack("{s:b}", "off", is_off));
}

const char *ordo_cluster_balance_decode(struct ordo_slice value, bool *is_off_out) {
    json_t *object = object_of(value);
    const char *wrong = object == NULL                             ? not_an_object
                        : !take_flag(object, "off", is_off_out) ? "has an \"off\" that is neither true nor false"
                                                                   : NULL;
    json_decref(object);
    return wrong;
}
