/* gateway/site.h: the files of a folder as they are served over HTTP: a page with an editor, say.
 *
 * All of them are read once, at the start: serving never touches the disk, and a request can name nothing but what was read
 * then, so no path leads out of the folder. Only files with a known ending are taken, no hidden ones, and no links.
 * Threads: read by one. Limits: see the fault texts in site.c. */
#ifndef ORDO_GATEWAY_SITE_H
#define ORDO_GATEWAY_SITE_H

#include "common/buffer.h"
#include "common/error.h"

struct ordo_site;

struct ordo_site_file {
    char *path;       /* as requested: "/app/page.js"; the folder's index.html is "/" as well */
    const char *type; /* for Content-Type; static */
    char etag[20];    /* in quotes; changes with the content */
    struct ordo_buffer bytes;
};

enum { ORDO_SITE_FAULT_SIZE = 400 };

/* On failure `fault` says what is wrong, and nothing is made. */
ORDO_MUST_USE ordo_err ordo_site_load(struct ordo_site **out, const char *folder, char fault[ORDO_SITE_FAULT_SIZE]);
void ordo_site_destroy(struct ordo_site *site); /* NULL is fine */
/* NULL: there is none; also if `site` is NULL. Good as long as the site. */
const struct ordo_site_file *ordo_site_find(const struct ordo_site *site, struct ordo_slice path);

#endif
