/* Whatever frames a server sends, a client neither crashes nor shows text that is none: several documents, edits in
 * between, reconnects, all from the input. The first byte of each step says what happens. */
#include <stdlib.h>

#include "client/c/core/connection.h"
#include "common/assert.h"
#include "common/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DOC_COUNT = 2 };

static bool on_store(void *user, struct ordo_client_doc *doc, struct ordo_slice record) {
    /* What it stores, it can read again. */
    struct ordo_client_id id;
    (void)user;
    ordo_err err = ordo_client_record_client_id(record, &id);
    ORDO_ASSERT(err == ORDO_OK);
    struct ordo_client_doc_options options = {.collection = ordo_client_doc_collection(doc),
                                              .id = ordo_client_doc_id(doc)};
    struct ordo_client_doc *copy = ordo_client_doc_create(&options, id);
    err = ordo_client_doc_restore(copy, record);
    ORDO_ASSERT(err == ORDO_OK && ordo_client_doc_length(copy) == ordo_client_doc_length(doc));
    ordo_client_doc_destroy(copy);
    return true;
}

static void on_changed(void *user, struct ordo_client_doc *doc, struct ordo_slice op) {
    (void)user, (void)doc, (void)op;
}

static void check(const struct ordo_client_doc *doc) {
    struct ordo_buffer text = {0};
    uint64_t length = 0;
    ordo_client_doc_write_visible(doc, &text);
    bool is_text = ordo_utf8_validate(ordo_buffer_slice(&text), &length);
    ORDO_ASSERT(is_text);
    ORDO_ASSERT(length == 0 || length == ordo_client_doc_length(doc));
    ordo_buffer_finish(&text);
}

static void welcome(struct ordo_client_connection *connection, uint64_t now_ms) {
    static const uint8_t frame[] = {0x0a, 0x04, 0x1a, 0x02, 0x08, 0x01};
    if (ordo_client_connection_wish(connection, now_ms) != ORDO_CLIENT_WISH_CONNECT) return;
    ordo_client_connection_dialing(connection, now_ms);
    ordo_client_connection_connected(connection, now_ms);
    ordo_client_connection_received(connection, ordo_slice(frame, sizeof frame), now_ms);
}

static void edit(struct ordo_client_doc *doc, uint8_t where, uint8_t what) {
    uint64_t length = ordo_client_doc_length(doc), position = length > 0 ? where % (length + 1) : 0;
    uint64_t count = (what & 3u) <= length - position ? (what & 3u) : 0;
    ordo_err err = ordo_client_doc_splice(doc, position, count, ordo_slice_of(what & 4 ? "" : "\xC3\xA4" "x"));
    (void)err; /* refused where the document is not open */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint64_t now_ms = 1000;
    struct ordo_client_connection_options options = {.client_id = {.bytes = {1}}};
    ordo_prng_init(&options.prng, 1);
    struct ordo_client_connection *connection = ordo_client_connection_create(&options);
    struct ordo_client_doc *docs[DOC_COUNT];
    for (size_t i = 0; i < DOC_COUNT; i++) {
        struct ordo_client_doc_options doc = {.collection = ordo_slice_of("c"),
                                              .id = ordo_slice_of(i ? "b" : "a"),
                                              .create_type = ordo_slice_of("text"),
                                              .presence = true,
                                              .light = i > 0,
                                              .listener = {.changed = on_changed, .store = on_store}};
        docs[i] = ordo_client_connection_open(connection, &doc);
    }
    struct ordo_reader reader = ordo_reader(ordo_slice(data, size));
    uint8_t step, a, b;
    struct ordo_slice frame;
    while (ordo_take_u8(&reader, &step)) {
        welcome(connection, now_ms);
        while (ordo_client_connection_take_frame(connection, now_ms).size > 0) {}
        switch (step & 7) {
        case 0:
            if (ordo_take_u8(&reader, &a) && ordo_take_u8(&reader, &b)) edit(docs[step >> 3 & 1], a, b);
            break;
        case 1: ordo_client_connection_disconnected(connection, now_ms); break;
        case 2: now_ms += (uint64_t)(step >> 3) * 500; break;
        default:
            if (ordo_take_sized(&reader, &frame)) ordo_client_connection_received(connection, frame, now_ms);
            if (ordo_client_connection_wish(connection, now_ms) == ORDO_CLIENT_WISH_CLOSE)
                ordo_client_connection_disconnected(connection, now_ms);
        }
        ordo_client_connection_tick(connection, now_ms);
        for (size_t i = 0; i < DOC_COUNT; i++) check(docs[i]);
    }
    ordo_client_connection_destroy(connection);
    return 0;
}
