#include "shard/webhook/payload.h"

#include "common/json.h"

static void put_string(struct ordo_buffer *out, const char *name, const uint8_t *text, size_t size) {
    json_put_text(out, name);
    if (!json_put_string(out, ordo_slice(text, size))) json_put_text(out, "\"\"");
}

static void put_number(struct ordo_buffer *out, const char *name, uint64_t value) {
    json_put_text(out, name);
    json_put_number(out, value);
}

void ordo_webhook_payload_put(struct ordo_buffer *out, const struct ordo_webhook_entry *entry) {
    put_string(out, "{\"collection\":", entry->collection, entry->collection_size);
    put_string(out, ",\"id\":", entry->id, entry->id_size);
    put_number(out, ",\"lineage\":", entry->lineage);
    put_number(out, ",\"seq\":", entry->seq);
    json_put_text(out, entry->is_deleted ? ",\"deleted\":true" : ",\"deleted\":false");
    put_number(out, ",\"timestamp_ms\":", entry->timestamp_ms);
    json_put_text(out, ",\"users\":[");
    for (uint32_t i = 0; i < entry->user_count; i++)
        put_string(out, i == 0 ? "" : ",", entry->users[i].name, entry->users[i].size);
    json_put_text(out, entry->has_more_users ? "],\"more_users\":true}" : "],\"more_users\":false}");
}

bool ordo_webhook_url_is_valid(const char *url) {
    const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : strncmp(url, "https://", 8) == 0 ? url + 8 : NULL;
    if (host == NULL || host[0] == '\0' || host[0] == '/') return false;
    for (const char *at = url; *at != '\0'; at++)
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f || *at == '@') return false;
    return true;
}
