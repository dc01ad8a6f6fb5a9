/* tools/ordo/export_doc.h: one document of a store as the lines of an export.
 *
 * Reads through a view and hands out line by line, so memory is bounded by the content that history begins with (if it
 * was truncated) and the document's clients, never by its length. */
#ifndef ORDO_TOOLS_EXPORT_DOC_H
#define ORDO_TOOLS_EXPORT_DOC_H

#include "shard/core/authors.h"
#include "shard/store.h"
#include "tools/ordo/export_line.h"

/* Lines of one document, counted and summed on their way out. */
struct export_out {
    bool (*write)(void *context, struct ordo_slice line); /* with its end; false: nobody reads on */
    void *context;
    struct ordo_buffer line;
    uint64_t sum, op_count, client_count;
};
void export_out_finish(struct export_out *out);
/* CLOSED: nobody reads on. INVALID: see export_line_write. */
ORDO_MUST_USE ordo_err export_out_line(struct export_out *out, const struct export_line *line);
/* The content that history begins with, in pieces. */
ORDO_MUST_USE ordo_err export_out_content(struct export_out *out, struct ordo_slice content);
/* Who wrote what last, as the ops pass by, and the lines that say so. `hash`: of what was submitted; 0: not known. */
void export_note_author(struct ordo_authors *authors, const struct ordo_committed *op, uint64_t hash);
ORDO_MUST_USE ordo_err export_out_clients(struct export_out *out, const struct ordo_authors *authors);
/* Ends the document with what was counted, and is ready for the next. */
ORDO_MUST_USE ordo_err export_out_end(struct export_out *out, uint64_t lineage);

/* All lines of the document. NOT_FOUND: there is none, or nothing is left of it (nothing was written). CORRUPT, VERSION, IO: it cannot be read;
 * `bad_seq` says from where on. The lines so far lack their end then, so that nobody takes them for a document. */
ORDO_MUST_USE ordo_err export_doc_write(struct ordo_view *view, struct ordo_slice doc_key, struct export_out *out,
                                        uint64_t *bad_seq);

#endif
