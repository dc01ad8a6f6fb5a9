/* ordo doc where: which slot a document is in, and which shard serves it. */
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/hex.h"
#include "common/limits.h"
#include "tools/ordo/cluster_access.h"
#include "tools/ordo/command.h"
#include "tools/ordo/status.h"

static int print_place(struct cluster_access *access, void *context) {
    const struct ordo_cluster *cluster = access->cluster;
    uint16_t slot = *(uint16_t *)context;
    const struct ordo_slot_place *place = &cluster->table.placement.slots[slot];
    char store[2 * ORDO_STORE_ID_SIZE + 1];
    if (!cluster->has_table || place->epoch == 0) return ordo_command_fail("slot %u, which nobody has", slot);
    ordo_hex_encode(store, place->store.bytes, sizeof place->store.bytes);
    printf("slot %u, shard %s (store %s), epoch %llu\n", slot, status_store_name(cluster, &place->store), store,
           (unsigned long long)place->epoch);
    return EXIT_SUCCESS;
}

int ordo_doc_where_run(int argc, char **argv) {
    struct cluster_words words = CLUSTER_WORDS_INIT;
    const char *name;
    char collection[ORDO_NAME_SIZE_MAX + 1], id[ORDO_NAME_SIZE_MAX + 1];
    const struct ordo_option options[] = {CLUSTER_OPTIONS(words)};
    struct ordo_words parsed = {.items = &name, .capacity = 1};
    int status;
    if (!ordo_command_parse("ordo doc where COLLECTION/ID [OPTIONS]\n\nPrints the slot that a document is in and the shard "
                            "that serves it.\n",
                            options, sizeof options / sizeof *options, argc, argv, &parsed, &status))
        return status;
    if (!ordo_document_name_parse(name, collection, id))
        return ordo_command_misuse("doc where", "a document is COLLECTION/ID, each 1 to 128 bytes");
    uint16_t slot = ordo_slot_of(ordo_slice_of(collection), ordo_slice_of(id));
    return cluster_access_with(&words, print_place, &slot);
}
