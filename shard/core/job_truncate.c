/* Finds out what may leave a document's log, whole runs from its beginning on, and packs it into blocks of history; which
 * of those nobody keeps any more; and which dedupe entries are too old. Nothing is changed here. */
#include <stdlib.h>

#include "shard/core/block.h"
#include "shard/core/job_impl.h"
#include "shard/core/key.h"

static struct ordo_slice rest_of(const struct ordo_job *job, struct ordo_slice key) {
    return ordo_slice(key.data + job->doc_key.size, key.size - job->doc_key.size);
}

static struct ordo_iterator *iterate(const struct ordo_job *job, struct ordo_view *view, enum ordo_cf cf,
                                     struct ordo_buffer *end) {
    ordo_key_doc_end(end, ordo_buffer_slice(&job->doc_key));
    return view->ops->iterate(view, cf, ordo_buffer_slice(&job->doc_key), ordo_buffer_slice(end));
}

/* ---- packing */

struct packer {
    struct ordo_truncate *truncate;
    struct ordo_slice doc_key;
    struct ordo_block_builder *builder; /* of the block that grows; NULL: none yet */
    uint64_t first_seq;                 /* of its ops */
    struct ordo_buffer key, value;
};

/* Takes up the newest block, if there is room in it. */
static ordo_err packer_open(struct packer *packer, struct ordo_job *job, struct ordo_view *view) {
    struct ordo_buffer end = {0};
    struct ordo_iterator *iterator = iterate(job, view, ORDO_CF_HISTORY, &end);
    struct ordo_block_info info;
    ordo_err err = ORDO_OK;
    if (iterator->ops->seek_back(iterator, ordo_buffer_slice(&end)) &&
        ordo_slice_starts_with(iterator->ops->key(iterator), packer->doc_key)) {
        struct ordo_slice key = iterator->ops->key(iterator), value = iterator->ops->value(iterator);
        err = ordo_block_look(key, value, &info);
        if (!err && info.first_seq + info.count != packer->truncate->from_seq) err = ORDO_ERR_CORRUPT;
        if (!err && info.count < packer->truncate->block_ops_max) {
            err = ordo_block_builder_open(key, value, packer->truncate->hash_seed, &packer->builder);
            packer->first_seq = info.first_seq;
        }
    } else {
        err = iterator->ops->status(iterator);
    }
    iterator->ops->close(iterator);
    ordo_buffer_finish(&end);
    return err;
}

static void packer_end_block(struct packer *packer) {
    if (packer->builder == NULL) return;
    ordo_key_ops(&packer->key, packer->doc_key, packer->first_seq);
    ordo_block_builder_encode(packer->builder, ordo_buffer_slice(&packer->key), &packer->value);
    ordo_seqs_push(&packer->truncate->packed_seqs, packer->first_seq);
    ordo_buffer_append_sized(&packer->truncate->packed, ordo_buffer_slice(&packer->value));
    ordo_block_builder_destroy(packer->builder);
    packer->builder = NULL;
}

static ordo_err packer_append(struct packer *packer, const struct ordo_committed *op) {
    bool is_full = packer->builder != NULL &&
                   ordo_block_builder_count(packer->builder) >= packer->truncate->block_ops_max;
    ordo_err err = is_full ? ORDO_ERR_FULL : ORDO_OK;
    if (packer->builder != NULL && !err) err = ordo_block_builder_append(packer->builder, op);
    if (err == ORDO_ERR_FULL) packer_end_block(packer);
    if (packer->builder != NULL || (err && err != ORDO_ERR_FULL)) return err;
    packer->builder = ordo_block_builder_create(op->server_seq, packer->truncate->hash_seed);
    packer->first_seq = op->server_seq;
    return ordo_block_builder_append(packer->builder, op);
}

static void packer_finish(struct packer *packer) {
    ordo_block_builder_destroy(packer->builder);
    ordo_buffer_finish(&packer->key);
    ordo_buffer_finish(&packer->value);
}

/* ---- runs */

/* Whether all of a run may go. */
static ordo_err look_at_run(const struct ordo_truncate *truncate, struct ordo_slice key, struct ordo_slice value,
                            uint64_t first_seq, bool *may_go) {
    struct ordo_run run;
    struct ordo_run_op op;
    uint64_t timestamp_ms = 0;
    ordo_err err = ordo_run_open(key, value, &run);
    if (!err && (run.first_seq != first_seq || run.count == 0)) err = ORDO_ERR_CORRUPT;
    while (!err && !(err = ordo_run_next(&run, &op))) timestamp_ms = op.op.timestamp_ms;
    if (err != ORDO_ERR_NOT_FOUND) return err;
    *may_go = run.next_seq <= truncate->limit_seq + 1 && timestamp_ms < truncate->before_ms;
    return ORDO_OK;
}

static ordo_err pack_run(struct packer *packer, struct ordo_slice key, struct ordo_slice value, uint64_t *last_seq) {
    struct ordo_run run;
    struct ordo_run_op op;
    ordo_err err = ordo_run_open(key, value, &run);
    while (!err && !(err = ordo_run_next(&run, &op))) err = packer_append(packer, &op.op);
    *last_seq = run.next_seq - 1;
    return err == ORDO_ERR_NOT_FOUND ? ORDO_OK : err;
}

static ordo_err take_runs(struct ordo_job *job, struct ordo_iterator *iterator, struct packer *packer) {
    struct ordo_truncate *truncate = &job->truncate;
    size_t size = 0;
    ordo_key_ops(&packer->key, packer->doc_key, truncate->from_seq);
    bool has = iterator->ops->seek(iterator, ordo_buffer_slice(&packer->key));
    for (; has && size < truncate->size_max; has = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator), value = iterator->ops->value(iterator);
        uint64_t first_seq;
        bool may_go;
        if (!ordo_key_parse_seq(rest_of(job, key), &first_seq) || first_seq != truncate->horizon + 1)
            return ORDO_ERR_CORRUPT;
        ordo_err err = look_at_run(truncate, key, value, first_seq, &may_go);
        if (!err && may_go) err = pack_run(packer, key, value, &truncate->horizon);
        if (err || !may_go) return err;
        ordo_seqs_push(&truncate->runs, first_seq);
        size += key.size + value.size;
    }
    return has ? ORDO_OK : iterator->ops->status(iterator);
}

static void list_runs(struct ordo_job *job, struct ordo_view *view) {
    struct ordo_truncate *truncate = &job->truncate;
    struct packer packer = {.truncate = truncate, .doc_key = ordo_buffer_slice(&job->doc_key)};
    struct ordo_buffer end = {0};
    truncate->horizon = truncate->from_seq - 1;
    ordo_err err = packer_open(&packer, job, view);
    if (!err) {
        struct ordo_iterator *iterator = iterate(job, view, ORDO_CF_OPS, &end);
        err = take_runs(job, iterator, &packer);
        iterator->ops->close(iterator);
    }
    if (!err && truncate->runs.count > 0) packer_end_block(&packer);
    if (err) ordo_job_fail(job, err, "the document's log cannot be read", truncate->horizon + 1);
    packer_finish(&packer);
    ordo_buffer_finish(&end);
}

/* Blocks whose every op is at or before `base_seq`. The newest stays: it may just be growing. */
static void list_blocks(struct ordo_job *job, struct ordo_view *view) {
    struct ordo_truncate *truncate = &job->truncate;
    struct ordo_buffer end = {0};
    struct ordo_iterator *iterator = iterate(job, view, ORDO_CF_HISTORY, &end);
    uint64_t seq, previous_seq = 0;
    for (bool has = iterator->ops->seek(iterator, ordo_buffer_slice(&job->doc_key)); has;
         has = iterator->ops->next(iterator)) {
        if (!ordo_key_parse_seq(rest_of(job, iterator->ops->key(iterator)), &seq) || seq > truncate->base_seq + 1) break;
        if (previous_seq != 0) ordo_seqs_push(&truncate->blocks, previous_seq);
        previous_seq = seq;
    }
    ordo_err err = iterator->ops->status(iterator);
    if (err) ordo_job_fail(job, err, "the document's history cannot be read", truncate->base_seq);
    iterator->ops->close(iterator);
    ordo_buffer_finish(&end);
}

/* ---- clients */

static int compare_seqs(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

struct client {
    uint64_t server_seq, timestamp_ms;
    struct ordo_slice client_id;
};

/* Calls `visit` with every dedupe entry of the document. */
static ordo_err each_client(struct ordo_job *job, struct ordo_view *view,
                            void (*visit)(struct ordo_truncate *truncate, const struct client *client, void *context),
                            void *context) {
    struct ordo_buffer end = {0};
    struct ordo_iterator *iterator = iterate(job, view, ORDO_CF_CLIENTS, &end);
    ordo_err err = ORDO_OK;
    for (bool has = iterator->ops->seek(iterator, ordo_buffer_slice(&job->doc_key)); has && !err;
         has = iterator->ops->next(iterator)) {
        struct ordo_slice key = iterator->ops->key(iterator);
        struct ordo_client_row row;
        err = ordo_client_row_decode(key, iterator->ops->value(iterator), &row);
        if (!err) visit(&job->truncate, &(struct client){row.server_seq, row.timestamp_ms, rest_of(job, key)}, context);
    }
    if (!err) err = iterator->ops->status(iterator);
    iterator->ops->close(iterator);
    ordo_buffer_finish(&end);
    return err;
}

static void note_seq(struct ordo_truncate *truncate, const struct client *client, void *context) {
    (void)truncate;
    ordo_seqs_push(context, client->server_seq);
}

/* Never one whose op may still be sent again and be taken for new: with its base below the horizon it is refused. */
static void forget_old(struct ordo_truncate *truncate, const struct client *client, void *context) {
    const uint64_t *crowded_out_seq = context;
    bool is_old = client->timestamp_ms < truncate->expire_before_ms || client->server_seq <= *crowded_out_seq;
    if (!is_old || client->server_seq >= truncate->from_seq) return;
    ordo_buffer_append_sized(&truncate->forgotten, client->client_id);
    if (client->server_seq > truncate->forgotten_seq) truncate->forgotten_seq = client->server_seq;
}

static void list_forgotten(struct ordo_job *job, struct ordo_view *view) {
    struct ordo_truncate *truncate = &job->truncate;
    struct ordo_seqs seqs = {0};
    uint64_t crowded_out_seq = 0;
    ordo_err err = each_client(job, view, note_seq, &seqs);
    if (!err && seqs.count > truncate->clients_max) {
        qsort(seqs.items, seqs.count, sizeof *seqs.items, compare_seqs);
        crowded_out_seq = seqs.items[seqs.count - truncate->clients_max - 1];
    }
    free(seqs.items);
    if (!err) err = each_client(job, view, forget_old, &crowded_out_seq);
    if (err) ordo_job_fail(job, err, "the document's clients cannot be read", 0);
}

/* ---- all of it */

void ordo_job_run_truncate(struct ordo_job *job, struct ordo_view *view) {
    list_runs(job, view);
    if (!job->err && job->truncate.base_seq > 0) list_blocks(job, view);
    if (!job->err && job->truncate.expire_before_ms > 0) list_forgotten(job, view);
}
