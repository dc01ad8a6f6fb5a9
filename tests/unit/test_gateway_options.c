/* The command line of ordo-gateway: what it takes, and what it refuses with a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "gateway/options.h"

#define SHARD "--shard", "data=tcp://127.0.0.1:1,side=ipc:///x"

static enum ordo_options_outcome parse(struct ordo_options *options, char fault[ORDO_OPTIONS_FAULT_SIZE],
                                       const char *const *words) {
    char *argv[16] = {"ordo-gateway"};
    int argc = 1;
    while (*words != NULL) argv[argc++] = (char *)(uintptr_t)*words++;
    fault[0] = '\0';
    return ordo_options_parse(options, argc, argv, fault);
}

static struct ordo_options accepted(const char *const *words) {
    struct ordo_options options;
    char fault[ORDO_OPTIONS_FAULT_SIZE];
    if (parse(&options, fault, words) != ORDO_OPTIONS_RUN) fail_msg("refused: %s", fault);
    return options;
}
#define ACCEPTED(...) accepted((const char *const[]){__VA_ARGS__, NULL})

/* `part` stands in the sentence that says why. */
static void refused(const char *part, const char *const *words) {
    struct ordo_options options;
    char fault[ORDO_OPTIONS_FAULT_SIZE];
    assert_int_equal(parse(&options, fault, words), ORDO_OPTIONS_WRONG);
    if (strstr(fault, part) == NULL) fail_msg("\"%s\" says nothing about \"%s\"", fault, part);
}
#define REFUSED(part, ...) refused(part, (const char *const[]){__VA_ARGS__, NULL})

static void endpoints_and_defaults_are_understood(void **state) {
    (void)state;
    struct ordo_options options = ACCEPTED(SHARD);
    assert_string_equal(options.shard_data, "tcp://127.0.0.1:1");
    assert_string_equal(options.shard_side, "ipc:///x");
    assert_string_equal(options.address, "127.0.0.1");
    assert_int_equal(options.port, 8080);
    assert_int_equal(options.core.frame_size_max, ORDO_FRAME_SIZE_MAX);
    options = ACCEPTED(SHARD, "--listen", "[::1]:0", "--outbox-size-max", "65536", "--name", "g7");
    assert_string_equal(options.address, "::1");
    assert_int_equal(options.port, 0);
    assert_int_equal(options.core.outbox_size_max, 65536);
    assert_string_equal(options.name, "g7");
    assert_false(options.core.has_directory);
    assert_null(options.site_folder);
    assert_true(options.has_metrics); /* on loopback, where nobody from outside looks */
    assert_string_equal(options.metrics_address, "127.0.0.1");
    assert_int_equal(options.metrics_port, 0);
    options = ACCEPTED(SHARD, "--listen-metrics", "0.0.0.0:9464");
    assert_string_equal(options.metrics_address, "0.0.0.0");
    assert_int_equal(options.metrics_port, 9464);
    assert_false(ACCEPTED(SHARD, "--listen-metrics", "off").has_metrics);
    REFUSED("--listen-metrics", SHARD, "--listen-metrics", "9464");
    REFUSED("no.such.host.invalid", SHARD, "--listen-metrics", "no.such.host.invalid:1");
    options = ACCEPTED(SHARD, "--static", "/srv/page");
    assert_string_equal(options.site_folder, "/srv/page");
}

static void a_directory_takes_the_place_of_the_one_shard(void **state) {
    (void)state;
    struct ordo_options options = ACCEPTED("--directory", "file:/x", "--name", "g-7.a_b");
    assert_string_equal(options.directory, "file:/x");
    assert_true(options.core.has_directory);
    REFUSED("either", SHARD, "--directory", "file:/x");
    REFUSED("--name", "--directory", "file:/x", "--name", "not a name");
    ACCEPTED(SHARD, "--name", "a name for logs");
}

static void limits_are_understood(void **state) {
    (void)state;
    struct ordo_options options = ACCEPTED(SHARD);
    assert_int_equal(options.core.conn_rates.ops, 5000);
    assert_int_equal(options.core.user_rates.ops, 20000);
    assert_int_equal(options.connections_per_address, 1000);
    assert_false(options.memory_max_is_given);
    options = ACCEPTED(SHARD, "--ops-rate", "0", "--user-requests-rate", "7", "--bytes-rate", "65536", "--presence-rate", "1",
                       "--memory-max-mib", "0");
    assert_int_equal(options.core.conn_rates.ops, 0);
    assert_int_equal(options.core.user_rates.requests, 7);
    assert_int_equal(options.core.conn_rates.bytes, 65536);
    assert_int_equal(options.core.presence_rate, 1);
    assert_true(options.memory_max_is_given);
    options = ACCEPTED(SHARD, "--handshakes-max", "1", "--handshake-timeout-ms", "100", "--connections-per-address", "0",
                       "--message-timeout-ms", "200");
    assert_int_equal(options.handshakes_max, 1);
    assert_int_equal(options.handshake_timeout_ms, 100);
    assert_int_equal(options.message_timeout_ms, 200);
    assert_int_equal(options.connections_per_address, 0);
    REFUSED("65536 and more", SHARD, "--bytes-rate", "65535");
    REFUSED("65536 and more", SHARD, "--user-bytes-rate", "1");
    ACCEPTED(SHARD, "--user-bytes-rate", "0");
    REFUSED("--handshakes-max", SHARD, "--handshakes-max", "0");
    REFUSED("--handshake-timeout-ms", SHARD, "--handshake-timeout-ms", "99");
    REFUSED("--message-timeout-ms", SHARD, "--message-timeout-ms", "99");
    REFUSED("--ops-rate", SHARD, "--ops-rate", "-1");
    REFUSED("--ops-rate", SHARD, "--ops-rate", "4294967296");
}

static void only_loopback_is_listened_on_unless_told_otherwise(void **state) {
    (void)state;
    REFUSED("--insecure-listen-anywhere", SHARD, "--listen", "0.0.0.0:80");
    REFUSED("--insecure-listen-anywhere", SHARD, "--listen", "[::]:80");
    struct ordo_options options = ACCEPTED(SHARD, "--listen", "0.0.0.0:80", "--insecure-listen-anywhere");
    assert_string_equal(options.address, "0.0.0.0");
}

static void tls_keys_and_proxies_are_understood(void **state) {
    (void)state;
    struct ordo_options options = ACCEPTED(SHARD, "--tls-cert", "c.pem", "--tls-key", "k.pem", "--keys", "dir");
    assert_string_equal(options.tls_cert, "c.pem");
    assert_string_equal(options.tls_key, "k.pem");
    assert_string_equal(options.keys_folder, "dir");
    assert_false(options.links.may_be_plain);
    assert_int_equal(options.proxies.count, 0);
    REFUSED("go together", SHARD, "--tls-cert", "c.pem");
    REFUSED("go together", SHARD, "--tls-key", "k.pem");
    REFUSED("do not go together", SHARD, "--keys", "dir", "--insecure-links");
    assert_true(ACCEPTED(SHARD, "--insecure-links").links.may_be_plain);
    options = ACCEPTED(SHARD, "--trusted-proxy", "10.0.0.0/8,fd00::/8", "--trusted-proxy", "127.0.0.1");
    assert_int_equal(options.proxies.count, 3);
    REFUSED("--trusted-proxy", SHARD, "--trusted-proxy", "10.0.0.1/8");
    REFUSED("--trusted-proxy", SHARD, "--trusted-proxy", "10.0.0.0/8,");
    REFUSED("--trusted-proxy", SHARD, "--trusted-proxy", "proxy.example");
    char many[ORDO_PROXIES_MAX * 8 + 16] = "1.0.0.0";
    for (int i = 1; i < ORDO_PROXIES_MAX; i++) strcat(many, ",1.0.0.0");
    assert_int_equal(ACCEPTED(SHARD, "--trusted-proxy", many).proxies.count, ORDO_PROXIES_MAX);
    REFUSED("--trusted-proxy", SHARD, "--trusted-proxy", strcat(many, ",1.0.0.0"));
}

static void keys_make_tokens_asked_for_and_open_other_addresses(void **state) {
    (void)state;
    struct ordo_options options = ACCEPTED(SHARD);
    assert_false(options.core.asks_token || options.door.asks_token);
    assert_true(options.door.is_loopback);
    options = ACCEPTED(SHARD, "--listen", "0.0.0.0:80", "--token-jwks", "/a", "--token-key", "/b", "--token-key", "/c");
    assert_true(options.core.asks_token && options.door.asks_token);
    assert_false(options.door.is_loopback);
    assert_int_equal(options.key_file_count, 3);
    assert_int_equal(options.key_files[2].kind, ORDO_KEY_FILE_PEM);
    assert_string_equal(options.key_files[2].path, "/c");
    assert_int_equal(options.core.token_policy.leeway_ms, 30000);
    options = ACCEPTED(SHARD, "--token-secret", "/a", "--token-issuer", "i", "--token-audience", "a", "--token-leeway-ms", "0");
    assert_true(ordo_slice_equal(options.core.token_policy.issuer, ordo_slice_of("i")));
    assert_true(ordo_slice_equal(options.core.token_policy.audience, ordo_slice_of("a")));
    assert_int_equal(options.core.token_policy.leeway_ms, 0);
    REFUSED("without a key", SHARD, "--token-issuer", "i");
    REFUSED("without a key", SHARD, "--token-cookie", "c", "--allow-origin", "https://a");
    REFUSED("--token-leeway-ms", SHARD, "--token-secret", "/a", "--token-leeway-ms", "-1");
}

static void a_cookie_needs_pages_that_may_bring_it(void **state) {
    (void)state;
    struct ordo_options options =
        ACCEPTED(SHARD, "--token-secret", "/a", "--token-cookie", "c", "--allow-origin", "https://a", "--allow-origin", "https://b");
    assert_string_equal(options.door.cookie, "c");
    assert_int_equal(options.door.origin_count, 2);
    REFUSED("--allow-origin", SHARD, "--token-secret", "/a", "--token-cookie", "c");
    REFUSED("--allow-origin", SHARD, "--token-secret", "/a", "--token-cookie", "c", "--allow-origin", "*");
    REFUSED("--allow-origin", SHARD, "--allow-origin", "a.example.com");
    ACCEPTED(SHARD, "--allow-origin", "*");
}

static void what_is_missing_or_wrong_is_named(void **state) {
    (void)state;
    REFUSED("--shard", "--name", "x");
    REFUSED("--shard", "--shard", "tcp://127.0.0.1:1");
    REFUSED("--shard", "--shard", "data=,side=x");
    REFUSED("--listen", SHARD, "--listen", "8080");
    REFUSED("--listen", SHARD, "--listen", "127.0.0.1:65536");
    REFUSED("--listen", SHARD, "--listen", "127.0.0.1:x");
    REFUSED("--ping-interval-ms", SHARD, "--ping-interval-ms", "-1");
    REFUSED("--frame-size-max", SHARD, "--frame-size-max", "99999999999999999999");
    REFUSED("--log-level", SHARD, "--log-level", "loud");
    REFUSED("--nonsense", SHARD, "--nonsense", "1");
    REFUSED("wants a value", SHARD, "--name");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_and_defaults_are_understood),
        cmocka_unit_test(limits_are_understood),
        cmocka_unit_test(a_directory_takes_the_place_of_the_one_shard),
        cmocka_unit_test(only_loopback_is_listened_on_unless_told_otherwise),
        cmocka_unit_test(tls_keys_and_proxies_are_understood),
        cmocka_unit_test(keys_make_tokens_asked_for_and_open_other_addresses),
        cmocka_unit_test(a_cookie_needs_pages_that_may_bring_it),
        cmocka_unit_test(what_is_missing_or_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
