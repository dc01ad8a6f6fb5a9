/* Acks, nacks and live ops: what settles the op in flight (docs/protocol.md, "Submitting"). */
#include "client/c/core/doc_internal.h"

enum { REOPENS_MAX = 3, RETRY_MIN_MS = 100, RETRY_MAX_MS = 5000 };

bool doc_is_deaf(const struct ordo_client_doc *doc) {
    return doc->has_failed || doc->phase == DOC_CLOSED || doc->need == DOC_NEEDS_RECONNECT;
}

void doc_reopen(struct ordo_client_doc *doc) {
    if (doc->need != DOC_NEEDS_NOTHING) return;
    doc_need(doc, ++doc->reopen_count > REOPENS_MAX ? DOC_NEEDS_RECONNECT : DOC_NEEDS_REOPEN);
}

/* --- in the order ----------------------------------------------------------------------------------------------- */

void ordo_client_doc_committed(struct ordo_client_doc *doc, const struct ordo_wire_committed *committed) {
    if (doc_is_deaf(doc) || doc->phase != DOC_LIVE || !doc->has_content) return;
    if (doc->answer.is_active) doc_reopen(doc); /* live messages follow the last part */
    else doc_place(doc, committed);
    doc_tell_status(doc);
}

void ordo_client_doc_ack(struct ordo_client_doc *doc, const struct ordo_wire_ack *ack) {
    if (doc_is_deaf(doc) || doc->phase != DOC_LIVE || !doc->has_content) return;
    struct doc_in_flight *flight = &doc->in_flight;
    if (!flight->is_set || flight->client_seq != ack->client_seq) return;
    if (ack->duplicate) {
        /* No place in the order. What it stands for is still to come, or we have it and do not know it for ours. */
        if (ack->server_seq <= doc->seq) doc_reopen(doc);
        doc_tell_status(doc);
        return;
    }
    /* Not the next place; or it is, but not with the body that we hold: the Opened that follows will bring it. */
    if (ack->server_seq != doc->seq + 1 || doc->answer.is_active || flight->is_inexact ||
        flight->is_overtaken) {
        doc_reopen(doc);
        doc_tell_status(doc);
        return;
    }
    struct ordo_client_commit commit = {.server_seq = ack->server_seq,
                                        .client_id = doc_client(doc),
                                        .client_seq = ack->client_seq,
                                        .base_seq = flight->base_seq,
                                        .timestamp_ms = ack->timestamp_ms,
                                        .kind = flight->kind,
                                        .op = doc_in_flight_now(doc),
                                        .is_ack = true};
    if (doc_promote(doc, commit.op, ack->server_seq)) {
        doc_tell_committed(doc, &commit);
        doc_tell_acked(doc, ack->client_seq, ack->server_seq);
        if (doc->presence.held_count > 0) doc_presence_release(doc);
    }
    doc_tell_status(doc);
}

/* --- nacks ------------------------------------------------------------------------------------------------------ */

static void retry_later(struct ordo_client_doc *doc, uint64_t after_ms, uint64_t now_ms) {
    struct doc_in_flight *flight = &doc->in_flight;
    if (after_ms == 0) after_ms = RETRY_MIN_MS << (flight->attempt_count < 6 ? flight->attempt_count : 6);
    flight->attempt_count++;
    flight->is_sent = false;
    doc->retry_at_ms = now_ms + (after_ms < RETRY_MAX_MS ? after_ms : RETRY_MAX_MS);
}

static void refused(struct ordo_client_doc *doc, enum ordo_client_give_back_reason reason,
                    const struct ordo_wire_nack *nack) {
    if (!doc->in_flight.is_overtaken) {
        doc_give_back(doc, reason, nack->code, nack->message);
        return;
    }
    doc->in_flight.is_set = false; /* what is pending has nothing to do with it */
    if (doc->in_flight.kind == ORDO_CLIENT_CREATE) doc_give_back_created(doc, reason, nack->code, nack->message);
}

void ordo_client_doc_nack(struct ordo_client_doc *doc, const struct ordo_wire_nack *nack, uint64_t now_ms) {
    if (doc_is_deaf(doc)) return;
    struct doc_in_flight *flight = &doc->in_flight;
    if (!flight->is_set || flight->client_seq != nack->client_seq) return;
    switch ((enum ordo_wire_nack_code)nack->code) {
    case ORDO_NACK_RATE_LIMITED:
    case ORDO_NACK_UNAVAILABLE: retry_later(doc, nack->retry_after_ms, now_ms); break;
    case ORDO_NACK_NOT_OPEN:
        /* Says nothing of the copies that went out before: the frozen op is sent again after Opened, which is safe
         * whatever became of them. */
        doc_reopen(doc);
        break;
    case ORDO_NACK_STALE_BASE:
    case ORDO_NACK_FUTURE_BASE:
    case ORDO_NACK_PIPELINED:
        flight->is_refused = true;
        doc_reopen(doc);
        break;
    case ORDO_NACK_REPLAYED:
    case ORDO_NACK_CLIENT_ID_TAKEN:
        doc_unfreeze(doc);
        doc_need(doc, DOC_NEEDS_CLIENT_ID);
        break;
    case ORDO_NACK_DELETED: refused(doc, ORDO_CLIENT_GONE, nack); break;
    case ORDO_NACK_UNKNOWN:
    case ORDO_NACK_INVALID_OP:
    case ORDO_NACK_FORBIDDEN:
    case ORDO_NACK_TOO_LARGE:
    case ORDO_NACK_EXISTS:
    case ORDO_NACK_CONFLICT:
    default: /* a code of a later server: whatever it means, the op is refused */
        refused(doc, ORDO_CLIENT_REFUSED, nack);
        break;
    }
    doc_tell_status(doc);
}

void ordo_client_doc_document_status(struct ordo_client_doc *doc, const struct ordo_wire_status *status) {
    doc->is_unavailable = status->state != 0;
    doc_tell_status(doc);
}
