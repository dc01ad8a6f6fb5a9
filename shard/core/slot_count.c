#include "shard/core/slot_count.h"

#include "common/buffer.h"
#include "common/hash.h"
#include "shard/core/key.h"
#include "shard/core/run.h"

static uint64_t hash_of_head(struct ordo_slice doc_key, uint64_t head) {
    struct ordo_buffer hashed = {0};
    ordo_buffer_append_slice(&hashed, doc_key);
    ordo_buffer_append_u64_le(&hashed, head);
    uint64_t hash = ordo_hash(ordo_buffer_slice(&hashed));
    ordo_buffer_finish(&hashed);
    return hash;
}

void ordo_slot_count_document(struct ordo_slot_count *count, struct ordo_slice doc_key, uint64_t head) {
    count->documents++;
    count->heads += hash_of_head(doc_key, head);
}

ordo_err ordo_slot_count_run(struct ordo_slot_count *count, struct ordo_slice key, struct ordo_slice value) {
    struct ordo_key parsed;
    struct ordo_run run;
    if (!ordo_key_parse(key, &parsed)) return ORDO_ERR_CORRUPT;
    ordo_err err = ordo_run_open(key, value, &run);
    if (err) return err;
    if (run.first_seq == 0 || run.count == 0) return ORDO_ERR_CORRUPT;
    if (run.first_seq == 1) count->documents++;
    else count->heads -= hash_of_head(parsed.doc_key, run.first_seq - 1);
    count->heads += hash_of_head(parsed.doc_key, run.first_seq + run.count - 1);
    return ORDO_OK;
}

void ordo_slot_count_add(struct ordo_slot_count *count, const struct ordo_slot_count *change) {
    count->documents += change->documents;
    count->heads += change->heads;
}

bool ordo_slot_count_equal(const struct ordo_slot_count *a, const struct ordo_slot_count *b) {
    return a->documents == b->documents && a->heads == b->heads;
}
