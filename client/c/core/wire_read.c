#include "client/c/core/wire.h"

enum { TYPE_VARINT = 0, TYPE_64 = 1, TYPE_SIZED = 2, TYPE_32 = 5 };

struct field {
    uint32_t number;
    uint32_t type;
    uint64_t value;          /* of a varint */
    struct ordo_slice bytes; /* of a sized field */
};

static bool take_field(struct ordo_reader *reader, struct field *out) {
    uint64_t tag;
    if (!ordo_take_varint(reader, &tag) || tag > UINT32_MAX || tag >> 3 == 0) return false;
    out->number = (uint32_t)(tag >> 3);
    out->type = (uint32_t)(tag & 7);
    out->value = 0;
    out->bytes = ordo_slice(NULL, 0);
    switch (out->type) {
    case TYPE_VARINT: return ordo_take_varint(reader, &out->value);
    case TYPE_SIZED: return ordo_take_sized(reader, &out->bytes);
    case TYPE_64: return ordo_take_bytes(reader, 8, &out->bytes);
    case TYPE_32: return ordo_take_bytes(reader, 4, &out->bytes);
    default: return false; /* groups are gone since proto3 */
    }
}

/* A known field with the wrong wire type is no message of ours: better a closed connection than a silent zero. */
static bool is_varint(const struct field *field) { return field->type == TYPE_VARINT; }
static bool is_sized(const struct field *field) { return field->type == TYPE_SIZED; }

static bool get_number(const struct field *field, uint64_t *out) {
    *out = field->value;
    return is_varint(field);
}
static bool get_number32(const struct field *field, uint32_t *out) {
    *out = (uint32_t)field->value; /* as protobuf does: the low bits */
    return is_varint(field);
}
static bool get_flag(const struct field *field, bool *out) {
    *out = field->value != 0;
    return is_varint(field);
}
static bool get_bytes(const struct field *field, struct ordo_slice *out) {
    *out = field->bytes;
    return is_sized(field);
}

/* --- the messages, each as a schema ----------------------------------------------------------------------------- */

static bool read_committed(struct ordo_slice bytes, struct ordo_wire_committed *out) {
    struct ordo_reader reader = ordo_reader(bytes);
    struct field field;
    *out = (struct ordo_wire_committed){0};
    while (ordo_reader_left(&reader) > 0) {
        bool ok = take_field(&reader, &field);
        if (!ok) return false;
        switch (field.number) {
        case 1: ok = get_number(&field, &out->server_seq); break;
        case 2: ok = get_bytes(&field, &out->client_id); break;
        case 3: ok = get_number(&field, &out->client_seq); break;
        case 4: ok = get_number(&field, &out->timestamp_ms); break;
        case 5: ok = get_bytes(&field, &out->user); break;
        case ORDO_WIRE_OP_TEXT:
        case ORDO_WIRE_OP_DELETE:
        case ORDO_WIRE_OP_CREATE:
            out->op_field = field.number;
            ok = get_bytes(&field, &out->op);
            break;
        case 9: ok = get_number(&field, &out->base_seq); break;
        default: /* an op of a type that came later, unless there is one already */
            if (field.number < ORDO_WIRE_OP_TYPES || !is_sized(&field) || out->op_field != ORDO_WIRE_OP_UNSET) break;
            out->op_field = field.number;
            out->op = field.bytes;
        }
        if (!ok) return false;
    }
    return true;
}

static bool read_content(struct ordo_slice bytes, struct ordo_wire_content *out) {
    struct ordo_reader reader = ordo_reader(bytes);
    struct field field;
    *out = (struct ordo_wire_content){.is_present = true};
    while (ordo_reader_left(&reader) > 0) {
        bool ok = take_field(&reader, &field);
        if (!ok) return false;
        switch (field.number) {
        case 1: ok = get_number(&field, &out->seq); break;
        case 2:
            out->field = field.number;
            ok = get_bytes(&field, &out->bytes);
            break;
        case 3: ok = get_flag(&field, &out->deleted); break;
        default:
            if (field.number < ORDO_WIRE_OP_TYPES || !is_sized(&field) || out->field != 0) break;
            out->field = field.number;
            out->bytes = field.bytes;
        }
        if (!ok) return false;
    }
    return true;
}

static bool read_opened(struct ordo_slice bytes, struct ordo_wire_opened *out) {
    struct ordo_reader reader = ordo_reader(bytes);
    struct ordo_wire_committed op;
    struct field field;
    *out = (struct ordo_wire_opened){.body = bytes};
    while (ordo_reader_left(&reader) > 0) {
        bool ok = take_field(&reader, &field);
        if (!ok) return false;
        switch (field.number) {
        case 1: ok = get_bytes(&field, &out->collection); break;
        case 2: ok = get_bytes(&field, &out->id); break;
        case 3: ok = get_bytes(&field, &out->type); break;
        case 4: ok = get_number(&field, &out->head); break;
        case 5: ok = is_sized(&field) && read_content(field.bytes, &out->content); break;
        case ORDO_WIRE_OPENED_OPS: ok = is_sized(&field) && read_committed(field.bytes, &op); break;
        case 7: ok = get_number(&field, &out->last_client_seq); break;
        case 8: ok = get_number(&field, &out->last_client_server_seq); break;
        case 9: ok = get_number32(&field, &out->permission); break;
        case 10: ok = get_flag(&field, &out->created); break;
        case 11: ok = get_number(&field, &out->horizon); break;
        case 12: ok = get_number(&field, &out->lineage); break;
        case 13: ok = get_flag(&field, &out->more); break;
        case 14: ok = get_number(&field, &out->forgotten_seq); break;
        case 21: ok = get_flag(&field, &out->viewer); break;
        default: break;
        }
        if (!ok) return false;
    }
    return true;
}

static bool read_history(struct ordo_slice bytes, struct ordo_wire_history *out) {
    struct ordo_reader reader = ordo_reader(bytes);
    struct ordo_wire_committed op;
    struct field field;
    *out = (struct ordo_wire_history){.body = bytes};
    while (ordo_reader_left(&reader) > 0) {
        bool ok = take_field(&reader, &field);
        if (!ok) return false;
        switch (field.number) {
        case ORDO_WIRE_HISTORY_OPS: ok = is_sized(&field) && read_committed(field.bytes, &op); break;
        case 2: ok = is_sized(&field) && read_content(field.bytes, &out->content); break;
        case 3: ok = get_number(&field, &out->horizon); break;
        case 4: ok = get_number(&field, &out->head); break;
        case 5: ok = get_flag(&field, &out->more); break;
        case 6: ok = get_number(&field, &out->begin_seq); break;
        case 7: ok = get_number(&field, &out->forgotten_seq); break;
        case 8: ok = get_number(&field, &out->timestamp_ms); break;
        case 9: ok = get_number(&field, &out->created_seq); break;
        case 10: ok = get_number(&field, &out->deleted_seq); break;
        default: break;
        }
        if (!ok) return false;
    }
    return true;
}

static bool read_welcome(struct ordo_slice bytes, struct ordo_wire_welcome *out) {
    struct ordo_reader reader = ordo_reader(bytes);
    struct field field;
    *out = (struct ordo_wire_welcome){0};
    while (ordo_reader_left(&reader) > 0) {
        bool ok = take_field(&reader, &field);
        if (!ok) return false;
        switch (field.number) {
        case 1: ok = get_number(&field, &out->protocol); break;
        case 2: ok = get_bytes(&field, &out->user); break;
        case 3: ok = get_number(&field, &out->server_time_ms); break;
        case 4: ok = get_number(&field, &out->op_size_max); break;
        case 5: ok = get_number(&field, &out->frame_size_max); break;
        case 6: ok = get_number(&field, &out->presence_size_max); break;
        case 7: ok = get_bytes(&field, &out->gateway); break;
        default: break;
        }
        if (!ok) return false;
    }
    return true;
}

static bool read_ack(struct ordo_slice bytes, struct ordo_wire_ack *out) {
    struct ordo_reader reader = ordo_reader(bytes);
    struct field field;
    *out = (struct ordo_wire_ack){0};
    while (ordo_reader_left(&reader) > 0) {
        bool ok = take_field(&reader, &field);
        if (!ok) return false;
        switch (field.number) {
        case 1: ok = get_number(&field, &out->client_seq); break;
        case 2: ok = get_number(&field, &out->server_seq); break;
        case 3: ok = get_number(&field, &out->timestamp_ms); break;
        case 4: ok = get_flag(&field, &out->duplicate); break;
        default: break;
        }
        if (!ok) return false;
    }
    return true;
}

static bool read_nack(struct ordo_slice bytes, struct ordo_wire_nack *out) {
    struct ordo_reader reader = ordo_reader(bytes);
    struct field field;
    *out = (struct ordo_wire_nack){0};
    while (ordo_reader_left(&reader) > 0) {
        bool ok = take_field(&reader, &field);
        if (!ok) return false;
        switch (field.number) {
        case 1: ok = get_number(&field, &out->client_seq); break;
        case 2: ok = get_number32(&field, &out->code); break;
        case 3: ok = get_bytes(&field, &out->message); break;
        case 4: ok = get_number(&field, &out->retry_after_ms); break;
        case 5: ok = get_number(&field, &out->horizon); break;
        default: break;
        }
        if (!ok) return false;
    }
    return true;
}

static bool read_range(struct ordo_slice bytes, struct ordo_wire_range *out) {
    struct ordo_reader reader = ordo_reader(bytes);
    struct field field;
    *out = (struct ordo_wire_range){0};
    while (ordo_reader_left(&reader) > 0) {
        bool ok = take_field(&reader, &field);
        if (!ok) return false;
        switch (field.number) {
        case 1: ok = get_number(&field, &out->anchor); break;
        case 2: ok = get_number(&field, &out->head); break;
        default: break;
        }
        if (!ok) return false;
    }
    return true;
}

static bool read_presence(struct ordo_slice bytes, struct ordo_wire_presence *out) {
    struct ordo_reader reader = ordo_reader(bytes);
    struct ordo_wire_range range;
    struct field field;
    *out = (struct ordo_wire_presence){0};
    while (ordo_reader_left(&reader) > 0) {
        bool ok = take_field(&reader, &field);
        if (!ok) return false;
        switch (field.number) {
        case 1: ok = get_bytes(&field, &out->client_id); break;
        case 2: ok = get_bytes(&field, &out->user); break;
        case 3: ok = get_bytes(&field, &out->data); break;
        case 4: ok = get_number(&field, &out->base_seq); break;
        case 5:
            ok = is_sized(&field) && read_range(field.bytes, &range);
            if (ok && out->range_count < ORDO_WIRE_RANGES_MAX) out->ranges[out->range_count++] = range;
            break;
        case 6: ok = get_flag(&field, &out->gone); break;
        default: break;
        }
        if (!ok) return false;
    }
    return true;
}

/* Status, GoAway, Error and Pong: a number, and a sentence unless `text_field` is 0. */
static bool read_pair(struct ordo_slice bytes, uint32_t number_field, uint32_t text_field, uint64_t *number,
                      struct ordo_slice *text) {
    struct ordo_reader reader = ordo_reader(bytes);
    struct field field;
    *number = 0;
    *text = ordo_slice(NULL, 0);
    while (ordo_reader_left(&reader) > 0) {
        bool ok = take_field(&reader, &field);
        if (!ok) return false;
        if (field.number == number_field) ok = get_number(&field, number);
        else if (field.number == text_field) ok = get_bytes(&field, text);
        if (!ok) return false;
    }
    return true;
}

static bool read_body(struct ordo_slice bytes, struct ordo_wire_message *out) {
    uint64_t number;
    struct ordo_slice text;
    switch (out->kind) {
    case ORDO_WIRE_NONE: return true;
    case ORDO_WIRE_WELCOME: return read_welcome(bytes, &out->welcome);
    case ORDO_WIRE_OPENED: return read_opened(bytes, &out->opened);
    case ORDO_WIRE_COMMITTED: return read_committed(bytes, &out->committed);
    case ORDO_WIRE_ACK: return read_ack(bytes, &out->ack);
    case ORDO_WIRE_NACK: return read_nack(bytes, &out->nack);
    case ORDO_WIRE_PRESENCE: return read_presence(bytes, &out->presence);
    case ORDO_WIRE_HISTORY: return read_history(bytes, &out->history);
    case ORDO_WIRE_STATUS:
        if (!read_pair(bytes, 1, 2, &number, &text)) return false;
        out->status = (struct ordo_wire_status){.state = (uint32_t)number, .message = text};
        return true;
    case ORDO_WIRE_GO_AWAY:
        if (!read_pair(bytes, 2, 1, &number, &text)) return false;
        out->go_away = (struct ordo_wire_go_away){.reason = text, .reconnect_after_ms = number};
        return true;
    case ORDO_WIRE_ERROR:
        if (!read_pair(bytes, 1, 2, &number, &text)) return false;
        out->error = (struct ordo_wire_error){.code = (uint32_t)number, .message = text};
        return true;
    case ORDO_WIRE_PONG: return read_pair(bytes, 1, 0, &out->pong, &text);
    case ORDO_WIRE_FORGOTTEN: return read_pair(bytes, 1, 0, &out->forgotten_head, &text);
    }
    return false;
}

static bool read_message(struct ordo_slice bytes, struct ordo_wire_message *out) {
    struct ordo_reader reader = ordo_reader(bytes);
    struct ordo_slice body = {0};
    struct field field;
    out->request = out->doc = 0;
    out->kind = ORDO_WIRE_NONE;
    while (ordo_reader_left(&reader) > 0) {
        bool ok = take_field(&reader, &field);
        if (!ok) return false;
        if (field.number == 1) {
            ok = get_number32(&field, &out->request);
        } else if (field.number == 2) {
            ok = get_number32(&field, &out->doc);
        } else if (field.number <= ORDO_WIRE_PONG || field.number == ORDO_WIRE_FORGOTTEN) {
            out->kind = (enum ordo_wire_kind)field.number;
            ok = get_bytes(&field, &body);
        }
        if (!ok) return false;
    }
    return read_body(body, out);
}

/* --- frames ----------------------------------------------------------------------------------------------------- */

enum { FRAME_MESSAGES = 1 };

bool ordo_wire_frame_is_valid(struct ordo_slice frame) {
    struct ordo_reader reader = ordo_reader(frame);
    struct ordo_wire_message message;
    struct field field;
    while (ordo_reader_left(&reader) > 0) {
        if (!take_field(&reader, &field)) return false;
        if (field.number != FRAME_MESSAGES) continue;
        if (!is_sized(&field) || !read_message(field.bytes, &message)) return false;
    }
    return true;
}

bool ordo_wire_next_message(struct ordo_reader *frame, struct ordo_wire_message *out) {
    struct field field;
    while (ordo_reader_left(frame) > 0 && take_field(frame, &field)) {
        if (field.number == FRAME_MESSAGES) return read_message(field.bytes, out);
    }
    return false;
}

bool ordo_wire_next_op(struct ordo_reader *body, uint32_t ops_field, struct ordo_wire_committed *out) {
    struct field field;
    while (ordo_reader_left(body) > 0 && take_field(body, &field)) {
        if (field.number == ops_field) return read_committed(field.bytes, out);
    }
    return false;
}

bool ordo_wire_read_create(struct ordo_slice op, struct ordo_wire_create *out) {
    struct ordo_reader reader = ordo_reader(op);
    struct field field;
    *out = (struct ordo_wire_create){0};
    while (ordo_reader_left(&reader) > 0) {
        bool ok = take_field(&reader, &field);
        if (!ok) return false;
        switch (field.number) {
        case 1: ok = get_bytes(&field, &out->type); break;
        case 2: ok = get_bytes(&field, &out->text); break;
        case 3: ok = get_number(&field, &out->lineage); break;
        default: break;
        }
        if (!ok) return false;
    }
    return true;
}
