#include "gateway/core/note.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/hex.h"
#include "common/log_value.h"
#include "gateway/core/conn.h"
#include "gateway/core/doc.h"

enum { NOTE_SIZE_MAX = 2000, MORE_SIZE_MAX = 300 };

/* `doc=COLLECTION/ID` of an open document. */
static void append_doc(const struct gateway_conn *conn, uint32_t handle, char *out, size_t size) {
    const struct gateway_subscriber *subscriber = handle != 0 ? gateway_conn_subscriber(conn, handle) : NULL;
    out[0] = '\0';
    if (subscriber == NULL) return;
    char collection[ORDO_LOG_VALUE_SIZE], id[ORDO_LOG_VALUE_SIZE];
    snprintf(out, size, " doc=%s/%s", ordo_log_value(collection, gateway_doc_collection(subscriber->doc)),
             ordo_log_value(id, gateway_doc_id(subscriber->doc)));
}

void gateway_note(struct ordo_gateway *gateway, const struct gateway_conn *conn, uint32_t handle, const char *event,
                  const char *more, ...) {
    if (!gateway->config.has_notes) return;
    char line[NOTE_SIZE_MAX], rest[MORE_SIZE_MAX], doc[2 * ORDO_LOG_VALUE_SIZE + 8], user[ORDO_LOG_VALUE_SIZE];
    char client[2 * ORDO_CLIENT_ID_SIZE + 1] = "-";
    va_list args;
    va_start(args, more);
    vsnprintf(rest, sizeof rest, more, args);
    va_end(args);
    append_doc(conn, handle, doc, sizeof doc);
    if (conn->has_greeted) ordo_hex_encode(client, conn->client_id, sizeof conn->client_id);
    int size = snprintf(line, sizeof line, "event=%s conn=%u client=%s user=%s%s %s", event, conn->id, client,
                        ordo_log_value(user, ordo_buffer_slice(&conn->token.user)), doc, rest);
    struct ordo_buffer bytes = {0};
    ordo_buffer_append(&bytes, line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1);
    ordo_gateway_push_effect(
        gateway, (struct ordo_gateway_effect){.kind = ORDO_GATEWAY_NOTE, .bytes = ordo_buffer_slice(&bytes)});
}
