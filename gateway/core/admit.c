#include "gateway/core/admit.h"

#include <stdlib.h>

#include "common/memory.h"
#include "gateway/core/answer.h"
#include "gateway/core/conn.h"
#include "gateway/core/doc.h"
#include "gateway/core/subscriber.h"

/* All connections are looked at in so many ticks: a second at most, and never many at once. */
enum { TICKS_PER_ROUND = 8 };

static struct ordo_token anonymous(void) {
    struct ordo_token token = {.expires_ms = UINT64_MAX};
    ordo_buffer_append_slice(&token.user, ordo_slice_of("anonymous"));
    ordo_rights_add_all(&token.rights, ORDO_ACCESS_ADMIN);
    return token;
}

/* ---- revocations */

static bool is_in_force(const struct ordo_gateway *gateway, bool is_token, struct ordo_slice name,
                        const struct ordo_revocation **out) {
    size_t low = 0, high = gateway->revocation_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = ordo_revocation_compare(is_token, name, &gateway->revocations[middle]);
        if (order == 0) {
            *out = &gateway->revocations[middle];
            return gateway->wall_ms < (*out)->until_ms;
        }
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return false;
}

/* A user who was revoked comes back with a token that was issued later. */
static bool is_revoked(const struct ordo_gateway *gateway, const struct ordo_token *token) {
    const struct ordo_revocation *found;
    if (is_in_force(gateway, true, ordo_buffer_slice(&token->id), &found)) return true;
    return is_in_force(gateway, false, ordo_buffer_slice(&token->user), &found) && token->issued_ms <= found->at_ms;
}

/* ---- coming in */

enum ordo_token_fault gateway_admit(struct ordo_gateway *gateway, struct ordo_slice text, struct ordo_token *out) {
    if (!gateway->config.asks_token) {
        *out = anonymous();
        return ORDO_TOKEN_FINE;
    }
    enum ordo_token_fault fault = ORDO_TOKEN_KEY;
    if (gateway->keys != NULL)
        fault = ordo_token_verify(gateway->keys, &gateway->config.token_policy, text, gateway->wall_ms, out);
    if (fault == ORDO_TOKEN_FINE && is_revoked(gateway, out)) {
        ordo_token_finish(out);
        fault = ORDO_TOKEN_REVOKED;
    }
    if (fault != ORDO_TOKEN_FINE) gateway->stats.tokens_refused++;
    return fault;
}

enum ordo_access gateway_admit_access(const struct gateway_conn *conn, struct ordo_slice collection,
                                      struct ordo_slice id) {
    return ordo_rights_for(&conn->token.rights, collection, id);
}

bool gateway_admit_anew(struct ordo_gateway *gateway, struct gateway_conn *conn, struct ordo_token *token) {
    if (!ordo_slice_equal(ordo_buffer_slice(&token->user), ordo_buffer_slice(&conn->token.user))) {
        ordo_token_finish(token);
        return false;
    }
    ordo_token_finish(&conn->token);
    conn->token = *token;
    *token = (struct ordo_token){0};
    for (uint32_t i = conn->handle_count; i-- > 0;) { /* backwards: some end on the way */
        struct gateway_subscriber *subscriber = conn->handles[i].subscriber;
        gateway_subscriber_set_access(gateway, subscriber,
                                      gateway_admit_access(conn, gateway_doc_collection(subscriber->doc),
                                                           gateway_doc_id(subscriber->doc)));
    }
    return true;
}

/* ---- and going */

static void send_away(struct ordo_gateway *gateway, struct gateway_conn *conn, enum ordo_token_fault fault) {
    const char *reason = ordo_token_fault_text(fault);
    gateway_answer_error(gateway, conn, 0, 0, 401, ordo_slice_of(reason));
    gateway_conn_close(gateway, conn, GATEWAY_CLOSE_POLICY, reason);
}

void gateway_admit_tick(struct ordo_gateway *gateway) {
    if (!gateway->config.asks_token) return;
    for (uint32_t left = gateway->conn_capacity / TICKS_PER_ROUND + 1; left > 0; left--) {
        if (gateway->expiry_next >= gateway->conn_capacity) gateway->expiry_next = 0;
        struct gateway_conn *conn = gateway_conn_find(gateway, gateway->expiry_next++);
        bool is_over =
            conn != NULL && conn->state == GATEWAY_CONN_READY && gateway->wall_ms >= conn->token.expires_ms;
        if (!is_over) continue;
        gateway->stats.tokens_expired++;
        send_away(gateway, conn, ORDO_TOKEN_EXPIRED);
    }
}

/* What is still good for one that is here? */
static enum ordo_token_fault fault_now(const struct ordo_gateway *gateway, const struct ordo_token *token) {
    if (!ordo_token_keys_have(gateway->keys, token->key)) return ORDO_TOKEN_KEY;
    return is_revoked(gateway, token) ? ORDO_TOKEN_REVOKED : ORDO_TOKEN_FINE;
}

static void look_at_all(struct ordo_gateway *gateway) {
    if (!gateway->config.asks_token || gateway->keys == NULL) return;
    for (uint32_t i = 0; i < gateway->conn_capacity; i++) {
        struct gateway_conn *conn = gateway->conns[i];
        if (conn == NULL || conn->state != GATEWAY_CONN_READY) continue;
        enum ordo_token_fault fault = fault_now(gateway, &conn->token);
        if (fault == ORDO_TOKEN_FINE) continue;
        gateway->stats.tokens_revoked++;
        send_away(gateway, conn, fault);
    }
}

void gateway_admit_keys(struct ordo_gateway *gateway, const struct ordo_token_keys *keys) {
    gateway->keys = keys;
    look_at_all(gateway);
}

static int by_name(const void *a, const void *b) {
    const struct ordo_revocation *one = a;
    return ordo_revocation_compare(one->is_token, ordo_revocation_name(one), b);
}

/* News of the directory are many, and hardly any is about this. */
static bool are_known(const struct ordo_gateway *gateway, const struct ordo_revocation *sorted, size_t count) {
    return count == gateway->revocation_count &&
           (count == 0 || memcmp(sorted, gateway->revocations, count * sizeof *sorted) == 0);
}

void gateway_admit_revocations(struct ordo_gateway *gateway, const struct ordo_revocations *revocations) {
    struct ordo_revocation *sorted = ordo_memdup(revocations->items, revocations->count * sizeof *revocations->items);
    qsort(sorted, revocations->count, sizeof *sorted, by_name);
    if (are_known(gateway, sorted, revocations->count)) {
        free(sorted);
        return;
    }
    free(gateway->revocations);
    gateway->revocations = sorted;
    gateway->revocation_count = revocations->count;
    look_at_all(gateway);
}

bool gateway_admit_type(struct ordo_slice types, struct ordo_slice type) {
    if (types.size == 0) return ordo_slice_equal(type, ordo_slice_of("text"));
    struct ordo_reader reader = ordo_reader(types);
    struct ordo_slice name;
    while (ordo_take_sized(&reader, &name))
        if (ordo_slice_equal(name, type)) return true;
    return false;
}
