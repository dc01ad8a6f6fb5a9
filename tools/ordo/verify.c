/* ordo verify: the data of a shard, checked against everything that Ordo promises. Changes nothing. A stopped store is read as it
 * is; one that is served is held still by its shard (held_store.h), and read at a bounded rate. */
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "shard/core/verify.h"
#include "shard/folder.h"
#include "tools/ordo/command.h"
#include "tools/ordo/held_store.h"
#include "tools/ordo/paced_view.h"
#include "tools/ordo/side_link.h"
#include "tools/ordo/stores.h"

enum { NICENESS = 10, TOLD_MS = 2000 };
#define MIB ((uint64_t)1024 * 1024)

struct verifying {
    const char *path;
    struct held_store *held; /* NULL: it is stopped */
    struct paced_view paced;
    uint64_t rate;           /* of a served one */
    uint64_t finding_count, told_ms;
    uint64_t hash_every;     /* 0: no hashes */
};

/* What was held until now was true until now. What is not held any more is neither right nor wrong. */
static void must_be_held(struct verifying *verifying, bool now) {
    struct ordo_problem problem = {{0}};
    if (verifying->held == NULL || held_store_is_held(verifying->held, now, &problem)) return;
    fflush(stdout);
    ordo_command_fail("%s: not verified to its end: %s", verifying->path, problem.text);
    exit(EXIT_FAILURE); /* what reads is deep inside of a document */
}

static void print_finding(void *context, const struct ordo_finding *finding) {
    struct verifying *verifying = context;
    must_be_held(verifying, true);
    printf("%s:", verifying->path);
    if (finding->collection.size > 0) {
        printf(" %.*s/%.*s", (int)finding->collection.size, (const char *)finding->collection.data,
               (int)finding->id.size, (const char *)finding->id.data);
    }
    if (finding->seq > 0) printf(" at server_seq %llu", (unsigned long long)finding->seq);
    printf(": %s\n", finding->text);
    fflush(stdout);
}

static void print_hash(void *context, const struct ordo_content_hash *hash) {
    (void)context;
    printf("hash %.*s/%.*s %llu %016llx\n", (int)hash->collection.size, (const char *)hash->collection.data, (int)hash->id.size,
           (const char *)hash->id.data, (unsigned long long)hash->seq, (unsigned long long)hash->hash);
}

static void tick(void *context) {
    struct verifying *verifying = context;
    must_be_held(verifying, false);
    uint64_t now_ms = ordo_clock_monotonic_ms();
    if (!isatty(STDERR_FILENO) || now_ms < verifying->told_ms + TOLD_MS) return;
    verifying->told_ms = now_ms;
    fprintf(stderr, "%s: %llu MiB read\n", verifying->path, (unsigned long long)(verifying->paced.size / MIB));
}

static void verify_view(struct verifying *verifying, struct ordo_store *store, uint64_t rate) {
    struct ordo_view *view = store->ops->view_open(store);
    paced_view_init(&verifying->paced, view, rate);
    verifying->paced.tick = tick;
    verifying->paced.context = verifying;
    verifying->told_ms = verifying->paced.begun_ms;
    const struct ordo_hashing hashing = {.every = verifying->hash_every, .hashed = print_hash};
    struct ordo_verify_counts counts =
        ordo_verify_hashing(&verifying->paced.base, print_finding, hashing.every > 0 ? &hashing : NULL, verifying);
    store->ops->view_close(view);
    must_be_held(verifying, true);
    printf("%s%s: %llu documents, %llu ops, %llu blocks of history (%llu bytes), %llu snapshots, %llu client rows, "
           "%llu findings\n", verifying->path, verifying->held != NULL ? " (running)" : "",
           (unsigned long long)counts.documents, (unsigned long long)counts.ops, (unsigned long long)counts.blocks,
           (unsigned long long)counts.block_size, (unsigned long long)counts.snapshots,
           (unsigned long long)counts.client_rows, (unsigned long long)counts.findings);
    verifying->finding_count += counts.findings;
}

static int verify_running(struct verifying *verifying, struct ordo_problem *problem) {
    struct ordo_store *store = NULL;
    setpriority(PRIO_PROCESS, 0, NICENESS); /* what the cluster does goes first */
    ordo_err err = held_store_open(&verifying->held, verifying->path, problem);
    if (!err) err = ordo_store_rocksdb_open(held_store_database(verifying->held), ORDO_ROCKSDB_READONLY, problem, &store);
    if (err) {
        int status = ordo_command_fail("%s: %s", verifying->path, problem->text[0] ? problem->text : ordo_err_text(err));
        held_store_close(verifying->held);
        return status;
    }
    verify_view(verifying, store, verifying->rate);
    store->ops->close(store);
    held_store_close(verifying->held);
    verifying->held = NULL;
    return EXIT_SUCCESS;
}

/* EXIT_FAILURE: the store could not even be opened; a message was printed. */
static int verify_store(struct verifying *verifying) {
    static struct ordo_folder folder;
    struct ordo_problem problem = {0};
    ordo_err err = ordo_folder_open_readonly(&folder, verifying->path, &problem);
    if (err) ordo_folder_finish(&folder);
    if (err == ORDO_ERR_LOCKED) return verify_running(verifying, &problem);
    if (err) return ordo_command_fail("%s: %s", verifying->path, problem.text[0] ? problem.text : ordo_err_text(err));
    if (folder.note.text[0]) printf("%s: note: %s\n", verifying->path, folder.note.text);
    verify_view(verifying, folder.store, 0);
    ordo_folder_finish(&folder);
    return EXIT_SUCCESS;
}

int ordo_verify_run(int argc, char **argv) {
    static struct verifying verifying;
    const char *folder;
    uint64_t rate_mib = 32;
    const struct ordo_option options[] = {
        {"--hash-every", "N", "print a hash of each document's text at every Nth server_seq and at its head", ORDO_OPTION_COUNT,
         &verifying.hash_every, 1, INT64_MAX},
        {"--rate-mib", "N", "of a running shard, read at most N MiB per second (32)", ORDO_OPTION_COUNT, &rate_mib, 1, 1 << 20},
        SIDE_LINK_OPTION,
    };
    struct ordo_words words = {.items = &folder, .capacity = 1};
    int status;
    static const char usage[] = "ordo verify DATA_DIR [OPTIONS]      (exit status 1: something was found)\n"
                                "Checks all data in it, of a stopped shard or of one that runs, as it is on the disk.";
    if (!ordo_command_parse(usage, options, sizeof options / sizeof *options, argc, argv, &words, &status)) return status;
    verifying.rate = rate_mib * MIB;
    char *paths[ORDO_STORES_MAX];
    size_t count = ordo_stores_find(folder, paths);
    status = count > 0 ? EXIT_SUCCESS : ordo_command_fail("%s: there is no store in it", folder);
    for (size_t i = 0; i < count; i++) {
        verifying.path = paths[i];
        if (verify_store(&verifying) != EXIT_SUCCESS) status = EXIT_FAILURE;
        free(paths[i]);
    }
    if (verifying.finding_count > 0) {
        fflush(stdout);
        status = ordo_command_fail("%s: %llu findings", folder, (unsigned long long)verifying.finding_count);
    }
    return status;
}
