#include "shard/core/committed.h"

#include "common/hash.h"
#include "proto/message.h"
#include "shard/core/put.h"

enum {
    FIELD_SERVER_SEQ = 1, FIELD_CLIENT_ID = 2, FIELD_CLIENT_SEQ = 3, FIELD_TIMESTAMP = 4, FIELD_USER = 5,
    FIELD_BASE_SEQ = 9, FIELD_TYPES = 20, /* ops of types other than text have fields from here on */
    CREATE_TYPE = 1, CREATE_TEXT = 2, CREATE_LINEAGE = 3, CONTENT_TEXT = 2,
    WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_SIZED = 2, WIRE_FIXED32 = 5,
};

/* One field of a protobuf message: varints in `value`, sized ones in `bytes`. */
struct field {
    uint32_t number;
    uint32_t wire;
    uint64_t value;
    struct ordo_slice bytes;
};

static bool take_field(struct ordo_reader *reader, struct field *field) {
    uint64_t tag;
    if (!ordo_take_varint(reader, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) return false;
    field->number = (uint32_t)(tag >> 3);
    field->wire = (uint32_t)(tag & 7);
    switch (field->wire) {
    case WIRE_VARINT: return ordo_take_varint(reader, &field->value);
    case WIRE_SIZED: return ordo_take_sized(reader, &field->bytes);
    case WIRE_FIXED64: return ordo_take_u64_le(reader, &field->value);
    case WIRE_FIXED32: return ordo_take_bytes(reader, 4, &field->bytes);
    default: return false;
    }
}

void ordo_committed_encode(const struct ordo_committed *committed, struct ordo_buffer *out) {
    size_t size_max =
        committed->client_id.size + committed->user.size + committed->op.size + 16 * ORDO_PUT_VARINT_MAX;
    uint8_t *start = ordo_buffer_reserve(out, size_max), *at = start;
    at = ordo_put_varint_field(at, FIELD_SERVER_SEQ, committed->server_seq);
    at = ordo_put_bytes_field(at, FIELD_CLIENT_ID, committed->client_id);
    at = ordo_put_varint_field(at, FIELD_CLIENT_SEQ, committed->client_seq);
    at = ordo_put_varint_field(at, FIELD_TIMESTAMP, committed->timestamp_ms);
    if (committed->user.size > 0) at = ordo_put_bytes_field(at, FIELD_USER, committed->user);
    if (committed->op_field > FIELD_BASE_SEQ) at = ordo_put_varint_field(at, FIELD_BASE_SEQ, committed->base_seq);
    at = ordo_put_bytes_field(at, committed->op_field, committed->op);
    if (committed->op_field < FIELD_BASE_SEQ) at = ordo_put_varint_field(at, FIELD_BASE_SEQ, committed->base_seq);
    out->size += (size_t)(at - start);
}

static bool is_op_field(uint32_t number) {
    return (number > FIELD_USER && number < FIELD_BASE_SEQ) || number >= FIELD_TYPES;
}

bool ordo_committed_decode(struct ordo_slice bytes, struct ordo_committed *out) {
    struct ordo_reader reader = ordo_reader(bytes);
    *out = (struct ordo_committed){0};
    while (ordo_reader_left(&reader) > 0) {
        struct field field;
        if (!take_field(&reader, &field)) return false;
        bool is_sized = field.wire == WIRE_SIZED, is_varint = field.wire == WIRE_VARINT;
        if (is_varint && field.number == FIELD_SERVER_SEQ) out->server_seq = field.value;
        else if (is_sized && field.number == FIELD_CLIENT_ID) out->client_id = field.bytes;
        else if (is_varint && field.number == FIELD_CLIENT_SEQ) out->client_seq = field.value;
        else if (is_varint && field.number == FIELD_TIMESTAMP) out->timestamp_ms = field.value;
        else if (is_sized && field.number == FIELD_USER) out->user = field.bytes;
        else if (is_varint && field.number == FIELD_BASE_SEQ) out->base_seq = field.value;
        else if (is_sized && is_op_field(field.number) && out->op_field == 0) {
            out->op_field = field.number;
            out->op = field.bytes;
        } else return false; /* we write no other field, and none twice that matters */
    }
    return out->server_seq != 0 && out->op_field != 0;
}

enum ordo_op_kind ordo_committed_kind(uint32_t op_field) {
    if (op_field == ORDO_COMMITTED_DELETE) return ORDO_OP_DELETE;
    return op_field == ORDO_COMMITTED_CREATE ? ORDO_OP_CREATE : ORDO_OP_EDIT;
}

/* Text came first and has a number of its own in each message; later types have one number everywhere. */
uint32_t ordo_content_field(const struct ordo_type *type) {
    return type->submit_field < FIELD_TYPES ? CONTENT_TEXT : type->submit_field;
}

void ordo_create_encode(const struct ordo_create *create, struct ordo_buffer *out) {
    const struct ordo_type *type = ordo_type_of(create->type);
    ordo_field_append_bytes(out, CREATE_TYPE, create->type);
    ordo_field_append_bytes(out, type ? ordo_content_field(type) : CREATE_TEXT, create->op);
    ordo_field_append_varint(out, CREATE_LINEAGE, create->lineage);
}

enum ordo_create_fault ordo_create_decode(struct ordo_slice bytes, struct ordo_create *out,
                                          const struct ordo_type **type) {
    *out = (struct ordo_create){0};
    *type = NULL;
    struct ordo_reader reader = ordo_reader(bytes);
    uint32_t op_field = 0;
    while (ordo_reader_left(&reader) > 0) {
        struct field field;
        if (!take_field(&reader, &field)) return ORDO_CREATE_MALFORMED;
        if (field.number == CREATE_TYPE && field.wire == WIRE_SIZED) out->type = field.bytes;
        if (field.number == CREATE_LINEAGE && field.wire == WIRE_VARINT) out->lineage = field.value;
        if (field.wire == WIRE_SIZED && (field.number == CREATE_TEXT || field.number >= FIELD_TYPES)) {
            if (op_field != 0) return ORDO_CREATE_MALFORMED; /* one op, not two to be merged */
            op_field = field.number;
            out->op = field.bytes;
        }
    }
    *type = ordo_type_of(out->type);
    if (*type == NULL) return ORDO_CREATE_TYPE_UNKNOWN;
    return op_field == ordo_content_field(*type) ? ORDO_CREATE_VALID : ORDO_CREATE_MALFORMED;
}

uint64_t ordo_submit_hash(uint64_t base_seq, uint32_t op_field, struct ordo_slice op) {
    uint8_t head[12];
    for (int i = 0; i < 8; i++) head[i] = (uint8_t)(base_seq >> (8 * i));
    for (int i = 0; i < 4; i++) head[8 + i] = (uint8_t)(op_field >> (8 * i));
    return ordo_hash_with(ordo_hash(ordo_slice(head, sizeof head)), op);
}
