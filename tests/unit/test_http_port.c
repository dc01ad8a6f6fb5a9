/* The port of those who watch, over real sockets: it answers, and who is slow or silent there is in nobody's way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shard/http_port.h"

enum { LARGE_SIZE = 8 * 1024 * 1024 };

static int user_of_port;
static sem_t release; /* for the answer of /held */

static unsigned answer(void *user, struct ordo_slice path, const char **content_type, struct ordo_buffer *body) {
    assert_ptr_equal(user, &user_of_port);
    if (ordo_slice_equal(path, ordo_slice_of("/large"))) {
        memset(ordo_buffer_reserve(body, LARGE_SIZE), 'x', LARGE_SIZE);
        body->size = LARGE_SIZE;
        return 200;
    }
    if (ordo_slice_equal(path, ordo_slice_of("/held"))) sem_wait(&release);
    else if (!ordo_slice_equal(path, ordo_slice_of("/here"))) return 404;
    *content_type = "text/x";
    ordo_buffer_append_slice(body, ordo_slice_of("hello"));
    return 200;
}

static int start(void **state) {
    struct ordo_problem problem;
    struct ordo_http_port *port;
    assert_int_equal(ordo_http_port_start("127.0.0.1:0", answer, &user_of_port, &problem, &port), ORDO_OK);
    *state = port;
    return 0;
}
static int stop(void **state) {
    ordo_http_port_stop(*state);
    return 0;
}

static int connect_to(struct ordo_http_port *port) {
    const char *address = ordo_http_port_address(port);
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

static void say(int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* All until the other side ends; `out` gets a NUL. */
static void hear(int fd, struct ordo_buffer *out) {
    for (;;) {
        ssize_t size = recv(fd, ordo_buffer_reserve(out, 65536), 65536, 0);
        if (size <= 0) break;
        out->size += (size_t)size;
    }
    close(fd);
    ordo_buffer_append_u8(out, 0);
}

static void ask(struct ordo_http_port *port, const char *request, const char *first_line, const char *end) {
    struct ordo_buffer heard = {0};
    for (int i = 0; i < 100 && heard.size <= 1; i++) { /* nothing: all its places were taken; one asks again */
        ordo_buffer_clear(&heard);
        if (i > 0) usleep(50000);
        int fd = connect_to(port);
        say(fd, request);
        hear(fd, &heard);
    }
    const char *text = (const char *)heard.data;
    assert_int_equal(strncmp(text, first_line, strlen(first_line)), 0);
    assert_true(strlen(text) >= strlen(end));
    assert_string_equal(text + strlen(text) - strlen(end), end);
    ordo_buffer_finish(&heard);
}

static void each_request_gets_its_answer(void **state) {
    ask(*state, "GET /here HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Type: text/x\r\n", "\r\n\r\nhello");
    ask(*state, "HEAD /here HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\n");
    ask(*state, "GET /elsewhere HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found\r\n", "\r\n\r\n");
    ask(*state, "DELETE /here HTTP/1.1\r\n\r\n", "HTTP/1.1 405 Method Not Allowed\r\n", "\r\n\r\n");
    ask(*state, "nonsense\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "\r\n\r\n");
}

static void a_request_in_pieces_and_a_large_answer_pass(void **state) {
    struct ordo_buffer heard = {0};
    int fd = connect_to(*state);
    say(fd, "GET /lar");
    ask(*state, "GET /here HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", "hello"); /* it was read meanwhile */
    say(fd, "ge HTTP/1.1\r\n\r\n");
    hear(fd, &heard);
    assert_true(heard.size > LARGE_SIZE);
    ordo_buffer_finish(&heard);
}

static void silent_ones_and_slow_readers_hold_nobody_up(void **state) {
    int silent[2 * ORDO_HTTP_PORT_CONNECTIONS_MAX];
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) {
        silent[i] = connect_to(*state);
        if (i % 2) say(silent[i], "GET /large HTTP/1.1\r\n\r\n"); /* and never reads */
    }
    ask(*state, "GET /here HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", "hello");
    /* Of too many the oldest is sent away. */
    struct pollfd first = {.fd = silent[0], .events = POLLIN};
    assert_int_equal(poll(&first, 1, 5000), 1);
    char byte;
    assert_true(recv(silent[0], &byte, 1, 0) <= 0);
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) close(silent[i]);
}

static void who_has_asked_is_not_crowded_out_by_who_has_not(void **state) {
    struct ordo_buffer heard = {0};
    sem_init(&release, 0, 0);
    int held = connect_to(*state), silent[2 * ORDO_HTTP_PORT_CONNECTIONS_MAX - 4];
    say(held, "GET /held HTTP/1.1\r\n\r\n"); /* until it is released all others wait to be accepted */
    int asking = connect_to(*state);
    say(asking, "GET /here HTTP/1.1\r\n\r\n");
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) silent[i] = connect_to(*state);
    sem_post(&release);
    hear(asking, &heard);
    assert_non_null(strstr((const char *)heard.data, "hello"));
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) close(silent[i]);
    close(held);
    ordo_buffer_finish(&heard);
    sem_destroy(&release);
}

static void an_endless_head_is_refused(void **state) {
    char line[256];
    memset(line, 'x', sizeof line);
    int fd = connect_to(*state);
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    while (poll(&readable, 1, 0) == 0 && send(fd, line, sizeof line, MSG_NOSIGNAL) > 0) {
    }
    struct ordo_buffer heard = {0};
    hear(fd, &heard); /* a 400, or a reset, where more was sent than is read */
    ordo_buffer_finish(&heard);
    ask(*state, "GET /here HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n", "hello");
}

static void what_cannot_be_listened_on_is_told(void **state) {
    struct ordo_problem problem;
    struct ordo_http_port *other;
    const char *const wrong[] = {"", "nonsense", "127.0.0.1", ":80", "127.0.0.1:x", "no.such.host.invalid:80"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(ordo_http_port_start(wrong[i], answer, &user_of_port, &problem, &other), ORDO_ERR_INVALID);
    const char *taken = ordo_http_port_address(*state);
    assert_int_equal(ordo_http_port_start(taken, answer, &user_of_port, &problem, &other), ORDO_ERR_UNAVAILABLE);
    assert_non_null(strstr(problem.text, taken));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_request_gets_its_answer, start, stop),
        cmocka_unit_test_setup_teardown(a_request_in_pieces_and_a_large_answer_pass, start, stop),
        cmocka_unit_test_setup_teardown(silent_ones_and_slow_readers_hold_nobody_up, start, stop),
        cmocka_unit_test_setup_teardown(who_has_asked_is_not_crowded_out_by_who_has_not, start, stop),
        cmocka_unit_test_setup_teardown(an_endless_head_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(what_cannot_be_listened_on_is_told, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
