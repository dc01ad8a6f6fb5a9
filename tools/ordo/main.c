/* ordo: the one command line for people. Each subcommand is a row of the table below. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/ordo/command.h"

static const struct command {
    const char *group; /* NULL: the name stands alone */
    const char *name;
    const char *help;
    ordo_command_run *run;
} commands[] = {
    {NULL, "up", "start shards and gateways, keep them running, stop them on Ctrl-C", ordo_up_run},
    {NULL, "status", "how a cluster is: shards, gateways, slots, moves, what is not well", ordo_status_run},
    {NULL, "move", "move slots to a shard, while they are used", ordo_move_run},
    {NULL, "drain", "move all slots away from a shard, to remove it", ordo_drain_run},
    {NULL, "rebalance", "move slots until every shard has its share", ordo_rebalance_run},
    {NULL, "balance", "on or off: whether that is done by itself", ordo_balance_run},
    {"cluster", "create", "make a new cluster in a directory that has none", ordo_cluster_create_run},
    {NULL, "forget-shard", "give up a shard whose store is lost, with its documents", ordo_forget_shard_run},
    {NULL, "adopt", "let a store serve again that is older than the cluster knows it", ordo_adopt_run},
    {"upgrade", "status", "which format level the cluster has, and which its processes know", ordo_upgrade_status_run},
    {"upgrade", "finish", "end a rolling upgrade: the new format is written from now on", ordo_upgrade_finish_run},
    {"doc", "cat", "print a document", ordo_doc_cat_run},
    {"doc", "put", "make stdin the content of a document", ordo_doc_put_run},
    {"doc", "rm", "delete a document; its history stays", ordo_doc_rm_run},
    {"doc", "log", "print a document's committed ops, one JSON object per line", ordo_doc_log_run},
    {"doc", "at", "print a document as it was at a seq or at a time", ordo_doc_at_run},
    {"doc", "diff", "print what differs between a document at two seqs", ordo_doc_diff_run},
    {"doc", "where", "print which shard serves a document", ordo_doc_where_run},
    {"doc", "restore", "make a document's content at a seq its content again", ordo_doc_restore_run},
    {"token", "make", "make a token for a user, with a private key or a secret", ordo_token_make_run},
    {"token", "show", "print what a token says", ordo_token_show_run},
    {NULL, "revoke", "end the tokens of a user, or one token, before they expire", ordo_revoke_run},
    {NULL, "verify", "check the data of a shard, stopped or running", ordo_verify_run},
    {NULL, "backup", "copy the data of a running cluster", ordo_backup_run},
    {NULL, "restore", "make a data folder out of a backup", ordo_restore_run},
    {NULL, "repair", "make a new store of what a damaged one still holds", ordo_repair_run},
    {NULL, "export", "print documents with their history, as text", ordo_export_run},
    {NULL, "import", "take documents from such a text into a stopped shard", ordo_import_run},
    {"keys", "make", "make the keys with which a cluster's processes know one another", ordo_keys_make_run},
    {"keys", "renew", "make new ones, while the old ones stay good", ordo_keys_renew_run},
    {"keys", "prune", "let only the newest be good", ordo_keys_prune_run},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0], NAME_WIDTH = 15 };

static void print_usage(FILE *file) {
    fprintf(file, "usage: ordo COMMAND …      (ordo COMMAND --help tells more)\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *command = &commands[i];
        fprintf(file, "  %s%s%-*s%s\n", command->group ? command->group : "", command->group ? " " : "",
                command->group ? NAME_WIDTH - (int)strlen(command->group) - 1 : NAME_WIDTH, command->name, command->help);
    }
    fprintf(file, "\n  --version  print the version\n");
}

static const struct command *find_command(int argc, char **argv, int *words_out) {
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *command = &commands[i];
        int words = command->group ? 2 : 1;
        if (argc <= words || strcmp(argv[words], command->name) != 0) continue;
        if (command->group && strcmp(argv[1], command->group) != 0) continue;
        *words_out = words;
        return command;
    }
    return NULL;
}

int ordo_command_fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "ordo: ");
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return EXIT_FAILURE;
}

int ordo_command_misuse(const char *name, const char *fault) {
    fprintf(stderr, "ordo %s: %s\n", name, fault);
    return EXIT_USAGE;
}

bool ordo_command_confirm(const char *format, ...) {
    char answer[8];
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, " [y/N] ");
    return fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

int ordo_command_flush(void) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return EXIT_SUCCESS;
    return ordo_command_fail("cannot write to stdout: %s", strerror(errno));
}

bool ordo_command_parse(const char *usage, const struct ordo_option *options, size_t option_count, int argc,
                        char **argv, struct ordo_words *words, int *status) {
    bool wants_help = false;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) wants_help = true;
    }
    char fault[ORDO_OPTIONS_FAULT_SIZE];
    if (wants_help) {
        printf("usage: %s\n", usage);
        ordo_options_print(stdout, options, option_count);
        *status = EXIT_SUCCESS;
        return false;
    }
    if (!ordo_options_parse(options, option_count, argc, argv, words, fault)) {
        *status = ordo_command_misuse(argv[0], fault);
        return false;
    }
    if (words->count + words->optional_count < words->capacity) {
        fprintf(stderr, "usage: %s\n", usage);
        *status = EXIT_USAGE;
        return false;
    }
    return true;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a failed write, with a message */
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)) {
        print_usage(stdout);
        return EXIT_SUCCESS;
    }
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        printf("ordo %s\n", ORDO_VERSION);
        return EXIT_SUCCESS;
    }
    int words;
    const struct command *command = find_command(argc, argv, &words);
    if (command == NULL) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    return command->run(argc - words, argv + words);
}
