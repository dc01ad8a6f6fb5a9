#include "shard/backup_files.h"

#include "common/clock.h"
#include "common/hash.h"
#include "common/memory.h"
#include "common/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIST_BEGIN "ordo backup files 1\n"
/* What is hashed and written at once, and how much may wait for the disk: a commit's sync must not stand behind more. */
enum { CHUNK_SIZE = 256 * 1024, UNSYNCED_SIZE_MAX = 2 * 1024 * 1024 };
enum { TABLE_END_SIZE = 4096 };

/* ---- the list */

void ordo_backup_list_finish(struct ordo_backup_list *list) {
    free(list->items);
    *list = (struct ordo_backup_list){0};
}

void ordo_backup_list_add(struct ordo_backup_list *list, const char *name, uint64_t size, uint64_t hash) {
    if (list->count == list->capacity) {
        list->capacity = list->capacity > 0 ? 2 * list->capacity : 64;
        list->items = ordo_realloc(list->items, list->capacity * sizeof *list->items);
    }
    struct ordo_backup_file *file = &list->items[list->count++];
    *file = (struct ordo_backup_file){.size = size, .hash = hash};
    snprintf(file->name, sizeof file->name, "%s", name);
}

const struct ordo_backup_file *ordo_backup_list_find(const struct ordo_backup_list *list, const char *name) {
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].name, name) == 0) return &list->items[i];
    }
    return NULL;
}

/* False, with a sentence: the name does not fit. */
static bool list_path(char out[PATH_MAX], const char *path, const char *end, struct ordo_problem *problem) {
    int size = snprintf(out, PATH_MAX, "%s/" ORDO_BACKUP_LIST_NAME "%s", path, end);
    if (size < PATH_MAX) return true;
    ordo_problem_set(problem, "The path of a backup is too long.");
    return false;
}

ordo_err ordo_backup_list_write(const struct ordo_backup_list *list, const char *path, struct ordo_problem *problem) {
    char name[PATH_MAX], temporary[PATH_MAX];
    if (!list_path(name, path, "", problem) || !list_path(temporary, path, ".new", problem)) return ORDO_ERR_IO;
    struct ordo_buffer text = {0};
    char line[NAME_MAX + 64];
    ordo_buffer_append_slice(&text, ordo_slice_of(LIST_BEGIN));
    for (size_t i = 0; i < list->count; i++) {
        const struct ordo_backup_file *file = &list->items[i];
        snprintf(line, sizeof line, "%016" PRIx64 " %" PRIu64 " %s\n", file->hash, file->size, file->name);
        ordo_buffer_append_slice(&text, ordo_slice_of(line));
    }
    snprintf(line, sizeof line, "end %016" PRIx64 "\n", ordo_hash(ordo_buffer_slice(&text)));
    ordo_buffer_append_slice(&text, ordo_slice_of(line));
    ordo_err err = ordo_file_replace(name, temporary, ordo_buffer_slice(&text));
    if (err) ordo_problem_set(problem, "The file %s cannot be written: %s.", name, strerror(errno));
    ordo_buffer_finish(&text);
    return err;
}

/* Names come from a file that anybody may have written: none leads out of the folder. */
static bool name_is_inside(const char *name) { return name[0] != '/' && strstr(name, "..") == NULL; }

/* `text` ends with NUL and is cut into lines. */
static bool parse_list(struct ordo_backup_list *list, char *text) {
    char *end = strstr(text, "\nend ");
    if (end == NULL || strncmp(text, LIST_BEGIN, strlen(LIST_BEGIN)) != 0) return false;
    uint64_t sum;
    end++;
    if (sscanf(end, "end %16" SCNx64 "\n", &sum) != 1) return false;
    if (sum != ordo_hash(ordo_slice(text, (size_t)(end - text)))) return false;
    for (char *line = text + strlen(LIST_BEGIN), *next; line < end; line = next) {
        char name[NAME_MAX + 1];
        uint64_t hash, size;
        next = strchr(line, '\n') + 1;
        if (sscanf(line, "%16" SCNx64 " %" SCNu64 " %255[^\n]", &hash, &size, name) != 3) return false;
        if (!name_is_inside(name)) return false;
        ordo_backup_list_add(list, name, size, hash);
    }
    return true;
}

ordo_err ordo_backup_list_read(struct ordo_backup_list *list, const char *path, struct ordo_problem *problem) {
    char name[PATH_MAX];
    struct ordo_buffer text = {0};
    if (!list_path(name, path, "", problem)) return ORDO_ERR_IO;
    ordo_err err = ordo_file_read(name, &text);
    if (err) {
        ordo_problem_set(problem, "The file %s cannot be read: %s.", name, strerror(errno));
    } else {
        ordo_buffer_append_u8(&text, '\0');
        if (!parse_list(list, (char *)text.data)) {
            ordo_problem_set(problem, "The list %s is damaged.", name);
            err = ORDO_ERR_CORRUPT;
        }
    }
    ordo_buffer_finish(&text);
    return err;
}

/* ---- bytes */

/* Reads until the chunk is full or the file ends; -1: see errno. */
static ssize_t read_chunk(int fd, uint8_t *chunk) {
    size_t size = 0;
    while (size < CHUNK_SIZE) {
        ssize_t more = read(fd, chunk + size, CHUNK_SIZE - size);
        if (more < 0 && errno == EINTR) continue;
        if (more < 0) return -1;
        if (more == 0) break;
        size += (size_t)more;
    }
    return (ssize_t)size;
}

static bool write_chunk(int fd, const uint8_t *chunk, size_t size) {
    while (size > 0) {
        ssize_t written = write(fd, chunk, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        chunk += written;
        size -= (size_t)written;
    }
    return true;
}

/* Sleeps as long as we are ahead of the rate. */
static void keep_pace(struct ordo_backup_pace *pace, size_t size) {
    if (pace->rate == 0) return;
    uint64_t now_ms = ordo_clock_monotonic_ms();
    if (pace->begun_ms == 0) pace->begun_ms = now_ms;
    pace->copied_size += size;
    uint64_t due_ms = pace->begun_ms + pace->copied_size * 1000 / pace->rate;
    if (due_ms > now_ms) ordo_clock_sleep_ms(due_ms - now_ms);
}

static ordo_err copy_bytes(int from, int to, struct ordo_backup_pace *pace, uint64_t *size_out, uint64_t *hash_out) {
    uint8_t *chunk = ordo_alloc(CHUNK_SIZE);
    uint64_t size = 0, hash = 0;
    size_t unsynced = 0;
    ordo_err err = ORDO_OK;
    for (ssize_t read_size; !err && (read_size = read_chunk(from, chunk)) != 0;) {
        if (read_size < 0 || !write_chunk(to, chunk, (size_t)read_size)) {
            err = ordo_file_error();
            break;
        }
        hash = ordo_hash_with(hash, ordo_slice(chunk, (size_t)read_size));
        size += (size_t)read_size;
        unsynced += (size_t)read_size;
        if (unsynced >= UNSYNCED_SIZE_MAX && fdatasync(to) != 0) err = ordo_file_error();
        if (unsynced >= UNSYNCED_SIZE_MAX) unsynced = 0;
        keep_pace(pace, (size_t)read_size);
        if (!err && pace->may_go_on != NULL && !pace->may_go_on(pace->context, (size_t)read_size)) err = ORDO_ERR_CLOSED;
    }
    if (!err && fsync(to) != 0) err = ordo_file_error();
    free(chunk);
    *size_out = size;
    *hash_out = hash;
    return err;
}

ordo_err ordo_backup_copy(const char *from, const char *to, struct ordo_backup_pace *pace, uint64_t *size_out,
                          uint64_t *hash_out, struct ordo_problem *problem) {
    int source = open(from, O_RDONLY | O_CLOEXEC);
    if (source < 0) {
        ordo_problem_set(problem, "The file %s cannot be opened: %s.", from, strerror(errno));
        return ordo_file_error();
    }
    int target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    ordo_err err = target >= 0 ? copy_bytes(source, target, pace, size_out, hash_out) : ordo_file_error();
    if (err == ORDO_ERR_CLOSED) ordo_problem_set(problem, "Nobody waits for it any more.");
    else if (err) ordo_problem_set(problem, "The file %s cannot be written: %s.", to, strerror(errno));
    close(source);
    if (target >= 0) close(target);
    return err;
}

static bool read_end(const char *path, uint8_t end[TABLE_END_SIZE], off_t *size_out, ssize_t *end_size_out) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0) return false;
    bool is_read = fstat(fd, &status) == 0;
    if (is_read) {
        off_t offset = status.st_size > TABLE_END_SIZE ? status.st_size - TABLE_END_SIZE : 0;
        *size_out = status.st_size;
        *end_size_out = pread(fd, end, TABLE_END_SIZE, offset);
        is_read = *end_size_out == status.st_size - offset;
    }
    close(fd);
    return is_read;
}

bool ordo_backup_is_same_table(const char *a, const char *b) {
    uint8_t end_a[TABLE_END_SIZE], end_b[TABLE_END_SIZE];
    off_t size_a, size_b;
    ssize_t end_size_a, end_size_b;
    return read_end(a, end_a, &size_a, &end_size_a) && read_end(b, end_b, &size_b, &end_size_b) &&
           size_a == size_b && end_size_a == end_size_b && memcmp(end_a, end_b, (size_t)end_size_a) == 0;
}

static ordo_err check_file(const char *path, const struct ordo_backup_file *file, struct ordo_problem *problem) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        ordo_problem_set(problem, "The file %s of the backup cannot be opened: %s.", path, strerror(errno));
        return ordo_file_error();
    }
    uint8_t *chunk = ordo_alloc(CHUNK_SIZE);
    uint64_t size = 0, hash = 0;
    ssize_t read_size;
    while ((read_size = read_chunk(fd, chunk)) > 0) {
        hash = ordo_hash_with(hash, ordo_slice(chunk, (size_t)read_size));
        size += (size_t)read_size;
    }
    free(chunk);
    close(fd);
    if (read_size == 0 && size == file->size && hash == file->hash) return ORDO_OK;
    ordo_problem_set(problem, "The file %s of the backup is damaged.", path);
    return ORDO_ERR_CORRUPT;
}

ordo_err ordo_backup_check(const char *path, const struct ordo_backup_list *list, struct ordo_problem *problem) {
    ordo_err err = ORDO_OK;
    for (size_t i = 0; i < list->count && !err; i++) {
        char name[PATH_MAX];
        int size = snprintf(name, sizeof name, "%s/%s", path, list->items[i].name);
        if (size >= (int)sizeof name) return ORDO_ERR_IO;
        err = check_file(name, &list->items[i], problem);
    }
    return err;
}
