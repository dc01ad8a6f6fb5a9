/* A hot document takes only so many writers at once: each op goes to everybody, so with everybody typing its cost grows with
 * the square of their number. Whoever finds no place becomes a viewer, is told so, and gets a place when one comes free.
 *
 *   NONE ──an op, and a place is free──▶ WRITER ──quiet for long, and others want the place──▶ NONE
 *   NONE ──opens while all are taken──▶ VIEWER ──place──▶ WRITER
 *   NONE, VIEWER ──an op, and none is free──▶ ASKING ──place──▶ WRITER
 *
 * A place is taken by writing, not by the right to: ten thousand readers who never type use up none. It is kept while its
 * holder writes now and then; who pauses for longer loses it only to somebody who wants it, is not told, and takes another
 * with its next op. Those with an op that waits go before those who only watch. Somebody waits only while all places are
 * held, so one that comes free goes to whoever is first in line at once, and is held for as long as after an op: who does not use
 * it makes room for the next. So however long the line is, no more than the places change hands in that time.
 *
 * Nothing that was typed is lost meanwhile: an op that finds no place is answered RATE_LIMITED, its client keeps it and sends it
 * again, after a while or with the Opened that tells of the place. All of this is forgotten with the shard: whoever writes
 * first then has a place. */
#include "common/assert.h"
#include "shard/core/state.h"

static struct ordo_place_line *line_of(struct ordo_doc *doc, enum ordo_place place) {
    switch (place) {
    case ORDO_PLACE_WRITER: return &doc->writers;
    case ORDO_PLACE_ASKING: return &doc->asking;
    case ORDO_PLACE_VIEWER: return &doc->viewers;
    case ORDO_PLACE_NONE: break;
    }
    return NULL;
}

static bool is_told_to_watch(const struct ordo_subscriber *subscriber) {
    return subscriber->place == ORDO_PLACE_VIEWER || subscriber->place == ORDO_PLACE_ASKING;
}

static void leave_line(struct ordo_place_line *line, struct ordo_subscriber *subscriber) {
    *(subscriber->place_before != NULL ? &subscriber->place_before->place_behind : &line->first) = subscriber->place_behind;
    *(subscriber->place_behind != NULL ? &subscriber->place_behind->place_before : &line->last) = subscriber->place_before;
    line->count--;
}

static void join_line(struct ordo_place_line *line, struct ordo_subscriber *subscriber) {
    subscriber->place_behind = NULL;
    subscriber->place_before = line->last;
    *(line->last != NULL ? &line->last->place_behind : &line->first) = subscriber;
    line->last = subscriber;
    line->count++;
}

/* The only function that writes `place`: to the end of the line of its next one. */
static void place_move(struct ordo_shard *shard, struct ordo_subscriber *subscriber, enum ordo_place next) {
    struct ordo_doc *doc = subscriber->audience->doc;
    struct ordo_place_line *line = line_of(doc, subscriber->place), *next_line = line_of(doc, next);
    shard->stats.viewers -= is_told_to_watch(subscriber);
    if (line != NULL) leave_line(line, subscriber);
    subscriber->place = next;
    if (next_line != NULL) join_line(next_line, subscriber);
    shard->stats.viewers += is_told_to_watch(subscriber);
    if (next == ORDO_PLACE_WRITER) subscriber->wrote_ms = shard->now_ms;
}

/* Its gateway attaches it again, and it hears by that how things stand. One that is being attached will hear anyway. */
static void tell(struct ordo_shard *shard, const struct ordo_subscriber *subscriber) {
    if (subscriber->state != ORDO_SUBSCRIBER_ATTACHED) return;
    Ordo__Cluster__V1__ToGateway message = ORDO__CLUSTER__V1__TO_GATEWAY__INIT;
    Ordo__Cluster__V1__Reattach reattach = ORDO__CLUSTER__V1__REATTACH__INIT;
    reattach.subscriber = subscriber->id;
    message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_REATTACH;
    message.reattach = &reattach;
    ordo_answer(shard, subscriber->peer, &message);
}

static uint64_t lapses_ms(const struct ordo_shard *shard, const struct ordo_doc *doc) {
    return doc->writers.first->wrote_ms + shard->config.writer_idle_ms;
}

/* Whether somebody may take a place now; if need be, of the one who has not written for longest. */
static bool make_room(struct ordo_shard *shard, struct ordo_doc *doc) {
    if (doc->writers.count < shard->config.writers_max) return true;
    if (shard->now_ms < lapses_ms(shard, doc)) return false;
    place_move(shard, doc->writers.first, ORDO_PLACE_NONE);
    return true;
}

static struct ordo_subscriber *first_waiting(const struct ordo_doc *doc) {
    return doc->asking.first != NULL ? doc->asking.first : doc->viewers.first;
}

static void let_in(struct ordo_shard *shard, struct ordo_doc *doc) {
    if (doc->is_abandoned) return; /* all who have it open go elsewhere */
    for (;;) {
        struct ordo_subscriber *next = first_waiting(doc);
        /* One whose session has ended goes, too, and its going looks again. */
        if (next == NULL || !next->peer->is_linked || !make_room(shard, doc)) return;
        place_move(shard, next, ORDO_PLACE_WRITER);
        shard->stats.viewers_admitted++;
        tell(shard, next);
    }
}

static void make_wait(struct ordo_shard *shard, struct ordo_subscriber *subscriber, enum ordo_place place) {
    if (!is_told_to_watch(subscriber)) shard->stats.writers_turned_away++;
    place_move(shard, subscriber, place);
    ordo_doc_set_timer(shard, subscriber->audience->doc);
}

bool ordo_writers_admit(struct ordo_shard *shard, struct ordo_subscriber *subscriber) {
    struct ordo_doc *doc = subscriber->audience->doc;
    if (shard->config.writers_max == 0) return true;
    if (subscriber->place != ORDO_PLACE_WRITER) let_in(shard, doc); /* perhaps this very one */
    bool has_place = subscriber->place == ORDO_PLACE_WRITER || (first_waiting(doc) == NULL && make_room(shard, doc));
    if (has_place) {
        place_move(shard, subscriber, ORDO_PLACE_WRITER);
        return true;
    }
    bool is_news = subscriber->place == ORDO_PLACE_NONE;
    if (subscriber->place != ORDO_PLACE_ASKING) make_wait(shard, subscriber, ORDO_PLACE_ASKING);
    if (is_news) tell(shard, subscriber);
    return false;
}

bool ordo_writers_must_watch(struct ordo_shard *shard, struct ordo_subscriber *subscriber) {
    struct ordo_doc *doc = subscriber->audience->doc;
    if (shard->config.writers_max == 0) return false;
    bool may_write = subscriber->permission >= ORDO_ACCESS_WRITE && subscriber->author->holder == subscriber;
    if (!may_write) {
        ordo_writers_leave(shard, subscriber);
        return false;
    }
    let_in(shard, doc);
    /* Who only came to do one thing is told no earlier than it tries. */
    bool is_newcomer = subscriber->place == ORDO_PLACE_NONE && !subscriber->is_bare;
    bool has_room = is_newcomer && first_waiting(doc) == NULL && make_room(shard, doc);
    if (is_newcomer && !has_room) make_wait(shard, subscriber, ORDO_PLACE_VIEWER);
    return is_told_to_watch(subscriber);
}

void ordo_writers_leave(struct ordo_shard *shard, struct ordo_subscriber *subscriber) {
    if (subscriber->place == ORDO_PLACE_NONE) return;
    place_move(shard, subscriber, ORDO_PLACE_NONE);
    let_in(shard, subscriber->audience->doc);
}

void ordo_writers_hand_over(struct ordo_shard *shard, struct ordo_subscriber *from, struct ordo_subscriber *to) {
    if (from->place != ORDO_PLACE_WRITER) {
        ordo_writers_leave(shard, from);
        return;
    }
    place_move(shard, from, ORDO_PLACE_NONE);
    place_move(shard, to, ORDO_PLACE_WRITER);
}

void ordo_writers_due(struct ordo_shard *shard, struct ordo_doc *doc) { let_in(shard, doc); }

uint64_t ordo_writers_next_ms(const struct ordo_shard *shard, const struct ordo_doc *doc) {
    /* Without a writer only while a session ends: those who wait go, too. */
    bool is_waited_for = first_waiting(doc) != NULL && doc->writers.first != NULL;
    return is_waited_for ? lapses_ms(shard, doc) : UINT64_MAX;
}
