/* Presence: cursors that are positions at some seq, here turned into positions in what is shown and back. */
#include <stdlib.h>

#include "client/c/core/doc_internal.h"
#include "common/memory.h"
#include "common/ot/text.h"
#include "common/ot/text_codec.h"

enum { PRESENCE_SIZE_PER_RANGE = 20, PRESENCE_SIZE_REST = 16 };

void doc_presence_finish(struct ordo_client_doc *doc) {
    struct doc_presence *presence = &doc->presence;
    ordo_buffer_finish(&presence->data);
    if (presence->recent != NULL) {
        for (size_t i = 0; i < DOC_RECENT_COUNT; i++) ordo_buffer_finish(&presence->recent[i].op);
    }
    free(presence->recent);
    for (size_t i = 0; i < presence->held_count; i++) ordo_buffer_finish(&presence->held[i].bytes);
    free(presence->held);
}

/* --- what we send ----------------------------------------------------------------------------------------------- */

/* Where a position in the content after `op` stood before it; one within inserted text stood where that went in. */
static uint64_t position_before(struct ordo_slice op, uint64_t position) {
    struct text_reader spans = text_op_trusted(op).spans;
    uint64_t left = position, base = 0;
    for (uint64_t span = text_read(&spans); span != 0; span = text_read(&spans)) {
        uint64_t n = text_span_n(span);
        switch (text_span_kind(span)) {
        case TEXT_INSERT:
            if (left <= n) return base;
            left -= n;
            break;
        case TEXT_RETAIN:
            if (left <= n) return base + left;
            left -= n;
            base += n;
            break;
        case TEXT_DELETE: base += n; break;
        }
    }
    return base + left;
}

static uint64_t min(uint64_t a, uint64_t b) { return a < b ? a : b; }

ordo_err ordo_client_doc_set_presence(struct ordo_client_doc *doc, struct ordo_slice data,
                                      const struct ordo_client_range *ranges, size_t range_count) {
    struct doc_presence *presence = &doc->presence;
    /* The limit holds for the whole message, as it is encoded. */
    size_t size = data.size + PRESENCE_SIZE_REST + range_count * PRESENCE_SIZE_PER_RANGE;
    if (range_count > ORDO_WIRE_RANGES_MAX || size > ORDO_PRESENCE_SIZE_MAX) return ORDO_ERR_TOO_LARGE;
    if (doc->has_failed) return ORDO_ERR_CLOSED;
    ordo_buffer_clear(&presence->data);
    ordo_buffer_append_slice(&presence->data, data);
    for (size_t i = 0; i < range_count; i++) {
        presence->ranges[i].anchor = min(ranges[i].anchor, doc->visible_length);
        presence->ranges[i].head = min(ranges[i].head, doc->visible_length);
    }
    presence->range_count = range_count;
    presence->is_set = presence->is_due = true;
    if (doc->touched != NULL) doc->touched(doc->owner, doc);
    return ORDO_OK;
}

void ordo_client_doc_clear_presence(struct ordo_client_doc *doc) {
    if (!doc->presence.is_set) return;
    doc->presence.is_set = false;
    doc->presence.is_due = true;
    if (doc->touched != NULL) doc->touched(doc->owner, doc);
}

void doc_presence_over(struct ordo_client_doc *doc, struct ordo_slice op, bool is_own) {
    struct doc_presence *presence = &doc->presence;
    if (!presence->is_set) return;
    for (size_t i = 0; i < presence->range_count; i++) {
        struct ordo_wire_range *range = &presence->ranges[i];
        range->anchor = doc->type->position_after(op, range->anchor, is_own);
        range->head = doc->type->position_after(op, range->head, is_own);
    }
}

void doc_presence_write(struct ordo_client_doc *doc, uint32_t handle, struct ordo_buffer *frame) {
    struct doc_presence *presence = &doc->presence;
    presence->is_due = false;
    if (!presence->is_set) {
        ordo_wire_write_presence(frame, handle, ordo_slice(NULL, 0), doc->seq, NULL, 0, true);
        return;
    }
    struct ordo_wire_range ranges[ORDO_WIRE_RANGES_MAX];
    struct ordo_live_op *edits[2] = {doc_has_pending(doc) ? doc->pending.live : NULL,
                                     doc_has_edit_in_flight(doc) ? doc->in_flight.live : NULL};
    memcpy(ranges, presence->ranges, sizeof ranges);
    for (size_t e = 0; e < 2 && doc->type == &ordo_type_text && !doc_is_reshaping(doc); e++) {
        if (edits[e] == NULL) continue;
        ordo_buffer_clear(&doc->scratch);
        doc->type->live_encode(edits[e], &doc->scratch);
        for (size_t i = 0; i < presence->range_count; i++) {
            ranges[i].anchor = position_before(ordo_buffer_slice(&doc->scratch), ranges[i].anchor);
            ranges[i].head = position_before(ordo_buffer_slice(&doc->scratch), ranges[i].head);
        }
    }
    ordo_wire_write_presence(frame, handle, ordo_buffer_slice(&presence->data), doc->seq, ranges,
                             presence->range_count, false);
}

/* --- what we receive -------------------------------------------------------------------------------------------- */

static void move_ranges(const struct ordo_client_doc *doc, struct ordo_wire_presence *presence, struct ordo_slice op,
                        bool moves_right) {
    for (size_t i = 0; i < presence->range_count; i++) {
        presence->ranges[i].anchor = doc->type->position_after(op, presence->ranges[i].anchor, moves_right);
        presence->ranges[i].head = doc->type->position_after(op, presence->ranges[i].head, moves_right);
    }
}

/* From base_seq, at or below ours, to what is shown. Ops that we no longer have leave the positions as they are. */
static void bring_up(struct ordo_client_doc *doc, struct ordo_wire_presence *presence) {
    const struct doc_recent *recent = doc->presence.recent;
    uint64_t oldest = doc->seq >= DOC_RECENT_COUNT ? doc->seq - DOC_RECENT_COUNT + 1 : 1;
    uint64_t seq = presence->base_seq + 1 > oldest ? presence->base_seq + 1 : oldest;
    for (; recent != NULL && seq <= doc->seq; seq++) {
        const struct doc_recent *op = &recent[seq % DOC_RECENT_COUNT];
        if (op->seq != seq) continue;
        bool is_theirs = ordo_slice_equal(ordo_slice(op->client_id, op->client_id_size), presence->client_id);
        move_ranges(doc, presence, ordo_buffer_slice(&op->op), is_theirs);
    }
    for (size_t i = 0; i < presence->range_count; i++) {
        presence->ranges[i].anchor = min(presence->ranges[i].anchor, doc->length);
        presence->ranges[i].head = min(presence->ranges[i].head, doc->length);
    }
    if (doc_is_reshaping(doc)) return;
    struct ordo_live_op *edits[2] = {doc_has_edit_in_flight(doc) ? doc->in_flight.live : NULL,
                                     doc_has_pending(doc) ? doc->pending.live : NULL};
    for (size_t e = 0; e < 2; e++) {
        if (edits[e] == NULL) continue;
        ordo_buffer_clear(&doc->scratch);
        doc->type->live_encode(edits[e], &doc->scratch);
        move_ranges(doc, presence, ordo_buffer_slice(&doc->scratch), false);
    }
}

static void tell(struct ordo_client_doc *doc, const struct ordo_wire_presence *presence) {
    if (doc->listener.presence == NULL) return;
    struct ordo_wire_presence now = *presence;
    struct ordo_client_range ranges[ORDO_WIRE_RANGES_MAX];
    if (!now.gone) bring_up(doc, &now);
    for (size_t i = 0; i < now.range_count; i++)
        ranges[i] = (struct ordo_client_range){.anchor = now.ranges[i].anchor, .head = now.ranges[i].head};
    doc->listener.presence(doc->user, doc,
                           &(struct ordo_client_presence){.client_id = now.client_id,
                                                          .user = now.user,
                                                          .data = now.data,
                                                          .ranges = ranges,
                                                          .range_count = now.range_count,
                                                          .is_gone = now.gone});
}

static void drop_held(struct doc_presence *presence, size_t index) {
    ordo_buffer_finish(&presence->held[index].bytes);
    presence->held[index] = presence->held[--presence->held_count];
    /* The slice of the client_id points into the entry itself. */
    struct doc_held *moved = &presence->held[index];
    moved->presence.client_id.data = moved->client_id;
}

/* The newest of a client replaces what was held of it. */
static void hold(struct doc_presence *presence, const struct ordo_wire_presence *message) {
    if (presence->held == NULL) presence->held = ordo_alloc_array(DOC_HELD_COUNT_MAX, sizeof *presence->held);
    if (presence->held_count == DOC_HELD_COUNT_MAX) drop_held(presence, 0);
    struct doc_held *held = &presence->held[presence->held_count++];
    *held = (struct doc_held){.presence = *message};
    memcpy(held->client_id, message->client_id.data, message->client_id.size);
    held->presence.client_id.data = held->client_id;
    ordo_buffer_append_slice(&held->bytes, message->data);
    ordo_buffer_append_slice(&held->bytes, message->user);
    held->presence.data.data = held->bytes.data;
    held->presence.user.data = held->bytes.data == NULL ? NULL : held->bytes.data + message->data.size;
}

void ordo_client_doc_presence(struct ordo_client_doc *doc, const struct ordo_wire_presence *message) {
    struct doc_presence *presence = &doc->presence;
    if (doc->has_failed || !doc->wants_presence || !doc->has_content || doc->type == NULL) return;
    if (message->client_id.size == 0 || message->client_id.size > ORDO_CLIENT_ID_SIZE_MAX) return;
    if (message->data.size > ORDO_PRESENCE_SIZE_MAX || message->user.size > ORDO_USER_SIZE_MAX) return;
    for (size_t i = presence->held_count; i-- > 0;) {
        if (ordo_slice_equal(presence->held[i].presence.client_id, message->client_id)) drop_held(presence, i);
    }
    if (!message->gone && message->base_seq > doc->seq) hold(presence, message);
    else tell(doc, message);
}

void doc_presence_note(struct ordo_client_doc *doc, struct ordo_slice op, struct ordo_slice client_id) {
    struct doc_presence *presence = &doc->presence;
    if (!doc->wants_presence || doc->listener.presence == NULL) return;
    if (presence->recent == NULL) presence->recent = ordo_alloc_array(DOC_RECENT_COUNT, sizeof *presence->recent);
    struct doc_recent *recent = &presence->recent[doc->seq % DOC_RECENT_COUNT];
    recent->seq = doc->seq;
    memcpy(recent->client_id, client_id.data, client_id.size);
    recent->client_id_size = client_id.size;
    ordo_buffer_clear(&recent->op);
    if (op.size <= DOC_RECENT_OP_SIZE_MAX) ordo_buffer_append_slice(&recent->op, op);
    else recent->seq = 0; /* too large to keep: cursors from before it may be off for a moment */
}

void doc_presence_release(struct ordo_client_doc *doc) {
    struct doc_presence *presence = &doc->presence;
    for (size_t i = presence->held_count; i-- > 0;) {
        if (presence->held[i].presence.base_seq > doc->seq) continue;
        struct doc_held held = presence->held[i];
        held.presence.client_id.data = held.client_id;
        presence->held[i].bytes = (struct ordo_buffer){0};
        drop_held(presence, i);
        tell(doc, &held.presence);
        ordo_buffer_finish(&held.bytes);
    }
}

void doc_presence_forget(struct ordo_client_doc *doc) {
    struct doc_presence *presence = &doc->presence;
    for (size_t i = 0; presence->recent != NULL && i < DOC_RECENT_COUNT; i++) presence->recent[i].seq = 0;
    while (presence->held_count > 0) drop_held(presence, presence->held_count - 1);
}
