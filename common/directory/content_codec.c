#include "common/directory/content_codec.h"

#include <stdio.h>

#include "common/hash.h"

static const char magic[] = "ordo-directory 1\n";
enum { MAGIC_SIZE = sizeof magic - 1, VERSION_SIZE = 2, HASH_SIZE = 8 }; /* the version: digit and line feed */

void ordo_directory_content_encode(struct ordo_buffer *out, const struct ordo_directory_content *content) {
    size_t begin = out->size;
    ordo_buffer_append(out, magic, MAGIC_SIZE);
    ordo_buffer_append_u64_le(out, content->revision);
    ordo_buffer_append_varint(out, content->count);
    for (size_t i = 0; i < content->count; i++) {
        ordo_buffer_append_sized(out, ordo_slice_of(content->items[i].key));
        ordo_buffer_append_sized(out, content->items[i].value);
        ordo_buffer_append_u64_le(out, content->items[i].lease);
    }
    ordo_buffer_append_u64_le(out, ordo_hash(ordo_slice(out->data + begin, out->size - begin)));
}

static bool take_item(struct ordo_reader *reader, struct ordo_directory_content *out) {
    char key[ORDO_DIRECTORY_KEY_SIZE_MAX + 1];
    struct ordo_slice name, value;
    uint64_t lease;
    if (!ordo_take_sized(reader, &name) || !ordo_take_sized(reader, &value) || !ordo_take_u64_le(reader, &lease))
        return false;
    if (name.size == 0 || name.size >= sizeof key || memchr(name.data, '\0', name.size) != NULL) return false;
    snprintf(key, sizeof key, "%.*s", (int)name.size, (const char *)name.data);
    if (out->count > 0 && strcmp(out->items[out->count - 1].key, key) >= 0) return false;
    return ordo_directory_content_put(out, key, value, lease) == ORDO_OK;
}

static bool take_items(struct ordo_reader *reader, struct ordo_directory_content *out) {
    uint64_t count;
    if (!ordo_take_u64_le(reader, &out->revision) || !ordo_take_varint(reader, &count)) return false;
    for (uint64_t i = 0; i < count; i++) {
        if (!take_item(reader, out)) return false;
    }
    return ordo_reader_left(reader) == 0;
}

ordo_err ordo_directory_content_decode(struct ordo_slice bytes, struct ordo_directory_content *out) {
    if (bytes.size < MAGIC_SIZE + HASH_SIZE) return ORDO_ERR_CORRUPT;
    struct ordo_slice body = ordo_slice(bytes.data, bytes.size - HASH_SIZE);
    struct ordo_reader tail = ordo_reader(ordo_slice(bytes.data + body.size, HASH_SIZE));
    uint64_t hash;
    if (!ordo_take_u64_le(&tail, &hash) || hash != ordo_hash(body)) return ORDO_ERR_CORRUPT;
    if (memcmp(body.data, magic, MAGIC_SIZE - VERSION_SIZE) != 0) return ORDO_ERR_CORRUPT;
    if (memcmp(body.data, magic, MAGIC_SIZE) != 0) return ORDO_ERR_VERSION;
    struct ordo_reader reader = ordo_reader(ordo_slice(body.data + MAGIC_SIZE, body.size - MAGIC_SIZE));
    if (take_items(&reader, out)) return ORDO_OK;
    ordo_directory_content_finish(out);
    return ORDO_ERR_CORRUPT;
}
