#include "shard/low_water.h"

#include "common/hash.h"
#include "common/files.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    SYNCED_COUNT = 2, /* records; behind them the one that is not */
    RECORD_DISTANCE = 4096,
    FILE_SIZE = (SYNCED_COUNT + 1) * RECORD_DISTANCE,
};
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

static bool record_at(const struct ordo_buffer *bytes, size_t index, struct record *out) {
    size_t offset = index * RECORD_DISTANCE;
    return bytes->size > offset && record_decode(ordo_slice(bytes->data + offset, bytes->size - offset), out);
}

/* The newest that was synced; `noted_turn` may be NULL, and gets 0 where nothing was noted since the file is there. */
static ordo_err read_newest(const char *path, struct record *newest, uint64_t *noted_turn) {
    struct ordo_buffer bytes = {0};
    struct record record;
    ordo_err err = ordo_file_read(path, &bytes);
    bool found = false;
    for (size_t i = 0; !err && i < SYNCED_COUNT; i++) {
        if (!record_at(&bytes, i, &record) || (found && record.serial < newest->serial)) continue;
        *newest = record;
        found = true;
    }
    if (noted_turn != NULL) *noted_turn = !err && record_at(&bytes, SYNCED_COUNT, &record) ? record.turn : 0;
    ordo_buffer_finish(&bytes);
    if (err) return err;
    return found ? ORDO_OK : ORDO_ERR_CORRUPT;
}

ordo_err ordo_low_water_read(const char *path, uint64_t *turn_out) {
    struct record newest;
    uint64_t noted_turn;
    ordo_err err = read_newest(path, &newest, &noted_turn);
    if (!err) *turn_out = noted_turn > newest.turn ? noted_turn : newest.turn;
    return err;
}

ordo_err ordo_low_water_read_manifest(const char *path, struct ordo_manifest_mark *out) {
    struct record newest;
    ordo_err err = read_newest(path, &newest, NULL);
    if (!err) *out = newest.manifest;
    return err;
}

ordo_err ordo_low_water_open(struct ordo_low_water *mark, const char *path, uint64_t turn) {
    struct record newest = {0};
    ordo_err err = read_newest(path, &newest, NULL);
    if (err == ORDO_ERR_IO) return err;
    bool is_new = err != ORDO_OK;
    mark->serial = newest.serial;
    mark->manifest = newest.manifest;
    mark->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (mark->fd < 0) return ordo_file_error();
    if (!is_new) return ORDO_OK;
    err = ORDO_OK;
    if (ftruncate(mark->fd, FILE_SIZE) != 0) err = ordo_file_error();
    if (!err) err = ordo_low_water_note(mark, turn); /* all three, so that later writes find their place on the disk */
    if (!err) err = ordo_low_water_write(mark, turn);
    if (!err) err = ordo_low_water_write(mark, turn);
    if (!err) err = ordo_folder_sync_parent(path);
    if (err) ordo_low_water_close(mark);
    return err;
}

static ordo_err write_record(int fd, const struct record *record, uint64_t index) {
    struct ordo_buffer bytes = {0};
    record_encode(record, &bytes);
    ssize_t written = pwrite(fd, bytes.data, bytes.size, (off_t)index * RECORD_DISTANCE);
    ordo_err err = written == (ssize_t)bytes.size ? ORDO_OK : ordo_file_error();
    ordo_buffer_finish(&bytes);
    return err;
}

ordo_err ordo_low_water_write(struct ordo_low_water *mark, uint64_t turn) {
    struct record record = {.serial = mark->serial + 1, .turn = turn, .manifest = mark->manifest};
    ordo_err err = write_record(mark->fd, &record, record.serial % SYNCED_COUNT);
    if (!err && fdatasync(mark->fd) != 0) err = ordo_file_error();
    if (!err) mark->serial = record.serial;
    return err;
}

ordo_err ordo_low_water_note(const struct ordo_low_water *mark, uint64_t turn) {
    return write_record(mark->fd, &(struct record){.turn = turn}, SYNCED_COUNT);
}

void ordo_low_water_close(struct ordo_low_water *mark) {
    if (mark->fd >= 0) close(mark->fd);
    mark->fd = -1;
}
