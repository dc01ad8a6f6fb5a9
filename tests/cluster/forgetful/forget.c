/* ordo-forget ROOT [--tail drop|random] [--seed N]: cuts the power.
 *
 * Run after the watched process was killed. ROOT then holds what a disk would: the folders as they were at their last
 * sync, in them the files with the bytes that their last sync covered. With `--tail random` a seeded choice lets some of
 * the rest survive, as a disk does that wrote a little more than it was asked to: of a file that had grown a prefix of
 * the new bytes, or as many zeros (blocks allocated, never written); of overwritten pages either version. The shadow is
 * used up: the next process begins a new one. Prints what was forgotten. */
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shadow.h"

static struct shadow shadow;
static bool keeps_some;
static uint64_t random_state;
static unsigned long files_kept, files_forgotten;
static unsigned long long bytes_forgotten;

static _Noreturn void die(const char *what, const char *path) {
    fprintf(stderr, "ordo-forget: %s %s: %s\n", what, path, strerror(errno));
    exit(1);
}

/* splitmix64 (Steele, Lea, Flood). */
static uint64_t next_random(void) {
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void join(char out[PATH_MAX], const char *a, const char *b, const char *c) {
    if (snprintf(out, PATH_MAX, "%s%s%s", a, b, c) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        die("path", a);
    }
}

struct bytes {
    char *data;
    size_t size;
};

/* NULL data: no such file. */
static struct bytes read_file(const char *path) {
    struct bytes bytes = {NULL, 0};
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return bytes;
    if (fstat(fd, &status) != 0) die("cannot read", path);
    bytes.data = malloc((size_t)status.st_size + 1);
    while (bytes.size < (size_t)status.st_size) {
        ssize_t size = read(fd, bytes.data + bytes.size, (size_t)status.st_size - bytes.size);
        if (size <= 0) die("cannot read", path);
        bytes.size += (size_t)size;
    }
    close(fd);
    return bytes;
}

static void write_file(const char *path, struct bytes bytes, mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) die("cannot write", path);
    for (size_t done = 0; done < bytes.size;) {
        ssize_t size = write(fd, bytes.data + done, bytes.size - done);
        if (size <= 0) die("cannot write", path);
        done += (size_t)size;
    }
    close(fd);
}

/* ---- where an inode is in ROOT now, for what may survive of it */

struct place {
    char key[SHADOW_KEY_SIZE];
    char path[PATH_MAX];
    mode_t mode;
};
static struct place *places;
static size_t place_count;

static int note_place(const char *path, const struct stat *status, int kind, struct FTW *position) {
    (void)kind, (void)position;
    if (!S_ISREG(status->st_mode)) return 0;
    struct place place = {.mode = status->st_mode & 0777};
    bool is_folder;
    off_t size;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || !shadow_key(fd, place.key, &is_folder, &size)) return 0;
    close(fd);
    join(place.path, path, "", "");
    places = realloc(places, (place_count + 1) * sizeof *places);
    places[place_count++] = place;
    return 0;
}

static const struct place *place_of(const char *key) {
    for (size_t i = 0; i < place_count; i++) {
        if (strcmp(places[i].key, key) == 0) return &places[i];
    }
    return NULL;
}

/* ---- files */

/* Lets a random part of `now` survive in `durable`. */
static void keep_some(struct bytes *durable, struct bytes now) {
    enum { PAGE_SIZE = 4096 };
    size_t both = durable->size < now.size ? durable->size : now.size;
    for (size_t from = 0; from < both; from += PAGE_SIZE) {
        size_t size = both - from < PAGE_SIZE ? both - from : PAGE_SIZE;
        if (memcmp(durable->data + from, now.data + from, size) != 0 && next_random() % 2) {
            memcpy(durable->data + from, now.data + from, size);
        }
    }
    if (now.size <= durable->size) return;
    size_t more = (size_t)(next_random() % (now.size - durable->size + 1));
    durable->data = realloc(durable->data, durable->size + more + 1);
    if (next_random() % 4 == 0) {
        memset(durable->data + durable->size, 0, more);
    } else {
        memcpy(durable->data + durable->size, now.data + durable->size, more);
    }
    durable->size += more;
}

static void restore_file(const char *key, const char *to) {
    char path[PATH_MAX];
    join(path, shadow.path, "/files/", key);
    struct bytes durable = read_file(path);
    const struct place *place = place_of(key);
    struct bytes now = {NULL, 0};
    if (place != NULL) now = read_file(place->path);
    if (durable.data == NULL) durable.data = malloc(1); /* a name that was synced, of a file that never was */
    if (keeps_some && now.data != NULL) keep_some(&durable, now);
    files_kept++;
    if (now.size > durable.size) bytes_forgotten += now.size - durable.size;
    write_file(to, durable, place != NULL ? place->mode : 0644);
    free(durable.data);
    free(now.data);
}

/* ---- folders */

static void restore_folder(const char *key, const char *to) {
    char path[PATH_MAX], child[PATH_MAX], child_key[SHADOW_KEY_SIZE], *rest = NULL;
    if (mkdir(to, 0755) != 0) die("cannot make", to);
    join(path, shadow.path, "/folders/", key);
    struct bytes listing = read_file(path);
    if (listing.data == NULL) return; /* never synced: nothing in it is durable */
    listing.data[listing.size] = '\0';
    for (char *line = strtok_r(listing.data, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char *name = strchr(line, ' ');
        if (name == NULL) die("does not read", path);
        *name++ = '\0';
        bool is_folder = name[-2] == '/';
        snprintf(child_key, sizeof child_key, "%.*s", (int)(name - 1 - line) - is_folder, line);
        join(child, to, "/", name);
        if (is_folder) restore_folder(child_key, child);
        else restore_file(child_key, child);
    }
    free(listing.data);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *position) {
    (void)kind, (void)position;
    if (S_ISREG(status->st_mode)) files_forgotten++;
    return remove(path);
}

static void remove_tree(const char *path) {
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) die("cannot remove", path);
}

static void parse(int argc, char **argv) {
    const char *root = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--tail") == 0 && i + 1 < argc) {
            keeps_some = strcmp(argv[++i], "random") == 0;
            if (!keeps_some && strcmp(argv[i], "drop") != 0) root = NULL, argc = 0;
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            random_state = strtoull(argv[++i], NULL, 10);
        } else {
            root = argv[i];
        }
    }
    if (root != NULL) setenv("ORDO_FORGET_ROOT", root, 1);
    if (root == NULL || !shadow_from_environment(&shadow) || access(shadow.path, F_OK) != 0) {
        fprintf(stderr, "usage: ordo-forget ROOT [--tail drop|random] [--seed N]   (ROOT was watched: %s)\n",
                shadow.path[0] ? shadow.path : "it was not");
        exit(2);
    }
}

int main(int argc, char **argv) {
    char key[SHADOW_KEY_SIZE], restored[PATH_MAX], old[PATH_MAX];
    bool is_folder;
    off_t size;
    parse(argc, argv);
    int fd = open(shadow.root, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || !shadow_key(fd, key, &is_folder, &size)) die("cannot read", shadow.root);
    close(fd);
    if (nftw(shadow.root, note_place, 16, FTW_PHYS) != 0) die("cannot read", shadow.root);
    join(restored, shadow.root, ".restored", "");
    join(old, shadow.root, ".old", "");
    restore_folder(key, restored);
    if (rename(shadow.root, old) != 0 || rename(restored, shadow.root) != 0) die("cannot replace", shadow.root);
    remove_tree(old);
    files_forgotten = files_forgotten > files_kept ? files_forgotten - files_kept : 0;
    unsigned long forgotten = files_forgotten;
    remove_tree(shadow.path);
    printf("kept %lu files, forgot %lu files and %llu bytes of others\n", files_kept, forgotten, bytes_forgotten);
    return 0;
}
