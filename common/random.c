#include "common/random.h"

#include <sys/random.h>



void ordo_random_bytes(void *out, size_t size) {
    uint8_t *to = out;
    while (size > 0) {
        ssize_t got = getrandom(to, size, 0);
        if (got <= 0) continue; /* interrupted */
        to += got;
        size -= (size_t)got;
    }
}

uint64_t ordo_random_u64(void) {
    uint64_t value;
    ordo_random_bytes(&value, sizeof value);
    return value;
}
