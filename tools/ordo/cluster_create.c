/* ordo cluster create: a router table without an owner; the first store that sees it gets all slots. */
#include <stdlib.h>
#include <string.h>

#include "common/hex.h"
#include "common/random.h"
#include "tools/ordo/cluster_access.h"
#include "tools/ordo/command.h"

static int create(struct cluster_access *access, void *context) {
    (void)context;
    struct ordo_cluster_id id;
    struct ordo_problem problem = {{0}};
    char text[2 * ORDO_CLUSTER_ID_SIZE + 1];
    if (access->cluster->store_count > 0)
        return ordo_command_fail("the directory %s knows stores already: start one of them, it brings its table along",
                                 access->url);
    ordo_random_bytes(id.bytes, sizeof id.bytes);
    ordo_err err = ordo_cluster_create(access->directory, &id, &problem);
    if (err) return ordo_command_fail("%s", problem.text);
    ordo_hex_encode(text, id.bytes, sizeof id.bytes);
    printf("%s\n", text);
    return EXIT_SUCCESS;
}

int ordo_cluster_create_run(int argc, char **argv) {
    struct cluster_words words = CLUSTER_WORDS_INIT;
    const struct ordo_option options[] = {CLUSTER_OPTIONS(words)};
    struct ordo_words parsed = {0};
    int status;
    if (!ordo_command_parse(
            "ordo cluster create [OPTIONS]\n\nMakes a new, empty cluster and prints its id. `ordo up`, and shards with "
            "--create-cluster, do so themselves.\n",
            options, sizeof options / sizeof *options, argc, argv, &parsed, &status))
        return status;
    return cluster_access_with(&words, create, NULL);
}
