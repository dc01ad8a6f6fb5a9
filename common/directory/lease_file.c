#include "common/directory/lease_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/files.h"
#include "common/clock.h"
#include "common/hash.h"
#include "common/random.h"

enum { BOOT_SIZE = 36, RECORD_SIZE = BOOT_SIZE + 8 + 8 }; /* boot id, holds until, XXH3 of both */

/* ---- the record */

/* Which run of the machine this is; all "?" where that cannot be read, and then only the clock decides. */
static void read_boot_id(uint8_t out[BOOT_SIZE]) {
    memset(out, '?', BOOT_SIZE);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    uint8_t text[BOOT_SIZE];
    if (fd >= 0 && read(fd, text, sizeof text) == sizeof text) memcpy(out, text, sizeof text);
    if (fd >= 0) close(fd);
}

static bool write_record(int fd, uint64_t until_ms) {
    uint8_t boot[BOOT_SIZE];
    struct ordo_buffer record = {0};
    read_boot_id(boot);
    ordo_buffer_append(&record, boot, BOOT_SIZE);
    ordo_buffer_append_u64_le(&record, until_ms);
    ordo_buffer_append_u64_le(&record, ordo_hash(ordo_buffer_slice(&record)));
    bool is_written = pwrite(fd, record.data, record.size, 0) == (ssize_t)record.size;
    ordo_buffer_finish(&record);
    return is_written;
}

/* False: this is no record, or one that is being written at this moment. */
static bool decode_record(struct ordo_slice bytes, uint8_t boot[BOOT_SIZE], uint64_t *until_ms) {
    struct ordo_reader reader = ordo_reader(bytes);
    struct ordo_slice text;
    uint64_t hash;
    if (!ordo_take_bytes(&reader, BOOT_SIZE, &text) || !ordo_take_u64_le(&reader, until_ms) ||
        !ordo_take_u64_le(&reader, &hash)) {
        return false;
    }
    memcpy(boot, text.data, BOOT_SIZE);
    return hash == ordo_hash(ordo_slice(bytes.data, BOOT_SIZE + 8));
}

static bool holds(int fd) {
    uint8_t bytes[RECORD_SIZE], boot[BOOT_SIZE], this_boot[BOOT_SIZE];
    uint64_t until_ms;
    bool reads = false;
    for (int tries = 0; !reads && tries < 10; tries++) { /* the holder may be writing */
        if (tries > 0) ordo_clock_sleep_ms(1);
        ssize_t size = pread(fd, bytes, sizeof bytes, 0);
        reads = size == (ssize_t)sizeof bytes && decode_record(ordo_slice(bytes, sizeof bytes), boot, &until_ms);
    }
    if (!reads) return false; /* a crash of the machine left half of it */
    read_boot_id(this_boot);
    uint64_t now_ms = ordo_clock_boot_ms();
    return memcmp(boot, this_boot, BOOT_SIZE) == 0 && until_ms > now_ms && until_ms - now_ms <= ORDO_LEASE_TTL_MAX_MS;
}

/* ---- holding one */

static bool path_of(char out[PATH_MAX], const char *folder, uint64_t number, const char *end) {
    return snprintf(out, PATH_MAX, "%s/%016" PRIx64 "%s", folder, number, end) < PATH_MAX;
}

static void forget(struct ordo_lease_file *lease) {
    if (lease->fd >= 0) close(lease->fd);
    *lease = (struct ordo_lease_file){.fd = -1};
}

/* Written under another name first: a lease that is seen holds. */
ordo_err ordo_lease_take(struct ordo_lease_file *lease, const char *folder, uint32_t ttl_ms) {
    char temporary[PATH_MAX];
    *lease = (struct ordo_lease_file){.fd = -1, .number = ordo_random_u64() | 1, .ttl_ms = ttl_ms};
    if (!path_of(lease->path, folder, lease->number, "") || !path_of(temporary, folder, lease->number, ".new")) {
        return ORDO_ERR_IO;
    }
    if (mkdir(folder, 0755) != 0 && errno != EEXIST) return ordo_file_error();
    lease->fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (lease->fd >= 0 && write_record(lease->fd, ordo_clock_boot_ms() + ttl_ms) && rename(temporary, lease->path) == 0)
        return ORDO_OK;
    ordo_err err = ordo_file_error();
    if (lease->fd >= 0) unlink(temporary);
    forget(lease);
    return err;
}

bool ordo_lease_is_held(const struct ordo_lease_file *lease) {
    struct stat status;
    return lease->fd >= 0 && fstat(lease->fd, &status) == 0 && status.st_nlink > 0;
}

bool ordo_lease_renew(struct ordo_lease_file *lease) {
    if (lease->fd < 0) return false;
    (void)write_record(lease->fd, ordo_clock_boot_ms() + lease->ttl_ms); /* where that fails it lapses, as it should */
    if (ordo_lease_is_held(lease)) return true;
    forget(lease);
    return false;
}

void ordo_lease_give_up(struct ordo_lease_file *lease) {
    if (lease->fd >= 0) unlink(lease->path);
    forget(lease);
}

/* ---- those of others */

bool ordo_lease_is_over(const char *folder, uint64_t number) {
    char path[PATH_MAX];
    if (!path_of(path, folder, number, "")) return true;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT; /* not for want of descriptors */
    bool is_over = !holds(fd);
    close(fd);
    return is_over;
}

void ordo_lease_end(const char *folder, uint64_t number) {
    char path[PATH_MAX];
    if (path_of(path, folder, number, "")) unlink(path);
}

static void end_if_lapsed(const char *folder, const char *name) {
    char *end, path[PATH_MAX];
    uint64_t number = strtoull(name, &end, 16);
    if (end != name + 16) return;
    if (strcmp(end, ".new") == 0 && path_of(path, folder, number, ".new")) unlink(path);
    if (*end == '\0' && ordo_lease_is_over(folder, number)) ordo_lease_end(folder, number);
}

void ordo_lease_end_lapsed(const char *folder) {
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;)
        end_if_lapsed(folder, entry->d_name);
    if (entries != NULL) closedir(entries);
}
