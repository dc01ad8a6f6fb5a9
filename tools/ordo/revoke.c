/* ordo revoke: tokens that are worth nothing any more although they have not expired. Gateways hear of it through the
 * directory, and end connections that were let in by them. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/utf8.h"
#include "tools/moment.h"
#include "tools/ordo/cluster_access.h"
#include "tools/ordo/command.h"

struct revoking {
    struct cluster_words words;
    const char *user, *token, *until;
    bool is_back, wants_list;
    uint64_t now_ms, until_ms;
};

static int print_list(const struct ordo_cluster *cluster, uint64_t now_ms) {
    for (size_t i = 0; i < cluster->revocation_count; i++) {
        const struct ordo_revocation *one = &cluster->revocations[i];
        char at[ORDO_MOMENT_SIZE], until[ORDO_MOMENT_SIZE] = "taken back";
        if (now_ms >= one->until_ms) continue;
        ordo_moment_print(one->at_ms, at);
        if (one->until_ms != UINT64_MAX) ordo_moment_print(one->until_ms, until);
        printf("%-6s at %s until %s  %.*s\n", one->is_token ? "token" : "user", at, until, (int)one->name_size,
               (const char *)one->name);
    }
    return EXIT_SUCCESS;
}

static int change(struct ordo_directory *directory, const struct revoking *revoking) {
    struct ordo_problem problem = {{0}};
    const char *name = revoking->user != NULL ? revoking->user : revoking->token;
    struct ordo_revocation revocation = {.is_token = revoking->user == NULL, .name_size = (uint8_t)strlen(name),
                                         .at_ms = revoking->now_ms, .until_ms = revoking->until_ms};
    memcpy(revocation.name, name, strlen(name));
    ordo_err err = revoking->is_back
                       ? ordo_cluster_revoke_back(directory, revocation.is_token, ordo_slice_of(name), &problem)
                       : ordo_cluster_revoke(directory, &revocation, revoking->now_ms, &problem);
    return err ? ordo_command_fail("%s", problem.text) : EXIT_SUCCESS;
}

static int list_or_change(struct cluster_access *access, void *context) {
    const struct revoking *revoking = context;
    return revoking->wants_list ? print_list(access->cluster, revoking->now_ms) : change(access->directory, revoking);
}

static bool is_name(const char *text) {
    size_t size = strlen(text);
    bool reads = size > 0 && size <= ORDO_REVOCATION_NAME_SIZE_MAX && ordo_utf8_validate(ordo_slice_of(text), NULL);
    for (size_t i = 0; i < size; i++) reads = reads && (unsigned char)text[i] >= ' ' && text[i] != 0x7f;
    return reads;
}

static const char *fault_of(const struct revoking *revoking, uint64_t *until_ms) {
    const char *name = revoking->user != NULL ? revoking->user : revoking->token;
    uint64_t span_ms;
    *until_ms = UINT64_MAX;
    if (revoking->wants_list) return name == NULL ? NULL : "--list stands alone";
    if ((revoking->user == NULL) == (revoking->token == NULL)) return "one of --user and --token is needed, or --list";
    if (!is_name(name)) return "a name is 1 to 128 bytes of UTF-8 without control characters";
    if (revoking->until == NULL) return NULL;
    if (revoking->is_back) return "--until means nothing with --undo";
    if (ordo_duration_parse(revoking->until, &span_ms))
        *until_ms = span_ms < ORDO_NUMBER_MAX - revoking->now_ms ? revoking->now_ms + span_ms : ORDO_NUMBER_MAX;
    else if (!ordo_moment_parse(revoking->until, revoking->now_ms, until_ms))
        return "--until wants a moment (2026-07-01, 2026-07-01T14:30Z) or a time from now (12h, 30d)";
    return *until_ms > revoking->now_ms ? NULL : "--until is in the past";
}

int ordo_revoke_run(int argc, char **argv) {
    struct revoking revoking = {.words = CLUSTER_WORDS_INIT, .now_ms = ordo_clock_wall_ms()};
    const struct ordo_option options[] = {
        {"--user", "USER", "all tokens of USER that were issued up to now; later ones are let in", ORDO_OPTION_TEXT,
         &revoking.user},
        {"--token", "JTI", "the one token with this `jti`", ORDO_OPTION_TEXT, &revoking.token},
        {"--until", "TIME", "when all of those have expired: a moment, or 12h, 30d. Without it: until taken back",
         ORDO_OPTION_TEXT, &revoking.until},
        {"--undo", NULL, "take it back", ORDO_OPTION_FLAG, &revoking.is_back},
        {"--list", NULL, "print what is revoked now", ORDO_OPTION_FLAG, &revoking.wants_list},
        CLUSTER_OPTIONS(revoking.words),
    };
    struct ordo_words parsed = {0};
    int status;
    if (!ordo_command_parse("ordo revoke --user USER | --token JTI | --list [OPTIONS]\n\nEnds connections within a second, and "
                            "lets those tokens in no more.\n",
                            options, sizeof options / sizeof *options, argc, argv, &parsed, &status))
        return status;
    const char *fault = fault_of(&revoking, &revoking.until_ms);
    if (fault != NULL) return ordo_command_misuse("revoke", fault);
    return cluster_access_with(&revoking.words, list_or_change, &revoking);
}
