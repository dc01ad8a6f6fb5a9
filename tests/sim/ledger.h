/* tests/sim/ledger.h: every character that anybody typed, so that none is lost or doubled.
 *
 * Each typed character is a code point of its own within a schedule. It may be missing in the end only if somebody
 * deleted it, or if it was handed back to the application; it may never be there twice. */
#ifndef ORDO_TESTS_SIM_LEDGER_H
#define ORDO_TESTS_SIM_LEDGER_H

#include "tests/sim/oracle.h"

struct ledger_point {
    const struct oracle_doc *doc;
    uint32_t owner;     /* index of the client; UINT32_MAX: a raw one */
    uint32_t run;       /* number of the run of typing */
    bool is_deleted;    /* by a person's own hand */
    bool is_excused;    /* handed back, or gone with a client that lost its memory */
    bool is_committed;  /* stands in some committed op */
};

struct ledger {
    struct ledger_point *points; /* by index */
    size_t count, capacity;
    uint32_t *strays;   /* characters of mangled ops: they may be there more often than they were typed */
    size_t stray_count;
    size_t *seen;       /* entries of each doc of the oracle that were read */
    size_t seen_count;
};

void ledger_finish(struct ledger *ledger);
/* A new character. */
uint32_t ledger_type(struct ledger *ledger, const struct oracle_doc *doc, uint32_t owner, uint32_t run);
/* A mangled op inserts this: typed by nobody, whosever it looks like. */
void ledger_stray(struct ledger *ledger, uint32_t point);
/* NULL: nobody typed it. */
struct ledger_point *ledger_of(struct ledger *ledger, uint32_t point);
/* All code points of `utf8` that stand at index `from` .. `from + count`. */
void ledger_delete_range(struct ledger *ledger, struct ordo_slice utf8, uint64_t from, uint64_t count);
void ledger_excuse(struct ledger *ledger, struct ordo_slice utf8);
/* What `owner` typed in `doc`, was never committed and is not in `utf8` either: gone with its memory. */
void ledger_excuse_forgotten(struct ledger *ledger, struct oracle *oracle, const struct oracle_doc *doc,
                             uint32_t owner, struct ordo_slice utf8);
/* All that `owner` typed may be missing. */
void ledger_excuse_owner(struct ledger *ledger, uint32_t owner);
/* The last word: holds the final texts against all that was typed. `may_lose`: only doubling counts. */
void ledger_check(struct ledger *ledger, struct oracle *oracle, bool may_lose, struct sim_verdict *verdict);
/* In `doc`, the characters of each two runs stand apart: one run left of the other. */
void ledger_check_runs(struct ledger *ledger, const struct oracle_doc *doc, struct sim_verdict *verdict);

#endif
