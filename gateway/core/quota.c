#include "gateway/core/quota.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/hash.h"
#include "common/memory.h"

enum {
    FRAME_COST = 64,     /* bytes that a frame costs beside its own: an empty one is work, too */
    REFUSALS_RATE = 200, /* per second and connection, and twice as many at once: beyond, it does not obey */
    REFUSALS_PAUSED = 200, /* so many must be there again before it is read on */
    USERS_GONE_MAX = 10000,
    USER_KEPT_MS = ORDO_BUCKET_BURST_MS + ORDO_BUCKET_DEBT_MS_MAX, /* then all its buckets are full again */
};

/* ---- one pace */

static bool has(struct gateway_pace *pace, uint32_t rate, uint64_t now_ms) {
    if (ordo_bucket_is_full(&pace->bucket, rate, now_ms)) pace->refused = 0;
    return ordo_bucket_has(&pace->bucket, rate, now_ms);
}

static void take(struct gateway_pace *pace, uint32_t rate, uint64_t now_ms) {
    ordo_bucket_take(&pace->bucket, rate, now_ms, 1);
    if (pace->refused > 0) pace->refused--;
}

/* Each who is refused is told a later moment than the one before, so that they come back at the pace at which they can be
 * let through, and not all at once. */
static uint32_t refuse(struct gateway_pace *pace, uint32_t rate, uint64_t now_ms) {
    if (rate == 0) return 0;
    uint32_t wait_ms = ordo_bucket_wait_ms(&pace->bucket, rate, now_ms, pace->refused);
    if (wait_ms < ORDO_BUCKET_DEBT_MS_MAX) pace->refused++;
    return wait_ms;
}

/* `user` may be NULL. */
static bool take_both(struct gateway_pace *conn, uint32_t rate, struct gateway_pace *user, uint32_t user_rate, uint64_t now_ms,
                      uint32_t *retry_after_ms) {
    bool conn_has = has(conn, rate, now_ms), user_has = user == NULL || has(user, user_rate, now_ms);
    if (conn_has && user_has) {
        take(conn, rate, now_ms);
        if (user != NULL) take(user, user_rate, now_ms);
        return true;
    }
    uint32_t conn_ms = conn_has ? 0 : refuse(conn, rate, now_ms);
    uint32_t user_ms = user_has ? 0 : refuse(user, user_rate, now_ms);
    *retry_after_ms = conn_ms > user_ms ? conn_ms : user_ms;
    return false;
}

static void count_refusal(struct ordo_gateway *gateway, struct gateway_conn *conn) {
    ordo_bucket_take(&conn->refusals, REFUSALS_RATE, gateway->now_ms, 1);
}

/* ---- what is counted */

bool gateway_quota_take_op(struct ordo_gateway *gateway, struct gateway_conn *conn, uint32_t *retry_after_ms) {
    struct gateway_pace *user = conn->user != NULL ? &conn->user->quota.ops : NULL;
    if (take_both(&conn->quota.ops, gateway->config.conn_rates.ops, user, gateway->config.user_rates.ops, gateway->now_ms,
                  retry_after_ms))
        return true;
    gateway->stats.submits_rate_limited++;
    count_refusal(gateway, conn);
    return false;
}

bool gateway_quota_take_request(struct ordo_gateway *gateway, struct gateway_conn *conn) {
    struct gateway_pace *user = conn->user != NULL ? &conn->user->quota.requests : NULL;
    uint32_t retry_after_ms;
    if (take_both(&conn->quota.requests, gateway->config.conn_rates.requests, user, gateway->config.user_rates.requests,
                  gateway->now_ms, &retry_after_ms))
        return true;
    gateway->stats.requests_rate_limited++;
    count_refusal(gateway, conn);
    return false;
}

bool gateway_quota_take_presence(struct ordo_gateway *gateway, struct gateway_conn *conn) {
    uint32_t rate = gateway->config.presence_rate;
    if (ordo_bucket_has(&conn->presence, rate, gateway->now_ms)) {
        ordo_bucket_take(&conn->presence, rate, gateway->now_ms, 1);
        return true;
    }
    gateway->stats.presence_rate_limited++;
    count_refusal(gateway, conn);
    return false;
}

void gateway_quota_count_frame(struct ordo_gateway *gateway, struct gateway_conn *conn, size_t size) {
    size += FRAME_COST;
    ordo_bucket_take(&conn->quota.bytes, gateway->config.conn_rates.bytes, gateway->now_ms, size);
    if (conn->user != NULL)
        ordo_bucket_take(&conn->user->quota.bytes, gateway->config.user_rates.bytes, gateway->now_ms, size);
}

uint32_t ordo_gateway_pause_ms(struct ordo_gateway *gateway, uint32_t id) {
    struct gateway_conn *conn = id < gateway->conn_capacity ? gateway->conns[id] : NULL;
    if (conn == NULL || conn->state == GATEWAY_CONN_CLOSING) return 0;
    uint64_t now_ms = gateway->now_ms;
    uint32_t wait_ms = ordo_bucket_wait_ms(&conn->quota.bytes, gateway->config.conn_rates.bytes, now_ms, 0);
    uint32_t user_ms = 0, refusals_ms = 0;
    if (conn->user != NULL) user_ms = ordo_bucket_wait_ms(&conn->user->quota.bytes, gateway->config.user_rates.bytes, now_ms, 0);
    if (!ordo_bucket_has(&conn->refusals, REFUSALS_RATE, now_ms))
        refusals_ms = ordo_bucket_wait_ms(&conn->refusals, REFUSALS_RATE, now_ms, REFUSALS_PAUSED);
    if (user_ms > wait_ms) wait_ms = user_ms;
    return refusals_ms > wait_ms ? refusals_ms : wait_ms;
}

/* ---- users */

static struct gateway_user *user_of(struct gateway_table_node *node) {
    return GATEWAY_LIST_ITEM(node, struct gateway_user, by_name);
}

static struct gateway_user *user_find(struct ordo_gateway *gateway, uint64_t hash, struct ordo_slice name) {
    struct gateway_table_node *node = gateway_table_find(&gateway->users, hash);
    while (node != NULL && !ordo_slice_equal(ordo_slice(user_of(node)->name, user_of(node)->name_size), name))
        node = gateway_table_find_next(node);
    return node != NULL ? user_of(node) : NULL;
}

static struct gateway_user *user_create(struct ordo_gateway *gateway, uint64_t hash, struct ordo_slice name) {
    struct gateway_user *user = ordo_alloc(sizeof *user + name.size);
    gateway_list_init(&user->in_gone);
    user->name_size = (uint32_t)name.size;
    memcpy(user->name, name.data, name.size);
    gateway_table_insert(&gateway->users, &user->by_name, hash);
    return user;
}

static void user_forget(struct ordo_gateway *gateway, struct gateway_user *user) {
    ORDO_ASSERT(user->conn_count == 0);
    gateway_list_remove(&user->in_gone);
    gateway->users_gone_count--;
    gateway_table_remove(&gateway->users, &user->by_name);
    free(user);
}

static struct gateway_user *oldest_gone(const struct ordo_gateway *gateway) {
    return gateway_list_is_empty(&gateway->users_gone)
               ? NULL
               : GATEWAY_LIST_ITEM(gateway->users_gone.next, struct gateway_user, in_gone);
}

void gateway_quota_enter(struct ordo_gateway *gateway, struct gateway_conn *conn) {
    if (!gateway->config.asks_token) return;
    struct ordo_slice name = ordo_buffer_slice(&conn->token.user);
    uint64_t hash = ordo_hash_with(gateway->hash_seed, name);
    struct gateway_user *user = user_find(gateway, hash, name);
    if (user == NULL) {
        user = user_create(gateway, hash, name);
    } else if (user->conn_count == 0) {
        gateway_list_remove(&user->in_gone);
        gateway->users_gone_count--;
    }
    user->conn_count++;
    conn->user = user;
}

void gateway_quota_leave(struct ordo_gateway *gateway, struct gateway_conn *conn) {
    struct gateway_user *user = conn->user;
    conn->user = NULL;
    if (user == NULL || --user->conn_count > 0) return;
    user->gone_ms = gateway->now_ms;
    gateway_list_append(&gateway->users_gone, &user->in_gone);
    if (++gateway->users_gone_count > USERS_GONE_MAX) user_forget(gateway, oldest_gone(gateway));
}

void gateway_quota_tick(struct ordo_gateway *gateway) {
    struct gateway_user *user;
    while ((user = oldest_gone(gateway)) != NULL && gateway->now_ms - user->gone_ms >= USER_KEPT_MS)
        user_forget(gateway, user);
}

void gateway_quota_finish(struct ordo_gateway *gateway) {
    struct gateway_user *user;
    while ((user = oldest_gone(gateway)) != NULL) user_forget(gateway, user);
    gateway_table_finish(&gateway->users);
}
