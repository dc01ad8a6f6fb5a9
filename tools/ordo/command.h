/* tools/ordo/command.h: the subcommands of `ordo`, each in a file of its own. */
#ifndef ORDO_TOOLS_COMMAND_H
#define ORDO_TOOLS_COMMAND_H

#include "tools/options.h"

#define EXIT_USAGE 2

/* argv[0] is the subcommand's last word. Returns the exit status of the process. */
typedef int ordo_command_run(int argc, char **argv);

ordo_command_run ordo_up_run;
ordo_command_run ordo_doc_cat_run;
ordo_command_run ordo_doc_log_run;
ordo_command_run ordo_doc_put_run;
ordo_command_run ordo_doc_rm_run;
ordo_command_run ordo_doc_at_run;
ordo_command_run ordo_doc_diff_run;
ordo_command_run ordo_doc_restore_run;
ordo_command_run ordo_doc_where_run;
ordo_command_run ordo_status_run;
ordo_command_run ordo_move_run;
ordo_command_run ordo_drain_run;
ordo_command_run ordo_rebalance_run;
ordo_command_run ordo_balance_run;
ordo_command_run ordo_cluster_create_run;
ordo_command_run ordo_forget_shard_run;
ordo_command_run ordo_adopt_run;
ordo_command_run ordo_upgrade_status_run;
ordo_command_run ordo_upgrade_finish_run;
ordo_command_run ordo_verify_run;
ordo_command_run ordo_backup_run;
ordo_command_run ordo_restore_run;
ordo_command_run ordo_repair_run;
ordo_command_run ordo_export_run;
ordo_command_run ordo_import_run;
ordo_command_run ordo_keys_make_run;
ordo_command_run ordo_keys_renew_run;
ordo_command_run ordo_keys_prune_run;
ordo_command_run ordo_token_make_run;
ordo_command_run ordo_token_show_run;
ordo_command_run ordo_revoke_run;

/* Parses; on `--help` prints `usage` and the options, on a usage error one line to stderr. True: go on. False: return
 * `*status`. */
bool ordo_command_parse(const char *usage, const struct ordo_option *options, size_t option_count, int argc,
                        char **argv, struct ordo_words *words, int *status);
/* What the options do not say by themselves: one line on stderr; returns EXIT_USAGE. */
int ordo_command_misuse(const char *name, const char *fault);
/* Asks whoever sits at the terminal; anything but a y is no. */
__attribute__((format(printf, 1, 2))) bool ordo_command_confirm(const char *format, ...);
/* Everything printed has reached stdout: EXIT_SUCCESS. Else EXIT_FAILURE, with a message. */
int ordo_command_flush(void);
/* One line `ordo: …` on stderr; returns EXIT_FAILURE. */
__attribute__((format(printf, 1, 2))) int ordo_command_fail(const char *format, ...);

#endif
