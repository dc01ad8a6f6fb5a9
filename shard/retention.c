#include "shard/retention.h"

#include "shard/core/key.h"

static uint64_t unit_ms(uint8_t letter) {
    switch (letter) {
    case 's': return 1000;
    case 'm': return 60 * 1000;
    case 'h': return 3600 * 1000;
    case 'd': return 24 * 3600 * 1000;
    }
    return 0;
}

/* "N" ops, or "Nd" of time. */
static bool parse_part(struct ordo_slice part, struct ordo_retention *retention) {
    uint64_t number = 0;
    size_t digits = 0;
    while (digits < part.size && part.data[digits] >= '0' && part.data[digits] <= '9')
        number = number * 10 + (part.data[digits++] - '0');
    if (digits == 0 || digits > 9) return false;
    if (digits == part.size) {
        retention->ops = number;
        return true;
    }
    retention->age_ms = number * unit_ms(part.data[digits]);
    return digits + 1 == part.size && unit_ms(part.data[digits]) > 0;
}

/* Cuts off what stands before `separator`, or all of it. */
static struct ordo_slice take_until(struct ordo_slice *text, char separator) {
    const uint8_t *end = text->size > 0 ? memchr(text->data, separator, text->size) : NULL;
    size_t size = end ? (size_t)(end - text->data) : text->size;
    struct ordo_slice taken = ordo_slice(text->data, size);
    if (end) size++;
    *text = ordo_slice(text->data + size, text->size - size);
    return taken;
}

static bool parse_keep(struct ordo_slice keep, struct ordo_retention *retention) {
    *retention = (struct ordo_retention){0};
    if (ordo_slice_equal(keep, ordo_slice_of("full"))) {
        retention->ops = UINT64_MAX;
        return true;
    }
    do
        if (!parse_part(take_until(&keep, '+'), retention)) return false;
    while (keep.size > 0);
    return true;
}

bool ordo_retention_parse(const char *text, struct ordo_retention *retention, struct ordo_retention_rules *rules) {
    struct ordo_slice rest = ordo_slice_of(text);
    do {
        struct ordo_slice keep = take_until(&rest, ',');
        const uint8_t *equals = keep.size > 0 ? memchr(keep.data, '=', keep.size) : NULL;
        struct ordo_retention *target = retention;
        if (equals != NULL) {
            if (rules->count == ORDO_RETENTION_RULES_MAX) return false;
            struct ordo_retention_rule *rule = &rules->items[rules->count++];
            rule->collection = take_until(&keep, '=');
            if (!ordo_key_name_is_valid(rule->collection)) return false;
            target = &rule->retention;
        }
        if (!parse_keep(keep, target)) return false;
    } while (rest.size > 0);
    return true;
}
