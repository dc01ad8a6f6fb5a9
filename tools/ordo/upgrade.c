/* ordo upgrade: which format level a cluster has and who knows which; and the end of a rolling upgrade, after which there is no
 * way back to the version before (docs/operations.md). */
#include <jansson.h>
#include <stdlib.h>

#include "common/format.h"
#include "tools/ordo/cluster_access.h"
#include "tools/ordo/command.h"

/* One process, or one store as it was last served. */
struct knower {
    const char *kind, *name, *state;
    uint32_t min, max;
};

static struct knower knower_of_store(const struct ordo_cluster *cluster, const struct ordo_cluster_store *store) {
    bool is_live = ordo_cluster_live(cluster, &store->id) != NULL;
    return (struct knower){.kind = "shard", .name = store->name, .state = is_live ? "running" : "not running",
                           .min = store->reads_format_min, .max = store->reads_format_max};
}

static struct knower knower_of_gateway(const struct ordo_cluster_gateway *gateway) {
    return (struct knower){.kind = "gateway", .name = gateway->name, .state = "running",
                           .min = gateway->reads_format_min, .max = gateway->reads_format_max};
}

/* Calls `each` for all whose word counts. */
static void each_knower(const struct ordo_cluster *cluster, void (*each)(void *context, const struct knower *knower), void *context) {
    for (size_t i = 0; i < cluster->store_count; i++) {
        struct knower knower = knower_of_store(cluster, &cluster->stores[i]);
        if (!cluster->stores[i].is_forgotten) each(context, &knower);
    }
    for (size_t i = 0; i < cluster->gateway_count; i++) {
        struct knower knower = knower_of_gateway(&cluster->gateways[i]);
        each(context, &knower);
    }
}

/* ---- status */

static void lower(void *context, const struct knower *knower) {
    uint32_t *level = context;
    if (knower->max < *level) *level = knower->max;
}

static void print_one(void *context, const struct knower *knower) {
    (void)context;
    printf("%-8s %-24s knows %u to %u, %s\n", knower->kind, knower->name, knower->min, knower->max, knower->state);
}

static void append_one(void *context, const struct knower *knower) {
    json_array_append_new(context, json_pack("{s:s, s:s, s:s, s:I, s:I}", "kind", knower->kind, "name", knower->name, "state",
                                             knower->state, "reads_format_min", (json_int_t)knower->min, "reads_format_max",
                                             (json_int_t)knower->max));
}

static void print_json(const struct ordo_cluster *cluster, uint32_t common) {
    json_t *processes = json_array();
    each_knower(cluster, append_one, processes);
    json_t *all = json_pack("{s:I, s:I, s:I, s:o}", "format", (json_int_t)cluster->table.format_level, "common_max",
                            (json_int_t)common, "known_max", (json_int_t)ordo_format_max(), "processes", processes);
    json_dumpf(all, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(all);
}

static int print_status(struct cluster_access *access, void *as_json) {
    const struct ordo_cluster *cluster = access->cluster;
    if (cluster_access_need_table(access) != EXIT_SUCCESS) return EXIT_FAILURE;
    uint32_t level = cluster->table.format_level, common = ordo_format_max();
    each_knower(cluster, lower, &common);
    if (*(bool *)as_json) {
        print_json(cluster, common);
        return EXIT_SUCCESS;
    }
    printf("format level %u; this program knows up to %u\n", level, ordo_format_max());
    each_knower(cluster, print_one, NULL);
    if (common > level) printf("All know level %u: `ordo upgrade finish` raises it, and nobody can go back to the version before then.\n", common);
    else if (level < ordo_format_max()) printf("Not all know level %u yet: the version before still runs, or ran last.\n", ordo_format_max());
    else printf("There is nothing to finish.\n");
    return EXIT_SUCCESS;
}

/* ---- finish */

static int finish(struct cluster_access *access, void *context) {
    (void)context;
    struct ordo_problem problem = {{0}};
    if (cluster_access_need_table(access) != EXIT_SUCCESS) return EXIT_FAILURE;
    uint32_t level = ordo_format_max();
    if (access->cluster->table.format_level > level)
        return ordo_command_fail("the cluster's format level is %u, and this program knows up to %u: use that of the cluster's version",
                                 access->cluster->table.format_level, level);
    bool is_new = access->cluster->table.format_level < level;
    if (ordo_cluster_set_format(access->directory, level, &problem)) return ordo_command_fail("%s", problem.text);
    printf("format level %u%s\n", level, is_new ? "" : ", as it was");
    return EXIT_SUCCESS;
}

int ordo_upgrade_status_run(int argc, char **argv) {
    struct cluster_words words = CLUSTER_WORDS_INIT;
    bool as_json = false;
    const struct ordo_option options[] = {
        {"--json", NULL, "for programs", ORDO_OPTION_FLAG, &as_json},
        CLUSTER_OPTIONS(words),
    };
    struct ordo_words parsed = {0};
    int status;
    if (!ordo_command_parse("ordo upgrade status [OPTIONS]\n\nPrints the cluster's format level, and which levels its shards and gateways know.\n",
                            options, sizeof options / sizeof *options, argc, argv, &parsed, &status))
        return status;
    return cluster_access_with(&words, print_status, &as_json);
}

int ordo_upgrade_finish_run(int argc, char **argv) {
    struct cluster_words words = CLUSTER_WORDS_INIT;
    const struct ordo_option options[] = {CLUSTER_OPTIONS(words)};
    struct ordo_words parsed = {0};
    int status;
    if (!ordo_command_parse(
            "ordo upgrade finish [OPTIONS]\n\nOnce all shards and gateways are of this version: lets shards write in its format. Programs of the "
            "version\nbefore are refused from then on.\n",
            options, sizeof options / sizeof *options, argc, argv, &parsed, &status))
        return status;
    return cluster_access_with(&words, finish, NULL);
}
