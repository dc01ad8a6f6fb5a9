/* gateway/core/list.h: a doubly linked list whose links live in its members.
 *
 * A list is a link that stands for no member. A link that is in no list points to itself, so
 * `gateway_list_remove` may be called at any time after `gateway_list_init`. Ownership: none. */
#ifndef ORDO_GATEWAY_CORE_LIST_H
#define ORDO_GATEWAY_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct gateway_list {
    struct gateway_list *next, *prev;
};

static inline void gateway_list_init(struct gateway_list *list) {
    list->next = list->prev = list;
}
static inline bool gateway_list_is_empty(const struct gateway_list *list) {
    return list->next == list;
}

static inline void gateway_list_remove(struct gateway_list *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
    gateway_list_init(link);
}

/* Moves the link to the end of `list`, from wherever it is. */
static inline void gateway_list_append(struct gateway_list *list, struct gateway_list *link) {
    gateway_list_remove(link);
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}

/* The struct around a link. */
#define GATEWAY_LIST_ITEM(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* Steps through the links; the present one may be removed meanwhile, its successor may not. */
#define GATEWAY_LIST_EACH(list, link)                                                                        \
    for (struct gateway_list *link = (list)->next, *link##_next = link->next; link != (list);                \
         link = link##_next, link##_next = link->next)

#endif
