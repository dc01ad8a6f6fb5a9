/* What an HTTP request brings to the door: tokens in headers, and pages from where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "gateway/door.h"

static struct ordo_slice of(const char *text) { return ordo_slice_of(text); }

static void assert_bearer(const char *header, const char *token) {
    struct ordo_slice found = {0};
    bool is_there = ordo_door_bearer(of(header), &found);
    assert_int_equal(is_there, token != NULL);
    if (token != NULL) assert_true(ordo_slice_equal(found, of(token)));
}

static void a_bearer_token_is_found(void **state) {
    (void)state;
    assert_bearer("Bearer a.b.c", "a.b.c");
    assert_bearer("bearer   a.b.c ", "a.b.c");
    assert_bearer("Bearer", NULL);
    assert_bearer("Bearer  ", NULL);
    assert_bearer("Basic a.b.c", NULL);
    assert_bearer("Bearera.b.c", NULL);
    assert_bearer("", NULL);
}

static void assert_cookie(const char *header, const char *token) {
    struct ordo_slice found = {0};
    bool is_there = ordo_door_cookie(of(header), "ordo", &found);
    assert_int_equal(is_there, token != NULL);
    if (token != NULL) assert_true(ordo_slice_equal(found, of(token)));
}

static void the_cookie_of_that_name_is_found(void **state) {
    (void)state;
    assert_cookie("ordo=a.b.c", "a.b.c");
    assert_cookie("x=1; ordo=a.b.c; y=2", "a.b.c");
    assert_cookie("x=1;ordo=a.b.c", "a.b.c");
    assert_cookie("ordo=first; ordo=second", "first");
    assert_cookie("xordo=1; ordox=2; Ordo=3", NULL);
    assert_cookie("x=ordo=1", NULL);
    assert_cookie("ordo=", NULL);
    assert_cookie("ordo", NULL);
    assert_cookie(";;; ;=;", NULL);
    assert_cookie("", NULL);
}

static bool lets_in(const struct ordo_door *door, const char *origin, const char *host, bool by_cookie) {
    return ordo_door_lets_in(door, of(origin), of(host), by_cookie);
}

static void with_a_list_only_pages_on_it_come_in(void **state) {
    (void)state;
    const struct ordo_door door = {.origins = {"https://app.example.com", "http://[::1]:3000"}, .origin_count = 2,
                                   .asks_token = true};
    assert_true(lets_in(&door, "https://app.example.com", "x", false));
    assert_true(lets_in(&door, "https://APP.example.com", "x", true));
    assert_true(lets_in(&door, "http://[::1]:3000", "x", false));
    static const char *const others[] = {"http://app.example.com", "https://app.example.com:8443", "https://app.example.com.evil.org",
                                         "https://evil.org/https://app.example.com", "https://app.example.co", "null",
                                         "http://localhost", "https://app.example.com ", " "};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_false(lets_in(&door, others[i], "x", false));
    assert_true(lets_in(&door, "", "x", false)); /* no browser */
    assert_false(lets_in(&door, "", "x", true)); /* who brings a cookie says from where */
}

static void without_one_tokens_make_any_page_good(void **state) {
    (void)state;
    const struct ordo_door door = {.asks_token = true};
    assert_true(lets_in(&door, "https://anywhere.example", "x", false));
    assert_false(lets_in(&door, "https://anywhere.example", "x", true));
}

/* Else any page that a developer looks at could read and write what runs on the developer's machine. */
static void without_tokens_only_pages_from_here_come_in(void **state) {
    (void)state;
    const struct ordo_door here = {.is_loopback = true}, anywhere = {0};
    static const char *const local[] = {"http://localhost:5173", "http://127.0.0.1:8080", "http://127.8.9.10", "https://[::1]:3000",
                                        "http://app.localhost:1234", "http://LOCALHOST"};
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        assert_true(lets_in(&here, local[i], "x", false));
        assert_true(lets_in(&anywhere, local[i], "x", false));
    }
    static const char *const foreign[] = {"https://evil.org", "http://127.0.0.1.evil.org", "http://localhost.evil.org", "http://notlocalhost",
                                          "null", "file://", "http://", "http://[::1", "http://[::2]", "http://128.0.0.1",
                                          "http://10.0.0.1:8080", "localhost", "://localhost"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) assert_false(lets_in(&here, foreign[i], "x", false));
    /* A name can be made to point to this machine, so that it is the gateway's own proves nothing there. */
    assert_false(lets_in(&here, "http://evil.org:8080", "evil.org:8080", false));
    assert_true(lets_in(&anywhere, "http://notes.lan:8080", "notes.lan:8080", false));
    assert_false(lets_in(&anywhere, "http://notes.lan:8081", "notes.lan:8080", false));
    assert_true(lets_in(&here, "", "x", false));
}

static void origins_of_a_command_line_are_origins(void **state) {
    (void)state;
    assert_true(ordo_door_origin_is_valid("*"));
    assert_true(ordo_door_origin_is_valid("https://app.example.com"));
    assert_true(ordo_door_origin_is_valid("http://[::1]:3000"));
    static const char *const wrong[] = {"", "app.example.com", "https://", "https://app.example.com/", "https://a@b", "https://a b", "**"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_false(ordo_door_origin_is_valid(wrong[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bearer_token_is_found),
        cmocka_unit_test(the_cookie_of_that_name_is_found),
        cmocka_unit_test(with_a_list_only_pages_on_it_come_in),
        cmocka_unit_test(without_one_tokens_make_any_page_good),
        cmocka_unit_test(without_tokens_only_pages_from_here_come_in),
        cmocka_unit_test(origins_of_a_command_line_are_origins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
