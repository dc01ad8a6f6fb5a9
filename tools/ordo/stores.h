/* tools/ordo/stores.h: which stores a data folder holds. */
#ifndef ORDO_TOOLS_STORES_H
#define ORDO_TOOLS_STORES_H

#include <stddef.h>

#define ORDO_STORES_MAX 1024

/* The folder itself, if it is a store (damaged or not), else the stores right under it. `paths` get strings to free. */
size_t ordo_stores_find(const char *folder, char *paths[ORDO_STORES_MAX]);

#endif
