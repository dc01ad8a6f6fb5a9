/* Revoking users and tokens, and taking that back. */
#include "common/directory/attempt.h"

struct revoke_wish {
    const struct ordo_revocation *revocation;
    uint64_t now_ms;
    bool is_back; /* taken back */
};

/* Those whose time is over have no use for anybody: whoever comes by takes them along. */
static void drop_old(struct ordo_attempt *attempt, const struct revoke_wish *wish) {
    char key[ORDO_CLUSTER_KEY_SIZE];
    const struct ordo_revocation *mine = wish->revocation;
    size_t room = ORDO_DIRECTORY_CHANGES_MAX - 1;
    for (size_t i = 0; i < attempt->cluster->revocation_count && room > 0; i++) {
        const struct ordo_revocation *other = &attempt->cluster->revocations[i];
        bool is_mine = ordo_revocation_compare(mine->is_token, ordo_revocation_name(mine), other) == 0;
        if (is_mine || wish->now_ms < other->until_ms) continue;
        ordo_cluster_key_revoked(key, other->is_token, ordo_revocation_name(other));
        ordo_directory_delete(attempt->changes, key);
        room--;
    }
}

static bool is_full(const struct ordo_cluster *cluster, uint64_t now_ms) {
    size_t count = 0;
    for (size_t i = 0; i < cluster->revocation_count; i++) count += now_ms < cluster->revocations[i].until_ms;
    return count >= ORDO_REVOCATIONS_MAX;
}

static ordo_err decide_revoke(struct ordo_attempt *attempt) {
    char key[ORDO_CLUSTER_KEY_SIZE];
    const struct revoke_wish *wish = attempt->wish;
    const struct ordo_revocation *mine = wish->revocation;
    ordo_cluster_key_revoked(key, mine->is_token, ordo_revocation_name(mine));
    const struct ordo_directory_item *known = ordo_directory_find(attempt->view, key);
    if (wish->is_back) {
        if (known == NULL) return ordo_attempt_fails(attempt, ORDO_ERR_NOT_FOUND, "This was not revoked.");
        ordo_directory_delete(attempt->changes, key);
        return ORDO_OK;
    }
    if (known == NULL && is_full(attempt->cluster, wish->now_ms))
        return ordo_attempt_fails(attempt, ORDO_ERR_FULL,
                                  "A thousand revocations are in force: revoke by user, or change the keys.");
    struct ordo_buffer value = {0};
    ordo_cluster_revoked_encode(&value, mine);
    bool is_done = known != NULL && ordo_slice_equal(known->value, ordo_buffer_slice(&value));
    if (is_done) {
        ordo_buffer_finish(&value);
        return ORDO_OK;
    }
    ordo_attempt_put(attempt, key, &value);
    drop_old(attempt, wish);
    return ORDO_OK;
}

ordo_err ordo_cluster_revoke(struct ordo_directory *directory, const struct ordo_revocation *revocation,
                             uint64_t now_ms, struct ordo_problem *problem) {
    struct revoke_wish wish = {.revocation = revocation, .now_ms = now_ms};
    return ordo_attempt(directory, decide_revoke, &wish, problem);
}

ordo_err ordo_cluster_revoke_back(struct ordo_directory *directory, bool is_token, struct ordo_slice name,
                                  struct ordo_problem *problem) {
    struct ordo_revocation revocation = {.is_token = is_token, .name_size = (uint8_t)name.size};
    memcpy(revocation.name, name.data, name.size);
    struct revoke_wish wish = {.revocation = &revocation, .is_back = true};
    return ordo_attempt(directory, decide_revoke, &wish, problem);
}
