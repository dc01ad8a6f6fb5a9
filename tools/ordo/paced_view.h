/* tools/ordo/paced_view.h: a view that is read at a bounded rate, so that those who share the disk get on with their work.
 *
 * Passes everything through, counts the bytes of keys and values that are read, and sleeps where they come too fast. One thread. */
#ifndef ORDO_TOOLS_PACED_VIEW_H
#define ORDO_TOOLS_PACED_VIEW_H

#include "shard/store.h"

struct paced_view {
    struct ordo_view base;       /* hand this out */
    struct ordo_view *view;      /* borrowed */
    uint64_t rate;               /* bytes per second; 0: no limit */
    void (*tick)(void *context); /* called between reads, some times a second; NULL: not */
    void *context;
    uint64_t begun_ms, ticked_ms, size;
};

/* Begins to count now. */
void paced_view_init(struct paced_view *paced, struct ordo_view *view, uint64_t rate);

#endif
