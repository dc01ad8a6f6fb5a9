#include "shard/sst_block.h"

#include "shard/core/value.h"

enum { TAIL_SIZE = 8, RESTART_INTERVAL = 16, OFFSET_SIZE = 4 };
enum { KIND_DELETION = 0, KIND_PUT = 1 };

struct state {
    const struct ordo_sst_walk *walk;
    struct ordo_slice entries, restarts; /* `restarts`: offsets of entries with whole keys */
    struct ordo_buffer key;              /* of the entry just read, with its tail */
    struct ordo_buffer good_key;         /* of the last row that read */
    struct ordo_buffer suspects;         /* keys since then whose values do not read, sized */
    bool is_broken;                      /* since then there may be entries that were not found */
};

/* The first whole key behind `offset`; the end, if there is none. */
static size_t next_restart(const struct state *state, size_t offset) {
    struct ordo_reader reader = ordo_reader(state->restarts);
    uint32_t restart;
    while (ordo_take_u32_le(&reader, &restart)) {
        if (restart > offset && restart < state->entries.size) return restart;
    }
    return state->entries.size;
}

/* Reads the entry in front into `key`; false: what is there makes no sense as one. */
static bool take_entry(struct ordo_reader *reader, struct ordo_buffer *key, struct ordo_slice *value) {
    uint64_t shared, rest_size, value_size;
    struct ordo_slice rest;
    if (!ordo_take_varint(reader, &shared) || !ordo_take_varint(reader, &rest_size) ||
        !ordo_take_varint(reader, &value_size) || shared > key->size || rest_size > ordo_reader_left(reader) ||
        !ordo_take_bytes(reader, (size_t)rest_size, &rest) || value_size > ordo_reader_left(reader) ||
        !ordo_take_bytes(reader, (size_t)value_size, value)) {
        return false;
    }
    key->size = (size_t)shared;
    ordo_buffer_append_slice(key, rest);
    return key->size > TAIL_SIZE;
}

/* Whether the entries from one whole key to the next are as many as there must be. If not, a length is damaged: an entry may
 * have swallowed its neighbour. Of the last ones nobody knows how many there were. */
static bool is_complete(const struct state *state, size_t begin) {
    size_t end = next_restart(state, begin), count = 0;
    struct ordo_reader reader = ordo_reader(ordo_slice(state->entries.data + begin, end - begin));
    struct ordo_buffer key = {0};
    struct ordo_slice value;
    bool makes_sense = end < state->entries.size;
    while (makes_sense && ordo_reader_left(&reader) > 0) {
        makes_sense = take_entry(&reader, &key, &value);
        count++;
    }
    ordo_buffer_finish(&key);
    return makes_sense && count == RESTART_INTERVAL;
}

/* Tells what did not read between the last row that did and `high`. */
static void tell_lost(struct state *state, struct ordo_slice high) {
    const struct ordo_sst_walk *walk = state->walk;
    struct ordo_slice low = ordo_buffer_slice(&state->good_key), suspect;
    struct ordo_reader suspects = ordo_reader(ordo_buffer_slice(&state->suspects));
    if (state->is_broken) walk->lost(walk->context, low, high, ordo_slice(NULL, 0));
    else while (ordo_take_sized(&suspects, &suspect)) walk->lost(walk->context, low, high, suspect);
    state->is_broken = false;
    ordo_buffer_clear(&state->suspects);
}

/* Nothing vouches for a deletion; whoever takes rows over must do without (confine.h). */
static bool take_row(struct state *state, struct ordo_slice value) {
    struct ordo_slice key = ordo_slice(state->key.data, state->key.size - TAIL_SIZE);
    if (state->key.data[key.size] == KIND_DELETION && value.size == 0) return true;
    if (state->key.data[key.size] != KIND_PUT) return false;
    if (!ordo_value_is_whole(key, value)) return false;
    tell_lost(state, key);
    state->walk->row(state->walk->context, key, value);
    ordo_buffer_clear(&state->good_key);
    ordo_buffer_append_slice(&state->good_key, key);
    return true;
}

static void walk_entries(struct state *state) {
    struct ordo_reader reader = ordo_reader(state->entries);
    size_t offset = 0, restart = 0;
    bool counts = false; /* the entries up to `restart` are all there */
    while (offset < state->entries.size) {
        struct ordo_slice value;
        if (offset >= restart) {
            counts = is_complete(state, offset);
            restart = next_restart(state, offset);
        }
        bool makes_sense = take_entry(&reader, &state->key, &value);
        bool is_good = makes_sense && take_row(state, value);
        offset = (size_t)(reader.next - state->entries.data);
        if (is_good) continue;
        if (makes_sense && counts) {
            ordo_buffer_append_sized(&state->suspects, ordo_slice(state->key.data, state->key.size - TAIL_SIZE));
        } else {
            state->is_broken = true;
        }
        if (makes_sense && offset <= restart) continue;
        offset = restart; /* where a key is whole, reading can go on */
        ordo_buffer_clear(&state->key);
        reader = ordo_reader(ordo_slice(state->entries.data + offset, state->entries.size - offset));
    }
    tell_lost(state, ordo_slice(NULL, 0));
}

bool ordo_sst_block_walk(const struct ordo_sst_walk *walk, struct ordo_slice block) {
    struct state state = {.walk = walk};
    uint32_t count, first;
    if (block.size < 2 * OFFSET_SIZE) return false;
    struct ordo_reader tail = ordo_reader(ordo_slice(block.data + block.size - OFFSET_SIZE, OFFSET_SIZE));
    if (!ordo_take_u32_le(&tail, &count) || count == 0 || count > block.size / OFFSET_SIZE - 1) return false;
    state.entries = ordo_slice(block.data, block.size - OFFSET_SIZE * ((size_t)count + 1));
    state.restarts = ordo_slice(block.data + state.entries.size, OFFSET_SIZE * (size_t)count);
    struct ordo_reader restarts = ordo_reader(state.restarts);
    if (!ordo_take_u32_le(&restarts, &first) || first != 0) return false;
    walk_entries(&state);
    ordo_buffer_finish(&state.key);
    ordo_buffer_finish(&state.good_key);
    ordo_buffer_finish(&state.suspects);
    return true;
}

bool ordo_sst_block_first(struct ordo_slice bytes, struct ordo_buffer *key, struct ordo_slice *value) {
    struct ordo_reader reader = ordo_reader(bytes);
    ordo_buffer_clear(key);
    if (!take_entry(&reader, key, value)) return false;
    key->size -= TAIL_SIZE;
    return key->data[key->size] == KIND_PUT && ordo_value_is_whole(ordo_buffer_slice(key), *value);
}
