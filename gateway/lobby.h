/* gateway/lobby.h: connections that have not said anything whole: no TLS, no request, or none since the last answer.
 *
 * Anybody can open them by the thousand and then say nothing, or a byte now and then. So each has a while to bring a whole
 * request, however it spreads it, and there may be so many at once: when there are more the oldest are closed. An honest
 * client needs a few round trips, so whoever wants to keep others out must open the whole lobby anew in that time, again and
 * again. A connection leaves the lobby when it becomes a WebSocket, or while a request for documents is under way on it (which
 * have limits of their own), and comes back after the answer.
 *
 * Each port has a lobby of its own. Ownership: the lobby keeps something for each connection, from its beginning to its end
 * (as libwebsockets' opaque data of the connection). Threads: one. Units: ms. */
#ifndef ORDO_GATEWAY_LOBBY_H
#define ORDO_GATEWAY_LOBBY_H

#include <libwebsockets.h>

#include "gateway/core/list.h"
#include "gateway/turn.h"

struct ordo_lobby {
    struct ordo_turn *turn;
    struct gateway_list guests; /* who came last stands last */
    uint32_t timeout_ms, count, count_max;
};

void ordo_lobby_init(struct ordo_lobby *lobby, struct ordo_turn *turn, uint32_t count_max, uint32_t timeout_ms);

/* The callbacks SERVER_NEW_CLIENT_INSTANTIATED and WSI_DESTROY. */
void ordo_lobby_open(struct ordo_lobby *lobby, struct lws *wsi);
void ordo_lobby_close(struct ordo_lobby *lobby, struct lws *wsi);

/* It has brought something whole; from now on it has time for the next. Also for one that is in the lobby already. */
void ordo_lobby_enter(struct ordo_lobby *lobby, struct lws *wsi);
void ordo_lobby_leave(struct ordo_lobby *lobby, struct lws *wsi);

/* Closes whose time is over, and the oldest of too many. Not out of a callback of libwebsockets. */
void ordo_lobby_clear(struct ordo_lobby *lobby);

#endif
