#include "tools/ordo/stores.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/ordo/command.h"

static bool is_store(const char *path) {
    char database[PATH_MAX];
    struct stat info;
    int size = snprintf(database, sizeof database, "%s/db", path);
    return size > 0 && (size_t)size < sizeof database && stat(database, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Begun under this name, and renamed when it is whole: what a kill left of it is no store. */
static bool is_unfinished(const char *name) {
    size_t size = strlen(name);
    return size > 4 && strcmp(name + size - 4, ".new") == 0;
}

size_t ordo_stores_find(const char *folder, char *paths[ORDO_STORES_MAX]) {
    if (is_store(folder)) {
        paths[0] = strdup(folder);
        return 1;
    }
    struct dirent **entries;
    int entry_count = scandir(folder, &entries, NULL, alphasort);
    size_t count = 0;
    for (int i = 0; i < entry_count; i++) {
        char path[PATH_MAX];
        bool is_hidden = entries[i]->d_name[0] == '.' || is_unfinished(entries[i]->d_name);
        int size = snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        free(entries[i]);
        bool fits = size >= 0 && (size_t)size < sizeof path;
        if (is_hidden || !fits || !is_store(path) || count == ORDO_STORES_MAX) continue;
        paths[count++] = strdup(path);
    }
    if (entry_count >= 0) free(entries);
    return count;
}

/* The first of those found, and how many there are. */
static size_t find_first(const char *folder, char path[PATH_MAX]) {
    char *paths[ORDO_STORES_MAX];
    size_t count = ordo_stores_find(folder, paths);
    if (count > 0) snprintf(path, PATH_MAX, "%s", paths[0]);
    for (size_t i = 0; i < count; i++) free(paths[i]);
    return count;
}

int ordo_stores_find_one(const char *folder, char path[PATH_MAX]) {
    size_t count = find_first(folder, path);
    if (count == 1) return EXIT_SUCCESS;
    if (count == 0) return ordo_command_fail("%s: there is no store in it", folder);
    return ordo_command_fail("%s: there are %zu stores in it; name one of them", folder, count);
}

static bool is_empty(const char *folder) {
    DIR *entries = opendir(folder);
    if (entries == NULL) return false;
    bool has_entry = false;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && !is_unfinished(entry->d_name))
            has_entry = true;
    closedir(entries);
    return !has_entry;
}

int ordo_stores_find_or_place(const char *folder, char path[PATH_MAX]) {
    size_t count = find_first(folder, path);
    if (count > 0) return ordo_stores_find_one(folder, path);
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return ordo_command_fail("%s: the folder cannot be made: %s", folder, strerror(errno));
    if (!is_empty(folder)) return ordo_command_fail("%s: it is not empty, and there is no store in it", folder);
    if (snprintf(path, PATH_MAX, "%s/shard", folder) >= PATH_MAX) return ordo_command_fail("the folder's name is too long");
    return EXIT_SUCCESS;
}
