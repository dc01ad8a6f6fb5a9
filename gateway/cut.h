/* gateway/cut.h: the end of a connection that is not asked. */
#ifndef ORDO_GATEWAY_CUT_H
#define ORDO_GATEWAY_CUT_H

#include <libwebsockets.h>

/* Ends the connection, without a word to its peer. Frees `wsi`, within the call or, when libwebsockets has something left to
 * write, in the next turn of the loop; its callback CLOSED comes in either case. May be called again until then. Not out of a
 * callback of libwebsockets. */
void ordo_cut(struct lws *wsi);

#endif
