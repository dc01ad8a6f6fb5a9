#include "shard/treap.h"

#include "common/assert.h"
#include "common/hash.h"
#include "common/memory.h"

#include <stdlib.h>

struct ordo_treap {
    uint64_t reference_count;
    struct ordo_treap_entry *entry;
    struct ordo_treap *left, *right;
};

static struct ordo_treap_entry *entry_create(struct ordo_slice key, struct ordo_slice value) {
    struct ordo_treap_entry *entry = ordo_alloc(sizeof *entry + key.size + value.size);
    entry->reference_count = 1;
    entry->priority = ordo_hash(key);
    entry->key_size = key.size;
    entry->value_size = value.size;
    if (key.size > 0) memcpy(entry->bytes, key.data, key.size);
    if (value.size > 0) memcpy(entry->bytes + key.size, value.data, value.size);
    return entry;
}

static void entry_release(struct ordo_treap_entry *entry) {
    if (--entry->reference_count == 0) free(entry);
}

struct ordo_treap *ordo_treap_acquire(struct ordo_treap *tree) {
    if (tree != NULL) tree->reference_count++;
    return tree;
}

void ordo_treap_release(struct ordo_treap *tree) {
    if (tree == NULL || --tree->reference_count > 0) return;
    ordo_treap_release(tree->left);
    ordo_treap_release(tree->right);
    entry_release(tree->entry);
    free(tree);
}

static struct ordo_treap *node_create(struct ordo_treap_entry *entry, struct ordo_treap *left,
                                      struct ordo_treap *right) {
    struct ordo_treap *node = ordo_alloc(sizeof *node);
    *node = (struct ordo_treap){.reference_count = 1, .entry = entry, .left = left, .right = right};
    return node;
}

/* Takes a node and gives one that nobody else sees: itself or a copy. */
static struct ordo_treap *node_own(struct ordo_treap *node) {
    if (node->reference_count == 1) return node;
    node->entry->reference_count++;
    struct ordo_treap *copy =
        node_create(node->entry, ordo_treap_acquire(node->left), ordo_treap_acquire(node->right));
    ordo_treap_release(node);
    return copy;
}

static bool goes_above(const struct ordo_treap_entry *a, const struct ordo_treap_entry *b) {
    if (a->priority != b->priority) return a->priority > b->priority;
    return ordo_slice_compare(ordo_treap_key(a), ordo_treap_key(b)) < 0;
}

/* Takes `tree`; gives its entries below `key` and those above. The key itself is not in it. */
static void split(struct ordo_treap *tree, struct ordo_slice key, struct ordo_treap **below_out,
                  struct ordo_treap **above_out) {
    if (tree == NULL) {
        *below_out = *above_out = NULL;
        return;
    }
    tree = node_own(tree);
    if (ordo_slice_compare(ordo_treap_key(tree->entry), key) < 0) {
        split(tree->right, key, &tree->right, above_out);
        *below_out = tree;
    } else {
        split(tree->left, key, below_out, &tree->left);
        *above_out = tree;
    }
}

/* Takes both; every key of `low` is below every key of `high`. */
static struct ordo_treap *join(struct ordo_treap *low, struct ordo_treap *high) {
    if (low == NULL) return high;
    if (high == NULL) return low;
    if (goes_above(low->entry, high->entry)) {
        low = node_own(low);
        low->right = join(low->right, high);
        return low;
    }
    high = node_own(high);
    high->left = join(low, high->left);
    return high;
}

static struct ordo_treap *put_entry(struct ordo_treap *tree, struct ordo_treap_entry *entry) {
    if (tree == NULL) return node_create(entry, NULL, NULL);
    int order = ordo_slice_compare(ordo_treap_key(entry), ordo_treap_key(tree->entry));
    if (order != 0 && goes_above(entry, tree->entry)) {
        struct ordo_treap *below, *above;
        split(tree, ordo_treap_key(entry), &below, &above);
        return node_create(entry, below, above);
    }
    tree = node_own(tree);
    if (order == 0) {
        entry_release(tree->entry);
        tree->entry = entry;
    } else if (order < 0) {
        tree->left = put_entry(tree->left, entry);
    } else {
        tree->right = put_entry(tree->right, entry);
    }
    return tree;
}

struct ordo_treap *ordo_treap_put(struct ordo_treap *tree, struct ordo_slice key, struct ordo_slice value) {
    return put_entry(tree, entry_create(key, value));
}

static struct ordo_treap *delete_present(struct ordo_treap *tree, struct ordo_slice key) {
    ORDO_ASSERT(tree != NULL);
    tree = node_own(tree);
    int order = ordo_slice_compare(key, ordo_treap_key(tree->entry));
    if (order < 0) {
        tree->left = delete_present(tree->left, key);
        return tree;
    }
    if (order > 0) {
        tree->right = delete_present(tree->right, key);
        return tree;
    }
    struct ordo_treap *rest = join(tree->left, tree->right);
    tree->left = tree->right = NULL;
    ordo_treap_release(tree);
    return rest;
}

struct ordo_treap *ordo_treap_delete(struct ordo_treap *tree, struct ordo_slice key) {
    return ordo_treap_find(tree, key) != NULL ? delete_present(tree, key) : tree;
}

struct ordo_treap_entry *ordo_treap_find(struct ordo_treap *tree, struct ordo_slice key) {
    while (tree != NULL) {
        int order = ordo_slice_compare(key, ordo_treap_key(tree->entry));
        if (order == 0) return tree->entry;
        tree = order < 0 ? tree->left : tree->right;
    }
    return NULL;
}

struct ordo_treap_entry *ordo_treap_seek(struct ordo_treap *tree, struct ordo_slice key, bool is_after) {
    struct ordo_treap_entry *best = NULL;
    while (tree != NULL) {
        int order = ordo_slice_compare(ordo_treap_key(tree->entry), key);
        bool fits = order > 0 || (order == 0 && !is_after);
        if (fits) best = tree->entry;
        tree = fits ? tree->left : tree->right;
    }
    return best;
}

struct ordo_treap_entry *ordo_treap_seek_back(struct ordo_treap *tree, struct ordo_slice key, bool is_before) {
    struct ordo_treap_entry *best = NULL;
    while (tree != NULL) {
        int order = ordo_slice_compare(ordo_treap_key(tree->entry), key);
        bool fits = order < 0 || (order == 0 && !is_before);
        if (fits) best = tree->entry;
        tree = fits ? tree->right : tree->left;
    }
    return best;
}
