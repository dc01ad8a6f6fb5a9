#include "common/directory/attempt.h"

#include <inttypes.h>

#include "common/clock.h"

enum { CHANGE_TIMEOUT_MS = 5000 };

static ordo_err decide_and_try(struct ordo_directory *directory, const struct ordo_directory_view *view,
                               ordo_attempt_decide *decide, void *wish, struct ordo_problem *problem) {
    struct ordo_cluster *cluster;
    ordo_err err = ordo_cluster_decode(view, &cluster, problem);
    if (err) return err;
    struct ordo_directory_changes changes = {0};
    struct ordo_attempt attempt = {view, cluster, &changes, problem, wish};
    err = decide(&attempt);
    if (!err) err = ordo_directory_change(directory, view, &changes, problem);
    ordo_directory_changes_finish(&changes);
    ordo_cluster_destroy(cluster);
    return err;
}

ordo_err ordo_attempt(struct ordo_directory *directory, ordo_attempt_decide *decide, void *wish,
                      struct ordo_problem *problem) {
    uint64_t end_ms = ordo_clock_monotonic_ms() + CHANGE_TIMEOUT_MS, now_ms;
    ordo_err err = ORDO_ERR_CONFLICT;
    while (err == ORDO_ERR_CONFLICT && (now_ms = ordo_clock_monotonic_ms()) < end_ms) {
        const struct ordo_directory_view *view = ordo_directory_view(directory);
        uint64_t generation = view->generation;
        if (generation > 0) {
            err = decide_and_try(directory, view, decide, wish, problem);
        } else {
            ordo_problem_set(problem, "The directory could not be read yet: %s", view->away_reason);
            err = ORDO_ERR_UNAVAILABLE;
        }
        ordo_directory_view_release(view);
        if (err == ORDO_ERR_CONFLICT) (void)ordo_directory_wait(directory, generation, (uint32_t)(end_ms - now_ms));
    }
    return err;
}

/* ---- parts of decisions */

ordo_err ordo_attempt_fails(struct ordo_attempt *attempt, ordo_err err, const char *sentence) {
    ordo_problem_set(attempt->problem, "%s", sentence);
    return err;
}

void ordo_attempt_put(struct ordo_attempt *attempt, const char *key, struct ordo_buffer *value) {
    ordo_directory_put(attempt->changes, key, ordo_buffer_slice(value));
    ordo_buffer_finish(value);
}

void ordo_attempt_put_leased(struct ordo_attempt *attempt, const char *key, struct ordo_buffer *value) {
    ordo_directory_put_leased(attempt->changes, key, ordo_buffer_slice(value));
    ordo_buffer_finish(value);
}

ordo_err ordo_attempt_check_name(const char *name, struct ordo_problem *problem) {
    if (ordo_cluster_name_is_valid(name)) return ORDO_OK;
    ordo_problem_set(problem, "'%.80s' cannot be a name: 1 to %d letters, digits, '.', '_' and '-' can.", name,
                     ORDO_CLUSTER_NAME_SIZE_MAX);
    return ORDO_ERR_INVALID;
}

ordo_err ordo_attempt_check_text(const char *what, const char *text, struct ordo_problem *problem) {
    if (ordo_cluster_text_is_valid(text)) return ORDO_OK;
    ordo_problem_set(problem,
                     "The %s does not fit into the directory: it is not UTF-8, has control characters or is longer"
                     " than %d bytes.",
                     what, ORDO_CLUSTER_TEXT_SIZE_MAX);
    return ORDO_ERR_INVALID;
}

/* A store that is there and does not read must not be taken for absent. */
ordo_err ordo_attempt_find_store(struct ordo_attempt *attempt, const struct ordo_store_id *id,
                                 const struct ordo_cluster_store **out) {
    char key[ORDO_CLUSTER_KEY_SIZE];
    ordo_cluster_key_store(key, id);
    *out = ordo_cluster_store(attempt->cluster, id);
    if (*out != NULL || ordo_directory_find(attempt->view, key) == NULL) return ORDO_OK;
    ordo_problem_set(attempt->problem, "The key %s of the directory does not read.", key);
    return ORDO_ERR_CORRUPT;
}

/* The same, and an absent one is an error. */
ordo_err ordo_attempt_need_store(struct ordo_attempt *attempt, const struct ordo_store_id *id,
                                 const struct ordo_cluster_store **out) {
    ordo_err err = ordo_attempt_find_store(attempt, id, out);
    if (err || *out != NULL) return err;
    return ordo_attempt_fails(attempt, ORDO_ERR_NOT_FOUND, "The directory knows no such store.");
}

ordo_err ordo_attempt_check_format(struct ordo_attempt *attempt, uint32_t reads_min, uint32_t reads_max) {
    uint32_t level = attempt->cluster->table.format_level;
    if (!attempt->cluster->has_table || (reads_min <= level && level <= reads_max)) return ORDO_OK;
    ordo_problem_set(attempt->problem,
                     "The cluster's format level is %" PRIu32 ", and this program reads %" PRIu32 " to %" PRIu32
                     ": use the version that the others are of.",
                     level, reads_min, reads_max);
    return ORDO_ERR_INVALID;
}
