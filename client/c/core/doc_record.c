/* The one record per document that outlives the process (docs/client.md, "What is stored").
 *
 * Version, checksum of the rest, then: client_id, collection, id, type, next_client_seq, lineage, seq, flags,
 * content; the op in flight (kind, client_seq, base_seq, frozen, rebased) and the pending one (kind, op). Numbers
 * are varints, bytes are sized. */
#include "client/c/core/doc_internal.h"
#include "common/hash.h"
#include "common/ot/text.h"

enum { RECORD_VERSION = 1, RECORD_HEADER_SIZE = 9 };
enum { FLAG_DELETED = 1, FLAG_IN_FLIGHT = 2, FLAG_REFUSED = 4, FLAG_INEXACT = 8, FLAG_OVERTAKEN = 16,
       FLAG_DOUBTFUL = 32 };

static void write_record(struct ordo_client_doc *doc, struct ordo_buffer *out) {
    const struct doc_in_flight *flight = &doc->in_flight;
    struct ordo_buffer bytes = {0};
    ordo_buffer_append_u8(out, RECORD_VERSION);
    ordo_buffer_append_u64_le(out, 0);
    ordo_buffer_append(out, doc->client_id.bytes, sizeof doc->client_id.bytes);
    ordo_buffer_append_sized(out, ordo_client_doc_collection(doc));
    ordo_buffer_append_sized(out, ordo_client_doc_id(doc));
    ordo_buffer_append_sized(out, ordo_slice_of(doc->type->name));
    ordo_buffer_append_varint(out, doc->next_client_seq);
    ordo_buffer_append_varint(out, doc->lineage);
    ordo_buffer_append_varint(out, doc->seq);
    ordo_buffer_append_varint(out, (doc->is_deleted ? FLAG_DELETED : 0) | (flight->is_set ? FLAG_IN_FLIGHT : 0) |
                                       (flight->is_refused ? FLAG_REFUSED : 0) |
                                       (flight->is_inexact ? FLAG_INEXACT : 0) |
                                       (flight->is_set && flight->is_overtaken ? FLAG_OVERTAKEN : 0) |
                                       (flight->is_set && flight->is_doubtful ? FLAG_DOUBTFUL : 0));
    doc->type->content_write(doc->content, &bytes);
    ordo_buffer_append_sized(out, ordo_buffer_slice(&bytes));
    if (flight->is_set) {
        ordo_buffer_append_u8(out, (uint8_t)flight->kind);
        ordo_buffer_append_varint(out, flight->client_seq);
        ordo_buffer_append_varint(out, flight->base_seq);
        ordo_buffer_append_sized(out, ordo_buffer_slice(&flight->frozen));
        ordo_buffer_clear(&bytes);
        if (flight->kind == ORDO_CLIENT_EDIT) doc->type->live_encode(flight->live, &bytes);
        ordo_buffer_append_sized(out, ordo_buffer_slice(&bytes));
    }
    ordo_buffer_append_u8(out, (uint8_t)doc->pending.kind);
    ordo_buffer_clear(&bytes);
    if (doc->pending.live != NULL) doc->type->live_encode(doc->pending.live, &bytes);
    ordo_buffer_append_sized(out, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
    uint64_t sum = ordo_hash(ordo_slice(out->data + RECORD_HEADER_SIZE, out->size - RECORD_HEADER_SIZE));
    for (size_t i = 0; i < 8; i++) out->data[1 + i] = (uint8_t)(sum >> (8 * i));
}

bool doc_store(struct ordo_client_doc *doc) {
    bool is_stored = true;
    if (doc->listener.store != NULL && doc->content != NULL) {
        ordo_buffer_clear(&doc->record);
        write_record(doc, &doc->record);
        is_stored = doc->listener.store(doc->user, doc, ordo_buffer_slice(&doc->record));
    }
    if (!is_stored) return false;
    doc->is_record_due = false;
    doc->in_flight.is_stored = true;
    return true;
}

bool ordo_client_doc_store(struct ordo_client_doc *doc) { return doc->has_content && doc_store(doc); }

/* --- reading back ----------------------------------------------------------------------------------------------- */

struct record {
    struct ordo_slice client_id, collection, id, type, content, frozen, rebased, pending;
    uint64_t next_client_seq, lineage, seq, flags, client_seq, base_seq;
    uint8_t flight_kind, pending_kind;
};

static bool read_record(struct ordo_slice bytes, struct record *out) {
    struct ordo_reader reader = ordo_reader(bytes);
    uint8_t version;
    uint64_t sum;
    *out = (struct record){0};
    if (!ordo_take_u8(&reader, &version) || version != RECORD_VERSION) return false;
    if (!ordo_take_u64_le(&reader, &sum)) return false;
    if (ordo_hash(ordo_slice(reader.next, ordo_reader_left(&reader))) != sum) return false;
    bool ok = ordo_take_bytes(&reader, ORDO_CLIENT_ID_BYTES, &out->client_id) &&
              ordo_take_sized(&reader, &out->collection) && ordo_take_sized(&reader, &out->id) &&
              ordo_take_sized(&reader, &out->type) && ordo_take_varint(&reader, &out->next_client_seq) &&
              ordo_take_varint(&reader, &out->lineage) && ordo_take_varint(&reader, &out->seq) &&
              ordo_take_varint(&reader, &out->flags) && ordo_take_sized(&reader, &out->content);
    if (ok && out->flags & FLAG_IN_FLIGHT) {
        ok = ordo_take_u8(&reader, &out->flight_kind) && ordo_take_varint(&reader, &out->client_seq) &&
             ordo_take_varint(&reader, &out->base_seq) && ordo_take_sized(&reader, &out->frozen) &&
             ordo_take_sized(&reader, &out->rebased);
    }
    ok = ok && ordo_take_u8(&reader, &out->pending_kind) && ordo_take_sized(&reader, &out->pending);
    return ok && ordo_reader_left(&reader) == 0 && out->flight_kind <= ORDO_CLIENT_CREATE &&
           out->pending_kind <= ORDO_CLIENT_CREATE;
}

ordo_err ordo_client_record_client_id(struct ordo_slice bytes, struct ordo_client_id *out) {
    struct record record;
    if (!read_record(bytes, &record)) return ORDO_ERR_CORRUPT;
    memcpy(out->bytes, record.client_id.data, sizeof out->bytes);
    return ORDO_OK;
}

/* The checksum tells damage; this tells a record that was made up. */
static bool ops_fit(const struct ordo_type *type, const struct record *record, uint64_t *length) {
    if (record->rebased.size > 0 && type->validate(record->rebased, *length, length) != ORDO_OP_VALID) return false;
    return record->pending.size == 0 || type->validate(record->pending, *length, length) == ORDO_OP_VALID;
}

static void restore_edits(struct ordo_client_doc *doc, const struct record *record) {
    struct doc_in_flight *flight = &doc->in_flight;
    doc->pending.kind = (enum ordo_client_op_kind)record->pending_kind;
    doc->pending.live = doc->type->live_create();
    doc->type->live_load(doc->pending.live, record->pending, doc_client(doc));
    if (!(record->flags & FLAG_IN_FLIGHT)) return;
    *flight = (struct doc_in_flight){.is_set = true,
                                     .kind = (enum ordo_client_op_kind)record->flight_kind,
                                     .client_seq = record->client_seq,
                                     .base_seq = record->base_seq,
                                     .live = doc->type->live_create(),
                                     .is_rebased = true,
                                     .is_inexact = (record->flags & FLAG_INEXACT) != 0,
                                     .is_overtaken = (record->flags & FLAG_OVERTAKEN) != 0,
                                     .is_doubtful = (record->flags & FLAG_DOUBTFUL) != 0,
                                     .is_stored = true,
                                     .is_refused = (record->flags & FLAG_REFUSED) != 0};
    ordo_buffer_append_slice(&flight->frozen, record->frozen);
    doc->type->live_load(flight->live, record->rebased, doc_client(doc));
}

ordo_err ordo_client_doc_restore(struct ordo_client_doc *doc, struct ordo_slice bytes) {
    struct record record;
    if (!read_record(bytes, &record)) return ORDO_ERR_CORRUPT;
    if (doc->type != NULL || doc->phase != DOC_CLOSED) return ORDO_ERR_INVALID;
    if (!ordo_slice_equal(record.collection, ordo_client_doc_collection(doc)) ||
        !ordo_slice_equal(record.id, ordo_client_doc_id(doc)))
        return ORDO_ERR_INVALID;
    bool is_ours = ordo_slice_equal(record.client_id, doc_client(doc));
    if (record.flags & FLAG_IN_FLIGHT && !is_ours) return ORDO_ERR_INVALID;
    const struct ordo_type *type = ordo_type_of(record.type);
    if (type == NULL) return ORDO_ERR_VERSION;

    struct ordo_content *content = type->content_create();
    uint64_t length = 0;
    bool ok = type->content_append(content, record.content) == ORDO_OK && type->content_is_whole(content);
    if (ok) length = type->content_length(content);
    uint64_t visible_length = length;
    if (!ok || !ops_fit(type, &record, &visible_length)) {
        type->content_destroy(content);
        return ORDO_ERR_CORRUPT;
    }
    doc->type = type;
    doc->length = length;
    doc->visible_length = record.pending_kind == ORDO_CLIENT_EDIT ? visible_length : 0;
    if (doc->is_light) type->content_destroy(content);
    else doc->content = content;
    doc->has_content = true;
    doc->was_open = true;
    doc->is_deleted = (record.flags & FLAG_DELETED) != 0;
    doc->seq = record.seq;
    doc->lineage = record.lineage;
    if (record.next_client_seq > doc->next_client_seq) doc->next_client_seq = record.next_client_seq;
    restore_edits(doc, &record);
    doc_tell_status(doc);
    return ORDO_OK;
}
