/* The files of a backup: listed, copied at a pace, linked only where they are the same, checked; and documents that were
 * restored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/clock.h"
#include "shard/backup.h"
#include "shard/backup_files.h"
#include "shard/core/key.h"
#include "shard/core/relineage.h"
#include "shard/core/run.h"
#include "shard/folder.h"
#include "shard/lineages.h"
#include "shard/restore.h"
#include "shard/store_memory.h"
#include "tests/unit/scratch.h"

struct fixture {
    char root[PATH_MAX], path[PATH_MAX];
    struct ordo_problem problem;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    scratch_make(fixture->root);
    scratch_join(fixture->path, fixture->root, "store");
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    scratch_remove(fixture->root);
    free(fixture);
    return 0;
}

static void list_reads_back_and_damage_is_seen(void **state) {
    struct fixture *fixture = *state;
    struct ordo_backup_list list = {0}, back = {0};
    struct ordo_buffer bytes = {0};
    char name[PATH_MAX];
    ordo_backup_list_add(&list, "db/000012.sst", 5, UINT64_C(0xfedcba9876543210));
    ordo_backup_list_add(&list, "db/CURRENT", 0, 7);
    assert_int_equal(ordo_backup_list_write(&list, fixture->root, &fixture->problem), ORDO_OK);
    assert_int_equal(ordo_backup_list_read(&back, fixture->root, &fixture->problem), ORDO_OK);
    assert_int_equal(back.count, 2);
    const struct ordo_backup_file *file = ordo_backup_list_find(&back, "db/000012.sst");
    assert_true(file != NULL && file->size == 5 && file->hash == UINT64_C(0xfedcba9876543210));
    assert_null(ordo_backup_list_find(&back, "db/000013.sst"));

    scratch_join(name, fixture->root, ORDO_BACKUP_LIST_NAME);
    scratch_read(name, &bytes);
    for (size_t i = 0; i + 1 < bytes.size; i++) { /* the newline at the end says nothing */
        struct ordo_backup_list damaged = {0};
        bytes.data[i] ^= 0x04;
        scratch_write(name, ordo_buffer_slice(&bytes));
        assert_int_equal(ordo_backup_list_read(&damaged, fixture->root, &fixture->problem), ORDO_ERR_CORRUPT);
        ordo_backup_list_finish(&damaged);
        bytes.data[i] ^= 0x04;
    }
    for (size_t size = 0; size + 1 < bytes.size; size++) {
        struct ordo_backup_list cut = {0};
        scratch_write(name, ordo_slice(bytes.data, size));
        assert_int_equal(ordo_backup_list_read(&cut, fixture->root, &fixture->problem), ORDO_ERR_CORRUPT);
        ordo_backup_list_finish(&cut);
    }
    ordo_buffer_finish(&bytes);
    ordo_backup_list_finish(&list);
    ordo_backup_list_finish(&back);
}

static void list_that_leads_out_of_its_folder_is_refused(void **state) {
    struct fixture *fixture = *state;
    static const char *const names[] = {"../../passwd", "/etc/passwd", "db/../../x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct ordo_backup_list list = {0}, back = {0};
        ordo_backup_list_add(&list, names[i], 1, 1);
        assert_int_equal(ordo_backup_list_write(&list, fixture->root, &fixture->problem), ORDO_OK);
        assert_int_equal(ordo_backup_list_read(&back, fixture->root, &fixture->problem), ORDO_ERR_CORRUPT);
        ordo_backup_list_finish(&list);
        ordo_backup_list_finish(&back);
    }
}

static void tables_are_the_same_only_with_equal_sizes_and_ends(void **state) {
    struct fixture *fixture = *state;
    char a[PATH_MAX], b[PATH_MAX];
    static uint8_t bytes[10000];
    scratch_join(a, fixture->root, "a");
    scratch_join(b, fixture->root, "b");
    scratch_write(a, ordo_slice(bytes, sizeof bytes));
    scratch_write(b, ordo_slice(bytes, sizeof bytes));
    assert_true(ordo_backup_is_same_table(a, b));
    scratch_write(b, ordo_slice(bytes, sizeof bytes - 1));
    assert_false(ordo_backup_is_same_table(a, b));
    bytes[9000] = 1;
    scratch_write(b, ordo_slice(bytes, sizeof bytes));
    bytes[9000] = 0;
    assert_false(ordo_backup_is_same_table(a, b));
    scratch_join(b, fixture->root, "none");
    assert_false(ordo_backup_is_same_table(a, b));
}

static bool go_on_for_two(void *context, size_t size) {
    (void)size;
    return ++*(int *)context < 2;
}

static void copy_stops_when_told(void **state) {
    struct fixture *fixture = *state;
    char from[PATH_MAX], to[PATH_MAX];
    static uint8_t bytes[1 << 20];
    int count = 0;
    uint64_t size, hash;
    struct ordo_backup_pace pace = {.may_go_on = go_on_for_two, .context = &count};
    scratch_join(from, fixture->root, "from");
    scratch_join(to, fixture->root, "to");
    scratch_write(from, ordo_slice(bytes, sizeof bytes));
    assert_int_equal(ordo_backup_copy(from, to, &pace, &size, &hash, &fixture->problem), ORDO_ERR_CLOSED);
    assert_int_equal(count, 2);
    assert_int_not_equal(ordo_backup_copy(from, to, &pace, &size, &hash, &fixture->problem), ORDO_OK); /* it is there */
}

/* A store with one document of one op, served as far as a backup needs it. */
struct served {
    struct ordo_folder folder;
    struct ordo_disk *disk;
    struct ordo_backup *backup;
};

static void put_document(struct ordo_store *store, uint64_t turn) {
    struct ordo_batch batch = {0};
    struct ordo_buffer doc_key = {0}, key = {0}, value = {0}, records = {0}, op = {0}, committed = {0};
    ordo_key_doc(&doc_key, ordo_slice_of("c"), ordo_slice_of("d"));
    ordo_key_ops(&key, ordo_buffer_slice(&doc_key), 1);
    ordo_create_encode(&(struct ordo_create){.type = ordo_slice_of("text"), .lineage = 77}, &op);
    ordo_committed_encode(&(struct ordo_committed){.server_seq = 1, .op_field = ORDO_COMMITTED_CREATE,
                                                   .op = ordo_buffer_slice(&op)}, &committed);
    ordo_run_append_op(&records, 1, 0, ordo_buffer_slice(&committed));
    ordo_run_encode(&value, ordo_buffer_slice(&key), 1, 1, 0, ordo_buffer_slice(&records));
    ordo_batch_put(&batch, ORDO_CF_OPS, ordo_buffer_slice(&key), ordo_buffer_slice(&value));
    ordo_turn_row_encode(&value, &(struct ordo_turn_row){.turn = turn});
    ordo_batch_put(&batch, ORDO_CF_META, ordo_key_turn, ordo_buffer_slice(&value));
    assert_int_equal(store->ops->write(store, &batch, true), ORDO_OK);
    ordo_batch_finish(&batch);
    struct ordo_buffer *buffers[] = {&doc_key, &key, &value, &records, &op, &committed};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) ordo_buffer_finish(buffers[i]);
}

static void serve(struct fixture *fixture, struct served *served) {
    assert_int_equal(ordo_folder_open(&served->folder, fixture->path, &fixture->problem), ORDO_OK);
    put_document(served->folder.store, 1);
    struct ordo_disk_config disk = {.folder = served->folder.path, .db_path = served->folder.db_path,
                                    .low_water_path = served->folder.low_water_path,
                                    .reserve_path = served->folder.reserve_path, .turn = 1, .wake_fd = -1};
    assert_int_equal(ordo_disk_start(&disk, &fixture->problem, &served->disk), ORDO_OK);
    served->backup = ordo_backup_create(&(struct ordo_backup_config){
        .store = served->folder.store, .folder = served->folder.path, .disk = served->disk});
}

static void stop(struct served *served) {
    ordo_backup_destroy(served->backup);
    ordo_disk_stop(served->disk);
    ordo_folder_finish(&served->folder);
}

static struct ordo_backup_status wait_for(struct served *served, const struct ordo_backup_request *request) {
    struct ordo_backup_status status;
    do {
        ordo_backup_ask(served->backup, request, &status);
        usleep(2000);
    } while (status.state == ORDO_BACKUP_RUNNING);
    return status;
}

static void backup_of_a_store_is_restored_as_another_one(void **state) {
    struct fixture *fixture = *state;
    static struct served served;
    static struct ordo_restored restored;
    char target[PATH_MAX], again[PATH_MAX], into[PATH_MAX];
    scratch_join(target, fixture->root, "backup");
    scratch_join(again, fixture->root, "again");
    scratch_join(into, fixture->root, "restored");
    serve(fixture, &served);
    struct ordo_backup_request request = {.id = 1, .path = ordo_slice_of(target)};
    struct ordo_backup_status status = wait_for(&served, &request);
    assert_string_equal(status.problem.text, "");
    assert_true(status.state == ORDO_BACKUP_DONE && status.turn == 1 && status.linked_size == 0);

    request.id = 2; /* the same folder once more */
    assert_int_equal(wait_for(&served, &request).state, ORDO_BACKUP_FAILED);
    request = (struct ordo_backup_request){.id = 3, .path = ordo_slice_of("relative")};
    assert_int_equal(wait_for(&served, &request).state, ORDO_BACKUP_FAILED);
    request = (struct ordo_backup_request){.id = 4, .path = ordo_slice_of(again), .previous = ordo_slice_of(target)};
    assert_int_equal(wait_for(&served, &request).state, ORDO_BACKUP_DONE);
    const struct ordo_identity was = served.folder.identity;
    stop(&served);

    assert_int_equal(ordo_restore_store(again, into, &restored, &fixture->problem), ORDO_OK);
    assert_int_equal(restored.document_count, 1);
    assert_memory_equal(restored.was.store_id, was.store_id, sizeof was.store_id);
    assert_memory_equal(restored.is.cluster_id, was.cluster_id, sizeof was.cluster_id);
    assert_memory_not_equal(restored.is.store_id, was.store_id, sizeof was.store_id);
    assert_true(restored.is.incarnation > was.incarnation && restored.is.turn == 1);
    assert_int_equal(ordo_identity_epoch(&restored.is, 0), ordo_identity_epoch(&was, 0) + 1);
    assert_int_equal(ordo_identity_epoch(&restored.is, 1023), ordo_identity_epoch(&was, 1023) + 1);
    struct ordo_folder folder;
    assert_int_equal(ordo_folder_open(&folder, into, &fixture->problem), ORDO_OK);
    assert_string_equal(folder.note.text, "");
    assert_memory_equal(folder.identity.store_id, restored.is.store_id, sizeof was.store_id);
    ordo_folder_finish(&folder);
    assert_int_equal(ordo_folder_open(&folder, target, &fixture->problem), ORDO_ERR_INVALID); /* never served from */
    ordo_folder_finish(&folder);
}

static void process_that_stops_gives_its_backup_up(void **state) {
    struct fixture *fixture = *state;
    static struct served served;
    char target[PATH_MAX], checkpoint[PATH_MAX];
    scratch_join(target, fixture->root, "backup");
    scratch_join(checkpoint, fixture->path, "checkpoint");
    serve(fixture, &served);
    struct ordo_backup_request request = {.id = 1, .path = ordo_slice_of(target), .rate = 1024}, other = {.id = 2};
    struct ordo_backup_status status;
    ordo_backup_ask(served.backup, &request, &status);
    assert_int_equal(status.state, ORDO_BACKUP_RUNNING);
    ordo_backup_ask(served.backup, &other, &status);
    assert_int_equal(status.state, ORDO_BACKUP_BUSY);
    stop(&served);
    assert_false(scratch_is_folder(target) || scratch_is_folder(checkpoint));
}

static void store_is_held_until_it_is_released(void **state) {
    struct fixture *fixture = *state;
    static struct served served;
    char checkpoint[PATH_MAX], target[PATH_MAX];
    scratch_join(checkpoint, fixture->path, "checkpoint");
    scratch_join(target, fixture->root, "backup");
    serve(fixture, &served);
    struct ordo_backup_request request = {.id = 1, .is_hold = true}, other = {.id = 2, .path = ordo_slice_of(target)};
    struct ordo_backup_status status;
    assert_int_equal(wait_for(&served, &request).state, ORDO_BACKUP_HELD);
    assert_true(scratch_is_folder(checkpoint));
    ordo_backup_ask(served.backup, &other, &status);
    assert_int_equal(status.state, ORDO_BACKUP_BUSY);

    put_document(served.folder.store, 2); /* what comes later is not in it */
    struct ordo_store *held = NULL;
    struct ordo_buffer value = {0};
    struct ordo_turn_row turn;
    assert_int_equal(ordo_store_rocksdb_open(checkpoint, ORDO_ROCKSDB_READONLY, &fixture->problem, &held), ORDO_OK);
    struct ordo_view *view = held->ops->view_open(held);
    assert_int_equal(view->ops->get(view, ORDO_CF_META, ordo_key_turn, &value), ORDO_OK);
    assert_int_equal(ordo_turn_row_decode(ordo_buffer_slice(&value), &turn), ORDO_OK);
    assert_int_equal(turn.turn, 1);
    held->ops->view_close(view);
    held->ops->close(held);
    ordo_buffer_finish(&value);

    request.is_release = true;
    do ordo_backup_ask(served.backup, &request, &status);
    while (status.state == ORDO_BACKUP_HELD);
    assert_int_equal(status.state, ORDO_BACKUP_DONE);
    assert_false(scratch_is_folder(checkpoint));
    assert_int_equal(wait_for(&served, &other).state, ORDO_BACKUP_DONE);
    stop(&served);
}

static void relineage_writes_a_row_for_each_document_up_to_its_head(void **state) {
    (void)state;
    struct ordo_store *store = ordo_store_memory_create(1);
    struct ordo_buffer doc_key = {0}, from = {0}, value = {0};
    struct ordo_batch batch = {0};
    struct ordo_doc_row row;
    put_document(store, 1); /* it has no row yet */
    ordo_buffer_append_u8(&from, 0);
    struct ordo_view *view = store->ops->view_open(store);
    assert_int_equal(ordo_relineage_next(view, ordo_buffer_slice(&from), &doc_key), ORDO_OK);
    assert_int_equal(ordo_relineage_document(view, ordo_buffer_slice(&doc_key), 5, &batch), ORDO_OK);
    ordo_key_doc_end(&from, ordo_buffer_slice(&doc_key));
    struct ordo_buffer none = {0};
    assert_int_equal(ordo_relineage_next(view, ordo_buffer_slice(&from), &none), ORDO_ERR_NOT_FOUND);
    store->ops->view_close(view);
    assert_int_equal(store->ops->write(store, &batch, true), ORDO_OK);
    view = store->ops->view_open(store);
    assert_int_equal(view->ops->get(view, ORDO_CF_DOCS, ordo_buffer_slice(&doc_key), &value), ORDO_OK);
    assert_int_equal(ordo_doc_row_decode(ordo_buffer_slice(&doc_key), ordo_buffer_slice(&value), &row), ORDO_OK);
    assert_true(row.head == 1 && row.relineage.seq == 1 && row.relineage.lineage == 5);
    store->ops->view_close(view);
    store->ops->close(store);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&doc_key);
    ordo_buffer_finish(&none);
    ordo_buffer_finish(&from);
    ordo_buffer_finish(&value);
}

/* One document that nobody can open is no reason to lose all others. */
static void a_document_that_cannot_be_read_keeps_what_it_has(void **state) {
    (void)state;
    struct ordo_store *store = ordo_store_memory_create(1);
    struct ordo_problem problem = {{0}};
    struct ordo_buffer bad = {0}, value = {0};
    struct ordo_batch batch = {0};
    uint64_t count;
    put_document(store, 1);
    ordo_key_doc(&bad, ordo_slice_of("c"), ordo_slice_of("bad"));
    ordo_batch_put(&batch, ORDO_CF_DOCS, ordo_buffer_slice(&bad), ordo_slice_of("no row"));
    assert_int_equal(store->ops->write(store, &batch, true), ORDO_OK);
    assert_int_equal(ordo_lineages_renew(store, ordo_slice(NULL, 0), ordo_slice(NULL, 0), &count, &problem), ORDO_OK);
    assert_int_equal(count, 1);
    struct ordo_view *view = store->ops->view_open(store);
    assert_int_equal(view->ops->get(view, ORDO_CF_DOCS, ordo_buffer_slice(&bad), &value), ORDO_OK);
    assert_true(ordo_slice_equal(ordo_buffer_slice(&value), ordo_slice_of("no row")));
    store->ops->view_close(view);
    store->ops->close(store);
    ordo_batch_finish(&batch);
    ordo_buffer_finish(&bad);
    ordo_buffer_finish(&value);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(list_reads_back_and_damage_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(list_that_leads_out_of_its_folder_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tables_are_the_same_only_with_equal_sizes_and_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(copy_stops_when_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(backup_of_a_store_is_restored_as_another_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(process_that_stops_gives_its_backup_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(store_is_held_until_it_is_released, set_up, tear_down),
        cmocka_unit_test(relineage_writes_a_row_for_each_document_up_to_its_head),
        cmocka_unit_test(a_document_that_cannot_be_read_keeps_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
