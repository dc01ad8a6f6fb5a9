/* gateway/core/list.h: a doubly linked list whose links live in its members.
 *
 * A list is a link that stands for no member. A link that is in no list points to itself, so `ordo_list_remove` may be
 * called at any time after `ordo_list_init`. Ownership: none. */
#ifndef ORDO_GATEWAY_CORE_LIST_H
#define ORDO_GATEWAY_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct ordo_list {
    struct ordo_list *next, *prev;
};

static inline void ordo_list_init(struct ordo_list *list) { list->next = list->prev = list; }
static inline bool ordo_list_is_empty(const struct ordo_list *list) { return list->next == list; }

static inline void ordo_list_remove(struct ordo_list *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
    ordo_list_init(link);
}

/* Moves the link to the end of `list`, from wherever it is. */
static inline void ordo_list_append(struct ordo_list *list, struct ordo_list *link) {
    ordo_list_remove(link);
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}

/* The struct around a link. */
#define ORDO_LIST_ITEM(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* Steps through the links; the present one may be removed meanwhile, its successor may not. */
#define ORDO_LIST_EACH(list, link)                                                                                     \
    for (struct ordo_list *link = (list)->next, *link##_next = link->next; link != (list);                             \
         link = link##_next, link##_next = link->next)

#endif
