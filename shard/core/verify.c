#include "shard/core/verify.h"

#include <stdlib.h>

#include "common/hash.h"
#include "common/memory.h"
#include "shard/core/authors.h"
#include "shard/core/block.h"
#include "shard/core/damage.h"
#include "shard/core/key.h"
#include "shard/core/replay.h"
#include "shard/core/slot_rows.h"

struct verify {
    struct ordo_view *view;
    ordo_verify_found found;
    const struct ordo_hashing *hashing;  /* NULL: nobody wants to know */
    void *context;
    struct ordo_verify_counts counts;
    struct ordo_buffer doc_key, end_key; /* of the document being looked at */
    struct ordo_key doc;
    bool has_slots;                      /* the store says which slots it has */
    struct ordo_slot_row slots[ORDO_SLOT_COUNT];
};

static void report(struct verify *verify, uint64_t seq, const char *text) {
    verify->counts.findings++;
    verify->found(verify->context, &(struct ordo_finding){.collection = verify->doc.collection, .id = verify->doc.id,
                                                          .seq = seq, .text = text});
}

/* ---- the log of one document, with what follows from it */

struct replayed {
    struct ordo_materialised now;
    struct ordo_authors authors; /* newest op of each client so far */
    uint64_t snapshot_seq;       /* newest valid one */
    struct ordo_doc_row row;     /* zeroed: there is none */
    ordo_err row_err;
};

/* A client's numbers only grow, so no op_id stands there twice. */
static void check_op_id(struct verify *verify, struct replayed *replayed, const struct ordo_run_op *op) {
    if (op->op.client_seq == 0) return;
    struct ordo_author *author = ordo_authors_get(&replayed->authors, op->op.client_id);
    bool may_repeat = (op->flags & ORDO_RUN_EXACT) != 0;
    if (!may_repeat && op->op.client_seq <= author->client_seq)
        report(verify, op->op.server_seq, "an op_id stands in the log twice, or behind a later one of its client");
    if (author->client_seq != 0 && !ordo_slice_equal(ordo_author_user(author), op->op.user))
        report(verify, op->op.server_seq, "a client_id wrote in the name of two users");
    ordo_authors_note(&replayed->authors, author,
                      &(struct ordo_client_row){.client_seq = op->op.client_seq, .server_seq = op->op.server_seq,
                                                .hash = op->hash, .timestamp_ms = op->op.timestamp_ms,
                                                .user = op->op.user});
}

/* Packed history has no hashes: 0. */
static void check_client_row(struct verify *verify, const struct replayed *replayed,
                             const struct ordo_author *author) {
    struct ordo_buffer key = {0}, value = {0};
    struct ordo_client_row row;
    ordo_key_client(&key, ordo_buffer_slice(&verify->doc_key), ordo_author_client_id(author));
    ordo_err err = verify->view->ops->get(verify->view, ORDO_CF_CLIENTS, ordo_buffer_slice(&key), &value);
    if (!err) err = ordo_client_row_decode(ordo_buffer_slice(&key), ordo_buffer_slice(&value), &row);
    bool is_covered = author->server_seq <= replayed->snapshot_seq;
    bool is_forgotten = author->server_seq <= replayed->row.forgotten_seq;
    if (err == ORDO_ERR_NOT_FOUND && is_covered && !is_forgotten)
        report(verify, author->server_seq, "the newest snapshot covers an op whose client has no row");
    else if (err && err != ORDO_ERR_NOT_FOUND) report(verify, author->server_seq, "a client's row is damaged");
    else if (!err && is_covered && row.client_seq != author->client_seq)
        report(verify, author->server_seq, "a client's row is not that of its newest op below the newest snapshot");
    else if (!err && row.client_seq > author->client_seq)
        report(verify, row.server_seq, "a client's row knows an op that is not in the log");
    else if (!err && row.client_seq == author->client_seq &&
             (row.server_seq != author->server_seq || (author->hash != 0 && row.hash != author->hash) ||
              !ordo_slice_equal(row.user, ordo_author_user(author))))
        report(verify, author->server_seq, "a client's row says something else than the log");
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
}

/* Compares a stored snapshot with the replay, which stands at its seq. */
static void check_snapshot(struct verify *verify, const struct replayed *replayed,
                           const struct ordo_snapshot_row *row) {
    const struct ordo_doc_state *state = &replayed->now.state;
    struct ordo_slice type = ordo_slice_of(state->type->name);
    if (!ordo_slice_equal(row->type, type) || row->lineage != state->lineage ||
        row->created_seq != state->created_seq || row->deleted_seq != state->deleted_seq ||
        row->timestamp_ms != state->timestamp_ms || row->length != state->length) {
        report(verify, row->seq, "a snapshot's record says something else than the log");
        return;
    }
    struct ordo_buffer replay = {0}, stored = {0}, key = {0}, value = {0};
    if (replayed->now.content != NULL) state->type->content_write(replayed->now.content, &replay);
    ordo_err err = ORDO_OK;
    for (uint32_t piece = 0; piece < row->piece_count && !err; piece++) {
        struct ordo_slice bytes;
        ordo_key_snapshot(&key, ordo_buffer_slice(&verify->doc_key), row->seq, piece);
        ordo_buffer_clear(&value);
        err = verify->view->ops->get(verify->view, ORDO_CF_SNAPSHOTS, ordo_buffer_slice(&key), &value);
        if (!err) err = ordo_snapshot_piece_decode(ordo_buffer_slice(&key), ordo_buffer_slice(&value), &bytes);
        if (!err) ordo_buffer_append_slice(&stored, bytes);
    }
    if (err) report(verify, row->seq, "a piece of a valid snapshot is missing or damaged");
    else if (!ordo_slice_equal(ordo_buffer_slice(&stored), ordo_buffer_slice(&replay)) || stored.size != row->size)
        report(verify, row->seq, "a snapshot's content is not what the log gives");
    else if (row->has_hash && ordo_snapshot_content_hash(ordo_buffer_slice(&stored)) != row->content_hash)
        report(verify, row->seq, "a snapshot's record has another hash than its content");
    ordo_buffer_finish(&replay);
    ordo_buffer_finish(&stored);
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
}

/* Nothing but the record that it starts from may be left of a document that was forgotten. */
static bool is_left_over(const struct replayed *replayed, uint64_t seq) {
    return seq <= replayed->row.erased_seq;
}

/* The oldest valid snapshot at or above `seq`; its seq, 0 if there is none. Damaged records are reported
 * elsewhere. */
static uint64_t next_snapshot(struct verify *verify, uint64_t seq, struct ordo_snapshot_row *row,
                              struct ordo_buffer *memory) {
    struct ordo_buffer key = {0};
    struct ordo_slice doc_key = ordo_buffer_slice(&verify->doc_key);
    struct ordo_iterator *iterator = verify->view->ops->iterate(verify->view, ORDO_CF_SNAPSHOTS, doc_key,
                                                                ordo_buffer_slice(&verify->end_key));
    uint64_t found = 0;
    ordo_key_snapshot(&key, doc_key, seq, 0);
    for (bool more = iterator->ops->seek(iterator, ordo_buffer_slice(&key)); more && found == 0;
         more = iterator->ops->next(iterator)) {
        struct ordo_slice at = iterator->ops->key(iterator);
        uint64_t at_seq;
        uint32_t piece;
        if (!ordo_key_parse_piece(ordo_slice(at.data + doc_key.size, at.size - doc_key.size), &at_seq, &piece))
            continue;
        if (piece != ORDO_PIECE_VALID) continue;
        ordo_buffer_clear(memory);
        ordo_buffer_append_slice(memory, iterator->ops->value(iterator));
        if (!ordo_snapshot_row_decode(at, ordo_buffer_slice(memory), row) && row->seq == at_seq) found = at_seq;
    }
    iterator->ops->close(iterator);
    ordo_buffer_finish(&key);
    return found;
}

static void check_snapshot_records(struct verify *verify, const struct replayed *replayed, uint64_t head,
                                   uint64_t *newest_seq) {
    struct ordo_slice doc_key = ordo_buffer_slice(&verify->doc_key);
    struct ordo_iterator *iterator = verify->view->ops->iterate(verify->view, ORDO_CF_SNAPSHOTS, doc_key,
                                                                ordo_buffer_slice(&verify->end_key));
    for (bool more = iterator->ops->seek(iterator, doc_key); more; more = iterator->ops->next(iterator)) {
        struct ordo_slice at = iterator->ops->key(iterator);
        uint64_t seq;
        uint32_t piece;
        struct ordo_snapshot_row row;
        if (!ordo_key_parse_piece(ordo_slice(at.data + doc_key.size, at.size - doc_key.size), &seq, &piece)) {
            report(verify, 0, "a key among the snapshots is not one of ours");
        } else if (is_left_over(replayed, seq) && (piece != ORDO_PIECE_VALID || seq < replayed->row.erased_seq)) {
            report(verify, seq, "a snapshot of before the document was forgotten is still there");
        } else if (piece == ORDO_PIECE_VALID) {
            verify->counts.snapshots++;
            ordo_err err = ordo_snapshot_row_decode(at, iterator->ops->value(iterator), &row);
            if (err || row.seq != seq) report(verify, seq, "a snapshot's record is damaged");
            else if (seq > head) report(verify, seq, "a snapshot is newer than the log");
            else if (is_left_over(replayed, seq) && !ordo_snapshot_row_is_erased(&row))
                report(verify, seq, "a forgotten document does not begin with nothing");
            else *newest_seq = seq;
        }
    }
    if (ordo_iterator_end(iterator)) report(verify, 0, "the snapshots cannot be read");
}

/* There need not be a log behind the horizon: of a document that was forgotten and not created since, or of which repair found
 * no more than a snapshot. */
static uint64_t find_head(struct verify *verify, const struct replayed *replayed) {
    struct ordo_slice doc_key = ordo_buffer_slice(&verify->doc_key);
    struct ordo_iterator *iterator = verify->view->ops->iterate(verify->view, ORDO_CF_OPS, doc_key,
                                                                ordo_buffer_slice(&verify->end_key));
    struct ordo_run run;
    uint64_t head = replayed->row.horizon;
    if (iterator->ops->seek_back(iterator, ordo_buffer_slice(&verify->end_key)) &&
        !ordo_run_open(iterator->ops->key(iterator), iterator->ops->value(iterator), &run))
        head = run.first_seq + run.count - 1;
    iterator->ops->close(iterator);
    return head;
}

/* Where loading takes the log up: behind the horizon, with a run. What is before it, truncation did not come to delete. */
static void check_beginning(struct verify *verify, const struct replayed *replayed) {
    struct ordo_slice doc_key = ordo_buffer_slice(&verify->doc_key);
    struct ordo_iterator *iterator = verify->view->ops->iterate(verify->view, ORDO_CF_OPS, doc_key,
                                                                ordo_buffer_slice(&verify->end_key));
    uint64_t horizon = replayed->row.horizon, seq = 0;
    for (bool more = iterator->ops->seek(iterator, doc_key); more && seq <= horizon; more = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator);
        struct ordo_run run;
        bool is_first = seq == 0;
        if (!ordo_key_parse_seq(ordo_slice(key.data + doc_key.size, key.size - doc_key.size), &seq)) break;
        if (is_first && is_left_over(replayed, seq))
            report(verify, seq, "a run of before the document was forgotten is still there");
        if (seq > horizon + 1) report(verify, seq, "the log does not begin behind the horizon");
        if (seq <= horizon && !ordo_run_open(key, iterator->ops->value(iterator), &run) && seq + run.count > horizon + 1)
            report(verify, seq, "a run begins before the horizon and ends behind it");
    }
    if (ordo_iterator_end(iterator)) report(verify, 0, "the log cannot be read");
}

static void tell_hash(struct verify *verify, const struct replayed *replayed) {
    const struct ordo_doc_state *state = &replayed->now.state;
    struct ordo_content_hash hash = {.collection = verify->doc.collection, .id = verify->doc.id, .seq = state->seq};
    struct ordo_buffer content = {0};
    if (replayed->now.content != NULL) {
        state->type->content_write(replayed->now.content, &content);
        hash.hash = ordo_hash(ordo_buffer_slice(&content));
    }
    verify->hashing->hashed(verify->context, &hash);
    ordo_buffer_finish(&content);
}

static void replay(struct verify *verify, struct replayed *replayed) {
    struct ordo_op_log log;
    struct ordo_run_op op;
    struct ordo_snapshot_row row;
    struct ordo_buffer row_memory = {0};
    uint64_t begin_seq = replayed->row.history_seq, bad_seq;
    ordo_err err = ordo_materialise(verify->view, ordo_buffer_slice(&verify->doc_key), begin_seq, &replayed->now, &bad_seq);
    if (err || replayed->now.state.seq != begin_seq) {
        report(verify, begin_seq, "the content that history begins with cannot be read");
        return;
    }
    uint64_t snapshot_seq = next_snapshot(verify, begin_seq + 1, &row, &row_memory);
    ordo_op_log_open(&log, verify->view, ordo_buffer_slice(&verify->doc_key), begin_seq + 1);
    for (;;) {
        uint64_t length = replayed->now.state.length, timestamp_ms = replayed->now.state.timestamp_ms;
        err = ordo_op_log_next(&log, &op);
        if (err) break;
        bool begins_run = log.has_run && op.op.server_seq == log.run.first_seq;
        if (begins_run && log.run.length_before != length)
            report(verify, log.run.first_seq, "a run begins with another length than the ops before it make");
        err = ordo_materialised_step(&replayed->now, &op.op);
        if (err) break;
        verify->counts.ops++;
        if (op.op.timestamp_ms < timestamp_ms) report(verify, op.op.server_seq, "time goes backwards");
        if (op.op.base_seq >= op.op.server_seq) report(verify, op.op.server_seq, "an op is based on the future");
        check_op_id(verify, replayed, &op);
        if (op.op.server_seq == snapshot_seq) {
            check_snapshot(verify, replayed, &row);
            snapshot_seq = next_snapshot(verify, snapshot_seq + 1, &row, &row_memory);
        }
        if (verify->hashing != NULL && op.op.server_seq % verify->hashing->every == 0) tell_hash(verify, replayed);
    }
    if (verify->hashing != NULL && replayed->now.state.seq % verify->hashing->every != 0) tell_hash(verify, replayed);
    if (err != ORDO_ERR_NOT_FOUND) report(verify, log.next_seq, "the log is damaged or has a hole");
    ordo_op_log_close(&log);
    ordo_buffer_finish(&row_memory);
}

static void check_doc_row(struct verify *verify, const struct replayed *replayed) {
    const struct ordo_doc_row *row = &replayed->row;
    if (replayed->row_err == ORDO_ERR_NOT_FOUND) {
        if (replayed->snapshot_seq > 0) report(verify, 0, "a document with a snapshot has no row");
    } else if (replayed->row_err) {
        report(verify, 0, "the document's row is damaged");
    } else {
        if (row->head > replayed->now.state.seq)
            report(verify, row->head, "the log ends before the head that its row knows of");
        if (row->horizon > row->head) report(verify, row->horizon, "the horizon is above the head");
    }
}

static void read_doc_row(struct verify *verify, struct replayed *replayed, struct ordo_buffer *memory) {
    struct ordo_slice doc_key = ordo_buffer_slice(&verify->doc_key);
    replayed->row_err = verify->view->ops->get(verify->view, ORDO_CF_DOCS, doc_key, memory);
    if (!replayed->row_err)
        replayed->row_err = ordo_doc_row_decode(doc_key, ordo_buffer_slice(memory), &replayed->row);
    if (replayed->row_err) replayed->row = (struct ordo_doc_row){0};
}

/* Rows of clients that never wrote. */
static void check_stray_clients(struct verify *verify, const struct replayed *replayed) {
    struct ordo_slice doc_key = ordo_buffer_slice(&verify->doc_key);
    struct ordo_iterator *iterator = verify->view->ops->iterate(verify->view, ORDO_CF_CLIENTS, doc_key,
                                                                ordo_buffer_slice(&verify->end_key));
    for (bool more = iterator->ops->seek(iterator, doc_key); more; more = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator);
        struct ordo_slice client_id = ordo_slice(key.data + doc_key.size, key.size - doc_key.size);
        verify->counts.client_rows++;
        struct ordo_client_row row;
        if (ordo_authors_find(&replayed->authors, client_id) != NULL) continue; /* compared with the log already */
        if (ordo_client_row_decode(key, iterator->ops->value(iterator), &row)) {
            report(verify, 0, "a client's row is damaged");
        } else if (is_left_over(replayed, row.server_seq)) {
            report(verify, row.server_seq, "a client's row of before the document was forgotten is still there");
        } else if (row.server_seq > replayed->row.history_seq) {
            report(verify, row.server_seq, "there is a row of a client that never wrote");
        }
    }
    if (ordo_iterator_end(iterator)) report(verify, 0, "the clients' rows cannot be read");
}

/* Blocks must follow each other up to the horizon; that the log follows them is seen by replaying both. */
static void check_blocks(struct verify *verify, const struct replayed *replayed) {
    struct ordo_slice doc_key = ordo_buffer_slice(&verify->doc_key);
    struct ordo_iterator *iterator = verify->view->ops->iterate(verify->view, ORDO_CF_HISTORY, doc_key,
                                                                ordo_buffer_slice(&verify->end_key));
    uint64_t next_seq = 0;
    for (bool more = iterator->ops->seek(iterator, doc_key); more; more = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator), value = iterator->ops->value(iterator);
        struct ordo_block_info info;
        uint64_t seq = 0;
        bool is_ours = ordo_key_parse_seq(ordo_slice(key.data + doc_key.size, key.size - doc_key.size), &seq);
        verify->counts.blocks++;
        verify->counts.block_size += value.size;
        if (!is_ours || ordo_block_look(key, value, &info) || info.first_seq != seq) {
            report(verify, seq, "a block of history is damaged");
            next_seq = 0;
            continue;
        }
        if (is_left_over(replayed, seq)) report(verify, seq, "history of before the document was forgotten is still there");
        if (next_seq != 0 && seq != next_seq) report(verify, seq, "blocks of history do not follow each other");
        next_seq = seq + info.count;
    }
    if (next_seq != 0 && !replayed->row_err && next_seq != replayed->row.horizon + 1)
        report(verify, next_seq - 1, "packed history does not end at the horizon");
    if (ordo_iterator_end(iterator)) report(verify, 0, "history cannot be read");
}

static void check_document(struct verify *verify) {
    struct replayed replayed = {0};
    struct ordo_buffer row_memory = {0};
    uint64_t newest = 0;
    verify->counts.documents++;
    if (ordo_damage_check(verify->view, ordo_buffer_slice(&verify->doc_key))) {
        report(verify, 0, "a damaged table held some of it, or may have; `ordo repair` says what is left");
        return;
    }
    read_doc_row(verify, &replayed, &row_memory);
    check_snapshot_records(verify, &replayed, find_head(verify, &replayed), &newest);
    replayed.snapshot_seq = newest;
    check_beginning(verify, &replayed);
    replay(verify, &replayed);
    check_doc_row(verify, &replayed);
    check_blocks(verify, &replayed);
    uint32_t cursor = 0;
    const struct ordo_author *author;
    while ((author = ordo_table_next(&replayed.authors.table, &cursor)) != NULL)
        check_client_row(verify, &replayed, author);
    check_stray_clients(verify, &replayed);
    ordo_materialised_finish(&replayed.now);
    ordo_authors_finish(&replayed.authors);
    ordo_buffer_finish(&row_memory);
}

/* The next document at or behind `from` (by key) that this column family knows of. */
static bool next_document(struct verify *verify, enum ordo_cf cf, struct ordo_slice from, struct ordo_buffer *out) {
    struct ordo_iterator *iterator =
        verify->view->ops->iterate(verify->view, cf, ordo_slice(NULL, 0), ordo_slice(NULL, 0));
    bool found = false;
    for (bool more = iterator->ops->seek(iterator, from); more && !found; more = iterator->ops->next(iterator)) {
        struct ordo_key key;
        if (ordo_key_parse(iterator->ops->key(iterator), &key)) {
            ordo_buffer_clear(out);
            ordo_buffer_append_slice(out, key.doc_key);
            found = true;
        } else {
            verify->doc = (struct ordo_key){0};
            report(verify, 0, "a key is not one of ours");
        }
    }
    if (iterator->ops->status(iterator)) {
        verify->doc = (struct ordo_key){0};
        report(verify, 0, "the store cannot be read to its end");
    }
    iterator->ops->close(iterator);
    return found;
}

static void read_slots(struct verify *verify) {
    verify->doc = (struct ordo_key){0};
    if (ordo_slot_rows_read(verify->view, true, verify->slots)) report(verify, 0, "the rows of slots cannot be read");
    for (unsigned slot = 0; slot < ORDO_SLOT_COUNT; slot++)
        if (verify->slots[slot].state != ORDO_SLOT_NONE) verify->has_slots = true;
}

/* What is being taken over is not whole, and is no matter until it is. */
static bool is_to_be_checked(struct verify *verify) {
    const struct ordo_slot_row *row = &verify->slots[verify->doc.slot];
    if (!verify->has_slots || ordo_slot_row_has_documents(row)) return true;
    if (row->state != ORDO_SLOT_IMPORTING) report(verify, 0, "a document of a slot that this store does not have");
    return false;
}

/* Documents may be lost with their names, so that no other check meets them. */
static void check_damage(struct verify *verify) {
    struct ordo_buffer row = {0};
    struct ordo_reader ranges;
    struct ordo_damage damage;
    ordo_err err = verify->view->ops->get(verify->view, ORDO_CF_META, ordo_key_damage, &row);
    verify->doc = (struct ordo_key){0};
    if (!err && ordo_damage_open(ordo_buffer_slice(&row), &ranges)) report(verify, 0, "the row that names damage is damaged itself");
    else while (!err && ordo_damage_next(&ranges, &damage))
        report(verify, 0, "a table was damaged: documents around the place answer an error until `ordo repair`");
    ordo_buffer_finish(&row);
}

struct ordo_verify_counts ordo_verify(struct ordo_view *view, ordo_verify_found found, void *context) {
    return ordo_verify_hashing(view, found, NULL, context);
}

struct ordo_verify_counts ordo_verify_hashing(struct ordo_view *view, ordo_verify_found found, const struct ordo_hashing *hashing,
                                              void *context) {
    static const enum ordo_cf families[] = {ORDO_CF_DOCS, ORDO_CF_OPS, ORDO_CF_SNAPSHOTS, ORDO_CF_CLIENTS, ORDO_CF_HISTORY};
    struct verify verify = {.view = view, .found = found, .hashing = hashing, .context = context};
    struct ordo_buffer from = {0}, candidate = {0};
    ordo_buffer_append_u8(&from, 0);
    check_damage(&verify);
    read_slots(&verify);
    for (;;) {
        bool has_next = false;
        for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
            if (!next_document(&verify, families[i], ordo_buffer_slice(&from), &candidate)) continue;
            if (has_next &&
                ordo_slice_compare(ordo_buffer_slice(&candidate), ordo_buffer_slice(&verify.doc_key)) >= 0)
                continue;
            ordo_buffer_clear(&verify.doc_key);
            ordo_buffer_append_slice(&verify.doc_key, ordo_buffer_slice(&candidate));
            has_next = true;
        }
        if (!has_next) break;
        (void)ordo_key_parse(ordo_buffer_slice(&verify.doc_key), &verify.doc);
        ordo_key_doc_end(&verify.end_key, ordo_buffer_slice(&verify.doc_key));
        if (is_to_be_checked(&verify)) check_document(&verify);
        ordo_buffer_clear(&from);
        ordo_buffer_append_slice(&from, ordo_buffer_slice(&verify.end_key));
    }
    ordo_buffer_finish(&from);
    ordo_buffer_finish(&candidate);
    ordo_buffer_finish(&verify.doc_key);
    ordo_buffer_finish(&verify.end_key);
    return verify.counts;
}
