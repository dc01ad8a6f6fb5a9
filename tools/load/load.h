/* tools/load/load.h: one run of the driver: its clients, its clock and what it measures.
 *
 * All clients live in one event loop on one thread, each with a connection of its own, as browsers have. Writers edit
 * either as fast as their acks come (closed loop) or at times fixed beforehand (open loop): then a late server makes
 * ops wait, and that wait counts. Phases: connect, warm up, measure, settle, verify. */
#ifndef ORDO_TOOLS_LOAD_LOAD_H
#define ORDO_TOOLS_LOAD_LOAD_H

#include "common/histogram.h"
#include "common/limits.h"
#include "tools/load/ledger.h"
#include "tools/load/net.h"
#include "tools/load/procs.h"
#include "tools/load/trace.h"
#include "tools/load/typist.h"

struct load_config {
    const char *url, *token;
    const char *collection_prefix;  /* documents are PREFIX/0, PREFIX/1, …; NULL: "load-" and the run's number */
    const char *document;           /* COLLECTION/ID instead, for one document; NULL: as above */
    const char *trace_path;         /* NULL: random edits */
    uint64_t docs, clients, writers, readers; /* all but the first per document */
    double duration_s, warmup_s, settle_s;
    double rate;                    /* ops per second of all writers together; 0: closed loop */
    uint64_t slot;                  /* that all documents lie in */
    uint64_t length;                /* code points that texts are kept around */
    uint64_t seed;                  /* 0: drawn */
    bool verify, json;
};

#define LOAD_ANY_SLOT UINT64_MAX
enum { LOAD_SENT_COUNT = 64 }; /* newest acked ops per writer whose send times deliveries may still ask for */

struct load_worker {
    struct load *load;
    uint32_t index, doc_index;
    bool is_writer, is_open, was_open, is_busy; /* busy: an op of its own is not acked yet */
    struct load_link link;
    struct ordo_client_doc *doc;
    struct ordo_typist typist;
    uint64_t op_ns;             /* when the op that is not acked was (to be) sent; monotonic */
    uint64_t acked_client_seq;  /* newest */
    uint64_t due_count, made_count; /* open loop: ops whose time has come, ops begun */
    struct { uint64_t client_seq, ns; } *sent; /* ring by client_seq, LOAD_SENT_COUNT long; writers only */
};

struct load_doc {
    char collection[ORDO_NAME_SIZE_MAX + 1], id[ORDO_NAME_SIZE_MAX + 1];
    struct ordo_ledger ledger; /* empty unless --verify */
};

struct load_counts {
    uint64_t acks, deliveries;
    uint64_t given_back;     /* edits that the server refused */
    uint64_t overtaken;      /* edits of letters that somebody else deleted first: nothing was left to send */
    uint64_t reconnects;
};

struct load {
    struct load_config config;
    struct load_net *net;
    uint64_t run_number;      /* random: names documents and client ids of this run */
    struct load_worker *workers;
    uint32_t worker_count, writer_count, open_count, begun_count;
    struct load_doc *docs;
    struct ordo_trace trace;
    size_t trace_next;        /* patch */

    bool is_writing, is_measuring, is_stopped; /* stopped: by a signal, or because it makes no sense to go on */
    bool is_terminal;         /* stderr is one: show progress */
    int timer_fd;             /* open loop: rings when the next op is due */
    uint64_t wake_ns;         /* the phase ends then; 0: not at a fixed time */
    uint64_t begin_ns, measure_ns, end_ns;     /* of writing, of measuring; monotonic */
    uint64_t schedule_next;   /* open loop: number of the next op to come due */
    struct load_counts counts, total; /* within the measured time; in all */
    struct ordo_histogram ack_ns, delivery_ns;
    struct ordo_procs procs_before, procs_open, procs_begin, procs_end;
    struct ordo_proc self_begin, self_end;
    uint16_t local_port;      /* of the URL, if its host is this machine; else 0 */
    char error[256];          /* of the newest refusal; "" if none */

    uint64_t verified_docs, verified_ops, violations;
    uint64_t unkept_acks;     /* of ops that are older than the history that is kept */
    char first_violation[512];
};

/* worker.c: one client. */
void load_worker_begin(struct load *load, struct load_worker *worker);
/* Makes the worker's next edit, if there is one to make now. */
void load_worker_write(struct load_worker *worker, uint64_t now_ns);
bool load_worker_is_settled(const struct load_worker *worker);

/* run.c: the phases up to settling. False: it could not be done, `load->error` says why. */
bool load_run(struct load *load);

/* verify.c: holds the server to what the clients were told. */
void load_verify(struct load *load);

/* report.c */
void load_report_progress(const struct load *load);
void load_report_text(const struct load *load);
void load_report_json(const struct load *load);

#endif
