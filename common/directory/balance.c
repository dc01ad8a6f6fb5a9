#include "common/directory/balance.h"

#include <stdlib.h>

#include "common/assert.h"
#include "common/memory.h"

/* What a slot of average load weighs; one without load weighs half of it. The unit of all sums here. */
enum { WEIGHT = 1000, TOLERANCE_PERCENT = 10 };

/* A store that has slots, or may get some. */
struct part {
    struct ordo_store_id id;
    bool takes;  /* may be given slots */
    bool gives;  /* is live, so that it can take part in a move */
    bool keeps;  /* false: is to be emptied */
    uint64_t weight, count; /* of its slots */
};

struct plan {
    const struct ordo_cluster *cluster;
    struct part *parts; /* in the order of their ids, as the stores of a cluster are */
    size_t part_count;
    uint32_t weights[ORDO_SLOT_COUNT];
    struct part *owners[ORDO_SLOT_COUNT]; /* NULL: nobody that the directory knows */
    bool is_fixed[ORDO_SLOT_COUNT];       /* has an order already, or moved in this plan */
    bool is_weighted;
};

/* ---- what there is */

static struct part *part_of(struct plan *plan, const struct ordo_store_id *id) {
    for (size_t i = 0; i < plan->part_count; i++) {
        if (ordo_store_id_equal(&plan->parts[i].id, id)) return &plan->parts[i];
    }
    return NULL;
}

static void add_parts(struct plan *plan) {
    const struct ordo_cluster *cluster = plan->cluster;
    plan->parts = ordo_alloc_array(cluster->store_count, sizeof *plan->parts);
    for (size_t i = 0; i < cluster->store_count; i++) {
        const struct ordo_cluster_store *store = &cluster->stores[i];
        const struct ordo_cluster_live *live = ordo_cluster_live(cluster, &store->id);
        bool is_served = live != NULL && live->data_endpoint[0] != '\0';
        bool keeps = !store->is_draining && !store->is_forgotten;
        plan->parts[plan->part_count++] = (struct part){
            .id = store->id,
            .keeps = keeps,
            .gives = is_served,
            .takes = keeps && is_served && ordo_cluster_reads_format(store, cluster->table.format_level),
        };
    }
}

/* Half of a slot's weight is its share of the load, so that the average is WEIGHT whatever the load's unit. */
static void weigh(struct plan *plan, const uint64_t *loads) {
    double sum = 0;
    for (size_t slot = 0; loads != NULL && slot < ORDO_SLOT_COUNT; slot++) sum += (double)loads[slot];
    plan->is_weighted = sum > 0;
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        double share = plan->is_weighted ? (double)loads[slot] / sum : 1.0 / ORDO_SLOT_COUNT;
        plan->weights[slot] = (uint32_t)(WEIGHT / 2 + share * ORDO_SLOT_COUNT * (WEIGHT / 2));
    }
}

static void give(struct plan *plan, size_t slot, struct part *part) {
    plan->owners[slot] = part;
    if (part == NULL) return;
    part->weight += plan->weights[slot];
    part->count++;
}

static void take_away(struct plan *plan, size_t slot) {
    struct part *part = plan->owners[slot];
    plan->owners[slot] = NULL;
    part->weight -= plan->weights[slot];
    part->count--;
}

static void place_slots(struct plan *plan) {
    for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        const struct ordo_slot_place *place = &plan->cluster->table.placement.slots[slot];
        const struct ordo_cluster_move *move = ordo_cluster_move(plan->cluster, slot);
        struct part *owner = place->epoch > 0 ? part_of(plan, &place->store) : NULL;
        struct part *target = move != NULL && move->failure[0] == '\0' ? part_of(plan, &move->target) : NULL;
        plan->is_fixed[slot] = move != NULL;
        give(plan, slot, target != NULL ? target : owner);
    }
}

/* ---- what to do: one move at a time, the one that helps most */

static struct part *lightest_taker(struct plan *plan) {
    struct part *found = NULL;
    for (size_t i = 0; i < plan->part_count; i++) {
        struct part *part = &plan->parts[i];
        if (part->takes && (found == NULL || part->weight < found->weight)) found = part;
    }
    return found;
}

static struct part *heaviest_giver(struct plan *plan) {
    struct part *found = NULL;
    for (size_t i = 0; i < plan->part_count; i++) {
        struct part *part = &plan->parts[i];
        if (part->takes && (found == NULL || part->weight > found->weight)) found = part;
    }
    return found;
}

/* A slot that has to leave: its store is to be emptied. ORDO_SLOT_COUNT: none. */
static size_t slot_to_empty(const struct plan *plan) {
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        const struct part *owner = plan->owners[slot];
        if (owner != NULL && !owner->keeps && owner->gives && !plan->is_fixed[slot]) return slot;
    }
    return ORDO_SLOT_COUNT;
}

/* The slot of `from` whose move brings the two nearest to each other: the one whose weight comes nearest to half the
 * difference. The first of several, so that the same cluster always gets the same plan. */
static size_t best_slot(const struct plan *plan, const struct part *from, const struct part *to) {
    uint64_t difference = from->weight - to->weight, best_left = difference;
    size_t best = ORDO_SLOT_COUNT;
    for (size_t slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        if (plan->owners[slot] != from || plan->is_fixed[slot]) continue;
        uint64_t twice = 2 * (uint64_t)plan->weights[slot];
        uint64_t left = twice > difference ? twice - difference : difference - twice;
        if (left < best_left) best = slot, best_left = left;
    }
    return best;
}

/* What the heaviest may be above the lightest before anything moves. */
static uint64_t tolerance(const struct plan *plan) {
    uint64_t weight = 0, taker_count = 0;
    for (size_t i = 0; i < plan->part_count; i++) {
        if (!plan->parts[i].takes) continue;
        weight += plan->parts[i].weight;
        taker_count++;
    }
    uint64_t percent = plan->is_weighted ? weight / taker_count * TOLERANCE_PERCENT / 100 : 0;
    return percent > WEIGHT ? percent : WEIGHT; /* one slot more or less is as even as it gets */
}

/* The next move; false: all is well, or nothing helps. */
static bool next_move(struct plan *plan, size_t *slot_out, struct part **to_out) {
    struct part *to = *to_out = lightest_taker(plan);
    if (to == NULL) return false;
    *slot_out = slot_to_empty(plan);
    if (*slot_out < ORDO_SLOT_COUNT) return true;
    struct part *from = heaviest_giver(plan);
    if (from->weight - to->weight <= tolerance(plan)) return false;
    *slot_out = best_slot(plan, from, to);
    return *slot_out < ORDO_SLOT_COUNT;
}

size_t ordo_balance_plan(const struct ordo_cluster *cluster, const uint64_t loads[ORDO_SLOT_COUNT],
                         struct ordo_balance_move *out, size_t move_max) {
    ORDO_ASSERT(move_max <= ORDO_SLOT_COUNT);
    struct plan plan = {.cluster = cluster};
    struct part *to;
    size_t move_count = 0, slot;
    if (!cluster->has_table) return 0;
    add_parts(&plan);
    weigh(&plan, loads);
    place_slots(&plan);
    while (move_count < move_max && next_move(&plan, &slot, &to)) {
        out[move_count++] = (struct ordo_balance_move){.slot = (uint16_t)slot, .target = to->id};
        take_away(&plan, slot);
        give(&plan, slot, to);
        plan.is_fixed[slot] = true;
    }
    free(plan.parts);
    return move_count;
}
