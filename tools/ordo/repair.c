/* ordo repair: a new store of what a damaged one still holds; what it does not hold is named. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shard/repair.h"
#include "tools/ordo/command.h"
#include "tools/ordo/stores.h"

enum { EXIT_LOSSES = 3 };

struct report {
    const char *path;     /* of the damaged store */
    json_t *notes, *documents; /* NULL: lines on stdout */
};

static const char *const outcome_names[] = {
    [ORDO_MEND_WHOLE] = "whole", [ORDO_MEND_UNSURE] = "unsure", [ORDO_MEND_SHORT] = "shortened", [ORDO_MEND_LOST] = "lost"};

static void report_note(void *context, const char *sentence) {
    struct report *report = context;
    if (report->notes != NULL) json_array_append_new(report->notes, json_string(sentence));
    else printf("%s: note: %s\n", report->path, sentence);
}

static void print_document(const struct report *report, struct ordo_slice collection, struct ordo_slice id,
                           const struct ordo_mended *mended) {
    unsigned long long end = mended->end_seq, known = mended->known_seq, first = mended->history_seq + 1;
    printf("%s: %.*s/%.*s: %s", report->path, (int)collection.size, (const char *)collection.data, (int)id.size,
           (const char *)id.data, outcome_names[mended->outcome]);
    switch (mended->outcome) {
    case ORDO_MEND_WHOLE: printf(": readable up to server_seq %llu, its last", end); break;
    case ORDO_MEND_UNSURE: printf(": readable up to server_seq %llu; what came after that, if anything, is lost", end); break;
    case ORDO_MEND_SHORT:
        printf(": readable up to server_seq %llu; what came after that is lost, up to %llu at least", end, known);
        break;
    case ORDO_MEND_LOST: printf(": nothing of it can be read; it had reached server_seq %llu at least", known); break;
    }
    if (mended->outcome != ORDO_MEND_LOST && mended->has_lost_history)
        printf("; its history before server_seq %llu is lost", first);
    if (mended->outcome != ORDO_MEND_LOST && mended->has_lost_clients) printf("; some dedupe entries are lost");
    printf("\n");
}

static void report_document(void *context, struct ordo_slice collection, struct ordo_slice id,
                            const struct ordo_mended *mended) {
    struct report *report = context;
    if (report->documents == NULL) {
        print_document(report, collection, id, mended);
        return;
    }
    bool is_lost = mended->outcome == ORDO_MEND_LOST;
    json_t *document = json_pack("{s:s%, s:s%, s:s, s:I, s:I, s:b}", "collection", (const char *)collection.data,
                                 collection.size, "id", (const char *)id.data, id.size, "outcome",
                                 outcome_names[mended->outcome], "readable_seq", (json_int_t)mended->end_seq,
                                 "known_seq", (json_int_t)mended->known_seq, "new_lineage", (int)mended->is_relineaged);
    if (document == NULL) return; /* memory; or a name that is not UTF-8, which no store of ours holds */
    if (!is_lost && mended->has_lost_history)
        json_object_set_new(document, "history_lost_before_seq", json_integer((json_int_t)mended->history_seq + 1));
    if (!is_lost && mended->has_lost_clients) json_object_set_new(document, "dedupe_lost", json_true());
    json_array_append_new(report->documents, document);
}

static bool has_losses(const struct ordo_repair_counts *counts) {
    return counts->whole < counts->documents || counts->history_lost > 0 || counts->has_quarantine;
}

static void print_end(const char *path, const char *new_path, const struct ordo_repair_counts *counts) {
    const char *where = strcmp(path, new_path) == 0 ? "looked at in" : "the new store is";
    if (counts->has_quarantine) {
        printf("%s: documents may be lost with their names; names of which nothing is left answer an error there "
               "(--allow-new lifts that)\n", path);
    }
    printf("%s: %llu documents: %llu whole, %llu unsure, %llu shortened, %llu lost; %s %s\n", path,
           (unsigned long long)counts->documents, (unsigned long long)counts->whole,
           (unsigned long long)counts->unsure, (unsigned long long)counts->shortened,
           (unsigned long long)counts->lost, where, new_path);
}

/* Takes the arrays. */
static json_t *json_of(const char *path, const char *new_path, const struct report *report,
                       const struct ordo_repair_counts *counts) {
    return json_pack("{s:s, s:s, s:o, s:o, s:b, s:{s:I, s:I, s:I, s:I, s:I}}", "store", path, "new_store", new_path,
                     "notes", report->notes, "documents", report->documents, "names_may_be_lost",
                     (int)counts->has_quarantine, "counts", "documents", (json_int_t)counts->documents, "whole",
                     (json_int_t)counts->whole, "unsure", (json_int_t)counts->unsure, "shortened",
                     (json_int_t)counts->shortened, "lost", (json_int_t)counts->lost);
}

/* `new_path` NULL: in the store itself. */
static int repair_store(const char *path, const char *new_path, bool allows_new, json_t *stores) {
    struct report report = {.path = path};
    if (stores != NULL) {
        report.notes = json_array();
        report.documents = json_array();
    }
    struct ordo_problem problem = {0};
    struct ordo_repair repair = {
        .context = &report, .note = report_note, .document = report_document, .allows_new = allows_new};
    ordo_err err = new_path != NULL ? ordo_repair_store(&repair, path, new_path, &problem)
                                    : ordo_repair_damage(&repair, path, &problem);
    if (new_path == NULL) new_path = path;
    if (err) {
        json_decref(report.notes);
        json_decref(report.documents);
        return ordo_command_fail("%s: %s", path, problem.text[0] ? problem.text : ordo_err_text(err));
    }
    if (stores != NULL) json_array_append_new(stores, json_of(path, new_path, &report, &repair.counts));
    else print_end(path, new_path, &repair.counts);
    return has_losses(&repair.counts) ? EXIT_LOSSES : EXIT_SUCCESS;
}

/* Where the store at `path` in `folder` goes: to `into`, or to its own name inside of it. */
static bool new_path_of(char out[PATH_MAX], const char *folder, const char *path, const char *into) {
    size_t folder_size = strlen(folder);
    int size = snprintf(out, PATH_MAX, "%s%s", into, strncmp(path, folder, folder_size) == 0 ? path + folder_size : "");
    return size > 0 && size < PATH_MAX;
}

/* Failures count for more than losses. */
static int worse(int a, int b) { return a == EXIT_FAILURE || b == EXIT_FAILURE ? EXIT_FAILURE : a > b ? a : b; }

/* `into` NULL: in place. */
static int repair_stores(const char *folder, const char *into, bool allows_new, json_t *stores) {
    char *paths[ORDO_STORES_MAX];
    size_t count = ordo_stores_find(folder, paths);
    int status = EXIT_SUCCESS;
    if (count == 0) return ordo_command_fail("%s: there is no store in it", folder);
    bool is_inside = strcmp(paths[0], folder) != 0;
    if (is_inside && into != NULL && mkdir(into, 0755) != 0 && errno != EEXIST)
        status = ordo_command_fail("%s: %s", into, strerror(errno));
    for (size_t i = 0; i < count; i++) {
        char new_path[PATH_MAX];
        if (status != EXIT_FAILURE) {
            bool fits = into == NULL || new_path_of(new_path, folder, paths[i], into);
            status = worse(status, fits ? repair_store(paths[i], into != NULL ? new_path : NULL, allows_new, stores)
                                        : ordo_command_fail("%s: the name is too long", into));
        }
        free(paths[i]);
    }
    return status;
}

static void without_last_slashes(char out[PATH_MAX], const char *path, const char *end) {
    snprintf(out, PATH_MAX, "%s", path);
    for (size_t size = strlen(out); size > 1 && out[size - 1] == '/'; size--) out[size - 1] = '\0';
    strncat(out, end, PATH_MAX - strlen(out) - 1);
}

int ordo_repair_run(int argc, char **argv) {
    const char *word, *into = NULL;
    bool is_json = false, allows_new = false, is_in_place = false;
    const struct ordo_option options[] = {
        {.name = "--into", .value_name = "NEW_DIR", .kind = ORDO_OPTION_TEXT, .out = &into,
         .help = "where the new store goes; it must not exist yet (DATA_DIR.repaired)"},
        {.name = "--in-place", .kind = ORDO_OPTION_FLAG, .out = &is_in_place,
         .help = "only the documents that a table which the shard took out had to do\nwith, and in DATA_DIR itself"},
        {.name = "--allow-new", .kind = ORDO_OPTION_FLAG, .out = &allows_new,
         .help = "where documents may be lost with their names, let\nthese names be used for new documents all the same"},
        {.name = "--json", .kind = ORDO_OPTION_FLAG, .out = &is_json, .help = "print one JSON object"},
    };
    struct ordo_words words = {.items = &word, .capacity = 1};
    int status;
    if (!ordo_command_parse("ordo repair DATA_DIR [--into NEW_DIR | --in-place]\n\n"
                            "Reads the damaged stores in DATA_DIR, whose shards are stopped, changes nothing there, and makes\n"
                            "new stores of what can be read. Names each document that is not whole.\n"
                            "Exit status 0: all is whole; 3: done, with losses; 1: failed.\n",
                            options, sizeof options / sizeof *options, argc, argv, &words, &status)) {
        return status;
    }
    char folder[PATH_MAX], target[PATH_MAX];
    without_last_slashes(folder, word, "");
    if (into != NULL && is_in_place) return ordo_command_misuse(argv[0], "wants either --into or --in-place");
    if (into != NULL) without_last_slashes(target, into, "");
    else without_last_slashes(target, word, ".repaired");
    json_t *stores = is_json ? json_array() : NULL;
    status = repair_stores(folder, is_in_place ? NULL : target, allows_new, stores);
    if (stores != NULL && status != EXIT_FAILURE) {
        json_t *all = json_pack("{s:O}", "stores", stores);
        json_dumpf(all, stdout, JSON_COMPACT);
        printf("\n");
        json_decref(all);
    }
    json_decref(stores);
    return status;
}
