/* ordo-load: the load driver. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/hash.h"
#include "common/limits.h"
#include "common/memory.h"
#include "common/random.h"
#include "tools/load/load.h"
#include "tools/options.h"

#define EXIT_USAGE 2

static const char usage[] =
    "usage: ordo-load [OPTIONS]\n"
    "\n"
    "Drives a running cluster as many people would, and reports what they got. Each client has a\n"
    "connection of its own and one op in flight; its edits are runs of typing and deleting.\n"
    "\n"
    "Closed loop (default): a writer makes its next edit when the last one is acked. Open loop (--rate):\n"
    "edits have fixed times; what a late server delays is counted from the time it should have gone out.\n"
    "\n"
    "Ack latency: from the edit to its ack, which says that it is durable. Delivery latency: from the edit to\n"
    "its arrival at another client. For servers on this machine their CPU time and memory are reported.\n"
    "\n";

static const char notes[] =
    "\n"
    "--verify keeps a list of all acks and of every op that any client was shown. After the run each client's\n"
    "text must equal the server's as a fresh client gets it, and each document's log must be dense, hold each\n"
    "acked op exactly once, at the seq it was acked with, and no op other than the one that was shown. It may\n"
    "be used while servers are being killed.\n"
    "\n"
    "Exit status: 0 done (and verified), 1 failed or violated, 2 wrong usage.\n";

static bool parse(struct load_config *config, int argc, char **argv, int *status) {
    bool wants_help = false;
    uint64_t no_writers_given = UINT64_MAX;
    *config = (struct load_config){.url = "ws://127.0.0.1:8080/v1/ws", .token = getenv("ORDO_TOKEN"), .docs = 1, .clients = 1, .duration_s = 10,
                                   .warmup_s = 1, .settle_s = 60, .length = 2000, .slot = LOAD_ANY_SLOT,
                                   .writers = no_writers_given};
    const struct ordo_option options[] = {
        {"--url", "URL", "of the gateway (ws://127.0.0.1:8080/v1/ws), or several behind commas:\n"
                         "clients are spread over them, and go to the next when one is gone", ORDO_OPTION_TEXT, &config->url},
        {"--token", "TOKEN", "to show at the door ($ORDO_TOKEN)", ORDO_OPTION_TEXT, &config->token},
        {"--docs", "N", "documents (1)", ORDO_OPTION_COUNT, &config->docs, 1, 1000000},
        {"--clients", "N", "clients per document that may write (1)", ORDO_OPTION_COUNT, &config->clients, 1, 100000},
        {"--writers", "N", "how many of them do (all)", ORDO_OPTION_COUNT, &config->writers, 0, 100000},
        {"--readers", "N", "more clients per document, which only read (0)", ORDO_OPTION_COUNT, &config->readers, 0,
         100000},
        {"--duration", "SECONDS", "measured time (10)", ORDO_OPTION_REAL, &config->duration_s},
        {"--warmup", "SECONDS", "before it, not measured (1)", ORDO_OPTION_REAL, &config->warmup_s},
        {"--settle", "SECONDS", "to wait for the last acks (60)", ORDO_OPTION_REAL, &config->settle_s},
        {"--rate", "OPS", "open loop: ops per second, of all writers together", ORDO_OPTION_REAL, &config->rate},
        {"--length", "N", "code points that texts are kept around (2000)", ORDO_OPTION_COUNT, &config->length, 10,
         10000000},
        {"--collection", "NAME", "documents are NAME/0, NAME/1, … (a new NAME each run)", ORDO_OPTION_TEXT,
         &config->collection_prefix},
        {"--slot", "N", "only such of them as lie in this slot, which may be moved meanwhile", ORDO_OPTION_COUNT, &config->slot, 0,
         ORDO_SLOT_COUNT - 1},
        {"--doc", "COLLECTION/ID", "this one document", ORDO_OPTION_TEXT, &config->document},
        {"--trace", "FILE", "replay a recorded session (.json or .json.gz), an op per patch,\n"
                            "into an empty document, as fast as acks come", ORDO_OPTION_TEXT, &config->trace_path},
        {"--seed", "N", "makes the same edits again", ORDO_OPTION_COUNT, &config->seed, 0, UINT32_MAX},
        {"--verify", NULL, "hold the server to what it said", ORDO_OPTION_FLAG, &config->verify},
        {"--json", NULL, "report as JSON", ORDO_OPTION_FLAG, &config->json},
        {"--version", NULL, "print the version", ORDO_OPTION_FLAG, &wants_help},
        {"--help", NULL, "print this", ORDO_OPTION_FLAG, &wants_help},
    };
    enum { OPTION_COUNT = sizeof options / sizeof options[0] };
    struct ordo_words words = {0};
    char fault[ORDO_OPTIONS_FAULT_SIZE];
    *status = EXIT_SUCCESS;
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("ordo-load %s\n", ORDO_VERSION);
        return false;
    }
    if (!ordo_options_parse(options, OPTION_COUNT, argc, argv, &words, fault)) {
        fprintf(stderr, "ordo-load: %s\n", fault);
        *status = EXIT_USAGE;
        return false;
    }
    if (wants_help) {
        fputs(usage, stdout);
        ordo_options_print(stdout, options, OPTION_COUNT);
        fputs(notes, stdout);
        return false;
    }
    if (config->writers == no_writers_given) config->writers = config->clients;
    return true;
}

/* Rules between options; NULL: all is well. */
static const char *check(struct load_config *config) {
    if (config->writers > config->clients) return "--writers cannot be more than --clients";
    if (config->rate > 0 && config->writers == 0) return "--rate needs --writers";
    if (config->document != NULL && config->slot != LOAD_ANY_SLOT) return "--doc and --slot do not go together";
    if (config->document != NULL && config->docs != 1) return "--doc is one document, so --docs must be 1";
    if (config->collection_prefix != NULL && (*config->collection_prefix == '\0' || strlen(config->collection_prefix) > 128)) {
        return "--collection wants 1 to 128 bytes";
    }
    if (config->trace_path != NULL) {
        if (config->docs != 1 || config->clients != 1 || config->writers != 1 || config->rate > 0) {
            return "--trace is one client on one document";
        }
        config->warmup_s = 0;
    }
    return NULL;
}

/* The port, if the URL's host is this machine; 0: it is not. */
static uint16_t local_port_of(const char *url) {
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]"};
    const char *host = strstr(url, "://");
    if (host == NULL) return 0;
    host += 3;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        size_t size = strlen(hosts[i]);
        if (strncmp(host, hosts[i], size) == 0 && host[size] == ':') return (uint16_t)atoi(host + size + 1);
    }
    return 0;
}

static bool name_docs(struct load *load) {
    const struct load_config *config = &load->config;
    load->docs = ordo_alloc_array(config->docs, sizeof *load->docs);
    if (config->document != NULL) {
        return ordo_document_name_parse(config->document, load->docs[0].collection, load->docs[0].id);
    }
    uint64_t number = 0;
    for (uint64_t i = 0; i < config->docs; i++) {
        struct load_doc *doc = &load->docs[i];
        if (config->collection_prefix) {
            snprintf(doc->collection, sizeof doc->collection, "%s", config->collection_prefix);
        } else {
            snprintf(doc->collection, sizeof doc->collection, "load-%016llx", (unsigned long long)load->run_number);
        }
        do snprintf(doc->id, sizeof doc->id, "%llu", (unsigned long long)number++);
        while (config->slot != LOAD_ANY_SLOT &&
               ordo_slot_of(ordo_slice_of(doc->collection), ordo_slice_of(doc->id)) != config->slot);
    }
    return true;
}

/* Writers come first, and neighbours in the list are on different documents. */
static void make_workers(struct load *load) {
    const struct load_config *config = &load->config;
    uint64_t per_doc = config->clients + config->readers;
    load->worker_count = (uint32_t)(config->docs * per_doc);
    load->writer_count = (uint32_t)(config->docs * config->writers);
    load->workers = ordo_alloc_array(load->worker_count, sizeof *load->workers);
    for (uint32_t i = 0; i < load->worker_count; i++) {
        load->workers[i] = (struct load_worker){.load = load, .index = i, .doc_index = (uint32_t)(i % config->docs),
                                                .is_writer = i < load->writer_count};
    }
}

static void finish(struct load *load) {
    for (uint32_t i = 0; i < load->begun_count; i++) {
        load_link_finish(&load->workers[i].link);
        free(load->workers[i].sent);
    }
    load_net_destroy(load->net);
    close(load->timer_fd);
    for (uint64_t i = 0; i < load->config.docs; i++) ordo_ledger_finish(&load->docs[i].ledger);
    ordo_trace_finish(&load->trace);
    free(load->workers);
    free(load->docs);
}

/* A trace must end in its text, also without --verify. */
static bool trace_is_exact(struct load *load) {
    if (load->config.trace_path == NULL) return true;
    struct ordo_buffer text = {0};
    ordo_client_doc_write_visible(load->workers[0].doc, &text);
    bool is_exact = ordo_slice_equal(ordo_buffer_slice(&text), ordo_buffer_slice(&load->trace.end_content));
    ordo_buffer_finish(&text);
    if (!is_exact) snprintf(load->error, sizeof load->error, "the text is not the trace's endContent");
    return is_exact;
}

int main(int argc, char **argv) {
    static struct load load; /* its histograms are too large for a stack */
    int status;
    if (!parse(&load.config, argc, argv, &status)) return status;
    const char *fault = check(&load.config);
    load.run_number = ordo_random_u64();
    if (load.config.seed == 0) load.config.seed = load.run_number & UINT32_MAX;
    if (fault == NULL && load.config.docs * (load.config.clients + load.config.readers) > 1000000) {
        fault = "more than 1,000,000 clients";
    }
    if (fault == NULL && !name_docs(&load)) fault = "--doc wants COLLECTION/ID, each 1 to 128 bytes";
    if (fault != NULL) {
        fprintf(stderr, "ordo-load: %s\n", fault);
        return EXIT_USAGE;
    }
    char trace_fault[ORDO_TRACE_FAULT_SIZE];
    if (load.config.trace_path && ordo_trace_load(&load.trace, load.config.trace_path, trace_fault) != ORDO_OK) {
        fprintf(stderr, "ordo-load: %s\n", trace_fault);
        return EXIT_FAILURE;
    }

    struct rlimit files; /* one socket for each client */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
    make_workers(&load);
    load.local_port = local_port_of(load.config.url);
    char net_fault[256];
    load.net = load_net_create(load.config.url, net_fault);
    if (load.net == NULL) {
        fprintf(stderr, "ordo-load: %s\n", net_fault);
        return EXIT_FAILURE;
    }

    bool is_done = load_run(&load) && trace_is_exact(&load);
    if (is_done && load.config.verify) load_verify(&load);
    if (load.end_ns > 0) (load.config.json ? load_report_json : load_report_text)(&load);
    if (!is_done) fprintf(stderr, "ordo-load: %s\n", load.error[0] ? load.error : "interrupted");
    if (load.violations > 0) fprintf(stderr, "ordo-load: violated: %s\n", load.first_violation);
    bool is_good = is_done && load.violations == 0;
    finish(&load);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}
