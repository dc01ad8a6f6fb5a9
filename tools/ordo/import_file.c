#include "tools/ordo/import_file.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/hash.h"
#include "shard/core/key.h"
#include "common/json.h"

__attribute__((format(printf, 2, 3))) static enum import_step fail(struct import_file *file, const char *format, ...) {
    va_list args;
    int size = snprintf(file->fault, sizeof file->fault, "line %llu ", (unsigned long long)file->line_number);
    va_start(args, format);
    vsnprintf(file->fault + size, sizeof file->fault - (size_t)size, format, args);
    va_end(args);
    return IMPORT_FAILED;
}

static void keep_name(struct import_file *file, const struct export_document *document) {
    struct ordo_buffer name = {0};
    ordo_buffer_append_slice(&name, document->collection);
    ordo_buffer_append_u8(&name, '/');
    ordo_buffer_append_slice(&name, document->id);
    ordo_buffer_clear(&file->name);
    (void)json_put_string(&file->name, ordo_buffer_slice(&name));
    ordo_buffer_append_u8(&file->name, 0);
    ordo_buffer_finish(&name);
}

static enum import_step begin_document(struct import_file *file, const struct export_document *document) {
    bool exists;
    const char *fault = import_doc_check(document);
    if (fault != NULL) return fail(file, "%s", fault);
    keep_name(file, document);
    file->sum = file->document_ops = 0;
    ordo_err err = import_doc_exists(file->store, document->collection, document->id, &exists);
    const char *name = (const char *)file->name.data;
    if (err) return fail(file, "is of %s, and what the store has of it cannot be read: %s", name, ordo_err_text(err));
    uint16_t slot = ordo_slot_of(document->collection, document->id);
    if (file->slots != NULL && file->slots[slot].state != ORDO_SLOT_OWNED)
        return fail(file, "is of %s, whose slot %u this store does not own: another store of the cluster does", name, slot);
    if (exists && !file->skips_existing)
        return fail(file, "is of %s, which the store has already (--skip-existing passes over such)", name);
    file->state = exists ? IMPORT_PASSING_OVER : IMPORT_INSIDE;
    if (!exists) file->doc = import_doc_create(file->store, file->format, document, file->draw_lineage);
    return IMPORT_GOES_ON;
}

static enum import_step end_document(struct import_file *file, const struct export_end *end) {
    if (end->checksum != file->sum)
        return fail(file, "has another checksum than the lines of this document: they were changed");
    bool is_skipped = file->state == IMPORT_PASSING_OVER;
    file->state = IMPORT_BETWEEN;
    if (is_skipped) {
        file->skipped_count++;
        return IMPORT_DOCUMENT_SKIPPED;
    }
    ordo_err err = import_doc_commit(file->doc, file->turn + 1, file->term);
    import_doc_destroy(file->doc);
    file->doc = NULL;
    if (err) return fail(file, "ends %s, which cannot be written: %s", (char *)file->name.data, ordo_err_text(err));
    file->turn++;
    file->document_count++;
    file->unsynced_count++;
    file->op_count += file->document_ops = end->op_count;
    return IMPORT_DOCUMENT_WRITTEN;
}

/* A line of a document, its end included. */
static enum import_step take_inside(struct import_file *file, const struct export_line *line, struct ordo_slice bytes) {
    bool is_outer = line->kind == EXPORT_HEADER || line->kind == EXPORT_DOCUMENT || line->kind == EXPORT_DONE;
    if (is_outer) return fail(file, "comes before the end of %s", (char *)file->name.data);
    if (file->state == IMPORT_INSIDE) {
        const char *fault = import_doc_line(file->doc, line);
        if (fault != NULL) return fail(file, "%s", fault);
    }
    if (line->kind == EXPORT_END) return end_document(file, &line->end);
    file->sum = export_sum(file->sum, bytes);
    return IMPORT_GOES_ON;
}

static enum import_step take_between(struct import_file *file, const struct export_line *line, struct ordo_slice bytes) {
    enum import_step step;
    switch (line->kind) {
    case EXPORT_DOCUMENT:
        step = begin_document(file, &line->document);
        file->sum = export_sum(0, bytes);
        return step;
    case EXPORT_DONE:
        if (line->document_count != file->document_count + file->skipped_count)
            return fail(file, "counts %llu documents, but there are %llu", (unsigned long long)line->document_count,
                        (unsigned long long)(file->document_count + file->skipped_count));
        file->state = IMPORT_AT_END;
        return IMPORT_GOES_ON;
    default: return fail(file, "stands outside of a document");
    }
}

enum import_step import_file_line(struct import_file *file, struct ordo_slice bytes) {
    struct export_line line;
    file->line_number++;
    const char *fault = export_line_read(&file->reader, bytes, &line);
    switch (file->state) {
    case IMPORT_AT_START:
        if (fault != NULL || line.kind != EXPORT_HEADER) return fail(file, "is not the header of an export");
        if (line.version != EXPORT_VERSION)
            return fail(file, "says version %llu of the format, this program reads version %d",
                        (unsigned long long)line.version, EXPORT_VERSION);
        file->state = IMPORT_BETWEEN;
        return IMPORT_GOES_ON;
    case IMPORT_BETWEEN: return fault ? fail(file, "%s", fault) : take_between(file, &line, bytes);
    case IMPORT_INSIDE:
    case IMPORT_PASSING_OVER: return fault ? fail(file, "%s", fault) : take_inside(file, &line, bytes);
    case IMPORT_AT_END: break;
    }
    return fail(file, "stands behind the end");
}

enum import_step import_file_end(struct import_file *file) {
    if (file->state == IMPORT_AT_END) return IMPORT_GOES_ON;
    file->line_number++;
    return fail(file, "is missing: the file was cut");
}

ordo_err import_file_sync(struct import_file *file) {
    struct ordo_batch batch = {0};
    struct ordo_buffer value = {0};
    if (file->unsynced_count == 0) return ORDO_OK;
    ordo_turn_row_encode(&value, &(struct ordo_turn_row){.turn = file->turn + 1, .term = file->term});
    ordo_batch_put(&batch, ORDO_CF_META, ordo_key_turn, ordo_buffer_slice(&value));
    ordo_err err = file->store->ops->write(file->store, &batch, true);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&value);
    if (err) return err;
    file->turn++;
    file->unsynced_count = 0;
    return ORDO_OK;
}

void import_file_finish(struct import_file *file) {
    import_doc_destroy(file->doc);
    file->doc = NULL;
    export_reader_finish(&file->reader);
    ordo_buffer_finish(&file->name);
}
