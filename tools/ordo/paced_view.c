#include "tools/ordo/paced_view.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/memory.h"

enum { TICK_MS = 200 };

struct paced_iterator {
    struct ordo_iterator base;
    struct ordo_iterator *iterator;
    struct paced_view *paced;
};

static void count(struct paced_view *paced, size_t size) {
    paced->size += size;
    uint64_t now_ms = ordo_clock_monotonic_ms();
    uint64_t due_ms = paced->rate > 0 ? paced->begun_ms + paced->size * 1000 / paced->rate : 0;
    while (now_ms < due_ms || now_ms >= paced->ticked_ms + TICK_MS) {
        if (now_ms >= paced->ticked_ms + TICK_MS) {
            paced->ticked_ms = now_ms;
            if (paced->tick != NULL) paced->tick(paced->context);
        }
        if (now_ms >= due_ms) break;
        uint64_t wait_ms = due_ms - now_ms < TICK_MS ? due_ms - now_ms : TICK_MS;
        ordo_clock_sleep_ms(wait_ms);
        now_ms = ordo_clock_monotonic_ms();
    }
}

/* ---- iterators */

static struct paced_iterator *of(const struct ordo_iterator *base) { return (struct paced_iterator *)(uintptr_t)base; }

static bool moved(struct paced_iterator *it, bool stands) {
    const struct ordo_iterator_ops *ops = it->iterator->ops;
    count(it->paced, stands ? ops->key(it->iterator).size + ops->value(it->iterator).size : 0);
    return stands;
}

static bool iterator_seek(struct ordo_iterator *base, struct ordo_slice key) {
    struct paced_iterator *it = of(base);
    return moved(it, it->iterator->ops->seek(it->iterator, key));
}
static bool iterator_seek_back(struct ordo_iterator *base, struct ordo_slice key) {
    struct paced_iterator *it = of(base);
    return moved(it, it->iterator->ops->seek_back(it->iterator, key));
}
static bool iterator_next(struct ordo_iterator *base) {
    struct paced_iterator *it = of(base);
    return moved(it, it->iterator->ops->next(it->iterator));
}
static bool iterator_previous(struct ordo_iterator *base) {
    struct paced_iterator *it = of(base);
    return moved(it, it->iterator->ops->previous(it->iterator));
}
static struct ordo_slice iterator_key(const struct ordo_iterator *base) { return of(base)->iterator->ops->key(of(base)->iterator); }
static struct ordo_slice iterator_value(const struct ordo_iterator *base) {
    return of(base)->iterator->ops->value(of(base)->iterator);
}
static ordo_err iterator_status(const struct ordo_iterator *base) { return of(base)->iterator->ops->status(of(base)->iterator); }
static void iterator_close(struct ordo_iterator *base) {
    of(base)->iterator->ops->close(of(base)->iterator);
    free(base);
}

static const struct ordo_iterator_ops iterator_ops = {
    .seek = iterator_seek, .seek_back = iterator_seek_back, .next = iterator_next, .previous = iterator_previous,
    .key = iterator_key, .value = iterator_value, .status = iterator_status, .close = iterator_close};

/* ---- the view */

static ordo_err view_get(struct ordo_view *base, enum ordo_cf cf, struct ordo_slice key, struct ordo_buffer *value_out) {
    struct paced_view *paced = (struct paced_view *)base;
    size_t before = value_out->size;
    ordo_err err = paced->view->ops->get(paced->view, cf, key, value_out);
    count(paced, key.size + value_out->size - before);
    return err;
}

static struct ordo_iterator *view_iterate(struct ordo_view *base, enum ordo_cf cf, struct ordo_slice lower,
                                          struct ordo_slice upper) {
    struct paced_view *paced = (struct paced_view *)base;
    struct paced_iterator *it = ordo_alloc(sizeof *it);
    it->base.ops = &iterator_ops;
    it->iterator = paced->view->ops->iterate(paced->view, cf, lower, upper);
    it->paced = paced;
    return &it->base;
}

static const struct ordo_view_ops view_ops = {.get = view_get, .iterate = view_iterate};

void paced_view_init(struct paced_view *paced, struct ordo_view *view, uint64_t rate) {
    *paced = (struct paced_view){.base.ops = &view_ops, .view = view, .rate = rate};
    paced->begun_ms = paced->ticked_ms = ordo_clock_monotonic_ms();
}
