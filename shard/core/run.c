#include "shard/core/run.h"

#include "shard/core/key.h"
#include "shard/core/value.h"

void ordo_run_append_op(struct ordo_buffer *records, uint64_t hash, uint8_t flags, struct ordo_slice committed) {
    ordo_buffer_append_u64_le(records, hash);
    ordo_buffer_append_u8(records, flags);
    ordo_buffer_append_sized(records, committed);
}

bool ordo_run_take_op(struct ordo_reader *reader, struct ordo_run_op *out) {
    return ordo_take_u64_le(reader, &out->hash) && ordo_take_u8(reader, &out->flags) &&
           ordo_take_sized(reader, &out->committed) && ordo_committed_decode(out->committed, &out->op);
}

void ordo_run_encode(struct ordo_buffer *out, struct ordo_slice key, uint64_t first_seq, uint64_t count,
                     uint64_t length_before, struct ordo_slice records) {
    ordo_value_begin(out, ORDO_RUN_VERSION);
    ordo_buffer_append_varint(out, first_seq);
    ordo_buffer_append_varint(out, count);
    ordo_buffer_append_varint(out, length_before);
    ordo_buffer_append_slice(out, records);
    ordo_value_seal(out, key);
}

ordo_err ordo_run_open(struct ordo_slice key, struct ordo_slice value, struct ordo_run *out) {
    struct ordo_reader body;
    ordo_err err = ordo_value_open(key, value, ORDO_RUN_VERSION, &body);
    if (err) return err;
    if (!ordo_take_varint(&body, &out->first_seq) || !ordo_take_varint(&body, &out->count) ||
        !ordo_take_varint(&body, &out->length_before))
        return ORDO_ERR_CORRUPT;
    if (out->first_seq == 0 || out->count == 0 || out->first_seq + out->count < out->first_seq)
        return ORDO_ERR_CORRUPT;
    out->next_seq = out->first_seq;
    out->records = body;
    return ORDO_OK;
}

ordo_err ordo_run_next(struct ordo_run *run, struct ordo_run_op *out) {
    bool is_done = run->next_seq == run->first_seq + run->count;
    if (ordo_reader_left(&run->records) == 0) return is_done ? ORDO_ERR_NOT_FOUND : ORDO_ERR_CORRUPT;
    if (is_done || !ordo_run_take_op(&run->records, out)) return ORDO_ERR_CORRUPT;
    if (out->op.server_seq != run->next_seq) return ORDO_ERR_CORRUPT;
    run->next_seq++;
    return ORDO_OK;
}
