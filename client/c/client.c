#include "client/c/ordo_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "client/c/client_internal.h"
#include "common/limits.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/utf8.h"

#define DEFAULT_URL "ws://127.0.0.1:8080/v1/ws"

/* --- connections ------------------------------------------------------------------------------------------------ */

static bool take_host(const char **next, char *host, size_t host_size) {
    const char *from = *next;
    bool is_bracketed = *from == '[';
    if (is_bracketed) from++;
    size_t size = strcspn(from, is_bracketed ? "]" : ":/");
    if (size == 0 || size >= host_size || (is_bracketed && from[size] != ']')) return false;
    memcpy(host, from, size);
    host[size] = '\0';
    *next = from + size + (is_bracketed ? 1 : 0);
    return true;
}

bool client_parse_url(const char *text, struct url *out) {
    *out = (struct url){0};
    if (strncasecmp(text, "ws://", 5) == 0) text += 5;
    else if (strncasecmp(text, "wss://", 6) == 0) text += 6, out->is_tls = true;
    else return false;
    if (!take_host(&text, out->host, sizeof out->host)) return false;
    out->port = out->is_tls ? 443 : 80;
    if (*text == ':') {
        char *end;
        long port = strtol(text + 1, &end, 10);
        if (end == text + 1 || port < 1 || port > 65535) return false;
        out->port = (int)port;
        text = end;
    }
    if (*text != '\0' && *text != '/') return false;
    bool is_ipv6 = strchr(out->host, ':') != NULL;
    snprintf(out->authority, sizeof out->authority, is_ipv6 ? "[%s]:%d" : "%s:%d", out->host, out->port);
    int size = snprintf(out->path, sizeof out->path, "%s", *text ? text : "/v1/ws");
    return size > 0 && (size_t)size < sizeof out->path;
}

static void connection_error(void *user, uint32_t code, struct ordo_slice message) {
    struct ordo_client *client = user;
    if (client->error != NULL) client->error(client->user, client, code, message);
}

static void connection_woke(void *user) { client_mark_dirty(user); }

static struct ordo_slice optional(const char *text) { return text ? ordo_slice_of(text) : ordo_slice(NULL, 0); }

ordo_err ordo_client_connect(struct ordo_client_loop *loop, const struct ordo_client_options *options,
                             struct ordo_client **client_out) {
    struct url url;
    if (!client_parse_url(options->url ? options->url : DEFAULT_URL, &url)) return ORDO_ERR_INVALID;
    struct ordo_client *client = ordo_alloc(sizeof *client);
    client->loop = loop;
    client->url = url;
    client->error = options->error;
    client->connected = options->connected;
    client->user = options->user;
    struct ordo_client_connection_options core = {
        .client_id = options->client_id,
        .token = optional(options->token),
        .agent = optional(options->agent),
        .backoff_min_ms = options->backoff_min_ms,
        .backoff_max_ms = options->backoff_max_ms,
        .error = connection_error,
        .wake = connection_woke,
        .user = client,
    };
    static const struct ordo_client_id none;
    if (memcmp(&core.client_id, &none, sizeof none) == 0) ordo_random_bytes(core.client_id.bytes, sizeof none);
    ordo_random_bytes(&core.prng, sizeof core.prng);
    client->connection = ordo_client_connection_create(&core);
    client->next = loop->clients;
    if (loop->clients != NULL) loop->clients->previous = client;
    loop->clients = client;
    client_mark_dirty(client);
    *client_out = client;
    return ORDO_OK;
}

static void forget_dirty(struct ordo_client *client) {
    struct ordo_client **link = &client->loop->dirty;
    while (*link != NULL && *link != client) link = &(*link)->next_dirty;
    if (*link != NULL) *link = client->next_dirty;
}

void ordo_client_disconnect(struct ordo_client *client) {
    if (client == NULL) return;
    client->error = NULL;
    client->connected = NULL;
    if (client->is_established) client_serve(client); /* what was typed last is at least sent */
    ordo_client_connection_stop(client->connection);
    client_cut(client);
    forget_dirty(client);
    if (client->previous != NULL) client->previous->next = client->next;
    else client->loop->clients = client->next;
    if (client->next != NULL) client->next->previous = client->previous;
    ordo_client_connection_destroy(client->connection);
    ordo_buffer_finish(&client->rx);
    free(client);
}

void ordo_client_set_token(struct ordo_client *client, const char *token) {
    ordo_client_connection_set_token(client->connection, optional(token));
}
bool ordo_client_is_connected(const struct ordo_client *client) {
    return ordo_client_connection_state(client->connection) == ORDO_CLIENT_READY;
}
struct ordo_client_id ordo_client_id(const struct ordo_client *client) {
    return ordo_client_connection_client_id(client->connection);
}
void ordo_client_drop_connection(struct ordo_client *client) { client_cut(client); }

/* --- documents -------------------------------------------------------------------------------------------------- */

static bool is_name(const char *name, size_t size_max) {
    size_t size = strlen(name);
    return size > 0 && size <= size_max && ordo_utf8_validate(ordo_slice(name, size), NULL);
}

struct ordo_client_doc *ordo_client_open(struct ordo_client *client, const char *collection, const char *id,
                                         const struct ordo_client_open_options *options) {
    bool has_name = is_name(collection, ORDO_NAME_SIZE_MAX) && is_name(id, ORDO_NAME_SIZE_MAX) &&
                    (options->create_type == NULL || is_name(options->create_type, ORDO_TYPE_NAME_SIZE_MAX));
    struct ordo_client_doc_options core = {
        .collection = ordo_slice_of(has_name ? collection : "-"),
        .id = ordo_slice_of(has_name ? id : "-"),
        .create_type = optional(has_name ? options->create_type : NULL),
        .create_content = options->create_content,
        .presence = options->presence,
        .light = options->light,
        .listener = options->listener,
        .user = options->user,
    };
    struct ordo_client_doc *doc = ordo_client_connection_open(client->connection, &core);
    if (!has_name)
        ordo_client_doc_refuse(doc, 400, "a collection, id or type has a name of 1 to 128 bytes of UTF-8");
    else if (options->record.size > 0 && ordo_client_doc_restore(doc, options->record) != ORDO_OK)
        ordo_client_doc_refuse(doc, 422, "the stored state of this document cannot be used");
    return doc;
}

void ordo_client_close(struct ordo_client_doc *doc) {
    if (doc != NULL) ordo_client_connection_close(ordo_client_connection_of(doc), doc);
}

bool ordo_client_store(struct ordo_client_doc *doc) { return ordo_client_doc_store(doc); }
ordo_err ordo_client_record_id(struct ordo_slice record, struct ordo_client_id *out) {
    return ordo_client_record_client_id(record, out);
}

ordo_err ordo_client_insert(struct ordo_client_doc *doc, uint64_t position, const char *text) {
    return ordo_client_doc_splice(doc, position, 0, ordo_slice_of(text));
}
ordo_err ordo_client_delete(struct ordo_client_doc *doc, uint64_t position, uint64_t count) {
    return ordo_client_doc_splice(doc, position, count, ordo_slice(NULL, 0));
}
ordo_err ordo_client_splice(struct ordo_client_doc *doc, uint64_t position, uint64_t count, struct ordo_slice text) {
    return ordo_client_doc_splice(doc, position, count, text);
}
ordo_err ordo_client_apply(struct ordo_client_doc *doc, struct ordo_slice op) {
    return ordo_client_doc_edit(doc, op);
}
ordo_err ordo_client_delete_document(struct ordo_client_doc *doc) { return ordo_client_doc_delete(doc); }
ordo_err ordo_client_create_document(struct ordo_client_doc *doc) {
    return ordo_client_doc_create_again(doc, ordo_slice(NULL, 0));
}
ordo_err ordo_client_forget_document(struct ordo_client_doc *doc, uint64_t lineage, ordo_client_forgotten_listener listener,
                                     void *user) {
    return ordo_client_connection_forget(ordo_client_connection_of(doc), doc, lineage, listener, user);
}
ordo_err ordo_client_set_text(struct ordo_client_doc *doc, struct ordo_slice text) {
    return ordo_client_doc_set_text(doc, text);
}

char *ordo_client_text(const struct ordo_client_doc *doc, size_t *size_out) {
    struct ordo_buffer text = {0};
    ordo_client_doc_write_visible(doc, &text);
    if (size_out != NULL) *size_out = text.size;
    ordo_buffer_append_u8(&text, 0);
    return (char *)text.data;
}
uint64_t ordo_client_length(const struct ordo_client_doc *doc) { return ordo_client_doc_length(doc); }
bool ordo_client_is_deleted(const struct ordo_client_doc *doc) { return ordo_client_doc_is_deleted(doc); }
bool ordo_client_is_viewer(const struct ordo_client_doc *doc) { return ordo_client_doc_is_viewer(doc); }
uint64_t ordo_client_seq(const struct ordo_client_doc *doc) { return ordo_client_doc_seq(doc); }
uint64_t ordo_client_lineage(const struct ordo_client_doc *doc) { return ordo_client_doc_lineage(doc); }
enum ordo_client_status ordo_client_status(const struct ordo_client_doc *doc) { return ordo_client_doc_status(doc); }
uint32_t ordo_client_error_code(const struct ordo_client_doc *doc) { return ordo_client_doc_error_code(doc); }
struct ordo_slice ordo_client_error_message(const struct ordo_client_doc *doc) {
    return ordo_client_doc_error_message(doc);
}

ordo_err ordo_client_set_presence(struct ordo_client_doc *doc, struct ordo_slice data,
                                  const struct ordo_client_range *ranges, size_t range_count) {
    return ordo_client_doc_set_presence(doc, data, ranges, range_count);
}
void ordo_client_clear_presence(struct ordo_client_doc *doc) { ordo_client_doc_clear_presence(doc); }

ordo_err ordo_client_read_history(struct ordo_client_doc *doc, uint64_t from_seq, uint64_t to_seq,
                                  ordo_client_history_listener listener, void *user) {
    struct ordo_client_history_request request = {.from_seq = from_seq, .to_seq = to_seq};
    return ordo_client_connection_read_history(ordo_client_connection_of(doc), doc, &request, listener, user);
}
ordo_err ordo_client_read_at(struct ordo_client_doc *doc, uint64_t at_seq, ordo_client_history_listener listener,
                             void *user) {
    struct ordo_client_history_request request = {.content = true, .at_seq = at_seq};
    return ordo_client_connection_read_history(ordo_client_connection_of(doc), doc, &request, listener, user);
}
ordo_err ordo_client_read_at_time(struct ordo_client_doc *doc, uint64_t at_time_ms,
                                  ordo_client_history_listener listener, void *user) {
    struct ordo_client_history_request request = {.content = true, .at_time_ms = at_time_ms};
    return ordo_client_connection_read_history(ordo_client_connection_of(doc), doc, &request, listener, user);
}
