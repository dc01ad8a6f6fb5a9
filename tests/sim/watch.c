#include "tests/sim/watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"

void watch_init(struct watch *watch, struct oracle *oracle, struct sim_verdict *verdict, const char *name) {
    *watch = (struct watch){.oracle = oracle, .verdict = verdict};
    snprintf(watch->name, sizeof watch->name, "%s", name);
}

void watch_finish(struct watch *watch) {
    for (size_t i = 0; i < watch->doc_count; i++) ordo_buffer_finish(&watch->docs[i].content);
    for (size_t i = 0; i < watch->history_count; i++) ordo_buffer_finish(&watch->histories[i].content);
    free(watch->histories);
    free(watch->docs);
    free(watch->opens);
    *watch = (struct watch){0};
}

struct watch_doc *watch_doc_of(struct watch *watch, uint32_t handle) {
    for (size_t i = 0; i < watch->doc_count; i++) {
        if (watch->docs[i].handle == handle) return &watch->docs[i];
    }
    return NULL;
}

static struct ordo_slice client_of(const struct watch *watch) {
    return ordo_slice(watch->client, watch->client_size);
}

struct oracle_op watch_op_of_committed(const Ordo__V1__Committed *committed) {
    struct oracle_op op = {
        .seq = committed->server_seq,
        .client = ordo_slice_of_binary(committed->client_id),
        .client_seq = committed->client_seq,
        .base_seq = committed->base_seq,
        .timestamp_ms = committed->timestamp_ms,
        .user = ordo_slice_of_binary(committed->user),
        .kind = ORACLE_UNKNOWN,
    };
    switch ((int)committed->op_case) {
    case ORDO__V1__COMMITTED__OP_TEXT:
        op.kind = ORACLE_EDIT;
        op.op = ordo_slice_of_binary(committed->text);
        break;
    case ORDO__V1__COMMITTED__OP_DELETE: op.kind = ORACLE_DELETE; break;
    case ORDO__V1__COMMITTED__OP_CREATE:
        op.kind = ORACLE_CREATE;
        op.op = ordo_slice_of_binary(committed->create->text);
        op.lineage = committed->create->lineage;
        break;
    default: break;
    }
    return op;
}

/* ---- what the client sends */

static void sent_open(struct watch *watch, uint32_t request, const Ordo__V1__Open *open) {
    struct oracle_doc *doc = oracle_doc_of(watch->oracle, ordo_slice_of_binary(open->collection),
                                           ordo_slice_of_binary(open->id));
    bool has_have = open->have_case == ORDO__V1__OPEN__HAVE_HAVE_SEQ;
    if (open->create_type.len > 0 && !has_have) {
        oracle_create_offered(watch->oracle, doc, ordo_slice_of_binary(open->create_content));
    }
    watch->opens = ordo_realloc(watch->opens, (watch->open_count + 1) * sizeof *watch->opens);
    watch->opens[watch->open_count++] = (struct watch_open){
        .request = request,
        .doc = doc,
        .has_have = has_have,
        .have_seq = has_have ? open->have_seq : 0,
        .have_lineage = open->have_lineage,
        .is_bare = open->bare,
    };
}

static struct ordo_slice create_text(struct ordo_slice create) {
    struct ordo_reader reader = ordo_reader(create);
    struct ordo_slice field, text = {0};
    for (uint64_t tag; ordo_take_varint(&reader, &tag) && ordo_take_sized(&reader, &field);) {
        if (tag == (2 << 3 | 2)) text = field;
    }
    return text;
}

static void sent_submit(struct watch *watch, uint32_t handle, const Ordo__V1__Submit *submit) {
    struct watch_doc *doc = watch_doc_of(watch, handle);
    if (doc == NULL) return;
    enum oracle_kind kind = ORACLE_UNKNOWN;
    struct ordo_slice op = {0};
    switch ((int)submit->op_case) {
    case ORDO__V1__SUBMIT__OP_TEXT:
        kind = ORACLE_EDIT;
        op = ordo_slice_of_binary(submit->text);
        break;
    case ORDO__V1__SUBMIT__OP_DELETE: kind = ORACLE_DELETE; break;
    case ORDO__V1__SUBMIT__OP_CREATE:
        kind = ORACLE_CREATE;
        op = create_text(ordo_slice_of_binary(submit->create));
        break;
    default: break;
    }
    oracle_submitted(watch->oracle, doc->doc, client_of(watch), submit->client_seq, submit->base_seq, kind, op);
}

static void sent_history(struct watch *watch, const Ordo__V1__ClientMessage *message) {
    const Ordo__V1__ReadHistory *read = message->history;
    const struct watch_doc *doc = watch_doc_of(watch, message->doc);
    if (doc == NULL) return;
    bool wants_ops = read->at_case == ORDO__V1__READ_HISTORY__AT__NOT_SET;
    watch->histories = ordo_realloc(watch->histories, (watch->history_count + 1) * sizeof *watch->histories);
    watch->histories[watch->history_count++] = (struct watch_history){
        .request = message->request,
        .doc = doc->doc,
        .asked_seq = doc->doc->count,
        .next_seq = !wants_ops ? 0 : read->from_seq ? read->from_seq : 1,
        .content_seq = read->at_case == ORDO__V1__READ_HISTORY__AT_AT_SEQ ? read->at_seq : 0,
        .at_ms = read->at_case == ORDO__V1__READ_HISTORY__AT_AT_TIME_MS ? read->at_time_ms : 0,
    };
}

void watch_sent(struct watch *watch, const Ordo__V1__ClientMessage *message) {
    switch ((int)message->body_case) {
    case ORDO__V1__CLIENT_MESSAGE__BODY_HELLO: {
        size_t size = message->hello->client_id.len;
        watch->client_size = size < sizeof watch->client ? size : sizeof watch->client;
        if (size > 0) memcpy(watch->client, message->hello->client_id.data, watch->client_size);
        break;
    }
    case ORDO__V1__CLIENT_MESSAGE__BODY_OPEN: sent_open(watch, message->request, message->open); break;
    case ORDO__V1__CLIENT_MESSAGE__BODY_SUBMIT: sent_submit(watch, message->doc, message->submit); break;
    case ORDO__V1__CLIENT_MESSAGE__BODY_HISTORY: sent_history(watch, message); break;
    case ORDO__V1__CLIENT_MESSAGE__BODY_LEAVE: {
        struct watch_doc *doc = watch_doc_of(watch, message->doc);
        if (doc != NULL) doc->is_left = true;
        break;
    }
    default: break;
    }
}

/* ---- what the client receives */

/* The next op in this connection's order of the document. */
static void received_op(struct watch *watch, struct watch_doc *doc, const struct oracle_op *op, bool ids_only) {
    if (op->seq > ORDO_NUMBER_MAX || op->client_seq > ORDO_NUMBER_MAX || op->base_seq > ORDO_NUMBER_MAX ||
        op->lineage > ORDO_NUMBER_MAX) {
        sim_fail(watch->verdict, SIM_CHECK_WIRE, "%s: a number above 2^53 in seq %" PRIu64 " of client_seq %" PRIu64,
                 watch->name, op->seq, op->client_seq);
    }
    if (doc->is_bare && ids_only && op->seq > doc->seq) doc->seq = op->seq - 1; /* what others did it was not told */
    if (op->seq != doc->seq + 1) {
        sim_fail(watch->verdict, SIM_CHECK_ORDER, "%s, doc %.*s: seq %" PRIu64 " (%s) came after %" PRIu64,
                 watch->name, (int)doc->doc->id.size, doc->doc->id.data, op->seq, ids_only ? "Ack" : "Committed",
                 doc->seq);
        return;
    }
    oracle_shown(watch->oracle, doc->doc, op, ids_only, watch->name);
    doc->seq = op->seq;
}

static void received_ack(struct watch *watch, struct watch_doc *doc, const Ordo__V1__Ack *ack) {
    struct oracle_op op = {
        .seq = ack->server_seq,
        .client = client_of(watch),
        .client_seq = ack->client_seq,
        .timestamp_ms = ack->timestamp_ms,
    };
    if (!ack->duplicate) {
        received_op(watch, doc, &op, true);
        return;
    }
    const struct oracle_entry *entry = oracle_find(watch->oracle, doc->doc, op.client, op.client_seq);
    if (entry == NULL) {
        sim_fail(watch->verdict, SIM_CHECK_DURABLE,
                 "%s: duplicate ack of client_seq %" PRIu64 ", which is not on disk", watch->name, ack->client_seq);
    } else if (entry->op.seq != ack->server_seq) {
        sim_fail(watch->verdict, SIM_CHECK_DUPLICATE,
                 "%s: duplicate of client_seq %" PRIu64 " answered with seq %" PRIu64 ", originally %" PRIu64,
                 watch->name, ack->client_seq, ack->server_seq, entry->op.seq);
    }
}

static const struct watch_open *open_of(const struct watch *watch, uint32_t request) {
    for (size_t i = watch->open_count; request != 0 && i-- > 0;) {
        if (watch->opens[i].request == request) return &watch->opens[i];
    }
    return NULL;
}

static struct watch_doc *doc_begin(struct watch *watch, uint32_t handle, const Ordo__V1__Opened *opened) {
    struct watch_doc *doc = watch_doc_of(watch, handle);
    if (doc != NULL) return doc;
    watch->docs = ordo_realloc(watch->docs, (watch->doc_count + 1) * sizeof *watch->docs);
    doc = &watch->docs[watch->doc_count++];
    *doc = (struct watch_doc){
        .handle = handle,
        .doc = oracle_doc_of(watch->oracle, ordo_slice_of_binary(opened->collection),
                             ordo_slice_of_binary(opened->id)),
    };
    return doc;
}

static void opened_fail(struct watch *watch, const struct watch_doc *doc, const char *what, uint64_t got,
                        uint64_t expected) {
    sim_fail(watch->verdict, SIM_CHECK_OPENED, "%s, doc %.*s: Opened has %s %" PRIu64 ", expected %" PRIu64,
             watch->name, (int)doc->doc->id.size, doc->doc->id.data, what, got, expected);
}

static void opened_complete(struct watch *watch, struct watch_doc *doc, const Ordo__V1__Opened *opened) {
    uint64_t server_seq, client_seq = oracle_last_client_seq(doc->doc, client_of(watch), opened->head, &server_seq);
    if (oracle_may_be_forgotten(opened->last_client_seq, opened->forgotten_seq, server_seq)) client_seq = server_seq = 0;
    if (doc->seq != opened->head) opened_fail(watch, doc, "ops up to seq", doc->seq, opened->head);
    bool is_of_before = opened->lineage == oracle_lineage_before(doc->doc, opened->head); /* it was on its way */
    if (!is_of_before && opened->lineage != oracle_lineage(doc->doc, opened->head)) {
        opened_fail(watch, doc, "lineage", opened->lineage, oracle_lineage(doc->doc, opened->head));
    }
    if (!is_of_before && doc->has_content && doc->content_seq == opened->head && doc->content.size > 0 &&
        opened->head == oracle_erased_seq(doc->doc)) {
        sim_fail(watch->verdict, SIM_CHECK_FORGOTTEN, "%s, doc %.*s: forgotten at %" PRIu64 ", and has content there",
                 watch->name, (int)doc->doc->id.size, doc->doc->id.data, opened->head);
    }
    if (opened->last_client_seq != client_seq) {
        opened_fail(watch, doc, "last_client_seq", opened->last_client_seq, client_seq);
    } else if (opened->last_client_server_seq != server_seq) {
        opened_fail(watch, doc, "last_client_server_seq", opened->last_client_server_seq, server_seq);
    }
    doc->last_client_seq = opened->last_client_seq;
}

static void received_opened(struct watch *watch, const Ordo__V1__ServerMessage *message) {
    const Ordo__V1__Opened *opened = message->opened;
    const struct watch_open *open = open_of(watch, message->request);
    if (message->doc == 0 || (message->request != 0 && open == NULL)) {
        sim_fail(watch->verdict, SIM_CHECK_WIRE, "%s: Opened with handle %u answers request %u, which was not made",
                 watch->name, message->doc, message->request);
        return;
    }
    if (message->request == 0 && watch_doc_of(watch, message->doc) == NULL) {
        sim_fail(watch->verdict, SIM_CHECK_WIRE, "%s: unasked Opened for unknown handle %u", watch->name,
                 message->doc);
        return;
    }
    struct watch_doc *doc = doc_begin(watch, message->doc, opened);
    if (open != NULL) doc->is_bare = open->is_bare;
    bool is_too_much = doc->is_bare && (opened->n_ops > 0 || opened->content == NULL || opened->content->text.len > 0);
    if (is_too_much) opened_fail(watch, doc, "no bare answer, but ops", opened->n_ops, 0);
    if (!doc->in_parts) {
        doc->has_content = opened->content != NULL;
        ordo_buffer_clear(&doc->content);
        if (opened->content != NULL) doc->seq = doc->content_seq = opened->content->seq;
        else if (open != NULL) doc->seq = open->have_seq;
        if (opened->content == NULL && open != NULL && !open->has_have) {
            opened_fail(watch, doc, "no content, have_seq set", 0, 1);
        }
    }
    if (opened->content != NULL && opened->content->text.len > 0) {
        ordo_buffer_append(&doc->content, opened->content->text.data, opened->content->text.len);
    }
    for (size_t i = 0; i < opened->n_ops; i++) {
        struct oracle_op op = watch_op_of_committed(opened->ops[i]);
        received_op(watch, doc, &op, false);
    }
    doc->in_parts = opened->more;
    if (doc->in_parts) return;
    if (doc->has_content && !doc->is_bare &&
        !oracle_content_is(watch->oracle, doc->doc, doc->content_seq, ordo_buffer_slice(&doc->content))) {
        opened_fail(watch, doc, "another content at seq", doc->content_seq, doc->content_seq);
    }
    opened_complete(watch, doc, opened);
}

static void history_is_complete(struct watch *watch, struct watch_history *history) {
    const struct oracle_doc *doc = history->doc;
    uint64_t seq = history->content_seq;
    bool is_right_time = true;
    if (history->at_ms != 0) { /* what is committed while the answer is made may be in it or not */
        is_right_time = seq <= doc->count && (seq == 0 || doc->entries[seq - 1].op.timestamp_ms <= history->at_ms) &&
                        (seq >= history->asked_seq || doc->entries[seq].op.timestamp_ms > history->at_ms);
    }
    bool is_right = history->next_seq > 0 ||
                    (is_right_time &&
                     oracle_content_is(watch->oracle, doc, seq, ordo_buffer_slice(&history->content)));
    if (is_right) return;
    sim_fail(watch->verdict, SIM_CHECK_HISTORY, "%s, doc %.*s: %s at seq %" PRIu64, watch->name, (int)doc->id.size,
             doc->id.data, is_right_time ? "another content" : "the content of another time", seq);
}

static void received_history(struct watch *watch, const Ordo__V1__ServerMessage *message) {
    const Ordo__V1__History *got = message->history;
    struct watch_history *history = NULL;
    for (size_t i = 0; i < watch->history_count; i++) {
        if (watch->histories[i].request == message->request) history = &watch->histories[i];
    }
    if (history == NULL) {
        sim_fail(watch->verdict, SIM_CHECK_WIRE, "%s: History that nobody asked for", watch->name);
        return;
    }
    for (size_t i = 0; i < got->n_ops; i++) {
        struct oracle_op op = watch_op_of_committed(got->ops[i]);
        if (op.seq != history->next_seq++) {
            sim_fail(watch->verdict, SIM_CHECK_HISTORY, "%s: History has seq %" PRIu64 " where %" PRIu64 " is due",
                     watch->name, op.seq, history->next_seq - 1);
        }
        oracle_shown(watch->oracle, history->doc, &op, false, watch->name);
    }
    if (got->content != NULL) {
        if (history->at_ms == 0 && history->content_seq != got->content->seq) {
            sim_fail(watch->verdict, SIM_CHECK_HISTORY, "%s: content at %" PRIu64 ", asked at %" PRIu64, watch->name,
                     got->content->seq, history->content_seq);
        }
        history->content_seq = got->content->seq;
        ordo_buffer_append_slice(&history->content, ordo_slice_of_binary(got->content->text));
    }
    if (got->more) return;
    history_is_complete(watch, history);
    ordo_buffer_finish(&history->content);
    *history = watch->histories[--watch->history_count];
}

void watch_received(struct watch *watch, const Ordo__V1__ServerMessage *message) {
    if (message->body_case == ORDO__V1__SERVER_MESSAGE__BODY_OPENED) {
        received_opened(watch, message);
        return;
    }
    if (message->body_case == ORDO__V1__SERVER_MESSAGE__BODY_HISTORY) {
        received_history(watch, message);
        return;
    }
    bool is_ack = message->body_case == ORDO__V1__SERVER_MESSAGE__BODY_ACK;
    bool is_committed = message->body_case == ORDO__V1__SERVER_MESSAGE__BODY_COMMITTED;
    if (!is_ack && !is_committed) return;
    struct watch_doc *doc = watch_doc_of(watch, message->doc);
    if (doc == NULL || doc->in_parts) {
        sim_fail(watch->verdict, SIM_CHECK_WIRE, "%s: %s for handle %u, which is %s", watch->name,
                 is_ack ? "Ack" : "Committed", message->doc, doc ? "still being opened" : "unknown");
        return;
    }
    if (is_ack) {
        received_ack(watch, doc, message->ack);
    } else if (doc->is_bare) {
        sim_fail(watch->verdict, SIM_CHECK_WIRE, "%s: Committed, though it opened bare", watch->name);
    } else {
        struct oracle_op op = watch_op_of_committed(message->committed);
        received_op(watch, doc, &op, false);
    }
}
