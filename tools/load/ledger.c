#include "tools/load/ledger.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/memory.h"

void ordo_ledger_finish(struct ordo_ledger *ledger) {
    free(ledger->places);
    *ledger = (struct ordo_ledger){0};
}

__attribute__((format(printf, 2, 3))) static void violated(struct ordo_ledger *ledger, const char *format, ...) {
    if (ledger->violation_count++ > 0) return;
    va_list args;
    va_start(args, format);
    vsnprintf(ledger->first_violation, sizeof ledger->first_violation, format, args);
    va_end(args);
}

/* 0 means "unknown" in a place. */
static uint64_t hash_of_id(struct ordo_slice client_id, uint64_t client_seq) {
    uint64_t hash = ordo_hash_with(client_seq, client_id);
    return hash ? hash : 1;
}

static uint64_t hash_of_body(struct ordo_slice op) {
    uint64_t hash = ordo_hash(op);
    return hash ? hash : 1;
}

/* NULL, and a violation, for a seq that cannot be. */
static struct ordo_ledger_place *place_of(struct ordo_ledger *ledger, uint64_t seq) {
    if (seq == 0 || seq > UINT32_MAX) { /* more ops than any run makes: our memory should not follow a wild number */
        violated(ledger, "server_seq %llu was named", (unsigned long long)seq);
        return NULL;
    }
    if (seq > ledger->capacity) {
        size_t capacity = ledger->capacity ? ledger->capacity * 2 : 64;
        if (capacity < seq) capacity = seq;
        ledger->places = ordo_realloc(ledger->places, capacity * sizeof *ledger->places);
        memset(ledger->places + ledger->capacity, 0, (capacity - ledger->capacity) * sizeof *ledger->places);
        ledger->capacity = capacity;
    }
    if (seq > ledger->seq_max) ledger->seq_max = seq;
    return &ledger->places[seq - 1];
}

static struct ordo_ledger_place *place_with(struct ordo_ledger *ledger, uint64_t id_hash, uint64_t seq) {
    struct ordo_ledger_place *place = place_of(ledger, seq);
    if (place == NULL) return NULL;
    if (place->id_hash != 0 && place->id_hash != id_hash) {
        violated(ledger, "two different ops were named at server_seq %llu", (unsigned long long)seq);
    }
    place->id_hash = id_hash;
    return place;
}

static void check_body(struct ordo_ledger *ledger, struct ordo_ledger_place *place, struct ordo_slice op,
                       uint64_t seq) {
    uint64_t body_hash = hash_of_body(op);
    if (place->body_hash != 0 && place->body_hash != body_hash) {
        violated(ledger, "the op at server_seq %llu was shown in two forms", (unsigned long long)seq);
    }
    place->body_hash = body_hash;
}

void ordo_ledger_acked(struct ordo_ledger *ledger, struct ordo_slice client_id, uint64_t client_seq,
                       uint64_t server_seq) {
    struct ordo_ledger_place *place = place_with(ledger, hash_of_id(client_id, client_seq), server_seq);
    if (place == NULL || place->is_acked) return; /* told twice at the same place: a duplicate ack */
    place->is_acked = true;
    ledger->acked_count++;
}

void ordo_ledger_saw(struct ordo_ledger *ledger, struct ordo_slice client_id, uint64_t client_seq, uint64_t server_seq,
                     struct ordo_slice op) {
    struct ordo_ledger_place *place = place_with(ledger, hash_of_id(client_id, client_seq), server_seq);
    if (place == NULL) return;
    check_body(ledger, place, op, server_seq);
    ledger->seen_count++;
}

void ordo_ledger_logged(struct ordo_ledger *ledger, struct ordo_slice client_id, uint64_t client_seq,
                        uint64_t server_seq, struct ordo_slice op) {
    if (server_seq > ledger->seq_max) return; /* others may go on writing after the run */
    struct ordo_ledger_place *place = place_with(ledger, hash_of_id(client_id, client_seq), server_seq);
    if (place == NULL) return;
    check_body(ledger, place, op, server_seq);
    if (place->is_logged) {
        violated(ledger, "the log has server_seq %llu twice", (unsigned long long)server_seq);
    }
    place->is_logged = true;
}

static int compare_hashes(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Two places with one op_id: the op was committed twice. */
static void check_unique(struct ordo_ledger *ledger) {
    uint64_t *hashes = ordo_alloc_array(ledger->seq_max, sizeof *hashes);
    for (uint64_t i = 0; i < ledger->seq_max; i++) hashes[i] = ledger->places[i].id_hash;
    qsort(hashes, ledger->seq_max, sizeof *hashes, compare_hashes);
    for (uint64_t i = 1; i < ledger->seq_max; i++) {
        if (hashes[i] != 0 && hashes[i] == hashes[i - 1]) violated(ledger, "one op stands at two places of the order");
    }
    free(hashes);
}

void ordo_ledger_log_done(struct ordo_ledger *ledger, uint64_t first_seq, uint64_t head) {
    if (ledger->seq_max > head) {
        violated(ledger, "server_seq %llu was told, but the log ends at %llu", (unsigned long long)ledger->seq_max,
                 (unsigned long long)head);
    }
    for (uint64_t seq = first_seq; seq <= ledger->seq_max && seq <= head; seq++) {
        const struct ordo_ledger_place *place = &ledger->places[seq - 1];
        if (place->is_logged) continue;
        violated(ledger, "server_seq %llu%s is missing from the log", (unsigned long long)seq,
                 place->is_acked ? ", which was acked," : "");
    }
    check_unique(ledger);
}

uint64_t ordo_ledger_acked_before(const struct ordo_ledger *ledger, uint64_t seq) {
    uint64_t count = 0;
    for (uint64_t i = 0; i + 1 < seq && i < ledger->seq_max; i++) count += ledger->places[i].is_acked;
    return count;
}
