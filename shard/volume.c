#define _GNU_SOURCE /* strverscmp */
#include "shard/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/files.h"

#define FIRST_RETRY_MS 10000u
#define LAST_RETRY_MS (10u * 60 * 1000)

static bool join(char out[PATH_MAX], const char *path, const char *end) {
    int size = snprintf(out, PATH_MAX, "%s%s", path, end);
    return size >= 0 && size < PATH_MAX;
}

static bool exists(const char *path, const char *end) {
    char whole[PATH_MAX];
    return join(whole, path, end) && access(whole, F_OK) == 0;
}

/* A lock is asked about by taking it for a moment. Who wants the store just then finds it held, and looks again. */
static bool is_held(const char *store_path) {
    char path[PATH_MAX];
    if (!join(path, store_path, "/lock")) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool held = flock(fd, LOCK_EX | LOCK_NB) != 0;
    close(fd);
    return held;
}

static uint64_t retry_delay_ms(uint32_t failure_count) {
    if (failure_count <= 1) return 0;
    uint32_t doublings = failure_count - 2;
    if (doublings > 6) return LAST_RETRY_MS;
    uint64_t delay_ms = (uint64_t)FIRST_RETRY_MS << doublings;
    return delay_ms < LAST_RETRY_MS ? delay_ms : LAST_RETRY_MS;
}

/* "COUNT WALL_MS REASON". What does not read was a failure, too. */
static void read_failure(struct ordo_volume_store *store) {
    char path[PATH_MAX];
    struct ordo_buffer text = {0};
    store->failure_count = 0;
    store->failed_wall_ms = store->retry_wall_ms = 0;
    store->reason[0] = '\0';
    if (!join(path, store->path, "/failed") || ordo_file_read(path, &text)) return;
    ordo_buffer_append(&text, "", 1);
    unsigned count = 1;
    unsigned long long wall_ms = 0;
    int reason = 0;
    if (sscanf((const char *)text.data, "%u %llu %n", &count, &wall_ms, &reason) == 2)
        snprintf(store->reason, sizeof store->reason, "%.*s", (int)strcspn((const char *)text.data + reason, "\n"),
                 (const char *)text.data + reason);
    store->failure_count = count > 0 ? count : 1;
    store->failed_wall_ms = wall_ms;
    store->retry_wall_ms = wall_ms + retry_delay_ms(store->failure_count);
    ordo_buffer_finish(&text);
}

void ordo_volume_look(struct ordo_volume_store *store, const char *path) {
    snprintf(store->path, sizeof store->path, "%s", path);
    const char *slash = strrchr(store->path, '/');
    store->name = slash != NULL ? slash + 1 : store->path;
    store->is_held = is_held(path);
    read_failure(store);
}

static int compare(const void *a, const void *b) {
    const struct ordo_volume_store *x = a, *y = b;
    if ((x->failure_count == 0) != (y->failure_count == 0)) return x->failure_count == 0 ? -1 : 1;
    return strverscmp(x->path, y->path); /* shard-2 before shard-10 */
}

/* Also one whose database is gone: it is to be missed, not passed over. */
static bool is_store(const char *path) { return exists(path, "/db") || exists(path, "/low-water"); }

static bool is_name(const char *name) {
    size_t size = strlen(name);
    return name[0] != '.' && !(size > 4 && strcmp(name + size - 4, ".new") == 0);
}

struct ordo_volume_store *ordo_volume_list(const char *path, size_t *count_out, struct ordo_problem *problem) {
    struct ordo_volume_store *stores = NULL;
    size_t count = 0, capacity = 0;
    DIR *folder = opendir(path);
    *count_out = 0;
    if (folder == NULL) {
        ordo_problem_set(problem, "The volume %s cannot be read: %s.", path, strerror(errno));
        return NULL;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL && count < ORDO_VOLUME_STORES_MAX;) {
        char store_path[PATH_MAX];
        if (!is_name(entry->d_name)) continue;
        int size = snprintf(store_path, sizeof store_path, "%s/%s", path, entry->d_name);
        if (size >= PATH_MAX || !is_store(store_path)) continue;
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 8;
            stores = ordo_realloc(stores, capacity * sizeof *stores);
        }
        ordo_volume_look(&stores[count++], store_path);
    }
    closedir(folder);
    if (count > 0) qsort(stores, count, sizeof *stores, compare);
    for (size_t i = 0; i < count; i++) { /* they have moved */
        const char *slash = strrchr(stores[i].path, '/');
        stores[i].name = slash + 1;
    }
    *count_out = count;
    return stores;
}

bool ordo_volume_free_name(const char *path, uint32_t *number, char out[PATH_MAX]) {
    for (;; ++*number) {
        int size = *number <= 1 ? snprintf(out, PATH_MAX, "%s/shard", path)
                                : snprintf(out, PATH_MAX, "%s/shard-%u", path, *number);
        if (size < 0 || size >= PATH_MAX) return false;
        if (access(out, F_OK) != 0) break;
    }
    ++*number;
    return true;
}

/* Replaces STORE/NAME by one line. That it cannot be written (the disk is full, say) is bad luck: the store is tried again
 * sooner. */
static void write_note(const char *store_path, const char *name, const char *line) {
    char path[PATH_MAX], temporary[PATH_MAX];
    if (!join(path, store_path, name) || !join(temporary, path, ".new")) return;
    ordo_err err = ordo_file_replace(path, temporary, ordo_slice_of(line));
    (void)err;
}

void ordo_volume_note_failure(const char *store_path, uint64_t wall_ms, const char *reason) {
    struct ordo_volume_store store;
    char line[400];
    snprintf(store.path, sizeof store.path, "%s", store_path);
    read_failure(&store);
    snprintf(line, sizeof line, "%u %llu %.300s\n", store.failure_count + 1, (unsigned long long)wall_ms, reason);
    write_note(store_path, "/failed", line);
}

void ordo_volume_forget_failure(const char *store_path) {
    char path[PATH_MAX];
    if (join(path, store_path, "/failed")) unlink(path);
}

void ordo_volume_refuse(const char *store_path, const char *reason) {
    char line[400];
    snprintf(line, sizeof line, "%.380s\n", reason);
    write_note(store_path, "/refused", line);
}

bool ordo_volume_is_refused(const char *store_path) { return exists(store_path, "/refused"); }

void ordo_volume_let_in(const char *store_path) {
    char path[PATH_MAX];
    if (join(path, store_path, "/refused")) unlink(path);
}
