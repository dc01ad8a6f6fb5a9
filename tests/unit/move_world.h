/* tests/unit/move_world.h: several shards in memory (shard_world.h) that give each other slots.
 *
 * What they say to each other waits in one queue, in the order in which it was said, until the test lets it arrive, loses it,
 * or has it arrive twice. A table is kept as registrars keep it: it shows what the stores' durable rows say, and epochs never
 * go down; `is_table_away` stops that. */
#ifndef ORDO_TESTS_MOVE_WORLD_H
#define ORDO_TESTS_MOVE_WORLD_H

#include "shard_world.h"

enum { SHARDS = 3, POSTS_MAX = 4096, LINKS_MAX = 512 };

struct post {
    bool to_target;
    uint64_t session;
    struct ordo_buffer bytes;
};
struct link_between {
    uint64_t session;
    int source, target; /* target -1: that store is nowhere */
    bool is_open;
};
struct shards {
    struct world *worlds[SHARDS];
    struct post posts[POSTS_MAX];
    size_t post_count;
    struct link_between links[LINKS_MAX];
    size_t link_count;
    struct ordo_placement table;
    bool is_table_away, has_news[SHARDS]; /* the shard has not heard of the table's newest state */
    struct ordo_move_end ends[256];
    size_t end_count;
};

static inline struct ordo_store_id shards_id(const struct shards *s, int i) {
    struct ordo_store_id id;
    memcpy(id.bytes, s->worlds[i]->config.store_id, sizeof id.bytes);
    return id;
}

static inline int shards_index(const struct shards *s, const struct world *w) {
    for (int i = 0; i < SHARDS; i++)
        if (s->worlds[i] == w) return i;
    fail_msg("a stranger");
    return -1;
}

static inline int shards_of_id(const struct shards *s, const struct ordo_store_id *id) {
    for (int i = 0; i < SHARDS; i++)
        if (memcmp(s->worlds[i]->config.store_id, id->bytes, sizeof id->bytes) == 0) return i;
    return -1;
}

static inline struct link_between *shards_link(struct shards *s, uint64_t session) {
    for (size_t i = 0; i < s->link_count; i++)
        if (s->links[i].session == session) return &s->links[i];
    return NULL;
}

static inline void shards_post(struct shards *s, bool to_target, uint64_t session, struct ordo_slice bytes) {
    assert_true(s->post_count < POSTS_MAX);
    struct post *post = &s->posts[s->post_count++];
    *post = (struct post){.to_target = to_target, .session = session};
    ordo_buffer_append_slice(&post->bytes, bytes);
}

static inline void shards_publish(struct shards *s, int i) {
    if (s->is_table_away || s->worlds[i]->shard == NULL) return;
    const struct ordo_slot_row *rows = ordo_shard_slots(s->worlds[i]->shard);
    bool is_changed = false;
    for (int slot = 0; slot < ORDO_SLOT_COUNT; slot++) {
        struct ordo_slot_place place = {.epoch = rows[slot].epoch};
        if (rows[slot].state == ORDO_SLOT_OWNED) place.store = shards_id(s, i);
        else if (rows[slot].state == ORDO_SLOT_GIVEN) place.store = rows[slot].other;
        else continue;
        if (!ordo_slot_place_supersedes(&place, &s->table.slots[slot])) continue;
        s->table.slots[slot] = place;
        is_changed = true;
    }
    for (int k = 0; k < SHARDS && is_changed; k++) s->has_news[k] = true;
}

/* The hook of world_carry_out. */
static inline void shards_carry_out(struct world *w, const struct ordo_shard_send *to_source) {
    struct shards *s = w->others_context;
    int self = shards_index(s, w);
    if (to_source != NULL) { /* the routing id is the session */
        uint64_t session;
        struct ordo_reader id = ordo_reader(to_source->peer);
        assert_true(ordo_take_u64_le(&id, &session));
        shards_post(s, false, session, to_source->message);
        return;
    }
    struct ordo_shard_effects *effects = &w->effects;
    for (size_t i = 0; i < effects->target_close_count; i++) {
        struct link_between *link = shards_link(s, effects->target_closes[i]);
        if (link != NULL) link->is_open = false;
    }
    for (size_t i = 0; i < effects->target_open_count; i++) {
        assert_true(s->link_count < LINKS_MAX);
        s->links[s->link_count++] = (struct link_between){
            .session = effects->target_opens[i].session, .source = self,
            .target = shards_of_id(s, &effects->target_opens[i].store), .is_open = true};
        shards_post(s, false, effects->target_opens[i].session, ordo_slice(NULL, 0)); /* it is up, or is not */
    }
    struct ordo_target_send send;
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&effects->target_bytes));
    while (ordo_shard_effects_next_target_send(&reader, &send)) shards_post(s, true, send.session, send.message);
    for (size_t i = 0; i < effects->move_end_count; i++) {
        assert_true(s->end_count < 256);
        s->ends[s->end_count++] = effects->move_ends[i];
    }
}

static inline void shards_hear_table(struct shards *s, int i) {
    struct world *w = s->worlds[i];
    if (!s->has_news[i] || s->is_table_away || w->shard == NULL) return;
    s->has_news[i] = false;
    struct ordo_shard_event event = world_event(w, ORDO_SHARD_PLACEMENT);
    event.placement.placement = &s->table;
    world_step(w, event);
}

static inline void shards_rest(struct shards *s) {
    for (int i = 0; i < SHARDS; i++) {
        if (s->worlds[i]->shard == NULL) continue;
        shards_hear_table(s, i);
        world_turn(s->worlds[i]);
        shards_publish(s, i);
    }
}

static inline void shards_deliver_post(struct shards *s, const struct post *post) {
    struct link_between *link = shards_link(s, post->session);
    if (link == NULL || (!link->is_open && !post->to_target)) return;
    struct world *to = post->to_target ? (link->target >= 0 ? s->worlds[link->target] : NULL) : s->worlds[link->source];
    bool target_is_up = link->target >= 0 && s->worlds[link->target]->shard != NULL;
    if (to == NULL || to->shard == NULL) return;
    if (!post->to_target && post->bytes.size == 0) {
        struct ordo_shard_event event = world_event(to, target_is_up ? ORDO_SHARD_TARGET_UP : ORDO_SHARD_TARGET_DOWN);
        event.target.session = post->session;
        world_step(to, event);
    } else if (post->to_target) {
        struct ordo_shard_event event = world_event(to, ORDO_SHARD_RECEIVED);
        struct ordo_buffer id = {0};
        ordo_buffer_append_u64_le(&id, post->session);
        event.received.peer = ordo_buffer_slice(&id);
        event.received.message = ordo_buffer_slice(&post->bytes);
        world_step(to, event);
        ordo_buffer_finish(&id);
    } else {
        struct ordo_shard_event event = world_event(to, ORDO_SHARD_TARGET_RECEIVED);
        event.target.session = post->session;
        event.target.message = ordo_buffer_slice(&post->bytes);
        world_step(to, event);
    }
}

static inline struct post shards_take_post(struct shards *s) {
    struct post post = s->posts[0];
    memmove(s->posts, s->posts + 1, --s->post_count * sizeof *s->posts);
    return post;
}

enum fate { ARRIVES, IS_LOST, ARRIVES_TWICE };

/* The oldest of what was said meets its fate. False: there is nothing. */
static inline bool shards_deliver(struct shards *s, enum fate fate) {
    if (s->post_count == 0) return false;
    struct post post = shards_take_post(s);
    if (fate != IS_LOST) shards_deliver_post(s, &post);
    if (fate == ARRIVES_TWICE) shards_deliver_post(s, &post);
    ordo_buffer_finish(&post.bytes);
    shards_rest(s);
    return true;
}

static inline void shards_pass(struct shards *s, uint64_t ms) {
    for (int i = 0; i < SHARDS; i++)
        if (s->worlds[i]->shard != NULL) world_pass(s->worlds[i], ms);
    shards_rest(s);
}

/* Until nothing but time could change anything, and for `ms` beyond. */
static inline void shards_settle(struct shards *s, uint64_t ms) {
    shards_rest(s);
    for (uint64_t passed_ms = 0; passed_ms <= ms; passed_ms += 10) {
        while (shards_deliver(s, ARRIVES)) continue;
        shards_pass(s, 10);
    }
}

static inline struct shards *shards_create(void) {
    struct shards *s = ordo_alloc(sizeof *s);
    for (int i = 0; i < SHARDS; i++) {
        struct world *w = s->worlds[i] = world_create();
        world_stop(w);
        w->others = shards_carry_out;
        w->others_context = s;
        memset(w->config.store_id, 0xa0 + i, sizeof w->config.store_id);
        memset(w->config.cluster_id, 0xcc, sizeof w->config.cluster_id);
        w->sessions = 100 * (uint64_t)(i + 1);
        struct ordo_batch batch = {0};
        struct ordo_buffer key = {0}, value = {0};
        for (uint16_t slot = 0; slot < ORDO_SLOT_COUNT && i == 0; slot++) { /* the first has all */
            ordo_key_slot(&key, slot);
            ordo_slot_row_encode(&value, ordo_buffer_slice(&key),
                                 &(struct ordo_slot_row){.state = ORDO_SLOT_OWNED, .epoch = 1});
            ordo_batch_put(&batch, ORDO_CF_META, ordo_buffer_slice(&key), ordo_buffer_slice(&value));
        }
        assert_int_equal(w->store->ops->write(w->store, &batch, true), ORDO_OK);
        ordo_batch_finish(&batch);
        ordo_buffer_finish(&key);
        ordo_buffer_finish(&value);
        world_start(w);
    }
    shards_rest(s);
    shards_rest(s);
    return s;
}

static inline void shards_destroy(struct shards *s) {
    for (int i = 0; i < SHARDS; i++) world_destroy(s->worlds[i]);
    while (s->post_count > 0) {
        struct post post = shards_take_post(s);
        ordo_buffer_finish(&post.bytes);
    }
    free(s);
}

/* Power is cut at one of them. What was on its way to or from it is lost; the others are told by nobody. */
static inline void shards_crash(struct shards *s, int i) {
    size_t kept = 0;
    for (size_t k = 0; k < s->post_count; k++) {
        const struct link_between *link = shards_link(s, s->posts[k].session);
        if (link->source == i || link->target == i) ordo_buffer_finish(&s->posts[k].bytes);
        else s->posts[kept++] = s->posts[k];
    }
    s->post_count = kept;
    for (size_t k = 0; k < s->link_count; k++)
        if (s->links[k].source == i) s->links[k].is_open = false;
    world_crash(s->worlds[i]);
    s->has_news[i] = true; /* it reads the table at its start */
}

static inline void shards_order(struct shards *s, int from, uint16_t slot, int to) {
    struct ordo_shard_event event = world_event(s->worlds[from], ORDO_SHARD_MOVE);
    event.move.slot = slot;
    event.move.target = shards_id(s, to);
    world_step(s->worlds[from], event);
    shards_rest(s);
}

/* What the disk of one of them says of the slot. */
static inline struct ordo_slot_row shards_row(const struct shards *s, int i, uint16_t slot) {
    static struct ordo_slot_row rows[ORDO_SLOT_COUNT];
    world_read_slots(s->worlds[i], rows);
    return rows[slot];
}

/* The one that owns it, by what is on disk; -1: none. More than one fails the test. */
static inline int shards_owner(const struct shards *s, uint16_t slot) {
    int owner = -1;
    for (int i = 0; i < SHARDS; i++) {
        if (shards_row(s, i, slot).state != ORDO_SLOT_OWNED) continue;
        assert_int_equal(owner, -1);
        owner = i;
    }
    return owner;
}

/* How many rows of the slot stand in the store. */
static inline size_t shards_row_count(const struct shards *s, int i, uint16_t slot) {
    size_t count = 0;
    struct ordo_store *store = s->worlds[i]->store;
    struct ordo_view *view = store->ops->view_open(store);
    struct ordo_buffer lower = {0}, upper = {0};
    ordo_key_slot_range(&lower, &upper, slot);
    for (int cf = ORDO_CF_META + 1; cf < ORDO_CF_COUNT; cf++) {
        struct ordo_iterator *it = view->ops->iterate(view, (enum ordo_cf)cf, ordo_buffer_slice(&lower), ordo_buffer_slice(&upper));
        while (it->ops->next(it)) count++;
        it->ops->close(it);
    }
    ordo_buffer_finish(&lower);
    ordo_buffer_finish(&upper);
    store->ops->view_close(view);
    return count;
}

#endif
