/* ordo verify: the data of a stopped shard, checked against everything that Ordo promises. Changes nothing. */
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shard/core/verify.h"
#include "shard/folder.h"
#include "tools/ordo/command.h"

enum { STORES_MAX = 1024 };

static bool is_store(const char *path) {
    char database[PATH_MAX];
    struct stat info;
    int size = snprintf(database, sizeof database, "%s/db", path);
    return size > 0 && (size_t)size < sizeof database && stat(database, &info) == 0 && S_ISDIR(info.st_mode);
}

/* The folder itself, if it is a store, else the stores right under it. `paths` get strings to free. */
static size_t find_stores(const char *folder, char *paths[STORES_MAX]) {
    if (is_store(folder)) {
        paths[0] = strdup(folder);
        return 1;
    }
    struct dirent **entries;
    int entry_count = scandir(folder, &entries, NULL, alphasort);
    size_t count = 0;
    for (int i = 0; i < entry_count; i++) {
        char path[PATH_MAX];
        bool is_hidden = entries[i]->d_name[0] == '.';
        int size = snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        free(entries[i]);
        if (is_hidden || size < 0 || (size_t)size >= sizeof path || !is_store(path) || count == STORES_MAX) continue;
        paths[count++] = strdup(path);
    }
    if (entry_count >= 0) free(entries);
    return count;
}

static void print_finding(void *context, const struct ordo_finding *finding) {
    const char *path = context;
    printf("%s:", path);
    if (finding->collection.size > 0) {
        printf(" %.*s/%.*s", (int)finding->collection.size, (const char *)finding->collection.data,
               (int)finding->id.size, (const char *)finding->id.data);
    }
    if (finding->seq > 0) printf(" at server_seq %llu", (unsigned long long)finding->seq);
    printf(": %s\n", finding->text);
}

/* Adds to `*finding_count`. EXIT_FAILURE: the store could not even be opened; a message was printed. */
static int verify_store(char *path, uint64_t *finding_count) {
    static struct ordo_folder folder;
    struct ordo_problem problem = {0};
    ordo_err err = ordo_folder_open_readonly(&folder, path, &problem);
    if (err) {
        ordo_folder_finish(&folder);
        return ordo_command_fail("%s: %s", path, problem.text[0] ? problem.text : ordo_err_text(err));
    }
    if (folder.note.text[0]) printf("%s: note: %s\n", path, folder.note.text);
    struct ordo_view *view = folder.store->ops->view_open(folder.store);
    struct ordo_verify_counts counts = ordo_verify(view, print_finding, path);
    folder.store->ops->view_close(view);
    ordo_folder_finish(&folder);
    printf("%s: %llu documents, %llu ops, %llu snapshots, %llu client rows, %llu findings\n", path,
           (unsigned long long)counts.documents, (unsigned long long)counts.ops, (unsigned long long)counts.snapshots,
           (unsigned long long)counts.client_rows, (unsigned long long)counts.findings);
    *finding_count += counts.findings;
    return EXIT_SUCCESS;
}

int ordo_verify_run(int argc, char **argv) {
    const char *folder;
    struct ordo_words words = {.items = &folder, .capacity = 1};
    int status;
    if (!ordo_command_parse("ordo verify DATA_DIR      (exit status 1: something was found)", NULL, 0, argc, argv, &words,
                            &status)) {
        return status;
    }
    char *paths[STORES_MAX];
    size_t count = find_stores(folder, paths);
    uint64_t finding_count = 0;
    status = count > 0 ? EXIT_SUCCESS : ordo_command_fail("%s: there is no store in it", folder);
    for (size_t i = 0; i < count; i++) {
        if (verify_store(paths[i], &finding_count) != EXIT_SUCCESS) status = EXIT_FAILURE;
        free(paths[i]);
    }
    if (finding_count > 0) {
        fflush(stdout);
        status = ordo_command_fail("%s: %llu findings", folder, (unsigned long long)finding_count);
    }
    return status;
}
