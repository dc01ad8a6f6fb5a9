/* tools/ordo/import_file.h: an export, line by line, into a store.
 *
 * Knows the order of a file's lines, its sums and counts, and which documents are wanted; import_doc.h knows what a
 * document is. Pure but for the store: the caller reads the lines. Documents are written as they end, each at once or
 * not at all, and synced together (`import_file_sync`), for a sync costs as much as some thousand small ops. */
#ifndef ORDO_TOOLS_IMPORT_FILE_H
#define ORDO_TOOLS_IMPORT_FILE_H

#include "shard/core/rows.h"
#include "tools/ordo/import_doc.h"

#define IMPORT_FAULT_SIZE 512

struct import_file {
    struct ordo_store *store;
    uint64_t (*draw_lineage)(void);
    uint64_t turn, term;   /* of the store's newest batch */
    uint32_t format;       /* level of the store */
    bool skips_existing;
    const struct ordo_slot_row *slots; /* of the store; NULL: it takes all documents */

    uint64_t line_number;  /* of the line that was taken last */
    enum import_file_state { IMPORT_AT_START, IMPORT_BETWEEN, IMPORT_INSIDE, IMPORT_PASSING_OVER, IMPORT_AT_END } state;
    struct export_reader reader;
    struct import_doc *doc;
    struct ordo_buffer name; /* of the document, as one JSON string; it stays after its end */
    uint64_t sum, document_ops;
    uint64_t document_count, skipped_count, op_count; /* documents and ops written, documents passed over */
    uint64_t unsynced_count;                          /* of the documents written */
    char fault[IMPORT_FAULT_SIZE]; /* "line 7 is not …"; "" so far so good */
};

enum import_step {
    IMPORT_GOES_ON,
    IMPORT_DOCUMENT_WRITTEN, /* `name` and `document_ops` say which; not yet synced */
    IMPORT_DOCUMENT_SKIPPED,
    IMPORT_FAILED,           /* `fault` says why; the store has the documents before */
};

/* The caller fills in the first seven members; the rest is zero. Takes the next line, without its end. */
ORDO_MUST_USE enum import_step import_file_line(struct import_file *file, struct ordo_slice line);
/* There are no more lines. IMPORT_GOES_ON: it was all there. */
ORDO_MUST_USE enum import_step import_file_end(struct import_file *file);
/* All documents written are on disk when this returns OK. */
ORDO_MUST_USE ordo_err import_file_sync(struct import_file *file);
void import_file_finish(struct import_file *file);

#endif
