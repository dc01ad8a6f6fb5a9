#include "common/ot/sum_tree.h"

#include <stdlib.h>
#include <string.h>

#include "common/assert.h"
#include "common/memory.h"

struct sum_node {
    struct sum_node *parent;
    uint16_t count;
    uint16_t height; /* 0: the children are leaves */
    void *children[SUM_TREE_FANOUT];
    uint64_t sums[SUM_TREE_COUNTERS][SUM_TREE_FANOUT];
};

static void adopt(struct sum_node *node, size_t slot) {
    if (node->height == 0)
        ((struct sum_leaf *)node->children[slot])->parent = node;
    else
        ((struct sum_node *)node->children[slot])->parent = node;
}

/* Children do not know their slot: looking through 16 pointers costs less than keeping it right in every child. */
static size_t slot_of(const struct sum_node *node, const void *child) {
    size_t slot = 0;
    while (node->children[slot] != child) slot++;
    return slot;
}

static struct sum_counts node_total(const struct sum_node *node) {
    struct sum_counts total = {0};
    for (size_t counter = 0; counter < SUM_TREE_COUNTERS; counter++)
        for (size_t slot = 0; slot < node->count; slot++) total.of[counter] += node->sums[counter][slot];
    return total;
}

static struct sum_node *node_create(uint16_t height) {
    struct sum_node *node = ordo_alloc(sizeof *node);
    node->height = height;
    return node;
}

/* Moves `count` children with their sums, within one node or between two; the children's parents are not touched. */
static void node_move(struct sum_node *to, size_t to_slot, struct sum_node *from, size_t from_slot, size_t count) {
    if (count == 0) return;
    memmove(to->children + to_slot, from->children + from_slot, count * sizeof *to->children);
    for (size_t counter = 0; counter < SUM_TREE_COUNTERS; counter++)
        memmove(to->sums[counter] + to_slot, from->sums[counter] + from_slot, count * sizeof **to->sums);
}

static void node_insert(struct sum_node *node, size_t slot, void *child, struct sum_counts counts) {
    node_move(node, slot + 1, node, slot, node->count - slot);
    node->count++;
    node->children[slot] = child;
    for (size_t counter = 0; counter < SUM_TREE_COUNTERS; counter++) node->sums[counter][slot] = counts.of[counter];
    adopt(node, slot);
}

static void node_take_out(struct sum_node *node, size_t slot) {
    node_move(node, slot, node, slot + 1, node->count - slot - 1u);
    node->count--;
}

void sum_tree_init(struct sum_tree *tree, struct sum_leaf *leaf) {
    leaf->prev = leaf->next = NULL;
    tree->first = leaf;
    tree->root = node_create(0);
    node_insert(tree->root, 0, leaf, (struct sum_counts){0});
}

static void node_destroy(struct sum_node *node) {
    for (size_t slot = 0; node->height > 0 && slot < node->count; slot++) node_destroy(node->children[slot]);
    free(node);
}

void sum_tree_finish(struct sum_tree *tree) {
    if (tree->root != NULL) node_destroy(tree->root);
    *tree = (struct sum_tree){0};
}

struct sum_leaf *sum_tree_find(const struct sum_tree *tree, size_t which, uint64_t position,
                               struct sum_counts *before) {
    struct sum_counts sums = {0};
    const struct sum_node *node = tree->root;
    for (;;) {
        size_t slot = 0, last = node->count - 1u;
        uint64_t reached = sums.of[which];
        while (slot < last && reached + node->sums[which][slot] < position) reached += node->sums[which][slot++];
        for (size_t counter = 0; counter < SUM_TREE_COUNTERS; counter++)
            for (size_t passed = 0; passed < slot; passed++) sums.of[counter] += node->sums[counter][passed];
        if (node->height == 0) {
            *before = sums;
            return node->children[slot];
        }
        node = node->children[slot];
    }
}

struct sum_counts sum_tree_total(const struct sum_tree *tree) { return node_total(tree->root); }

static void add_upwards(struct sum_node *node, const void *child, const struct sum_counts *difference) {
    for (; node != NULL; child = node, node = node->parent) {
        size_t slot = slot_of(node, child);
        for (size_t counter = 0; counter < SUM_TREE_COUNTERS; counter++)
            node->sums[counter][slot] += difference->of[counter];
    }
}

void sum_tree_add(struct sum_leaf *leaf, const struct sum_counts *difference) {
    add_upwards(leaf->parent, leaf, difference);
}

/* Makes room in a full node by moving its upper half to a new one on its right. */
static void node_split(struct sum_tree *tree, struct sum_node *node) {
    if (node->parent == NULL) {
        struct sum_node *root = node_create(node->height + 1);
        node_insert(root, 0, node, node_total(node));
        tree->root = root;
    } else if (node->parent->count == SUM_TREE_FANOUT) {
        node_split(tree, node->parent);
    }
    struct sum_node *right = node_create(node->height);
    uint16_t kept = SUM_TREE_FANOUT / 2;
    right->count = node->count - kept;
    node_move(right, 0, node, kept, right->count);
    node->count = kept;
    for (size_t slot = 0; slot < right->count; slot++) adopt(right, slot);
    struct sum_node *parent = node->parent;
    struct sum_counts moved = node_total(right);
    size_t slot = slot_of(parent, node);
    for (size_t counter = 0; counter < SUM_TREE_COUNTERS; counter++) parent->sums[counter][slot] -= moved.of[counter];
    node_insert(parent, slot + 1, right, moved);
}

void sum_tree_insert_after(struct sum_tree *tree, struct sum_leaf *leaf, struct sum_leaf *added) {
    if (leaf->parent->count == SUM_TREE_FANOUT) node_split(tree, leaf->parent);
    node_insert(leaf->parent, slot_of(leaf->parent, leaf) + 1, added, (struct sum_counts){0});
    added->prev = leaf;
    added->next = leaf->next;
    if (leaf->next != NULL) leaf->next->prev = added;
    leaf->next = added;
}

/* Joins two sibling nodes where one would do, so that a tree that shrinks gets lower again. */
static void node_join_sibling(struct sum_node *node) {
    struct sum_node *parent = node->parent;
    size_t slot = slot_of(parent, node);
    size_t left_slot = slot > 0 ? slot - 1 : slot;
    if (left_slot + 1u >= parent->count) return;
    struct sum_node *left = parent->children[left_slot], *right = parent->children[left_slot + 1];
    if (left->count + right->count > SUM_TREE_FANOUT * 3 / 4) return;
    struct sum_counts moved = node_total(right);
    node_move(left, left->count, right, 0, right->count);
    for (size_t i = 0; i < right->count; i++) adopt(left, left->count++);
    for (size_t counter = 0; counter < SUM_TREE_COUNTERS; counter++)
        parent->sums[counter][left_slot] += moved.of[counter];
    node_take_out(parent, left_slot + 1);
    free(right);
}

static void node_remove(struct sum_tree *tree, struct sum_node *node, const void *child) {
    node_take_out(node, slot_of(node, child));
    if (node->parent == NULL) {
        /* The last leaf is never removed, so the root keeps a child. */
        while (tree->root->height > 0 && tree->root->count == 1) {
            struct sum_node *only = tree->root->children[0];
            free(tree->root);
            only->parent = NULL;
            tree->root = only;
        }
    } else if (node->count == 0) {
        struct sum_node *parent = node->parent;
        node_remove(tree, parent, node);
        free(node);
    } else if (node->count < SUM_TREE_FANOUT / 4) {
        node_join_sibling(node);
    }
}

void sum_tree_remove(struct sum_tree *tree, struct sum_leaf *leaf) {
    ORDO_ASSERT(leaf->prev != NULL || leaf->next != NULL);
    struct sum_counts counts;
    size_t slot = slot_of(leaf->parent, leaf);
    for (size_t counter = 0; counter < SUM_TREE_COUNTERS; counter++)
        counts.of[counter] = -leaf->parent->sums[counter][slot];
    sum_tree_add(leaf, &counts);
    node_remove(tree, leaf->parent, leaf);
    if (leaf->prev != NULL) leaf->prev->next = leaf->next;
    if (leaf->next != NULL) leaf->next->prev = leaf->prev;
    if (tree->first == leaf) tree->first = leaf->next;
    leaf->parent = NULL;
}

