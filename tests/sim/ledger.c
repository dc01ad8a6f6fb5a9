#include "tests/sim/ledger.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"

void ledger_finish(struct ledger *ledger) {
    free(ledger->points);
    free(ledger->strays);
    free(ledger->seen);
    *ledger = (struct ledger){0};
}

/* The code points that are handed out, in this order: one byte of UTF-8 first, then two, three and four. */
static const struct {
    uint32_t first, last;
} alphabets[] = {{0x21, 0x7e}, {0xa1, 0x3ff}, {0x3400, 0x8fff}, {0x20000, 0x10ffff}};

static uint32_t point_of(size_t index) {
    for (size_t i = 0; i < sizeof alphabets / sizeof *alphabets; i++) {
        size_t size = alphabets[i].last - alphabets[i].first + 1;
        if (index < size) return alphabets[i].first + (uint32_t)index;
        index -= size;
    }
    ORDO_ASSERT(!"more characters than the simulator has");
    return 0;
}

static size_t index_of(uint32_t point) {
    size_t before = 0;
    for (size_t i = 0; i < sizeof alphabets / sizeof *alphabets; i++) {
        if (point >= alphabets[i].first && point <= alphabets[i].last) return before + point - alphabets[i].first;
        before += alphabets[i].last - alphabets[i].first + 1;
    }
    return SIZE_MAX;
}

uint32_t ledger_type(struct ledger *ledger, const struct oracle_doc *doc, uint32_t owner, uint32_t run) {
    if (ledger->count == ledger->capacity) {
        ledger->capacity = ledger->capacity ? ledger->capacity * 2 : 256;
        ledger->points = ordo_realloc(ledger->points, ledger->capacity * sizeof *ledger->points);
    }
    ledger->points[ledger->count] = (struct ledger_point){.doc = doc, .owner = owner, .run = run};
    return point_of(ledger->count++);
}

void ledger_stray(struct ledger *ledger, uint32_t point) {
    ledger->strays = ordo_realloc(ledger->strays, (ledger->stray_count + 1) * sizeof *ledger->strays);
    ledger->strays[ledger->stray_count++] = point;
}

static bool is_stray(const struct ledger *ledger, uint32_t point) {
    for (size_t i = 0; i < ledger->stray_count; i++) {
        if (ledger->strays[i] == point) return true;
    }
    return false;
}

struct ledger_point *ledger_of(struct ledger *ledger, uint32_t point) {
    size_t index = index_of(point);
    return index < ledger->count ? &ledger->points[index] : NULL;
}

void ledger_delete_range(struct ledger *ledger, struct ordo_slice utf8, uint64_t from, uint64_t count) {
    const uint8_t *next = utf8.data, *end = utf8.size ? utf8.data + utf8.size : utf8.data;
    for (uint64_t i = 0; next < end && i < from + count; i++) {
        struct ledger_point *known = ledger_of(ledger, model_utf8_take(&next));
        if (i >= from && known != NULL) known->is_deleted = true;
    }
}

void ledger_excuse(struct ledger *ledger, struct ordo_slice utf8) {
    const uint8_t *next = utf8.data, *end = utf8.size ? utf8.data + utf8.size : utf8.data;
    while (next < end) {
        struct ledger_point *known = ledger_of(ledger, model_utf8_take(&next));
        if (known != NULL) known->is_excused = true;
    }
}

/* Marks what the entries that came since the last call inserted. */
static void read_log(struct ledger *ledger, struct oracle *oracle) {
    size_t count = oracle_doc_count(oracle);
    if (ledger->seen_count < count) {
        ledger->seen = ordo_realloc(ledger->seen, count * sizeof *ledger->seen);
        memset(ledger->seen + ledger->seen_count, 0, (count - ledger->seen_count) * sizeof *ledger->seen);
        ledger->seen_count = count;
    }
    for (size_t i = 0; i < count; i++) {
        struct oracle_doc *doc = oracle_doc_at(oracle, i);
        for (; ledger->seen[i] < doc->count; ledger->seen[i]++) {
            const struct model_op *op = &doc->entries[ledger->seen[i]].model;
            for (size_t k = 0; k < op->count; k++) {
                if (op->parts[k].kind != MODEL_INSERT) continue;
                for (uint64_t n = 0; n < op->parts[k].n; n++) {
                    struct ledger_point *known = ledger_of(ledger, op->parts[k].text[n]);
                    if (known != NULL) known->is_committed = true;
                }
            }
        }
    }
}

void ledger_excuse_forgotten(struct ledger *ledger, struct oracle *oracle, const struct oracle_doc *doc,
                             uint32_t owner, struct ordo_slice utf8) {
    read_log(ledger, oracle);
    bool *is_kept = ordo_alloc_array(ledger->count + 1, sizeof *is_kept);
    const uint8_t *next = utf8.data, *end = utf8.size ? utf8.data + utf8.size : utf8.data;
    while (next < end) {
        struct ledger_point *known = ledger_of(ledger, model_utf8_take(&next));
        if (known != NULL) is_kept[known - ledger->points] = true;
    }
    for (size_t i = 0; i < ledger->count; i++) {
        struct ledger_point *point = &ledger->points[i];
        if (point->doc == doc && point->owner == owner && !point->is_committed && !is_kept[i]) {
            point->is_excused = true;
        }
    }
    free(is_kept);
}

void ledger_excuse_owner(struct ledger *ledger, uint32_t owner) {
    for (size_t i = 0; i < ledger->count; i++) {
        if (ledger->points[i].owner == owner) ledger->points[i].is_excused = true;
    }
}

void ledger_check(struct ledger *ledger, struct oracle *oracle, bool may_lose, struct sim_verdict *verdict) {
    uint32_t *times = ordo_alloc_array(ledger->count + 1, sizeof *times);
    for (size_t i = 0; i < oracle_doc_count(oracle); i++) {
        const struct oracle_doc *doc = oracle_doc_at(oracle, i);
        for (size_t k = 0; k < doc->text.count; k++) {
            struct ledger_point *known = ledger_of(ledger, doc->text.points[k]);
            if (known == NULL) continue;
            times[known - ledger->points]++;
            if (known->doc != doc && !is_stray(ledger, doc->text.points[k])) {
                sim_fail(verdict, SIM_CHECK_DOUBLED, "U+%04X was typed in %.*s and stands in %.*s",
                         doc->text.points[k], (int)known->doc->id.size, known->doc->id.data, (int)doc->id.size,
                         doc->id.data);
            }
        }
    }
    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_point *point = &ledger->points[i];
        if (times[i] > 1 && !is_stray(ledger, point_of(i))) {
            sim_fail(verdict, SIM_CHECK_DOUBLED, "U+%04X, typed once by client %u in %.*s, is there %u times",
                     point_of(i), point->owner, (int)point->doc->id.size, point->doc->id.data, times[i]);
        }
        if (times[i] == 0 && !may_lose && !point->is_deleted && !point->is_excused) {
            sim_fail(verdict, SIM_CHECK_LOST, "U+%04X, typed by client %u in %.*s and deleted by nobody, is gone",
                     point_of(i), point->owner, (int)point->doc->id.size, point->doc->id.data);
        }
    }
    free(times);
}

void ledger_check_runs(struct ledger *ledger, const struct oracle_doc *doc, struct sim_verdict *verdict) {
    uint32_t run_count = 0;
    for (size_t i = 0; i < ledger->count; i++) {
        if (ledger->points[i].run >= run_count) run_count = ledger->points[i].run + 1;
    }
    size_t *first = ordo_alloc_array(run_count + 1, sizeof *first);
    size_t *last = ordo_alloc_array(run_count + 1, sizeof *last);
    size_t *size = ordo_alloc_array(run_count + 1, sizeof *size);
    for (size_t k = 0; k < doc->text.count; k++) {
        const struct ledger_point *point = ledger_of(ledger, doc->text.points[k]);
        if (point == NULL || point->run == 0) continue;
        if (size[point->run]++ == 0) first[point->run] = k;
        last[point->run] = k;
    }
    for (uint32_t a = 1; a < run_count; a++) {
        for (uint32_t b = 1; b < a; b++) {
            if (size[a] == 0 || size[b] == 0 || last[a] < first[b] || last[b] < first[a]) continue;
            char order[200]; /* whose characters stand where */
            size_t used = 0;
            for (size_t k = 0; k < doc->text.count && used + 1 < sizeof order; k++) {
                const struct ledger_point *point = ledger_of(ledger, doc->text.points[k]);
                if (point != NULL) order[used++] = (char)('0' + point->run % 10);
            }
            order[used] = 0;
            sim_fail(verdict, SIM_CHECK_INTERLEAVED, "runs %u (%zu..%zu) and %u (%zu..%zu) interleave: %s", b,
                     first[b], last[b], a, first[a], last[a], order);
        }
    }
    free(first);
    free(last);
    free(size);
}
