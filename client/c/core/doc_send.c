/* What a document has to say: Open, Submit, presence. */
#include "client/c/core/doc_internal.h"
#include "common/assert.h"

enum { STORE_RETRY_MS = 1000, OP_SIZE_LEAST = 256 };

enum ordo_client_doc_wish ordo_client_doc_wants(const struct ordo_client_doc *doc, uint64_t now_ms) {
    if (doc->has_failed) return ORDO_CLIENT_DOC_NOTHING;
    switch (doc->need) {
    case DOC_NEEDS_RECONNECT: return ORDO_CLIENT_DOC_RECONNECT;
    case DOC_NEEDS_CLIENT_ID: return ORDO_CLIENT_DOC_CLIENT_ID;
    case DOC_NEEDS_REOPEN: return ORDO_CLIENT_DOC_REOPEN;
    case DOC_NEEDS_NOTHING: break;
    }
    return doc->phase == DOC_CLOSED && now_ms >= doc->retry_at_ms ? ORDO_CLIENT_DOC_OPEN : ORDO_CLIENT_DOC_NOTHING;
}

void ordo_client_doc_write_open(struct ordo_client_doc *doc, uint32_t request, struct ordo_buffer *frame) {
    ORDO_ASSERT(!doc->answer.is_active);
    ordo_wire_write_open(frame, request,
                         &(struct ordo_wire_open){
                             .collection = ordo_client_doc_collection(doc),
                             .id = ordo_client_doc_id(doc),
                             .has_have = doc->has_content,
                             .have_seq = doc->has_content ? doc->seq : 0,
                             .have_lineage = doc->has_content ? doc->lineage : 0,
                             .create_type = ordo_slice_of(doc->has_content ? "" : doc->create_type),
                             .has_create_content = !doc->has_content && doc->create_content.size > 0,
                             .create_content = ordo_buffer_slice(&doc->create_content),
                             .presence = doc->wants_presence,
                             .clean = !doc->in_flight.is_set && !doc_has_pending(doc),
                         });
    doc->phase = DOC_OPENING;
    doc->need = DOC_NEEDS_NOTHING;
    doc->in_flight.is_sent = false;
    doc->open_request = request;
    doc_tell_status(doc);
}

/* What is pending becomes an op in flight, frozen from here on. A larger op than the server takes goes as several. */
static void freeze(struct ordo_client_doc *doc, size_t op_size_max) {
    struct doc_in_flight *flight = &doc->in_flight;
    flight->is_set = true;
    flight->kind = doc->pending.kind;
    flight->client_seq = doc->next_client_seq++;
    flight->base_seq = doc->seq;
    flight->is_rebased = flight->is_inexact = flight->is_stored = flight->is_sent = flight->is_refused = false;
    flight->is_overtaken = flight->is_doubtful = false;
    flight->attempt_count = 0;
    ordo_buffer_clear(&flight->frozen);
    doc->pending.kind = ORDO_CLIENT_EDIT;
    switch (flight->kind) {
    case ORDO_CLIENT_EDIT:
        doc->type->live_take(doc->pending.live, op_size_max > OP_SIZE_LEAST ? op_size_max : OP_SIZE_LEAST,
                             &flight->frozen);
        if (flight->live == NULL) flight->live = doc->type->live_create();
        doc->type->live_load(flight->live, ordo_buffer_slice(&flight->frozen), doc_client(doc));
        break;
    case ORDO_CLIENT_DELETE: break;
    case ORDO_CLIENT_CREATE:
        ordo_buffer_clear(&doc->scratch);
        doc->type->live_encode(doc->pending.live, &doc->scratch);
        ordo_wire_append_create(&flight->frozen, ordo_slice_of(doc->type->name), ordo_buffer_slice(&doc->scratch));
        doc->type->live_load(doc->pending.live, ordo_slice(NULL, 0), doc_client(doc));
        break;
    }
}

static uint32_t submit_field(const struct ordo_client_doc *doc) {
    switch (doc->in_flight.kind) {
    case ORDO_CLIENT_EDIT: return doc->type->submit_field;
    case ORDO_CLIENT_DELETE: return ORDO_WIRE_SUBMIT_DELETE;
    case ORDO_CLIENT_CREATE: return ORDO_WIRE_SUBMIT_CREATE;
    }
    return 0;
}

static bool store_or_wait(struct ordo_client_doc *doc, uint64_t now_ms) {
    bool is_stored = doc_store(doc);
    if (!is_stored) doc->retry_at_ms = now_ms + STORE_RETRY_MS;
    return is_stored;
}

static void send(struct ordo_client_doc *doc, uint32_t handle, uint64_t now_ms, struct ordo_buffer *frame) {
    struct doc_in_flight *flight = &doc->in_flight;
    bool is_due = doc->is_record_due || !flight->is_stored;
    if (is_due && !store_or_wait(doc, now_ms)) return;
    flight->is_sent = true;
    ordo_wire_write_submit(frame, handle,
                           &(struct ordo_wire_submit){.client_seq = flight->client_seq,
                                                      .base_seq = flight->base_seq,
                                                      .op_field = submit_field(doc),
                                                      .op = ordo_buffer_slice(&flight->frozen)});
}

void ordo_client_doc_flush(struct ordo_client_doc *doc, uint32_t handle, size_t op_size_max, bool may_start,
                           uint64_t now_ms, struct ordo_buffer *frame) {
    if (!ordo_client_doc_is_open(doc) || doc->need != DOC_NEEDS_NOTHING) return;
    if (now_ms >= doc->retry_at_ms) {
        if (!doc->in_flight.is_set && may_start && doc_has_pending(doc)) freeze(doc, op_size_max);
        if (doc->in_flight.is_set && !doc->in_flight.is_sent) send(doc, handle, now_ms, frame);
        else if (doc->is_record_due) (void)store_or_wait(doc, now_ms);
    }
    if (doc->presence.is_due) doc_presence_write(doc, handle, frame);
    doc_tell_status(doc);
}

uint64_t ordo_client_doc_timer_ms(const struct ordo_client_doc *doc) {
    if (doc->has_failed || doc->need != DOC_NEEDS_NOTHING) return UINT64_MAX;
    if (doc->phase == DOC_CLOSED) return doc->retry_at_ms;
    /* The op that was asked to wait may have been settled meanwhile; what is pending behind it waits all the same. */
    bool has_something = doc->is_record_due || (doc->in_flight.is_set ? !doc->in_flight.is_sent : doc_has_pending(doc));
    return ordo_client_doc_is_open(doc) && has_something ? doc->retry_at_ms : UINT64_MAX;
}
