/* What stands under the keys of a directory: written, read back, and read when it is garbled. */
#include "tests/unit/cluster_fixture.h"

static void a_cluster_reads_as_it_was_written(void **state) {
    (void)state;
    struct ordo_directory_content content = {0};
    struct ordo_cluster_table table = make_table(1, 1);
    struct ordo_cluster_store store = make_store(1), other = make_store(2);
    struct ordo_cluster_live live = make_live(1);
    struct ordo_cluster_gateway gateway = {
        .name = "gateway-1", .process = process_id(9), .url = "http://h\xc3\xb6st:8080", .metrics_url = "http://h\xc3\xb6st:9464/metrics",
        .reads_format_min = 1, .reads_format_max = 3};
    struct ordo_cluster_gateway quiet = {.name = "gateway-2", .process = process_id(9), .url = "http://x"};
    struct ordo_cluster_move move = {.slot = 7, .target = store_id(2), .is_by_balancer = true};
    struct ordo_cluster_hold hold = {.name = "backup", .process = process_id(8)};
    struct ordo_process_id balancer = process_id(7);
    table.placement.slots[7] = (struct ordo_slot_place){.epoch = ORDO_NUMBER_MAX, .store = store_id(2)};
    table.placement.slots[8] = (struct ordo_slot_place){0};
    other.is_draining = true;
    other.is_forgotten = true;
    snprintf(move.failure, sizeof move.failure, "It was \"too\" slow.");
    content_put_table(&content, &table);
    content_put_store(&content, &store);
    content_put_store(&content, &other);
    content_put_live(&content, &live);
    content_put_move(&content, &move);
    struct ordo_buffer value = {0};
    ordo_cluster_gateway_encode(&value, &gateway);
    content_put(&content, "gateways/gateway-1", &value);
    ordo_cluster_gateway_encode(&value, &quiet);
    content_put(&content, "gateways/gateway-2", &value);
    ordo_cluster_hold_encode(&value, &hold);
    content_put(&content, "hold/backup", &value);
    ordo_cluster_balancer_encode(&value, &balancer);
    content_put(&content, ORDO_KEY_BALANCER, &value);
    ordo_cluster_balance_encode(&value, true);
    content_put(&content, ORDO_KEY_BALANCE, &value);
    content_put_text(&content, "later/somebody", "what a later version makes of it");

    struct ordo_cluster *cluster = cluster_of(&content);

    assert_true(cluster->has_table && cluster->garbled_count == 0 && cluster->balance_is_off);
    assert_memory_equal(&cluster->table, &table, sizeof table);
    assert_int_equal(cluster->store_count, 2);
    assert_memory_equal(ordo_cluster_store(cluster, &store.id), &store, sizeof store);
    assert_memory_equal(ordo_cluster_store(cluster, &other.id), &other, sizeof other);
    assert_memory_equal(ordo_cluster_live(cluster, &live.id), &live, sizeof live);
    assert_memory_equal(&cluster->gateways[0], &gateway, sizeof gateway);
    assert_memory_equal(&cluster->gateways[1], &quiet, sizeof quiet);
    assert_memory_equal(ordo_cluster_move(cluster, 7), &move, sizeof move);
    assert_memory_equal(&cluster->holds[0], &hold, sizeof hold);
    assert_true(ordo_process_id_equal(&cluster->balancer, &balancer));
    assert_null(ordo_cluster_move(cluster, 8));
    ordo_cluster_destroy(cluster);
    ordo_directory_content_finish(&content);
}

static void a_table_stays_as_versions_before_wrote_it(void **state) {
    (void)state;
    struct ordo_cluster_table table = make_table(1, 1), read;
    struct ordo_buffer value = {0};
    table.placement.slots[1] = (struct ordo_slot_place){.epoch = 3, .store = store_id(2)};
    table.placement.slots[2] = (struct ordo_slot_place){0};
    ordo_cluster_table_encode(&value, &table);
    static const char begin[] =
        "{\"cluster\":\"01ef0000000000000000000000000000\",\"format\":1,"
        "\"founder\":\"01ab0000000000000000000000000000\","
        "\"stores\":[\"01ab0000000000000000000000000000\",\"02ab0000000000000000000000000000\"],"
        "\"slots\":[[0,1],[1,3],null,[0,1],";
    assert_true(ordo_slice_starts_with(ordo_buffer_slice(&value), ordo_slice_of(begin)));
    assert_null(ordo_cluster_table_decode(ordo_buffer_slice(&value), &read));
    ordo_buffer_finish(&value);
}

static void a_table_without_founder_has_no_owners(void **state) {
    (void)state;
    struct ordo_cluster_table table = make_table(1, 1), read;
    struct ordo_buffer value = {0};
    table.founder = (struct ordo_store_id){0};
    ordo_cluster_table_encode(&value, &table);
    assert_string_equal(ordo_cluster_table_decode(ordo_buffer_slice(&value), &read), "has owners but no founder");
    ordo_buffer_clear(&value);
    memset(&table.placement, 0, sizeof table.placement);
    ordo_cluster_table_encode(&value, &table);
    assert_null(ordo_cluster_table_decode(ordo_buffer_slice(&value), &read));
    assert_true(ordo_store_id_is_none(&read.founder));
    ordo_buffer_finish(&value);
}

/* The table's text with `from` replaced by `to`. */
static char *spoiled_table(const char *from, const char *to) {
    struct ordo_cluster_table table = make_table(1, 1);
    struct ordo_buffer value = {0};
    ordo_cluster_table_encode(&value, &table);
    ordo_buffer_append_u8(&value, 0);
    const char *text = (const char *)value.data, *at = strstr(text, from);
    assert_non_null(at);
    char *spoiled = ordo_alloc(value.size + strlen(to) + 1);
    sprintf(spoiled, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    ordo_buffer_finish(&value);
    return spoiled;
}

static void a_garbled_table_makes_the_view_unreadable(void **state) {
    (void)state;
    static const char *const changes[][2] = {
        {"{", ""},
        {"}", ""},
        {"{", "[{"},
        {"\"cluster\":\"01ef", "\"cluster\":\"0xef"},
        {"\"cluster\":\"01ef0000000000000000000000000000\"", "\"cluster\":\"00000000000000000000000000000000\""},
        {"\"cluster\"", "\"other\""},
        {"\"format\":1", "\"format\":0"},
        {"\"format\":1", "\"format\":-1"},
        {"\"format\":1", "\"format\":\"1\""},
        {"\"format\":1", "\"format\":4294967296"},
        {"\"founder\":\"01ab0000000000000000000000000000\"", "\"founder\":7"},
        {"\"founder\":\"01ab0000000000000000000000000000\",", ""},
        {"\"founder\":\"01ab0000000000000000000000000000\"", "\"founder\":null"},
        {"\"stores\":[", "\"stores\":[7,"},
        {"\"stores\":[", "\"stores\":[\"01ab0000000000000000000000000000\","},
        {"\"stores\":[", "\"stores\":["
                         "\"00000000000000000000000000000000\","},
        {"\"slots\":[", "\"slots\":[[0,1],"},
        {"\"slots\":[[0,1],", "\"slots\":["},
        {"\"slots\":[[0,1]", "\"slots\":[[1,1]"},
        {"\"slots\":[[0,1]", "\"slots\":[[-1,1]"},
        {"\"slots\":[[0,1]", "\"slots\":[[0,0]"},
        {"\"slots\":[[0,1]", "\"slots\":[[0,-1]"},
        {"\"slots\":[[0,1]", "\"slots\":[[0,9007199254740992]"},
        {"\"slots\":[[0,1]", "\"slots\":[[0,1,1]"},
        {"\"slots\":[[0,1]", "\"slots\":[0"},
        {"\"slots\":[[0,1]", "\"slots\":[[0,1.0]"},
        {"\"format\":1", "\"format\":1,\"format\":1"},
        {"\"slots\"", "\"slots\":7,\"else\""},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct ordo_directory_content content = {0};
        struct ordo_cluster *cluster = NULL;
        struct ordo_problem problem = {0};
        char *text = spoiled_table(changes[i][0], changes[i][1]);
        content_put_text(&content, ORDO_KEY_TABLE, text);
        const struct ordo_directory_view *view = ordo_directory_view_create(&content, 1, 0, NULL);
        assert_int_equal(ordo_cluster_decode(view, &cluster, &problem), ORDO_ERR_CORRUPT);
        assert_null(cluster);
        assert_non_null(strstr(problem.text, "router table"));
        ordo_directory_view_release(view);
        ordo_directory_content_finish(&content);
        free(text);
    }
}

static void members_that_are_not_known_are_passed_over(void **state) {
    (void)state;
    struct ordo_cluster_table read;
    char *text = spoiled_table("{", "{\"later\":[1,{}],");
    assert_null(ordo_cluster_table_decode(ordo_slice_of(text), &read));
    free(text);
}

static void other_garbled_keys_are_named_and_the_rest_reads(void **state) {
    (void)state;
    static const char *const keys[][2] = {
        {"stores/02ab0000000000000000000000000000", "{}"},
        {"stores/02ab000000000000000000000000000", "{\"incarnation\":1}"},
        {"stores/03ab0000000000000000000000000000",
         "{\"incarnation\":1,\"process\":\"01cd0000000000000000000000000000\",\"name\":\"a b\",\"reads_format_min\":1,"
         "\"reads_format_max\":1}"},
        {"stores/04ab0000000000000000000000000000",
         "{\"incarnation\":1,\"process\":\"01cd0000000000000000000000000000\",\"name\":\"a\",\"reads_format_min\":2,"
         "\"reads_format_max\":1}"},
        {"stores/05ab0000000000000000000000000000",
         "{\"incarnation\":1,\"process\":\"01cd0000000000000000000000000000\",\"name\":\"a\",\"reads_format_min\":1,"
         "\"reads_format_max\":1,\"draining\":\"yes\"}"},
        {"live/02ab0000000000000000000000000000", "[]"},
        {"live/03ab0000000000000000000000000000", "{\"incarnation\":1,\"process\":\"01cd0000000000000000000000000000\","
                                                  "\"name\":\"a\",\"host\":\"a\\nb\",\"place\":\"\","
                                                  "\"data\":\"\",\"side\":\"\"}"},
        {"gateways/", "{}"},
        {"gateways/a/b", "{\"process\":\"01cd0000000000000000000000000000\",\"url\":\"\"}"},
        {"gateways/c", "{\"process\":\"01cd0000000000000000000000000000\",\"url\":7}"},
        {"gateways/d", "{\"process\":\"01cd0000000000000000000000000000\",\"url\":\"\",\"metrics\":\"\\n\"}"},
        {"moves/7", "{\"target\":\"02ab0000000000000000000000000000\",\"by\":\"operator\",\"failed\":\"\"}"},
        {"moves/1024", "{\"target\":\"02ab0000000000000000000000000000\",\"by\":\"operator\",\"failed\":\"\"}"},
        {"moves/-001", "{\"target\":\"02ab0000000000000000000000000000\",\"by\":\"operator\",\"failed\":\"\"}"},
        {"moves/0007x", "{\"target\":\"02ab0000000000000000000000000000\",\"by\":\"operator\",\"failed\":\"\"}"},
        {"moves/0007", "{\"target\":\"02ab0000000000000000000000000000\",\"by\":\"me\",\"failed\":\"\"}"},
        {"moves/0008", "{\"target\":\"02ab\",\"by\":\"operator\",\"failed\":\"\"}"},
        {"moves/0009", "{\"target\":\"02ab0000000000000000000000000000\",\"by\":\"operator\"}"},
        {"hold/x", "null"},
        {"balancer", "{\"process\":\"01cd\"}"},
        {"balance", "{\"off\":0}"},
        {"revoked/user/", "{\"at\":1}"},
        {"revoked/user/A", "{\"at\":1}"},
        {"revoked/device/YQ", "{\"at\":1}"},
        {"revoked/user/YQ", "{}"},
        {"revoked/user/Yg", "{\"at\":-1}"},
        {"revoked/token/YQ", "{\"at\":1,\"until\":\"soon\"}"},
    };
    size_t count = sizeof keys / sizeof keys[0];
    for (size_t i = 0; i <= count; i++) { /* each alone, then all */
        struct ordo_directory_content content = {0};
        struct ordo_cluster_store store = make_store(1);
        struct ordo_cluster_table table = make_table(1, 1);
        content_put_store(&content, &store);
        content_put_table(&content, &table);
        for (size_t k = 0; k < count; k++) {
            if (k == i || i == count) content_put_text(&content, keys[k][0], keys[k][1]);
        }
        struct ordo_cluster *cluster = cluster_of(&content);
        assert_int_equal(cluster->garbled_count, i == count ? count : 1);
        if (i < count) assert_non_null(strstr(cluster->garbled.text, keys[i][0]));
        assert_true(cluster->has_table && ordo_cluster_store(cluster, &store.id) != NULL);
        assert_int_equal(cluster->store_count, 1);
        assert_int_equal(cluster->live_count + cluster->gateway_count + cluster->move_count + cluster->hold_count, 0);
        assert_true(cluster->balance_is_off ==
                    (i == count || strcmp(keys[i][0], "balance") == 0)); /* doing nothing harms least */
        ordo_cluster_destroy(cluster);
        ordo_directory_content_finish(&content);
    }
}

static void revocations_read_as_they_were_written(void **state) {
    (void)state;
    struct ordo_directory_content content = {0};
    struct ordo_revocation whole = {.is_token = true, .name_size = ORDO_REVOCATION_NAME_SIZE_MAX, .at_ms = ORDO_NUMBER_MAX,
                                    .until_ms = ORDO_NUMBER_MAX},
                           user = {.name_size = 3, .name = "a/\xc3", .at_ms = 7, .until_ms = UINT64_MAX};
    memset(whole.name, 0xff, sizeof whole.name);
    const struct ordo_revocation *all[] = {&whole, &user};
    for (size_t i = 0; i < 2; i++) {
        char key[ORDO_CLUSTER_KEY_SIZE];
        struct ordo_buffer value = {0};
        ordo_cluster_key_revoked(key, all[i]->is_token, ordo_revocation_name(all[i]));
        ordo_cluster_revoked_encode(&value, all[i]);
        content_put(&content, key, &value);
    }
    struct ordo_cluster *cluster = cluster_of(&content);
    assert_int_equal(cluster->garbled_count, 0);
    assert_int_equal(cluster->revocation_count, 2);
    assert_memory_equal(&cluster->revocations[0], &whole, sizeof whole);
    assert_memory_equal(&cluster->revocations[1], &user, sizeof user);
    ordo_cluster_destroy(cluster);
    ordo_directory_content_finish(&content);
}

static void a_revocation_that_does_not_read_is_in_force(void **state) {
    (void)state;
    struct ordo_directory_content content = {0};
    content_put_text(&content, "revoked/user/YQ", "{\"at\":7,\"until\":\"soon\"}");
    content_put_text(&content, "revoked/user/!", "{\"at\":7}");
    struct ordo_cluster *cluster = cluster_of(&content);
    assert_int_equal(cluster->garbled_count, 2);
    assert_int_equal(cluster->revocation_count, 1);
    assert_true(ordo_slice_equal(ordo_revocation_name(&cluster->revocations[0]), ordo_slice_of("a")));
    assert_true(cluster->revocations[0].at_ms == UINT64_MAX && cluster->revocations[0].until_ms == UINT64_MAX);
    ordo_cluster_destroy(cluster);
    ordo_directory_content_finish(&content);
}

static void nothing_is_an_empty_cluster(void **state) {
    (void)state;
    struct ordo_directory_content content = {0};
    struct ordo_cluster *cluster = cluster_of(&content);
    assert_false(cluster->has_table || cluster->balance_is_off);
    assert_int_equal(cluster->store_count + cluster->garbled_count, 0);
    ordo_cluster_destroy(cluster);
}

static void stores_are_called_by_name_or_by_the_beginning_of_their_id(void **state) {
    (void)state;
    struct ordo_directory_content content = {0};
    struct ordo_cluster_store one = make_store(0x11), two = make_store(0x12), twin = make_store(0x11);
    twin.id.bytes[15] = 1;
    content_put_store(&content, &one);
    content_put_store(&content, &two);
    struct ordo_cluster *cluster = cluster_of(&content);
    assert_ptr_equal(ordo_cluster_store_called(cluster, "shard-18"), ordo_cluster_store(cluster, &two.id));
    assert_ptr_equal(ordo_cluster_store_called(cluster, "11ab"), ordo_cluster_store(cluster, &one.id));
    assert_ptr_equal(ordo_cluster_store_called(cluster, "11ab0000000000000000000000000000"),
                     ordo_cluster_store(cluster, &one.id));
    assert_null(ordo_cluster_store_called(cluster, "11"));
    assert_null(ordo_cluster_store_called(cluster, ""));
    assert_null(ordo_cluster_store_called(cluster, "shard-1"));
    ordo_cluster_destroy(cluster);
    content_put_store(&content, &twin);
    cluster = cluster_of(&content);
    assert_null(ordo_cluster_store_called(cluster, "11ab"));
    assert_null(ordo_cluster_store_called(cluster, "shard-17"));
    ordo_cluster_destroy(cluster);
    ordo_directory_content_finish(&content);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_reads_as_it_was_written),
        cmocka_unit_test(a_table_stays_as_versions_before_wrote_it),
        cmocka_unit_test(a_table_without_founder_has_no_owners),
        cmocka_unit_test(a_garbled_table_makes_the_view_unreadable),
        cmocka_unit_test(members_that_are_not_known_are_passed_over),
        cmocka_unit_test(other_garbled_keys_are_named_and_the_rest_reads),
        cmocka_unit_test(revocations_read_as_they_were_written),
        cmocka_unit_test(a_revocation_that_does_not_read_is_in_force),
        cmocka_unit_test(nothing_is_an_empty_cluster),
        cmocka_unit_test(stores_are_called_by_name_or_by_the_beginning_of_their_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
