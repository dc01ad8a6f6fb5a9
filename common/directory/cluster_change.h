/* common/directory/cluster_change.h: what processes and operators change in the directory, each as one
 * compare-and-swap.
 *
 * All of them may be called again after any error, and then say OK if what was wanted is there already. They block for
 * a few seconds at most, so not from a loop that serves. Errors, with a sentence each:
 *   UNAVAILABLE  the directory is away, or was never read: try again later (it may have been done)
 *   CONFLICT     others changed the same keys all the time: try again
 *   CORRUPT      a key that this needs does not read; it is named and left as it is
 * and what each function names. */
#ifndef ORDO_DIRECTORY_CLUSTER_CHANGE_H
#define ORDO_DIRECTORY_CLUSTER_CHANGE_H

#include "common/directory/cluster.h"
#include "common/directory/directory.h"

/* ---- the table */

/* Puts a table without founder. EXISTS: there is a table (of this id as well). */
ORDO_MUST_USE ordo_err ordo_cluster_create(struct ordo_directory *directory, const struct ordo_cluster_id *cluster,
                                           struct ordo_problem *problem);
/* Makes `store`, which must never have had a slot, the founder: all slots are its, with epoch 1. EXISTS: another store
 * is the founder or has slots. NOT_FOUND: there is no table. `cluster_out` (may be NULL): the cluster's id. */
ORDO_MUST_USE ordo_err ordo_cluster_found(struct ordo_directory *directory, const struct ordo_store_id *store,
                                          struct ordo_cluster_id *cluster_out, struct ordo_problem *problem);
/* Makes the table show at least what a store's own rows say: `slots` with an epoch above the table's take their place
 * in it; no epoch is ever lowered. Where there is no table, one is written from these slots alone, with `store` as its
 * founder: it was lost, and others add theirs. INVALID: the table is of another cluster. `changed_out` (may be NULL):
 * whether it had to be written. The same goes for the format level: `format_level` is that of the store. */
ORDO_MUST_USE ordo_err ordo_cluster_raise(struct ordo_directory *directory, const struct ordo_cluster_id *cluster,
                                          const struct ordo_store_id *store, const struct ordo_placement *slots,
                                          uint32_t format_level, bool *changed_out, struct ordo_problem *problem);
/* What shards may write from now on. INVALID: lower than it is, or a store that is not forgotten, or a gateway that runs, cannot
 * read it (it is named). */
ORDO_MUST_USE ordo_err ordo_cluster_set_format(struct ordo_directory *directory, uint32_t format_level,
                                               struct ordo_problem *problem);

/* ---- stores and gateways */

/* Claims a store for this process, before anything of it is served. `live` has incarnation, process and place of this
 * life, `name` and formats come from `store`; draining and forgotten stay as they are. The caller has raised the
 * incarnation durably and holds the folder's lock.
 *   LOCKED   the store is live at another place: its folder was copied, or its former machine was not heard to be dead
 * yet (then: again after a lease's time) EXISTS   the recorded incarnation is not below this one: the folder is a copy
 * or was rolled back INVALID  the store was forgotten, is too new or too old for the table's format, or the table is of
 * another cluster than `cluster` (NULL: the store knows none yet) */
ORDO_MUST_USE ordo_err ordo_cluster_claim_store(struct ordo_directory *directory, const struct ordo_cluster_id *cluster,
                                                const struct ordo_cluster_store *store,
                                                const struct ordo_cluster_live *live, struct ordo_problem *problem);
/* Says where the store is served, again whenever its key is gone or differs. LOCKED: another process has claimed it
 * since; this one has to stop serving. NOT_FOUND: the store's record is gone or older than the claim (the directory was
 * wiped, or put back from a backup): claim it again. */
ORDO_MUST_USE ordo_err ordo_cluster_register_live(struct ordo_directory *directory,
                                                  const struct ordo_cluster_live *live, struct ordo_problem *problem);
/* Before closing the handle this is not needed; for a process that goes on without one of its stores. */
ORDO_MUST_USE ordo_err ordo_cluster_withdraw_live(struct ordo_directory *directory,
                                                  const struct ordo_cluster_live *live, struct ordo_problem *problem);
/* LOCKED: another gateway has the name. INVALID: it does not read the table's format. */
ORDO_MUST_USE ordo_err ordo_cluster_register_gateway(struct ordo_directory *directory,
                                                     const struct ordo_cluster_gateway *gateway,
                                                     struct ordo_problem *problem);
/* The same for the first time in a process's life: an entry of this name with the same URL is of a life that was killed, and is
 * replaced at once, not only when its lease is over. */
ORDO_MUST_USE ordo_err ordo_cluster_enter_gateway(struct ordo_directory *directory,
                                                  const struct ordo_cluster_gateway *gateway, struct ordo_problem *problem);
/* NOT_FOUND: no such store. */
ORDO_MUST_USE ordo_err ordo_cluster_set_draining(struct ordo_directory *directory, const struct ordo_store_id *store,
                                                 bool is_draining, struct ordo_problem *problem);
/* The store may never be claimed again. LOCKED: it is live. NOT_FOUND: no such store. Its slots stay its in the table
 * until others raise them. */
ORDO_MUST_USE ordo_err ordo_cluster_forget_store(struct ordo_directory *directory, const struct ordo_store_id *store,
                                                 struct ordo_problem *problem);

/* Names the folder at `path` as struct ordo_cluster_live has it: boot id, device and inode. "" when that cannot be
 * said. */
void ordo_cluster_place(char out[ORDO_CLUSTER_TEXT_SIZE_MAX + 1], const char *path);

/* ---- moves */

/* Orders that `slots` go to `target`. An operator's order replaces any other, a balancer's leaves those that are there.
 * NOT_FOUND: no such store; INVALID: it is forgotten, or does not read the table's format. Slots that are the target's
 * already are left out. */
ORDO_MUST_USE ordo_err ordo_cluster_order_moves(struct ordo_directory *directory, const uint16_t *slots,
                                                size_t slot_count, const struct ordo_store_id *target,
                                                bool is_by_balancer, struct ordo_problem *problem);
/* Takes the order away (`failure` NULL or "": done, or not wanted any more), or notes why it failed, if it still names
 * `target`. */
ORDO_MUST_USE ordo_err ordo_cluster_end_move(struct ordo_directory *directory, uint16_t slot,
                                             const struct ordo_store_id *target, const char *failure,
                                             struct ordo_problem *problem);
/* LOCKED: another process holds under this name. */
ORDO_MUST_USE ordo_err ordo_cluster_hold_moves(struct ordo_directory *directory, const struct ordo_cluster_hold *hold,
                                               struct ordo_problem *problem);
ORDO_MUST_USE ordo_err ordo_cluster_release_moves(struct ordo_directory *directory,
                                                  const struct ordo_cluster_hold *hold, struct ordo_problem *problem);

/* Becomes the balancer if there is none. LOCKED: there is another. */
ORDO_MUST_USE ordo_err ordo_cluster_elect(struct ordo_directory *directory, const struct ordo_process_id *process,
                                          struct ordo_problem *problem);
ORDO_MUST_USE ordo_err ordo_cluster_set_balance(struct ordo_directory *directory, bool is_off,
                                                struct ordo_problem *problem);

/* ---- tokens (docs/security.md) */

/* Puts it into force, or changes it; those whose time was over by `now_ms` go. FULL: a thousand are in force. */
ORDO_MUST_USE ordo_err ordo_cluster_revoke(struct ordo_directory *directory, const struct ordo_revocation *revocation,
                                           uint64_t now_ms, struct ordo_problem *problem);
/* NOT_FOUND: it was not revoked. */
ORDO_MUST_USE ordo_err ordo_cluster_revoke_back(struct ordo_directory *directory, bool is_token, struct ordo_slice name,
                                                struct ordo_problem *problem);

#endif
