/* Documents of a slot that is being taken over, loaded before it is ours: what the other shard commits to them meanwhile they
 * take in from the rows that come, as if they had been loaded later. */
#include "shard/core/key.h"
#include "shard/core/state.h"

/* False: it is not what follows. The document is then as far as it could be read. */
static bool take_run(struct ordo_doc *doc, struct ordo_run *run) {
    struct ordo_run_op op;
    ordo_err err = run->first_seq == doc->state.seq + 1 ? ORDO_OK : ORDO_ERR_CORRUPT;
    while (!err && !(err = ordo_run_next(run, &op)) && !(err = ordo_doc_state_step(&doc->state, &op.op))) {
        ordo_authors_note_op(&doc->authors, &op);
        ordo_recent_append(&doc->recent, op.hash, op.flags, op.committed, &op.op, doc->state.length);
    }
    return err == ORDO_ERR_NOT_FOUND;
}

static bool follows(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_slice key, struct ordo_slice value) {
    struct ordo_run run;
    if (doc->is_loading || ordo_run_open(key, value, &run)) return false;
    size_t before = ordo_recent_size(&doc->recent);
    bool is_taken = take_run(doc, &run);
    doc->log_size += ordo_recent_size(&doc->recent) - before;
    if (ordo_recent_size(&doc->recent) > shard->config.recent_size_max)
        ordo_recent_trim(&doc->recent, shard->config.recent_size_max / 2, UINT64_MAX, false);
    shard->stats.recent_bytes += ordo_recent_size(&doc->recent) - before;
    return is_taken;
}

void ordo_doc_follow(struct ordo_shard *shard, struct ordo_slice key, struct ordo_slice value) {
    struct ordo_doc *doc = ordo_doc_find(shard, ordo_key_document(key));
    if (doc == NULL || follows(shard, doc, key, value)) return;
    ordo_doc_abandon(shard, doc); /* it is read again when somebody asks for it, and says then what is wrong */
}
