#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/memory.h"
#include "tools/load/load.h"

enum { RECONNECT_MAX_MS = 1000 };

/* A client id of this run: its number, then the worker's index, so that whoever sees an op finds its author. */
static struct ordo_client_id id_of(const struct load_worker *worker) {
    struct ordo_client_id id;
    memcpy(id.bytes, &worker->load->run_number, 8);
    memcpy(id.bytes + 8, &worker->load->config.seed, 4);
    memcpy(id.bytes + 12, &worker->index, 4);
    return id;
}

static struct load_worker *author_of(struct load *load, struct ordo_slice client_id) {
    uint32_t index;
    if (client_id.size != ORDO_CLIENT_ID_BYTES || memcmp(client_id.data, &load->run_number, 8) != 0) return NULL;
    memcpy(&index, client_id.data + 12, 4);
    return index < load->worker_count && load->workers[index].is_writer ? &load->workers[index] : NULL;
}

static bool write_patch(struct load_worker *worker) {
    struct load *load = worker->load;
    if (load->trace_next == load->trace.patch_count) return false;
    const struct ordo_trace_patch *patch = &load->trace.patches[load->trace_next];
    ordo_err err = ordo_client_doc_splice(worker->doc, patch->position, patch->delete_count,
                                          ordo_trace_text(&load->trace, patch));
    if (err) {
        snprintf(load->error, sizeof load->error, "patch %zu of the trace was refused: %s", load->trace_next + 1,
                 ordo_err_text(err));
        load->is_stopped = true;
        return false;
    }
    load->trace_next++;
    return true;
}

static bool write_edit(struct load_worker *worker) {
    struct ordo_typist_edit edit = ordo_typist_next(&worker->typist, ordo_client_doc_length(worker->doc));
    struct ordo_slice text = ordo_slice(edit.text, edit.text_size);
    /* Refused while nothing is known of the document, for example: `opened` tries anew. */
    return ordo_client_doc_splice(worker->doc, edit.position, edit.delete_count, text) == ORDO_OK;
}

/* Open loop: op number `k` of all is due at k / rate, and belongs to the writer k modulo their number. */
static uint64_t due_ns(const struct load_worker *worker, uint64_t made_count) {
    const struct load *load = worker->load;
    uint64_t writer_index = worker->index; /* writers come first */
    double k = (double)writer_index + (double)made_count * load->writer_count;
    return load->begin_ns + (uint64_t)(k * 1e9 / load->config.rate);
}

void load_worker_write(struct load_worker *worker, uint64_t now_ns) {
    struct load *load = worker->load;
    if (!load->is_writing || !worker->is_writer || !worker->is_open || worker->is_busy) return;
    bool is_open_loop = load->config.rate > 0;
    if (is_open_loop && worker->made_count == worker->due_count) return;
    /* Marked before the edit: the ack may be noted within. */
    worker->is_busy = true;
    worker->op_ns = is_open_loop ? due_ns(worker, worker->made_count) : now_ns;
    worker->made_count++;
    if (load->config.trace_path ? write_patch(worker) : write_edit(worker)) return;
    worker->is_busy = false;
    worker->made_count--;
}

static void opened(void *user, struct ordo_client_doc *doc) {
    struct load_worker *worker = user;
    worker->is_open = true;
    if (!worker->was_open) {
        worker->was_open = true;
        worker->load->open_count++;
        if (worker->load->config.trace_path && ordo_client_doc_length(doc) > 0) {
            snprintf(worker->load->error, sizeof worker->load->error, "the document is not empty, as the trace needs it");
            worker->load->is_stopped = true;
        }
    }
    load_worker_write(worker, ordo_clock_monotonic_ns());
}

static void acked(void *user, struct ordo_client_doc *doc, uint64_t client_seq, uint64_t server_seq) {
    struct load_worker *worker = user;
    struct load *load = worker->load;
    uint64_t now_ns = ordo_clock_monotonic_ns();
    load->total.acks++;
    if (load->is_measuring) {
        load->counts.acks++;
        ordo_histogram_record(&load->ack_ns, now_ns > worker->op_ns ? now_ns - worker->op_ns : 0);
    }
    if (load->config.verify) {
        struct ordo_client_id id = ordo_client_doc_client_id(doc);
        ordo_ledger_acked(&load->docs[worker->doc_index].ledger, ordo_slice(id.bytes, sizeof id.bytes), client_seq,
                          server_seq);
    }
    worker->acked_client_seq = client_seq;
    worker->sent[client_seq % LOAD_SENT_COUNT].client_seq = client_seq;
    worker->sent[client_seq % LOAD_SENT_COUNT].ns = worker->op_ns;
    worker->is_busy = false;
    load_worker_write(worker, now_ns);
}

/* When the op that somebody just got had been sent; 0: not known. */
static uint64_t sent_ns_of(struct load *load, const struct ordo_client_commit *commit, uint64_t now_ns) {
    const struct load_worker *author = author_of(load, commit->client_id);
    if (author == NULL) return 0;
    if (commit->client_seq > author->acked_client_seq) return author->op_ns; /* its author has not heard yet */
    if (author->sent[commit->client_seq % LOAD_SENT_COUNT].client_seq == commit->client_seq) {
        return author->sent[commit->client_seq % LOAD_SENT_COUNT].ns;
    }
    /* Many ops late: the server's own time is exact enough, if its clock is ours. */
    uint64_t wall_ms = ordo_clock_wall_ms();
    uint64_t late_ns = wall_ms > commit->timestamp_ms ? (wall_ms - commit->timestamp_ms) * 1000000 : 0;
    return late_ns < now_ns ? now_ns - late_ns : 0;
}

static void count_delivery(struct load *load, const struct ordo_client_commit *commit) {
    load->total.deliveries++;
    if (!load->is_measuring) return;
    load->counts.deliveries++;
    uint64_t now_ns = ordo_clock_monotonic_ns();
    uint64_t sent_ns = sent_ns_of(load, commit, now_ns);
    if (sent_ns > 0) ordo_histogram_record(&load->delivery_ns, now_ns > sent_ns ? now_ns - sent_ns : 0);
}

static void committed(void *user, struct ordo_client_doc *doc, const struct ordo_client_commit *commit) {
    struct load_worker *worker = user;
    struct load *load = worker->load;
    if (commit->is_ack) return;
    bool is_own = author_of(load, commit->client_id) == worker;
    if (!is_own) count_delivery(load, commit);
    if (load->config.verify) {
        ordo_ledger_saw(&load->docs[worker->doc_index].ledger, commit->client_id, commit->client_seq,
                        commit->server_seq, commit->op);
    }
    if (!worker->is_busy || !ordo_client_doc_is_settled(doc)) return;
    if (is_own) { /* its ack was lost with a connection or a shard; the content that came instead has it */
        acked(user, doc, commit->client_seq, commit->server_seq);
        return;
    }
    /* Somebody else deleted the very letters that our edit, not yet sent, was to delete: nothing is left to send, and
     * no ack will come. */
    load->total.overtaken++;
    worker->is_busy = false;
    load_worker_write(worker, ordo_clock_monotonic_ns());
}

static void given_back(void *user, struct ordo_client_doc *doc, const struct ordo_client_given_back *given) {
    struct load_worker *worker = user;
    struct load *load = worker->load;
    (void)doc;
    load->counts.given_back++;
    load->total.given_back++;
    snprintf(load->error, sizeof load->error, "an edit was given back: reason %d, code %u %.*s", (int)given->reason,
             given->code, (int)given->message.size, (const char *)given->message.data);
    if (load->config.trace_path) load->is_stopped = true; /* what follows would not fit */
    worker->is_busy = false;
}

static void status(void *user, struct ordo_client_doc *doc, enum ordo_client_status status, uint32_t code,
                   struct ordo_slice message) {
    struct load_worker *worker = user;
    (void)doc;
    if (status != ORDO_CLIENT_ERROR) return;
    const struct load_doc *of = &worker->load->docs[worker->doc_index];
    snprintf(worker->load->error, sizeof worker->load->error, "%.80s/%.80s: error %u: %.*s", of->collection, of->id,
             code, (int)(message.size < 80 ? message.size : 80), (const char *)message.data);
    worker->load->is_stopped = true;
}

static void refused(void *user, uint32_t code, struct ordo_slice message) {
    struct load_worker *worker = user;
    snprintf(worker->load->error, sizeof worker->load->error, "refused: %u %.*s", code, (int)message.size,
             (const char *)message.data);
}

static void link_changed(void *user, bool is_connected) {
    struct load_worker *worker = user;
    if (is_connected || !worker->was_open) return;
    worker->load->total.reconnects++;
    if (worker->load->is_measuring) worker->load->counts.reconnects++;
}

static struct ordo_slice slice_of(const char *text) { return ordo_slice_of(text ? text : ""); }

void load_worker_begin(struct load *load, struct load_worker *worker) {
    const struct load_doc *doc = &load->docs[worker->doc_index];
    if (worker->is_writer) {
        worker->sent = ordo_alloc_array(LOAD_SENT_COUNT, sizeof *worker->sent);
        ordo_typist_init(&worker->typist, load->config.seed * 1000003 + worker->index, load->config.length);
    }
    struct ordo_client_connection_options options = {
        .client_id = id_of(worker), .token = slice_of(load->config.token), .agent = slice_of("ordo-load"),
        .backoff_max_ms = RECONNECT_MAX_MS, .error = refused, .user = worker};
    ordo_prng_init(&options.prng, load->run_number + worker->index);
    struct ordo_client_connection *connection = ordo_client_connection_create(&options);
    struct ordo_client_doc_options open = {
        .collection = slice_of(doc->collection),
        .id = slice_of(doc->id),
        .create_type = slice_of("text"),
        /* Whoever neither shows nor checks the text does not need one. */
        .light = !load->config.verify && load->config.trace_path == NULL,
        .listener = {.opened = opened, .given_back = given_back, .status = status, .acked = acked,
                     .committed = committed},
        .user = worker,
    };
    worker->doc = ordo_client_connection_open(connection, &open);
    worker->link.changed = link_changed;
    worker->link.user = worker;
    load_net_add(load->net, &worker->link, connection);
}

bool load_worker_is_settled(const struct load_worker *worker) {
    return ordo_client_doc_is_open(worker->doc) && ordo_client_doc_is_settled(worker->doc);
}
