#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buffer.h"
#include "common/random.h"
#include "tools/line_diff.h"

/* --- help ------------------------------------------------------------------------------------------------------- */

static void assert_printed(const char *old_text, const char *new_text, const char *expected) {
    struct ordo_line_diff diff;
    char *printed;
    size_t size;
    FILE *file = open_memstream(&printed, &size);
    ordo_line_diff_init(&diff, ordo_slice_of(old_text), ordo_slice_of(new_text));
    ordo_line_diff_print(&diff, file, false);
    ordo_line_diff_finish(&diff);
    fclose(file);
    assert_string_equal(printed, expected);
    free(printed);
}

static struct ordo_slice take(struct ordo_slice *text) {
    const uint8_t *end = text->size ? memchr(text->data, '\n', text->size) : NULL;
    struct ordo_slice line = ordo_slice(text->data, end ? (size_t)(end - text->data) + 1 : text->size);
    *text = ordo_slice(text->data + line.size, text->size - line.size);
    return line;
}

/* The old text with the changes made is the new text, and what is not changed is equal. Returns the lines changed. */
static size_t assert_fits(struct ordo_slice old_text, struct ordo_slice new_text) {
    struct ordo_line_diff diff;
    ordo_line_diff_init(&diff, old_text, new_text);
    size_t old_line = 0, new_line = 0, changed = 0;
    for (size_t i = 0; i <= diff.change_count; i++) {
        bool is_last = i == diff.change_count;
        struct ordo_line_change change = is_last ? (struct ordo_line_change){0} : diff.changes[i];
        if (!is_last && i > 0) assert_true(change.old_index > old_line);
        while (is_last ? old_text.size > 0 : old_line < change.old_index) {
            struct ordo_slice old_taken = take(&old_text), new_taken = take(&new_text);
            assert_true(ordo_slice_equal(old_taken, new_taken));
            old_line++, new_line++;
        }
        if (is_last) break;
        assert_int_equal(new_line, change.new_index);
        assert_true(change.old_count + change.new_count > 0);
        for (size_t j = 0; j < change.old_count; j++, old_line++) assert_true(take(&old_text).size > 0);
        for (size_t j = 0; j < change.new_count; j++, new_line++) assert_true(take(&new_text).size > 0);
        changed += change.old_count + change.new_count;
    }
    assert_int_equal(old_text.size, 0);
    assert_int_equal(new_text.size, 0);
    ordo_line_diff_finish(&diff);
    return changed;
}

/* The least number of lines to delete and insert, by the textbook's table. */
static size_t distance(const char *a, size_t n, const char *b, size_t m) {
    size_t row[64];
    for (size_t j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t above = row[j], by_edit = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = a[i - 1] == b[j - 1] && diagonal < by_edit ? diagonal : by_edit;
            diagonal = above;
        }
    }
    return row[m];
}

static struct ordo_slice lines_of(const char *letters, size_t count, char *out) {
    for (size_t i = 0; i < count; i++) out[2 * i] = letters[i], out[2 * i + 1] = '\n';
    return ordo_slice(out, 2 * count);
}

static void append_lines(struct ordo_buffer *text, struct ordo_prng *prng, size_t count, uint64_t kinds) {
    char line[32];
    for (size_t i = 0; i < count; i++) {
        int size = snprintf(line, sizeof line, "%llu\n", (unsigned long long)ordo_prng_below(prng, kinds));
        ordo_buffer_append(text, line, (size_t)size);
    }
}

/* --- tests ------------------------------------------------------------------------------------------------------ */

static void equal_texts_print_nothing(void **state) {
    (void)state;
    assert_printed("", "", "");
    assert_printed("a\nb", "a\nb", "");
    assert_printed("\n", "\n", "");
}

static void hunks_have_three_lines_around_them(void **state) {
    (void)state;
    assert_printed("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
                   "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
    assert_printed("1\n2\n3\n4\n5\n6\n7\n8\n", "2\n3\n4\n5\n6\n7\n8\n9\n",
                   "@@ -1,4 +1,3 @@\n-1\n 2\n 3\n 4\n@@ -6,3 +5,4 @@\n 6\n 7\n 8\n+9\n");
    assert_printed("1\n2\n3\n4\n5\n6\n7\n", "2\n3\n4\n5\n6\n7\n8\n",
                   "@@ -1,7 +1,7 @@\n-1\n 2\n 3\n 4\n 5\n 6\n 7\n+8\n");
    assert_printed("a\nb\nc\n", "a\nc\n", "@@ -1,3 +1,2 @@\n a\n-b\n c\n");
}

static void an_empty_side_counts_from_zero(void **state) {
    (void)state;
    assert_printed("", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n");
    assert_printed("a\n", "", "@@ -1 +0,0 @@\n-a\n");
    assert_printed("", "\n", "@@ -0,0 +1 @@\n+\n");
}

static void a_last_line_without_its_end_is_said_to_be_so(void **state) {
    (void)state;
    assert_printed("a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
    assert_printed("a\nb", "b\na\nb", "@@ -1,2 +1,3 @@\n+b\n a\n b\n\\ No newline at end of file\n");
    assert_printed("a", "ab", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+ab\n\\ No newline at end of file\n");
    assert_printed("xa", "a", "@@ -1 +1 @@\n-xa\n\\ No newline at end of file\n+a\n\\ No newline at end of file\n");
}

static void the_kind_of_line_end_is_part_of_the_line(void **state) {
    (void)state;
    assert_printed("a\r\nb\r\n", "a\r\nb\n", "@@ -1,2 +1,2 @@\n a\r\n-b\r\n+b\n");
    assert_printed("a\rb", "a\rc", "@@ -1 +1 @@\n-a\rb\n\\ No newline at end of file\n+a\rc\n\\ No newline at end of file\n");
}

static void colours_end_before_the_line_does(void **state) {
    (void)state;
    struct ordo_line_diff diff;
    char *printed;
    size_t size;
    FILE *file = open_memstream(&printed, &size);
    ordo_line_diff_init(&diff, ordo_slice_of("a\nb\n"), ordo_slice_of("a\nc\n"));
    ordo_line_diff_print(&diff, file, true);
    ordo_line_diff_finish(&diff);
    fclose(file);
    assert_string_equal(printed, "\033[36m@@ -1,2 +1,2 @@\033[m\n a\n\033[31m-b\033[m\n\033[32m+c\033[m\n");
    free(printed);
}

static void differences_are_the_shortest(void **state) {
    (void)state;
    struct ordo_prng prng;
    ordo_prng_init(&prng, 11);
    for (int i = 0; i < 20000; i++) {
        char a[40], b[40], a_text[80], b_text[80];
        size_t n = (size_t)ordo_prng_below(&prng, 40), m = (size_t)ordo_prng_below(&prng, 40);
        uint64_t kinds = 1 + ordo_prng_below(&prng, 6);
        for (size_t j = 0; j < n; j++) a[j] = (char)('a' + ordo_prng_below(&prng, kinds));
        for (size_t j = 0; j < m; j++) b[j] = (char)('a' + ordo_prng_below(&prng, kinds));
        size_t changed = assert_fits(lines_of(a, n, a_text), lines_of(b, m, b_text));
        assert_int_equal(changed, distance(a, n, b, m));
    }
}

static void texts_of_any_bytes_come_out_right(void **state) {
    (void)state;
    struct ordo_prng prng;
    ordo_prng_init(&prng, 12);
    static const char bytes[] = {'\n', '\n', 'a', '\r', '\0', (char)0xFF};
    for (int i = 0; i < 20000; i++) {
        char a[30], b[30];
        size_t n = (size_t)ordo_prng_below(&prng, sizeof a), m = (size_t)ordo_prng_below(&prng, sizeof b);
        for (size_t j = 0; j < n; j++) a[j] = bytes[ordo_prng_below(&prng, sizeof bytes)];
        for (size_t j = 0; j < m; j++) b[j] = bytes[ordo_prng_below(&prng, sizeof bytes)];
        assert_fits(ordo_slice(a, n), ordo_slice(b, m));
    }
}

static void what_is_far_apart_still_comes_out_right(void **state) {
    (void)state;
    struct ordo_prng prng;
    ordo_prng_init(&prng, 13);
    static const uint64_t kinds[] = {2, 300, 100000};
    for (size_t i = 0; i < 3; i++) {
        struct ordo_buffer a = {0}, b = {0};
        append_lines(&a, &prng, 30000, kinds[i]);
        append_lines(&b, &prng, 20000, kinds[i]);
        size_t changed = assert_fits(ordo_buffer_slice(&a), ordo_buffer_slice(&b));
        assert_true(changed < 50000); /* some lines were found to have stayed */
        ordo_buffer_finish(&a);
        ordo_buffer_finish(&b);
    }
}

static void huge_texts_take_bounded_time(void **state) {
    (void)state;
    struct ordo_prng prng;
    ordo_prng_init(&prng, 14);
    struct ordo_buffer a = {0}, b = {0};
    append_lines(&a, &prng, 600000, 3);
    append_lines(&b, &prng, 600000, 3);
    clock_t begun = clock();
    assert_fits(ordo_buffer_slice(&a), ordo_buffer_slice(&b));
    assert_true((clock() - begun) / CLOCKS_PER_SEC < 60); /* under a sanitizer; it is about one */
    ordo_buffer_clear(&a);
    ordo_buffer_clear(&b);
    size_t size = 64 << 20; /* of nothing but line ends, and of nothing but one line */
    memset(ordo_buffer_reserve(&a, size), '\n', size);
    memset(ordo_buffer_reserve(&b, size), 'x', size);
    a.size = b.size = size;
    struct ordo_line_diff diff;
    ordo_line_diff_init(&diff, ordo_buffer_slice(&a), ordo_buffer_slice(&b));
    assert_int_equal(diff.change_count, 1);
    assert_int_equal(diff.changes[0].old_count, size);
    assert_int_equal(diff.changes[0].new_count, 1);
    ordo_line_diff_finish(&diff);
    ordo_buffer_finish(&a);
    ordo_buffer_finish(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_print_nothing),
        cmocka_unit_test(hunks_have_three_lines_around_them),
        cmocka_unit_test(an_empty_side_counts_from_zero),
        cmocka_unit_test(a_last_line_without_its_end_is_said_to_be_so),
        cmocka_unit_test(the_kind_of_line_end_is_part_of_the_line),
        cmocka_unit_test(colours_end_before_the_line_does),
        cmocka_unit_test(differences_are_the_shortest),
        cmocka_unit_test(texts_of_any_bytes_come_out_right),
        cmocka_unit_test(what_is_far_apart_still_comes_out_right),
        cmocka_unit_test(huge_texts_take_bounded_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
