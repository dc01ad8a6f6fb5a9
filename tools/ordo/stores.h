/* tools/ordo/stores.h: where the stores are in a data folder, for commands that work on stopped ones.
 *
 * `ordo up --data D` keeps its store as D/shard; a folder that is a store itself may be named just as well. */
#ifndef ORDO_TOOLS_STORES_H
#define ORDO_TOOLS_STORES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define ORDO_STORES_MAX 1024

/* The folder itself, if it is a store, else the stores right under it, sorted. `paths` get strings to free. */
size_t ordo_stores_find(const char *folder, char *paths[ORDO_STORES_MAX]);
/* The only one. EXIT_SUCCESS: `path` names it. Else a message was printed. */
int ordo_stores_find_one(const char *folder, char path[PATH_MAX]);
/* The same; where `folder` is absent or empty, the place where a new store belongs. The folder is made. */
int ordo_stores_find_or_place(const char *folder, char path[PATH_MAX]);

#endif
