#include "tools/ordo/backup_manifest.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/files.h"
#include "common/hex.h"
#include "common/memory.h"

enum { FORMAT = 1 };

static json_t *hex_of(const uint8_t *bytes, size_t size) {
    char text[2 * ORDO_STORE_ID_SIZE + 1];
    ordo_hex_encode(text, bytes, size);
    return json_string(text);
}

static bool take_hex(const json_t *value, uint8_t *bytes, size_t size) {
    const char *text = json_string_value(value);
    return text != NULL && ordo_hex_decode(text, bytes, size);
}

static bool take_number(const json_t *object, const char *key, uint64_t *out) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

ordo_err ordo_backup_manifest_check(const struct ordo_backup_manifest *manifest, struct ordo_problem *problem) {
    const struct ordo_backup_manifest_store *stores = manifest->stores;
    for (size_t i = 1; i < manifest->store_count; i++) {
        if (memcmp(stores[i].identity.cluster_id, stores[0].identity.cluster_id, ORDO_CLUSTER_ID_SIZE) == 0) continue;
        ordo_problem_set(problem, "The stores %s and %s are of different clusters.", stores[0].name, stores[i].name);
        return ORDO_ERR_INVALID;
    }
    for (unsigned slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        size_t owner_count = 0;
        for (size_t i = 0; i < manifest->store_count; i++) owner_count += ordo_identity_epoch(&stores[i].identity, slot) > 0;
        if (owner_count == 1) continue;
        ordo_problem_set(problem, "Slot %u is in %s of the stores: the backup is not whole.", slot,
                         owner_count == 0 ? "none" : "more than one");
        return ORDO_ERR_INVALID;
    }
    return ORDO_OK;
}

/* [first, last, epoch] for each stretch. */
static json_t *slots_of(const struct ordo_identity *identity) {
    json_t *slots = json_array();
    for (unsigned first = 0, end; first < ORDO_SLOT_COUNT; first = end) {
        uint64_t epoch = ordo_identity_epoch(identity, first);
        for (end = first + 1; end < ORDO_SLOT_COUNT && ordo_identity_epoch(identity, end) == epoch;) end++;
        if (epoch > 0) json_array_append_new(slots, json_pack("[i,i,I]", (int)first, (int)end - 1, (json_int_t)epoch));
    }
    return slots;
}

static bool take_slots(const json_t *slots, struct ordo_identity *identity) {
    size_t index;
    json_t *stretch;
    json_array_foreach(slots, index, stretch) {
        int first, last;
        json_int_t epoch;
        if (json_unpack(stretch, "[i,i,I]", &first, &last, &epoch) != 0) return false;
        if (first < 0 || last < first || last >= ORDO_SLOT_COUNT || epoch < 1) return false;
        for (int slot = first; slot <= last; slot++) {
            identity->slots[slot] = (struct ordo_slot_row){.state = ORDO_SLOT_OWNED, .epoch = (uint64_t)epoch};
        }
        identity->slot_count += (size_t)(last - first + 1);
    }
    return json_is_array(slots);
}

static json_t *store_of(const struct ordo_backup_manifest_store *store) {
    const struct ordo_identity *identity = &store->identity;
    return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "name", store->name, "store",
                     hex_of(identity->store_id, sizeof identity->store_id), "incarnation",
                     (json_int_t)identity->incarnation, "turn", (json_int_t)identity->turn, "term",
                     (json_int_t)identity->term, "time_ms", (json_int_t)store->time_ms, "size",
                     (json_int_t)store->size, "slots", slots_of(identity));
}

static bool take_store(const json_t *object, struct ordo_backup_manifest_store *store) {
    struct ordo_identity *identity = &store->identity;
    const char *name = json_string_value(json_object_get(object, "name"));
    if (name == NULL || name[0] == '.' || strchr(name, '/') != NULL) return false;
    return snprintf(store->name, sizeof store->name, "%s", name) < (int)sizeof store->name &&
           take_hex(json_object_get(object, "store"), identity->store_id, sizeof identity->store_id) &&
           take_number(object, "incarnation", &identity->incarnation) && take_number(object, "turn", &identity->turn) &&
           take_number(object, "term", &identity->term) && take_number(object, "time_ms", &store->time_ms) &&
           take_number(object, "size", &store->size) && take_slots(json_object_get(object, "slots"), identity);
}

ordo_err ordo_backup_manifest_write(const struct ordo_backup_manifest *manifest, const char *folder, struct ordo_problem *problem) {
    char path[PATH_MAX], temporary[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/manifest.json", folder) >= (int)sizeof path ||
        snprintf(temporary, sizeof temporary, "%s/manifest.json.new", folder) >= (int)sizeof temporary) {
        return ORDO_ERR_IO;
    }
    const struct ordo_identity *first = &manifest->stores[0].identity;
    json_t *stores = json_array();
    for (size_t i = 0; i < manifest->store_count; i++) json_array_append_new(stores, store_of(&manifest->stores[i]));
    json_t *all = json_pack("{s:i, s:I, s:o, s:o}", "format", FORMAT, "backup", (json_int_t)manifest->id, "cluster",
                            hex_of(first->cluster_id, sizeof first->cluster_id), "stores", stores);
    char *text = json_dumps(all, JSON_INDENT(2));
    json_decref(all);
    ordo_err err = ordo_file_replace(path, temporary, ordo_slice_of(text));
    if (err) ordo_problem_set(problem, "The file %s cannot be written: %s.", path, strerror(errno));
    free(text);
    return err;
}

static bool take_manifest(const json_t *all, struct ordo_backup_manifest *manifest) {
    uint64_t format;
    if (!take_number(all, "format", &format) || format != FORMAT || !take_number(all, "backup", &manifest->id)) {
        return false;
    }
    size_t index;
    json_t *store, *stores = json_object_get(all, "stores");
    json_array_foreach(stores, index, store) {
        if (manifest->store_count == ORDO_BACKUP_STORES_MAX) return false;
        struct ordo_backup_manifest_store *to = &manifest->stores[manifest->store_count++];
        if (!take_hex(json_object_get(all, "cluster"), to->identity.cluster_id, ORDO_CLUSTER_ID_SIZE)) return false;
        if (!take_store(store, to)) return false;
    }
    return manifest->store_count > 0;
}

ordo_err ordo_backup_manifest_read(struct ordo_backup_manifest *manifest, const char *folder, struct ordo_problem *problem) {
    *manifest = (struct ordo_backup_manifest){0};
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/manifest.json", folder) >= (int)sizeof path) return ORDO_ERR_IO;
    struct ordo_buffer text = {0};
    ordo_err err = ordo_file_read(path, &text);
    if (err) {
        ordo_problem_set(problem, "The file %s cannot be read: %s.", path, strerror(errno));
    } else {
        json_t *all = json_loadb((const char *)text.data, text.size, 0, NULL);
        if (all == NULL || !take_manifest(all, manifest)) {
            ordo_problem_set(problem, "The file %s is damaged, or was written by another version.", path);
            err = ORDO_ERR_CORRUPT;
        }
        json_decref(all);
    }
    ordo_buffer_finish(&text);
    return err;
}

static int compare_ids(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

uint64_t *ordo_backup_manifest_list(const char *dir, size_t *count_out) {
    uint64_t *ids = NULL;
    size_t count = 0;
    DIR *folder = opendir(dir);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        size_t size = strlen(entry->d_name);
        if (size < 6 || size > 18 || strspn(entry->d_name, "0123456789") != size) continue;
        ids = ordo_realloc(ids, (count + 1) * sizeof *ids);
        ids[count++] = strtoull(entry->d_name, NULL, 10);
    }
    if (folder != NULL) closedir(folder);
    if (count > 0) qsort(ids, count, sizeof *ids, compare_ids);
    *count_out = count;
    return ids;
}

bool ordo_backup_manifest_path(char out[PATH_MAX], const char *dir, uint64_t id, const char *end) {
    return snprintf(out, PATH_MAX, "%s/%06" PRIu64 "%s", dir, id, end) < PATH_MAX;
}
