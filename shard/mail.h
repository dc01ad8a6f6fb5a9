/* shard/mail.h: what a shard's sequencing thread and the process's registrar have for each other.
 *
 * To the shard: the newest router table with addresses, and orders to move slots. From it: its durable rows about slots when
 * they have changed, and what became of orders. Each side is woken when there is something; neither waits for the other.
 * Limits: one table (the newest), as many orders as there are slots. */
#ifndef ORDO_SHARD_MAIL_H
#define ORDO_SHARD_MAIL_H

#include <pthread.h>
#include <stdatomic.h>

#include "shard/core/shard.h"

#define ORDO_ADDRESS_SIZE 256

/* Where a store is served. */
struct ordo_address {
    struct ordo_store_id store;
    char data_endpoint[ORDO_ADDRESS_SIZE];
};

struct ordo_news {
    struct ordo_placement placement;
    uint32_t format; /* level */
    struct ordo_store_id *lost; /* stores that were given up; owned */
    size_t lost_count;
    struct ordo_address *addresses; /* owned */
    size_t address_count;
};

struct ordo_order {
    uint16_t slot;
    struct ordo_store_id target;
    bool is_cancelled; /* rather than given */
};

/* What a shard had to say since it was last asked. */
struct ordo_report {
    bool slots_changed; /* or were never told */
    struct ordo_slot_row slots[ORDO_SLOT_COUNT];
    struct ordo_move_end *ends; /* to free */
    size_t end_count, end_capacity;
};

struct ordo_mail {
    pthread_mutex_t mutex;      /* guards all but the descriptors */
    atomic_bool has_post;       /* for the shard */
    struct ordo_news *news;     /* NULL: none newer */
    struct ordo_order *orders;
    size_t order_count, order_capacity;
    struct ordo_report report;
    int shard_wake_fd, registrar_wake_fd; /* eventfds; borrowed */
};

void ordo_mail_init(struct ordo_mail *mail, int shard_wake_fd, int registrar_wake_fd);
void ordo_mail_finish(struct ordo_mail *mail);
void ordo_news_destroy(struct ordo_news *news); /* NULL is fine */

/* ---- the registrar's side */

void ordo_mail_put_news(struct ordo_mail *mail, struct ordo_news *news); /* takes it */
void ordo_mail_put_order(struct ordo_mail *mail, const struct ordo_order *order);
/* Replaces `report` by what there is; the caller frees its `ends`. False: nothing. */
bool ordo_mail_take_report(struct ordo_mail *mail, struct ordo_report *report);

/* ---- the shard's side */

static inline bool ordo_mail_has_post(struct ordo_mail *mail) {
    return atomic_load_explicit(&mail->has_post, memory_order_acquire);
}
/* Both are the caller's to free; `news` is NULL if there are none. */
void ordo_mail_take_post(struct ordo_mail *mail, struct ordo_news **news, struct ordo_order **orders, size_t *order_count);
void ordo_mail_report_slots(struct ordo_mail *mail, const struct ordo_slot_row slots[ORDO_SLOT_COUNT]);
void ordo_mail_report_end(struct ordo_mail *mail, const struct ordo_move_end *end);

#endif
