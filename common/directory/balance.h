/* common/directory/balance.h: which slots should move where, so that every store has its share. Pure and deterministic.
 *
 * Stores that are live, neither draining nor forgotten, and read the table's format have equal shares. Without loads a
 * share is a number of slots; with loads a slot counts one half for itself and one half for its part of the load, so
 * that neither idle slots nor busy ones pile up. Draining and forgotten stores are emptied. As few slots as possible
 * move: only what is above a share goes, and with loads only while it is well above one (a difference that comes and
 * goes with the hour is not worth a move). What is ordered already counts as done, and a slot with an order of any
 * kind, failed ones too, is left alone. Slots of stores that are not live cannot move: the owner has to take part. */
#ifndef ORDO_DIRECTORY_BALANCE_H
#define ORDO_DIRECTORY_BALANCE_H

#include "common/directory/cluster.h"

struct ordo_balance_move {
    uint16_t slot;
    struct ordo_store_id target;
};

/* Writes at most `move_max` (<= ORDO_SLOT_COUNT) moves and returns how many; so many are to be ordered now, if none are
 * held. Orders under way are not counted in. `loads`: what each slot costs, in any unit (bytes, ops per second); NULL:
 * not known. */
size_t ordo_balance_plan(const struct ordo_cluster *cluster, const uint64_t loads[ORDO_SLOT_COUNT],
                         struct ordo_balance_move *out, size_t move_max);

#endif
