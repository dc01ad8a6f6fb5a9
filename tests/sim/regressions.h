/* tests/sim/regressions.h: seeds that once broke a promise; run before all others.
 *
 * A seed means the same schedule only as long as plan.c and the order of draws stay as they are, so a bug that
 * matters gets a unit test as well; the seed stays for what it may still find. Those that were found when there was but
 * one shard are run with one. */
#ifndef ORDO_TESTS_SIM_REGRESSIONS_H
#define ORDO_TESTS_SIM_REGRESSIONS_H

#include "tests/sim/sim.h"

struct sim_regression {
    const char *name;
    uint64_t seed;
    enum sim_profile profile;
    bool has_one_shard; /* whatever the seed says */
};
extern const struct sim_regression sim_regressions[];
extern const size_t sim_regression_count;

#endif
