/* Tokens that last for seconds, and rights that come and go: one secret that all gateways know, and clients that are given
 * fresh tokens for each connection and now and then on a live one. */
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/token/sign.h"
#include "tests/sim/sim.h"

enum { LIFE_MAX_MS = 20000, REST_LIFE_MS = 36000000, CLAIMS_SIZE = 200 };

static const char secret[] = "everybody in here knows this one secret";
static struct ordo_token_keys *keys;
static struct ordo_token_signer *signer;

static void set_up(void) {
    struct ordo_problem problem;
    keys = ordo_token_keys_create();
    ORDO_ASSERT(ordo_token_keys_add_secret(keys, ordo_slice_of(secret), &problem) == ORDO_OK &&
                ordo_token_signer_create(ordo_slice_of(secret), &signer, &problem) == ORDO_OK);
}

void sim_tokens_give_keys(struct sim *sim, struct ordo_gateway_event *event) {
    (void)sim;
    if (keys == NULL) set_up();
    event->keys = keys;
}

void sim_tokens_renew(struct sim *sim, struct sim_client *client, bool may_write) {
    if (!sim->plan.gateway.asks_token || client->conn == 0) return;
    if (keys == NULL) set_up();
    const struct sim_gateway *gateway = &sim->gateways[sim->conns[client->conn - 1]->gateway];
    uint64_t life_ms = sim->is_resting ? REST_LIFE_MS : sim_between(sim, 0, LIFE_MAX_MS);
    uint64_t expires_ms = sim_wall_ms(sim, gateway->wall_offset_ms) + life_ms;
    char claims[CLAIMS_SIZE];
    snprintf(claims, sizeof claims,
             "{\"sub\":\"user-%u\",\"exp\":%llu.%03u,\"docs\":[{\"collection_prefix\":\"\",\"id_prefix\":\"\",\"access\":\"%s\"}]}",
             client->index, (unsigned long long)(expires_ms / 1000), (unsigned)(expires_ms % 1000), may_write ? "write" : "read");
    struct ordo_buffer token = {0};
    ordo_token_sign(signer, ordo_slice(NULL, 0), ordo_slice_of(claims), &token);
    ordo_client_connection_set_token(client->core, ordo_buffer_slice(&token));
    ordo_buffer_finish(&token);
    sim_log(sim, "client %u has a token to %s for %llu ms", client->index, may_write ? "write" : "read",
            (unsigned long long)life_ms);
    sim->counts.tokens++;
}
