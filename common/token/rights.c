#include "common/token/rights.h"

#include "common/assert.h"
#include "common/limits.h"

/* A rule in memory: one byte of these, then collection and id, sized. */
enum { ACCESS = 3, COLLECTION_PREFIX = 4, ID_PREFIX = 8 };

void ordo_rights_finish(struct ordo_rights *rights) { ordo_buffer_finish(&rights->rules); }

void ordo_rights_add(struct ordo_rights *rights, const struct ordo_rule *rule) {
    ORDO_ASSERT(rule->collection.size <= ORDO_NAME_SIZE_MAX && rule->id.size <= ORDO_NAME_SIZE_MAX);
    ORDO_ASSERT(rule->access <= ORDO_ACCESS_ADMIN);
    uint8_t kind = (uint8_t)rule->access;
    if (rule->is_collection_prefix) kind |= COLLECTION_PREFIX;
    if (rule->is_id_prefix) kind |= ID_PREFIX;
    ordo_buffer_append_u8(&rights->rules, kind);
    ordo_buffer_append_sized(&rights->rules, rule->collection);
    ordo_buffer_append_sized(&rights->rules, rule->id);
}

void ordo_rights_add_all(struct ordo_rights *rights, enum ordo_access access) {
    ordo_rights_add(rights,
                    &(struct ordo_rule){.access = access, .is_collection_prefix = true, .is_id_prefix = true});
}

static bool matches(struct ordo_slice name, struct ordo_slice pattern, bool is_prefix) {
    return is_prefix ? ordo_slice_starts_with(name, pattern) : ordo_slice_equal(name, pattern);
}

enum ordo_access ordo_rights_for(const struct ordo_rights *rights, struct ordo_slice collection, struct ordo_slice id) {
    struct ordo_reader reader = ordo_reader(ordo_buffer_slice(&rights->rules));
    struct ordo_slice its_collection, its_id;
    uint8_t kind, best = ORDO_ACCESS_NONE;
    while (ordo_take_u8(&reader, &kind) && ordo_take_sized(&reader, &its_collection) &&
           ordo_take_sized(&reader, &its_id)) {
        bool is_met = (kind & ACCESS) > best && matches(collection, its_collection, kind & COLLECTION_PREFIX) &&
                      matches(id, its_id, kind & ID_PREFIX);
        if (is_met) best = kind & ACCESS;
    }
    return (enum ordo_access)best;
}
