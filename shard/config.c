#include "shard/config.h"

#include "common/limits.h"
#include "shard/webhook/payload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MIB (UINT64_C(1024) * 1024)

const char ordo_config_help[] =
    "usage: ordo-shard --data DIR [options]\n"
    "       ordo-shard --directory URL [--data DIR] [--volume DIR] [options]\n"
    "\n"
    "Sequences the documents of the store DIR and keeps them. A DIR that is absent or empty becomes a new store.\n"
    "With --directory it is one of a cluster and has the slots that its store owns; without, it is alone.\n"
    "Prints `ready data=ENDPOINT side=ENDPOINT` once it serves.\n"
    "\n"
    "  --data DIR                 the store's folder\n"
    "  --volume DIR               a folder of stores that processes divide among themselves: without --data, take one that\n"
    "                             nobody has, or make a new one; and take in addition what nobody has for 10 seconds\n"
    "  --directory URL            where the cluster's processes find each other: file:PATH, or\n"
    "                             etcd:http://HOST:PORT[,HOST:PORT...]/NAME\n"
    "  --create-cluster           make a new cluster where the directory has none and no store is there yet\n"
    "  --advertise HOST           where others reach this machine (what it listens on; its name, if that is all addresses)\n"
    "  --advertise-data ENDPOINT, --advertise-side ENDPOINT\n"
    "                             the same as whole endpoints, where ports are mapped, too\n"
    "  --no-balance               do not give slots away to even things out between stores\n"
    "  --listen-data ENDPOINT     for gateways: messages (tcp://127.0.0.1:*)\n"
    "  --listen-side ENDPOINT     for gateways: heartbeats and large contents (tcp://127.0.0.1:*)\n"
    "  --listen-metrics HOST:PORT where /metrics is told to Prometheus, and /healthz, /readyz (nowhere); port 0: any free one\n"
    "  --keys DIR                 encrypts all links, and hears only who is trusted: DIR/shard.key and DIR/trusted,\n"
    "                             as `ordo keys make` writes them; needed to listen beyond this machine\n"
    "  --insecure-links           no keys, also beyond this machine: whoever reaches the ports reads and writes all\n"
    "                             documents, in anybody's name\n"
    "  --name NAME                shown in logs and status (the store's id)\n"
    "  --log-level LEVEL          error, warn, info or debug (info)\n"
    "  --helpers N                threads for jobs that read the disk or take long, 2 to 64 (2)\n"
    "  --op-size-max BYTES        one submitted op (1048576)\n"
    "  --document-length-max N    characters of one document (67108864)\n"
    "  --writers-max N            writers of one document at once; further ones become viewers until there is a place;\n"
    "                             0: no limit (1000)\n"
    "  --writer-idle-ms MS        ... who is quiet for so long loses the place to somebody who wants it (30000)\n"
    "  --recent-size-max BYTES    recent ops kept in memory per document in use\n"
    "  --rebase-budget N          components x commits of a rebase within a turn; beyond, a helper does it\n"
    "  --log-ops N                the newest N ops of a document stay in its log, where ops that were made before them\n"
    "                             can still be rebased (10000)\n"
    "  --log-age-ms MS            ... and all younger than this, so that the horizon never overtakes who is connected\n"
    "                             (60000)\n"
    "  --log-slack N              ... and up to N more, so that what leaves is worth packing (2048)\n"
    "  --history KEEP             history to keep beyond the log, packed: N ops, 30d, 10000+30d, or full;\n"
    "                             others for some collections: 10000,notes=full,drafts=7d (10000)\n"
    "  --webhook URL              tell this address, over HTTP, which documents changed (docs/http.md)\n"
    "  --webhook-secret-file FILE what notifications are signed with, 16 to 1024 bytes\n"
    "  --webhook-collection NAME  of these documents alone; may be said up to 16 times\n"
    "  --webhook-debounce-ms MS   a document is told of once it was quiet for so long (1000)\n"
    "  --webhook-wait-max-ms MS   ... but not later than this after its first change (10000)\n"
    "  --webhook-queue-max N      documents that may wait to be told of (10000)\n"
    "  --snapshot-rate BYTES      written per second for snapshots, in the background\n"
    "  --unload-ms MS             a document that nobody has open leaves the memory after this\n"
    "  --disk-reserve-mib MIB     kept free for recovering from a full disk (32)\n"
    "  --disk-headroom-mib MIB    with less free space than this, edits are refused until there is more (32)\n";

static bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out) {
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number < min || number > max) return false;
    *out = number;
    return true;
}

/* A number, and where it goes: exactly one of the two targets. */
struct number_option {
    const char *name;
    uint64_t min, max, unit;
    uint64_t *u64;
    size_t *size;
    uint32_t *u32;
};

static bool set_number(const struct number_option *option, const char *value, char fault[ORDO_CONFIG_FAULT_SIZE]) {
    uint64_t number;
    if (!parse_number(value, option->min, option->max, &number)) {
        snprintf(fault, ORDO_CONFIG_FAULT_SIZE, "%s wants a number from %llu to %llu, not \"%.60s\"", option->name,
                 (unsigned long long)option->min, (unsigned long long)option->max, value);
        return false;
    }
    number *= option->unit;
    if (option->u64 != NULL) *option->u64 = number;
    if (option->size != NULL) *option->size = (size_t)number;
    if (option->u32 != NULL) *option->u32 = (uint32_t)number;
    return true;
}

enum set_outcome { SET_DONE, SET_FAULT, SET_UNKNOWN };

static enum set_outcome set_numbers(struct ordo_config *config, const char *name, const char *value,
                                    char fault[ORDO_CONFIG_FAULT_SIZE]) {
    const struct number_option options[] = {
        {.name = "--helpers", .min = 2, .max = 64, .unit = 1, .u64 = &config->helper_count},
        {.name = "--op-size-max", .min = 1, .max = ORDO_OP_SIZE_MAX, .unit = 1, .size = &config->core.op_size_max},
        {.name = "--document-length-max", .min = 1, .max = ORDO_DOCUMENT_SIZE_MAX, .unit = 1,
         .u64 = &config->core.document_length_max},
        {.name = "--writers-max", .min = 0, .max = UINT32_MAX, .unit = 1, .u32 = &config->core.writers_max},
        {.name = "--writer-idle-ms", .min = 1, .max = UINT32_MAX, .unit = 1, .u32 = &config->core.writer_idle_ms},
        {.name = "--recent-size-max", .min = 1, .max = 1024 * MIB, .unit = 1, .size = &config->core.recent_size_max},
        {.name = "--rebase-budget", .min = 1, .max = UINT32_MAX, .unit = 1, .u64 = &config->core.rebase_budget},
        {.name = "--log-ops", .min = 0, .max = UINT32_MAX, .unit = 1, .u64 = &config->core.log_ops},
        {.name = "--log-age-ms", .min = 0, .max = UINT32_MAX, .unit = 1, .u64 = &config->core.log_age_ms},
        {.name = "--log-slack", .min = 1, .max = UINT32_MAX, .unit = 1, .u64 = &config->core.truncate_ops_min},
        {.name = "--snapshot-rate", .min = 1, .max = 1024 * MIB, .unit = 1, .size = &config->core.snapshot_rate},
        {.name = "--webhook-debounce-ms", .min = 0, .max = UINT32_MAX, .unit = 1, .u64 = &config->webhook.queue.debounce_ms},
        {.name = "--webhook-wait-max-ms", .min = 0, .max = UINT32_MAX, .unit = 1, .u64 = &config->webhook.queue.wait_max_ms},
        {.name = "--webhook-queue-max", .min = 1, .max = 1000000, .unit = 1, .u32 = &config->webhook.queue.documents_max},
        {.name = "--unload-ms", .min = 1, .max = UINT32_MAX, .unit = 1, .u32 = &config->core.unload_ms},
        {.name = "--disk-reserve-mib", .min = 0, .max = 1 << 20, .unit = MIB, .u64 = &config->disk_reserve_size},
        {.name = "--disk-headroom-mib", .min = 0, .max = 1 << 20, .unit = MIB, .u64 = &config->disk_headroom_size},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (strcmp(name, options[i].name) == 0) return set_number(&options[i], value, fault) ? SET_DONE : SET_FAULT;
    }
    return SET_UNKNOWN;
}

static enum set_outcome set_text(struct ordo_config *config, const char *name, const char *value,
                                 char fault[ORDO_CONFIG_FAULT_SIZE]) {
    const struct {
        const char *name;
        const char **out;
    } texts[] = {
        {"--data", &config->data},
        {"--volume", &config->volume},
        {"--directory", &config->directory},
        {"--advertise", &config->advertise},
        {"--advertise-data", &config->advertise_data},
        {"--advertise-side", &config->advertise_side},
        {"--listen-data", &config->listen_data},
        {"--listen-side", &config->listen_side},
        {"--listen-metrics", &config->listen_metrics},
        {"--name", &config->name},
        {"--keys", &config->keys_folder},
        {"--webhook", &config->webhook.url},
        {"--webhook-secret-file", &config->webhook.secret_file},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(name, texts[i].name) != 0) continue;
        *texts[i].out = value;
        return SET_DONE;
    }
    if (strcmp(name, "--history") == 0) {
        config->retention_rules.count = 0;
        if (!ordo_retention_parse(value, &config->core.retention, &config->retention_rules)) {
            snprintf(fault, ORDO_CONFIG_FAULT_SIZE,
                     "--history wants ops, an age (30d), both (10000+30d) or full, and up to %d rules COLLECTION=KEEP, not "
                     "\"%.60s\"", ORDO_RETENTION_RULES_MAX, value);
            return SET_FAULT;
        }
        config->core.retention_rules = config->retention_rules.items;
        config->core.retention_rule_count = config->retention_rules.count;
    } else if (strcmp(name, "--webhook-collection") == 0) {
        if (config->webhook.collection_count == ORDO_WEBHOOK_COLLECTIONS_MAX) {
            snprintf(fault, ORDO_CONFIG_FAULT_SIZE, "--webhook-collection may be said %d times", ORDO_WEBHOOK_COLLECTIONS_MAX);
            return SET_FAULT;
        }
        config->webhook.collections[config->webhook.collection_count++] = value;
    } else if (strcmp(name, "--log-level") == 0) {
        int level = ordo_log_level_of(value);
        if (level < 0) {
            snprintf(fault, ORDO_CONFIG_FAULT_SIZE, "--log-level wants error, warn, info or debug, not \"%.60s\"",
                     value);
            return SET_FAULT;
        }
        config->log_level = (enum ordo_log_level)level;
    } else {
        return SET_UNKNOWN;
    }
    return SET_DONE;
}

static enum set_outcome set_option(struct ordo_config *config, const char *name, const char *value,
                                   char fault[ORDO_CONFIG_FAULT_SIZE]) {
    enum set_outcome outcome = set_text(config, name, value, fault);
    if (outcome == SET_UNKNOWN) outcome = set_numbers(config, name, value, fault);
    if (outcome == SET_UNKNOWN) {
        snprintf(fault, ORDO_CONFIG_FAULT_SIZE, "\"%.60s\" is no option of ordo-shard; see --help", name);
    }
    return outcome;
}

static bool set_flag(struct ordo_config *config, const char *name) {
    if (strcmp(name, "--create-cluster") == 0) return config->creates_cluster = true;
    if (strcmp(name, "--no-balance") == 0) return config->is_balance_off = true;
    if (strcmp(name, "--insecure-links") == 0) return config->links.may_be_plain = true;
    return false;
}

/* So that a port and a key still fit behind it. */
static bool is_short(const char *text) {
    enum { ADVERTISED_SIZE_MAX = 160 };
    return text == NULL || strlen(text) <= ADVERTISED_SIZE_MAX;
}

static bool is_given(const char *text) { return text != NULL && text[0] != '\0'; }

static bool check(const struct ordo_config *config, char fault[ORDO_CONFIG_FAULT_SIZE]) {
    const char *sentence = NULL;
    if (!is_given(config->data) && !is_given(config->volume)) sentence = "--data DIR is missing; see --help";
    if (config->volume != NULL && config->directory == NULL)
        sentence = "--volume wants --directory URL, too: the stores of a volume belong to a cluster";
    if (config->keys_folder != NULL && config->links.may_be_plain)
        sentence = "--keys and --insecure-links do not go together";
    if (!is_short(config->advertise) || !is_short(config->advertise_data) || !is_short(config->advertise_side))
        sentence = "--advertise, --advertise-data and --advertise-side want at most 160 bytes";
    if (config->creates_cluster && config->directory == NULL)
        sentence = "--create-cluster wants --directory URL, too";
    if (config->webhook.url != NULL && !ordo_webhook_url_is_valid(config->webhook.url))
        sentence = "--webhook wants http://HOST… or https://HOST…, without a user's name";
    if ((config->webhook.url == NULL) != (config->webhook.secret_file == NULL))
        sentence = "--webhook URL and --webhook-secret-file FILE go together: notifications are signed";
    if (sentence != NULL) snprintf(fault, ORDO_CONFIG_FAULT_SIZE, "%s", sentence);
    return sentence == NULL;
}

enum ordo_config_outcome ordo_config_parse(struct ordo_config *config, int argc, char **argv,
                                           char fault[ORDO_CONFIG_FAULT_SIZE]) {
    *config = (struct ordo_config){
        .listen_data = "tcp://127.0.0.1:*",
        .listen_side = "tcp://127.0.0.1:*",
        .log_level = ORDO_LOG_INFO,
        .helper_count = 2,
        .disk_reserve_size = 32 * MIB,
        .disk_headroom_size = 32 * MIB,
    };
    ordo_shard_config_init(&config->core);
    ordo_webhook_queue_config_init(&config->webhook.queue);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) return ORDO_CONFIG_HELP;
        if (set_flag(config, argv[i])) continue;
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (value == NULL) {
            snprintf(fault, ORDO_CONFIG_FAULT_SIZE, "%.60s wants a value; see --help", argv[i]);
            return ORDO_CONFIG_WRONG;
        }
        if (set_option(config, argv[i], value, fault) != SET_DONE) return ORDO_CONFIG_WRONG;
        i++;
    }
    return check(config, fault) ? ORDO_CONFIG_RUN : ORDO_CONFIG_WRONG;
}
