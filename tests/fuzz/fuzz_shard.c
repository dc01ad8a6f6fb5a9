/* A gateway may say anything: the shard answers or ends the link, and what it commits stays sound.
 *
 * The input is a list of (size u16, bytes): each is a ToShard message put into a well-numbered Envelope, or, with the
 * highest bit of the size set, the raw bytes of an Envelope. Turns end and jobs run in between; in the end the store
 * is verified. */
#include <stdlib.h>

#include "proto/message.h"
#include "shard/core/shard.h"
#include "shard/core/verify.h"
#include "shard/store_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    struct ordo_shard *shard;
    struct ordo_store *store;
    struct ordo_shard_effects effects;
    uint64_t now_ms, session, number;
};

static void step(struct fuzz *fuzz, struct ordo_shard_event event) {
    event.wall_ms = event.monotonic_ms = ++fuzz->now_ms;
    ordo_shard_step(fuzz->shard, &event, &fuzz->effects);
    if (fuzz->effects.turn && fuzz->store->ops->write(fuzz->store, &fuzz->effects.batch, true)) abort();
    if (fuzz->store->ops->write(fuzz->store, &fuzz->effects.background, false)) abort();
    uint64_t turn = fuzz->effects.turn;
    struct ordo_job *jobs[64];
    size_t job_count = 0;
    for (; job_count < fuzz->effects.job_count && job_count < 64; job_count++)
        jobs[job_count] = fuzz->effects.jobs[job_count];
    if (job_count < fuzz->effects.job_count) abort(); /* one message starts at most a few */
    fuzz->effects.job_count = 0;
    ordo_shard_effects_clear(&fuzz->effects);
    if (turn) step(fuzz, (struct ordo_shard_event){.kind = ORDO_SHARD_DURABLE, .durable.turn = turn});
    for (size_t i = 0; i < job_count; i++) {
        struct ordo_view *view = fuzz->store->ops->view_open(fuzz->store);
        ordo_job_run(jobs[i], view);
        fuzz->store->ops->view_close(view);
        step(fuzz, (struct ordo_shard_event){.kind = ORDO_SHARD_JOB_DONE, .job_done.job = jobs[i]});
    }
}

static void say(struct fuzz *fuzz, struct ordo_slice bytes) {
    struct ordo_shard_event event = {.kind = ORDO_SHARD_RECEIVED};
    event.received.peer = ordo_slice("g", 1);
    event.received.message = bytes;
    step(fuzz, event);
}

static void say_message(struct fuzz *fuzz, struct ordo_slice message) {
    Ordo__Cluster__V1__Envelope head = ORDO__CLUSTER__V1__ENVELOPE__INIT;
    struct ordo_buffer bytes = {0};
    uint8_t store_id[16] = {0};
    head.session = fuzz->session;
    head.number = ++fuzz->number;
    head.shard = ordo_binary_of_slice(ordo_slice(store_id, 16));
    head.incarnation = 1;
    head.credit = UINT64_C(1) << 40;
    ordo_message_encode(&head.base, &bytes);
    ordo_field_append_bytes(&bytes, 7, message);
    say(fuzz, ordo_buffer_slice(&bytes));
    ordo_buffer_finish(&bytes);
}

static void hello(struct fuzz *fuzz) {
    fuzz->session++;
    fuzz->number = 0;
    say_message(fuzz, ordo_slice("\x0a\x04\x08\x01\x10\x01", 6)); /* LinkHello {1, 1} */
}

static void found(void *context, const struct ordo_finding *finding) {
    (void)context;
    (void)finding;
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz fuzz = {.store = ordo_store_memory_create(1)};
    struct ordo_shard_config config;
    ordo_shard_config_init(&config);
    config.incarnation = 1;
    config.recent_size_max = config.recent_idle_size_max = 400;
    config.rebase_budget = 300;
    config.snapshot_log_size_min = 500;
    config.writers_max = 1;
    config.writer_idle_ms = 50;
    fuzz.shard = ordo_shard_create(&config, 0);
    hello(&fuzz);
    struct ordo_reader reader = ordo_reader(ordo_slice(data, size));
    uint16_t part;
    struct ordo_slice bytes;
    while (ordo_take_u16_be(&reader, &part) && ordo_take_bytes(&reader, part & 0x7fff, &bytes)) {
        if (part & 0x8000) {
            say(&fuzz, bytes);
            hello(&fuzz);
        } else say_message(&fuzz, bytes);
        step(&fuzz, (struct ordo_shard_event){.kind = ORDO_SHARD_TURN_END});
        if (part % 7 == 0) fuzz.now_ms += 100;
        step(&fuzz, (struct ordo_shard_event){.kind = ORDO_SHARD_TICK});
    }
    step(&fuzz, (struct ordo_shard_event){.kind = ORDO_SHARD_TURN_END});
    struct ordo_view *view = fuzz.store->ops->view_open(fuzz.store);
    ordo_verify(view, found, NULL);
    fuzz.store->ops->view_close(view);
    ordo_shard_destroy(fuzz.shard);
    ordo_shard_effects_finish(&fuzz.effects);
    fuzz.store->ops->close(fuzz.store);
    return 0;
}
