#include "tests/sim/regressions.h"

const struct sim_regression sim_regressions[] = {
    {"pending_edits_wait_for_ever_behind_a_settled_retry", 338, SIM_PROFILE_ANY, true},
    {"pending_edits_wait_for_ever_behind_a_settled_retry_2", 6003, SIM_PROFILE_ANY, true},
    {"ack_of_an_overtaken_create_leaves_a_hole", 2963, SIM_PROFILE_ANY, true},
    {"ack_of_an_overtaken_delete_leaves_a_hole", 3273, SIM_PROFILE_ANY, true},
    {"op_behind_an_overtaken_create_is_pipelined", 4615, SIM_PROFILE_ANY, true},
    {"document_is_closed_and_opened_before_its_open_is_answered", 894, SIM_PROFILE_ANY, true},
    {"ended_opening_writes_again_after_the_later_one_left", 2031512, SIM_PROFILE_ANY, true},
    {"forgotten_client_that_opens_anew_reuses_its_numbers", 246, SIM_PROFILE_ANY, true},
    {"forgotten_client_that_opens_anew_reuses_its_numbers_2", 5555, SIM_PROFILE_ANY, true},
    {"clients_that_cannot_be_forgotten_are_looked_at_without_end", 104194, SIM_PROFILE_ANY, true},
    {"clients_expire_where_a_snapshot_was_damaged", 131936, SIM_PROFILE_ANY, true},
    {"submit_in_front_of_a_resync_in_a_frozen_slot_is_stuck", 411, SIM_PROFILE_MOVES, false},
    {"rest_ends_while_a_stalled_client_is_still_to_hear_of_a_forgotten_document", 3010077, SIM_PROFILE_MOVES, false},
    {"forbidden_op_commits_when_rights_come_back", 232, SIM_PROFILE_ANY, false},
    {"typing_at_a_seam_of_ones_own_run_loses_its_hint", 329, SIM_PROFILE_INTERLEAVING, true},
    {"typing_at_a_seam_of_ones_own_run_loses_its_hint_2", 842, SIM_PROFILE_INTERLEAVING, true},
};
const size_t sim_regression_count = sizeof sim_regressions / sizeof *sim_regressions;
