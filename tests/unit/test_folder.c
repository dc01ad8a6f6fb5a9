/* A store's folder: made whole or not at all, opened by one, refused when it has lost something. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>

#include "common/clock.h"
#include "shard/core/key.h"
#include "shard/core/rows.h"
#include "shard/low_water.h"
#include "shard/manifest.h"
#include "shard/wal.h"
#include "tests/unit/folder_fixture.h"

/* Opens `path`, expects `err`, closes. */
static void open_and_close(struct fixture *fixture, const char *path, ordo_err expected) {
    struct ordo_folder folder;
    fixture->problem.text[0] = '\0';
    ordo_err err = ordo_folder_open(&folder, path, &fixture->problem);
    ordo_folder_finish(&folder);
    if (err != expected) print_message("%s\n", fixture->problem.text);
    assert_int_equal(err, expected);
    if (err) assert_string_not_equal(fixture->problem.text, "");
}

/* A turn as the core writes it: the turn's row, and something that it committed. */
static void write_turn(struct fixture *fixture, uint64_t turn) {
    struct ordo_batch batch = {0};
    struct ordo_buffer value = {0};
    char key[32];
    snprintf(key, sizeof key, "turn %06u", (unsigned)turn);
    ordo_turn_row_encode(&value, &(struct ordo_turn_row){.turn = turn});
    ordo_batch_put(&batch, ORDO_CF_META, ordo_key_turn, ordo_buffer_slice(&value));
    ordo_batch_put(&batch, ORDO_CF_OPS, ordo_slice_of(key), ordo_slice_of("some text that was committed"));
    assert_int_equal(fixture->folder.store->ops->write(fixture->folder.store, &batch, true), ORDO_OK);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&value);
}

static bool has_turn(struct ordo_store *store, uint64_t turn) {
    char key[32];
    snprintf(key, sizeof key, "turn %06u", (unsigned)turn);
    struct ordo_buffer value = {0};
    struct ordo_view *view = store->ops->view_open(store);
    ordo_err err = view->ops->get(view, ORDO_CF_OPS, ordo_slice_of(key), &value);
    store->ops->view_close(view);
    ordo_buffer_finish(&value);
    return err == ORDO_OK;
}

/* As after a commit, without a sync. */
static void note(const char *low_water_path, uint64_t turn) {
    struct ordo_low_water low_water;
    assert_int_equal(ordo_low_water_open(&low_water, low_water_path, 0), ORDO_OK);
    assert_int_equal(ordo_low_water_note(&low_water, turn), ORDO_OK);
    ordo_low_water_close(&low_water);
}

static void mark(const struct fixture *fixture, uint64_t turn) {
    struct ordo_low_water low_water;
    assert_int_equal(ordo_low_water_open(&low_water, fixture->folder.low_water_path, 0), ORDO_OK);
    assert_int_equal(ordo_low_water_write(&low_water, turn), ORDO_OK);
    ordo_low_water_close(&low_water);
}

/* A store with turns 1..40, marked at 30, left as a crash would leave it. */
static void make_crashed(struct fixture *fixture, char crashed[PATH_MAX]) {
    open_store(fixture);
    for (uint64_t turn = 1; turn <= 40; turn++) write_turn(fixture, turn);
    mark(fixture, 30);
    scratch_join(crashed, fixture->root, "crashed");
    scratch_copy(fixture->path, crashed);
    close_store(fixture);
}

struct log_search {
    char path[PATH_MAX];
    off_t size;
};
static void find_largest_log(const char *path, const char *name, void *context) {
    struct log_search *search = context;
    struct stat status;
    const char *dot = strrchr(name, '.');
    if (dot == NULL || strcmp(dot, ".log") != 0 || stat(path, &status) != 0 || status.st_size < search->size) return;
    snprintf(search->path, sizeof search->path, "%s", path);
    search->size = status.st_size;
}
/* The one log file that the crashed store's turns are in. */
static struct log_search log_of(const char *crashed) {
    struct log_search search = {.size = 0};
    char db[PATH_MAX];
    scratch_join(db, crashed, "db");
    scratch_each(db, find_largest_log, &search);
    assert_true(search.size > 3000);
    return search;
}

/* ---- making */

static void an_absent_folder_becomes_a_store_that_owns_all_slots(void **state) {
    struct fixture *fixture = *state;
    open_store(fixture);
    assert_true(fixture->folder.is_new);
    assert_int_equal(fixture->folder.identity.slot_count, ORDO_SLOT_COUNT);
    assert_int_equal(fixture->folder.identity.turn, 0);
    assert_string_equal(fixture->folder.note.text, "");
}

static void a_store_of_an_existing_cluster_owns_no_slot_until_it_founds_it(void **state) {
    struct fixture *fixture = *state;
    const uint8_t cluster_id[ORDO_CLUSTER_ID_SIZE] = {7, 7, 7};
    struct ordo_problem problem = {{0}};
    struct ordo_folder *folder = &fixture->folder;
    assert_int_equal(ordo_folder_open_member(folder, fixture->path, cluster_id, &problem), ORDO_OK);
    assert_int_equal(folder->identity.slot_count, 0);
    assert_memory_equal(folder->identity.cluster_id, cluster_id, sizeof cluster_id);
    assert_int_equal(ordo_identity_found(folder->store, &folder->identity, &problem), ORDO_OK);
    assert_int_equal(ordo_identity_found(folder->store, &folder->identity, &problem), ORDO_ERR_INVALID); /* it has slots */
    ordo_folder_finish(folder);
    open_store(fixture);
    assert_int_equal(folder->identity.slot_count, ORDO_SLOT_COUNT);
    assert_int_equal(ordo_identity_epoch(&folder->identity, 1023), 1);
    assert_memory_equal(folder->identity.cluster_id, cluster_id, sizeof cluster_id);
}

static void the_successor_of_a_store_without_slots_claims_none(void **state) {
    struct fixture *fixture = *state;
    const uint8_t cluster_id[ORDO_CLUSTER_ID_SIZE] = {7, 7, 7};
    struct ordo_problem problem = {{0}};
    struct ordo_folder *folder = &fixture->folder;
    bool has_cluster;
    assert_int_equal(ordo_folder_open_member(folder, fixture->path, cluster_id, &problem), ORDO_OK);
    assert_int_equal(ordo_identity_succeed(folder->store, 1, &has_cluster, &problem), ORDO_OK);
    assert_int_equal(ordo_identity_read(folder->store, &folder->identity, &problem), ORDO_OK);
    assert_true(has_cluster);
    assert_int_equal(folder->identity.slot_count, 0);
}

/* What a shard that gave a slot away, and takes another over, leaves. */
static void rows_of_slots_survive_and_a_successor_claims_what_was_owned(void **state) {
    struct fixture *fixture = *state;
    struct ordo_problem problem = {{0}};
    struct ordo_folder *folder = &fixture->folder;
    open_store(fixture);
    struct ordo_batch batch = {0};
    struct ordo_buffer key = {0}, value = {0};
    const struct ordo_slot_row rows[] = {
        {.state = ORDO_SLOT_GIVEN, .epoch = 2, .other = {{9}}, .move = 1, .is_cleared = true, .turn = 1},
        {.state = ORDO_SLOT_IMPORTED, .epoch = 5, .other = {{9}}, .move = 2, .incarnation = 1, .turn = 1},
        {.state = ORDO_SLOT_OWNED, .epoch = 6, .turn = 1},
    };
    for (uint16_t slot = 0; slot < 3; slot++) {
        ordo_key_slot(&key, slot);
        ordo_slot_row_encode(&value, ordo_buffer_slice(&key), &rows[slot]);
        ordo_batch_put(&batch, ORDO_CF_META, ordo_buffer_slice(&key), ordo_buffer_slice(&value));
    }
    assert_int_equal(folder->store->ops->write(folder->store, &batch, true), ORDO_OK);
    ordo_folder_finish(folder);
    open_store(fixture);
    assert_int_equal(folder->identity.slot_count, ORDO_SLOT_COUNT - 2);
    assert_int_equal(folder->identity.slots[0].state, ORDO_SLOT_GIVEN);
    assert_int_equal(folder->identity.slots[1].incarnation, 1);
    bool has_cluster;
    assert_int_equal(ordo_identity_succeed(folder->store, 1, &has_cluster, &problem), ORDO_OK);
    assert_int_equal(ordo_identity_read(folder->store, &folder->identity, &problem), ORDO_OK);
    assert_int_equal(ordo_identity_epoch(&folder->identity, 0), 0); /* another's */
    assert_int_equal(ordo_identity_epoch(&folder->identity, 1), 0); /* not known whose */
    assert_int_equal(ordo_identity_epoch(&folder->identity, 2), 7);
    assert_int_equal(ordo_identity_epoch(&folder->identity, 3), 2);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&key);
    ordo_buffer_finish(&value);
}

static void an_empty_folder_becomes_a_store(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(mkdir(fixture->path, 0755), 0);
    strcat(fixture->path, "/");
    open_store(fixture);
    assert_true(fixture->folder.is_new);
}

static void a_folder_with_something_else_is_refused_and_left_alone(void **state) {
    struct fixture *fixture = *state;
    char file[PATH_MAX];
    assert_int_equal(mkdir(fixture->path, 0755), 0);
    scratch_join(file, fixture->path, "letter.txt");
    scratch_write(file, ordo_slice_of("dear"));
    uint64_t sum = scratch_sum(fixture->root);
    open_and_close(fixture, fixture->path, ORDO_ERR_NOT_FOUND);
    assert_true(scratch_sum(fixture->root) == sum);
}

static void a_store_whose_database_is_gone_is_not_made_anew(void **state) {
    struct fixture *fixture = *state;
    open_store(fixture);
    close_store(fixture);
    assert_int_equal(ordo_folder_remove(fixture->folder.db_path), ORDO_OK);
    open_and_close(fixture, fixture->path, ORDO_ERR_NOT_FOUND);
    assert_int_equal(access(fixture->folder.db_path, F_OK), -1);
}

static void what_an_interrupted_making_left_is_cleared(void **state) {
    struct fixture *fixture = *state;
    char left[PATH_MAX], file[PATH_MAX];
    scratch_join(left, fixture->root, "store.new");
    assert_int_equal(mkdir(left, 0755), 0);
    scratch_join(file, left, "low-water");
    scratch_write(file, ordo_slice_of("half"));
    scratch_join(file, left, "db");
    assert_int_equal(mkdir(file, 0755), 0);
    scratch_join(file, left, "db/CURRENT");
    scratch_write(file, ordo_slice_of("MANIFEST-000001\n"));
    open_store(fixture);
    assert_int_equal(access(left, F_OK), -1);
}

/* ---- lives */

static void each_start_raises_the_incarnation_and_keeps_the_ids(void **state) {
    struct fixture *fixture = *state;
    open_store(fixture);
    struct ordo_identity first = fixture->folder.identity;
    assert_int_equal(first.incarnation, 1);
    close_store(fixture);
    open_store(fixture);
    assert_false(fixture->folder.is_new);
    assert_int_equal(fixture->folder.identity.incarnation, 2);
    assert_memory_equal(fixture->folder.identity.store_id, first.store_id, sizeof first.store_id);
    assert_memory_equal(fixture->folder.identity.cluster_id, first.cluster_id, sizeof first.cluster_id);
}

static void a_store_in_use_is_locked_for_all_others(void **state) {
    struct fixture *fixture = *state;
    open_store(fixture);
    open_and_close(fixture, fixture->path, ORDO_ERR_LOCKED);
    struct ordo_folder reader;
    assert_int_equal(ordo_folder_open_readonly(&reader, fixture->path, &fixture->problem), ORDO_ERR_LOCKED);
    ordo_folder_finish(&reader);
    close_store(fixture);
    open_and_close(fixture, fixture->path, ORDO_OK);
}

static void what_the_log_held_is_in_new_tables_before_anything_is_served(void **state) {
    struct fixture *fixture = *state;
    char crashed[PATH_MAX];
    make_crashed(fixture, crashed);
    struct log_search before = log_of(crashed);
    struct ordo_folder folder;
    assert_int_equal(ordo_folder_open(&folder, crashed, &fixture->problem), ORDO_OK);
    assert_int_equal(folder.identity.turn, 40);
    for (uint64_t turn = 1; turn <= 40; turn++) assert_true(has_turn(folder.store, turn));
    assert_string_equal(folder.note.text, "");
    struct stat status;
    assert_int_equal(stat(before.path, &status), -1);
    ordo_folder_finish(&folder);
}

/* ---- losses */

static void a_torn_tail_is_cut_and_said(void **state) {
    struct fixture *fixture = *state;
    char crashed[PATH_MAX];
    make_crashed(fixture, crashed);
    struct log_search log = log_of(crashed);
    assert_int_equal(truncate(log.path, log.size - 5), 0);
    struct ordo_folder folder;
    assert_int_equal(ordo_folder_open(&folder, crashed, &fixture->problem), ORDO_OK);
    assert_non_null(strstr(folder.note.text, "were cut off"));
    assert_int_equal(folder.identity.turn, 39);
    assert_true(has_turn(folder.store, 39));
    assert_false(has_turn(folder.store, 40));
    ordo_folder_finish(&folder);
    open_and_close(fixture, crashed, ORDO_OK);
}

static void a_tail_of_zeros_is_cut(void **state) {
    struct fixture *fixture = *state;
    char crashed[PATH_MAX];
    make_crashed(fixture, crashed);
    struct log_search log = log_of(crashed);
    assert_int_equal(truncate(log.path, log.size + 100000), 0);
    struct ordo_folder folder;
    assert_int_equal(ordo_folder_open(&folder, crashed, &fixture->problem), ORDO_OK);
    assert_non_null(strstr(folder.note.text, "100000 bytes"));
    assert_int_equal(folder.identity.turn, 40);
    ordo_folder_finish(&folder);
}

static void a_flipped_bit_in_the_log_is_refused_and_nothing_is_changed(void **state) {
    struct fixture *fixture = *state;
    char crashed[PATH_MAX];
    make_crashed(fixture, crashed);
    struct log_search log = log_of(crashed);
    struct ordo_buffer bytes = {0};
    scratch_read(log.path, &bytes);
    for (int eighth = 0; eighth < 7; eighth++) {
        size_t offset = bytes.size * (size_t)eighth / 8 + 9;
        bytes.data[offset] ^= 4;
        scratch_write(log.path, ordo_buffer_slice(&bytes));
        uint64_t sum = scratch_sum(crashed);
        open_and_close(fixture, crashed, ORDO_ERR_CORRUPT);
        assert_true(scratch_sum(crashed) == sum);
        bytes.data[offset] ^= 4;
    }
    scratch_write(log.path, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
    open_and_close(fixture, crashed, ORDO_OK);
}

static void a_deleted_log_is_refused(void **state) {
    struct fixture *fixture = *state;
    char crashed[PATH_MAX];
    make_crashed(fixture, crashed);
    assert_int_equal(unlink(log_of(crashed).path), 0);
    open_and_close(fixture, crashed, ORDO_ERR_CORRUPT);
    open_and_close(fixture, crashed, ORDO_ERR_CORRUPT);
}

static void a_log_cut_below_the_low_water_mark_is_refused_and_kept(void **state) {
    struct fixture *fixture = *state;
    char crashed[PATH_MAX];
    make_crashed(fixture, crashed);
    struct log_search log = log_of(crashed);
    assert_int_equal(truncate(log.path, log.size / 2), 0);
    uint64_t sum = scratch_sum(crashed);
    open_and_close(fixture, crashed, ORDO_ERR_CORRUPT);
    assert_non_null(strstr(fixture->problem.text, "turn 30"));
    assert_true(scratch_sum(crashed) == sum);
}

static void a_log_without_its_last_byte_is_refused(void **state) {
    struct fixture *fixture = *state;
    char crashed[PATH_MAX], low_water_path[PATH_MAX];
    make_crashed(fixture, crashed);
    scratch_join(low_water_path, crashed, "low-water");
    note(low_water_path, 40);
    struct log_search log = log_of(crashed);
    assert_int_equal(truncate(log.path, log.size - 1), 0);
    open_and_close(fixture, crashed, ORDO_ERR_CORRUPT);
    assert_non_null(strstr(fixture->problem.text, "turn 39, but turn 40"));
}

static void what_is_left_of_a_note_by_a_power_cut_does_not_count(void **state) {
    struct fixture *fixture = *state;
    char path[PATH_MAX];
    struct ordo_buffer before = {0}, after = {0};
    open_store(fixture);
    mark(fixture, 7);
    scratch_join(path, fixture->path, "low-water");
    scratch_read(path, &before);
    note(path, 9);
    uint64_t turn = 0;
    assert_int_equal(ordo_low_water_read(path, &turn), ORDO_OK);
    assert_int_equal(turn, 9);
    scratch_read(path, &after);
    for (size_t i = 0; i < after.size; i++) {
        if (before.data[i] == after.data[i]) continue;
        after.data[i] = before.data[i]; /* the first byte that had changed did not reach the disk */
        break;
    }
    scratch_write(path, ordo_buffer_slice(&after));
    assert_int_equal(ordo_low_water_read(path, &turn), ORDO_OK);
    assert_int_equal(turn, 7);
    ordo_buffer_finish(&before);
    ordo_buffer_finish(&after);
}

static void a_damaged_or_missing_mark_is_noted_and_made_anew(void **state) {
    struct fixture *fixture = *state;
    open_store(fixture);
    write_turn(fixture, 1);
    scratch_write(fixture->folder.low_water_path, ordo_slice_of("rubbish"));
    close_store(fixture);
    open_store(fixture);
    assert_non_null(strstr(fixture->folder.note.text, "damaged"));
    mark(fixture, 1);
    uint64_t turn = 0;
    assert_int_equal(ordo_low_water_read(fixture->folder.low_water_path, &turn), ORDO_OK);
    assert_int_equal(turn, 1);
}

static void half_a_mark_leaves_the_one_before(void **state) {
    struct fixture *fixture = *state;
    open_store(fixture);
    mark(fixture, 7);
    struct ordo_buffer before = {0}, after = {0};
    scratch_read(fixture->folder.low_water_path, &before);
    mark(fixture, 8);
    scratch_read(fixture->folder.low_water_path, &after);
    size_t changed = 0;
    while (before.data[changed] == after.data[changed]) changed++;
    memcpy(before.data + changed, after.data + changed, 1);
    scratch_write(fixture->folder.low_water_path, ordo_buffer_slice(&before));
    uint64_t turn = 0;
    assert_int_equal(ordo_low_water_read(fixture->folder.low_water_path, &turn), ORDO_OK);
    assert_int_equal(turn, 7);
    ordo_buffer_finish(&before);
    ordo_buffer_finish(&after);
}

/* Where the MANIFEST in use lies. */
static void manifest_of(const char *store, char path[PATH_MAX]) {
    struct ordo_buffer current = {0};
    char name[PATH_MAX];
    scratch_join(name, store, "db/CURRENT");
    scratch_read(name, &current);
    snprintf(name, sizeof name, "db/%.*s", (int)current.size - 1, (const char *)current.data);
    scratch_join(path, store, name);
    ordo_buffer_finish(&current);
}

static void mark_manifest(const char *store) {
    struct ordo_low_water low_water;
    char path[PATH_MAX];
    scratch_join(path, store, "low-water");
    assert_int_equal(ordo_low_water_open(&low_water, path, 0), ORDO_OK);
    scratch_join(path, store, "db");
    assert_int_equal(ordo_manifest_mark(path, &low_water.manifest), ORDO_OK);
    assert_int_equal(ordo_low_water_write(&low_water, 0), ORDO_OK);
    ordo_low_water_close(&low_water);
}

static void a_list_of_tables_that_lost_its_end_is_refused(void **state) {
    struct fixture *fixture = *state;
    open_store(fixture);
    write_turn(fixture, 1);
    close_store(fixture);
    open_store(fixture); /* turn 1 goes into a table */
    mark_manifest(fixture->path);
    close_store(fixture);
    char manifest[PATH_MAX];
    struct ordo_buffer bytes = {0};
    manifest_of(fixture->path, manifest);
    scratch_read(manifest, &bytes);
    for (size_t size = bytes.size - 1; size > bytes.size / 4; size -= 7) {
        scratch_write(manifest, ordo_slice(bytes.data, size));
        open_and_close(fixture, fixture->path, ORDO_ERR_CORRUPT);
    }
    scratch_write(manifest, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
    open_and_close(fixture, fixture->path, ORDO_OK);
    open_and_close(fixture, fixture->path, ORDO_OK); /* a newer list than the one that is marked */
}

struct writer {
    char path[PATH_MAX];
    struct ordo_slice rest;
};

/* The end of a record that was half written, some time later. */
static void *write_rest(void *context) {
    const struct writer *writer = context;
    ordo_clock_sleep_ms(20);
    FILE *file = fopen(writer->path, "ab");
    fwrite(writer->rest.data, 1, writer->rest.size, file);
    fclose(file);
    return NULL;
}

static void a_list_of_tables_is_not_marked_in_the_middle_of_a_record(void **state) {
    struct fixture *fixture = *state;
    open_store(fixture);
    write_turn(fixture, 1);
    close_store(fixture);
    struct writer writer;
    struct ordo_buffer bytes = {0}, record = {0};
    manifest_of(fixture->path, writer.path);
    scratch_read(writer.path, &bytes);
    ordo_buffer_append_slice(&record, ordo_buffer_slice(&bytes));
    ordo_wal_append(&record, ordo_slice_of("some record of RocksDB's"));
    scratch_write(writer.path, ordo_slice(record.data, bytes.size + 9));
    writer.rest = ordo_slice(record.data + bytes.size + 9, record.size - bytes.size - 9);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_rest, &writer), 0);
    struct ordo_manifest_mark mark = {0};
    char db[PATH_MAX];
    scratch_join(db, fixture->path, "db");
    assert_int_equal(ordo_manifest_mark(db, &mark), ORDO_OK);
    pthread_join(thread, NULL);
    assert_int_equal(mark.size, record.size);
    scratch_write(writer.path, ordo_slice(record.data, record.size - 1)); /* damage: marked as it is, and found */
    assert_int_equal(ordo_manifest_mark(db, &mark), ORDO_OK);
    assert_int_equal(ordo_manifest_check(db, &mark, &fixture->problem), ORDO_ERR_CORRUPT);
    ordo_buffer_finish(&bytes);
    ordo_buffer_finish(&record);
}

/* ---- reading a stopped store */

static void a_readonly_opening_changes_nothing(void **state) {
    struct fixture *fixture = *state;
    char crashed[PATH_MAX];
    make_crashed(fixture, crashed);
    struct log_search log = log_of(crashed);
    for (int torn = 0; torn < 2; torn++) {
        if (torn) assert_int_equal(truncate(log.path, log.size - 5), 0);
        uint64_t sum = scratch_sum(crashed);
        struct ordo_folder folder;
        assert_int_equal(ordo_folder_open_readonly(&folder, crashed, &fixture->problem), ORDO_OK);
        assert_int_equal(folder.identity.turn, torn ? 39 : 40);
        assert_true(has_turn(folder.store, 39));
        assert_true(has_turn(folder.store, 40) == !torn);
        if (torn) assert_non_null(strstr(folder.note.text, "are passed over"));
        ordo_folder_finish(&folder);
        assert_true(scratch_sum(crashed) == sum);
    }
}

static void a_readonly_opening_passes_over_a_tail_of_zeros(void **state) {
    struct fixture *fixture = *state;
    char crashed[PATH_MAX];
    make_crashed(fixture, crashed);
    struct log_search log = log_of(crashed);
    assert_int_equal(truncate(log.path, log.size + 40000), 0);
    struct ordo_folder folder;
    assert_int_equal(ordo_folder_open_readonly(&folder, crashed, &fixture->problem), ORDO_OK);
    assert_int_equal(folder.identity.turn, 40);
    ordo_folder_finish(&folder);
}

static void there_is_nothing_to_read_where_no_store_is(void **state) {
    struct fixture *fixture = *state;
    struct ordo_folder folder;
    assert_int_equal(ordo_folder_open_readonly(&folder, fixture->path, &fixture->problem), ORDO_ERR_NOT_FOUND);
    ordo_folder_finish(&folder);
    assert_int_equal(access(fixture->path, F_OK), -1);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(an_absent_folder_becomes_a_store_that_owns_all_slots),
        WITH_FOLDER(an_empty_folder_becomes_a_store),
        WITH_FOLDER(a_store_of_an_existing_cluster_owns_no_slot_until_it_founds_it),
        WITH_FOLDER(rows_of_slots_survive_and_a_successor_claims_what_was_owned),
        WITH_FOLDER(the_successor_of_a_store_without_slots_claims_none),
        WITH_FOLDER(a_folder_with_something_else_is_refused_and_left_alone),
        WITH_FOLDER(a_store_whose_database_is_gone_is_not_made_anew),
        WITH_FOLDER(what_an_interrupted_making_left_is_cleared),
        WITH_FOLDER(each_start_raises_the_incarnation_and_keeps_the_ids),
        WITH_FOLDER(a_store_in_use_is_locked_for_all_others),
        WITH_FOLDER(what_the_log_held_is_in_new_tables_before_anything_is_served),
        WITH_FOLDER(a_torn_tail_is_cut_and_said),
        WITH_FOLDER(a_tail_of_zeros_is_cut),
        WITH_FOLDER(a_flipped_bit_in_the_log_is_refused_and_nothing_is_changed),
        WITH_FOLDER(a_deleted_log_is_refused),
        WITH_FOLDER(a_log_cut_below_the_low_water_mark_is_refused_and_kept),
        WITH_FOLDER(a_log_without_its_last_byte_is_refused),
        WITH_FOLDER(what_is_left_of_a_note_by_a_power_cut_does_not_count),
        WITH_FOLDER(a_damaged_or_missing_mark_is_noted_and_made_anew),
        WITH_FOLDER(a_list_of_tables_that_lost_its_end_is_refused),
        WITH_FOLDER(a_list_of_tables_is_not_marked_in_the_middle_of_a_record),
        WITH_FOLDER(half_a_mark_leaves_the_one_before),
        WITH_FOLDER(a_readonly_opening_changes_nothing),
        WITH_FOLDER(a_readonly_opening_passes_over_a_tail_of_zeros),
        WITH_FOLDER(there_is_nothing_to_read_where_no_store_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
