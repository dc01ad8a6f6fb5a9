/* gateway/door.h: what an HTTP request brings before it is a WebSocket: a token, and the page that made it. Pure.
 *
 * A browser sends cookies along whichever page asks for the WebSocket, so a token out of a cookie counts only for pages
 * that were allowed by name; a token in Hello is in the page's own hands, and no other page can borrow it. Where no token
 * is asked for, a page from anywhere in a browser on this machine, or inside the same network, could reach a gateway that
 * its author cannot: then only pages of this machine, or of the gateway's own address, are let in. Programs that are no
 * browser send no Origin, or any that they like; this is not about them. */
#ifndef ORDO_GATEWAY_DOOR_H
#define ORDO_GATEWAY_DOOR_H

#include "common/slice.h"

#define ORDO_DOOR_ORIGINS_MAX 64

struct ordo_door {
    const char *origins[ORDO_DOOR_ORIGINS_MAX]; /* "https://app.example.com"; "*": any */
    size_t origin_count;                        /* 0: see above */
    const char *cookie;                         /* the name of the one that holds a token; NULL: none does */
    bool asks_token;
    bool is_loopback; /* it listens where only this machine reaches it */
};

/* As --allow-origin takes it. */
bool ordo_door_origin_is_valid(const char *origin);
/* 127.0.0.0/8 or ::1, as a number. */
bool ordo_door_is_loopback(const char *address);

/* The token in `Authorization: Bearer TOKEN`; false: there is none. */
bool ordo_door_bearer(struct ordo_slice authorization, struct ordo_slice *token_out);
/* The value of the first cookie of that name. */
bool ordo_door_cookie(struct ordo_slice cookies, const char *name, struct ordo_slice *token_out);

/* Whether a request with these headers (empty: it has none) may become a WebSocket. */
bool ordo_door_lets_in(const struct ordo_door *door, struct ordo_slice origin, struct ordo_slice host,
                       bool has_cookie_token);

#endif
