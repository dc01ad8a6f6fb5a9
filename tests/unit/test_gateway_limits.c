/* Who counts as one address, and when memory is short. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "gateway/addresses.h"
#include "gateway/memory.h"

static struct ordo_ip ip_of(const char *text) {
    struct ordo_ip ip;
    if (!ordo_ip_parse(ordo_slice_of(text), &ip)) fail_msg("%s is an address", text);
    return ip;
}

static bool has_room(const struct ordo_addresses *addresses, const char *text) {
    struct ordo_ip ip = ip_of(text);
    return ordo_addresses_have_room(addresses, &ip, ORDO_ADDRESS_CONNECTION);
}

static void enter(struct ordo_addresses *addresses, const char *text) {
    struct ordo_ip ip = ip_of(text);
    ordo_addresses_enter(addresses, &ip, ORDO_ADDRESS_CONNECTION);
}

static void leave(struct ordo_addresses *addresses, const char *text) {
    struct ordo_ip ip = ip_of(text);
    ordo_addresses_leave(addresses, &ip, ORDO_ADDRESS_CONNECTION);
}

static void private_networks_are_told_from_the_internet(void **state) {
    (void)state;
    const char *const own[] = {"127.0.0.1", "::1", "10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1",
                               "100.64.0.1", "100.127.255.255", "169.254.0.1", "fc00::1", "fdff::1", "fe80::1", "febf::1",
                               "::ffff:10.1.2.3"};
    const char *const foreign[] = {"9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.1.1", "192.169.0.1",
                                   "100.63.255.255", "100.128.0.0", "169.253.0.1", "fbff::1", "fe00::1", "fec0::1", "2001:db8::1",
                                   "8.8.8.8", "::ffff:8.8.8.8"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        struct ordo_ip ip = ip_of(own[i]);
        if (!ordo_ip_is_private(&ip)) fail_msg("%s is private", own[i]);
    }
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        struct ordo_ip ip = ip_of(foreign[i]);
        if (ordo_ip_is_private(&ip)) fail_msg("%s is not private", foreign[i]);
    }
}

static void an_address_has_as_many_as_may_be_and_gets_places_back(void **state) {
    (void)state;
    struct ordo_addresses addresses = {.seed = 5, .most = {2, 1}};
    enter(&addresses, "8.8.8.8");
    assert_true(has_room(&addresses, "8.8.8.8"));
    enter(&addresses, "8.8.8.8");
    assert_false(has_room(&addresses, "8.8.8.8"));
    assert_true(has_room(&addresses, "8.8.8.9"));
    struct ordo_ip ip = ip_of("8.8.8.8"); /* the other use has a number of its own */
    assert_true(ordo_addresses_have_room(&addresses, &ip, ORDO_ADDRESS_REQUEST));
    ordo_addresses_enter(&addresses, &ip, ORDO_ADDRESS_REQUEST);
    assert_false(ordo_addresses_have_room(&addresses, &ip, ORDO_ADDRESS_REQUEST));
    leave(&addresses, "8.8.8.8");
    assert_true(has_room(&addresses, "8.8.8.8"));
    leave(&addresses, "8.8.8.8");
    ordo_addresses_leave(&addresses, &ip, ORDO_ADDRESS_REQUEST);
    ordo_addresses_finish(&addresses); /* asserts that nothing is left */
}

static void a_network_of_ipv6_is_one_client_and_private_ones_are_not_counted(void **state) {
    (void)state;
    struct ordo_addresses addresses = {.seed = 5, .most = {1, 1}};
    enter(&addresses, "2001:db8::1");
    assert_false(has_room(&addresses, "2001:db8::ffff:2"));
    assert_true(has_room(&addresses, "2001:db8:0:1::1"));
    leave(&addresses, "2001:db8::1:1"); /* it is the same */
    for (int i = 0; i < 3; i++) enter(&addresses, "10.0.0.1");
    assert_true(has_room(&addresses, "10.0.0.1"));
    for (int i = 0; i < 3; i++) leave(&addresses, "10.0.0.1");
    addresses.most[ORDO_ADDRESS_CONNECTION] = 0; /* any number */
    for (int i = 0; i < 3; i++) enter(&addresses, "8.8.8.8");
    assert_true(has_room(&addresses, "8.8.8.8"));
    for (int i = 0; i < 3; i++) leave(&addresses, "8.8.8.8");
    ordo_addresses_finish(&addresses);
}

static void memory_is_short_from_the_limit_on_until_well_below(void **state) {
    (void)state;
    struct ordo_budget budget = {.size_max = 1000};
    assert_int_equal(ordo_budget_look(&budget, 999), 0);
    assert_int_equal(ordo_budget_look(&budget, 1000), 0);
    assert_false(budget.is_over);
    assert_int_equal(ordo_budget_look(&budget, 1001), 201);
    assert_true(budget.is_over);
    assert_int_equal(ordo_budget_look(&budget, 801), 1);
    assert_true(budget.is_over);
    assert_int_equal(ordo_budget_look(&budget, 800), 0);
    assert_false(budget.is_over);
    assert_int_equal(ordo_budget_look(&budget, 999), 0);
    budget.size_max = 0;
    assert_int_equal(ordo_budget_look(&budget, UINT64_MAX), 0);
    assert_false(budget.is_over);
}

static void the_default_is_a_part_of_what_there_is(void **state) {
    (void)state;
    uint64_t size = ordo_memory_default_max();
    assert_in_range(size, 1024 * 1024, UINT64_C(1) << 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_networks_are_told_from_the_internet),
        cmocka_unit_test(an_address_has_as_many_as_may_be_and_gets_places_back),
        cmocka_unit_test(a_network_of_ipv6_is_one_client_and_private_ones_are_not_counted),
        cmocka_unit_test(memory_is_short_from_the_limit_on_until_well_below),
        cmocka_unit_test(the_default_is_a_part_of_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
