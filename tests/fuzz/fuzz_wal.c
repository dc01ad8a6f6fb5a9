/* Log files of any records, cut anywhere or with one byte changed: a cut is a torn tail and loses whole records only; a
 * change is never taken for a whole file, and anywhere before the last record it is damage. And any bytes at all are
 * read within their bounds. */
#include "common/assert.h"
#include "tests/unit/wal_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS_MAX = 24, RECORD_SIZE_MAX = 70000 };

static void scan_and_forget(struct ordo_slice file) {
    struct ordo_wal_scan scan;
    ordo_wal_scan(&scan, file, ordo_slice_of("turn"));
    ORDO_ASSERT(scan.good_size <= file.size);
    ordo_wal_scan_finish(&scan);
}

/* Builds a file from the script; returns where each record ends. */
static size_t build(struct ordo_reader *script, struct ordo_buffer *file, size_t ends[RECORDS_MAX]) {
    static uint8_t bytes[RECORD_SIZE_MAX];
    size_t count = 0;
    uint8_t kind;
    uint16_t size;
    while (count < RECORDS_MAX && ordo_take_u8(script, &kind) && ordo_take_u16_be(script, &size)) {
        if (kind == 0) break;
        memset(bytes, kind, sizeof bytes);
        wal_append_put(file, 100 + count, kind % 2 ? "turn" : "other", ordo_slice(bytes, kind < 32 ? size + 3000 : size % 200));
        ends[count++] = file->size;
    }
    return count;
}

static void check_cut(struct ordo_slice file, const size_t *ends, size_t count, size_t at) {
    struct ordo_wal_scan scan;
    ordo_wal_scan(&scan, ordo_slice(file.data, at), ordo_slice_of("turn"));
    size_t whole = 0;
    while (whole < count && ends[whole] <= at) whole++;
    ORDO_ASSERT(scan.record_count == whole && !scan.has_records_behind);
    ordo_wal_scan_finish(&scan);
}

static void check_change(struct ordo_buffer *file, const size_t *ends, size_t count, size_t at, uint8_t change) {
    struct ordo_wal_scan scan;
    file->data[at] ^= change;
    ordo_wal_scan(&scan, ordo_buffer_slice(file), ordo_slice_of("turn"));
    bool is_filling = scan.record_count == count; /* the zeros that fill a block belong to nobody */
    bool is_in_last = count < 2 || at >= ends[count - 2];
    ORDO_ASSERT(is_filling || is_in_last || scan.has_records_behind);
    ORDO_ASSERT(is_filling || scan.good_size <= at || is_in_last);
    ordo_wal_scan_finish(&scan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    scan_and_forget(ordo_slice(data, size));
    struct ordo_reader script = ordo_reader(ordo_slice(data, size));
    struct ordo_buffer file = {0};
    size_t ends[RECORDS_MAX];
    size_t count = build(&script, &file, ends);
    uint64_t at;
    uint8_t change;
    if (count > 0 && ordo_take_varint(&script, &at) && ordo_take_u8(&script, &change)) {
        check_cut(ordo_buffer_slice(&file), ends, count, (size_t)(at % file.size));
        if (change != 0) check_change(&file, ends, count, (size_t)(at % file.size), change);
    }
    ordo_buffer_finish(&file);
    return 0;
}
