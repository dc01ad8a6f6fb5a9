/* ordo export: documents with their history, as text (docs/export-format.md): of a stopped store, or of a running cluster. */
#include <stdlib.h>

#include "common/utf8.h"
#include "shard/core/key.h"
#include "shard/folder.h"
#include "tools/ordo/command.h"
#include "tools/ordo/export_doc.h"
#include "tools/ordo/export_wire.h"
#include "common/json.h"
#include "tools/ordo/stores.h"

enum { NAMES_MAX = 4096, STDOUT_BUFFER_SIZE = 1 << 18 };

struct exporting {
    const char *data, *url, *token, *collection; /* data and url: one of the two */
    bool wants_all;
    const char *names[NAMES_MAX];
    struct ordo_words words;
    struct ordo_view *view;
    const struct ordo_identity *identity;
    struct export_out out;
    uint64_t document_count;
};

static bool write_line(void *context, struct ordo_slice line) {
    (void)context;
    return fwrite(line.data, 1, line.size, stdout) == line.size;
}

static int fail_with(struct ordo_slice doc_key, ordo_err err, uint64_t bad_seq) {
    struct ordo_buffer name = {0};
    struct ordo_key key;
    if (err == ORDO_ERR_CLOSED) return ordo_command_flush(); /* it says why */
    if (ordo_key_parse(doc_key, &key)) {
        ordo_buffer_append_slice(&name, key.collection);
        ordo_buffer_append_u8(&name, '/');
        ordo_buffer_append_slice(&name, key.id);
    }
    int status = ordo_command_fail("%.*s cannot be exported, its log is read up to server_seq %llu: %s", (int)name.size,
                                   (const char *)name.data, (unsigned long long)bad_seq, ordo_err_text(err));
    ordo_buffer_finish(&name);
    return status;
}

/* EXIT_SUCCESS, also where there is no document. */
static int export_document(struct exporting *exporting, struct ordo_slice doc_key) {
    uint64_t bad_seq;
    ordo_err err = export_doc_write(exporting->view, doc_key, &exporting->out, &bad_seq);
    if (!err) exporting->document_count++;
    return !err || err == ORDO_ERR_NOT_FOUND ? EXIT_SUCCESS : fail_with(doc_key, err, bad_seq);
}

/* --- which ones -------------------------------------------------------------------------------------------------- */

/* The next document at or behind `from` that this column family knows of. False: none, or an error. */
static ordo_err next_document(struct ordo_view *view, enum ordo_cf cf, struct ordo_slice from, struct ordo_buffer *out) {
    struct ordo_iterator *rows = view->ops->iterate(view, cf, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    struct ordo_key key;
    ordo_err err = ORDO_ERR_NOT_FOUND;
    ordo_buffer_clear(out);
    if (rows->ops->seek(rows, from)) {
        err = ordo_key_parse(rows->ops->key(rows), &key) ? ORDO_OK : ORDO_ERR_CORRUPT;
        if (!err) ordo_buffer_append_slice(out, key.doc_key);
    } else if (rows->ops->status(rows)) {
        err = rows->ops->status(rows);
    }
    rows->ops->close(rows);
    return err;
}

/* A document has a row or, while it is young, only ops. */
static ordo_err next_of_all(struct ordo_view *view, struct ordo_slice from, struct ordo_buffer *out) {
    struct ordo_buffer by_ops = {0};
    ordo_err err = next_document(view, ORDO_CF_DOCS, from, out);
    ordo_err ops_err = next_document(view, ORDO_CF_OPS, from, &by_ops);
    if (ops_err && ops_err != ORDO_ERR_NOT_FOUND) err = ops_err;
    bool ops_come_first = !ops_err && (err == ORDO_ERR_NOT_FOUND ||
                                       (!err && ordo_slice_compare(ordo_buffer_slice(&by_ops), ordo_buffer_slice(out)) < 0));
    if (ops_come_first) {
        ordo_buffer_clear(out);
        ordo_buffer_append_slice(out, ordo_buffer_slice(&by_ops));
        err = ORDO_OK;
    }
    ordo_buffer_finish(&by_ops);
    return err;
}

/* Rows of a slot that the store does not own are on their way to another, or from there. */
static bool is_owned(const struct exporting *exporting, struct ordo_slice doc_key) {
    struct ordo_key key;
    return ordo_key_parse(doc_key, &key) && ordo_identity_epoch(exporting->identity, key.slot) > 0;
}

static bool is_wanted(const struct exporting *exporting, struct ordo_slice doc_key) {
    struct ordo_key key;
    if (!is_owned(exporting, doc_key) || !ordo_key_parse(doc_key, &key)) return false;
    return exporting->collection == NULL || ordo_slice_equal(key.collection, ordo_slice_of(exporting->collection));
}

static int export_all(struct exporting *exporting) {
    struct ordo_buffer from = {0}, doc_key = {0};
    int status = EXIT_SUCCESS;
    ordo_err err;
    ordo_buffer_append_u8(&from, 0);
    while (status == EXIT_SUCCESS && !(err = next_of_all(exporting->view, ordo_buffer_slice(&from), &doc_key))) {
        struct ordo_slice key = ordo_buffer_slice(&doc_key);
        if (is_wanted(exporting, key)) status = export_document(exporting, key);
        ordo_key_doc_end(&from, key);
    }
    if (status == EXIT_SUCCESS && err != ORDO_ERR_NOT_FOUND)
        status = ordo_command_fail("%s: the store cannot be read to its end: %s", exporting->data, ordo_err_text(err));
    ordo_buffer_finish(&from);
    ordo_buffer_finish(&doc_key);
    return status;
}

static int export_named(struct exporting *exporting) {
    struct ordo_buffer doc_key = {0};
    int status = EXIT_SUCCESS;
    for (size_t i = 0; status == EXIT_SUCCESS && i < exporting->words.count; i++) {
        char collection[ORDO_NAME_SIZE_MAX + 1], id[ORDO_NAME_SIZE_MAX + 1];
        uint64_t count = exporting->document_count;
        if (!ordo_document_name_parse(exporting->names[i], collection, id)) continue; /* checked before */
        ordo_key_doc(&doc_key, ordo_slice_of(collection), ordo_slice_of(id));
        if (is_owned(exporting, ordo_buffer_slice(&doc_key)))
            status = export_document(exporting, ordo_buffer_slice(&doc_key));
        if (status == EXIT_SUCCESS && exporting->document_count == count)
            status = ordo_command_fail("there is no document %s in %s", exporting->names[i], exporting->data);
    }
    ordo_buffer_finish(&doc_key);
    return status;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

/* A file of what `act` exports. */
static int write_file(struct exporting *exporting, int (*act)(struct exporting *exporting)) {
    struct export_line header = {.kind = EXPORT_HEADER, .version = EXPORT_VERSION};
    int status = export_out_line(&exporting->out, &header) ? ordo_command_flush() : EXIT_SUCCESS;
    if (status == EXIT_SUCCESS) status = act(exporting);
    struct export_line done = {.kind = EXPORT_DONE, .document_count = exporting->document_count};
    if (status == EXIT_SUCCESS) status = export_out_line(&exporting->out, &done) ? EXIT_FAILURE : EXIT_SUCCESS;
    export_out_finish(&exporting->out);
    int flushed = ordo_command_flush();
    return status == EXIT_SUCCESS ? flushed : status;
}

static int export_from_store(struct exporting *exporting) {
    return exporting->words.count > 0 ? export_named(exporting) : export_all(exporting);
}

static int export_store(struct exporting *exporting) {
    static struct ordo_folder folder;
    static char path[PATH_MAX];
    struct ordo_problem problem = {0};
    int status = ordo_stores_find_one(exporting->data, path);
    if (status != EXIT_SUCCESS) return status;
    ordo_err err = ordo_folder_open_readonly(&folder, path, &problem);
    if (err) {
        ordo_folder_finish(&folder);
        return ordo_command_fail("%s: %s", path, problem.text[0] ? problem.text : ordo_err_text(err));
    }
    if (folder.note.text[0]) fprintf(stderr, "ordo: %s: note: %s\n", path, folder.note.text);
    exporting->view = folder.store->ops->view_open(folder.store);
    exporting->identity = &folder.identity;
    status = write_file(exporting, export_from_store);
    folder.store->ops->view_close(exporting->view);
    ordo_folder_finish(&folder);
    return status;
}

static int export_over_the_wire(struct exporting *exporting) {
    int status = EXIT_SUCCESS;
    for (size_t i = 0; status == EXIT_SUCCESS && i < exporting->words.count; i++) {
        struct session session;
        session_init(&session);
        session.url = exporting->url;
        session.token = exporting->token;
        status = session_open(&session, exporting->names[i], NULL, true);
        if (status != EXIT_SUCCESS) break;
        status = export_wire_write(&session, &exporting->out);
        session_close(&session);
        exporting->document_count++;
    }
    return status;
}

static int check_choice(const struct exporting *exporting, const char *name) {
    int choices = exporting->wants_all + (exporting->collection != NULL) + (exporting->words.count > 0);
    if (exporting->url != NULL && exporting->data != NULL) return ordo_command_misuse(name, "wants either --data or --url");
    if (exporting->url != NULL && exporting->words.count == 0)
        return ordo_command_misuse(name, "wants COLLECTION/ID … with --url: a cluster does not list its documents");
    if (choices != 1) return ordo_command_misuse(name, "wants either COLLECTION/ID … or --collection or --all");
    for (size_t i = 0; i < exporting->words.count; i++) {
        char collection[ORDO_NAME_SIZE_MAX + 1], id[ORDO_NAME_SIZE_MAX + 1];
        if (!ordo_document_name_parse(exporting->names[i], collection, id))
            return ordo_command_misuse(name, "wants COLLECTION/ID, each 1 to 128 bytes");
    }
    return EXIT_SUCCESS;
}

int ordo_export_run(int argc, char **argv) {
    static struct exporting exporting;
    static char buffer[STDOUT_BUFFER_SIZE];
    exporting.out.write = write_line;
    exporting.token = getenv("ORDO_TOKEN");
    exporting.words = (struct ordo_words){.items = exporting.names, .capacity = NAMES_MAX, .optional_count = NAMES_MAX};
    const struct ordo_option options[] = {
        {"--data", "DIR", "of `ordo up`, which must not run, or one store (./ordo-data)", ORDO_OPTION_TEXT, &exporting.data},
        {"--collection", "NAME", "all documents of it", ORDO_OPTION_TEXT, &exporting.collection},
        {"--all", NULL, "all documents", ORDO_OPTION_FLAG, &exporting.wants_all},
        {"--url", "URL", "of a gateway: reads from a running cluster", ORDO_OPTION_TEXT, &exporting.url},
        {"--token", "TOKEN", "to show at its door ($ORDO_TOKEN)", ORDO_OPTION_TEXT, &exporting.token},
    };
    int status;
    static const char usage[] = "ordo export [--data DIR] COLLECTION/ID … | --collection NAME | --all > FILE\n"
                                "ordo export --url URL COLLECTION/ID … > FILE\n"
                                "Prints documents with all of their history, one JSON object per line, for `ordo import`.";
    if (!ordo_command_parse(usage, options, sizeof options / sizeof *options, argc, argv, &exporting.words, &status))
        return status;
    status = check_choice(&exporting, argv[0]);
    if (status != EXIT_SUCCESS) return status;
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    if (exporting.url != NULL) return write_file(&exporting, export_over_the_wire);
    if (exporting.data == NULL) exporting.data = "./ordo-data";
    return export_store(&exporting);
}
