/* Keys of the links between processes: their files, who is let in by them, and who is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/time.h>
#include <zmq.h>

#include "common/link/guard.h"
#include "common/link/socket.h"
#include "common/log.h"
#include "tests/unit/scratch.h"

#define DIGITS "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHERS "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

enum { WAIT_MS = 5000, NOTHING_MS = 300 };

/* ---- files, as text */

static void a_secret_is_one_line(void **state) {
    (void)state;
    struct ordo_link_key key;
    struct ordo_problem problem;
    assert_int_equal(ordo_link_key_parse_secret(ordo_slice_of("# mine\n\n \tsecret\t" DIGITS " \r\n"), &key, &problem), ORDO_OK);
    assert_int_equal(key.bytes[1], 0x11);
    const struct {
        const char *text, *why;
    } bad[] = {
        {"", "no key"},
        {"# secret " DIGITS "\n", "no key"},
        {"secret " DIGITS "\nsecret " DIGITS, "line 2 is a second key"},
        {"secret " DIGITS "0", "line 1"},
        {"secret 0" , "line 1"},
        {"secret" DIGITS, "line 1"},
        {"\nSECRET " DIGITS, "line 2"},
        {"shard " DIGITS, "line 1"},
        {"secret " DIGITS " " DIGITS, "line 1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ordo_link_key_parse_secret(ordo_slice_of(bad[i].text), &key, &problem), ORDO_ERR_INVALID);
        if (strstr(problem.text, bad[i].why) == NULL) fail_msg("\"%s\" says nothing of \"%s\"", problem.text, bad[i].why);
        assert_null(strstr(problem.text, "2233")); /* keys are nobody's business */
    }
    const char zero[] = "secret 0011\0""33445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    assert_int_equal(ordo_link_key_parse_secret(ordo_slice(zero, sizeof zero - 1), &key, &problem), ORDO_ERR_INVALID);
}

static void trusted_keys_have_roles(void **state) {
    (void)state;
    static struct ordo_link_trusted trusted, again;
    struct ordo_problem problem;
    struct ordo_buffer text = {0};
    assert_int_equal(ordo_link_key_parse_trusted(ordo_slice_of("shard " DIGITS "\n#\noperator " OTHERS), &trusted, &problem), ORDO_OK);
    assert_int_equal(trusted.count, 2);
    assert_int_equal(ordo_link_trusted_find(&trusted, &trusted.items[1].key)->role, ORDO_LINK_ROLE_OPERATOR);
    ordo_link_key_write_trusted(&text, &trusted);
    assert_int_equal(ordo_link_key_parse_trusted(ordo_buffer_slice(&text), &again, &problem), ORDO_OK);
    assert_memory_equal(&trusted, &again, sizeof trusted);
    const char *const bad[] = {"", "shard " DIGITS "\ngateway " DIGITS, "king " DIGITS, "shard", "shard " DIGITS "zz"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ordo_link_key_parse_trusted(ordo_slice_of(bad[i]), &again, &problem), ORDO_ERR_INVALID);
    ordo_buffer_finish(&text);
}

static void trusted_keys_are_limited(void **state) {
    (void)state;
    static struct ordo_link_trusted trusted;
    struct ordo_problem problem;
    struct ordo_buffer text = {0};
    for (int i = 0; i < ORDO_LINK_TRUSTED_MAX; i++) {
        char line[100];
        ordo_buffer_append(&text, line, (size_t)snprintf(line, sizeof line, "gateway %08x%s\n", i, &DIGITS[8]));
    }
    assert_true(text.size <= ORDO_LINK_KEY_FILE_SIZE_MAX);
    assert_int_equal(ordo_link_key_parse_trusted(ordo_buffer_slice(&text), &trusted, &problem), ORDO_OK);
    ordo_buffer_append_slice(&text, ordo_slice_of("gateway " OTHERS));
    assert_int_equal(ordo_link_key_parse_trusted(ordo_buffer_slice(&text), &trusted, &problem), ORDO_ERR_INVALID);
    assert_non_null(strstr(problem.text, "too many"));
    ordo_buffer_finish(&text);
}

static void an_endpoint_names_its_key(void **state) {
    (void)state;
    struct ordo_endpoint endpoint;
    char text[ORDO_ENDPOINT_SIZE] = "tcp://10.0.0.1:7001";
    assert_true(ordo_endpoint_parse(text, &endpoint));
    assert_false(endpoint.has_key);
    struct ordo_link_key key = {.bytes = {1, 2, 3}};
    assert_true(ordo_endpoint_put_key(text, &key));
    assert_true(ordo_endpoint_parse(text, &endpoint));
    assert_true(endpoint.has_key && ordo_link_key_equal(&endpoint.key, &key));
    assert_string_equal(endpoint.address, "tcp://10.0.0.1:7001");
    key.bytes[0] = 9;
    assert_true(ordo_endpoint_put_key(text, &key)); /* in the place of the other */
    assert_true(ordo_endpoint_parse(text, &endpoint) && endpoint.key.bytes[0] == 9);
    assert_false(ordo_endpoint_parse("tcp://10.0.0.1:7001#", &endpoint));
    assert_false(ordo_endpoint_parse("tcp://10.0.0.1:7001#" DIGITS "#", &endpoint));
    char name[ORDO_ENDPOINT_SIZE];
    memset(name, 'x', sizeof name);
    name[ORDO_ENDPOINT_SIZE - 1 - 1 - ORDO_LINK_KEY_TEXT_SIZE] = '\0';
    assert_true(ordo_endpoint_put_key(name, &key)); /* just fits */
    name[ORDO_ENDPOINT_SIZE - 1 - 1 - ORDO_LINK_KEY_TEXT_SIZE] = 'x';
    name[ORDO_ENDPOINT_SIZE - 1 - ORDO_LINK_KEY_TEXT_SIZE] = '\0';
    assert_false(ordo_endpoint_put_key(name, &key));
}

static void only_this_machine_is_local(void **state) {
    (void)state;
    const char *const local[] = {"tcp://127.0.0.1:1", "tcp://127.8.9.1:*", "tcp://[::1]:5", "tcp://localhost:9", "ipc:///run/x", "inproc://y"};
    const char *const others[] = {"tcp://0.0.0.0:1",      "tcp://*:1",       "tcp://10.0.0.1:1", "tcp://127.0.0.1.example:1",
                                  "tcp://localhost.example:1", "tcp://[::]:1", "tcp://eth0:1",     "tcp://127.0.0.1:0;10.0.0.1:1",
                                  "tcp://127.0.0.999:1",  "udp://127.0.0.1:1", "tcp://1270.0.0.1:1", ""};
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) assert_true(ordo_endpoint_is_local(local[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_false(ordo_endpoint_is_local(others[i]));
}

/* ---- a folder of keys */

struct folder {
    char path[PATH_MAX], trusted[PATH_MAX], secrets[ORDO_LINK_ROLE_COUNT][PATH_MAX];
};

static void write_text(const char *path, struct ordo_buffer *text, mode_t mode) {
    char fresh[PATH_MAX];
    ORDO_ASSERT(snprintf(fresh, sizeof fresh, "%s.new", path) < PATH_MAX);
    scratch_write(fresh, ordo_buffer_slice(text));
    ORDO_ASSERT(chmod(fresh, mode) == 0 && rename(fresh, path) == 0);
    ordo_buffer_finish(text);
}

static void folder_write_trusted(const struct folder *folder, const struct ordo_link_trusted *trusted) {
    struct ordo_buffer text = {0};
    ordo_link_key_write_trusted(&text, trusted);
    write_text(folder->trusted, &text, 0644);
}

static void folder_make(struct folder *folder, struct ordo_link_trusted *trusted) {
    scratch_make(folder->path);
    scratch_join(folder->trusted, folder->path, "trusted");
    trusted->count = 0;
    for (int role = 0; role < ORDO_LINK_ROLE_COUNT; role++) {
        char public[41], secret[41], name[32];
        struct ordo_link_key key;
        struct ordo_buffer text = {0};
        ORDO_ASSERT(zmq_curve_keypair(public, secret) == 0);
        ORDO_ASSERT(zmq_z85_decode(trusted->items[role].key.bytes, public) != NULL && zmq_z85_decode(key.bytes, secret) != NULL);
        trusted->items[role].role = (enum ordo_link_role)role;
        trusted->count++;
        snprintf(name, sizeof name, "%s.key", ordo_link_role_name((enum ordo_link_role)role));
        scratch_join(folder->secrets[role], folder->path, name);
        ordo_link_key_write_secret(&text, (enum ordo_link_role)role, &key);
        write_text(folder->secrets[role], &text, 0600);
    }
    folder_write_trusted(folder, trusted);
}

static struct ordo_link_keyring *ring_of(const struct folder *folder, enum ordo_link_role role) {
    struct ordo_link_keyring *ring;
    struct ordo_problem problem;
    if (ordo_link_keyring_open(folder->path, role, &problem, &ring) != ORDO_OK) fail_msg("%s", problem.text);
    return ring;
}

static void is_refused(const struct folder *folder, enum ordo_link_role role, const char *why) {
    struct ordo_link_keyring *ring;
    struct ordo_problem problem;
    assert_int_not_equal(ordo_link_keyring_open(folder->path, role, &problem, &ring), ORDO_OK);
    if (strstr(problem.text, why) == NULL) fail_msg("\"%s\" says nothing of \"%s\"", problem.text, why);
}

static void a_folder_that_is_not_right_is_refused_with_a_sentence(void **state) {
    (void)state;
    static struct ordo_link_trusted trusted;
    struct folder folder;
    struct ordo_buffer text = {0};
    folder_make(&folder, &trusted);
    ordo_link_keyring_close(ring_of(&folder, ORDO_LINK_ROLE_SHARD));

    const mode_t open_modes[] = {0640, 0604, 0620, 0602, 0666};
    for (size_t i = 0; i < sizeof open_modes / sizeof *open_modes; i++) {
        ORDO_ASSERT(chmod(folder.secrets[ORDO_LINK_ROLE_SHARD], open_modes[i]) == 0);
        is_refused(&folder, ORDO_LINK_ROLE_SHARD, "open to others");
    }
    ORDO_ASSERT(chmod(folder.secrets[ORDO_LINK_ROLE_SHARD], 0400) == 0);
    ordo_link_keyring_close(ring_of(&folder, ORDO_LINK_ROLE_SHARD));

    trusted.items[ORDO_LINK_ROLE_GATEWAY].role = ORDO_LINK_ROLE_SHARD;
    folder_write_trusted(&folder, &trusted);
    is_refused(&folder, ORDO_LINK_ROLE_GATEWAY, "do not belong together");

    ordo_buffer_append_slice(&text, ordo_slice_of("gateway x\n"));
    write_text(folder.trusted, &text, 0644);
    is_refused(&folder, ORDO_LINK_ROLE_GATEWAY, "malformed: its line 1");
    ORDO_ASSERT(unlink(folder.trusted) == 0);
    is_refused(&folder, ORDO_LINK_ROLE_GATEWAY, "trusted cannot be read");

    memset(ordo_buffer_reserve(&text, ORDO_LINK_KEY_FILE_SIZE_MAX + 1), '\n', ORDO_LINK_KEY_FILE_SIZE_MAX + 1);
    text.size = ORDO_LINK_KEY_FILE_SIZE_MAX + 1;
    write_text(folder.secrets[ORDO_LINK_ROLE_OPERATOR], &text, 0600);
    is_refused(&folder, ORDO_LINK_ROLE_OPERATOR, "too large");
    ORDO_ASSERT(unlink(folder.secrets[ORDO_LINK_ROLE_OPERATOR]) == 0);
    is_refused(&folder, ORDO_LINK_ROLE_OPERATOR, "operator.key cannot be read");
    scratch_remove(folder.path);
}

static void trusted_keys_that_change_are_read_and_broken_ones_change_nothing(void **state) {
    (void)state;
    static struct ordo_link_trusted trusted;
    struct folder folder;
    struct ordo_buffer text = {0};
    enum ordo_link_role role;
    folder_make(&folder, &trusted);
    struct ordo_link_keyring *ring = ring_of(&folder, ORDO_LINK_ROLE_SHARD);
    struct ordo_link_key gateway = trusted.items[ORDO_LINK_ROLE_GATEWAY].key, fresh = {.bytes = {5}};
    assert_true(ordo_link_keyring_find(ring, &gateway, &role) && role == ORDO_LINK_ROLE_GATEWAY);
    assert_false(ordo_link_keyring_find(ring, &fresh, &role));

    trusted.items[ORDO_LINK_ROLE_GATEWAY].key = fresh;
    folder_write_trusted(&folder, &trusted);
    assert_true(ordo_link_keyring_find(ring, &fresh, &role));
    assert_false(ordo_link_keyring_find(ring, &gateway, &role));

    ordo_buffer_append_slice(&text, ordo_slice_of("half a li"));
    write_text(folder.trusted, &text, 0644);
    assert_true(ordo_link_keyring_find(ring, &fresh, &role));
    ORDO_ASSERT(unlink(folder.trusted) == 0);
    assert_true(ordo_link_keyring_find(ring, &fresh, &role));
    ordo_link_keyring_close(ring);
    scratch_remove(folder.path);
}

/* ---- sockets */

struct house { /* one that listens, with its guard */
    struct folder folder;
    struct ordo_link_trusted trusted;
    void *context, *router;
    struct ordo_link_security security;
    struct ordo_guard *guard;
    char endpoint[ORDO_ENDPOINT_SIZE];
};

static void house_open(struct house *house) {
    struct ordo_problem problem;
    *house = (struct house){.context = zmq_ctx_new()};
    folder_make(&house->folder, &house->trusted);
    house->security.keys = ring_of(&house->folder, ORDO_LINK_ROLE_SHARD);
    assert_int_equal(ordo_guard_start(house->context, house->security.keys, &problem, &house->guard), ORDO_OK);
    const struct ordo_router_options options = {.security = &house->security, .message_size_max = 1024, .message_count_max = 10};
    assert_int_equal(ordo_router_open(house->context, "tcp://127.0.0.1:*", &options, &problem, house->endpoint, &house->router), ORDO_OK);
    assert_non_null(strchr(house->endpoint, '#'));
}

static void house_close(struct house *house) {
    zmq_close(house->router);
    ordo_guard_stop(house->guard);
    zmq_ctx_term(house->context);
    ordo_link_keyring_close(house->security.keys);
    scratch_remove(house->folder.path);
}

static struct ordo_dealer_options dealer_options(const struct ordo_link_security *security) {
    return (struct ordo_dealer_options){.security = security, .kind = 'g', .session = 7, .message_size_max = 1024, .reconnect_ms_max = 50};
}

static void *dial(struct house *house, const struct ordo_link_security *security) {
    const struct ordo_dealer_options options = dealer_options(security);
    struct ordo_problem problem;
    void *socket;
    if (ordo_dealer_open(house->context, house->endpoint, &options, &problem, &socket) != ORDO_OK) fail_msg("%s", problem.text);
    return socket;
}

static bool becomes(void *socket, short event, long timeout_ms) {
    zmq_pollitem_t item = {.socket = socket, .events = event};
    return zmq_poll(&item, 1, timeout_ms) == 1;
}

static void who_is_trusted_is_let_in_and_its_role_is_known(void **state) {
    (void)state;
    static struct house house;
    house_open(&house);
    struct ordo_link_security gateway = {.keys = ring_of(&house.folder, ORDO_LINK_ROLE_GATEWAY)};
    void *socket = dial(&house, &gateway);
    assert_true(becomes(socket, ZMQ_POLLOUT, WAIT_MS));
    assert_int_equal(zmq_send(socket, "x", 1, ZMQ_DONTWAIT), 1);
    assert_true(becomes(house.router, ZMQ_POLLIN, WAIT_MS));
    zmq_msg_t id, body;
    enum ordo_link_role role;
    zmq_msg_init(&id);
    zmq_msg_init(&body);
    assert_int_equal(zmq_msg_recv(&id, house.router, 0), 9);
    assert_int_equal(zmq_msg_recv(&body, house.router, 0), 1);
    assert_true(ordo_guard_role(&body, &role));
    assert_int_equal(role, ORDO_LINK_ROLE_GATEWAY);
    zmq_msg_close(&id);
    zmq_msg_close(&body);
    zmq_close(socket);
    ordo_link_keyring_close(gateway.keys);
    house_close(&house);
}

/* None of them can even send: a DEALER that was not let in is not writable. */
static void strangers_get_nothing_through(void **state) {
    (void)state;
    static struct house house;
    static struct ordo_link_trusted foreign;
    house_open(&house);
    struct folder elsewhere;
    folder_make(&elsewhere, &foreign);
    foreign.items[foreign.count++] = house.trusted.items[ORDO_LINK_ROLE_SHARD]; /* the stranger knows whom it dials */
    folder_write_trusted(&elsewhere, &foreign);
    struct ordo_link_security stranger = {.keys = ring_of(&elsewhere, ORDO_LINK_ROLE_GATEWAY)};
    void *with_key = dial(&house, &stranger);

    void *without = zmq_socket(house.context, ZMQ_DEALER);
    int zero = 0;
    zmq_setsockopt(without, ZMQ_LINGER, &zero, sizeof zero);
    char address[ORDO_ENDPOINT_SIZE];
    snprintf(address, sizeof address, "%.*s", (int)strcspn(house.endpoint, "#"), house.endpoint);
    assert_int_equal(zmq_connect(without, address), 0);
    assert_int_equal(zmq_send(without, "x", 1, 0), 1); /* it waits in the socket */

    assert_false(becomes(house.router, ZMQ_POLLIN, NOTHING_MS));
    assert_false(becomes(with_key, ZMQ_POLLOUT, 0));

    /* As soon as its key is trusted it gets in; by a new socket: ZeroMQ gives a refused one up. */
    house.trusted.items[house.trusted.count++] = foreign.items[ORDO_LINK_ROLE_GATEWAY];
    folder_write_trusted(&house.folder, &house.trusted);
    zmq_close(with_key);
    with_key = dial(&house, &stranger);
    assert_true(becomes(with_key, ZMQ_POLLOUT, WAIT_MS));
    zmq_close(with_key);
    zmq_close(without);
    ordo_link_keyring_close(stranger.keys);
    scratch_remove(elsewhere.path);
    house_close(&house);
}

static void without_a_guard_nobody_has_a_role(void **state) {
    (void)state;
    static struct house house;
    house_open(&house);
    ordo_guard_stop(house.guard);
    house.guard = NULL;
    struct ordo_link_security gateway = {.keys = ring_of(&house.folder, ORDO_LINK_ROLE_GATEWAY)};
    void *socket = dial(&house, &gateway);
    assert_true(becomes(socket, ZMQ_POLLOUT, WAIT_MS));
    assert_int_equal(zmq_send(socket, "x", 1, 0), 1);
    zmq_msg_t frame;
    enum ordo_link_role role;
    zmq_msg_init(&frame);
    assert_int_equal(zmq_msg_recv(&frame, house.router, 0), 9);
    assert_int_equal(zmq_msg_recv(&frame, house.router, 0), 1);
    assert_false(ordo_guard_role(&frame, &role));
    zmq_msg_close(&frame);
    zmq_close(socket);
    ordo_link_keyring_close(gateway.keys);
    house_close(&house);
}

static void refuses_to_dial(const struct ordo_link_security *security, const char *endpoint, const char *why) {
    const struct ordo_dealer_options options = dealer_options(security);
    struct ordo_problem problem;
    void *socket, *context = zmq_ctx_new();
    assert_int_equal(ordo_dealer_open(context, endpoint, &options, &problem, &socket), ORDO_ERR_INVALID);
    if (strstr(problem.text, why) == NULL) fail_msg("\"%s\" says nothing of \"%s\"", problem.text, why);
    zmq_ctx_term(context);
}

static void nobody_dials_whom_it_should_not(void **state) {
    (void)state;
    static struct ordo_link_trusted trusted;
    struct folder folder;
    folder_make(&folder, &trusted);
    struct ordo_link_security keyed = {.keys = ring_of(&folder, ORDO_LINK_ROLE_GATEWAY)}, plain = {0};
    char endpoint[ORDO_ENDPOINT_SIZE] = "tcp://127.0.0.1:1";
    refuses_to_dial(&keyed, endpoint, "has no keys");
    refuses_to_dial(&keyed, "tcp://127.0.0.1:1#" DIGITS, "not trusted");
    ORDO_ASSERT(ordo_endpoint_put_key(endpoint, &trusted.items[ORDO_LINK_ROLE_GATEWAY].key));
    refuses_to_dial(&keyed, endpoint, "not trusted"); /* a gateway that plays the shard */
    refuses_to_dial(&plain, endpoint, "wants keys");
    refuses_to_dial(&plain, "tcp://10.0.0.1:1", "--insecure-links");
    refuses_to_dial(&plain, "tcp://10.0.0.1:1#x", "no endpoint");
    refuses_to_dial(&plain, "tcp://127.0.0.1:none", "cannot be connected to");
    ordo_link_keyring_close(keyed.keys);
    scratch_remove(folder.path);
}

static void nobody_listens_to_all_without_keys(void **state) {
    (void)state;
    struct ordo_link_security plain = {0}, told = {.may_be_plain = true};
    struct ordo_router_options options = {.security = &plain, .message_size_max = 10, .message_count_max = 10};
    struct ordo_problem problem;
    char endpoint[ORDO_ENDPOINT_SIZE];
    void *context = zmq_ctx_new(), *socket;
    assert_int_equal(ordo_router_open(context, "tcp://0.0.0.0:*", &options, &problem, endpoint, &socket), ORDO_ERR_INVALID);
    assert_non_null(strstr(problem.text, "ordo keys make"));
    options.security = &told;
    assert_int_equal(ordo_router_open(context, "tcp://0.0.0.0:*", &options, &problem, endpoint, &socket), ORDO_OK);
    zmq_close(socket);
    zmq_ctx_term(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_one_line),
        cmocka_unit_test(trusted_keys_have_roles),
        cmocka_unit_test(trusted_keys_are_limited),
        cmocka_unit_test(an_endpoint_names_its_key),
        cmocka_unit_test(only_this_machine_is_local),
        cmocka_unit_test(a_folder_that_is_not_right_is_refused_with_a_sentence),
        cmocka_unit_test(trusted_keys_that_change_are_read_and_broken_ones_change_nothing),
        cmocka_unit_test(who_is_trusted_is_let_in_and_its_role_is_known),
        cmocka_unit_test(strangers_get_nothing_through),
        cmocka_unit_test(without_a_guard_nobody_has_a_role),
        cmocka_unit_test(nobody_dials_whom_it_should_not),
        cmocka_unit_test(nobody_listens_to_all_without_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
