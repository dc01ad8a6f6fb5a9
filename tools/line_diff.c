#include "tools/line_diff.h"

#include <stdlib.h>

#include "common/memory.h"

enum {
    REACH_MAX = 1024,              /* edits that one search makes from either end */
    STEPS_MAX = 128 * 1000 * 1000, /* comparisons: about a second */
    LINES_MAX = 1 << 20,           /* of either text, between the common ends */
    CONTEXT = 3,
};

/* --- lines ------------------------------------------------------------------------------------------------------ */

static size_t line_size(struct ordo_slice text) {
    const uint8_t *end = text.size > 0 ? memchr(text.data, '\n', text.size) : NULL;
    return end != NULL ? (size_t)(end - text.data) + 1 : text.size;
}

static struct ordo_slice take_line(struct ordo_slice *text) {
    struct ordo_slice line = ordo_slice(text->data, line_size(*text));
    if (text->size > 0) *text = ordo_slice(text->data + line.size, text->size - line.size);
    return line;
}

static size_t count_lines(struct ordo_slice text) {
    size_t count = 0;
    for (; text.size > 0; count++) (void)take_line(&text);
    return count;
}

/* Bytes of the whole lines that both begin with. */
static size_t common_start(struct ordo_slice a, struct ordo_slice b) {
    size_t max = a.size < b.size ? a.size : b.size, size = 0;
    while (size < max && a.data[size] == b.data[size]) size++;
    if (size == a.size && size == b.size) return size;
    while (size > 0 && a.data[size - 1] != '\n') size--;
    return size;
}

/* Bytes of the whole lines that both end with. */
static size_t common_end(struct ordo_slice a, struct ordo_slice b) {
    size_t max = a.size < b.size ? a.size : b.size, size = 0;
    while (size < max && a.data[a.size - 1 - size] == b.data[b.size - 1 - size]) size++;
    /* What is common begins a line if an LF stands before it, or nothing at all, in both. */
    while (size > 0) {
        bool begins_in_a = size == a.size || a.data[a.size - size - 1] == '\n';
        bool begins_in_b = size == b.size || b.data[b.size - size - 1] == '\n';
        if (begins_in_a && begins_in_b) break;
        size--;
    }
    return size;
}

static struct ordo_slice between(struct ordo_slice text, size_t start, size_t end) {
    return text.size == 0 ? text : ordo_slice(text.data + start, text.size - start - end);
}

/* --- lines as numbers ------------------------------------------------------------------------------------------- */

struct line {
    struct ordo_slice text;
    size_t place; /* in the numbers: those of the old text, then those of the new one */
};

static int compare_lines(const void *left, const void *right) {
    return ordo_slice_compare(((const struct line *)left)->text, ((const struct line *)right)->text);
}

/* Equal lines get equal numbers. By sorting: no table that chosen lines could make slow. */
static uint32_t *number_lines(struct ordo_slice old_text, size_t old_count, struct ordo_slice new_text,
                              size_t new_count) {
    size_t count = old_count + new_count;
    struct line *lines = ordo_alloc_array(count + 1, sizeof *lines);
    uint32_t *numbers = ordo_alloc_array(count + 1, sizeof *numbers), number = 0;
    for (size_t i = 0; i < old_count; i++) lines[i] = (struct line){take_line(&old_text), i};
    for (size_t i = old_count; i < count; i++) lines[i] = (struct line){take_line(&new_text), i};
    qsort(lines, count, sizeof *lines, compare_lines);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && compare_lines(&lines[i - 1], &lines[i]) != 0) number++;
        numbers[lines[i].place] = number;
    }
    free(lines);
    return numbers;
}

/* --- comparing -------------------------------------------------------------------------------------------------- */

struct box { /* lines old_from..old_to and new_from..new_to, the ends not included */
    int32_t old_from, old_to, new_from, new_to;
};

struct comparison {
    const uint32_t *old_lines, *new_lines;
    bool *is_deleted, *is_inserted; /* what comes out */
    /* How far each diagonal was reached, from the start and from the end of a box; -1: not at all. Diagonal k, lines of
     * the old text less lines of the new one, is at k + REACH_MAX + 1. */
    int32_t *ahead, *behind;
    uint64_t steps;
};

static void replace(struct comparison *comparison, struct box box) {
    for (int32_t i = box.old_from; i < box.old_to; i++) comparison->is_deleted[i] = true;
    for (int32_t i = box.new_from; i < box.new_to; i++) comparison->is_inserted[i] = true;
}

static void trim(const struct comparison *comparison, struct box *box) {
    const uint32_t *old_lines = comparison->old_lines, *new_lines = comparison->new_lines;
    while (box->old_from < box->old_to && box->new_from < box->new_to &&
           old_lines[box->old_from] == new_lines[box->new_from])
        box->old_from++, box->new_from++;
    while (box->old_from < box->old_to && box->new_from < box->new_to &&
           old_lines[box->old_to - 1] == new_lines[box->new_to - 1])
        box->old_to--, box->new_to--;
}

/* The lines of the old text that one more edit reaches on diagonal `k`, within a box of n and m lines; -1: none. */
static int32_t step(const int32_t *reached, int32_t k, int32_t n, int32_t m) {
    int32_t by_delete = reached[k - 1] >= 0 && reached[k - 1] < n ? reached[k - 1] + 1 : -1;
    int32_t by_insert = reached[k + 1] >= 0 && reached[k + 1] - k <= m ? reached[k + 1] : -1;
    return by_delete > by_insert ? by_delete : by_insert;
}

/* One more edit on every diagonal, forwards from the start of the box or backwards from its end. True: it meets what
 * came from the other side (`other`, which made `other_edits`) on a diagonal, at *x lines from its own side. */
static bool advance(struct comparison *comparison, struct box box, bool is_forward, int32_t edits, int32_t other_edits,
                    int32_t *k_out, int32_t *x_out) {
    int32_t n = box.old_to - box.old_from, m = box.new_to - box.new_from;
    int32_t *reached = (is_forward ? comparison->ahead : comparison->behind) + REACH_MAX + 1;
    const int32_t *other = (is_forward ? comparison->behind : comparison->ahead) + REACH_MAX + 1;
    const uint32_t *a = comparison->old_lines + (is_forward ? box.old_from : box.old_to - 1);
    const uint32_t *b = comparison->new_lines + (is_forward ? box.new_from : box.new_to - 1);
    int32_t way = is_forward ? 1 : -1;
    reached[-edits - 1] = reached[edits + 1] = -1;
    for (int32_t k = -edits; k <= edits && comparison->steps <= STEPS_MAX; k += 2, comparison->steps++) {
        if (k < -m || k > n) {
            reached[k] = -1;
            continue;
        }
        int32_t x = edits == 0 ? 0 : step(reached, k, n, m), start = x;
        if (x >= 0) {
            while (x < n && x - k < m && a[way * x] == b[way * (x - k)]) x++;
            comparison->steps += (uint64_t)(x - start);
        }
        reached[k] = x;
        int32_t opposite = n - m - k; /* the same diagonal, seen from the other side */
        bool is_crossed = x >= 0 && opposite >= -other_edits && opposite <= other_edits &&
                          ((opposite + other_edits) & 1) == 0 && other[opposite] >= 0 && x + other[opposite] >= n;
        if (is_crossed) {
            *k_out = k;
            *x_out = x;
            return true;
        }
    }
    return false;
}

/* The furthest point that `edits` edits reached from the start. False: none. */
static bool furthest(const struct comparison *comparison, int32_t edits, int32_t *x_out, int32_t *y_out) {
    const int32_t *reached = comparison->ahead + REACH_MAX + 1;
    int32_t best = 0;
    for (int32_t k = -edits; k <= edits; k++) {
        if (reached[k] < 0 || 2 * reached[k] - k <= best) continue;
        best = 2 * reached[k] - k;
        *x_out = reached[k];
        *y_out = reached[k] - k;
    }
    return best > 0;
}

/* A point of a shortest way through the box, as lines from its start; or, where that is too far, the furthest point that
 * was reached. The box has at least two edits in it, so neither side of the point is the whole box. */
static bool find_split(struct comparison *comparison, struct box box, int32_t *x_out, int32_t *y_out) {
    int32_t n = box.old_to - box.old_from, m = box.new_to - box.new_from, edits = 0, k, x;
    for (; edits <= REACH_MAX && comparison->steps <= STEPS_MAX; edits++) {
        if (advance(comparison, box, true, edits, edits - 1, &k, &x)) {
            *x_out = x;
            *y_out = x - k;
            return true;
        }
        if (advance(comparison, box, false, edits, edits, &k, &x)) {
            *x_out = n - x;
            *y_out = m - (x - k);
            return true;
        }
    }
    return furthest(comparison, edits - 1, x_out, y_out);
}

/* Calls itself for the left part, which has at most half of the edits, or REACH_MAX: so it never gets deep. */
static void compare(struct comparison *comparison, struct box box) {
    for (;;) {
        trim(comparison, &box);
        bool is_one_sided = box.old_from == box.old_to || box.new_from == box.new_to;
        int32_t x, y;
        if (is_one_sided || comparison->steps > STEPS_MAX || !find_split(comparison, box, &x, &y)) {
            replace(comparison, box);
            return;
        }
        compare(comparison, (struct box){box.old_from, box.old_from + x, box.new_from, box.new_from + y});
        box.old_from += x;
        box.new_from += y;
    }
}

/* --- changes ---------------------------------------------------------------------------------------------------- */

static void add_change(struct ordo_line_diff *diff, size_t *capacity, struct ordo_line_change change) {
    if (diff->change_count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 16;
        diff->changes = ordo_realloc(diff->changes, *capacity * sizeof *diff->changes);
    }
    diff->changes[diff->change_count++] = change;
}

static void collect_changes(struct ordo_line_diff *diff, const struct comparison *comparison, size_t first_line,
                            size_t old_count, size_t new_count) {
    size_t capacity = 0, i = 0, j = 0;
    while (i < old_count || j < new_count) {
        size_t old_index = i, new_index = j;
        while (i < old_count && comparison->is_deleted[i]) i++;
        while (j < new_count && comparison->is_inserted[j]) j++;
        if (i == old_index && j == new_index) {
            i++, j++; /* a line that stayed is in both */
            continue;
        }
        add_change(diff, &capacity, (struct ordo_line_change){first_line + old_index, i - old_index,
                                                              first_line + new_index, j - new_index});
    }
}

static void compare_middles(struct ordo_line_diff *diff, size_t first_line, struct ordo_slice old_middle,
                            size_t old_count, struct ordo_slice new_middle, size_t new_count) {
    uint32_t *numbers = number_lines(old_middle, old_count, new_middle, new_count);
    bool *marks = ordo_alloc_array(old_count + new_count + 1, sizeof *marks);
    struct comparison comparison = {.old_lines = numbers,
                                    .new_lines = numbers + old_count,
                                    .is_deleted = marks,
                                    .is_inserted = marks + old_count,
                                    .ahead = ordo_alloc_array(2 * REACH_MAX + 3, sizeof(int32_t)),
                                    .behind = ordo_alloc_array(2 * REACH_MAX + 3, sizeof(int32_t))};
    compare(&comparison, (struct box){0, (int32_t)old_count, 0, (int32_t)new_count});
    collect_changes(diff, &comparison, first_line, old_count, new_count);
    free(comparison.ahead);
    free(comparison.behind);
    free(marks);
    free(numbers);
}

void ordo_line_diff_init(struct ordo_line_diff *diff, struct ordo_slice old_text, struct ordo_slice new_text) {
    *diff = (struct ordo_line_diff){.old_text = old_text, .new_text = new_text};
    size_t start = common_start(old_text, new_text);
    size_t end = common_end(between(old_text, start, 0), between(new_text, start, 0));
    struct ordo_slice old_middle = between(old_text, start, end), new_middle = between(new_text, start, end);
    size_t old_count = count_lines(old_middle), new_count = count_lines(new_middle), capacity = 0;
    size_t first_line = count_lines(ordo_slice(old_text.data, start));
    if (old_count == 0 && new_count == 0) return;
    bool is_simple = old_count == 0 || new_count == 0 || old_count > LINES_MAX || new_count > LINES_MAX;
    if (is_simple) add_change(diff, &capacity, (struct ordo_line_change){first_line, old_count, first_line, new_count});
    else compare_middles(diff, first_line, old_middle, old_count, new_middle, new_count);
}

void ordo_line_diff_finish(struct ordo_line_diff *diff) {
    free(diff->changes);
    *diff = (struct ordo_line_diff){0};
}

/* --- printing --------------------------------------------------------------------------------------------------- */

struct cursor { /* where one text was read to */
    struct ordo_slice rest;
    size_t line;
};

static void skip_to(struct cursor *cursor, size_t line) {
    for (; cursor->line < line; cursor->line++) (void)take_line(&cursor->rest);
}

static const char *colour_of(char mark) {
    switch (mark) {
    case '-': return "\033[31m";
    case '+': return "\033[32m";
    case '@': return "\033[36m";
    default: return "";
    }
}

static void print_line(FILE *file, bool is_coloured, char mark, struct cursor *cursor) {
    struct ordo_slice line = take_line(&cursor->rest);
    cursor->line++;
    bool has_end = line.size > 0 && line.data[line.size - 1] == '\n', has_colour = is_coloured && mark != ' ';
    if (has_colour) fputs(colour_of(mark), file);
    fputc(mark, file);
    fwrite(line.data, 1, line.size - (has_end ? 1 : 0), file);
    if (has_colour) fputs("\033[m", file);
    fputs(has_end ? "\n" : "\n\\ No newline at end of file\n", file);
}

static void print_range(FILE *file, char mark, size_t index, size_t count) {
    fprintf(file, "%c%zu", mark, count == 0 ? index : index + 1); /* of nothing: the line before */
    if (count != 1) fprintf(file, ",%zu", count);
}

struct hunk { /* changes first..last and what is shown around them */
    size_t first, last;
    size_t lead, trail; /* lines of context */
};

static void print_hunk(const struct ordo_line_diff *diff, const struct hunk *hunk, FILE *file, bool is_coloured,
                       struct cursor *old_cursor, struct cursor *new_cursor) {
    const struct ordo_line_change *first = &diff->changes[hunk->first], *last = &diff->changes[hunk->last];
    size_t old_from = first->old_index - hunk->lead, old_to = last->old_index + last->old_count + hunk->trail;
    size_t new_from = first->new_index - hunk->lead, new_to = last->new_index + last->new_count + hunk->trail;
    fputs(is_coloured ? colour_of('@') : "", file);
    fputs("@@ ", file);
    print_range(file, '-', old_from, old_to - old_from);
    fputc(' ', file);
    print_range(file, '+', new_from, new_to - new_from);
    fputs(is_coloured ? " @@\033[m\n" : " @@\n", file);
    skip_to(old_cursor, old_from);
    skip_to(new_cursor, new_from);
    for (const struct ordo_line_change *change = first; change <= last; change++) {
        while (old_cursor->line < change->old_index) print_line(file, is_coloured, ' ', old_cursor);
        skip_to(new_cursor, change->new_index);
        while (old_cursor->line < change->old_index + change->old_count) print_line(file, is_coloured, '-', old_cursor);
        while (new_cursor->line < change->new_index + change->new_count) print_line(file, is_coloured, '+', new_cursor);
    }
    while (old_cursor->line < old_to) print_line(file, is_coloured, ' ', old_cursor);
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

void ordo_line_diff_print(const struct ordo_line_diff *diff, FILE *file, bool is_coloured) {
    if (diff->change_count == 0) return;
    struct cursor old_cursor = {.rest = diff->old_text}, new_cursor = {.rest = diff->new_text};
    size_t line_count = count_lines(diff->old_text);
    for (size_t i = 0; i < diff->change_count;) {
        struct hunk hunk = {.first = i, .last = i, .lead = least(diff->changes[i].old_index, CONTEXT)};
        size_t end;
        for (;;) { /* changes whose contexts touch are one hunk */
            const struct ordo_line_change *last = &diff->changes[hunk.last];
            end = last->old_index + last->old_count;
            bool joins = hunk.last + 1 < diff->change_count &&
                         diff->changes[hunk.last + 1].old_index - end <= 2 * CONTEXT;
            if (!joins) break;
            hunk.last++;
        }
        hunk.trail = least(line_count - end, CONTEXT);
        print_hunk(diff, &hunk, file, is_coloured, &old_cursor, &new_cursor);
        i = hunk.last + 1;
    }
}
