/* What this store is to each slot. The rows on disk decide, whatever anybody's table says: a shard serves the slots that it
 * owns durably, holds back who comes for a slot that is about to become its own, and tells all others who has it. */
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "shard/core/key.h"
#include "shard/core/slot_rows.h"
#include "shard/core/state.h"

enum { HELD_CHECK_MS = 100 };

static bool is_left_to_clear(const struct ordo_slot_row *row) {
    return row->state == ORDO_SLOT_GIVEN && !row->is_cleared;
}

/* What was being taken over when the process ended is not whole, and begins anew: it is somebody else's. */
static void drop_unfinished(struct ordo_shard *shard, uint16_t slot) {
    struct ordo_slot_row row = shard->slots[slot].row;
    if (row.state != ORDO_SLOT_IMPORTING) return;
    row = (struct ordo_slot_row){
        .state = ORDO_SLOT_GIVEN, .epoch = row.epoch, .other = row.other, .is_cleared = true};
    ordo_slot_change(shard, slot, &row, true);
}

void ordo_slots_init(struct ordo_shard *shard, const struct ordo_slot_row *rows) {
    const struct ordo_slot_row all = {.state = ORDO_SLOT_OWNED, .epoch = 1};
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        struct ordo_slot *here = &shard->slots[slot];
        here->row = rows != NULL ? rows[slot] : all;
        if (here->row.turn > shard->turn) here->row.turn = shard->turn; /* a repair may not know the newest turn */
        shard->durable_slots[slot] = here->row;
        here->held_last = &here->held;
        shard->given_count += is_left_to_clear(&here->row);
        shard->imported_count += here->row.state == ORDO_SLOT_IMPORTED;
        drop_unfinished(shard, slot);
    }
}

const struct ordo_slot_row *ordo_shard_slots(const struct ordo_shard *shard) { return shard->durable_slots; }

/* ---- rows */

void ordo_slot_change(struct ordo_shard *shard, uint16_t slot, const struct ordo_slot_row *row, bool clears) {
    struct ordo_slot *here = &shard->slots[slot];
    shard->given_count += is_left_to_clear(row);
    shard->given_count -= is_left_to_clear(&here->row);
    shard->imported_count += row->state == ORDO_SLOT_IMPORTED;
    shard->imported_count -= here->row.state == ORDO_SLOT_IMPORTED;
    here->row = *row;
    here->row.turn = shard->turn + 1;
    here->clears = here->clears || clears;
    if (!here->is_dirty) shard->dirty_slot_count++;
    here->is_dirty = true;
}

bool ordo_slots_are_dirty(const struct ordo_shard *shard) { return shard->dirty_slot_count > 0; }

void ordo_slots_turn_end(struct ordo_shard *shard, uint64_t turn) {
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT && shard->dirty_slot_count > 0; slot++) {
        struct ordo_slot *here = &shard->slots[slot];
        if (!here->is_dirty) continue;
        if (here->clears) ordo_slot_delete_rows(&shard->effects->batch, slot);
        ordo_key_slot(&shard->key, slot);
        ordo_slot_row_encode(&shard->value, ordo_buffer_slice(&shard->key), &here->row);
        ordo_batch_put(&shard->effects->batch, ORDO_CF_META, ordo_buffer_slice(&shard->key),
                       ordo_buffer_slice(&shard->value));
        ORDO_ASSERT(here->row.turn == turn);
        here->is_dirty = here->clears = false;
        shard->dirty_slot_count--;
        shard->undurable_slots = true;
    }
}

static void row_is_durable(struct ordo_shard *shard, uint16_t slot) {
    struct ordo_slot *here = &shard->slots[slot];
    shard->durable_slots[slot] = here->row;
    shard->effects->slots_changed = true;
    switch (here->row.state) {
    case ORDO_SLOT_GIVEN:
        if (!here->row.is_cleared) ordo_source_given(shard, slot);
        break;
    case ORDO_SLOT_IMPORTING:
    case ORDO_SLOT_IMPORTED: ordo_import_row_durable(shard, slot); break;
    case ORDO_SLOT_OWNED:
        ordo_import_row_durable(shard, slot);
        ordo_slot_release_held(shard, slot);
        break;
    case ORDO_SLOT_NONE: ORDO_ASSERT(false); break;
    }
}

void ordo_slots_durable(struct ordo_shard *shard) {
    if (!shard->undurable_slots) return;
    shard->undurable_slots = false;
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        struct ordo_slot *here = &shard->slots[slot];
        bool is_written = !here->is_dirty && here->row.turn > shard->settled_slots_turn;
        if (is_written && here->row.turn <= shard->durable_turn) row_is_durable(shard, slot);
        else if (is_written) shard->undurable_slots = true;
    }
    shard->settled_slots_turn = shard->durable_turn;
}

static bool is_ours(const struct ordo_shard *shard, uint16_t slot) {
    const struct ordo_slot *here = &shard->slots[slot];
    return here->row.state == ORDO_SLOT_OWNED && here->row.turn <= shard->durable_turn;
}

/* ---- who has it */

static struct ordo_slot_place place_of(const struct ordo_shard *shard, uint16_t slot) {
    const struct ordo_slot_row *row = &shard->slots[slot].row;
    const struct ordo_slot_place *placed = &shard->placement.slots[slot];
    struct ordo_slot_place place = {0};
    if (row->state != ORDO_SLOT_NONE) place = (struct ordo_slot_place){.epoch = row->epoch, .store = row->other};
    bool names_us = memcmp(placed->store.bytes, shard->config.store_id, sizeof placed->store.bytes) == 0;
    if (!names_us && ordo_slot_place_supersedes(placed, &place)) place = *placed;
    return place;
}

static void tell_owner(struct ordo_shard *shard, struct ordo_peer *peer, uint16_t slot) {
    struct ordo_slot_place place = place_of(shard, slot);
    Ordo__Cluster__V1__ToGateway message = ORDO__CLUSTER__V1__TO_GATEWAY__INIT;
    Ordo__Cluster__V1__NotOwner body = ORDO__CLUSTER__V1__NOT_OWNER__INIT;
    body.slot = slot;
    body.epoch = place.epoch;
    if (!ordo_store_id_is_none(&place.store))
        body.store = ordo_binary_of_slice(ordo_slice(place.store.bytes, sizeof place.store.bytes));
    message.body_case = ORDO__CLUSTER__V1__TO_GATEWAY__BODY_NOT_OWNER;
    message.not_owner = &body;
    ordo_answer(shard, peer, &message);
}

static void refuse(struct ordo_shard *shard, struct ordo_peer *peer, uint16_t slot, uint64_t subscriber) {
    tell_owner(shard, peer, slot);
    ordo_answer_refused(shard, peer, subscriber, 503, "another shard has this document", 0);
}

/* ---- Attaches that wait */

static bool hold(struct ordo_shard *shard, struct ordo_peer *peer, uint16_t slot,
                 const Ordo__Cluster__V1__ToShard *message) {
    struct ordo_slot *here = &shard->slots[slot];
    size_t size = ordo__cluster__v1__to_shard__get_packed_size(message);
    if (shard->held_size + size > shard->config.move_hold_size_max) return false;
    struct ordo_held *held = ordo_alloc(sizeof *held + size);
    ordo__cluster__v1__to_shard__pack(message, held->message);
    held->peer = peer;
    held->subscriber = message->attach->subscriber;
    held->size = size;
    if (here->held == NULL) here->held_ms = shard->now_ms;
    *here->held_last = held;
    here->held_last = &held->next;
    shard->held_size += size;
    peer->waiting_size += size;
    return true;
}

/* The oldest one, out of the list; NULL: none. */
static struct ordo_held *take_held(struct ordo_shard *shard, struct ordo_slot *here, struct ordo_held **link) {
    struct ordo_held *held = *link;
    if (held == NULL) return NULL;
    *link = held->next;
    if (held->next == NULL) here->held_last = link;
    shard->held_size -= held->size;
    held->peer->waiting_size -= held->size;
    return held;
}

bool ordo_slots_admit(struct ordo_shard *shard, struct ordo_peer *peer, uint16_t slot,
                      const Ordo__Cluster__V1__ToShard *message) {
    if (is_ours(shard, slot)) return true;
    enum ordo_slot_state state = shard->slots[slot].row.state;
    bool may_come = state == ORDO_SLOT_IMPORTING || state == ORDO_SLOT_IMPORTED || state == ORDO_SLOT_OWNED;
    if (!may_come || !hold(shard, peer, slot, message)) refuse(shard, peer, slot, message->attach->subscriber);
    return false;
}

void ordo_slot_release_held(struct ordo_shard *shard, uint16_t slot) {
    struct ordo_slot *here = &shard->slots[slot];
    struct ordo_held *held;
    while ((held = take_held(shard, here, &here->held)) != NULL) {
        ordo_arena_reset(&shard->wait_arena);
        const Ordo__Cluster__V1__ToShard *message = ordo_message_decode(
            &ordo__cluster__v1__to_shard__descriptor, ordo_slice(held->message, held->size), &shard->wait_arena);
        ORDO_ASSERT(message != NULL); /* our own encoding of what was decoded before */
        ordo_attach(shard, held->peer, message);
        free(held);
    }
}

void ordo_slot_refuse_held(struct ordo_shard *shard, uint16_t slot) {
    struct ordo_slot *here = &shard->slots[slot];
    struct ordo_held *held;
    while ((held = take_held(shard, here, &here->held)) != NULL) {
        refuse(shard, held->peer, slot, held->subscriber);
        free(held);
    }
}

void ordo_slots_forget_held(struct ordo_shard *shard, const struct ordo_peer *peer, uint64_t subscriber) {
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT && shard->held_size > 0; slot++) {
        struct ordo_slot *here = &shard->slots[slot];
        for (struct ordo_held **link = &here->held; *link != NULL;) {
            bool is_meant = (*link)->peer == peer && (subscriber == 0 || (*link)->subscriber == subscriber);
            if (is_meant) free(take_held(shard, here, link));
            else link = &(*link)->next;
        }
    }
}

void ordo_slots_finish(struct ordo_shard *shard) {
    for (struct ordo_peer *peer = shard->peers; peer != NULL; peer = peer->next) ordo_slots_forget_held(shard, peer, 0);
}

/* ---- documents of a slot */

void ordo_slot_freeze(struct ordo_shard *shard, uint16_t slot) { shard->slots[slot].is_frozen = true; }

void ordo_slot_resume(struct ordo_shard *shard, uint16_t slot) {
    struct ordo_slot *here = &shard->slots[slot];
    here->is_frozen = here->rests = false;
    for (struct ordo_doc *doc = here->docs, *next; doc != NULL; doc = next) {
        next = doc->next_in_slot;
        if (doc->is_loading) continue;
        ordo_doc_drain(shard, doc);
        ordo_snapshots_consider(shard, doc, false);
        ordo_truncations_consider(shard, doc);
        ordo_doc_set_timer(shard, doc);
    }
}

/* Once per gateway, whatever it has open of the slot. */
static void tell_audiences(struct ordo_shard *shard, uint16_t slot) {
    for (struct ordo_peer *peer = shard->peers; peer != NULL; peer = peer->next) peer->has_been_told = false;
    for (const struct ordo_doc *doc = shard->slots[slot].docs; doc != NULL; doc = doc->next_in_slot) {
        for (const struct ordo_audience *audience = doc->audiences; audience != NULL; audience = audience->next) {
            if (audience->peer->has_been_told) continue;
            audience->peer->has_been_told = true;
            tell_owner(shard, audience->peer, slot);
        }
    }
}

void ordo_slot_evict(struct ordo_shard *shard, uint16_t slot) {
    struct ordo_slot *here = &shard->slots[slot];
    tell_audiences(shard, slot);
    while (here->docs != NULL) ordo_doc_abandon(shard, here->docs);
    here->is_frozen = here->rests = false;
}

/* ---- time, and the table */

void ordo_slots_tick(struct ordo_shard *shard) {
    if (shard->now_ms < shard->slots_check_ms) return;
    shard->slots_check_ms = shard->now_ms + HELD_CHECK_MS;
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT && shard->held_size > 0; slot++) {
        struct ordo_slot *here = &shard->slots[slot];
        bool is_late = here->held != NULL && shard->now_ms >= here->held_ms + shard->config.move_hold_ms;
        if (is_late) ordo_slot_refuse_held(shard, slot);
    }
    ordo_given_tick(shard);
    ordo_adrift_tick(shard);
}

void ordo_slots_placement(struct ordo_shard *shard, const struct ordo_placement *placement) {
    shard->placement = *placement;
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) ordo_import_placed(shard, slot);
    ordo_given_tick(shard);
}

struct ordo_move_status ordo_shard_move_status(const struct ordo_shard *shard) {
    static const char *const names[] = {
        [ORDO_SOURCE_NONE] = "none",           [ORDO_SOURCE_LINKING] = "linking", [ORDO_SOURCE_QUIETING] = "waiting",
        [ORDO_SOURCE_BEGINNING] = "beginning", [ORDO_SOURCE_COPYING] = "copying", [ORDO_SOURCE_PREPARING] = "preparing",
        [ORDO_SOURCE_FREEZING] = "handing-over",
        [ORDO_SOURCE_FROZEN] = "handing-over", [ORDO_SOURCE_GIVING] = "handing-over",
    };
    const struct ordo_source *source = &shard->source;
    return (struct ordo_move_status){
        .is_moving = source->phase != ORDO_SOURCE_NONE, .slot = source->order.slot, .target = source->order.target,
        .phase = names[source->phase], .sent_size = source->sent_size, .queued_count = source->waiting_count};
}
