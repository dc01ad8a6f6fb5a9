#define _GNU_SOURCE /* memmem */
#include "client/c/core/text_fate.h"

#include "client/c/core/text_diff.h"
#include "common/ot/text.h"
#include "common/ot/text_codec.h"
#include "common/utf8.h"

enum {
    CONTEXT = 16,       /* code points on either side of a change: enough to tell its place from others */
    CHANGE_COUNTED = 48, /* code points of a long change that are looked for */
    SEARCHED_SIZE_MAX = 64 << 20, /* bytes, over all searches: some ms, 0.2 s where all text is one letter */
};

/* --- the places of the op --------------------------------------------------------------------------------------- */

static bool is_continuation(uint8_t byte) { return (byte & 0xC0) == 0x80; }

static size_t back(struct ordo_slice text, size_t at, size_t count) {
    while (count > 0 && at > 0) {
        if (!is_continuation(text.data[--at])) count--;
    }
    return at;
}

static size_t forward(struct ordo_slice text, size_t at, uint64_t count) {
    if (at == text.size) return at;
    return at + ordo_utf8_offset(ordo_slice(text.data + at, text.size - at), count);
}

/* What stands at `at` with its neighbourhood: `count` code points, or the first of them. */
static struct ordo_slice surroundings(struct ordo_slice text, size_t at, uint64_t count) {
    size_t start = back(text, at, CONTEXT);
    size_t end = forward(text, at, count <= CHANGE_COUNTED ? count + CONTEXT : CHANGE_COUNTED);
    return text.size == 0 ? text : ordo_slice(text.data + start, end - start);
}

struct search {
    struct ordo_slice before, after, now; /* without the op, with it, and the text in question */
    size_t size_left;
    bool is_insert_found; /* an op is committed whole: what it typed stands there, so it is in */
    int votes;            /* for the op being in it, less those against */
};

static bool has(struct search *search, struct ordo_slice text, struct ordo_slice part) {
    if (part.size == 0 || part.size > text.size) return false;
    search->size_left = search->size_left > text.size ? search->size_left - text.size : 0;
    return memmem(text.data, text.size, part.data, part.size) != NULL;
}

/* `deleted` code points at `before_at` became `inserted` ones at `after_at`. What can be read in both texts alike says
 * nothing. */
static void vote(struct search *search, size_t before_at, uint64_t deleted, size_t after_at, uint64_t inserted) {
    struct ordo_slice without = surroundings(search->before, before_at, deleted);
    struct ordo_slice with = surroundings(search->after, after_at, inserted);
    if (has(search, search->now, with) && !has(search, search->before, with)) {
        search->votes++;
        if (inserted > 0) search->is_insert_found = true;
    }
    if (has(search, search->now, without) && !has(search, search->after, without)) search->votes--;
}

static void vote_on_each_change(struct search *search, struct text_reader spans) {
    size_t before_at = 0, after_at = 0;
    uint64_t span = text_read(&spans);
    while (span != 0 && search->size_left > 0) {
        uint64_t inserted = 0, deleted = 0;
        for (; span != 0 && text_span_kind(span) != TEXT_RETAIN; span = text_read(&spans)) {
            if (text_span_is_insert(span)) inserted += text_span_n(span);
            else deleted += text_span_n(span);
        }
        if (inserted + deleted > 0) vote(search, before_at, deleted, after_at, inserted);
        before_at = forward(search->before, before_at, deleted);
        after_at = forward(search->after, after_at, inserted);
        if (span == 0) break;
        before_at = forward(search->before, before_at, text_span_n(span));
        after_at = forward(search->after, after_at, text_span_n(span));
        span = text_read(&spans);
    }
}

/* --- the text as a whole ---------------------------------------------------------------------------------------- */

/* Code points that differ. False: not known exactly. */
static bool distance(struct ordo_slice from, struct ordo_slice to, uint64_t *out) {
    struct ordo_buffer op = {0};
    bool is_exact = ordo_client_text_diff(from, to, &op);
    struct text_measure measure = text_op_measure(text_op_trusted(ordo_buffer_slice(&op)).spans);
    *out = measure.inserted + measure.base - measure.retained;
    ordo_buffer_finish(&op);
    return is_exact;
}

static bool is_nearer(const struct search *search) {
    uint64_t with, without;
    bool is_known = distance(search->after, search->now, &with) && distance(search->before, search->now, &without);
    return is_known && with < without;
}

bool ordo_client_text_holds(struct ordo_slice before, struct ordo_slice op, struct ordo_slice now) {
    struct ordo_buffer after = {0};
    struct ordo_content *content = ordo_text_content_create();
    bool ok = ordo_text_content_append(content, before) == ORDO_OK && ordo_text_content_apply(content, op) == ORDO_OK;
    if (ok) ordo_text_content_write(content, &after);
    ordo_text_content_destroy(content);
    struct search search = {
        .before = before, .after = ordo_buffer_slice(&after), .now = now, .size_left = SEARCHED_SIZE_MAX};
    if (ok) vote_on_each_change(&search, text_op_trusted(op).spans);
    bool is_likely = search.votes > 0 || (search.votes == 0 && is_nearer(&search));
    bool holds = ok && (search.is_insert_found || is_likely);
    ordo_buffer_finish(&after);
    return holds;
}
