/* tools/load/trace.h: a recorded editing session: the patches of one linear history and the text that they end in.
 *
 * The file is gzip (or plain) JSON: {"startContent": "", "endContent": …, "txns": [{"patches": [[position, deleted,
 * "inserted"], …]}, …]}, positions and lengths in code points, every patch applied to the result of the one before. */
#ifndef ORDO_TOOLS_LOAD_TRACE_H
#define ORDO_TOOLS_LOAD_TRACE_H

#include "common/buffer.h"
#include "common/error.h"

struct ordo_trace_patch {
    uint64_t position, delete_count; /* code points */
    size_t text_offset, text_size;   /* the inserted text, in `ordo_trace.text` */
};

struct ordo_trace {
    struct ordo_trace_patch *patches;
    size_t patch_count;
    struct ordo_buffer text;        /* all inserted texts, one after the other */
    struct ordo_buffer end_content;
};

#define ORDO_TRACE_FAULT_SIZE 256

/* IO or INVALID: `fault` holds a sentence, the trace is empty. */
ORDO_MUST_USE ordo_err ordo_trace_load(struct ordo_trace *trace, const char *path, char fault[ORDO_TRACE_FAULT_SIZE]);
/* The same from bytes that are JSON already. */
ORDO_MUST_USE ordo_err ordo_trace_parse(struct ordo_trace *trace, struct ordo_slice json,
                                        char fault[ORDO_TRACE_FAULT_SIZE]);
void ordo_trace_finish(struct ordo_trace *trace);

static inline struct ordo_slice ordo_trace_text(const struct ordo_trace *trace, const struct ordo_trace_patch *patch) {
    return ordo_slice(trace->text.data + patch->text_offset, patch->text_size);
}

#endif
