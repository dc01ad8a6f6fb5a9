/* tools/ordo/import_doc.h: the lines of one exported document, made into what a store holds of it.
 *
 * Each op is validated against the content before it and packed into blocks of history as it comes; nothing that a
 * reader could take for a document stands in the store before `import_doc_commit`, whose one batch holds all of it
 * but the pieces of its snapshots, which went ahead and mean nothing by themselves. So a document is there or not,
 * whatever ends the import.
 *
 *     history    blocks of all ops but the last
 *     ops        one run with the last op
 *     snapshots  at the head, and where history begins, if that is not with nothing
 *     clients    all of them
 *     docs       the horizon before the last op, as a log of one op goes: what was in flight when the document was
 *                exported is of another lineage and finds nothing to be rebased over
 *
 * Lineages are drawn anew: positions of the one document and of the other do not compare, once both live on.
 * Memory: the content, the clients, and the packed history (0.3 to 1 byte for each keystroke). */
#ifndef ORDO_TOOLS_IMPORT_DOC_H
#define ORDO_TOOLS_IMPORT_DOC_H

#include "shard/store.h"
#include "tools/ordo/export_line.h"

struct import_doc;

/* What is wrong with the line that begins a document, as below. */
const char *import_doc_check(const struct export_document *document);
/* Of a document that was checked and does not exist in the store, which is borrowed, and has this format level. `draw_lineage` gives
 * fresh ones, 1..ORDO_NUMBER_MAX. The names are copied. */
struct import_doc *import_doc_create(struct ordo_store *store, uint32_t format, const struct export_document *document,
                                     uint64_t (*draw_lineage)(void));
void import_doc_destroy(struct import_doc *doc); /* NULL is fine */

/* The next line of the document, from BEGIN to END. NULL: taken. Else a sentence without a full stop that says what is
 * wrong with it; the document can only be destroyed then. With END it is complete. */
const char *import_doc_line(struct import_doc *doc, const struct export_line *line);

/* Writes a complete document as turn `turn`; a later write syncs it. Errors of the store: nothing is known of it until the store is
 * opened anew. */
ORDO_MUST_USE ordo_err import_doc_commit(struct import_doc *doc, uint64_t turn, uint64_t term);

/* Whether the store has a document of this name, deleted ones included. CORRUPT, IO. */
ORDO_MUST_USE ordo_err import_doc_exists(struct ordo_store *store, struct ordo_slice collection, struct ordo_slice id,
                                         bool *exists_out);

#endif
