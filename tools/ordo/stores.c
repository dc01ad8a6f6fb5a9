#include "tools/ordo/stores.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_store(const char *path) {
    char database[PATH_MAX];
    struct stat info;
    int size = snprintf(database, sizeof database, "%s/db", path);
    return size > 0 && (size_t)size < sizeof database && stat(database, &info) == 0 && S_ISDIR(info.st_mode);
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
        bool is_hidden = entries[i]->d_name[0] == '.';
        int size = snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        free(entries[i]);
        if (is_hidden || size < 0 || (size_t)size >= sizeof path || !is_store(path) || count == ORDO_STORES_MAX) continue;
        paths[count++] = strdup(path);
    }
    if (entry_count >= 0) free(entries);
    return count;
}
