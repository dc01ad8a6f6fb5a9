/* ordo import: documents with their history, out of a text that `ordo export` made, into a stopped store. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shard/folder.h"
#include "shard/lineages.h"
#include "shard/low_water.h"
#include "tools/ordo/command.h"
#include "tools/ordo/import_file.h"
#include "tools/ordo/stores.h"

enum { READ_SIZE = 1 << 18, SYNC_DOCUMENTS = 64, REPORT_SIZE_MAX = 4096 };

/* --- stdin, line by line ---------------------------------------------------------------------------------------------- */

struct lines {
    struct ordo_buffer bytes;
    size_t start;  /* of what was not handed out yet */
    size_t looked; /* up to where there is no end of a line */
    bool is_at_end;
};

/* NOT_FOUND: that was all. TOO_LARGE, IO. `out` is good until the next call. */
static ordo_err next_line(struct lines *lines, struct ordo_slice *out) {
    for (;;) {
        struct ordo_buffer *bytes = &lines->bytes;
        size_t left = bytes->size - lines->looked;
        uint8_t *end = left > 0 ? memchr(bytes->data + lines->looked, '\n', left) : NULL;
        size_t size = (end ? (size_t)(end - bytes->data) : bytes->size) - lines->start;
        if (size > EXPORT_LINE_SIZE_MAX) return ORDO_ERR_TOO_LARGE;
        if (end != NULL || (lines->is_at_end && size > 0)) {
            *out = ordo_slice(bytes->data + lines->start, size);
            lines->start = lines->looked = lines->start + size + (end != NULL);
            return ORDO_OK;
        }
        if (lines->is_at_end) return ORDO_ERR_NOT_FOUND;
        if (size > 0) memmove(bytes->data, bytes->data + lines->start, size);
        bytes->size = lines->looked = size;
        lines->start = 0;
        size_t got = fread(ordo_buffer_reserve(bytes, READ_SIZE), 1, READ_SIZE, stdin);
        bytes->size += got;
        if (got == 0 && ferror(stdin)) return ORDO_ERR_IO;
        lines->is_at_end = got == 0;
    }
}

/* --- documents -------------------------------------------------------------------------------------------------------- */

struct importing {
    struct import_file file;
    struct lines lines;
    struct ordo_buffer report; /* lines about documents that are not yet synced */
};

static void report(struct importing *importing, enum import_step step) {
    char line[64];
    if (step != IMPORT_DOCUMENT_WRITTEN && step != IMPORT_DOCUMENT_SKIPPED) return;
    bool is_skipped = step == IMPORT_DOCUMENT_SKIPPED;
    snprintf(line, sizeof line, is_skipped ? ": skipped, it exists\n" : ": %llu ops\n",
             (unsigned long long)importing->file.document_ops);
    ordo_buffer_append(&importing->report, importing->file.name.data, importing->file.name.size - 1);
    ordo_buffer_append_slice(&importing->report, ordo_slice_of(line));
}

/* What was reported is on disk first. */
static int sync_and_print(struct importing *importing) {
    ordo_err err = import_file_sync(&importing->file);
    if (err) return ordo_command_fail("the store cannot be synced: %s", ordo_err_text(err));
    if (importing->report.size > 0) fwrite(importing->report.data, 1, importing->report.size, stdout);
    ordo_buffer_clear(&importing->report);
    fflush(stdout); /* now, so that who is killed next has said it */
    return EXIT_SUCCESS;
}

static int fail_where(const struct importing *importing) {
    const struct import_file *file = &importing->file;
    bool is_inside = file->doc != NULL;
    return ordo_command_fail("%s. Imported before it: %llu documents%s%s", file->fault,
                             (unsigned long long)file->document_count, is_inside ? "; nothing of " : "",
                             is_inside ? (const char *)file->name.data : "");
}

static int import_lines(struct importing *importing) {
    struct import_file *file = &importing->file;
    enum import_step step = IMPORT_GOES_ON;
    struct ordo_slice line;
    ordo_err err = ORDO_OK;
    int status = EXIT_SUCCESS;
    while (status == EXIT_SUCCESS && step != IMPORT_FAILED && !(err = next_line(&importing->lines, &line))) {
        step = import_file_line(file, line);
        report(importing, step);
        if (file->unsynced_count >= SYNC_DOCUMENTS || importing->report.size >= REPORT_SIZE_MAX) status = sync_and_print(importing);
    }
    if (status != EXIT_SUCCESS) return status;
    if (err == ORDO_ERR_NOT_FOUND) step = import_file_end(file);
    status = sync_and_print(importing);
    if (status != EXIT_SUCCESS) return status;
    if (step == IMPORT_FAILED) return fail_where(importing);
    if (err == ORDO_ERR_IO) return ordo_command_fail("cannot read stdin: %s", strerror(errno));
    if (err == ORDO_ERR_TOO_LARGE)
        return ordo_command_fail("line %llu is longer than the %u MiB that a line may be",
                                 (unsigned long long)file->line_number + 1, EXPORT_LINE_SIZE_MAX >> 20);
    printf("imported %llu documents with %llu ops, skipped %llu\n", (unsigned long long)file->document_count,
           (unsigned long long)file->op_count, (unsigned long long)file->skipped_count);
    return EXIT_SUCCESS;
}

/* So that a log that loses its end later on is seen. */
static int note_low_water(const struct ordo_folder *folder, uint64_t turn) {
    struct ordo_low_water mark = {.fd = -1};
    ordo_err err = ordo_low_water_open(&mark, folder->low_water_path, turn);
    if (!err) err = ordo_low_water_write(&mark, turn);
    ordo_low_water_close(&mark);
    return err ? ordo_command_fail("%s cannot be written: %s", folder->low_water_path, strerror(errno)) : EXIT_SUCCESS;
}

static int import_into(struct importing *importing, const char *path) {
    static struct ordo_folder folder;
    struct ordo_problem problem = {0};
    ordo_err err = ordo_folder_open(&folder, path, &problem);
    int status = EXIT_SUCCESS;
    if (err) status = ordo_command_fail("%s: %s", path, problem.text[0] ? problem.text : ordo_err_text(err));
    if (folder.note.text[0]) fprintf(stderr, "ordo: %s: note: %s\n", path, folder.note.text);
    if (!err) {
        importing->file.store = folder.store;
        importing->file.turn = folder.identity.turn;
        importing->file.term = folder.identity.term;
        importing->file.format = folder.identity.format;
        importing->file.slots = folder.identity.slots;
        status = import_lines(importing);
        if (importing->file.unsynced_count == 0 && note_low_water(&folder, importing->file.turn) != EXIT_SUCCESS)
            status = EXIT_FAILURE;
    }
    ordo_folder_finish(&folder);
    import_file_finish(&importing->file);
    ordo_buffer_finish(&importing->lines.bytes);
    ordo_buffer_finish(&importing->report);
    return status;
}

int ordo_import_run(int argc, char **argv) {
    static struct importing importing;
    static char path[PATH_MAX];
    const char *data = "./ordo-data";
    importing.file.draw_lineage = ordo_lineage_draw;
    const struct ordo_option options[] = {
        {"--data", "DIR", "of `ordo up`, which must not run, or one store; absent or empty:\n"
                          "a new store is made (./ordo-data)", ORDO_OPTION_TEXT, &data},
        {"--skip-existing", NULL, "pass over documents that exist there, instead of stopping", ORDO_OPTION_FLAG,
         &importing.file.skips_existing},
    };
    struct ordo_words words = {0};
    int status;
    static const char usage[] = "ordo import [--data DIR] [--skip-existing] < FILE\n"
                                "Takes in what `ordo export` printed, a document at once or not at all.";
    if (!ordo_command_parse(usage, options, sizeof options / sizeof *options, argc, argv, &words, &status)) return status;
    status = ordo_stores_find_or_place(data, path);
    if (status != EXIT_SUCCESS) return status;
    status = import_into(&importing, path);
    int flushed = ordo_command_flush();
    return status == EXIT_SUCCESS ? flushed : status;
}
