#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/limits.h"
#include "tools/options.h"

struct parsed {
    bool loud;
    const char *data;
    uint64_t count;
    double rate;
    const char *items[2];
    struct ordo_words words;
    char fault[ORDO_OPTIONS_FAULT_SIZE];
};

static bool parse(struct parsed *parsed, const char *const *args) {
    *parsed = (struct parsed){.data = "here", .count = 5};
    parsed->words = (struct ordo_words){.items = parsed->items, .capacity = 2};
    const struct ordo_option options[] = {
        {"--loud", NULL, "be loud", ORDO_OPTION_FLAG, &parsed->loud},
        {"--data", "DIR", "where", ORDO_OPTION_TEXT, &parsed->data},
        {"--count", "N", "how many", ORDO_OPTION_COUNT, &parsed->count, 1, 100},
        {"--rate", "R", "how fast", ORDO_OPTION_REAL, &parsed->rate},
    };
    char *argv[16] = {(char *)(uintptr_t)"program"};
    int argc = 1;
    for (; args[argc - 1] != NULL; argc++) argv[argc] = (char *)(uintptr_t)args[argc - 1];
    return ordo_options_parse(options, 4, argc, argv, &parsed->words, parsed->fault);
}
#define PARSE(parsed, ...) parse(parsed, (const char *const[]){__VA_ARGS__, NULL})

static void both_spellings_of_a_value_are_taken(void **state) {
    (void)state;
    struct parsed parsed;

    assert_true(PARSE(&parsed, "--data", "there", "word", "--count=7", "--loud", "--rate=2.5"));

    assert_string_equal(parsed.data, "there");
    assert_int_equal(parsed.count, 7);
    assert_true(parsed.rate == 2.5);
    assert_true(parsed.loud);
    assert_int_equal(parsed.words.count, 1);
    assert_string_equal(parsed.items[0], "word");
}

static void defaults_stay_without_options(void **state) {
    (void)state;
    struct parsed parsed;

    assert_true(PARSE(&parsed, "a", "b"));

    assert_string_equal(parsed.data, "here");
    assert_int_equal(parsed.count, 5);
    assert_int_equal(parsed.words.count, 2);
}

static void two_dashes_end_the_options(void **state) {
    (void)state;
    struct parsed parsed;

    assert_true(PARSE(&parsed, "--", "--loud", "-"));

    assert_false(parsed.loud);
    assert_string_equal(parsed.items[0], "--loud");
    assert_string_equal(parsed.items[1], "-");
}

static void wrong_lines_are_refused_with_a_sentence(void **state) {
    (void)state;
    struct parsed parsed;
    static const struct {
        const char *args[4];
        const char *fault;
    } cases[] = {
        {{"--nope"}, "unknown option '--nope'"},
        {{"--loud=1"}, "--loud takes no value"},
        {{"--data"}, "--data wants a value: DIR"},
        {{"--count", "0"}, "--count wants a number from 1 to 100, not '0'"},
        {{"--count", "101"}, "--count wants a number from 1 to 100, not '101'"},
        {{"--count", "-1"}, "--count wants a number from 1 to 100, not '-1'"},
        {{"--count", "7x"}, "--count wants a number from 1 to 100, not '7x'"},
        {{"--count="}, "--count wants a number from 1 to 100, not ''"},
        {{"--count", "99999999999999999999"}, "--count wants a number from 1 to 100, not '99999999999999999999'"},
        {{"--rate", "inf"}, "--rate wants a number, not 'inf'"},
        {{"--rate", "-2"}, "--rate wants a number, not '-2'"},
        {{"a", "b", "c"}, "'c' is one word too many"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_false(parse(&parsed, cases[i].args));
        assert_string_equal(parsed.fault, cases[i].fault);
    }
}

static void document_names_split_at_the_first_slash(void **state) {
    (void)state;
    char collection[ORDO_NAME_SIZE_MAX + 1], id[ORDO_NAME_SIZE_MAX + 1];

    assert_true(ordo_document_name_parse("notes/2024/may", collection, id));

    assert_string_equal(collection, "notes");
    assert_string_equal(id, "2024/may");
}

static void impossible_document_names_are_refused(void **state) {
    (void)state;
    char collection[ORDO_NAME_SIZE_MAX + 1], id[ORDO_NAME_SIZE_MAX + 1];
    char longest[2 * ORDO_NAME_SIZE_MAX + 2], longer[2 * ORDO_NAME_SIZE_MAX + 3];
    memset(longest, 'x', sizeof longest);
    longest[ORDO_NAME_SIZE_MAX] = '/';
    longest[sizeof longest - 1] = '\0';
    memset(longer, 'x', sizeof longer);
    longer[ORDO_NAME_SIZE_MAX + 1] = '/';
    longer[sizeof longer - 1] = '\0';

    assert_true(ordo_document_name_parse(longest, collection, id));
    assert_int_equal(strlen(id), ORDO_NAME_SIZE_MAX);
    assert_false(ordo_document_name_parse(longer, collection, id));
    assert_false(ordo_document_name_parse("notes", collection, id));
    assert_false(ordo_document_name_parse("/x", collection, id));
    assert_false(ordo_document_name_parse("notes/", collection, id));
    assert_false(ordo_document_name_parse("notes/\xff", collection, id));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_spellings_of_a_value_are_taken),
        cmocka_unit_test(defaults_stay_without_options),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(wrong_lines_are_refused_with_a_sentence),
        cmocka_unit_test(document_names_split_at_the_first_slash),
        cmocka_unit_test(impossible_document_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
