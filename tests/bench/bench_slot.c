/* A document that lies in a slot:
 *
 *   bench_slot COLLECTION SLOT
 *
 * prints the first COLLECTION/NUMBER that does. */
#include <stdio.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/limits.h"

int main(int argc, char **argv) {
    int slot = argc == 3 ? atoi(argv[2]) : -1;
    if (slot < 0 || slot >= ORDO_SLOT_COUNT) {
        fprintf(stderr, "usage: bench_slot COLLECTION SLOT\n");
        return 2;
    }
    char id[16];
    int number = 0;
    do snprintf(id, sizeof id, "%d", number++);
    while (ordo_slot_of(ordo_slice_of(argv[1]), ordo_slice_of(id)) != slot);
    printf("%s/%s\n", argv[1], id);
    return EXIT_SUCCESS;
}
