#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/histogram.h"
#include "common/memory.h"
#include "common/random.h"

static int compare_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void empty_histogram_reads_as_zero(void **state) {
    (void)state;
    static struct ordo_histogram histogram;

    assert_int_equal(ordo_histogram_percentile(&histogram, 50), 0);
    assert_int_equal(ordo_histogram_percentile(&histogram, 100), 0);
    assert_true(ordo_histogram_mean(&histogram) == 0);
}

static void small_values_are_exact(void **state) {
    (void)state;
    static struct ordo_histogram histogram;

    for (uint64_t value = 1; value <= 200; value++) ordo_histogram_record(&histogram, value);

    assert_int_equal(ordo_histogram_percentile(&histogram, 0), 1);
    assert_int_equal(ordo_histogram_percentile(&histogram, 50), 100);
    assert_int_equal(ordo_histogram_percentile(&histogram, 99), 198);
    assert_int_equal(ordo_histogram_percentile(&histogram, 99.9), 200);
    assert_int_equal(ordo_histogram_percentile(&histogram, 100), 200);
    assert_true(ordo_histogram_mean(&histogram) == 100.5);
}

static void largest_number_is_recorded_and_read_back(void **state) {
    (void)state;
    static struct ordo_histogram histogram;

    ordo_histogram_record(&histogram, UINT64_MAX);
    ordo_histogram_record(&histogram, 0);

    assert_true(ordo_histogram_percentile(&histogram, 100) == UINT64_MAX);
    assert_true(histogram.max == UINT64_MAX);
    assert_int_equal(ordo_histogram_percentile(&histogram, 50), 0);
}

static void every_power_of_two_boundary_keeps_the_stated_error(void **state) {
    (void)state;
    for (int bit = 0; bit < 64; bit++) {
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t value = (UINT64_C(1) << bit) + (uint64_t)(int64_t)delta;
            if (value == 0 || value == UINT64_MAX) continue;
            struct ordo_histogram *histogram = ordo_alloc(sizeof *histogram);
            ordo_histogram_record(histogram, value);
            ordo_histogram_record(histogram, UINT64_MAX); /* so that the maximum does not round for us */
            uint64_t read = ordo_histogram_percentile(histogram, 50);
            assert_true(read >= value);
            assert_true(read - value <= value / ORDO_HISTOGRAM_HALF);
            free(histogram);
        }
    }
}

static void percentiles_of_random_values_keep_the_stated_error(void **state) {
    (void)state;
    enum { VALUE_COUNT = 20000 };
    static struct ordo_histogram histogram;
    struct ordo_prng prng;
    ordo_prng_init(&prng, 7);
    uint64_t *values = ordo_alloc_array(VALUE_COUNT, sizeof *values);
    for (int i = 0; i < VALUE_COUNT; i++) {
        values[i] = ordo_prng_next(&prng) >> ordo_prng_below(&prng, 60);
        ordo_histogram_record(&histogram, values[i]);
    }
    qsort(values, VALUE_COUNT, sizeof *values, compare_u64);

    static const double percents[] = {1, 10, 50, 90, 99, 99.9, 100};
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        double exact = VALUE_COUNT * percents[i] / 100.0;
        size_t index = (size_t)exact;
        if ((double)index < exact) index++;
        uint64_t truth = values[index - 1];
        uint64_t read = ordo_histogram_percentile(&histogram, percents[i]);
        assert_true(read >= truth);
        assert_true(read - truth <= truth / ORDO_HISTOGRAM_HALF);
    }
    free(values);
}

static void merged_histograms_equal_one_that_saw_everything(void **state) {
    (void)state;
    static struct ordo_histogram left, right, both;
    struct ordo_prng prng;
    ordo_prng_init(&prng, 8);

    for (int i = 0; i < 5000; i++) {
        uint64_t value = ordo_prng_below(&prng, 1000000);
        ordo_histogram_record(i % 3 == 0 ? &left : &right, value);
        ordo_histogram_record(&both, value);
    }
    ordo_histogram_merge(&left, &right);

    assert_memory_equal(&left, &both, sizeof both);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_histogram_reads_as_zero),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(largest_number_is_recorded_and_read_back),
        cmocka_unit_test(every_power_of_two_boundary_keeps_the_stated_error),
        cmocka_unit_test(percentiles_of_random_values_keep_the_stated_error),
        cmocka_unit_test(merged_histograms_equal_one_that_saw_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
