/* tests/ot/support.h: what the tests of `text` share: ops as JSON, random ops, recorded traces. */
#ifndef ORDO_TESTS_OT_SUPPORT_H
#define ORDO_TESTS_OT_SUPPORT_H

#include <jansson.h>

#include "common/buffer.h"
#include "common/random.h"
#include "common/slice.h"

/* --- ops as the arrays of `ot-text-unicode`: number = retain, string = insert, {"d": n} = delete ---------------- */

void ot_op_from_json(const json_t *components, struct ordo_buffer *out); /* appends */
json_t *ot_op_to_json(struct ordo_slice op);                             /* the caller's reference */

/* --- random ops ------------------------------------------------------------------------------------------------- */

struct ot_random {
    struct ordo_prng prng;
    unsigned components_max;
    unsigned span_max; /* code points of one component */
    bool has_hints;
};

/* Appends `count` random code points: letters, combining marks, CJK, emoji. */
void ot_random_text(struct ot_random *random, uint64_t count, struct ordo_buffer *out);
/* Appends a valid op against a content of `length_before` code points; returns the length after it. */
uint64_t ot_random_op(struct ot_random *random, uint64_t length_before, struct ordo_buffer *out);

/* --- files ------------------------------------------------------------------------------------------------------ */

/* The folder of recorded traces: $ORDO_TRACES, else ../shared/traces beside the repository. NULL if there is none. */
const char *ot_traces_folder(void);
/* All of a file, unpacked if its name ends in .gz. Stops the test if it cannot be read. */
struct ordo_buffer ot_read_file(const char *path);

struct ot_patch {
    uint64_t position, deleted; /* code points */
    struct ordo_slice inserted; /* borrowed from the trace */
};

struct ot_trace {
    struct ot_patch *patches;
    size_t count;
    struct ordo_slice end_content;
    struct json_t *json; /* what the slices point into */
};

struct ot_trace ot_trace_load(const char *path);
void ot_trace_finish(struct ot_trace *trace);

#endif
