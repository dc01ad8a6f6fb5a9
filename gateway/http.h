/* gateway/http.h: what is answered to plain HTTP.
 *
 * On the port of clients: /healthz (the process lives), /readyz (clients should come here), /directory (what the directory
 * said last; for this machine alone), and the files of a site (site.h), if one is served. On the port of those who watch:
 * /metrics, and the first two again. Figures tell how much a server is used and by how many, which is nobody's affair on the
 * open internet, so they are not on the port that is open to it. Everything else is 404. */
#ifndef ORDO_GATEWAY_HTTP_H
#define ORDO_GATEWAY_HTTP_H

#include <libwebsockets.h>

#include "gateway/site.h"
#include "gateway/turn.h"

/* What is left to send of an answer; zeroed memory at the start of a request. */
struct ordo_http_answer {
    const struct ordo_site_file *file;
    size_t sent; /* bytes of it */
};

/* Answers the request for `path`; the value is what an lws callback returns. `site` may be NULL. */
int ordo_http_answer(struct lws *wsi, struct ordo_slice path, const struct ordo_turn *turn,
                     const struct ordo_site *site, struct ordo_http_answer *rest);
/* The same on the port of those who watch; the connection ends with it. */
int ordo_http_answer_watcher(struct lws *wsi, struct ordo_slice path, const struct ordo_turn *turn);
/* The socket takes more of an answer. */
int ordo_http_go_on(struct lws *wsi, struct ordo_http_answer *rest);

#endif
