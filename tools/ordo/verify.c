/* ordo verify: the data of a stopped shard, checked against everything that Ordo promises. Changes nothing. */
#include <stdlib.h>

#include "shard/core/verify.h"
#include "shard/folder.h"
#include "tools/ordo/command.h"
#include "tools/ordo/stores.h"

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
    printf("%s: %llu documents, %llu ops, %llu blocks of history (%llu bytes), %llu snapshots, %llu client rows, "
           "%llu findings\n", path,
           (unsigned long long)counts.documents, (unsigned long long)counts.ops, (unsigned long long)counts.blocks,
           (unsigned long long)counts.block_size, (unsigned long long)counts.snapshots,
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
    char *paths[ORDO_STORES_MAX];
    size_t count = ordo_stores_find(folder, paths);
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
