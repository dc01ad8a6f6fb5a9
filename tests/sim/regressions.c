#include "tests/sim/regressions.h"

const struct sim_regression sim_regressions[] = {
    {"the_first_schedule", 1, SIM_PROFILE_ANY},
};
const size_t sim_regression_count = sizeof sim_regressions / sizeof *sim_regressions;
