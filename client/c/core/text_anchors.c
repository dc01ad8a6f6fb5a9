#include "client/c/core/text_anchors.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"
#include "common/utf8.h"

enum {
    BLOCK_SIZE = 32, /* bytes: shorter, and prose repeats itself; longer, and busy places have none untouched */
    BLOCKS_MAX = 1 << 16,
    BUCKET_DEPTH_MAX = 16, /* somebody may write text whose blocks share one hash */
    FACTOR = 0x01000193, /* of the rolling hash: odd, so no byte is lost */
};

struct block {
    uint32_t hash;
    size_t from, to;
    uint32_t next; /* in the same bucket, plus one */
    uint32_t from_count, to_count; /* how often it occurs; one in each makes an anchor */
};

struct blocks {
    struct block *all;
    size_t count;
    uint32_t *buckets; /* index into `all` plus one */
    uint32_t mask;
};

/* --- the rolling hash ------------------------------------------------------------------------------------------- */

static uint32_t hash_of(const uint8_t *bytes) {
    uint32_t hash = 0;
    for (size_t i = 0; i < BLOCK_SIZE; i++) hash = hash * FACTOR + bytes[i];
    return hash;
}

static uint32_t leading_factor(void) {
    uint32_t factor = 1;
    for (size_t i = 1; i < BLOCK_SIZE; i++) factor *= FACTOR;
    return factor;
}

/* The low bits of the hash depend on the low bits of the bytes alone. */
static uint32_t bucket_of(const struct blocks *blocks, uint32_t hash) {
    return ((hash ^ hash >> 15) * 0x9E3779B1u >> 15) & blocks->mask;
}

static struct block *blocks_lookup(const struct blocks *blocks, struct ordo_slice from, uint32_t hash,
                                   const uint8_t *bytes) {
    uint32_t at = blocks->buckets[bucket_of(blocks, hash)];
    for (int depth = 0; at != 0 && depth < BUCKET_DEPTH_MAX; depth++, at = blocks->all[at - 1].next) {
        struct block *block = &blocks->all[at - 1];
        if (block->hash == hash && memcmp(from.data + block->from, bytes, BLOCK_SIZE) == 0) return block;
    }
    return NULL;
}

/* --- blocks that occur once ------------------------------------------------------------------------------------- */

static void blocks_init(struct blocks *blocks, struct ordo_slice from) {
    size_t step = from.size / BLOCKS_MAX > BLOCK_SIZE ? from.size / BLOCKS_MAX + 1 : BLOCK_SIZE;
    size_t count_max = from.size / step + 1, bucket_count = 1024;
    while (bucket_count < count_max) bucket_count *= 2;
    *blocks = (struct blocks){.all = ordo_alloc_array(count_max, sizeof *blocks->all),
                              .buckets = ordo_alloc_array(bucket_count, sizeof *blocks->buckets),
                              .mask = (uint32_t)bucket_count - 1};
    for (size_t at = 0; at + BLOCK_SIZE <= from.size; at += step) {
        uint32_t hash = hash_of(from.data + at);
        struct block *same = blocks_lookup(blocks, from, hash, from.data + at);
        if (same != NULL) {
            same->from_count++;
            continue;
        }
        uint32_t *bucket = &blocks->buckets[bucket_of(blocks, hash)];
        blocks->all[blocks->count] = (struct block){.hash = hash, .from = at, .next = *bucket, .from_count = 1};
        *bucket = (uint32_t)++blocks->count;
    }
}

static void blocks_match(struct blocks *blocks, struct ordo_slice from, struct ordo_slice to) {
    if (to.size < BLOCK_SIZE) return;
    uint32_t hash = hash_of(to.data), leading = leading_factor();
    for (size_t at = 0;; at++) {
        struct block *block = blocks_lookup(blocks, from, hash, to.data + at);
        if (block != NULL && block->to_count++ == 0) block->to = at;
        if (at + BLOCK_SIZE >= to.size) return;
        hash = (hash - to.data[at] * leading) * FACTOR + to.data[at + BLOCK_SIZE];
    }
}

/* --- the chain -------------------------------------------------------------------------------------------------- */

/* Longest chain of unique blocks with growing `to` (they grow in `from` as they stand): patience sorting. Returns
 * how many; `chain` gets their indices. */
static size_t longest_chain(const struct blocks *blocks, uint32_t *chain) {
    uint32_t *tails = ordo_alloc_array(blocks->count + 1, sizeof *tails);
    uint32_t *before = ordo_alloc_array(blocks->count + 1, sizeof *before); /* index plus one */
    size_t length = 0;
    for (uint32_t i = 0; i < blocks->count; i++) {
        const struct block *block = &blocks->all[i];
        if (block->from_count != 1 || block->to_count != 1) continue;
        size_t low = 0, high = length;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (blocks->all[tails[middle]].to < block->to) low = middle + 1;
            else high = middle;
        }
        before[i] = low > 0 ? tails[low - 1] + 1 : 0;
        tails[low] = i;
        if (low == length) length++;
    }
    uint32_t at = length > 0 ? tails[length - 1] + 1 : 0;
    for (size_t i = length; i > 0; i--, at = before[at - 1]) chain[i - 1] = at - 1;
    free(tails);
    free(before);
    return length;
}

/* --- growing ---------------------------------------------------------------------------------------------------- */

static bool is_continuation(uint8_t byte) { return (byte & 0xC0) == 0x80; }

/* As far as both texts agree, but not back beyond `from_start` and `to_start`, where the one before ends. */
static struct text_anchor grow(struct ordo_slice from, struct ordo_slice to, size_t from_start, size_t to_start,
                               const struct block *block) {
    size_t start = block->from, to_at = block->to, end = block->from + BLOCK_SIZE;
    size_t ahead = block->to - block->from; /* modulo 2^64 */
    while (start > from_start && to_at > to_start && from.data[start - 1] == to.data[to_at - 1]) start--, to_at--;
    while (end < from.size && end + ahead < to.size && from.data[end] == to.data[end + ahead]) end++;
    while (start < end && is_continuation(from.data[start])) start++;
    end = ordo_utf8_floor(from, end);
    return (struct text_anchor){.from = start, .to = start + ahead, .size = end > start ? end - start : 0};
}

struct text_anchor *text_anchors_find(struct ordo_slice from, struct ordo_slice to, size_t *count_out) {
    struct blocks blocks;
    blocks_init(&blocks, from);
    blocks_match(&blocks, from, to);
    uint32_t *chain = ordo_alloc_array(blocks.count + 1, sizeof *chain);
    size_t length = longest_chain(&blocks, chain), count = 0, from_end = 0, to_end = 0;
    struct text_anchor *anchors = ordo_alloc_array(length + 1, sizeof *anchors);
    for (size_t i = 0; i < length; i++) {
        const struct block *block = &blocks.all[chain[i]];
        if (block->from < from_end || block->to < to_end) continue; /* inside the one before, or torn by it */
        struct text_anchor anchor = grow(from, to, from_end, to_end, block);
        if (anchor.size == 0) continue;
        ORDO_ASSERT(anchor.from >= from_end && anchor.to >= to_end);
        anchors[count++] = anchor;
        from_end = anchor.from + anchor.size;
        to_end = anchor.to + anchor.size;
    }
    free(chain);
    free(blocks.all);
    free(blocks.buckets);
    *count_out = count;
    return anchors;
}
