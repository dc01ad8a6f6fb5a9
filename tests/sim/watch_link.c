#include "tests/sim/watch.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/memory.h"

struct subscriber {
    uint64_t session, number;
    struct oracle_doc *doc;
    uint64_t asked_seq; /* the head on disk when the Attach arrived */
    uint8_t client[ORDO_CLIENT_ID_SIZE_MAX];
    size_t client_size;
    bool is_bare;
};

struct numbered_doc {
    uint64_t session;
    uint32_t number;
    struct oracle_doc *doc;
};

struct watch_link {
    struct oracle *oracle;
    struct sim_verdict *verdict;
    struct ordo_arena arena;
    struct subscriber *subscribers;
    size_t subscriber_count;
    struct numbered_doc *docs;
    size_t doc_count;
};

struct watch_link *watch_link_create(struct oracle *oracle, struct sim_verdict *verdict) {
    struct watch_link *link = ordo_alloc(sizeof *link);
    link->oracle = oracle;
    link->verdict = verdict;
    ordo_arena_init(&link->arena, SIZE_MAX / 2);
    return link;
}

void watch_link_destroy(struct watch_link *link) {
    if (link == NULL) return;
    ordo_arena_finish(&link->arena);
    free(link->subscribers);
    free(link->docs);
    free(link);
}

static const struct subscriber *subscriber_of(const struct watch_link *link, uint64_t session, uint64_t number) {
    for (size_t i = link->subscriber_count; i-- > 0;) {
        const struct subscriber *known = &link->subscribers[i];
        if (known->session == session && known->number == number) return known;
    }
    return NULL;
}

static struct oracle_doc *doc_of(const struct watch_link *link, uint64_t session, uint32_t number) {
    for (size_t i = link->doc_count; i-- > 0;) {
        if (link->docs[i].session == session && link->docs[i].number == number) return link->docs[i].doc;
    }
    return NULL;
}

static void sent_attach(struct watch_link *link, uint64_t session, const Ordo__Cluster__V1__Attach *attach) {
    if (attach->client_id.len > ORDO_CLIENT_ID_SIZE_MAX) return;
    link->subscribers =
        ordo_realloc(link->subscribers, (link->subscriber_count + 1) * sizeof *link->subscribers);
    struct subscriber *subscriber = &link->subscribers[link->subscriber_count++];
    *subscriber = (struct subscriber){
        .session = session,
        .number = attach->subscriber,
        .doc = oracle_doc_of(link->oracle, ordo_slice_of_binary(attach->collection),
                             ordo_slice_of_binary(attach->id)),
        .client_size = attach->client_id.len,
    };
    subscriber->asked_seq = subscriber->doc->count;
    subscriber->is_bare = attach->bare;
    if (attach->client_id.len > 0) memcpy(subscriber->client, attach->client_id.data, attach->client_id.len);
}

void watch_link_to_shard(struct watch_link *link, struct ordo_slice bytes) {
    ordo_arena_reset(&link->arena);
    const Ordo__Cluster__V1__Envelope *envelope =
        ordo_message_decode(&ordo__cluster__v1__envelope__descriptor, bytes, &link->arena);
    if (envelope == NULL) {
        sim_fail(link->verdict, SIM_CHECK_WIRE, "a gateway sent an Envelope that does not decode");
        return;
    }
    for (size_t i = 0; i < envelope->n_to_shard; i++) {
        const Ordo__Cluster__V1__ToShard *message = envelope->to_shard[i];
        if (message->body_case == ORDO__CLUSTER__V1__TO_SHARD__BODY_ATTACH) {
            sent_attach(link, envelope->session, message->attach);
        }
    }
}

/* From the moment on when it is on disk that the document was forgotten. */
static void check_forgotten(struct watch_link *link, const struct oracle_doc *doc, uint64_t seq, const char *what) {
    if (seq > oracle_erased_seq(doc)) return;
    sim_fail(link->verdict, SIM_CHECK_FORGOTTEN, "the shard sends %s at %" PRIu64 " of %.*s, which is forgotten up to %" PRIu64,
             what, seq, (int)doc->id.size, doc->id.data, oracle_erased_seq(doc));
}

static void check_content(struct watch_link *link, const struct oracle_doc *doc, uint64_t seq, uint64_t size,
                          bool is_deleted) {
    bool is_nothing = seq == oracle_erased_seq(doc) && is_deleted && size == 0;
    if (seq > 0 && !is_nothing) check_forgotten(link, doc, seq, "content");
}

static void shown_committed(struct watch_link *link, struct oracle_doc *doc, struct ordo_slice bytes) {
    const Ordo__V1__Committed *committed =
        ordo_message_decode(&ordo__v1__committed__descriptor, bytes, &link->arena);
    if (committed == NULL) {
        sim_fail(link->verdict, SIM_CHECK_WIRE, "the shard sent a Committed that does not decode");
        return;
    }
    struct oracle_op op = watch_op_of_committed(committed);
    check_forgotten(link, doc, op.seq, "an op");
    oracle_shown(link->oracle, doc, &op, false, "the shard");
}

static void sent_commit(struct watch_link *link, uint64_t session, const Ordo__Cluster__V1__Commit *commit) {
    struct oracle_doc *doc = doc_of(link, session, commit->doc);
    if (doc == NULL) {
        sim_fail(link->verdict, SIM_CHECK_WIRE, "the shard sent a Commit for document number %u, never Attached",
                 commit->doc);
        return;
    }
    shown_committed(link, doc, ordo_slice_of_binary(commit->committed));
    const struct subscriber *author = subscriber_of(link, session, commit->author);
    if (commit->author == 0 || link->verdict->violated) return;
    struct oracle_op op = {
        .seq = commit->seq,
        .client = author ? ordo_slice(author->client, author->client_size) : ordo_slice(NULL, 0),
        .client_seq = commit->client_seq,
        .timestamp_ms = commit->timestamp_ms,
    };
    oracle_shown(link->oracle, doc, &op, true, "the shard's ack");
}

static void sent_duplicate(struct watch_link *link, uint64_t session,
                           const Ordo__Cluster__V1__DuplicateAck *duplicate) {
    const struct subscriber *subscriber = subscriber_of(link, session, duplicate->subscriber);
    if (subscriber == NULL) return;
    check_forgotten(link, subscriber->doc, duplicate->server_seq, "an ack");
    struct ordo_slice client = ordo_slice(subscriber->client, subscriber->client_size);
    const struct oracle_entry *entry = oracle_find(link->oracle, subscriber->doc, client, duplicate->client_seq);
    if (entry == NULL) {
        sim_fail(link->verdict, SIM_CHECK_DURABLE,
                 "the shard acks a duplicate of (%s, %" PRIu64 ") at seq %" PRIu64 ", which is not on disk",
                 oracle_hex(client), duplicate->client_seq, duplicate->server_seq);
    } else if (entry->op.seq != duplicate->server_seq) {
        sim_fail(link->verdict, SIM_CHECK_DUPLICATE,
                 "the shard answers a duplicate of (%s, %" PRIu64 ") with seq %" PRIu64 ", originally %" PRIu64,
                 oracle_hex(client), duplicate->client_seq, duplicate->server_seq, entry->op.seq);
    }
}

static void sent_ops(struct watch_link *link, struct oracle_doc *doc, const Ordo__Cluster__V1__Bulk *bulk) {
    if (bulk == NULL || bulk->bytes.len != bulk->size) return;
    struct ordo_reader reader = ordo_reader(ordo_slice_of_binary(bulk->bytes));
    struct ordo_slice committed;
    for (uint64_t tag; ordo_take_varint(&reader, &tag) && ordo_take_sized(&reader, &committed);) {
        shown_committed(link, doc, committed);
    }
}

static void sent_history(struct watch_link *link, uint64_t session, const Ordo__Cluster__V1__HistoryAnswer *answer) {
    const struct subscriber *subscriber = subscriber_of(link, session, answer->subscriber);
    if (subscriber == NULL || answer->error_code != 0) return;
    sent_ops(link, subscriber->doc, answer->ops);
    if (!answer->has_content) return;
    check_content(link, subscriber->doc, answer->content_seq, answer->content ? answer->content->size : 0,
                  answer->content_deleted);
}

static void sent_attached(struct watch_link *link, uint64_t session,
                          const Ordo__Cluster__V1__Attached *attached) {
    const struct subscriber *subscriber = subscriber_of(link, session, attached->subscriber);
    if (subscriber == NULL) {
        sim_fail(link->verdict, SIM_CHECK_WIRE, "the shard sent Attached to a subscriber that never asked");
        return;
    }
    struct oracle_doc *doc = subscriber->doc;
    link->docs = ordo_realloc(link->docs, (link->doc_count + 1) * sizeof *link->docs);
    link->docs[link->doc_count++] =
        (struct numbered_doc){.session = session, .number = attached->doc, .doc = doc};
    if (attached->head > doc->count) {
        sim_fail(link->verdict, SIM_CHECK_DURABLE, "the shard shows head %" PRIu64 " but on disk it is %zu",
                 attached->head, doc->count);
        return;
    }
    if (attached->head < subscriber->asked_seq) {
        sim_fail(link->verdict, SIM_CHECK_OPENED,
                 "the shard shows head %" PRIu64 ", on disk it was %" PRIu64 " before", attached->head,
                 subscriber->asked_seq);
        return;
    }
    if (attached->lineage != oracle_lineage(doc, attached->head)) {
        sim_fail(link->verdict, SIM_CHECK_OPENED, "the shard shows lineage %" PRIx64 " at head %" PRIu64 ", on disk it is %" PRIx64,
                 attached->lineage, attached->head, oracle_lineage(doc, attached->head));
    }
    sent_ops(link, doc, attached->ops);
    if (attached->has_content && !subscriber->is_bare) {
        check_content(link, doc, attached->content_seq, attached->content ? attached->content->size : 0,
                      attached->content_deleted);
    }
    uint64_t server_seq, client_seq = oracle_last_client_seq(
        doc, ordo_slice(subscriber->client, subscriber->client_size), attached->head, &server_seq);
    if (oracle_may_be_forgotten(attached->last_client_seq, attached->forgotten_seq, server_seq)) {
        client_seq = server_seq = 0;
    }
    if (attached->last_client_seq != client_seq || attached->last_client_server_seq != server_seq) {
        sim_fail(link->verdict, SIM_CHECK_OPENED,
                 "Attached of %s has last_client_seq %" PRIu64 " at %" PRIu64 ", on disk %" PRIu64 " at %" PRIu64,
                 oracle_hex(ordo_slice(subscriber->client, subscriber->client_size)), attached->last_client_seq,
                 attached->last_client_server_seq, client_seq, server_seq);
    }
    if (attached->has_content && !subscriber->is_bare && attached->content != NULL &&
        attached->content->bytes.len == attached->content->size &&
        !oracle_content_is(link->oracle, doc, attached->content_seq,
                           ordo_slice_of_binary(attached->content->bytes))) {
        sim_fail(link->verdict, SIM_CHECK_OPENED, "Attached has another content at seq %" PRIu64,
                 attached->content_seq);
    }
}

void watch_link_from_shard(struct watch_link *link, struct ordo_slice bytes) {
    ordo_arena_reset(&link->arena);
    const Ordo__Cluster__V1__Envelope *envelope =
        ordo_message_decode(&ordo__cluster__v1__envelope__descriptor, bytes, &link->arena);
    if (envelope == NULL) {
        sim_fail(link->verdict, SIM_CHECK_WIRE, "the shard sent an Envelope that does not decode");
        return;
    }
    for (size_t i = 0; i < envelope->n_to_gateway && !link->verdict->violated; i++) {
        const Ordo__Cluster__V1__ToGateway *message = envelope->to_gateway[i];
        switch ((int)message->body_case) {
        case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_ATTACHED:
            sent_attached(link, envelope->session, message->attached);
            break;
        case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_COMMIT:
            sent_commit(link, envelope->session, message->commit);
            break;
        case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_DUPLICATE:
            sent_duplicate(link, envelope->session, message->duplicate);
            break;
        case ORDO__CLUSTER__V1__TO_GATEWAY__BODY_HISTORY:
            sent_history(link, envelope->session, message->history);
            break;
        default: break;
        }
    }
}
