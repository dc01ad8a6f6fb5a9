/* Addresses of clients: networks, and whom a chain of proxies speaks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "gateway/ip.h"

static struct ordo_ip address_of(const char *text) {
    struct ordo_ip address;
    if (!ordo_ip_parse(ordo_slice_of(text), &address)) fail_msg("%s is an address", text);
    return address;
}

static void addresses_are_read_with_and_without_ports(void **state) {
    (void)state;
    const struct {
        const char *text, *same;
    } good[] = {{"10.1.2.3", "10.1.2.3"},        {" 10.1.2.3:8080\t", "10.1.2.3"}, {"::ffff:10.1.2.3", "10.1.2.3"},
                {"[::ffff:10.1.2.3]:80", "10.1.2.3"}, {"fd00::1", "fd00::1"},      {"[fd00:0::1]", "fd00::1"},
                {"[fd00::1]:443", "fd00::1"},    {"::1", "::1"}};
    const char *const bad[] = {"", " ", "10.1.2", "10.1.2.3.4", "10.1.2.300", "unknown", "_hidden", "[fd00::1", "fd00::g", "[]", "[", ":", "10.1.2.3/8",
                               "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[ORDO_IP_TEXT_SIZE];
        struct ordo_ip address = address_of(good[i].text);
        ordo_ip_print(&address, text);
        assert_string_equal(text, good[i].same);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ordo_ip address;
        if (ordo_ip_parse(ordo_slice_of(bad[i]), &address)) fail_msg("%s is none", bad[i]);
    }
}

static bool has(const char *network_text, const char *address_text) {
    struct ordo_network network;
    struct ordo_ip address = address_of(address_text);
    if (!ordo_network_parse(network_text, &network)) fail_msg("%s is a network", network_text);
    return ordo_network_has(&network, &address);
}

static void networks_end_at_their_prefix(void **state) {
    (void)state;
    assert_true(has("10.0.0.0/8", "10.255.0.1") && !has("10.0.0.0/8", "11.0.0.1"));
    assert_true(has("10.1.2.128/25", "10.1.2.128") && !has("10.1.2.128/25", "10.1.2.127"));
    assert_true(has("192.168.7.9", "192.168.7.9") && !has("192.168.7.9", "192.168.7.8"));
    assert_true(has("0.0.0.0/0", "8.8.8.8") && !has("0.0.0.0/0", "fd00::1"));
    assert_true(has("::/0", "fd00::1") && has("::/0", "8.8.8.8"));
    assert_true(has("fd00:7::/33", "fd00:7:7fff::1") && !has("fd00:7::/33", "fd00:7:8000::1"));
    assert_true(has("10.0.0.0/8", "::ffff:10.2.3.4")); /* one client, one address */
    const char *const bad[] = {"", "/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.0/ 8", "10.0.0.1/8", "fd00::/129", "fd00::1/64", "10.0.0.0:80",
                               "[fd00::]/8", "localhost", "10.0.0.0/4294967304"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ordo_network network;
        if (ordo_network_parse(bad[i], &network)) fail_msg("%s is none", bad[i]);
    }
}

static void client_is(const char *peer_text, const char *forwarded, const char *expected) {
    struct ordo_proxies proxies = {.count = 2};
    assert_true(ordo_network_parse("10.0.0.0/8", &proxies.items[0]) && ordo_network_parse("fd00::/8", &proxies.items[1]));
    struct ordo_ip peer = address_of(peer_text), client = ordo_proxies_client(&proxies, &peer, ordo_slice_of(forwarded));
    char text[ORDO_IP_TEXT_SIZE];
    ordo_ip_print(&client, text);
    assert_string_equal(text, expected);
}

static void only_trusted_proxies_are_believed(void **state) {
    (void)state;
    client_is("10.0.0.1", "9.9.9.9", "9.9.9.9");
    client_is("8.8.8.8", "9.9.9.9", "8.8.8.8");                          /* anybody can say so */
    client_is("10.0.0.1", "1.1.1.1, 9.9.9.9", "9.9.9.9");                /* the client put 1.1.1.1 in front */
    client_is("10.0.0.1", "1.1.1.1,9.9.9.9, fd00::7 ,10.0.0.2", "9.9.9.9"); /* three proxies, one behind the other */
    client_is("10.0.0.1", "", "10.0.0.1");
    client_is("10.0.0.1", "10.0.0.9", "10.0.0.9");                       /* a client in the proxies' own network */
    client_is("10.0.0.1", "9.9.9.9, nonsense", "10.0.0.1");
    client_is("10.0.0.1", "nonsense, 10.0.0.2", "10.0.0.2");
    client_is("10.0.0.1", ",,", "10.0.0.1");
    client_is("fd00::1", "[2001:db8::5]:4711", "2001:db8::5");
}

static void loopback_is_known(void **state) {
    (void)state;
    const char *const here[] = {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"}, *const there[] = {"128.0.0.1", "::2", "10.0.0.1", "::"};
    for (size_t i = 0; i < 4; i++) {
        struct ordo_ip local = address_of(here[i]), other = address_of(there[i]);
        assert_true(ordo_ip_is_loopback(&local) && !ordo_ip_is_loopback(&other));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_with_and_without_ports),
        cmocka_unit_test(networks_end_at_their_prefix),
        cmocka_unit_test(only_trusted_proxies_are_believed),
        cmocka_unit_test(loopback_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
