#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/memory.h"
#include "tools/load/ws.h"

enum { SIZE_LIMIT = 100000 };

/* What a server would send: no mask. */
static void append_server_frame(struct ordo_buffer *out, uint8_t first, const char *payload, size_t size) {
    ordo_buffer_append_u8(out, first);
    if (size < 126) {
        ordo_buffer_append_u8(out, (uint8_t)size);
    } else if (size < 65536) {
        ordo_buffer_append_u8(out, 126);
        ordo_buffer_append_u16_be(out, (uint16_t)size);
    } else {
        ordo_buffer_append_u8(out, 127);
        ordo_buffer_append_u64_be(out, size);
    }
    ordo_buffer_append(out, payload, size);
}

static void frames_of_every_length_form_are_read_and_cut_ones_wait(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, SIZE_LIMIT};
    char *payload = ordo_alloc(SIZE_LIMIT);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct ordo_buffer bytes = {0};
        struct load_ws_frame frame;
        append_server_frame(&bytes, 0x82, payload, sizes[i]);

        for (size_t cut = 0; cut < bytes.size; cut += cut < 20 || cut + 20 > bytes.size ? 1 : 997) {
            struct ordo_reader part = ordo_reader(ordo_slice(bytes.data, cut));
            assert_int_equal(load_ws_read(&part, SIZE_LIMIT, &frame), LOAD_WS_INCOMPLETE);
            assert_ptr_equal(part.next, bytes.data);
        }
        struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&bytes));
        assert_int_equal(load_ws_read(&reader, SIZE_LIMIT, &frame), LOAD_WS_FRAME);
        assert_int_equal(frame.opcode, LOAD_WS_BINARY);
        assert_true(frame.is_final);
        assert_int_equal(frame.payload.size, sizes[i]);
        assert_int_equal(ordo_reader_left(&reader), 0);
        ordo_buffer_finish(&bytes);
    }
    free(payload);
}

static void frames_that_no_server_may_send_are_broken(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"\xc2\x00", 2},                             /* a reserved bit */
        {"\x82\x81xxxx!", 7},                        /* masked */
        {"\x82\x7f\x00\x00\x00\x00\x00\x01\x86\xa1", 10}, /* one byte over the limit */
        {"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ordo_reader reader = ordo_reader(ordo_slice(cases[i].bytes, cases[i].size));
        struct load_ws_frame frame;
        assert_int_equal(load_ws_read(&reader, SIZE_LIMIT, &frame), LOAD_WS_BROKEN);
    }
}

static void what_is_sent_is_masked_and_of_the_shortest_form(void **state) {
    (void)state;
    struct ordo_buffer out = {0};
    load_ws_append(&out, LOAD_WS_BINARY, ordo_slice_of("hi"));
    assert_true(ordo_slice_equal(ordo_buffer_slice(&out), ordo_slice("\x82\x82\0\0\0\0hi", 8)));

    char *payload = ordo_alloc(70000);
    ordo_buffer_clear(&out);
    load_ws_append(&out, LOAD_WS_PONG, ordo_slice(payload, 126));
    assert_memory_equal(out.data, "\x8a\xfe\x00\x7e\0\0\0\0", 8);
    ordo_buffer_clear(&out);
    load_ws_append(&out, LOAD_WS_BINARY, ordo_slice(payload, 70000));
    assert_memory_equal(out.data, "\x82\xff\0\0\0\0\0\x01\x11\x70\0\0\0\0", 14);
    assert_int_equal(out.size, 14 + 70000);
    ordo_buffer_finish(&out);
    free(payload);
}

static void answer_is_complete_with_its_empty_line_and_only_101_is_a_yes(void **state) {
    (void)state;
    static const char yes[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    struct ordo_buffer bytes = {0};
    ordo_buffer_append(&bytes, yes, sizeof yes - 1);
    append_server_frame(&bytes, 0x82, "x", 1);

    for (size_t cut = 1; cut < sizeof yes - 1; cut++) {
        assert_int_equal(load_ws_read_answer(ordo_slice(bytes.data, cut)), 0);
    }
    assert_int_equal(load_ws_read_answer(ordo_buffer_slice(&bytes)), sizeof yes - 1);
    assert_true(load_ws_read_answer(ordo_slice_of("HTTP/1.1 403 Forbidden\r\n\r\n")) == SIZE_MAX);
    assert_true(load_ws_read_answer(ordo_slice_of("SSH-2.0")) == SIZE_MAX);

    for (int i = 0; i < 10000; i++) ordo_buffer_append(&bytes, "y", 1);
    memset(bytes.data + 32, 'y', bytes.size - 32); /* headers without an end */
    assert_true(load_ws_read_answer(ordo_buffer_slice(&bytes)) == SIZE_MAX);
    ordo_buffer_finish(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_every_length_form_are_read_and_cut_ones_wait),
        cmocka_unit_test(frames_that_no_server_may_send_are_broken),
        cmocka_unit_test(what_is_sent_is_masked_and_of_the_shortest_form),
        cmocka_unit_test(answer_is_complete_with_its_empty_line_and_only_101_is_a_yes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
