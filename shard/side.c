#include "shard/side.h"

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/wake.h"
#include "proto/message.h"

#include <stdlib.h>

/* A request names ids and offsets, a few bytes each, or two paths. */
#define REQUEST_SIZE_MAX (64u * 1024)
#define REQUEST_ARENA_SIZE_MAX (4u * 1024 * 1024)
/* What one request may ask for; a gateway that wants more asks again. */
#define FETCHES_MAX 64
/* Replies waiting for one gateway: as many pieces of 64 KiB as it may have asked for at once, and some heartbeats. */
#define REPLIES_MAX (FETCHES_MAX + 16)
#define REQUESTS_PER_ROUND_MAX 256
#define EXPIRE_MS 1000
#define STALLED_MS 1000

struct ordo_side {
    struct ordo_side_config config;
    struct ordo_wire wire;
    struct ordo_thread thread;
    pthread_mutex_t bulk_mutex; /* guards `bulk` */
    struct ordo_bulk bulk;
    struct ordo_arena arena;    /* of the thread, as is what follows */
    struct ordo_buffer reply, pieces;
};

typedef Ordo__Cluster__V1__SideRequest SideRequest;
typedef Ordo__Cluster__V1__SideReply SideReply;
typedef Ordo__Cluster__V1__Fetch Fetch;
typedef Ordo__Cluster__V1__Piece Piece;

static void describe_disk(const struct ordo_disk *disk, SideReply *reply) {
    uint64_t stalled_ms = ordo_disk_stalled_ms(disk, ordo_clock_monotonic_ms());
    reply->stalled_ms = stalled_ms < UINT32_MAX ? (uint32_t)stalled_ms : UINT32_MAX;
    reply->disk = ordo_disk_is_full(disk)    ? ORDO__CLUSTER__V1__DISK_STATE__DISK_FULL
                  : stalled_ms >= STALLED_MS ? ORDO__CLUSTER__V1__DISK_STATE__DISK_STALLED
                                             : ORDO__CLUSTER__V1__DISK_STATE__DISK_OK;
}

/* Appends a copy of the piece: the blob may go as soon as the mutex is free. Empty: it has gone. */
static void append_piece(struct ordo_side *side, const Fetch *fetch, uint64_t now_ms) {
    size_t size = fetch->size < ORDO_PIECE_SIZE_MAX ? fetch->size : ORDO_PIECE_SIZE_MAX;
    enum { FIELD_PIECES = 2, FIELD_BULK = 1, FIELD_OFFSET = 2, FIELD_BYTES = 3 };
    ordo_buffer_clear(&side->pieces);
    ordo_field_append_varint(&side->pieces, FIELD_BULK, fetch->bulk);
    ordo_field_append_varint(&side->pieces, FIELD_OFFSET, fetch->offset);
    pthread_mutex_lock(&side->bulk_mutex);
    struct ordo_slice bytes = ordo_bulk_fetch(&side->bulk, fetch->bulk, fetch->offset, size, now_ms);
    ordo_field_append_bytes(&side->pieces, FIELD_BYTES, bytes);
    pthread_mutex_unlock(&side->bulk_mutex);
    ordo_field_append_bytes(&side->reply, FIELD_PIECES, ordo_buffer_slice(&side->pieces));
}

/* A reply that the socket refuses is lost, and that is all: the gateway asks again. */
static void send_reply(struct ordo_side *side, struct ordo_slice peer) {
    if (!ordo_wire_send(&side->wire, peer, ordo_buffer_slice(&side->reply))) {
        log_debug("event=side_reply_refused size=%zu", side->reply.size);
    }
}

static void begin_reply(struct ordo_side *side, const SideRequest *request, uint64_t heartbeat) {
    SideReply reply = ORDO__CLUSTER__V1__SIDE_REPLY__INIT;
    reply.session = request->session;
    reply.heartbeat = heartbeat;
    reply.shard = ordo_binary_of_slice(ordo_slice(side->config.store_id, sizeof side->config.store_id));
    reply.incarnation = side->config.incarnation;
    describe_disk(side->config.disk, &reply);
    ordo_buffer_clear(&side->reply);
    ordo_message_encode(&reply.base, &side->reply);
}

static void describe_backup(struct ordo_side *side, const Ordo__Cluster__V1__Backup *asked,
                            struct ordo_backup_status *status, Ordo__Cluster__V1__BackupStatus *out) {
    out->id = asked->id;
    if (asked->incarnation != side->config.incarnation || asked->id == 0) {
        out->state = ORDO__CLUSTER__V1__BACKUP_STATE__BACKUP_UNKNOWN;
        out->message = ordo_binary_of_slice(ordo_slice_of("The shard was started again meanwhile."));
        return;
    }
    static const Ordo__Cluster__V1__BackupState states[] = {
        [ORDO_BACKUP_RUNNING] = ORDO__CLUSTER__V1__BACKUP_STATE__BACKUP_RUNNING,
        [ORDO_BACKUP_DONE] = ORDO__CLUSTER__V1__BACKUP_STATE__BACKUP_DONE,
        [ORDO_BACKUP_FAILED] = ORDO__CLUSTER__V1__BACKUP_STATE__BACKUP_FAILED,
        [ORDO_BACKUP_BUSY] = ORDO__CLUSTER__V1__BACKUP_STATE__BACKUP_BUSY,
        [ORDO_BACKUP_HELD] = ORDO__CLUSTER__V1__BACKUP_STATE__BACKUP_HELD};
    const struct ordo_backup_request request = {.id = asked->id, .path = ordo_slice_of_binary(asked->path),
                                                .previous = ordo_slice_of_binary(asked->previous),
                                                .rate = asked->rate, .is_hold = asked->hold,
                                                .is_release = asked->release};
    ordo_backup_ask(side->config.backup, &request, status);
    out->state = states[status->state];
    out->turn = status->turn;
    out->copied_size = status->copied_size;
    out->linked_size = status->linked_size;
    out->message = ordo_binary_of_slice(ordo_slice_of(status->problem.text));
}

static void answer_backup(struct ordo_side *side, struct ordo_slice peer, const SideRequest *request) {
    struct ordo_backup_status status;
    Ordo__Cluster__V1__BackupStatus backup = ORDO__CLUSTER__V1__BACKUP_STATUS__INIT;
    enum { FIELD_BACKUP = 8 };
    /* It writes files wherever it is told to: not for a gateway that somebody broke into. */
    if (ordo_wire_peer_is(&side->wire, ORDO_LINK_ROLE_OPERATOR)) {
        describe_backup(side, request->backup, &status, &backup);
    } else {
        backup.id = request->backup->id;
        backup.state = ORDO__CLUSTER__V1__BACKUP_STATE__BACKUP_FAILED;
        backup.message = ordo_binary_of_slice(ordo_slice_of("Only an operator's key may ask for this."));
    }
    begin_reply(side, request, 0);
    ordo_message_encode_field(FIELD_BACKUP, &backup.base, &side->reply);
    send_reply(side, peer);
}

static void answer_status(struct ordo_side *side, struct ordo_slice peer, const SideRequest *request) {
    struct ordo_figures figures;
    enum { FIELD_STATUS = 10 };
    uint64_t now_ms = ordo_clock_monotonic_ms();
    ordo_figures_read(side->config.figures, now_ms, &figures);
    Ordo__Cluster__V1__ShardStatus status = ORDO__CLUSTER__V1__SHARD_STATUS__INIT;
    status.name = ordo_binary_of_slice(ordo_slice_of(side->config.name));
    status.uptime_ms = figures.uptime_ms;
    status.age_ms = figures.age_ms;
    status.documents = figures.stats.documents;
    status.subscribers = figures.stats.subscribers;
    status.gateways = figures.stats.gateways;
    status.ops_committed = figures.stats.ops_committed;
    status.turns = figures.stats.turns;
    status.ops_per_s = figures.ops_per_s;
    status.commit_p50_us = figures.commit_p50_us;
    status.commit_p99_us = figures.commit_p99_us;
    status.commit_max_us = figures.commit_max_us;
    status.documents_damaged = figures.stats.documents_damaged;
    struct ordo_trouble troubles[ORDO_TROUBLES_MAX];
    Ordo__Cluster__V1__Trouble items[ORDO_TROUBLES_MAX], *item_list[ORDO_TROUBLES_MAX];
    status.n_troubles = ordo_troubles_read(side->config.troubles, now_ms, troubles);
    for (size_t i = 0; i < status.n_troubles; i++) {
        ordo__cluster__v1__trouble__init(&items[i]);
        items[i].text = ordo_binary_of_slice(ordo_slice_of(troubles[i].text));
        items[i].since_ms = troubles[i].since_ms;
        item_list[i] = &items[i];
    }
    status.troubles = item_list;
    status.slots = figures.slot_count;
    Ordo__Cluster__V1__SlotMove move = ORDO__CLUSTER__V1__SLOT_MOVE__INIT;
    move.slot = figures.move.slot;
    move.target = ordo_binary_of_slice(ordo_slice(figures.move.target.bytes, sizeof figures.move.target.bytes));
    if (figures.move.phase != NULL) move.phase = ordo_binary_of_slice(ordo_slice_of(figures.move.phase));
    move.sent_size = figures.move.sent_size;
    move.queued = figures.move.queued_count;
    if (figures.move.is_moving) status.move = &move;
    begin_reply(side, request, 0);
    ordo_message_encode_field(FIELD_STATUS, &status.base, &side->reply);
    send_reply(side, peer);
}

/* The heartbeat is answered first and by itself; pieces follow in messages that stay below the part size. */
static void answer(struct ordo_side *side, struct ordo_slice peer, const SideRequest *request) {
    uint64_t now_ms = ordo_clock_monotonic_ms();
    if (request->heartbeat != 0) {
        ordo_inbox_put_session(side->config.inbox, request->session);
        begin_reply(side, request, request->heartbeat);
        send_reply(side, peer);
    }
    pthread_mutex_lock(&side->bulk_mutex);
    for (size_t i = 0; i < request->n_releases; i++) ordo_bulk_release(&side->bulk, request->releases[i]);
    pthread_mutex_unlock(&side->bulk_mutex);
    for (size_t i = 0; i < request->n_fetches && i < FETCHES_MAX; i++) {
        begin_reply(side, request, 0);
        append_piece(side, request->fetches[i], now_ms);
        send_reply(side, peer);
    }
    if (request->backup != NULL) answer_backup(side, peer, request);
    if (request->status) answer_status(side, peer, request);
}

static void answer_waiting(struct ordo_side *side) {
    struct ordo_slice peer, message;
    for (int i = 0; i < REQUESTS_PER_ROUND_MAX && ordo_wire_receive(&side->wire, &peer, &message); i++) {
        ordo_arena_reset(&side->arena);
        const SideRequest *request =
            ordo_message_decode(&ordo__cluster__v1__side_request__descriptor, message, &side->arena);
        if (request != NULL) answer(side, peer, request);
    }
}

static void *serve(void *context) {
    ordo_thread_name("side");
    struct ordo_side *side = context;
    uint64_t expired_ms = ordo_clock_monotonic_ms();
    while (!ordo_wire_wait(&side->wire, side->thread.stop_fd, NULL, 0, EXPIRE_MS)) {
        answer_waiting(side);
        uint64_t now_ms = ordo_clock_monotonic_ms();
        if (now_ms - expired_ms < EXPIRE_MS) continue;
        expired_ms = now_ms;
        pthread_mutex_lock(&side->bulk_mutex);
        ordo_bulk_expire(&side->bulk, now_ms);
        pthread_mutex_unlock(&side->bulk_mutex);
    }
    return NULL;
}

ordo_err ordo_side_start(const struct ordo_side_config *config, struct ordo_problem *problem,
                         struct ordo_side **side_out) {
    struct ordo_side *side = ordo_alloc(sizeof *side);
    side->config = *config;
    const struct ordo_router_options options = {
        .security = config->security, .message_size_max = REQUEST_SIZE_MAX, .message_count_max = REPLIES_MAX};
    ordo_err err = ordo_wire_bind(&side->wire, config->context, config->endpoint, &options, problem);
    if (err) {
        free(side);
        return err;
    }
    pthread_mutex_init(&side->bulk_mutex, NULL);
    ordo_arena_init(&side->arena, REQUEST_ARENA_SIZE_MAX);
    ordo_thread_start(&side->thread, serve, side); /* the socket moves to it */
    *side_out = side;
    return ORDO_OK;
}

void ordo_side_stop(struct ordo_side *side) {
    if (side == NULL) return;
    ordo_thread_stop(&side->thread);
    ordo_wire_close(&side->wire);
    ordo_bulk_finish(&side->bulk);
    ordo_arena_finish(&side->arena);
    ordo_buffer_finish(&side->reply);
    ordo_buffer_finish(&side->pieces);
    pthread_mutex_destroy(&side->bulk_mutex);
    free(side);
}

const char *ordo_side_endpoint(const struct ordo_side *side) { return side->wire.endpoint; }

void ordo_side_publish(struct ordo_side *side, const struct ordo_bulk_item *items, size_t count,
                       uint64_t monotonic_ms) {
    pthread_mutex_lock(&side->bulk_mutex);
    for (size_t i = 0; i < count; i++) ordo_bulk_publish(&side->bulk, &items[i], monotonic_ms);
    pthread_mutex_unlock(&side->bulk_mutex);
}
