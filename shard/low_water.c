#include "shard/low_water.h"

#include "common/hash.h"
#include "common/files.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { RECORD_COUNT = 2, RECORD_DISTANCE = 4096, FILE_SIZE = RECORD_COUNT * RECORD_DISTANCE };
#define MAGIC UINT64_C(0x326b72616d6f6472) /* "rdomark2" */

struct record {
    uint64_t serial, turn;
    struct ordo_manifest_mark manifest;
};

static void record_encode(const struct record *record, struct ordo_buffer *out) {
    size_t start = out->size;
    ordo_buffer_append_u64_le(out, MAGIC);
    ordo_buffer_append_u64_le(out, record->serial);
    ordo_buffer_append_u64_le(out, record->turn);
    ordo_buffer_append_u64_le(out, record->manifest.number);
    ordo_buffer_append_u64_le(out, record->manifest.size);
    ordo_buffer_append_u64_le(out, ordo_hash(ordo_slice(out->data + start, out->size - start)));
}

static bool record_decode(struct ordo_slice bytes, struct record *out) {
    struct ordo_reader reader = ordo_reader(bytes);
    uint64_t magic, hash;
    if (!ordo_take_u64_le(&reader, &magic) || !ordo_take_u64_le(&reader, &out->serial) ||
        !ordo_take_u64_le(&reader, &out->turn) || !ordo_take_u64_le(&reader, &out->manifest.number) ||
        !ordo_take_u64_le(&reader, &out->manifest.size)) {
        return false;
    }
    struct ordo_slice covered = ordo_slice(bytes.data, (size_t)(reader.next - bytes.data));
    return ordo_take_u64_le(&reader, &hash) && magic == MAGIC && hash == ordo_hash(covered);
}

static ordo_err read_newest(const char *path, struct record *newest) {
    struct ordo_buffer bytes = {0};
    ordo_err err = ordo_file_read(path, &bytes);
    bool found = false;
    for (size_t i = 0; !err && i < RECORD_COUNT && bytes.size > i * RECORD_DISTANCE; i++) {
        struct record record;
        struct ordo_slice slice = ordo_slice(bytes.data + i * RECORD_DISTANCE, bytes.size - i * RECORD_DISTANCE);
        if (!record_decode(slice, &record) || (found && record.serial < newest->serial)) continue;
        *newest = record;
        found = true;
    }
    ordo_buffer_finish(&bytes);
    if (err) return err;
    return found ? ORDO_OK : ORDO_ERR_CORRUPT;
}

ordo_err ordo_low_water_read(const char *path, uint64_t *turn_out) {
    struct record newest;
    ordo_err err = read_newest(path, &newest);
    if (!err) *turn_out = newest.turn;
    return err;
}

ordo_err ordo_low_water_read_manifest(const char *path, struct ordo_manifest_mark *out) {
    struct record newest;
    ordo_err err = read_newest(path, &newest);
    if (!err) *out = newest.manifest;
    return err;
}

ordo_err ordo_low_water_open(struct ordo_low_water *mark, const char *path, uint64_t turn) {
    struct record newest = {0};
    ordo_err err = read_newest(path, &newest);
    if (err == ORDO_ERR_IO) return err;
    bool is_new = err != ORDO_OK;
    mark->serial = newest.serial;
    mark->manifest = newest.manifest;
    mark->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (mark->fd < 0) return ordo_file_error();
    if (!is_new) return ORDO_OK;
    err = ORDO_OK;
    if (ftruncate(mark->fd, FILE_SIZE) != 0) err = ordo_file_error();
    if (!err) err = ordo_low_water_write(mark, turn); /* both, so that later writes find their place on the disk */
    if (!err) err = ordo_low_water_write(mark, turn);
    if (!err) err = ordo_folder_sync_parent(path);
    if (err) ordo_low_water_close(mark);
    return err;
}

ordo_err ordo_low_water_write(struct ordo_low_water *mark, uint64_t turn) {
    struct record record = {.serial = mark->serial + 1, .turn = turn, .manifest = mark->manifest};
    struct ordo_buffer bytes = {0};
    record_encode(&record, &bytes);
    off_t offset = (off_t)(record.serial % RECORD_COUNT) * RECORD_DISTANCE;
    ssize_t written = pwrite(mark->fd, bytes.data, bytes.size, offset);
    ordo_err err = written == (ssize_t)bytes.size && fdatasync(mark->fd) == 0 ? ORDO_OK : ordo_file_error();
    if (!err) mark->serial = record.serial;
    ordo_buffer_finish(&bytes);
    return err;
}

void ordo_low_water_close(struct ordo_low_water *mark) {
    if (mark->fd >= 0) close(mark->fd);
    mark->fd = -1;
}
