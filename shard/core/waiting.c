/* Inputs of a document that wait for a job: in order, bounded in bytes, each as the message that it came as. */
#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "shard/core/state.h"

enum { RETRY_MS = 200, RETRY_DAMAGED_MS = 5000 };

bool ordo_doc_wait(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                   const Ordo__Cluster__V1__ToShard *message) {
    size_t size = ordo__cluster__v1__to_shard__get_packed_size(message);
    bool is_detach = message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH; /* small, and must not be lost */
    if (!is_detach && doc->queue_size + size > shard->config.doc_queue_size_max) return false;
    bool is_attach = message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_ATTACH;
    struct ordo_slice client_id = is_attach ? ordo_slice_of_binary(message->attach->client_id) : ordo_slice(NULL, 0);
    struct ordo_input *input = ordo_alloc(sizeof *input + size + client_id.size);
    ordo__cluster__v1__to_shard__pack(message, input->message);
    if (is_attach) memcpy(input->message + size, client_id.data, client_id.size);
    input->client_size = (uint8_t)client_id.size;
    input->peer = subscriber->peer;
    input->subscriber = subscriber->id;
    input->is_attach = is_attach;
    input->size = size;
    *doc->queue_tail = input;
    doc->queue_tail = &input->next;
    doc->queue_size += size;
    input->peer->waiting_size += size;
    subscriber->queued_count++;
    return true;
}

static void unlink_input(struct ordo_doc *doc, struct ordo_input **link) {
    struct ordo_input *input = *link;
    *link = input->next;
    if (input->next == NULL) doc->queue_tail = link;
    doc->queue_size -= input->size;
    input->peer->waiting_size -= input->size;
}

void ordo_doc_forget_inputs(struct ordo_doc *doc, struct ordo_subscriber *subscriber) {
    if (subscriber->queued_count == 0) return;
    for (struct ordo_input **link = &doc->queue; *link != NULL;) {
        struct ordo_input *input = *link;
        if (input->peer != subscriber->peer || input->subscriber != subscriber->id) {
            link = &input->next;
            continue;
        }
        unlink_input(doc, link);
        free(input);
    }
    subscriber->queued_count = 0;
}

static const Ordo__Cluster__V1__ToShard *input_message(struct ordo_shard *shard, const struct ordo_input *input) {
    ordo_arena_reset(&shard->wait_arena);
    const Ordo__Cluster__V1__ToShard *message = ordo_message_decode(
        &ordo__cluster__v1__to_shard__descriptor, ordo_slice(input->message, input->size), &shard->wait_arena);
    ORDO_ASSERT(message != NULL); /* our own encoding of what was decoded before */
    return message;
}

static struct ordo_slice input_client_id(const struct ordo_input *input) {
    return ordo_slice(input->message + input->size, input->client_size);
}

static void handle_known(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_subscriber *subscriber,
                         const Ordo__Cluster__V1__ToShard *message) {
    switch (message->body_case) {
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH: ordo_subscriber_destroy(shard, subscriber); break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_SUBMIT:
        ordo_sequence_submit(shard, doc, subscriber, message->submit);
        break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_PRESENCE:
        ordo_presence_set(shard, doc, subscriber, ordo_slice_of_binary(message->presence->update));
        break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_HISTORY: ordo_history(shard, doc, subscriber, message->history); break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_FORGET: ordo_erase_ask(shard, doc, subscriber, message->forget); break;
    default: ORDO_ASSERT(false); /* peer.c sends nothing else here */
    }
}

/* Whether the first of these inputs may go on; asking may start the job that it waits for. */
static bool is_ready(struct ordo_shard *shard, struct ordo_doc *doc, const struct ordo_input *input,
                     const struct ordo_subscriber *subscriber) {
    /* What stands in front of its Attach is of the time before: the answer to the Attach says how that went. */
    if (!input->is_attach) return subscriber->held_round != shard->drain_round;
    return !ordo_attach_must_wait(shard, doc, input_client_id(input));
}

void ordo_doc_drain(struct ordo_shard *shard, struct ordo_doc *doc) {
    ORDO_ASSERT(!doc->is_loading);
    if (ordo_doc_is_frozen(shard, doc)) return; /* until the slot stays, or is gone */
    /* What is handled may end subscribers, and with them inputs further on: so look from the front again each time
     * something was handled, but for inputs that were found waiting in this round: their number is kept. */
    size_t skip_count = 0;
    shard->drain_round++;
    for (;;) {
        struct ordo_input **link = &doc->queue;
        for (size_t i = 0; i < skip_count && *link != NULL; i++) link = &(*link)->next;
        struct ordo_input *input = *link;
        if (input == NULL) break;
        struct ordo_subscriber *subscriber = ordo_peer_subscriber(input->peer, input->subscriber);
        ORDO_ASSERT(subscriber != NULL && subscriber->audience->doc == doc);
        if (!is_ready(shard, doc, input, subscriber)) {
            skip_count++;
            if (input->is_attach) subscriber->held_round = shard->drain_round;
            continue;
        }
        unlink_input(doc, link);
        subscriber->queued_count--;
        const Ordo__Cluster__V1__ToShard *message = input_message(shard, input);
        size_t left_before = doc->queue_size;
        if (input->is_attach) ordo_attach_known(shard, doc, subscriber, message->attach);
        else handle_known(shard, doc, subscriber, message);
        free(input);
        if (doc->queue_size == left_before) continue;
        skip_count = 0;
        shard->drain_round++;
    }
}

/* What waited, or would have had to, is not done. */
static void answer_unavailable(struct ordo_shard *shard, struct ordo_peer *peer,
                               const Ordo__Cluster__V1__ToShard *message, const char *text, uint32_t retry_ms) {
    if (message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_SUBMIT) {
        ordo_answer_nack(shard, peer, message->submit->subscriber, message->submit->client_seq,
                         ORDO__V1__NACK_CODE__UNAVAILABLE, text, retry_ms, 0);
    } else if (message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_HISTORY) {
        ordo_answer_history_error(shard, peer, message->history->subscriber, message->history->request, 503, text);
    } else if (message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_FORGET) {
        ordo_erase_refuse(shard, peer, message->forget, 503, text);
    }
}

static uint64_t subscriber_of(const Ordo__Cluster__V1__ToShard *message) {
    switch (message->body_case) {
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH: return message->detach->subscriber;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_SUBMIT: return message->submit->subscriber;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_PRESENCE: return message->presence->subscriber;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_HISTORY: return message->history->subscriber;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_FORGET: return message->forget->subscriber;
    default: return 0;
    }
}

static void handle_stranger(struct ordo_shard *shard, struct ordo_peer *peer,
                            const Ordo__Cluster__V1__ToShard *message) {
    switch (message->body_case) {
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_SUBMIT:
        ordo_answer_nack(shard, peer, message->submit->subscriber, message->submit->client_seq,
                         ORDO__V1__NACK_CODE__NOT_OPEN, "the document is not open here: open it again", 0, 0);
        break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_HISTORY:
        ordo_answer_history_error(shard, peer, message->history->subscriber, message->history->request, 409,
                                  "the document is not open here: open it first");
        break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_FORGET:
        ordo_erase_refuse(shard, peer, message->forget, 409, "the document is not open here: open it first");
        break;
    case ORDO__CLUSTER__V1__TO_SHARD__BODY_DETACH: /* its Attach may be held */
        if (message->detach->subscriber != 0) ordo_slots_forget_held(shard, peer, message->detach->subscriber);
        break;
    default: break;
    }
}

/* Of a document whose slot is being handed over nothing changes, and nothing new is begun. */
static bool must_wait(const struct ordo_shard *shard, const struct ordo_doc *doc,
                      const Ordo__Cluster__V1__ToShard *message) {
    return ordo_doc_is_frozen(shard, doc) && (message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_SUBMIT ||
                                              message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_HISTORY);
}

void ordo_doc_handle(struct ordo_shard *shard, struct ordo_peer *peer, const Ordo__Cluster__V1__ToShard *message) {
    struct ordo_subscriber *subscriber = ordo_peer_subscriber(peer, subscriber_of(message));
    if (subscriber == NULL) {
        handle_stranger(shard, peer, message);
        return;
    }
    struct ordo_doc *doc = subscriber->audience->doc;
    if (subscriber->queued_count == 0 && !must_wait(shard, doc, message)) handle_known(shard, doc, subscriber, message);
    else if (!ordo_doc_wait(shard, doc, subscriber, message))
        answer_unavailable(shard, peer, message, "too much is waiting for this document: send again", RETRY_MS);
}

void ordo_doc_refuse_waiting(struct ordo_shard *shard, struct ordo_doc *doc, const char *text) {
    while (doc->queue != NULL) {
        struct ordo_input *input = doc->queue;
        struct ordo_subscriber *subscriber = ordo_peer_subscriber(input->peer, input->subscriber);
        const Ordo__Cluster__V1__ToShard *message = input_message(shard, input);
        unlink_input(doc, &doc->queue);
        subscriber->queued_count--;
        if (input->is_attach) ordo_answer_refused(shard, input->peer, input->subscriber, 503, text, RETRY_DAMAGED_MS);
        else answer_unavailable(shard, input->peer, message, text, RETRY_DAMAGED_MS);
        if (subscriber->queued_count == 0) ordo_subscriber_destroy(shard, subscriber);
        free(input);
    }
}

void ordo_doc_refuse_waiting_client(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_slice client_id,
                                    const char *text) {
    for (struct ordo_input *input = doc->queue; input != NULL;) {
        if (!input->is_attach || !ordo_slice_equal(input_client_id(input), client_id)) {
            input = input->next;
            continue;
        }
        ordo_subscriber_refuse(shard, ordo_peer_subscriber(input->peer, input->subscriber), 503, text,
                               RETRY_DAMAGED_MS);
        input = doc->queue; /* the subscriber's inputs went with it */
    }
}
