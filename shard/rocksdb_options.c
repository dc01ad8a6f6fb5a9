#include "shard/rocksdb_impl.h"

#include "shard/core/key.h"

#define MIB ((size_t)1024 * 1024)
#define DELETION_WINDOW 1024 /* keys in a row */

/* Replaying the log runs at about 29 MB/s, and a start is to take less than a second: about 12 MB (a busy disk lets it pass
 * that for some writes). RocksDB begins to flush when the log exceeds `log_size_max` and writes on meanwhile; small buffers,
 * two per family, make a writer that outruns the flushes wait for them (seen: 9 MB at full speed; with buffers of 8 MiB,
 * three each, 14 MB). Each table in level 0 knows all documents in use, so merging a few means rewriting all of the level
 * below; eight at once instead of four spare a fifth of the shard's CPU under full load, and cost some disk and filters to
 * be asked. What else was tried stands in docs/storage.md, "Tuning". */
const struct ordo_rocksdb_tuning ordo_rocksdb_tuning = {
    .log_size_max = 6 * MIB,
    .buffer_size = 3 * MIB,
    .buffer_count = 2,
    .compression = ORDO_ROCKSDB_LZ4,
    .block_size = 4096,
    .cache_size = 8 * MIB,
    .filter_bits = 10,
    .level0_count = 8,
};

static bool has_prefixes(int family) {
    return family == ORDO_CF_OPS || family == ORDO_CF_SNAPSHOTS || family == ORDO_CF_CLIENTS || family == ORDO_CF_HISTORY;
}

static char *prefix_of(void *nobody, const char *key, size_t size, size_t *prefix_size) {
    (void)nobody;
    *prefix_size = ordo_key_document(ordo_slice(key, size)).size;
    return (char *)key;
}

static unsigned char has_prefix(void *nobody, const char *key, size_t size) {
    (void)nobody;
    struct ordo_key parsed;
    return ordo_key_parse(ordo_slice(key, size), &parsed);
}

static const char *prefix_name(void *nobody) {
    (void)nobody;
    return "ordo.document"; /* tables remember it: another rule needs another name */
}

static void destroy_nothing(void *nobody) { (void)nobody; }

static rocksdb_block_based_table_options_t *table_options(int family, const struct ordo_rocksdb_tuning *tuning,
                                                          rocksdb_cache_t *cache) {
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_block_based_options_set_block_size(table, tuning->block_size);
    rocksdb_block_based_options_set_format_version(table, 5);
    bool is_got = family == ORDO_CF_DOCS || family == ORDO_CF_CLIENTS;
    if (tuning->filter_bits > 0 && (is_got || has_prefixes(family))) {
        rocksdb_block_based_options_set_filter_policy(table, rocksdb_filterpolicy_create_bloom_full(tuning->filter_bits));
        rocksdb_block_based_options_set_whole_key_filtering(table, is_got);
    }
    return table;
}

static bool is_salvage(enum ordo_rocksdb_mode mode) {
    return mode == ORDO_ROCKSDB_SALVAGE || mode == ORDO_ROCKSDB_REBUILT;
}

/* What belongs to the database as a whole; the same string and calls go to every family, RocksDB takes the first's. */
static rocksdb_options_t *database_options(enum ordo_rocksdb_mode mode, const struct ordo_rocksdb_tuning *tuning,
                                           struct ordo_problem *problem) {
    /* The log files must be there, as long as they were when they were last synced; without this a missing one is
     * passed over silently. Only reachable as text. */
    rocksdb_options_t *plain = rocksdb_options_create();
    rocksdb_options_t *options = rocksdb_options_create();
    char *message = NULL;
    rocksdb_get_options_from_string(plain,
                                    is_salvage(mode) ? "strict_bytes_per_sync=true" /* the log files are not there */
                                                     : "track_and_verify_wals_in_manifest=true;strict_bytes_per_sync=true",
                                    options, &message);
    rocksdb_options_destroy(plain);
    if (message != NULL) {
        (void)rocksdb_fail(problem, "The database library does not know an option that we rely on", message);
        rocksdb_options_destroy(options);
        return NULL;
    }
    bool creates = mode == ORDO_ROCKSDB_CREATE, is_rebuilt = mode == ORDO_ROCKSDB_REBUILT;
    rocksdb_options_set_create_if_missing(options, creates);
    /* A rebuilt one has only the families of which there are tables. */
    rocksdb_options_set_create_missing_column_families(options, creates || is_rebuilt);
    rocksdb_options_set_error_if_exists(options, creates);
    rocksdb_options_set_paranoid_checks(options, !is_salvage(mode) && mode != ORDO_ROCKSDB_SALVAGE_LOG);
    if (is_rebuilt) rocksdb_options_set_disable_auto_compactions(options, 1);
    /* The default stops at the first bad record without a word. Folders are checked, and a torn tail is cut, before
     * they are opened for writing, so that this one refuses what it cannot read. */
    rocksdb_options_set_wal_recovery_mode(options, mode == ORDO_ROCKSDB_READONLY_TORN
                                                       ? rocksdb_skip_any_corrupted_records_recovery
                                                       : rocksdb_tolerate_corrupted_tail_records_recovery);
    rocksdb_options_set_recycle_log_file_num(options, 0); /* old records behind new ones would defeat the check */
    rocksdb_options_set_max_total_wal_size(options, tuning->log_size_max);
    rocksdb_options_set_allow_concurrent_memtable_write(options, 0); /* there is one writer */
    rocksdb_options_set_enable_write_thread_adaptive_yield(options, 0);
    rocksdb_options_set_bytes_per_sync(options, 1 * MIB); /* flushes must not pile up in front of a commit's sync */
    rocksdb_options_set_max_background_jobs(options, 2);
    rocksdb_options_set_max_open_files(options, 256);
    rocksdb_options_set_skip_stats_update_on_db_open(options, 1);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_stats_persist_period_sec(options, 0);
    /* Its LOG stays empty. As Debian builds it, RocksDB ends the process at the first line after one that could not be
     * written, and on a full disk that is the line that tells of the error which we would be told in the next moment. */
    rocksdb_options_set_info_log_level(options, 4 /* fatal */);
    rocksdb_options_set_keep_log_file_num(options, 1);
    return options;
}

static int compression_of(enum ordo_rocksdb_compression compression) {
    switch (compression) {
    case ORDO_ROCKSDB_PLAIN: return rocksdb_no_compression;
    case ORDO_ROCKSDB_LZ4: return rocksdb_lz4_compression;
    case ORDO_ROCKSDB_ZSTD: return rocksdb_zstd_compression;
    }
    return rocksdb_no_compression;
}

static void family_options(rocksdb_options_t *options, int family, const struct ordo_rocksdb_tuning *tuning,
                           rocksdb_cache_t *cache) {
    int compression[7] = {rocksdb_no_compression}; /* what was just flushed is soon compacted */
    for (int level = 1; level < 7; level++) compression[level] = compression_of(tuning->compression);
    bool is_small = family == ORDO_CF_META || family == ROCKSDB_FAMILY_DEFAULT;
    rocksdb_options_set_write_buffer_size(options, is_small ? MIB / 4 : tuning->buffer_size);
    rocksdb_options_set_max_write_buffer_number(options, tuning->buffer_count);
    rocksdb_options_set_compression_per_level(options, compression, 7);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    /* Truncation deletes runs one by one. Until a compaction comes by they take space, and whoever looks for the beginning
     * of a log steps over each: so a table of which much is deletions asks for one. */
    if (family == ORDO_CF_OPS) {
        rocksdb_options_add_compact_on_deletion_collector_factory(options, DELETION_WINDOW, DELETION_WINDOW / 2);
    }
    if (has_prefixes(family)) {
        rocksdb_slicetransform_t *prefix =
            rocksdb_slicetransform_create(NULL, destroy_nothing, prefix_of, has_prefix, NULL, prefix_name);
        rocksdb_options_set_prefix_extractor(options, prefix);
    }
    rocksdb_options_set_level0_file_num_compaction_trigger(options, tuning->level0_count);
    rocksdb_options_set_target_file_size_base(options, 16 * MIB);
    rocksdb_options_set_max_bytes_for_level_base(options, 64 * MIB);
    rocksdb_block_based_table_options_t *table = table_options(family, tuning, cache);
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
}

rocksdb_options_t *rocksdb_options_of(int family, enum ordo_rocksdb_mode mode, const struct ordo_rocksdb_tuning *tuning,
                                      rocksdb_cache_t *cache, struct ordo_problem *problem) {
    rocksdb_options_t *options = database_options(mode, tuning, problem);
    if (options != NULL) family_options(options, family, tuning, cache);
    return options;
}
