/* The documents of a connection, and the handles under which they are open on it. */
#include "client/c/core/connection_internal.h"
#include "client/c/core/doc_internal.h"
#include "common/assert.h"

static void doc_touched(void *owner, struct ordo_client_doc *doc) { connection_queue(owner, doc); }

struct ordo_client_doc *ordo_client_connection_open(struct ordo_client_connection *connection,
                                                    const struct ordo_client_doc_options *options) {
    struct ordo_client_doc *doc = ordo_client_doc_create(options, connection->options.client_id);
    doc->touched = doc_touched;
    doc->owner = connection;
    if (connection->next_client_seq > doc->next_client_seq) doc->next_client_seq = connection->next_client_seq;
    connection->docs =
        connection_grow(connection->docs, connection->doc_count, &connection->doc_capacity, sizeof *connection->docs);
    connection->docs[connection->doc_count++] = doc;
    connection_queue(connection, doc);
    return doc;
}

void ordo_client_connection_close(struct ordo_client_connection *connection, struct ordo_client_doc *doc) {
    if (connection->state == ORDO_CLIENT_READY) connection_leave(connection, doc);
    connection_fail_asked(connection, doc, 499, ordo_slice_of("the document was closed"));
    for (size_t i = 0; i < connection->queue_count; i++) {
        if (connection->queue[i] == doc) connection->queue[i--] = connection->queue[--connection->queue_count];
    }
    for (size_t i = 0; i < connection->doc_count; i++) {
        if (connection->docs[i] == doc) connection->docs[i--] = connection->docs[--connection->doc_count];
    }
    if (doc->next_client_seq > connection->next_client_seq) connection->next_client_seq = doc->next_client_seq;
    ordo_client_doc_destroy(doc);
    connection_wake(connection);
}

/* Index of the first entry whose handle is not below. */
static size_t handle_index(const struct ordo_client_connection *connection, uint32_t handle) {
    size_t low = 0, high = connection->handle_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (connection->handles[middle].handle < handle) low = middle + 1;
        else high = middle;
    }
    return low;
}

struct ordo_client_doc *connection_doc_by_handle(const struct ordo_client_connection *connection, uint32_t handle) {
    size_t i = handle_index(connection, handle);
    bool is_there = i < connection->handle_count && connection->handles[i].handle == handle;
    return is_there ? connection->handles[i].doc : NULL;
}

bool connection_bind(struct ordo_client_connection *connection, struct ordo_client_doc *doc, uint32_t handle) {
    size_t i = handle_index(connection, handle);
    if (handle == 0 || (i < connection->handle_count && connection->handles[i].handle == handle)) return false;
    connection->handles = connection_grow(connection->handles, connection->handle_count, &connection->handle_capacity,
                                          sizeof *connection->handles);
    memmove(connection->handles + i + 1, connection->handles + i,
            (connection->handle_count - i) * sizeof *connection->handles);
    connection->handles[i] = (struct handle_entry){.handle = handle, .doc = doc};
    connection->handle_count++;
    doc->handle = handle;
    return true;
}

void connection_unbind(struct ordo_client_connection *connection, struct ordo_client_doc *doc) {
    size_t i = handle_index(connection, doc->handle);
    ORDO_ASSERT(i < connection->handle_count && connection->handles[i].doc == doc);
    connection->handle_count--;
    memmove(connection->handles + i, connection->handles + i + 1,
            (connection->handle_count - i) * sizeof *connection->handles);
    doc->handle = 0;
}
