#include "shard/mail.h"

#include <stdlib.h>

#include "common/memory.h"
#include "common/wake.h"

void ordo_mail_init(struct ordo_mail *mail, int shard_wake_fd, int registrar_wake_fd) {
    *mail = (struct ordo_mail){.shard_wake_fd = shard_wake_fd, .registrar_wake_fd = registrar_wake_fd};
    pthread_mutex_init(&mail->mutex, NULL);
}

void ordo_mail_finish(struct ordo_mail *mail) {
    ordo_news_destroy(mail->news);
    free(mail->orders);
    free(mail->report.ends);
    pthread_mutex_destroy(&mail->mutex);
}

void ordo_news_destroy(struct ordo_news *news) {
    if (news == NULL) return;
    free(news->addresses);
    free(news->lost);
    free(news);
}

/* ---- to the shard */

static void post_done(struct ordo_mail *mail) {
    atomic_store_explicit(&mail->has_post, true, memory_order_release);
    pthread_mutex_unlock(&mail->mutex);
    ordo_wake_raise(mail->shard_wake_fd);
}

void ordo_mail_put_news(struct ordo_mail *mail, struct ordo_news *news) {
    pthread_mutex_lock(&mail->mutex);
    ordo_news_destroy(mail->news);
    mail->news = news;
    post_done(mail);
}

void ordo_mail_put_order(struct ordo_mail *mail, const struct ordo_order *order) {
    pthread_mutex_lock(&mail->mutex);
    if (mail->order_count == mail->order_capacity) {
        mail->order_capacity = mail->order_capacity ? 2 * mail->order_capacity : 16;
        mail->orders = ordo_realloc(mail->orders, mail->order_capacity * sizeof *mail->orders);
    }
    mail->orders[mail->order_count++] = *order;
    post_done(mail);
}

void ordo_mail_take_post(struct ordo_mail *mail, struct ordo_news **news, struct ordo_order **orders, size_t *order_count) {
    pthread_mutex_lock(&mail->mutex);
    *news = mail->news;
    *orders = mail->orders;
    *order_count = mail->order_count;
    mail->news = NULL;
    mail->orders = NULL;
    mail->order_count = mail->order_capacity = 0;
    atomic_store_explicit(&mail->has_post, false, memory_order_relaxed);
    pthread_mutex_unlock(&mail->mutex);
}

/* ---- from the shard */

static void report_done(struct ordo_mail *mail) {
    pthread_mutex_unlock(&mail->mutex);
    ordo_wake_raise(mail->registrar_wake_fd);
}

void ordo_mail_report_slots(struct ordo_mail *mail, const struct ordo_slot_row slots[ORDO_SLOT_COUNT]) {
    pthread_mutex_lock(&mail->mutex);
    mail->report.slots_changed = true;
    memcpy(mail->report.slots, slots, sizeof mail->report.slots);
    report_done(mail);
}

void ordo_mail_report_end(struct ordo_mail *mail, const struct ordo_move_end *end) {
    struct ordo_report *report = &mail->report;
    pthread_mutex_lock(&mail->mutex);
    if (report->end_count == report->end_capacity) {
        report->end_capacity = report->end_capacity ? 2 * report->end_capacity : 16;
        report->ends = ordo_realloc(report->ends, report->end_capacity * sizeof *report->ends);
    }
    report->ends[report->end_count++] = *end;
    report_done(mail);
}

bool ordo_mail_take_report(struct ordo_mail *mail, struct ordo_report *report) {
    pthread_mutex_lock(&mail->mutex);
    bool has_any = mail->report.slots_changed || mail->report.end_count > 0;
    if (has_any) {
        *report = mail->report;
        mail->report.slots_changed = false;
        mail->report.ends = NULL;
        mail->report.end_count = mail->report.end_capacity = 0;
    }
    pthread_mutex_unlock(&mail->mutex);
    return has_any;
}
