/* tests/sim/oracle.h: what the durable log says, and what it may say.
 *
 * The oracle keeps, per document, the ops that are on disk, learnt from nothing but the store's synced contents. It
 * checks every op as it becomes durable (dense, once, rebased exactly, timestamps), and answers whether an op that
 * somebody is about to see is the one on disk. Ops keep the form of the wire. */
#ifndef ORDO_TESTS_SIM_ORACLE_H
#define ORDO_TESTS_SIM_ORACLE_H

#include "common/arena.h"
#include "tests/sim/check.h"
#include "tests/sim/model.h"

enum oracle_kind { ORACLE_EDIT, ORACLE_DELETE, ORACLE_CREATE, ORACLE_UNKNOWN };

/* One committed op, as the store, a Committed or an Ack tell of it. Slices borrow. */
struct oracle_op {
    uint64_t seq;
    struct ordo_slice client;
    uint64_t client_seq, base_seq, timestamp_ms;
    struct ordo_slice user;
    enum oracle_kind kind;
    struct ordo_slice op; /* TextOp; of a create: its content */
    uint64_t lineage;     /* of a create */
};

struct oracle_entry {
    struct oracle_op op;   /* copied */
    struct model_op model; /* of an edit or create */
    uint64_t text_hash, text_count; /* of the content after it */
    uint64_t lineage;      /* that the document has from here on */
    bool is_deleted;
};

/* All up to `seq` was erased on disk. What was on its way then is of before; whatever is made later says of `seq` that the
 * document is deleted, and of this lineage. */
struct oracle_erasure {
    uint64_t seq, lineage;
};

struct oracle_doc {
    struct ordo_slice collection, id;
    struct oracle_entry *entries; /* entries[i] is seq i + 1 */
    size_t count, capacity;
    struct oracle_erasure *erasures; /* oldest first */
    size_t erasure_count;
    struct model_text text; /* after all entries */
};

struct oracle;

/* `verdict` is written by all checks; borrowed. */
struct oracle *oracle_create(struct sim_verdict *verdict);
void oracle_destroy(struct oracle *oracle);

/* Finds or adds. Never moves. */
struct oracle_doc *oracle_doc_of(struct oracle *oracle, struct ordo_slice collection, struct ordo_slice id);
size_t oracle_doc_count(const struct oracle *oracle);
struct oracle_doc *oracle_doc_at(struct oracle *oracle, size_t index);

/* A client is about to send this Submit (each variant once is enough). */
void oracle_submitted(struct oracle *oracle, struct oracle_doc *doc, struct ordo_slice client, uint64_t client_seq,
                      uint64_t base_seq, enum oracle_kind kind, struct ordo_slice op);
/* What was submitted so far, oldest first, for clients that replay it. */
struct oracle_submission {
    const struct oracle_doc *doc;
    struct ordo_slice client;
    uint64_t client_seq, base_seq;
    enum oracle_kind kind;
    struct ordo_slice op;
};
size_t oracle_submission_count(const struct oracle *oracle);
const struct oracle_submission *oracle_submission_at(const struct oracle *oracle, size_t index);
/* A client opens with a create. */
void oracle_create_offered(struct oracle *oracle, struct oracle_doc *doc, struct ordo_slice content);

/* This op is on disk now: known already and the same, or the next one. */
void oracle_durable(struct oracle *oracle, struct oracle_doc *doc, const struct oracle_op *op);
/* The document was forgotten at its head, durably. */
void oracle_erased(struct oracle *oracle, struct oracle_doc *doc, uint64_t seq, uint64_t lineage);
static inline uint64_t oracle_erased_seq(const struct oracle_doc *doc) { /* by now; 0: never */
    return doc->erasure_count > 0 ? doc->erasures[doc->erasure_count - 1].seq : 0;
}
/* Somebody (`who`) is shown this op. With an unset `kind` and op only the ids are compared (Ack). */
void oracle_shown(struct oracle *oracle, struct oracle_doc *doc, const struct oracle_op *op, bool ids_only,
                  const char *who);
/* The entry of an op_id; NULL: not on disk. */
const struct oracle_entry *oracle_find(const struct oracle *oracle, const struct oracle_doc *doc,
                                       struct ordo_slice client, uint64_t client_seq);
/* Newest client_seq of this client at or below `seq`, and its place; 0: none. */
uint64_t oracle_last_client_seq(const struct oracle_doc *doc, struct ordo_slice client, uint64_t seq,
                                uint64_t *server_seq_out);
/* Whether a client whose newest op is at `server_seq` may be told that none is known of it (0). */
static inline bool oracle_may_be_forgotten(uint64_t told_client_seq, uint64_t forgotten_seq, uint64_t server_seq) {
    return told_client_seq == 0 && server_seq <= forgotten_seq;
}
/* Is `utf8` the content at `seq`? (seq 0: empty; where the document was forgotten: that, or as before) */
bool oracle_content_is(const struct oracle *oracle, const struct oracle_doc *doc, uint64_t seq,
                       struct ordo_slice utf8);
/* Lineage as of `seq`; 0: none. */
uint64_t oracle_lineage(const struct oracle_doc *doc, uint64_t seq);
/* The same, before it was forgotten just there, if it was. */
uint64_t oracle_lineage_before(const struct oracle_doc *doc, uint64_t seq);

/* For messages: the first bytes in hex. Good until the eighth next call. */
const char *oracle_hex(struct ordo_slice bytes);

#endif
