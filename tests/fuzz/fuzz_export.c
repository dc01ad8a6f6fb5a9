/* Whatever an export says, importing it stays within its lines and ends, and what got into the store is a document that
 * `ordo verify` finds nothing in and that comes out as a file that can be imported again, into the same lines. The sum
 * of each document is put right, so that the lines behind it are looked at. */
#include <stdlib.h>

#include "shard/core/key.h"
#include "shard/core/verify.h"
#include "shard/store_memory.h"
#include "tools/ordo/export_doc.h"
#include "tools/ordo/import_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_INPUT = 1 << 16 };

static void check(bool holds) {
    if (!holds) abort();
}

static uint64_t draw(void) { return 7; } /* lineages need not differ here */

static void found(void *context, const struct ordo_finding *finding) {
    (void)context;
    (void)finding;
    abort();
}

static void take_line(struct import_file *file, struct ordo_slice line, enum import_step *step) {
    struct export_reader reader = {0};
    struct export_line end;
    struct ordo_buffer mended = {0};
    if (export_line_read(&reader, line, &end) == NULL && end.kind == EXPORT_END) {
        end.end.checksum = file->sum;
        check(export_line_write(&end, &mended) == ORDO_OK);
        line = ordo_buffer_slice(&mended);
    }
    *step = import_file_line(file, line);
    export_reader_finish(&reader);
    ordo_buffer_finish(&mended);
}

static void import(struct import_file *file, struct ordo_slice text) {
    enum import_step step = IMPORT_GOES_ON;
    while (text.size > 0 && step != IMPORT_FAILED) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end ? (size_t)(end - text.data) : text.size, taken = size + (end != NULL);
        take_line(file, ordo_slice(text.data, size), &step);
        text = ordo_slice(text.data + taken, text.size - taken);
    }
    check((step == IMPORT_FAILED) == (file->fault[0] != '\0'));
    check(import_file_sync(file) == ORDO_OK);
}

static bool write_line(void *context, struct ordo_slice line) {
    ordo_buffer_append_slice(context, line);
    return true;
}

/* All documents, in the order of their keys, and the end of the file. */
static void export(struct ordo_store *store, struct ordo_buffer *text) {
    struct export_out out = {.write = write_line, .context = text};
    struct export_line header = {.kind = EXPORT_HEADER, .version = EXPORT_VERSION}, done = {.kind = EXPORT_DONE};
    struct ordo_view *view = store->ops->view_open(store);
    struct ordo_iterator *rows = view->ops->iterate(view, ORDO_CF_DOCS, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    uint64_t bad_seq;
    check(export_out_line(&out, &header) == ORDO_OK);
    while (rows->ops->next(rows)) {
        check(export_doc_write(view, rows->ops->key(rows), &out, &bad_seq) == ORDO_OK);
        done.document_count++;
    }
    check(export_out_line(&out, &done) == ORDO_OK);
    rows->ops->close(rows);
    store->ops->view_close(view);
    export_out_finish(&out);
}

static void verify(struct ordo_store *store) {
    struct ordo_view *view = store->ops->view_open(store);
    ordo_verify(view, found, NULL);
    store->ops->view_close(view);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > SIZE_MAX_INPUT) return 0;
    struct ordo_store *first = ordo_store_memory_create(1), *second = ordo_store_memory_create(1);
    struct import_file file = {.store = first, .draw_lineage = draw}, again = {.store = second, .draw_lineage = draw};
    struct ordo_buffer once = {0}, twice = {0};
    import(&file, ordo_slice(data, size));
    verify(first);
    export(first, &once);
    import(&again, ordo_buffer_slice(&once));
    check(again.fault[0] == '\0' && import_file_end(&again) == IMPORT_GOES_ON);
    verify(second);
    export(second, &twice);
    check(ordo_slice_equal(ordo_buffer_slice(&once), ordo_buffer_slice(&twice)));
    import_file_finish(&file);
    import_file_finish(&again);
    ordo_buffer_finish(&once);
    ordo_buffer_finish(&twice);
    first->ops->close(first);
    second->ops->close(second);
    return 0;
}
