/* Each change of a cluster's keys, alone, repeated, and against others. In a folder; that etcd keeps the same promises
 * is for the conformance suite to say. */
#include "tests/unit/cluster_fixture.h"

#include <pthread.h>

#include "common/clock.h"
#include "common/directory/cluster_change.h"
#include "tests/unit/scratch.h"

enum { PATIENCE_MS = 20000 };

static char root[PATH_MAX], url[PATH_MAX + 16];
static struct ordo_directory *one, *two; /* two processes */
static struct ordo_problem problem;

static struct ordo_directory *open_directory(void) {
    static const struct ordo_directory_options options = {.lease_ttl_ms = 60000};
    struct ordo_directory *directory;
    assert_int_equal(ordo_directory_open(&directory, url, &options, &problem), ORDO_OK);
    assert_true(ordo_directory_wait(directory, 0, PATIENCE_MS));
    return directory;
}

static int set_up(void **state) {
    (void)state;
    scratch_make(root);
    snprintf(url, sizeof url, "file:%s/directory", root);
    one = open_directory();
    two = open_directory();
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ordo_directory_close(one);
    ordo_directory_close(two);
    scratch_remove(root);
    return 0;
}

/* What `one` sees; the caller destroys it. */
static struct ordo_cluster *look(void) {
    struct ordo_cluster *cluster;
    const struct ordo_directory_view *view = ordo_directory_view(one);
    assert_int_equal(ordo_cluster_decode(view, &cluster, &problem), ORDO_OK);
    ordo_directory_view_release(view);
    return cluster;
}

static void put_text(const char *key, const char *text) {
    struct ordo_directory_changes changes = {0};
    const struct ordo_directory_view *view = ordo_directory_view(one);
    ordo_directory_put(&changes, key, ordo_slice_of(text));
    ordo_directory_regardless(&changes);
    assert_int_equal(ordo_directory_change(one, view, &changes, &problem), ORDO_OK);
    ordo_directory_view_release(view);
    ordo_directory_changes_finish(&changes);
}

static bool says(const char *key, const char *text) {
    const struct ordo_directory_view *view = ordo_directory_view(one);
    const struct ordo_directory_item *item = ordo_directory_find(view, key);
    bool is_so = item != NULL && ordo_slice_equal(item->value, ordo_slice_of(text));
    ordo_directory_view_release(view);
    return is_so;
}

/* Until `two` has seen what `one` did, and the other way round. */
static void settle(void) {
    static int count;
    char text[16];
    snprintf(text, sizeof text, "%d", ++count);
    put_text("settle", text);
    for (uint64_t generation = 0;;) {
        const struct ordo_directory_view *view = ordo_directory_view(two);
        const struct ordo_directory_item *item = ordo_directory_find(view, "settle");
        bool is_there = item != NULL && ordo_slice_equal(item->value, ordo_slice_of(text));
        generation = view->generation;
        ordo_directory_view_release(view);
        if (is_there) return;
        assert_true(ordo_directory_wait(two, generation, PATIENCE_MS));
    }
}

static void wipe(void) {
    char folder[PATH_MAX], aside[PATH_MAX];
    scratch_join(folder, root, "directory");
    scratch_join(aside, root, "aside");
    assert_int_equal(rename(folder, aside), 0);
    scratch_remove(aside);
    for (uint64_t generation = 0;;) {
        const struct ordo_directory_view *view = ordo_directory_view(one);
        size_t count = view->count;
        generation = view->generation;
        ordo_directory_view_release(view);
        if (count == 0) break;
        assert_true(ordo_directory_wait(one, generation, PATIENCE_MS));
    }
    settle();
}

/* ---- founding */

static void a_cluster_is_created_and_founded_once(void **state) {
    (void)state;
    struct ordo_cluster_id id = cluster_id(1), other = cluster_id(2), found;
    struct ordo_store_id first = store_id(1), second = store_id(2);
    assert_int_equal(ordo_cluster_found(one, &first, &found, &problem), ORDO_ERR_NOT_FOUND);
    assert_int_equal(ordo_cluster_create(one, &id, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_create(two, &other, &problem), ORDO_ERR_EXISTS);
    assert_int_equal(ordo_cluster_create(one, &id, &problem), ORDO_ERR_EXISTS);

    assert_int_equal(ordo_cluster_found(two, &first, &found, &problem), ORDO_OK);

    assert_true(ordo_cluster_id_equal(&found, &id));
    assert_int_equal(ordo_cluster_found(one, &first, &found, &problem),
                     ORDO_OK); /* again: it was not heard that it was done */
    assert_int_equal(ordo_cluster_found(one, &second, &found, &problem), ORDO_ERR_EXISTS);
    struct ordo_cluster *cluster = look();
    assert_true(ordo_store_id_equal(&cluster->table.founder, &first));
    assert_int_equal(cluster->table.placement.slots[1023].epoch, 1);
    ordo_cluster_destroy(cluster);
}

static void a_founder_that_gave_something_away_founds_nothing_again(void **state) {
    (void)state;
    struct ordo_cluster_table table = make_table(1, 1);
    struct ordo_store_id first = store_id(1);
    table.placement.slots[3] = (struct ordo_slot_place){.epoch = 2, .store = store_id(2)};
    assert_int_equal(ordo_cluster_raise(one, &table.cluster, &first, &table.placement, 1, NULL, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_found(one, &first, NULL, &problem), ORDO_ERR_EXISTS);
}

struct founder {
    pthread_t thread;
    struct ordo_directory *directory;
    struct ordo_store_id store;
    ordo_err err;
};

static void *found_one(void *context) {
    struct founder *founder = context;
    struct ordo_problem own;
    founder->err = ordo_cluster_found(founder->directory, &founder->store, NULL, &own);
    return NULL;
}

static void of_many_who_found_at_once_one_does(void **state) {
    (void)state;
    struct ordo_cluster_id id = cluster_id(1);
    struct founder founders[8];
    size_t found_count = 0;
    assert_int_equal(ordo_cluster_create(one, &id, &problem), ORDO_OK);
    settle();
    for (uint8_t i = 0; i < 8; i++) {
        founders[i] = (struct founder){.directory = i % 2 ? one : two, .store = store_id(i + 1)};
        assert_int_equal(pthread_create(&founders[i].thread, NULL, found_one, &founders[i]), 0);
    }
    for (size_t i = 0; i < 8; i++) {
        pthread_join(founders[i].thread, NULL);
        assert_true(founders[i].err == ORDO_OK || founders[i].err == ORDO_ERR_EXISTS);
        found_count += founders[i].err == ORDO_OK;
    }
    assert_int_equal(found_count, 1);
}

/* ---- the table follows the stores */

static void epochs_rise_and_never_fall(void **state) {
    (void)state;
    struct ordo_cluster_table high = make_table(1, 5), low = make_table(2, 4);
    struct ordo_store_id first = store_id(1), second = store_id(2);
    bool is_changed;
    assert_int_equal(ordo_cluster_raise(one, &high.cluster, &first, &high.placement, 1, &is_changed, &problem), ORDO_OK);
    assert_true(is_changed);
    low.placement.slots[9].epoch = 6;
    low.placement.slots[10].epoch = 5; /* no more than is known: the first one stays */
    assert_int_equal(ordo_cluster_raise(two, &high.cluster, &second, &low.placement, 1, &is_changed, &problem), ORDO_OK);
    assert_true(is_changed);
    assert_int_equal(ordo_cluster_raise(one, &high.cluster, &second, &low.placement, 1, &is_changed, &problem), ORDO_OK);
    assert_false(is_changed);
    struct ordo_cluster *cluster = look();
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        assert_int_equal(cluster->table.placement.slots[slot].epoch, slot == 9 ? 6 : 5);
        assert_true(ordo_store_id_equal(&cluster->table.placement.slots[slot].store, slot == 9 ? &second : &first));
    }
    ordo_cluster_destroy(cluster);
}

static void a_lost_table_is_built_anew_from_what_the_stores_say(void **state) {
    (void)state;
    struct ordo_cluster_table first_rows = make_table(1, 3), second_rows = make_table(2, 4);
    struct ordo_store_id first = store_id(1), second = store_id(2), stranger = store_id(3);
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        if (slot < 512 || slot >= 1000) second_rows.placement.slots[slot] = (struct ordo_slot_place){0};
        if (slot >= 600) first_rows.placement.slots[slot] = (struct ordo_slot_place){0};
    }
    assert_int_equal(ordo_cluster_raise(one, &first_rows.cluster, &first, &first_rows.placement, 1, NULL, &problem),
                     ORDO_OK);
    wipe();
    assert_int_equal(ordo_cluster_raise(one, &first_rows.cluster, &first, &first_rows.placement, 1, NULL, &problem),
                     ORDO_OK);
    assert_int_equal(ordo_cluster_raise(two, &first_rows.cluster, &second, &second_rows.placement, 1, NULL, &problem),
                     ORDO_OK);
    settle();
    struct ordo_cluster *cluster = look();
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        uint64_t epoch = slot >= 1000 ? 0 : slot >= 512 ? 4 : 3; /* the higher wins; what nobody claims has no owner */
        assert_int_equal(cluster->table.placement.slots[slot].epoch, epoch);
    }
    ordo_cluster_destroy(cluster);
    assert_int_equal(ordo_cluster_found(one, &stranger, NULL, &problem), ORDO_ERR_EXISTS);
}

static void a_cluster_that_was_created_over_another_is_not_founded_over_its_data(void **state) {
    (void)state;
    struct ordo_cluster_table rows = make_table(1, 3);
    struct ordo_store_id first = store_id(1), stranger = store_id(2);
    struct ordo_cluster_id other = cluster_id(2);
    assert_int_equal(ordo_cluster_create(one, &rows.cluster, &problem),
                     ORDO_OK); /* the same id, out of a backup of it */
    assert_int_equal(ordo_cluster_raise(one, &rows.cluster, &first, &rows.placement, 1, NULL, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_found(one, &stranger, NULL, &problem), ORDO_ERR_EXISTS);
    assert_int_equal(ordo_cluster_raise(one, &other, &first, &rows.placement, 1, NULL, &problem), ORDO_ERR_INVALID);
    assert_non_null(strstr(problem.text, "02ef0000"));
}

static void the_format_rises_when_all_can_read_it(void **state) {
    (void)state;
    struct ordo_cluster_table rows = make_table(1, 1);
    struct ordo_cluster_id id = rows.cluster;
    struct ordo_cluster_store old = make_store(1), new = make_store(2);
    struct ordo_cluster_live old_live = make_live(1), new_live = make_live(2);
    struct ordo_cluster_gateway gateway = {.name = "g1", .process = process_id(5), .url = "", .reads_format_min = 1,
                                           .reads_format_max = 1};
    old.reads_format_max = 1;
    new.reads_format_max = 2;
    assert_int_equal(ordo_cluster_raise(one, &id, &old.id, &rows.placement, 1, NULL, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &old, &old_live, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_claim_store(one, &id, &new, &new_live, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_set_format(one, 2, &problem), ORDO_ERR_INVALID);
    assert_non_null(strstr(problem.text, "shard-1"));
    old.reads_format_max = 2;
    old_live.incarnation = 2;
    assert_int_equal(ordo_cluster_claim_store(one, &id, &old, &old_live, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_register_gateway(one, &gateway, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_set_format(one, 2, &problem), ORDO_ERR_INVALID);
    assert_non_null(strstr(problem.text, "gateway g1"));
    gateway.reads_format_max = 2;
    assert_int_equal(ordo_cluster_register_gateway(one, &gateway, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_set_format(one, 2, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_set_format(one, 2, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_set_format(one, 1, &problem), ORDO_ERR_INVALID);
    old.reads_format_max = gateway.reads_format_max = 1;
    old_live.incarnation = 3;
    assert_int_equal(ordo_cluster_claim_store(one, &id, &old, &old_live, &problem), ORDO_ERR_INVALID);
    assert_int_equal(ordo_cluster_register_gateway(one, &gateway, &problem), ORDO_ERR_INVALID);
    assert_non_null(strstr(problem.text, "format level is 2, and this program reads 1 to 1"));
}

/* The table was lost, and written anew by a store that had not heard yet of what another one writes. */
static void the_format_is_that_of_the_store_that_has_the_highest(void **state) {
    (void)state;
    struct ordo_cluster_table rows = make_table(1, 1);
    struct ordo_store_id first = store_id(1), second = store_id(2);
    bool is_changed;
    assert_int_equal(ordo_cluster_raise(one, &rows.cluster, &first, &rows.placement, 1, &is_changed, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_raise(one, &rows.cluster, &second, &rows.placement, 2, &is_changed, &problem), ORDO_OK);
    assert_true(is_changed);
    assert_int_equal(ordo_cluster_raise(one, &rows.cluster, &first, &rows.placement, 1, &is_changed, &problem), ORDO_OK);
    assert_false(is_changed);
    assert_int_equal(ordo_cluster_set_format(one, 1, &problem), ORDO_ERR_INVALID);
}

/* ---- claims */

static void a_store_that_was_killed_is_claimed_again_at_once(void **state) {
    (void)state;
    struct ordo_cluster_store store = make_store(1);
    struct ordo_cluster_live live = make_live(1);
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_OK);
    settle();
    live.incarnation = 2; /* another process in the same folder, whose lock it has: the lease of the first goes on */
    live.process = process_id(50);
    assert_int_equal(ordo_cluster_claim_store(two, NULL, &store, &live, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_claim_store(two, NULL, &store, &live, &problem), ORDO_OK); /* again */
}

static void a_copy_is_refused_while_the_store_is_live(void **state) {
    (void)state;
    struct ordo_cluster_store store = make_store(1);
    struct ordo_cluster_live live = make_live(1), copy = make_live(1);
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_OK);
    settle();
    copy.incarnation = 9;
    copy.process = process_id(50);
    snprintf(copy.place, sizeof copy.place, "boot:1:99");
    assert_int_equal(ordo_cluster_claim_store(two, NULL, &store, &copy, &problem), ORDO_ERR_LOCKED);
    copy.place[0] = '\0'; /* nor if nobody can say where they are */
    assert_int_equal(ordo_cluster_claim_store(two, NULL, &store, &copy, &problem), ORDO_ERR_LOCKED);
    live.incarnation = 2; /* the store itself does not suffer from it */
    live.process = process_id(51);
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_OK);
}

static void a_folder_that_was_rolled_back_is_refused(void **state) {
    (void)state;
    struct ordo_cluster_store store = make_store(1);
    struct ordo_cluster_live live = make_live(1);
    live.incarnation = 5;
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_withdraw_live(one, &live, &problem), ORDO_OK);
    live.process = process_id(50);
    for (live.incarnation = 4; live.incarnation <= 5; live.incarnation++) {
        assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_ERR_EXISTS);
        assert_non_null(strstr(problem.text, "rolled back"));
    }
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_OK); /* 6: raised by adoption */
}

static void a_store_of_another_cluster_is_refused(void **state) {
    (void)state;
    struct ordo_cluster_id id = cluster_id(1), other = cluster_id(2);
    struct ordo_cluster_store store = make_store(1);
    struct ordo_cluster_live live = make_live(1);
    assert_int_equal(ordo_cluster_create(one, &id, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_claim_store(one, &other, &store, &live, &problem), ORDO_ERR_INVALID);
    assert_int_equal(ordo_cluster_claim_store(one, &id, &store, &live, &problem), ORDO_OK);
}

static void a_forgotten_store_never_comes_back(void **state) {
    (void)state;
    struct ordo_cluster_store store = make_store(1);
    struct ordo_cluster_live live = make_live(1);
    assert_int_equal(ordo_cluster_forget_store(one, &store.id, &problem), ORDO_ERR_NOT_FOUND);
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_forget_store(one, &store.id, &problem), ORDO_ERR_LOCKED);
    assert_int_equal(ordo_cluster_withdraw_live(one, &live, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_forget_store(one, &store.id, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_forget_store(one, &store.id, &problem), ORDO_OK);
    live.incarnation = 7;
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_ERR_INVALID);
}

static void draining_outlives_a_restart(void **state) {
    (void)state;
    struct ordo_cluster_store store = make_store(1);
    struct ordo_cluster_live live = make_live(1);
    assert_int_equal(ordo_cluster_set_draining(one, &store.id, true, &problem), ORDO_ERR_NOT_FOUND);
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_set_draining(one, &store.id, true, &problem), ORDO_OK);
    live.incarnation = 2;
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_OK);
    struct ordo_cluster *cluster = look();
    assert_true(cluster->stores[0].is_draining);
    ordo_cluster_destroy(cluster);
    assert_int_equal(ordo_cluster_set_draining(one, &store.id, false, &problem), ORDO_OK);
    cluster = look();
    assert_false(cluster->stores[0].is_draining);
    ordo_cluster_destroy(cluster);
}

static void who_was_followed_by_another_learns_that_it_has_to_stop(void **state) {
    (void)state;
    struct ordo_cluster_store store = make_store(1);
    struct ordo_cluster_live live = make_live(1), later = make_live(1);
    assert_int_equal(ordo_cluster_register_live(one, &live, &problem), ORDO_ERR_NOT_FOUND); /* nobody has claimed it */
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_OK);
    snprintf(live.data_endpoint, sizeof live.data_endpoint, "tcp://127.0.0.1:7777");
    assert_int_equal(ordo_cluster_register_live(one, &live, &problem), ORDO_OK);
    struct ordo_cluster *cluster = look();
    assert_string_equal(cluster->live[0].data_endpoint, "tcp://127.0.0.1:7777");
    ordo_cluster_destroy(cluster);

    later.incarnation = 2;
    later.process = process_id(50);
    assert_int_equal(ordo_cluster_claim_store(two, NULL, &store, &later, &problem), ORDO_OK);

    settle();
    assert_int_equal(ordo_cluster_register_live(one, &live, &problem), ORDO_ERR_LOCKED);
    assert_int_equal(ordo_cluster_withdraw_live(one, &live, &problem), ORDO_OK); /* of the other one nothing goes */
    cluster = look();
    assert_true(ordo_process_id_equal(&cluster->live[0].process, &later.process));
    ordo_cluster_destroy(cluster);
}

static void a_claim_that_the_directory_forgot_is_made_again(void **state) {
    (void)state;
    struct ordo_cluster_store store = make_store(1);
    struct ordo_cluster_live live = make_live(1), earlier = make_live(1);
    earlier.process = process_id(50);
    live.incarnation = 3;
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_OK);
    wipe();
    assert_int_equal(ordo_cluster_register_live(one, &live, &problem), ORDO_ERR_NOT_FOUND);
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_register_live(one, &live, &problem), ORDO_OK);
    wipe(); /* and put back from a backup, in which an earlier life is the newest */
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &earlier, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_withdraw_live(one, &earlier, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_register_live(one, &live, &problem), ORDO_ERR_NOT_FOUND);
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_register_live(one, &live, &problem), ORDO_OK);
}

static void gateways_have_names_of_their_own(void **state) {
    (void)state;
    struct ordo_cluster_gateway gateway = {.name = "g1", .process = process_id(1), .url = "http://127.0.0.1:8080"};
    assert_int_equal(ordo_cluster_register_gateway(one, &gateway, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_register_gateway(one, &gateway, &problem), ORDO_OK);
    settle();
    gateway.process = process_id(2);
    assert_int_equal(ordo_cluster_register_gateway(two, &gateway, &problem), ORDO_ERR_LOCKED);
    snprintf(gateway.url, sizeof gateway.url, "http://127.0.0.1:8081");
    assert_int_equal(ordo_cluster_enter_gateway(two, &gateway, &problem), ORDO_ERR_LOCKED); /* two of one name */
    snprintf(gateway.url, sizeof gateway.url, "http://127.0.0.1:8080");
    assert_int_equal(ordo_cluster_enter_gateway(two, &gateway, &problem), ORDO_OK); /* the same, killed and started again */
    gateway.process = process_id(1);
    assert_int_equal(ordo_cluster_register_gateway(one, &gateway, &problem), ORDO_ERR_LOCKED); /* it had not been killed */
    snprintf(gateway.name, sizeof gateway.name, "g 2");
    assert_int_equal(ordo_cluster_register_gateway(two, &gateway, &problem), ORDO_ERR_INVALID);
    snprintf(gateway.name, sizeof gateway.name, "g2");
    snprintf(gateway.url, sizeof gateway.url, "\xff");
    assert_int_equal(ordo_cluster_register_gateway(two, &gateway, &problem), ORDO_ERR_INVALID);
}

/* ---- orders */

static void orders_are_for_slots_that_are_elsewhere(void **state) {
    (void)state;
    struct ordo_cluster_table rows = make_table(1, 1);
    struct ordo_cluster_store first = make_store(1), second = make_store(2), third = make_store(3);
    struct ordo_cluster_live first_live = make_live(1), second_live = make_live(2), third_live = make_live(3);
    uint16_t slots[200];
    for (uint16_t i = 0; i < 200; i++) slots[i] = i;
    slots[199] = 0; /* said twice */
    rows.placement.slots[5] = (struct ordo_slot_place){.epoch = 2, .store = store_id(2)};
    assert_int_equal(ordo_cluster_raise(one, &rows.cluster, &first.id, &rows.placement, 1, NULL, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_order_moves(one, slots, 200, &second.id, false, &problem), ORDO_ERR_NOT_FOUND);
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &first, &first_live, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &second, &second_live, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &third, &third_live, &problem), ORDO_OK);

    assert_int_equal(ordo_cluster_order_moves(one, slots, 200, &second.id, false, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_order_moves(one, slots, 10, &third.id, true, &problem), ORDO_OK);

    struct ordo_cluster *cluster = look();
    assert_int_equal(cluster->move_count, 199); /* 0 to 198 without 5, which is there, and the balancer's 5 */
    for (size_t i = 0; i < cluster->move_count; i++) {
        const struct ordo_cluster_move *move = &cluster->moves[i];
        assert_int_equal(move->is_by_balancer, move->slot == 5);
        assert_true(ordo_store_id_equal(&move->target, move->slot == 5 ? &third.id : &second.id));
    }
    ordo_cluster_destroy(cluster);

    assert_int_equal(ordo_cluster_order_moves(one, slots, 10, &first.id, false, &problem),
                     ORDO_OK); /* the operator changes his mind */
    cluster = look();
    assert_int_equal(cluster->move_count, 190); /* all but 5 are there and shall stay */
    assert_true(ordo_store_id_equal(&ordo_cluster_move(cluster, 5)->target, &first.id));
    assert_false(ordo_cluster_move(cluster, 5)->is_by_balancer);
    ordo_cluster_destroy(cluster);
}

static void an_order_ends_once_and_only_if_it_is_still_the_same(void **state) {
    (void)state;
    struct ordo_cluster_table rows = make_table(1, 1);
    struct ordo_cluster_store second = make_store(2);
    struct ordo_cluster_live second_live = make_live(2);
    struct ordo_store_id first = store_id(1), third = store_id(3);
    uint16_t slot = 7;
    assert_int_equal(ordo_cluster_raise(one, &rows.cluster, &first, &rows.placement, 1, NULL, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &second, &second_live, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_order_moves(one, &slot, 1, &second.id, false, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_end_move(one, slot, &third, NULL, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_end_move(one, slot, &second.id, "The target did not answer.", &problem), ORDO_OK);
    struct ordo_cluster *cluster = look();
    assert_string_equal(ordo_cluster_move(cluster, slot)->failure, "The target did not answer.");
    ordo_cluster_destroy(cluster);
    assert_int_equal(ordo_cluster_order_moves(one, &slot, 1, &second.id, false, &problem), ORDO_OK); /* try again */
    cluster = look();
    assert_string_equal(ordo_cluster_move(cluster, slot)->failure, "");
    ordo_cluster_destroy(cluster);
    assert_int_equal(ordo_cluster_end_move(one, slot, &second.id, "", &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_end_move(one, slot, &second.id, NULL, &problem), ORDO_OK);
    cluster = look();
    assert_int_equal(cluster->move_count, 0);
    ordo_cluster_destroy(cluster);
}

static void nothing_is_ordered_to_a_forgotten_store(void **state) {
    (void)state;
    struct ordo_cluster_store store = make_store(2);
    struct ordo_cluster_live live = make_live(2);
    uint16_t slot = 7;
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_withdraw_live(one, &live, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_forget_store(one, &store.id, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_order_moves(one, &slot, 1, &store.id, false, &problem), ORDO_ERR_INVALID);
}

static void holds_and_the_balancer_belong_to_one_process(void **state) {
    (void)state;
    struct ordo_cluster_hold mine = {.name = "backup", .process = process_id(1)},
                             theirs = {.name = "backup", .process = process_id(2)};
    assert_int_equal(ordo_cluster_hold_moves(one, &mine, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_elect(one, &mine.process, &problem), ORDO_OK);
    settle();
    assert_int_equal(ordo_cluster_hold_moves(two, &theirs, &problem), ORDO_ERR_LOCKED);
    assert_int_equal(ordo_cluster_release_moves(two, &theirs, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_elect(two, &theirs.process, &problem), ORDO_ERR_LOCKED);
    assert_int_equal(ordo_cluster_elect(one, &mine.process, &problem), ORDO_OK);
    struct ordo_cluster *cluster = look();
    assert_int_equal(cluster->hold_count, 1);
    assert_true(ordo_process_id_equal(&cluster->balancer, &mine.process));
    ordo_cluster_destroy(cluster);
    assert_int_equal(ordo_cluster_release_moves(one, &mine, &problem), ORDO_OK);
    settle();
    assert_int_equal(ordo_cluster_hold_moves(two, &theirs, &problem), ORDO_OK);
    ordo_directory_close(one); /* and with it the election is over */
    one = open_directory();
    settle();
    assert_int_equal(ordo_cluster_elect(two, &theirs.process, &problem), ORDO_OK);
}

static void balancing_is_switched_off_and_on(void **state) {
    (void)state;
    put_text(ORDO_KEY_BALANCE, "garbled");
    assert_int_equal(ordo_cluster_set_balance(one, false, &problem), ORDO_OK);
    struct ordo_cluster *cluster = look();
    assert_false(cluster->balance_is_off);
    ordo_cluster_destroy(cluster);
    assert_int_equal(ordo_cluster_set_balance(one, true, &problem), ORDO_OK);
    cluster = look();
    assert_true(cluster->balance_is_off);
    ordo_cluster_destroy(cluster);
}

/* ---- what does not read */

static void a_garbled_key_is_left_as_it_is(void **state) {
    (void)state;
    struct ordo_cluster_store store = make_store(1);
    struct ordo_cluster_live live = make_live(1);
    struct ordo_cluster_gateway gateway = {.name = "g1", .process = process_id(1), .url = ""};
    char key[ORDO_CLUSTER_KEY_SIZE];
    ordo_cluster_key_store(key, &store.id);
    put_text(key, "?");
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_ERR_CORRUPT);
    assert_int_equal(ordo_cluster_set_draining(one, &store.id, true, &problem), ORDO_ERR_CORRUPT);
    assert_non_null(strstr(problem.text, key));
    assert_true(says(key, "?"));
    store = make_store(2);
    live = make_live(2);
    ordo_cluster_key_live(key, &store.id);
    put_text(key, "?");
    assert_int_equal(ordo_cluster_claim_store(one, NULL, &store, &live, &problem), ORDO_ERR_CORRUPT);
    put_text("gateways/g1", "?");
    assert_int_equal(ordo_cluster_register_gateway(one, &gateway, &problem), ORDO_ERR_CORRUPT);
    assert_true(says("gateways/g1", "?"));
}

static void a_garbled_table_is_left_as_it_is(void **state) {
    (void)state;
    struct ordo_cluster_table rows = make_table(1, 1);
    struct ordo_store_id first = store_id(1);
    put_text(ORDO_KEY_TABLE, "{}");
    assert_int_equal(ordo_cluster_create(one, &rows.cluster, &problem), ORDO_ERR_CORRUPT);
    assert_int_equal(ordo_cluster_found(one, &first, NULL, &problem), ORDO_ERR_CORRUPT);
    assert_int_equal(ordo_cluster_raise(one, &rows.cluster, &first, &rows.placement, 1, NULL, &problem), ORDO_ERR_CORRUPT);
    assert_true(says(ORDO_KEY_TABLE, "{}"));
}

static void nothing_is_changed_before_the_directory_was_read(void **state) {
    (void)state;
    struct ordo_directory *away;
    struct ordo_cluster_id id = cluster_id(1);
    assert_int_equal(ordo_directory_open(&away, "file:/nowhere/at/all", NULL, &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_create(away, &id, &problem), ORDO_ERR_UNAVAILABLE);
    ordo_directory_close(away);
}

static void a_place_is_the_folder_on_this_machine(void **state) {
    (void)state;
    char place[ORDO_CLUSTER_TEXT_SIZE_MAX + 1], again[sizeof place], other[sizeof place], moved[PATH_MAX];
    char folder[PATH_MAX];
    scratch_join(folder, root, "store");
    scratch_join(moved, root, "moved");
    assert_int_equal(mkdir(folder, 0755), 0);
    ordo_cluster_place(place, folder);
    assert_int_equal(rename(folder, moved), 0);
    ordo_cluster_place(again, moved);
    scratch_copy(moved, folder);
    ordo_cluster_place(other, folder);
    assert_string_equal(place, again);
    assert_string_not_equal(place, other);
    ordo_cluster_place(other, "/nowhere");
    assert_string_equal(other, "");
}

static ordo_err put_revoked(bool is_token, const char *name, uint64_t now_ms, uint64_t until_ms) {
    struct ordo_revocation revocation = {.is_token = is_token, .name_size = (uint8_t)strlen(name), .at_ms = now_ms,
                                         .until_ms = until_ms};
    memcpy(revocation.name, name, strlen(name));
    return ordo_cluster_revoke(one, &revocation, now_ms, &problem);
}

static void what_is_revoked_stays_so_until_its_end_or_until_it_is_taken_back(void **state) {
    (void)state;
    assert_int_equal(put_revoked(false, "alice", 100, UINT64_MAX), ORDO_OK);
    assert_int_equal(put_revoked(true, "alice", 100, 200), ORDO_OK);
    assert_int_equal(put_revoked(false, "alice", 150, 300), ORDO_OK); /* changed */
    struct ordo_cluster *cluster = look();
    assert_int_equal(cluster->revocation_count, 2);
    assert_int_equal(cluster->revocations[1].at_ms, 150); /* users behind tokens, in the order of keys */
    assert_int_equal(cluster->revocations[1].until_ms, 300);
    ordo_cluster_destroy(cluster);
    assert_int_equal(put_revoked(false, "bob", 250, UINT64_MAX), ORDO_OK); /* takes along what is over */
    cluster = look();
    assert_int_equal(cluster->revocation_count, 2);
    assert_false(cluster->revocations[0].is_token);
    ordo_cluster_destroy(cluster);
    assert_int_equal(ordo_cluster_revoke_back(two, false, ordo_slice_of("alice"), &problem), ORDO_OK);
    assert_int_equal(ordo_cluster_revoke_back(two, false, ordo_slice_of("alice"), &problem), ORDO_ERR_NOT_FOUND);
    assert_int_equal(ordo_cluster_revoke_back(two, true, ordo_slice_of("bob"), &problem), ORDO_ERR_NOT_FOUND);
}

static void a_thousand_revocations_are_in_force_and_no_more(void **state) {
    (void)state;
    char name[16];
    const struct ordo_directory_view *view = ordo_directory_view(one);
    for (int first = 0; first < ORDO_REVOCATIONS_MAX; first += ORDO_DIRECTORY_CHANGES_MAX) {
        struct ordo_directory_changes changes = {0};
        for (int i = first; i < first + ORDO_DIRECTORY_CHANGES_MAX && i < ORDO_REVOCATIONS_MAX; i++) {
            char key[ORDO_CLUSTER_KEY_SIZE];
            snprintf(name, sizeof name, "%d", i);
            ordo_cluster_key_revoked(key, false, ordo_slice_of(name));
            ordo_directory_put(&changes, key, ordo_slice_of(i < 5 ? "{\"at\":1,\"until\":50}" : "{\"at\":1}"));
        }
        assert_int_equal(ordo_directory_change(one, view, &changes, &problem), ORDO_OK);
        ordo_directory_changes_finish(&changes);
    }
    ordo_directory_view_release(view);
    assert_int_equal(put_revoked(true, "more", 49, UINT64_MAX), ORDO_ERR_FULL);
    assert_int_equal(put_revoked(false, "77", 49, 100), ORDO_OK); /* one of them */
    assert_int_equal(put_revoked(true, "more", 50, UINT64_MAX), ORDO_OK); /* five are over */
    struct ordo_cluster *cluster = look();
    assert_int_equal(cluster->revocation_count, ORDO_REVOCATIONS_MAX - 5 + 1);
    ordo_cluster_destroy(cluster);
}

#define WITH_TWO(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TWO(a_cluster_is_created_and_founded_once),
        WITH_TWO(a_founder_that_gave_something_away_founds_nothing_again),
        WITH_TWO(of_many_who_found_at_once_one_does),
        WITH_TWO(epochs_rise_and_never_fall),
        WITH_TWO(a_lost_table_is_built_anew_from_what_the_stores_say),
        WITH_TWO(a_cluster_that_was_created_over_another_is_not_founded_over_its_data),
        WITH_TWO(the_format_rises_when_all_can_read_it),
        WITH_TWO(the_format_is_that_of_the_store_that_has_the_highest),
        WITH_TWO(a_store_that_was_killed_is_claimed_again_at_once),
        WITH_TWO(a_copy_is_refused_while_the_store_is_live),
        WITH_TWO(a_folder_that_was_rolled_back_is_refused),
        WITH_TWO(a_store_of_another_cluster_is_refused),
        WITH_TWO(a_forgotten_store_never_comes_back),
        WITH_TWO(draining_outlives_a_restart),
        WITH_TWO(who_was_followed_by_another_learns_that_it_has_to_stop),
        WITH_TWO(a_claim_that_the_directory_forgot_is_made_again),
        WITH_TWO(gateways_have_names_of_their_own),
        WITH_TWO(orders_are_for_slots_that_are_elsewhere),
        WITH_TWO(an_order_ends_once_and_only_if_it_is_still_the_same),
        WITH_TWO(nothing_is_ordered_to_a_forgotten_store),
        WITH_TWO(holds_and_the_balancer_belong_to_one_process),
        WITH_TWO(balancing_is_switched_off_and_on),
        WITH_TWO(a_garbled_key_is_left_as_it_is),
        WITH_TWO(a_garbled_table_is_left_as_it_is),
        WITH_TWO(nothing_is_changed_before_the_directory_was_read),
        WITH_TWO(what_is_revoked_stays_so_until_its_end_or_until_it_is_taken_back),
        WITH_TWO(a_thousand_revocations_are_in_force_and_no_more),
        WITH_TWO(a_place_is_the_folder_on_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
