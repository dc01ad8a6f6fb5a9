/* Taking slots over: each by the session of the shard that gives it.
 *
 *   CLEARING (the row IMPORTING, and everything else of the slot deleted, on their way to the disk) -> TAKING (rows come, and
 *   go to disk in the background) -> FLUSHING (what came so far in a turn's synced batch) -> PREPARING (a job counts that, others
 *   load what is open; what comes waits) -> FOLLOWING (what comes goes to disk, into the count, and into what was loaded) ->
 *   SYNCING (the row IMPORTED in a turn's synced batch, with the last rows) -> READY (the other shard decides) -> OWNING (the
 *   row OWNED on its way) -> ours
 *
 * From SYNCING on editors wait, so nothing there takes longer the more there is of the slot.
 *
 * Until the row IMPORTED is written, the end of the session ends the import. From then on only the other shard can say what
 * became of it: this one keeps what it has, over restarts too, until it is told (or sees in the table) whose the slot is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "shard/core/key.h"
#include "shard/core/state.h"

enum import_phase {
    IMPORT_CLEARING,
    IMPORT_TAKING,
    IMPORT_FLUSHING,
    IMPORT_PREPARING,
    IMPORT_FOLLOWING,
    IMPORT_SYNCING,
    IMPORT_READY,
    IMPORT_OWNING,
};

static const uint32_t import_moves[] = {
    [IMPORT_CLEARING] = 1u << IMPORT_TAKING,
    [IMPORT_TAKING] = 1u << IMPORT_FLUSHING,
    [IMPORT_FLUSHING] = 1u << IMPORT_PREPARING,
    [IMPORT_PREPARING] = 1u << IMPORT_FOLLOWING,
    [IMPORT_FOLLOWING] = 1u << IMPORT_SYNCING,
    [IMPORT_SYNCING] = 1u << IMPORT_READY,
    [IMPORT_READY] = 1u << IMPORT_OWNING,
    [IMPORT_OWNING] = 0,
};

struct ordo_import {
    struct ordo_import *next;
    uint16_t slot;
    uint64_t move;
    struct ordo_peer *peer;  /* the other shard; NULL: its session is over */
    enum import_phase phase;
    struct ordo_batch rows;  /* that came in the open turn */
    struct ordo_batch late;  /* that came while FLUSHING and PREPARING: not to be counted twice, nor half loaded */
    struct ordo_buffer open; /* sized keys of documents that are to be loaded */
    bool is_counted;
    struct ordo_slot_count count; /* of what is on disk; then of what came, too */
};

static void import_move(struct ordo_import *import, enum import_phase next) {
    ORDO_ASSERT(import_moves[import->phase] & 1u << next);
    import->phase = next;
}

static struct ordo_import *import_create(struct ordo_shard *shard, uint16_t slot, uint64_t move,
                                         enum import_phase phase) {
    ORDO_ASSERT(shard->slots[slot].import == NULL);
    struct ordo_import *import = ordo_alloc(sizeof *import);
    *import = (struct ordo_import){.next = shard->imports, .slot = slot, .move = move, .phase = phase};
    shard->imports = import;
    shard->slots[slot].import = import;
    shard->import_count++;
    return import;
}

static void import_destroy(struct ordo_shard *shard, struct ordo_import *import) {
    if (import == NULL) return;
    struct ordo_import **link = &shard->imports;
    while (*link != import) link = &(*link)->next;
    *link = import->next;
    shard->slots[import->slot].import = NULL;
    shard->import_count--;
    ordo_batch_finish(&import->rows);
    ordo_batch_finish(&import->late);
    ordo_buffer_finish(&import->open);
    free(import);
}

void ordo_imports_finish(struct ordo_shard *shard) {
    while (shard->imports != NULL) import_destroy(shard, shard->imports);
}

/* The one that this shard is doing for `peer`; NULL: it is over. */
static struct ordo_import *find(struct ordo_shard *shard, const struct ordo_peer *peer, uint64_t move) {
    struct ordo_import *import = shard->imports;
    while (import != NULL && (import->peer != peer || import->move != move)) import = import->next;
    return import;
}

/* ---- the end without the slot */

/* It is, or stays, the slot of `place`; what came of it goes. */
static void give_up(struct ordo_shard *shard, uint16_t slot, const struct ordo_slot_place *place, const char *reason) {
    const struct ordo_slot_row row = {
        .state = ORDO_SLOT_GIVEN, .epoch = place->epoch, .other = place->store, .is_cleared = true};
    ordo_shard_note(shard, ORDO_NOTE_INFO, "event=import_ended slot=%u reason=\"%s\"", slot, reason);
    import_destroy(shard, shard->slots[slot].import);
    ordo_slot_evict(shard, slot); /* what was loaded ahead */
    ordo_slot_change(shard, slot, &row, true);
    ordo_slot_refuse_held(shard, slot);
}

void ordo_import_give_back(struct ordo_shard *shard, uint16_t slot, const char *reason) {
    const struct ordo_slot_row *row = &shard->slots[slot].row;
    const struct ordo_slot_place place = {.epoch = row->epoch, .store = row->other};
    give_up(shard, slot, &place, reason);
}

static void fail(struct ordo_shard *shard, struct ordo_import *import, const char *reason) {
    if (import->peer != NULL) ordo_move_answer_refused(shard, import->peer, import->move, reason);
    ordo_import_give_back(shard, import->slot, reason);
}

/* ---- the beginning */

static void begin(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__MoveBegin *begin) {
    const char *objection = ordo_import_objection(shard, begin);
    if (objection != NULL) {
        ordo_move_answer_refused(shard, peer, begin->move, objection);
        return;
    }
    uint16_t slot = (uint16_t)begin->slot;
    struct ordo_slot *here = &shard->slots[slot];
    struct ordo_slot_row row = {.state = ORDO_SLOT_IMPORTING, .epoch = begin->epoch, .move = begin->move,
                                .incarnation = begin->source_incarnation};
    memcpy(row.other.bytes, begin->source.data, sizeof row.other.bytes);
    ordo_shard_raise_format(shard, begin->format); /* the other may have heard of it first */
    if (here->has_order) ordo_move_end(shard, slot, true, ""); /* who gives it back had it */
    here->has_order = false;
    import_destroy(shard, here->import);
    ordo_slot_evict(shard, slot); /* what was loaded ahead for an earlier move */
    here->rests = true;
    import_create(shard, slot, begin->move, IMPORT_CLEARING)->peer = peer;
#ifdef ORDO_BREAK_MOVE_LEFTOVERS
    ordo_slot_change(shard, slot, &row, false);
#else
    ordo_slot_change(shard, slot, &row, true);
#endif
    ordo_shard_note(shard, ORDO_NOTE_INFO, "event=import_began slot=%u move=%" PRIx64, slot, begin->move);
}

/* ---- rows */

static bool take_row(struct ordo_reader *reader, uint16_t slot, struct ordo_batch *rows) {
    uint8_t cf;
    struct ordo_slice key, value;
    struct ordo_key parsed;
    if (!ordo_take_u8(reader, &cf) || !ordo_take_sized(reader, &key) || !ordo_take_sized(reader, &value)) return false;
    if (cf <= ORDO_CF_META || cf >= ORDO_CF_COUNT || !ordo_key_parse(key, &parsed) || parsed.slot != slot) return false;
    ordo_batch_put(rows, (enum ordo_cf)cf, key, value);
    return true;
}

static void append_rows(struct ordo_batch *to, struct ordo_batch *rows) {
    ordo_buffer_append_slice(&to->records, ordo_buffer_slice(&rows->records));
    to->count += rows->count;
    ordo_batch_clear(rows);
}

/* What the other shard commits, from the count on: each run comes once, and follows what is counted and loaded. */
static void follow(struct ordo_shard *shard, struct ordo_import *import) {
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&import->late.records));
    for (struct ordo_batch_item item; ordo_batch_next(&reader, &item);) {
        if (item.cf != ORDO_CF_OPS) continue;
        if (ordo_slot_count_run(&import->count, item.key, item.value)) {
            fail(shard, import, "what came is not a run");
            return;
        }
        ordo_doc_follow(shard, item.key, item.value);
    }
    append_rows(&import->rows, &import->late);
}

static void take_rows(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__MoveRows *message) {
    struct ordo_import *import = find(shard, peer, message->move);
    bool is_taken = import != NULL && import->phase >= IMPORT_TAKING && import->phase <= IMPORT_FOLLOWING;
    if (!is_taken) return; /* it has ended here; the other shard knows or will */
    struct ordo_reader reader = ordo_reader(ordo_slice_of_binary(message->rows));
    struct ordo_batch *rows = import->phase == IMPORT_TAKING ? &import->rows : &import->late;
    while (ordo_reader_left(&reader) > 0) {
        if (take_row(&reader, import->slot, rows)) continue;
        fail(shard, import, "what came is not a row of the slot");
        return;
    }
    if (import->phase == IMPORT_FOLLOWING) follow(shard, import);
    else if (import->late.records.size > shard->config.move_tail_size_max)
        fail(shard, import, "more is committed to the slot than can be kept while it is counted");
}

static bool is_loading(const struct ordo_shard *shard, uint16_t slot) {
    for (const struct ordo_doc *doc = shard->slots[slot].docs; doc != NULL; doc = doc->next_in_slot)
        if (doc->is_loading) return true;
    return false;
}

static void prepared(struct ordo_shard *shard, struct ordo_import *import) {
    import_move(import, IMPORT_FOLLOWING);
    ordo_move_answer_prepared(shard, import->peer, import->move);
    follow(shard, import);
}

void ordo_imports_turn_end(struct ordo_shard *shard) {
    for (struct ordo_import *import = shard->imports, *next; import != NULL; import = next) {
        next = import->next;
        if (import->phase == IMPORT_PREPARING && import->is_counted && !is_loading(shard, import->slot)) {
            prepared(shard, import);
            if (shard->slots[import->slot].import == NULL) continue;
        }
        /* The last rows go with the row that says that all are there: a turn's background is written behind its batch. */
        bool is_synced = import->phase == IMPORT_FLUSHING || import->phase == IMPORT_SYNCING;
#ifdef ORDO_BREAK_MOVE_SYNC
        is_synced = false;
#endif
        append_rows(is_synced ? &shard->effects->batch : &shard->effects->background, &import->rows);
        bool has_news = import->peer != NULL && import->peer->link.credit_given != import->peer->link.credit_told;
        if (has_news) ordo_outbox_send_now(shard, import->peer, ordo_slice(NULL, 0)); /* so that the next rows come soon */
    }
}

/* ---- handing over */

static void count(struct ordo_shard *shard, const struct ordo_import *import) {
    struct ordo_job *job = ordo_job_create(ORDO_JOB_COUNT, ordo_slice(NULL, 0));
    job->count.is_import = true;
    job->count.move = import->move;
    job->count.slot = import->slot;
    ordo_shard_start_slot_job(shard, job);
}

/* Documents that will be attached as soon as the slot is ours. Should it not become ours, they are forgotten again. */
static void load_ahead(struct ordo_shard *shard, struct ordo_import *import) {
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&import->open));
    struct ordo_slice doc_key;
    struct ordo_key key;
    while (ordo_take_sized(&reader, &doc_key))
        if (ordo_key_parse(doc_key, &key) && key.slot == import->slot && key.rest.size == 0)
            (void)ordo_doc_get(shard, doc_key);
    ordo_buffer_finish(&import->open);
}

static void keep_open(struct ordo_import *import, const ProtobufCBinaryData *open, size_t count) {
    for (size_t i = 0; i < count && i < ORDO_MOVE_OPEN_MAX; i++)
        ordo_buffer_append_sized(&import->open, ordo_slice_of_binary(open[i]));
}

/* The same row once more: a turn that is synced, and with it all that was written in the background before. */
static void prepare(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__MovePrepare *message) {
    struct ordo_import *import = find(shard, peer, message->move);
    if (import == NULL || import->phase != IMPORT_TAKING) return;
    const struct ordo_slot_row row = shard->slots[import->slot].row;
    keep_open(import, message->open, message->n_open);
    import_move(import, IMPORT_FLUSHING);
    ordo_slot_change(shard, import->slot, &row, false);
}

static void freeze(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__MoveFreeze *message) {
    struct ordo_import *import = find(shard, peer, message->move);
    if (import == NULL || import->phase != IMPORT_FOLLOWING) return;
    struct ordo_slot_row row = shard->slots[import->slot].row;
    row.state = ORDO_SLOT_IMPORTED;
    keep_open(import, message->open, message->n_open);
    import_move(import, IMPORT_SYNCING);
    ordo_slot_change(shard, import->slot, &row, false);
}

void ordo_import_job_done(struct ordo_shard *shard, struct ordo_job *job) {
    struct ordo_import *import = shard->slots[job->count.slot].import;
    bool is_ours = import != NULL && import->move == job->count.move && import->phase == IMPORT_PREPARING;
    if (is_ours && job->err) {
        fail(shard, import, job->message);
    } else if (is_ours) {
        import->count = job->count.count;
        import->is_counted = true;
    }
    ordo_job_destroy(job);
}

static void own(struct ordo_shard *shard, uint16_t slot) {
    struct ordo_slot *here = &shard->slots[slot];
    const struct ordo_slot_row row = {.state = ORDO_SLOT_OWNED, .epoch = here->row.epoch + 1};
    if (here->import == NULL) import_create(shard, slot, here->row.move, IMPORT_OWNING);
    here->import->phase = IMPORT_OWNING; /* from any phase behind SYNCING: the other shard has decided */
    ordo_slot_change(shard, slot, &row, false);
}

static void given(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__MoveGiven *given) {
    if (given->slot >= ORDO_SLOT_COUNT) return;
    uint16_t slot = (uint16_t)given->slot;
    struct ordo_slot *here = &shard->slots[slot];
    const struct ordo_slot_row *row = &here->row;
    bool is_this = row->state == ORDO_SLOT_IMPORTED && row->move == given->move && row->epoch + 1 == given->epoch;
    bool was_taken = row->state != ORDO_SLOT_NONE && row->epoch >= given->epoch; /* and perhaps given on since */
    if (is_this) {
        own(shard, slot);
        here->import->peer = peer;
    } else if (was_taken && here->import != NULL && here->import->phase == IMPORT_OWNING) {
        here->import->peer = peer; /* told once it is durable */
    } else if (was_taken) {
        ordo_move_answer_taken(shard, peer, slot);
    } else {
        ordo_shard_note(shard, ORDO_NOTE_ERROR,
                        "event=gift_not_here slot=%u epoch=%" PRIu64 " move=%" PRIx64
                        " reason=\"the slot was given to this store, which does not hold it\"",
                        slot, given->epoch, given->move);
    }
}

void ordo_import_row_durable(struct ordo_shard *shard, uint16_t slot) {
    struct ordo_import *import = shard->slots[slot].import;
    if (import == NULL) return;
    switch (import->phase) {
    case IMPORT_CLEARING:
        import_move(import, IMPORT_TAKING);
        ordo_move_answer_ready(shard, import->peer, import->move);
        break;
    case IMPORT_FLUSHING:
        import_move(import, IMPORT_PREPARING);
        count(shard, import);
        load_ahead(shard, import);
        break;
    case IMPORT_SYNCING:
        import_move(import, IMPORT_READY);
        if (import->peer != NULL) ordo_move_answer_frozen(shard, import->peer, import->move, &import->count);
        load_ahead(shard, import);
        break;
    case IMPORT_OWNING:
        ordo_shard_note(shard, ORDO_NOTE_INFO, "event=slot_owned slot=%u epoch=%" PRIu64, slot,
                        shard->slots[slot].row.epoch);
        if (import->peer != NULL) ordo_move_answer_taken(shard, import->peer, slot);
        import_destroy(shard, import);
        ordo_slot_resume(shard, slot);
        break;
    case IMPORT_TAKING:
    case IMPORT_PREPARING:
    case IMPORT_FOLLOWING:
    case IMPORT_READY: break;
    }
}

static void drop(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__MoveDrop *message) {
    struct ordo_import *import = find(shard, peer, message->move);
    if (import != NULL && import->phase != IMPORT_OWNING)
        ordo_import_give_back(shard, import->slot, "the other shard keeps the slot");
}

void ordo_import_handle(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__ToShard *message) {
    peer->is_shard = true;
    switch (message->body_case) {
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_BEGIN: begin(shard, peer, message->move_begin); break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_ROWS: take_rows(shard, peer, message->move_rows); break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_PREPARE: prepare(shard, peer, message->move_prepare); break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_FREEZE: freeze(shard, peer, message->move_freeze); break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_GIVEN: given(shard, peer, message->move_given); break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_DROP: drop(shard, peer, message->move_drop); break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_MOVE_ASK: ordo_adrift_answer(shard, peer, message->move_ask); break;
    default: ORDO_ASSERT(false); /* peer.c sends nothing else here */
    }
}

/* ---- what else may happen */

bool ordo_import_is_adrift(const struct ordo_slot *here) {
    return here->row.state == ORDO_SLOT_IMPORTED && (here->import == NULL || here->import->peer == NULL);
}

void ordo_imports_session_ended(struct ordo_shard *shard, struct ordo_peer *peer) {
    for (struct ordo_import *import = shard->imports, *next; import != NULL; import = next) {
        next = import->next;
        if (import->peer != peer) continue;
        import->peer = NULL;
        if (import->phase < IMPORT_SYNCING) ordo_import_give_back(shard, import->slot, "the session with the other shard ended");
    }
}

void ordo_imports_disk_full(struct ordo_shard *shard) {
    for (struct ordo_import *import = shard->imports, *next; import != NULL; import = next) {
        next = import->next;
        if (import->phase < IMPORT_SYNCING) fail(shard, import, "the disk of this shard is full");
    }
}

void ordo_import_placed(struct ordo_shard *shard, uint16_t slot) {
    const struct ordo_slot_row *row = &shard->slots[slot].row;
    const struct ordo_slot_place *place = &shard->placement.slots[slot];
    bool may_be_ours = row->state == ORDO_SLOT_IMPORTING || row->state == ORDO_SLOT_IMPORTED;
    if (!may_be_ours || place->epoch <= row->epoch) return;
    bool is_us = memcmp(place->store.bytes, shard->config.store_id, sizeof place->store.bytes) == 0;
    /* Only the owner raises the epoch, by giving the slot away; and had he begun another move to here before he gave it, the
     * row would say so. */
    bool is_given = is_us && row->state == ORDO_SLOT_IMPORTED && place->epoch == row->epoch + 1;
    if (is_given) own(shard, slot);
    else if (!is_us) give_up(shard, slot, place, "the slot has another owner");
}
