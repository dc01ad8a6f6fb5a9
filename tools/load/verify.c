/* The end of a run with --verify: every client's text equals the server's as a stranger gets it, and the log agrees with
 * everything that any client was told. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/c/ordo_client.h"
#include "common/assert.h"
#include "common/clock.h"
#include "tools/history.h"
#include "tools/load/load.h"

enum { WAIT_MS = 30000, HISTORY_WAIT_MS = 120000 };

__attribute__((format(printf, 3, 4))) static void violated(struct load *load, const struct load_doc *doc,
                                                           const char *format, ...) {
    if (load->violations++ > 0) return;
    int size = snprintf(load->first_violation, sizeof load->first_violation, "%.120s/%.120s: ", doc->collection, doc->id);
    va_list args;
    va_start(args, format);
    vsnprintf(load->first_violation + size, sizeof load->first_violation - (size_t)size, format, args);
    va_end(args);
}

struct reading {
    struct ordo_ledger *ledger;
    uint64_t op_count;
};

static void note_op(void *user, const struct ordo_client_commit *op) {
    struct reading *reading = user;
    ordo_ledger_logged(reading->ledger, op->client_id, op->client_seq, op->server_seq, op->op);
    reading->op_count++;
}

static void check_log(struct load *load, struct load_doc *doc, struct ordo_client_loop *loop,
                      struct ordo_client_doc *stranger) {
    struct reading reading = {.ledger = &doc->ledger};
    struct ordo_tools_history history = {.op = note_op, .user = &reading};
    uint64_t kept_seq;
    ordo_err err = ordo_tools_read_kept_history(loop, stranger, HISTORY_WAIT_MS, &history, &kept_seq);
    if (err) {
        violated(load, doc, "its log cannot be read: %s (error %u %s)", ordo_err_text(err), history.error_code,
                 history.error_message);
        return;
    }
    if (history.head >= kept_seq) {
        ordo_ledger_log_done(&doc->ledger, kept_seq, history.last_seq);
    } else if (doc->ledger.seq_max > history.head) {
        violated(load, doc, "its log ends at %llu", (unsigned long long)history.head);
    }
    load->verified_ops += reading.op_count;
    load->unkept_acks += ordo_ledger_acked_before(&doc->ledger, kept_seq);
}

/* Serves all clients until this one is at `seq`. False: it does not get there. */
static bool wait_seq(struct load *load, const struct load_worker *worker, uint64_t seq) {
    uint64_t begin_ms = ordo_clock_monotonic_ms();
    while (ordo_client_doc_seq(worker->doc) < seq || !ordo_client_doc_is_open(worker->doc)) {
        if (ordo_clock_monotonic_ms() - begin_ms > WAIT_MS) return false;
        load_net_turn(load->net, UINT64_MAX);
    }
    return true;
}

static void check_text(struct load *load, const struct load_doc *doc, struct ordo_client_doc *stranger,
                       struct load_worker *worker, struct ordo_slice text) {
    if (!wait_seq(load, worker, ordo_client_seq(stranger))) {
        violated(load, doc, "client %u stays at seq %llu, behind %llu", worker->index,
                 (unsigned long long)ordo_client_doc_seq(worker->doc), (unsigned long long)ordo_client_seq(stranger));
        return;
    }
    struct ordo_buffer own = {0};
    ordo_client_doc_write_visible(worker->doc, &own);
    if (!ordo_slice_equal(ordo_buffer_slice(&own), text)) {
        violated(load, doc, "client %u shows %zu bytes that differ from the server's %zu", worker->index, own.size,
                 text.size);
    }
    ordo_buffer_finish(&own);
}

/* A stranger: a client that saw nothing of the run, through the library as applications use it. */
static void verify_doc(struct load *load, uint32_t doc_index, struct ordo_client_loop *loop,
                       struct ordo_client *client) {
    struct load_doc *doc = &load->docs[doc_index];
    struct ordo_client_doc *stranger =
        ordo_client_open(client, doc->collection, doc->id, &(struct ordo_client_open_options){0});
    if (ordo_client_wait_open(stranger, WAIT_MS) != ORDO_OK) {
        struct ordo_slice message = ordo_client_error_message(stranger);
        violated(load, doc, "it cannot be opened: error %u %.*s", ordo_client_error_code(stranger), (int)message.size,
                 (const char *)message.data);
        ordo_client_close(stranger);
        return;
    }
    size_t size;
    char *text = ordo_client_text(stranger, &size);
    if (load->config.trace_path &&
        !ordo_slice_equal(ordo_slice(text, size), ordo_buffer_slice(&load->trace.end_content))) {
        violated(load, doc, "the server's %zu bytes are not the trace's endContent", size);
    }
    for (uint32_t i = 0; i < load->worker_count; i++) {
        if (load->workers[i].doc_index == doc_index) {
            check_text(load, doc, stranger, &load->workers[i], ordo_slice(text, size));
        }
    }
    free(text);
    check_log(load, doc, loop, stranger);
    load->violations += doc->ledger.violation_count;
    if (doc->ledger.violation_count > 0 && load->violations == doc->ledger.violation_count) {
        snprintf(load->first_violation, sizeof load->first_violation, "%.120s/%.120s: %s", doc->collection, doc->id,
                 doc->ledger.first_violation);
    }
    load->verified_docs++;
    ordo_client_close(stranger);
}

void load_verify(struct load *load) {
    struct ordo_client_loop *loop = ordo_client_loop_create();
    struct ordo_client *client;
    char url[600]; /* the first of several */
    snprintf(url, sizeof url, "%.*s", (int)strcspn(load->config.url, ","), load->config.url);
    struct ordo_client_options options = {.url = url, .token = load->config.token, .agent = "ordo-load"};
    ORDO_ASSERT(loop != NULL);
    ordo_err err = ordo_client_connect(loop, &options, &client);
    ORDO_ASSERT(err == ORDO_OK); /* the same URL served before */
    for (uint32_t i = 0; i < load->config.docs; i++) verify_doc(load, i, loop, client);
    ordo_client_disconnect(client);
    ordo_client_loop_destroy(loop);
}
