#include "gateway/lobby.h"

#include <stdlib.h>

#include "common/memory.h"
#include "gateway/cut.h"

struct guest {
    struct gateway_list in_lobby; /* in no list: it is somewhere else */
    struct lws *wsi;
    uint64_t due_ms;
    bool has_asked; /* it has brought something whole before: it is closed for being idle, and that is no trouble */
};

void ordo_lobby_init(struct ordo_lobby *lobby, struct ordo_turn *turn, uint32_t count_max, uint32_t timeout_ms) {
    *lobby = (struct ordo_lobby){.turn = turn, .timeout_ms = timeout_ms, .count_max = count_max};
    gateway_list_init(&lobby->guests);
}

static bool is_inside(const struct guest *guest) { return !gateway_list_is_empty(&guest->in_lobby); }

static void enter(struct ordo_lobby *lobby, struct guest *guest) {
    lobby->count += !is_inside(guest);
    guest->due_ms = lobby->turn->now_ms + lobby->timeout_ms;
    gateway_list_append(&lobby->guests, &guest->in_lobby);
}

static void leave(struct ordo_lobby *lobby, struct guest *guest) {
    lobby->count -= is_inside(guest);
    gateway_list_remove(&guest->in_lobby);
}

void ordo_lobby_open(struct ordo_lobby *lobby, struct lws *wsi) {
    struct guest *guest = ordo_alloc(sizeof *guest);
    guest->wsi = wsi;
    gateway_list_init(&guest->in_lobby);
    lws_set_opaque_user_data(wsi, guest);
    enter(lobby, guest);
}

void ordo_lobby_close(struct ordo_lobby *lobby, struct lws *wsi) {
    struct guest *guest = lws_get_opaque_user_data(wsi);
    if (guest == NULL) return; /* what listens, for one */
    lws_set_opaque_user_data(wsi, NULL);
    leave(lobby, guest);
    free(guest);
}

void ordo_lobby_enter(struct ordo_lobby *lobby, struct lws *wsi) {
    struct guest *guest = lws_get_opaque_user_data(wsi);
    if (guest == NULL) return;
    guest->has_asked = true;
    enter(lobby, guest);
}

void ordo_lobby_leave(struct ordo_lobby *lobby, struct lws *wsi) {
    struct guest *guest = lws_get_opaque_user_data(wsi);
    if (guest != NULL) leave(lobby, guest);
}

void ordo_lobby_clear(struct ordo_lobby *lobby) {
    struct ordo_edge_stats *stats = &lobby->turn->stats;
    while (!gateway_list_is_empty(&lobby->guests)) {
        struct guest *oldest = GATEWAY_LIST_ITEM(lobby->guests.next, struct guest, in_lobby);
        bool is_due = lobby->turn->now_ms >= oldest->due_ms;
        if (!is_due && lobby->count <= lobby->count_max) return;
        stats->handshakes_timed_out += is_due && !oldest->has_asked;
        stats->handshakes_crowded_out += !is_due;
        leave(lobby, oldest);
        ordo_cut(oldest->wsi);
    }
}
