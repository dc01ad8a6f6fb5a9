#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "common/memory.h"
#include "common/ot/text.h"
#include "common/ot/text_typing.h"
#include "tests/sim/sim.h"

/* ordo-sim-trace: recorded concurrent editing through the simulated cluster, one client per author.
 *
 * The transactions are made in the order of the file, which is also the order in which the shard gets them. Before
 * its author makes one, his client is let have exactly the commits that he had seen. Where an earlier op of his is
 * still in flight behind commits that he had not seen, those must reach the client all the same, or else it could not
 * send the next op (one in flight, Acks in their place); the author goes on typing into what he saw, and his op is
 * carried over the unseen commits as an editor does that shows changes late. So every op is made against exactly its
 * parents; which of the two ways it took to the head is printed at the end. */

enum { AUTHORS_MAX = 3, EXIT_SKIP = 77 };

struct txn {
    uint32_t author;
    uint32_t seen[AUTHORS_MAX]; /* how many of each author's transactions are ancestors, itself not counted */
    uint32_t number;            /* among its author's */
};

struct unseen_op {
    struct ordo_buffer op;      /* as it fits the author's view */
    uint32_t author;
};
struct unseen {
    struct unseen_op *ops;      /* in the order of the commits */
    size_t first, count, capacity;
};

struct trace {
    struct sim *sim;
    struct txn *txns;
    size_t txn_count;
    uint32_t author_count;
    uint32_t *txn_at[AUTHORS_MAX]; /* an author's n-th transaction */
    uint32_t made[AUTHORS_MAX];    /* transactions so far */
    struct unseen unseen[AUTHORS_MAX];
    struct ordo_text_typing typing[AUTHORS_MAX]; /* in the author's view */
    size_t rebased_count, late_count;
    const char *problem;
};

static json_t *read_json(const char *path) {
    gzFile file = gzopen(path, "rb");
    if (file == NULL) return NULL;
    struct ordo_buffer text = {0};
    for (int size = 1; size > 0;) {
        size = gzread(file, ordo_buffer_reserve(&text, 1 << 16), 1 << 16);
        if (size > 0) text.size += (size_t)size;
    }
    gzclose(file);
    json_error_t error;
    json_t *json = json_loadb((const char *)text.data, text.size, JSON_ALLOW_NUL, &error);
    ordo_buffer_finish(&text);
    if (json == NULL) fprintf(stderr, "%s: %s\n", path, error.text);
    return json;
}

static bool read_txns(struct trace *trace, json_t *json) {
    json_t *txns = json_object_get(json, "txns");
    trace->txn_count = json_array_size(txns);
    trace->author_count = (uint32_t)json_integer_value(json_object_get(json, "numAgents"));
    if (trace->txn_count == 0 || trace->author_count == 0 || trace->author_count > AUTHORS_MAX) return false;
    trace->txns = ordo_alloc_array(trace->txn_count, sizeof *trace->txns);
    for (uint32_t a = 0; a < trace->author_count; a++) {
        trace->txn_at[a] = ordo_alloc_array(trace->txn_count, sizeof *trace->txn_at[a]);
    }
    uint32_t counts[AUTHORS_MAX] = {0};
    for (size_t i = 0; i < trace->txn_count; i++) {
        json_t *item = json_array_get(txns, i), *parents = json_object_get(item, "parents");
        struct txn *txn = &trace->txns[i];
        txn->author = (uint32_t)json_integer_value(json_object_get(item, "agent"));
        if (txn->author >= trace->author_count) return false;
        for (size_t p = 0; p < json_array_size(parents); p++) {
            size_t parent = (size_t)json_integer_value(json_array_get(parents, p));
            if (parent >= i) return false;
            const struct txn *known = &trace->txns[parent];
            for (uint32_t a = 0; a < trace->author_count; a++) {
                uint32_t seen = known->seen[a] + (a == known->author);
                if (txn->seen[a] < seen) txn->seen[a] = seen;
            }
        }
        txn->number = counts[txn->author]++;
        trace->txn_at[txn->author][txn->number] = (uint32_t)i;
        if (txn->seen[txn->author] != txn->number) return false; /* an author has seen all of his own */
    }
    return true;
}

/* ---- what has reached a client and its author has not looked at yet */

static struct ordo_client_doc *doc_of(struct trace *trace, uint32_t author) {
    return trace->sim->clients[author].docs[0].core;
}

static struct ordo_slice client_of(const struct trace *trace, uint32_t author) {
    return ordo_slice(trace->sim->clients[author].client_id.bytes, ORDO_CLIENT_ID_BYTES);
}

static void on_changed(void *user, uint32_t client, struct ordo_slice op) {
    struct trace *trace = user;
    struct unseen *unseen = &trace->unseen[client];
    if (unseen->count == unseen->capacity) {
        unseen->capacity = unseen->capacity ? unseen->capacity * 2 : 16;
        unseen->ops = ordo_realloc(unseen->ops, unseen->capacity * sizeof *unseen->ops);
    }
    struct unseen_op *added = &unseen->ops[unseen->count++];
    *added = (struct unseen_op){.author = trace->txns[ordo_client_doc_seq(doc_of(trace, client)) - 2].author};
    ordo_buffer_append_slice(&added->op, op);
}

static void look(struct trace *trace, uint32_t author) {
    struct unseen *unseen = &trace->unseen[author];
    ordo_text_typing_over(&trace->typing[author], ordo_buffer_slice(&unseen->ops[unseen->first].op));
    ordo_buffer_finish(&unseen->ops[unseen->first++].op);
    if (unseen->first == unseen->count) unseen->first = unseen->count = 0;
}

/* Carries `op`, typed into the author's view, over what the view does not show yet, and that over `op`. */
static void carry_over(struct trace *trace, uint32_t author, struct ordo_buffer *op) {
    struct unseen *unseen = &trace->unseen[author];
    struct ordo_buffer mine = {0}, theirs = {0};
    for (size_t i = unseen->first; i < unseen->count; i++) {
        struct ordo_buffer *other = &unseen->ops[i].op;
        ordo_buffer_clear(&mine);
        ordo_buffer_clear(&theirs);
        struct ordo_slice me = client_of(trace, author), they = client_of(trace, unseen->ops[i].author);
        ordo_text_transform(ordo_buffer_slice(op), me, ordo_buffer_slice(other), they, true, &mine);
        ordo_text_transform(ordo_buffer_slice(other), they, ordo_buffer_slice(op), me, false, &theirs);
        struct ordo_buffer swap = *op;
        *op = mine;
        mine = swap;
        swap = *other;
        *other = theirs;
        theirs = swap;
    }
    ordo_buffer_finish(&mine);
    ordo_buffer_finish(&theirs);
}

/* ---- the run */

static bool run_until(struct trace *trace, size_t commits) {
    struct sim *sim = trace->sim;
    uint64_t until_us = sim->now_us + 30 * SIM_SECOND;
    while (sim->docs[0]->count < commits && sim->now_us < until_us) {
        if (!sim_step(sim)) return false;
    }
    return sim->docs[0]->count == commits;
}

/* Lets the client have the next message, waiting for it if need be. */
static bool release(struct trace *trace, uint32_t author) {
    uint64_t until_us = trace->sim->now_us + 30 * SIM_SECOND;
    while (!sim_client_release(trace->sim, author)) {
        if (trace->sim->now_us > until_us || !sim_step(trace->sim)) return false;
    }
    return true;
}

/* The author sees what he had seen, and his client is ready to send. */
static bool catch_up(struct trace *trace, const struct txn *txn) {
    struct ordo_client_doc *doc = doc_of(trace, txn->author);
    struct unseen *unseen = &trace->unseen[txn->author];
    uint64_t seen_seq = 0;
    for (uint32_t a = 0; a < trace->author_count; a++) {
        if (a == txn->author || txn->seen[a] == 0) continue;
        uint64_t seq = 2 + trace->txn_at[a][txn->seen[a] - 1]; /* seq 1 is the create */
        if (seen_seq < seq) seen_seq = seq;
    }
    while (ordo_client_doc_seq(doc) < seen_seq) {
        if (!release(trace, txn->author)) return false;
    }
    while (!ordo_client_doc_is_settled(doc)) {
        if (!release(trace, txn->author)) return false;
    }
    /* Of the others' transactions, all that reached the client and are no ancestors stay unseen: the newest ones. */
    size_t unseen_count = 0;
    for (uint64_t seq = ordo_client_doc_seq(doc); seq > 1 && seq > seen_seq; seq--) {
        if (trace->txns[seq - 2].author != txn->author) unseen_count++;
    }
    for (uint64_t seq = seen_seq; seq > 1; seq--) {
        const struct txn *other = &trace->txns[seq - 2];
        if (other->author == txn->author) continue;
        if (other->number < txn->seen[other->author]) break; /* and so are all before it */
        fprintf(stderr, "an author had not seen a prefix of the order\n");
        return false;
    }
    while (unseen->count - unseen->first > unseen_count) look(trace, txn->author);
    if (unseen_count > 0) trace->late_count++;
    return true;
}

static bool make(struct trace *trace, size_t index, json_t *item) {
    const struct txn *txn = &trace->txns[index];
    trace->problem = "its author cannot see what he had seen";
    if (!catch_up(trace, txn)) return false;
    struct ordo_buffer op = {0}, next = {0}, both = {0};
    json_t *patches = json_object_get(item, "patches");
    for (size_t i = 0; i < json_array_size(patches); i++) {
        json_t *patch = json_array_get(patches, i), *text = json_array_get(patch, 2);
        ordo_buffer_clear(&next);
        ordo_buffer_clear(&both);
        ordo_text_typing_splice(&trace->typing[txn->author], (uint64_t)json_integer_value(json_array_get(patch, 0)),
                                (uint64_t)json_integer_value(json_array_get(patch, 1)),
                                ordo_slice(json_string_value(text), json_string_length(text)), &next);
        ordo_text_compose(ordo_buffer_slice(&op), ordo_buffer_slice(&next), &both);
        struct ordo_buffer swap = op;
        op = both;
        both = swap;
    }
    carry_over(trace, txn->author, &op);
    struct ordo_client_doc *doc = doc_of(trace, txn->author);
    if (ordo_client_doc_seq(doc) < trace->sim->docs[0]->count) trace->rebased_count++;
    bool is_fine = ordo_client_doc_edit(doc, ordo_buffer_slice(&op)) == ORDO_OK;
    trace->problem = is_fine ? "it is not committed" : "it does not fit what its author had seen";
    if (is_fine) sim_client_pump(trace->sim, txn->author);
    ordo_buffer_finish(&op);
    ordo_buffer_finish(&next);
    ordo_buffer_finish(&both);
    return is_fine && run_until(trace, index + 2);
}

static bool run(struct trace *trace, json_t *json) {
    struct sim *sim = trace->sim;
    if (!run_until(trace, 1)) return false;
    for (uint64_t until_us = sim->now_us + SIM_SECOND; sim->now_us < until_us;) {
        if (!sim_step(sim)) return false; /* everybody has opened the document */
    }
    for (uint32_t a = 0; a < trace->author_count; a++) sim->clients[a].holds = true;
    json_t *txns = json_object_get(json, "txns");
    for (size_t i = 0; i < trace->txn_count; i++) {
        if (!make(trace, i, json_array_get(txns, i))) {
            fprintf(stderr, "stuck at transaction %zu of author %u: %s %s\n", i, trace->txns[i].author,
                    trace->problem, sim->verdict.message);
            return false;
        }
    }
    for (uint32_t a = 0; a < trace->author_count; a++) {
        while (ordo_client_doc_seq(doc_of(trace, a)) < sim->docs[0]->count) {
            if (!release(trace, a)) return false;
        }
        sim->clients[a].holds = false;
    }
    sim_rest(sim);
    sim_run(sim);
    if (sim->verdict.violated != SIM_CHECK_NONE) {
        fprintf(stderr, "violation: %s: %s\n", sim_check_name(sim->verdict.violated), sim->verdict.message);
        return false;
    }
    json_t *end = json_object_get(json, "endContent");
    return model_text_equals_utf8(&sim->docs[0]->text,
                                  ordo_slice(json_string_value(end), json_string_length(end)));
}

static void trace_finish(struct trace *trace) {
    for (uint32_t a = 0; a < AUTHORS_MAX; a++) {
        struct unseen *unseen = &trace->unseen[a];
        for (size_t i = unseen->first; i < unseen->count; i++) ordo_buffer_finish(&unseen->ops[i].op);
        free(unseen->ops);
        free(trace->txn_at[a]);
    }
    free(trace->txns);
}

static int replay(const char *folder, const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/concurrent/%s.json.gz", folder, name);
    json_t *json = read_json(path);
    if (json == NULL) {
        printf("%s: skipped, there is no %s (set ORDO_TRACES to the folder that holds concurrent/)\n", name, path);
        return EXIT_SKIP;
    }
    struct trace trace = {0};
    bool is_fine = read_txns(&trace, json);
    if (is_fine) {
        struct sim_plan plan;
        sim_plan_draw(&plan, 1, SIM_PROFILE_TRACE, true);
        plan.client_count = trace.author_count;
        trace.sim = sim_create(1, &plan, getenv("ORDO_SIM_VERBOSE") != NULL);
        trace.sim->on_changed = on_changed;
        trace.sim->on_changed_user = &trace;
        is_fine = run(&trace, json);
        sim_destroy(trace.sim, NULL);
    }
    printf("%s: %zu transactions by %u authors, %zu rebased by the shard, %zu made on a view that lagged: %s\n", name,
           trace.txn_count, trace.author_count, trace.rebased_count, trace.late_count,
           is_fine ? "ends in its endContent" : "FAILED");
    trace_finish(&trace);
    json_decref(json);
    return is_fine ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    const char *folder = getenv("ORDO_TRACES");
    if (folder == NULL) folder = ORDO_TRACES_DEFAULT;
    static const char *const names[] = {"friendsforever", "clownschool"};
    int result = EXIT_SUCCESS;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (argc > 1 && strcmp(argv[1], names[i]) != 0) continue;
        int one = replay(folder, names[i]);
        if (one != EXIT_SUCCESS && result != EXIT_FAILURE) result = one;
    }
    return result;
}
