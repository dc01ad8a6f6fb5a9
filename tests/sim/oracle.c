#include "tests/sim/oracle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/memory.h"

/* Open addressing from a hash to an index + 1; 0 is free. Entries are never removed. */
struct table {
    uint32_t *slots;
    uint64_t *hashes;
    size_t count, capacity;
};

struct oracle {
    struct sim_verdict *verdict;
    struct ordo_arena kept, scratch;
    struct oracle_doc **docs;
    size_t doc_count;
    struct oracle_submission *submitted;
    size_t submitted_count, submitted_capacity;
    struct table submitted_by_id; /* all variants of an op_id */
    struct table entry_by_id;     /* seq of it */
};

static void table_add(struct table *table, uint64_t hash, uint32_t value) {
    if (table->count * 2 >= table->capacity) {
        struct table old = *table;
        table->capacity = old.capacity ? old.capacity * 2 : 64;
        table->slots = ordo_alloc_array(table->capacity, sizeof *table->slots);
        table->hashes = ordo_alloc_array(table->capacity, sizeof *table->hashes);
        table->count = 0;
        for (size_t i = 0; i < old.capacity; i++) {
            if (old.slots[i] != 0) table_add(table, old.hashes[i], old.slots[i]);
        }
        free(old.slots);
        free(old.hashes);
    }
    size_t at = hash & (table->capacity - 1);
    while (table->slots[at] != 0) at = (at + 1) & (table->capacity - 1);
    table->slots[at] = value;
    table->hashes[at] = hash;
    table->count++;
}

/* The next value with this hash; start with `at` = SIZE_MAX. 0: no more. */
static uint32_t table_next(const struct table *table, uint64_t hash, size_t *at) {
    if (table->capacity == 0) return 0;
    size_t mask = table->capacity - 1;
    *at = *at == SIZE_MAX ? (hash & mask) : ((*at + 1) & mask);
    while (table->slots[*at] != 0) {
        if (table->hashes[*at] == hash) return table->slots[*at];
        *at = (*at + 1) & mask;
    }
    return 0;
}

static uint64_t op_id_hash(const struct oracle_doc *doc, struct ordo_slice client, uint64_t client_seq) {
    uint64_t parts[2] = {client_seq, (uint64_t)(uintptr_t)doc};
    return ordo_hash_with(ordo_hash(client), ordo_slice(parts, sizeof parts));
}

struct oracle *oracle_create(struct sim_verdict *verdict) {
    struct oracle *oracle = ordo_alloc(sizeof *oracle);
    oracle->verdict = verdict;
    ordo_arena_init(&oracle->kept, SIZE_MAX / 2);
    ordo_arena_init(&oracle->scratch, SIZE_MAX / 2);
    return oracle;
}

static void table_finish(struct table *table) {
    free(table->slots);
    free(table->hashes);
}

void oracle_destroy(struct oracle *oracle) {
    if (oracle == NULL) return;
    for (size_t i = 0; i < oracle->doc_count; i++) {
        model_text_finish(&oracle->docs[i]->text);
        free(oracle->docs[i]->entries);
        free(oracle->docs[i]->erasures);
        free(oracle->docs[i]);
    }
    free(oracle->docs);
    free(oracle->submitted);
    table_finish(&oracle->submitted_by_id);
    table_finish(&oracle->entry_by_id);
    ordo_arena_finish(&oracle->kept);
    ordo_arena_finish(&oracle->scratch);
    free(oracle);
}

struct oracle_doc *oracle_doc_of(struct oracle *oracle, struct ordo_slice collection, struct ordo_slice id) {
    for (size_t i = 0; i < oracle->doc_count; i++) {
        struct oracle_doc *doc = oracle->docs[i];
        if (ordo_slice_equal(doc->collection, collection) && ordo_slice_equal(doc->id, id)) return doc;
    }
    struct oracle_doc *doc = ordo_alloc(sizeof *doc);
    doc->collection = ordo_arena_copy(&oracle->kept, collection);
    doc->id = ordo_arena_copy(&oracle->kept, id);
    oracle->docs = ordo_realloc(oracle->docs, (oracle->doc_count + 1) * sizeof *oracle->docs);
    oracle->docs[oracle->doc_count++] = doc;
    return doc;
}

size_t oracle_doc_count(const struct oracle *oracle) { return oracle->doc_count; }
struct oracle_doc *oracle_doc_at(struct oracle *oracle, size_t index) { return oracle->docs[index]; }

const char *oracle_hex(struct ordo_slice bytes) {
    static char texts[8][40];
    static unsigned next;
    char *text = texts[next++ % 8];
    text[0] = 0;
    for (size_t i = 0; i < bytes.size && i < 8; i++) snprintf(text + i * 2, 3, "%02x", bytes.data[i]);
    return text;
}

void oracle_submitted(struct oracle *oracle, struct oracle_doc *doc, struct ordo_slice client, uint64_t client_seq,
                      uint64_t base_seq, enum oracle_kind kind, struct ordo_slice op) {
    uint64_t hash = op_id_hash(doc, client, client_seq);
    size_t at = SIZE_MAX;
    for (uint32_t index; (index = table_next(&oracle->submitted_by_id, hash, &at)) != 0;) {
        const struct oracle_submission *known = &oracle->submitted[index - 1];
        if (known->doc == doc && known->client_seq == client_seq && known->base_seq == base_seq &&
            known->kind == kind && ordo_slice_equal(known->client, client) && ordo_slice_equal(known->op, op)) {
            return;
        }
    }
    if (oracle->submitted_count == oracle->submitted_capacity) {
        oracle->submitted_capacity = oracle->submitted_capacity ? oracle->submitted_capacity * 2 : 64;
        oracle->submitted =
            ordo_realloc(oracle->submitted, oracle->submitted_capacity * sizeof *oracle->submitted);
    }
    oracle->submitted[oracle->submitted_count++] = (struct oracle_submission){
        .doc = doc,
        .client = ordo_arena_copy(&oracle->kept, client),
        .client_seq = client_seq,
        .base_seq = base_seq,
        .kind = kind,
        .op = ordo_arena_copy(&oracle->kept, op),
    };
    table_add(&oracle->submitted_by_id, hash, (uint32_t)oracle->submitted_count);
}

size_t oracle_submission_count(const struct oracle *oracle) { return oracle->submitted_count; }
const struct oracle_submission *oracle_submission_at(const struct oracle *oracle, size_t index) {
    return &oracle->submitted[index];
}

void oracle_create_offered(struct oracle *oracle, struct oracle_doc *doc, struct ordo_slice content) {
    oracle_submitted(oracle, doc, ordo_slice(NULL, 0), 0, 0, ORACLE_CREATE, content);
}

const struct oracle_entry *oracle_find(const struct oracle *oracle, const struct oracle_doc *doc,
                                       struct ordo_slice client, uint64_t client_seq) {
    uint64_t hash = op_id_hash(doc, client, client_seq);
    size_t at = SIZE_MAX;
    for (uint32_t seq; (seq = table_next(&oracle->entry_by_id, hash, &at)) != 0;) {
        if (seq > doc->count) continue;
        const struct oracle_entry *entry = &doc->entries[seq - 1];
        if (entry->op.client_seq == client_seq && ordo_slice_equal(entry->op.client, client)) return entry;
    }
    return NULL;
}

uint64_t oracle_last_client_seq(const struct oracle_doc *doc, struct ordo_slice client, uint64_t seq,
                                uint64_t *server_seq_out) {
    for (size_t i = seq < doc->count ? seq : doc->count; i-- > 0;) {
        const struct oracle_op *op = &doc->entries[i].op;
        if (op->client_seq == 0 || !ordo_slice_equal(op->client, client)) continue;
        *server_seq_out = op->seq;
        return op->client_seq;
    }
    *server_seq_out = 0;
    return 0;
}

uint64_t oracle_lineage_before(const struct oracle_doc *doc, uint64_t seq) {
    return seq == 0 || seq > doc->count ? 0 : doc->entries[seq - 1].lineage;
}

static const struct oracle_erasure *erasure_at(const struct oracle_doc *doc, uint64_t seq) {
    for (size_t i = 0; i < doc->erasure_count; i++) {
        if (doc->erasures[i].seq == seq) return &doc->erasures[i];
    }
    return NULL;
}

uint64_t oracle_lineage(const struct oracle_doc *doc, uint64_t seq) {
    const struct oracle_erasure *erasure = erasure_at(doc, seq);
    return erasure != NULL ? erasure->lineage : oracle_lineage_before(doc, seq);
}

static uint64_t text_hash(const struct model_text *text) {
    return ordo_hash(ordo_slice(text->points, text->count * sizeof *text->points));
}

bool oracle_content_is(const struct oracle *oracle, const struct oracle_doc *doc, uint64_t seq,
                       struct ordo_slice utf8) {
    (void)oracle;
    if (seq == 0) return utf8.size == 0;
    if (seq > doc->count) return false;
    if (utf8.size == 0 && erasure_at(doc, seq) != NULL) return true;
    struct model_text text = {0};
    model_text_set_utf8(&text, utf8);
    const struct oracle_entry *entry = &doc->entries[seq - 1];
    bool is_same = text.count == entry->text_count && text_hash(&text) == entry->text_hash;
    model_text_finish(&text);
    return is_same;
}

static bool same_op(const struct oracle_op *a, const struct oracle_op *b) {
    return a->seq == b->seq && ordo_slice_equal(a->client, b->client) && a->client_seq == b->client_seq &&
           a->base_seq == b->base_seq && a->timestamp_ms == b->timestamp_ms && ordo_slice_equal(a->user, b->user) &&
           a->kind == b->kind && a->lineage == b->lineage && ordo_slice_equal(a->op, b->op);
}

/* Delete against delete commits as the empty op. */
static bool is_second_delete(const struct oracle_doc *doc, const struct oracle_submission *known,
                             const struct oracle_op *op, const struct model_op *model) {
    if (known->kind != ORACLE_DELETE || op->kind != ORACLE_EDIT || model->count > 0) return false;
    for (uint64_t seq = known->base_seq + 1; seq < op->seq; seq++) {
        if (doc->entries[seq - 1].op.kind == ORACLE_DELETE) return true;
    }
    for (size_t i = 0; i < doc->erasure_count; i++) {
        if (doc->erasures[i].seq >= known->base_seq && doc->erasures[i].seq < op->seq) return true;
    }
    return false;
}

/* The submitted variants of this op_id that, rebased to the head, give this very op. */
static bool is_rebased_submission(struct oracle *oracle, const struct oracle_doc *doc, const struct oracle_op *op,
                                  const struct model_op *model, bool *was_submitted) {
    bool is_open_create = op->client_seq == 0;
    struct ordo_slice client = is_open_create ? ordo_slice(NULL, 0) : op->client;
    uint64_t hash = op_id_hash(doc, client, op->client_seq);
    size_t at = SIZE_MAX;
    *was_submitted = false;
    for (uint32_t index; (index = table_next(&oracle->submitted_by_id, hash, &at)) != 0;) {
        const struct oracle_submission *known = &oracle->submitted[index - 1];
        if (known->doc != doc || known->client_seq != op->client_seq) continue;
        if (known->kind != op->kind && !is_second_delete(doc, known, op, model)) continue;
        if (!ordo_slice_equal(known->client, client)) continue;
        if (!is_open_create && known->base_seq != op->base_seq) continue;
        *was_submitted = true;
        if (known->kind == ORACLE_DELETE) return true;
        if (op->kind == ORACLE_CREATE) {
            if (ordo_slice_equal(known->op, op->op)) return true;
            continue;
        }
        struct model_op rebased;
        if (!model_op_decode(known->op, &rebased, &oracle->scratch)) continue;
        for (uint64_t seq = known->base_seq + 1; seq < op->seq; seq++) {
            const struct oracle_entry *other = &doc->entries[seq - 1];
            if (other->op.kind != ORACLE_EDIT) continue;
            struct model_op before = rebased;
            model_op_transform(&before, op->client, &other->model, other->op.client, &rebased, &oracle->scratch);
        }
        if (model_op_equal(&rebased, model)) return true;
    }
    return false;
}

static void entry_add(struct oracle *oracle, struct oracle_doc *doc, const struct oracle_op *op,
                      struct model_op model) {
    if (doc->count == doc->capacity) {
        doc->capacity = doc->capacity ? doc->capacity * 2 : 64;
        doc->entries = ordo_realloc(doc->entries, doc->capacity * sizeof *doc->entries);
    }
    struct oracle_entry *entry = &doc->entries[doc->count++];
    *entry = (struct oracle_entry){.op = *op, .model = model};
    entry->op.client = ordo_arena_copy(&oracle->kept, op->client);
    entry->op.user = ordo_arena_copy(&oracle->kept, op->user);
    entry->op.op = ordo_arena_copy(&oracle->kept, op->op);
    entry->is_deleted = op->kind == ORACLE_DELETE;
    entry->lineage = op->kind == ORACLE_CREATE ? op->lineage : oracle_lineage(doc, op->seq - 1);
    if (op->kind != ORACLE_EDIT) doc->text.count = 0;
    if (!model_text_apply(&doc->text, &model)) {
        sim_fail(oracle->verdict, SIM_CHECK_REBASE, "%.*s: op at seq %" PRIu64 " reaches past the end",
                 (int)doc->id.size, doc->id.data, op->seq);
    }
    entry->text_hash = text_hash(&doc->text);
    entry->text_count = doc->text.count;
    table_add(&oracle->entry_by_id, op_id_hash(doc, op->client, op->client_seq), (uint32_t)op->seq);
}

static void commit_check(struct oracle *oracle, struct oracle_doc *doc, const struct oracle_op *op) {
    struct sim_verdict *verdict = oracle->verdict;
    int name_size = (int)doc->id.size;
    const char *name = (const char *)doc->id.data;
    const struct oracle_entry *twin = op->client_seq ? oracle_find(oracle, doc, op->client, op->client_seq) : NULL;
    if (twin != NULL) {
        sim_fail(verdict, SIM_CHECK_ONCE,
                 "%.*s: op_id (%s, %" PRIu64 ") committed at seq %" PRIu64 " and again at %" PRIu64, name_size, name,
                 oracle_hex(op->client), op->client_seq, twin->op.seq, op->seq);
        return;
    }
    if (doc->count > 0 && op->timestamp_ms < doc->entries[doc->count - 1].op.timestamp_ms) {
        sim_fail(verdict, SIM_CHECK_TIMESTAMP, "%.*s: seq %" PRIu64 " has timestamp %" PRIu64 " after %" PRIu64,
                 name_size, name, op->seq, op->timestamp_ms, doc->entries[doc->count - 1].op.timestamp_ms);
    }
    struct model_op model = {0};
    bool has_text = op->kind == ORACLE_EDIT || op->kind == ORACLE_CREATE;
    if (op->kind == ORACLE_UNKNOWN || (has_text && !model_op_decode(op->op, &model, &oracle->kept))) {
        sim_fail(verdict, SIM_CHECK_REBASE, "%.*s: op at seq %" PRIu64 " does not decode", name_size, name, op->seq);
        return;
    }
    bool was_submitted;
    if (!is_rebased_submission(oracle, doc, op, &model, &was_submitted)) {
        sim_fail(verdict, was_submitted ? SIM_CHECK_REBASE : SIM_CHECK_SUBMITTED,
                 "%.*s: seq %" PRIu64 " of (%s, %" PRIu64 ") base %" PRIu64 " %s: %s", name_size, name, op->seq,
                 oracle_hex(op->client), op->client_seq, op->base_seq,
                 was_submitted ? "is not the submitted op rebased" : "was never submitted",
                 model_op_print(&model, &oracle->scratch));
    }
    entry_add(oracle, doc, op, model);
    ordo_arena_reset(&oracle->scratch);
}

void oracle_durable(struct oracle *oracle, struct oracle_doc *doc, const struct oracle_op *op) {
    if (oracle->verdict->violated != SIM_CHECK_NONE) return;
    if (op->seq == doc->count + 1) {
        commit_check(oracle, doc, op);
    } else if (op->seq > doc->count || op->seq == 0) {
        sim_fail(oracle->verdict, SIM_CHECK_DENSE, "%.*s: seq %" PRIu64 " on disk while the head is %zu",
                 (int)doc->id.size, doc->id.data, op->seq, doc->count);
    } else if (!same_op(op, &doc->entries[op->seq - 1].op)) {
        sim_fail(oracle->verdict, SIM_CHECK_REISSUED,
                 "%.*s: seq %" PRIu64 " on disk was (%s, %" PRIu64 ") and became (%s, %" PRIu64 ")",
                 (int)doc->id.size, doc->id.data, op->seq, oracle_hex(doc->entries[op->seq - 1].op.client),
                 doc->entries[op->seq - 1].op.client_seq, oracle_hex(op->client), op->client_seq);
    }
}

void oracle_erased(struct oracle *oracle, struct oracle_doc *doc, uint64_t seq, uint64_t lineage) {
    if (seq == 0 || seq > doc->count || seq <= oracle_erased_seq(doc)) {
        sim_fail(oracle->verdict, SIM_CHECK_FORGOTTEN, "%.*s is forgotten at %" PRIu64 ", its head is %zu", (int)doc->id.size,
                 doc->id.data, seq, doc->count);
        return;
    }
    doc->erasures = ordo_realloc(doc->erasures, (doc->erasure_count + 1) * sizeof *doc->erasures);
    doc->erasures[doc->erasure_count++] = (struct oracle_erasure){.seq = seq, .lineage = lineage};
    if (doc->count == seq) doc->text.count = 0;
}

void oracle_shown(struct oracle *oracle, struct oracle_doc *doc, const struct oracle_op *op, bool ids_only,
                  const char *who) {
    if (oracle->verdict->violated != SIM_CHECK_NONE) return;
    if (op->seq == 0 || op->seq > doc->count) {
        sim_fail(oracle->verdict, SIM_CHECK_DURABLE,
                 "%.*s: %s shows seq %" PRIu64 " of (%s, %" PRIu64 ") but the head on disk is %zu",
                 (int)doc->id.size, doc->id.data, who, op->seq, oracle_hex(op->client), op->client_seq, doc->count);
        return;
    }
    const struct oracle_op *known = &doc->entries[op->seq - 1].op;
    bool is_same = ids_only ? ordo_slice_equal(op->client, known->client) && op->client_seq == known->client_seq &&
                                  op->timestamp_ms == known->timestamp_ms
                            : same_op(op, known);
    if (is_same) return;
    sim_fail(oracle->verdict, SIM_CHECK_REISSUED,
             "%.*s: %s shows seq %" PRIu64 " as (%s, %" PRIu64 ", base %" PRIu64 ", t %" PRIu64
             "), on disk it is (%s, %" PRIu64 ", base %" PRIu64 ", t %" PRIu64 ")",
             (int)doc->id.size, doc->id.data, who, op->seq, oracle_hex(op->client), op->client_seq, op->base_seq,
             op->timestamp_ms, oracle_hex(known->client), known->client_seq, known->base_seq, known->timestamp_ms);
}
