/* Hostile bytes as a text op: refused, or read the same by every function that trusts what was validated. */
#include <stdlib.h>

#include "common/assert.h"
#include "common/ot/text.h"
#include "common/ot/text_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ordo_buffer canonical_of(struct ordo_slice op) {
    struct ordo_buffer out = {0};
    ordo_text_transform_side(op, ordo_slice(NULL, 0), ORDO_TEXT_LEFT, &out);
    return out;
}

/* Functions that trust their input may give nonsense on bytes that were not validated, but stay within memory. */
static void try_unvalidated(struct ordo_slice op) {
    struct ordo_buffer out = {0};
    struct text_measure sum = text_op_measure(text_op_trusted(op).spans);
    ordo_text_transform_side(op, op, ORDO_TEXT_RIGHT, &out);
    ordo_text_position_after(op, sum.base / 2, true);
    ordo_buffer_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    uint64_t length = data[0] * UINT64_C(5), after = UINT64_MAX;
    struct ordo_slice op = ordo_slice(data + 1, size - 1);
    try_unvalidated(op);
    enum ordo_op_fault fault = ordo_type_text.validate(op, length, &after);
    if (fault != ORDO_OP_VALID) {
        ORDO_ASSERT(after == UINT64_MAX);
        return 0;
    }
    ORDO_ASSERT(ordo_type_text.length_after(op, length) == after);

    struct ordo_buffer canonical = canonical_of(op), again = {0}, text = {0};
    uint64_t canonical_after;
    struct ordo_slice same = ordo_buffer_slice(&canonical);
    ORDO_ASSERT(ordo_type_text.validate(same, length, &canonical_after) == ORDO_OP_VALID && canonical_after == after);
    struct ordo_live_op *live = ordo_text_live_create();
    ordo_text_live_set_flat_max(live, data[0] & 1 ? 0 : SIZE_MAX);
    ordo_text_live_load(live, op, ordo_slice(NULL, 0));
    ordo_text_live_encode(live, &again);
    ORDO_ASSERT(ordo_slice_equal(ordo_buffer_slice(&again), same));
    ordo_text_live_destroy(live);

    struct ordo_content *content = ordo_text_content_create();
    for (uint64_t i = 0; i < length; i += 5) ORDO_ASSERT(!ordo_text_content_append(content, ordo_slice_of("aé漢😅b")));
    ORDO_ASSERT(ordo_text_content_apply(content, op) == ORDO_OK);
    ORDO_ASSERT(ordo_text_content_length(content) == after);
    ordo_text_content_write(content, &text);
    ORDO_ASSERT(text.size == ordo_text_content_size(content));
    ordo_text_content_destroy(content);

    ordo_buffer_finish(&canonical);
    ordo_buffer_finish(&again);
    ordo_buffer_finish(&text);
    return 0;
}
