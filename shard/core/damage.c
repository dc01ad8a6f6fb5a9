#include "shard/core/damage.h"

#include "shard/core/key.h"
#include "shard/core/value.h"

enum { ROW_VERSION = 1 };

const struct ordo_slice ordo_key_damage = {.data = (const uint8_t *)"damage", .size = 6};

void ordo_damage_add(struct ordo_buffer *row, const struct ordo_damage *damage) {
    struct ordo_buffer before = *row;
    struct ordo_reader ranges;
    *row = (struct ordo_buffer){0};
    ordo_value_begin(row, ROW_VERSION);
    if (ordo_damage_open(ordo_buffer_slice(&before), &ranges) == ORDO_OK) {
        ordo_buffer_append(row, ranges.next, ordo_reader_left(&ranges));
    }
    ordo_buffer_append_u8(row, (uint8_t)damage->cf);
    ordo_buffer_append_sized(row, damage->low);
    ordo_buffer_append_sized(row, damage->high);
    ordo_value_seal(row, ordo_key_damage);
    ordo_buffer_finish(&before);
}

ordo_err ordo_damage_open(struct ordo_slice row, struct ordo_reader *ranges) {
    return ordo_value_open(ordo_key_damage, row, ROW_VERSION, ranges);
}

bool ordo_damage_next(struct ordo_reader *ranges, struct ordo_damage *out) {
    uint8_t cf;
    if (!ordo_take_u8(ranges, &cf) || cf >= ORDO_CF_COUNT) return false;
    out->cf = (enum ordo_cf)cf;
    return ordo_take_sized(ranges, &out->low) && ordo_take_sized(ranges, &out->high);
}

bool ordo_damage_touches(const struct ordo_damage *damage, struct ordo_slice lower, struct ordo_slice upper) {
    bool begins_before_end = damage->low.size == 0 || ordo_slice_compare(damage->low, upper) < 0;
    return begins_before_end && (damage->high.size == 0 || ordo_slice_compare(lower, damage->high) <= 0);
}

bool ordo_damage_holds(const struct ordo_damage *damage, struct ordo_slice doc_key) {
    struct ordo_buffer behind = {0};
    ordo_key_doc_end(&behind, doc_key);
    bool holds = ordo_damage_touches(damage, doc_key, ordo_buffer_slice(&behind));
    ordo_buffer_finish(&behind);
    return holds;
}

ordo_err ordo_damage_check_range(struct ordo_view *view, struct ordo_slice lower, struct ordo_slice upper) {
    struct ordo_buffer row = {0};
    struct ordo_reader ranges;
    struct ordo_damage damage;
    ordo_err err = view->ops->get(view, ORDO_CF_META, ordo_key_damage, &row);
    if (err == ORDO_ERR_NOT_FOUND) return ORDO_OK;
    if (!err && ordo_damage_open(ordo_buffer_slice(&row), &ranges)) err = ORDO_ERR_CORRUPT;
    while (!err && ordo_reader_left(&ranges) > 0) {
        if (!ordo_damage_next(&ranges, &damage) || ordo_damage_touches(&damage, lower, upper)) err = ORDO_ERR_CORRUPT;
    }
    ordo_buffer_finish(&row);
    return err;
}

ordo_err ordo_damage_check(struct ordo_view *view, struct ordo_slice doc_key) {
    struct ordo_buffer behind = {0};
    ordo_key_doc_end(&behind, doc_key);
    ordo_err err = ordo_damage_check_range(view, doc_key, ordo_buffer_slice(&behind));
    ordo_buffer_finish(&behind);
    return err;
}
