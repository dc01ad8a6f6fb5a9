/* Materialised contents kept for a while: where many join one document, one job serves them all. The least recently
 * made go first when they are too many. */
#include "shard/core/state.h"

void ordo_doc_drop_content(struct ordo_shard *shard, struct ordo_doc *doc) {
    if (doc->content == NULL) return;
    shard->contents_size -= doc->content->bytes.size;
    ordo_blob_release(doc->content);
    doc->content = NULL;
    *(doc->content_newer ? &doc->content_newer->content_older : &shard->contents_newest) = doc->content_older;
    *(doc->content_older ? &doc->content_older->content_newer : &shard->contents_oldest) = doc->content_newer;
    doc->content_newer = doc->content_older = NULL;
}

void ordo_doc_keep_content(struct ordo_shard *shard, struct ordo_doc *doc, struct ordo_blob *blob, uint64_t seq) {
    ordo_doc_drop_content(shard, doc);
    if (blob->bytes.size > shard->config.content_cache_size_max / 4) return;
    doc->content = ordo_blob_retain(blob);
    doc->content_seq = seq;
    doc->content_used_ms = shard->now_ms;
    doc->content_older = shard->contents_newest;
    *(doc->content_older ? &doc->content_older->content_newer : &shard->contents_oldest) = doc;
    shard->contents_newest = doc;
    shard->contents_size += blob->bytes.size;
    while (shard->contents_size > shard->config.content_cache_size_max)
        ordo_doc_drop_content(shard, shard->contents_oldest);
    ordo_timers_set_by(&shard->timers, &doc->timer, shard->now_ms + shard->config.idle_ms);
}

bool ordo_doc_kept_content_serves(const struct ordo_doc *doc) {
    if (doc->content == NULL || !ordo_recent_reaches(&doc->recent, doc->content_seq)) return false;
    size_t ops_size = ordo_recent_size_from(&doc->recent, doc->content_seq + 1);
    return ops_size <= doc->content->bytes.size + ORDO_INLINE_SIZE_MAX;
}
