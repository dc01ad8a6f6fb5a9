/* shard/treap.h: a persistent ordered map of bytes to bytes, for the store in memory.
 *
 * A tree is a pointer to its root; NULL is the empty tree. Trees share nodes and are counted references: whoever holds
 * one releases it, functions that "take" a tree use up one reference and give another. A node that nobody else holds is
 * changed in place, a shared one is copied, so older references never change (Seidel and Aragon, "Randomized search
 * trees"; here the priority is the key's hash). Threads: one owner for all trees that share nodes. */
#ifndef ORDO_SHARD_TREAP_H
#define ORDO_SHARD_TREAP_H

#include "common/slice.h"

/* One key and its value, shared by all nodes that stand for it. */
struct ordo_treap_entry {
    uint64_t reference_count;
    uint64_t priority;
    size_t key_size, value_size;
    bool is_unreadable; /* injected damage: see store_memory.h */
    uint8_t bytes[];    /* key, then value */
};

static inline struct ordo_slice ordo_treap_key(const struct ordo_treap_entry *entry) {
    return ordo_slice(entry->bytes, entry->key_size);
}
static inline struct ordo_slice ordo_treap_value(const struct ordo_treap_entry *entry) {
    return ordo_slice(entry->bytes + entry->key_size, entry->value_size);
}

struct ordo_treap;

struct ordo_treap *ordo_treap_acquire(struct ordo_treap *tree);
void ordo_treap_release(struct ordo_treap *tree);

/* Takes `tree`, gives the tree with the key set to the value, or without the key. */
struct ordo_treap *ordo_treap_put(struct ordo_treap *tree, struct ordo_slice key, struct ordo_slice value);
struct ordo_treap *ordo_treap_delete(struct ordo_treap *tree, struct ordo_slice key);

/* The entry with exactly this key; NULL: none. Entries are good as long as the tree is held. */
struct ordo_treap_entry *ordo_treap_find(struct ordo_treap *tree, struct ordo_slice key);
/* The first entry with a key >= `key`, or > with `is_after`; the last with a key <= `key`, or < with `is_before`. */
struct ordo_treap_entry *ordo_treap_seek(struct ordo_treap *tree, struct ordo_slice key, bool is_after);
struct ordo_treap_entry *ordo_treap_seek_back(struct ordo_treap *tree, struct ordo_slice key, bool is_before);

#endif
