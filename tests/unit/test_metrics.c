/* Figures as text: what Prometheus reads, and that no label can be more than a value. Lines of a log likewise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/http_request.h"
#include "common/log.h"
#include "common/metrics.h"

static const char *text_of(struct ordo_buffer *buffer) {
    ordo_buffer_append_u8(buffer, 0);
    return (const char *)buffer->data;
}

/* ---- buckets */

static void every_bound_closes_its_bucket_and_the_next_value_opens_another(void **state) {
    (void)state;
    for (unsigned i = 0; i + 1 < ORDO_BUCKET_COUNT; i++) {
        uint64_t bound = ordo_bucket_bound(i);
        assert_int_equal(ordo_bucket_of(bound), i);
        assert_int_equal(ordo_bucket_of(bound + 1), i + 1);
        assert_true(i == 0 || bound > ordo_bucket_bound(i - 1));
    }
    assert_int_equal(ordo_bucket_of(0), 0);
    assert_int_equal(ordo_bucket_of(UINT64_MAX), ORDO_BUCKET_COUNT - 1);
    const uint64_t first[] = {1, 2, 3, 4, 6, 8, 12, 16};
    for (unsigned i = 0; i < 8; i++) assert_int_equal(ordo_bucket_bound(i), first[i]);
}

/* ---- text */

struct figures {
    uint64_t ops, refused[2];
    double load;
    struct ordo_buckets wait_us;
};
static const char *const codes[] = {"A", "B\"\n"};
static const struct ordo_metric table[] = {
    {.name = "x_ops_total", .help = "Ops.", .kind = ORDO_METRIC_COUNTER, .offset = offsetof(struct figures, ops)},
    {.name = "x_refused_total", .help = "Refused.", .kind = ORDO_METRIC_COUNTER, .offset = offsetof(struct figures, refused),
     .label = "code", .values = codes, .value_count = 2},
    {.name = "x_load", .help = "Load.", .kind = ORDO_METRIC_REAL, .offset = offsetof(struct figures, load)},
    {.name = "x_wait_seconds", .help = "Waiting.", .kind = ORDO_METRIC_HISTOGRAM, .scale = 1e-6, .first = 0, .last = 5,
     .step = 2, .offset = offsetof(struct figures, wait_us)},
};

static void two_structs_share_a_family_and_histograms_add_up(void **state) {
    (void)state;
    struct figures one = {.ops = 7, .refused = {1, 2}, .load = 0.25}, two = {.ops = UINT64_MAX};
    ordo_buckets_add(&one.wait_us, 1, 3);
    ordo_buckets_add(&one.wait_us, 3, 1);
    ordo_buckets_add(&one.wait_us, 1000, 2); /* beyond what is shown */
    const struct ordo_metric_source sources[] = {{&one, ordo_slice_of("s=\"1\"")}, {&two, {0}}};
    struct ordo_buffer out = {0};
    ordo_metrics_write(&out, table, sizeof table / sizeof *table, sources, 2);
    assert_string_equal(text_of(&out),
                        "# HELP x_ops_total Ops.\n# TYPE x_ops_total counter\n"
                        "x_ops_total{s=\"1\"} 7\nx_ops_total 18446744073709551615\n"
                        "# HELP x_refused_total Refused.\n# TYPE x_refused_total counter\n"
                        "x_refused_total{s=\"1\",code=\"A\"} 1\nx_refused_total{s=\"1\",code=\"B\\\"\\n\"} 2\n"
                        "x_refused_total{code=\"A\"} 0\nx_refused_total{code=\"B\\\"\\n\"} 0\n"
                        "# HELP x_load Load.\n# TYPE x_load gauge\nx_load{s=\"1\"} 0.25\nx_load 0\n"
                        "# HELP x_wait_seconds Waiting.\n# TYPE x_wait_seconds histogram\n"
                        "x_wait_seconds_bucket{s=\"1\",le=\"1e-06\"} 3\nx_wait_seconds_bucket{s=\"1\",le=\"2e-06\"} 3\n"
                        "x_wait_seconds_bucket{s=\"1\",le=\"4e-06\"} 4\nx_wait_seconds_bucket{s=\"1\",le=\"8e-06\"} 4\n"
                        "x_wait_seconds_bucket{s=\"1\",le=\"+Inf\"} 6\n"
                        "x_wait_seconds_sum{s=\"1\"} 0.002006\nx_wait_seconds_count{s=\"1\"} 6\n"
                        "x_wait_seconds_bucket{le=\"1e-06\"} 0\nx_wait_seconds_bucket{le=\"2e-06\"} 0\n"
                        "x_wait_seconds_bucket{le=\"4e-06\"} 0\nx_wait_seconds_bucket{le=\"8e-06\"} 0\n"
                        "x_wait_seconds_bucket{le=\"+Inf\"} 0\nx_wait_seconds_sum 0\nx_wait_seconds_count 0\n");
    ordo_buffer_finish(&out);
}

static void a_label_may_hold_anything_and_stays_one_value(void **state) {
    (void)state;
    struct ordo_buffer labels = {0};
    ordo_metrics_label(&labels, "a", ordo_slice("x\"} 1\n\\\0y", 10));
    ordo_metrics_label(&labels, "b", ordo_slice_of("ü"));
    assert_string_equal(text_of(&labels), "a=\"x\\\"} 1\\n\\\\y\",b=\"ü\"");
    ordo_buffer_finish(&labels);
}

/* ---- lines of a log */

static void a_hostile_value_is_one_word_of_a_line(void **state) {
    (void)state;
    char out[ORDO_LOG_VALUE_SIZE];
    assert_string_equal(ordo_log_value(out, ordo_slice_of("alice@example.org")), "alice@example.org");
    assert_string_equal(ordo_log_value(out, ordo_slice_of("a b\nevent=x")), "a%20b%0Aevent%3Dx");
    assert_string_equal(ordo_log_value(out, ordo_slice("\0\x1b[2J\"\\%/\x7f\xc3\xbc", 12)), "%00%1B[2J%22%5C%25%2F%7F%C3%BC");
    assert_string_equal(ordo_log_value(out, ordo_slice_of("")), "-");
}

static void a_value_of_any_size_fits(void **state) {
    (void)state;
    char out[ORDO_LOG_VALUE_SIZE], name[ORDO_LOG_VALUE_SIZE * 3];
    memset(name, '\n', sizeof name);
    assert_int_equal(strlen(ordo_log_value(out, ordo_slice(name, 128))), 3 * 128); /* the longest name is whole */
    for (size_t size = 0; size <= sizeof name; size++) {
        const char *text = ordo_log_value(out, ordo_slice(name, size));
        assert_true(strlen(text) < ORDO_LOG_VALUE_SIZE);
        assert_int_equal(strstr(text, "...") != NULL, 3 * size > ORDO_LOG_VALUE_SIZE - sizeof "...");
    }
}

static void a_sentence_keeps_its_letters_and_loses_its_quotes(void **state) {
    (void)state;
    char out[ORDO_LOG_QUOTED_SIZE], longest[2 * ORDO_LOG_QUOTED_SIZE];
    assert_string_equal(ordo_log_quoted(out, "Für \"x\" in C:\\\n"), "Für \\\"x\\\" in C:\\\\?");
    memset(longest, '"', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *text = ordo_log_quoted(out, longest);
    assert_true(strlen(text) < ORDO_LOG_QUOTED_SIZE);
    assert_string_equal(text + strlen(text) - 3, "...");
}

/* What comes to stderr for a line. */
static char *logged(const char *value) {
    int pipes[2], saved = dup(STDERR_FILENO);
    static char line[8192];
    assert_int_equal(pipe(pipes), 0);
    dup2(pipes[1], STDERR_FILENO);
    log_error("event=x value=%s", value);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pipes[1]);
    ssize_t size = read(pipes[0], line, sizeof line - 1);
    close(pipes[0]);
    assert_true(size > 0);
    line[size] = '\0';
    return line;
}

static void whatever_is_logged_is_one_line_of_bounded_length(void **state) {
    (void)state;
    const char *line = logged("a\nevent=forged\r\t\x1b[31m");
    assert_non_null(strstr(line, "value=a?event=forged???[31m\n"));
    assert_int_equal(strcspn(line, "\n"), strlen(line) - 1);
    char longest[8000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    line = logged(longest);
    assert_int_equal(strlen(line), 2047);
    assert_int_equal(line[strlen(line) - 1], '\n');
}

/* ---- the little HTTP of the port for those who watch */

static enum ordo_http_request_state parse(const char *text, struct ordo_slice *path, bool *is_head) {
    return ordo_http_request_parse(ordo_slice_of(text), path, is_head);
}

static void a_request_is_whole_with_its_empty_line(void **state) {
    (void)state;
    struct ordo_slice path = {0};
    bool is_head = true;
    const char *text = "GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n";
    for (size_t size = 0; size < strlen(text); size++)
        assert_int_equal(ordo_http_request_parse(ordo_slice(text, size), &path, &is_head), ORDO_HTTP_REQUEST_PARTIAL);
    assert_int_equal(parse(text, &path, &is_head), ORDO_HTTP_REQUEST_WHOLE);
    assert_true(ordo_slice_equal(path, ordo_slice_of("/metrics")));
    assert_false(is_head);
    assert_int_equal(parse("HEAD /healthz HTTP/1.0\r\n\r\n", &path, &is_head), ORDO_HTTP_REQUEST_WHOLE);
    assert_true(ordo_slice_equal(path, ordo_slice_of("/healthz")) && is_head);
}

static void what_is_no_request_is_refused(void **state) {
    (void)state;
    struct ordo_slice path;
    bool is_head;
    assert_int_equal(parse("POST / HTTP/1.1\r\n\r\n", &path, &is_head), ORDO_HTTP_REQUEST_NOT_ALLOWED);
    const char *const wrong[] = {"\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET /\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n",
                                 "GET x HTTP/1.1\r\n\r\n", "GET http://x/ HTTP/1.1\r\n\r\n", "GET /\x01 HTTP/1.1\r\n\r\n",
                                 " / HTTP/1.1\r\n\r\n", "GET / HTTP/1.11\r\n\r\n", "GET /\nx HTTP/1.1\r\n\r\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(parse(wrong[i], &path, &is_head), ORDO_HTTP_REQUEST_WRONG);
    char endless[ORDO_HTTP_REQUEST_SIZE_MAX + 1];
    memset(endless, 'G', sizeof endless);
    assert_int_equal(ordo_http_request_parse(ordo_slice(endless, ORDO_HTTP_REQUEST_SIZE_MAX - 1), &path, &is_head),
                     ORDO_HTTP_REQUEST_PARTIAL);
    assert_int_equal(ordo_http_request_parse(ordo_slice(endless, ORDO_HTTP_REQUEST_SIZE_MAX), &path, &is_head),
                     ORDO_HTTP_REQUEST_WRONG);
}

static void an_answer_says_its_length_and_that_it_is_the_last(void **state) {
    (void)state;
    struct ordo_buffer out = {0};
    ordo_http_response_write(&out, 503, "text/plain", ordo_slice_of("no\n"), false);
    assert_string_equal(text_of(&out), "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n"
                                       "Cache-Control: no-store\r\nConnection: close\r\n\r\nno\n");
    ordo_buffer_clear(&out);
    ordo_http_response_write(&out, 200, "text/plain", ordo_slice_of("ok\n"), true);
    const char *text = text_of(&out);
    assert_string_equal(text + strlen(text) - 4, "\r\n\r\n");
    ordo_buffer_finish(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bound_closes_its_bucket_and_the_next_value_opens_another),
        cmocka_unit_test(two_structs_share_a_family_and_histograms_add_up),
        cmocka_unit_test(a_label_may_hold_anything_and_stays_one_value),
        cmocka_unit_test(a_hostile_value_is_one_word_of_a_line),
        cmocka_unit_test(a_value_of_any_size_fits),
        cmocka_unit_test(a_sentence_keeps_its_letters_and_loses_its_quotes),
        cmocka_unit_test(whatever_is_logged_is_one_line_of_bounded_length),
        cmocka_unit_test(a_request_is_whole_with_its_empty_line),
        cmocka_unit_test(what_is_no_request_is_refused),
        cmocka_unit_test(an_answer_says_its_length_and_that_it_is_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
