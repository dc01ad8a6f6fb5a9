/* A link delivers in order or is over; credit bounds what is in flight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proto/link.h"

static Ordo__Cluster__V1__Envelope stamped(struct ordo_link *link, uint64_t now_ms) {
    Ordo__Cluster__V1__Envelope envelope = ORDO__CLUSTER__V1__ENVELOPE__INIT;
    ordo_link_stamp(link, &envelope, now_ms);
    return envelope;
}

static void envelopes_in_order_are_accepted(void **state) {
    (void)state;
    struct ordo_link a, b;
    ordo_link_init(&a, 7, 0);
    ordo_link_init(&b, 7, 0);
    for (uint64_t number = 1; number <= 3; number++) {
        Ordo__Cluster__V1__Envelope envelope = stamped(&a, number);
        assert_int_equal(envelope.number, number);
        assert_int_equal(ordo_link_receive(&b, &envelope, 100, number), ORDO_LINK_NEXT);
    }
    assert_int_equal(b.bytes_received, 300);
    assert_int_equal(stamped(&b, 4).received, 3);
}

static void a_lost_envelope_ends_the_session(void **state) {
    (void)state;
    struct ordo_link a, b;
    ordo_link_init(&a, 7, 0);
    ordo_link_init(&b, 7, 0);
    (void)stamped(&a, 0); /* swallowed by the network */
    Ordo__Cluster__V1__Envelope second = stamped(&a, 0);
    assert_int_equal(ordo_link_receive(&b, &second, 100, 0), ORDO_LINK_GAP);
}

static void a_repeated_envelope_ends_the_session(void **state) {
    (void)state;
    struct ordo_link a, b;
    ordo_link_init(&a, 7, 0);
    ordo_link_init(&b, 7, 0);
    Ordo__Cluster__V1__Envelope first = stamped(&a, 0);
    assert_int_equal(ordo_link_receive(&b, &first, 100, 0), ORDO_LINK_NEXT);
    assert_int_equal(ordo_link_receive(&b, &first, 100, 0), ORDO_LINK_GAP);
}

static void an_envelope_of_another_session_is_a_stranger(void **state) {
    (void)state;
    struct ordo_link a, b;
    ordo_link_init(&a, 7, 0);
    ordo_link_init(&b, 8, 0);
    Ordo__Cluster__V1__Envelope envelope = stamped(&a, 0);
    assert_int_equal(ordo_link_receive(&b, &envelope, 100, 0), ORDO_LINK_STRANGER);
    assert_int_equal(b.number_received, 0);
}

static void credit_runs_out_and_comes_back_as_the_other_side_works(void **state) {
    (void)state;
    struct ordo_link a, b;
    ordo_link_init(&a, 7, 0);
    ordo_link_init(&b, 7, 0);
    const size_t size = ORDO_LINK_CREDIT / 2;
    for (int i = 0; i < 2; i++) {
        assert_true(ordo_link_has_credit(&a, size));
        Ordo__Cluster__V1__Envelope envelope = stamped(&a, 0);
        ordo_link_sent(&a, size);
        assert_int_equal(ordo_link_receive(&b, &envelope, size, 0), ORDO_LINK_NEXT);
    }
    assert_false(ordo_link_has_credit(&a, 1));

    ordo_link_grant(&b, size); /* half of it is worked through */
    Ordo__Cluster__V1__Envelope answer = stamped(&b, 0);
    assert_int_equal(ordo_link_receive(&a, &answer, 10, 0), ORDO_LINK_NEXT);
    assert_true(ordo_link_has_credit(&a, size));
    assert_false(ordo_link_has_credit(&a, size + 1));
}

static void much_untold_credit_makes_an_envelope_due_before_its_time(void **state) {
    (void)state;
    struct ordo_link a;
    ordo_link_init(&a, 7, 0);
    assert_false(ordo_link_is_due(&a, ORDO_HEARTBEAT_MS - 1));
    a.bytes_received = ORDO_LINK_CREDIT;
    ordo_link_grant(&a, 0);
    assert_true(ordo_link_is_due(&a, 1));
    (void)stamped(&a, 1);
    assert_false(ordo_link_is_due(&a, 1));
    assert_true(ordo_link_is_due(&a, 1 + ORDO_HEARTBEAT_MS));
}

static void silence_ends_a_link(void **state) {
    (void)state;
    struct ordo_link a;
    ordo_link_init(&a, 7, 1000);
    assert_false(ordo_link_is_silent(&a, 1000 + ORDO_LINK_TIMEOUT_MS - 1));
    assert_true(ordo_link_is_silent(&a, 1000 + ORDO_LINK_TIMEOUT_MS));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(envelopes_in_order_are_accepted),
        cmocka_unit_test(a_lost_envelope_ends_the_session),
        cmocka_unit_test(a_repeated_envelope_ends_the_session),
        cmocka_unit_test(an_envelope_of_another_session_is_a_stranger),
        cmocka_unit_test(credit_runs_out_and_comes_back_as_the_other_side_works),
        cmocka_unit_test(much_untold_credit_makes_an_envelope_due_before_its_time),
        cmocka_unit_test(silence_ends_a_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
