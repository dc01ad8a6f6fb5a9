/* ordo adopt --rolled-back: a store whose folder is older than what its cluster has seen of it, put back from a snapshot of
 * a disk say, is refused, because places in the order would be given out twice. Here an operator says that nothing newer is
 * left: every document gets a new lineage, so nobody takes the second order for the first, and the store may start. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "shard/folder.h"
#include "shard/lineages.h"
#include "shard/volume.h"
#include "tools/ordo/cluster_access.h"
#include "tools/ordo/command.h"

static int rejoin(struct ordo_folder *folder, const struct cluster_access *access) {
    struct ordo_identity *identity = &folder->identity;
    struct ordo_problem problem = {{0}};
    struct ordo_store_id id;
    memcpy(id.bytes, identity->store_id, sizeof id.bytes);
    const struct ordo_cluster *cluster = access->cluster;
    const struct ordo_cluster_store *store = ordo_cluster_store(cluster, &id);
    if (cluster->has_table && memcmp(cluster->table.cluster.bytes, identity->cluster_id, sizeof identity->cluster_id) != 0)
        return ordo_command_fail("%s belongs to another cluster than %s", folder->path, access->url);
    if (ordo_cluster_live(cluster, &id) != NULL)
        return ordo_command_fail("the store of %s is being served: what is in %s is a copy of it, and not needed",
                                 access->url, folder->path);
    if (store != NULL && store->is_forgotten) return ordo_command_fail("the cluster has forgotten this store for good");
    bool is_older = store != NULL && store->incarnation >= identity->incarnation;
    if (!is_older && !ordo_volume_is_refused(folder->path))
        return ordo_command_fail("%s is as new as the cluster knows it: just start it", folder->path);
    uint64_t count, incarnation = store != NULL ? store->incarnation : 0;
    ordo_err err = ordo_lineages_renew(folder->store, ordo_slice(NULL, 0), ordo_slice(NULL, 0), &count, &problem);
    if (!err) err = ordo_identity_rejoin(folder->store, identity, incarnation, &cluster->table.placement, &problem);
    if (err) return ordo_command_fail("%s", problem.text);
    ordo_volume_let_in(folder->path);
    printf("%s: %" PRIu64 " documents have a new lineage; start its shard\n", folder->path, count);
    return EXIT_SUCCESS;
}

static int adopt(struct cluster_access *access, void *context) {
    const char *path = context;
    static struct ordo_folder folder;
    struct ordo_problem problem = {{0}};
    if (ordo_folder_is_free(path)) return ordo_command_fail("%s holds no store", path);
    ordo_err err = ordo_folder_open(&folder, path, &problem);
    int status = err ? ordo_command_fail("%s", problem.text) : rejoin(&folder, access);
    ordo_folder_finish(&folder);
    return status;
}

int ordo_adopt_run(int argc, char **argv) {
    struct cluster_words words = CLUSTER_WORDS_INIT;
    const char *path = NULL;
    const struct ordo_option options[] = {
        {"--rolled-back", "DIR", "the store's folder; its shard is stopped", ORDO_OPTION_TEXT, &path},
        CLUSTER_OPTIONS(words),
    };
    struct ordo_words parsed = {0};
    int status;
    if (!ordo_command_parse(
            "ordo adopt --rolled-back DIR [OPTIONS]\n\nLets a store serve again that is older than its cluster knows it. "
            "What was acknowledged since is lost;\nwho has it open gets edits that were not acknowledged back as text.\n",
            options, sizeof options / sizeof *options, argc, argv, &parsed, &status))
        return status;
    if (path == NULL) return ordo_command_misuse("adopt", "--rolled-back DIR is missing");
    return cluster_access_with(&words, adopt, (void *)(uintptr_t)path);
}
