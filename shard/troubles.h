/* shard/troubles.h: what people should know of a process, for as long as it lasts. Logged when it begins and when it is over;
 * shown by `ordo status`. One list per process. Any thread. Zeroed memory with an initialised mutex is an empty list. */
#ifndef ORDO_SHARD_TROUBLES_H
#define ORDO_SHARD_TROUBLES_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define ORDO_TROUBLES_MAX 16 /* further ones are only logged */

struct ordo_trouble {
    char key[64];      /* tells it from others */
    char text[256];    /* a sentence */
    uint64_t since_ms; /* in the list: monotonic; read: for so long */
};

struct ordo_troubles {
    pthread_mutex_t mutex;
    struct ordo_trouble items[ORDO_TROUBLES_MAX];
    size_t count;
};

void ordo_troubles_init(struct ordo_troubles *troubles);
void ordo_troubles_finish(struct ordo_troubles *troubles);

/* One that is there already keeps its beginning. */
void ordo_troubles_set(struct ordo_troubles *troubles, const char *key, const char *text);
void ordo_troubles_clear(struct ordo_troubles *troubles, const char *key);
/* Returns how many there are. */
size_t ordo_troubles_read(struct ordo_troubles *troubles, uint64_t monotonic_ms,
                          struct ordo_trouble out[ORDO_TROUBLES_MAX]);

#endif
