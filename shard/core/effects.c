#include <stdlib.h>

#include "common/assert.h"
#include "shard/core/shard.h"

void ordo_shard_effects_clear(struct ordo_shard_effects *effects) {
    effects->turn = 0;
    ordo_batch_clear(&effects->batch);
    ordo_batch_clear(&effects->background);
    for (size_t i = 0; i < effects->job_count; i++) ordo_job_destroy(effects->jobs[i]);
    for (size_t i = 0; i < effects->publish_count; i++) ordo_blob_release(effects->publish[i].blob);
    effects->job_count = effects->publish_count = effects->send_count = 0;
    ordo_buffer_clear(&effects->send_bytes);
    ordo_buffer_clear(&effects->note_bytes);
    ordo_buffer_clear(&effects->erased);
    ordo_buffer_clear(&effects->changes);
    effects->target_close_count = effects->target_open_count = effects->move_end_count = 0;
    ordo_buffer_clear(&effects->target_bytes);
    effects->slots_changed = false;
}

void ordo_shard_effects_finish(struct ordo_shard_effects *effects) {
    ordo_shard_effects_clear(effects);
    ordo_batch_finish(&effects->batch);
    ordo_batch_finish(&effects->background);
    free(effects->jobs);
    free(effects->publish);
    ordo_buffer_finish(&effects->send_bytes);
    ordo_buffer_finish(&effects->note_bytes);
    ordo_buffer_finish(&effects->erased);
    ordo_buffer_finish(&effects->changes);
    free(effects->target_closes);
    free(effects->target_opens);
    free(effects->move_ends);
    ordo_buffer_finish(&effects->target_bytes);
    *effects = (struct ordo_shard_effects){0};
}

bool ordo_shard_effects_next_send(struct ordo_reader *reader, struct ordo_shard_send *send) {
    if (ordo_reader_left(reader) == 0) return false;
    ORDO_ASSERT(ordo_take_sized(reader, &send->peer) && ordo_take_sized(reader, &send->message));
    return true;
}

bool ordo_shard_effects_next_target_send(struct ordo_reader *reader, struct ordo_target_send *send) {
    if (ordo_reader_left(reader) == 0) return false;
    ORDO_ASSERT(ordo_take_u64_le(reader, &send->session) && ordo_take_sized(reader, &send->message));
    return true;
}

bool ordo_shard_effects_next_note(struct ordo_reader *reader, struct ordo_shard_note *note) {
    uint8_t level;
    if (ordo_reader_left(reader) == 0) return false;
    ORDO_ASSERT(ordo_take_u8(reader, &level) && ordo_take_sized(reader, &note->text));
    note->level = (enum ordo_note_level)level;
    return true;
}
