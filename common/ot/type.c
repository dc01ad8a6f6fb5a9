#include "common/ot/type.h"

const char *ordo_op_fault_text(enum ordo_op_fault fault) {
    switch (fault) {
    case ORDO_OP_VALID: return "valid";
    case ORDO_OP_MALFORMED: return "the op does not decode or breaks a rule of its encoding";
    case ORDO_OP_PAST_END: return "the op reaches past the end of the document at its base_seq";
    case ORDO_OP_TOO_LARGE: return "the op would make the document larger than the limit";
    }
    return "unknown fault";
}

static const struct ordo_type *const types[] = {&ordo_type_text};

const struct ordo_type *ordo_type_of(struct ordo_slice name) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (ordo_slice_equal(name, ordo_slice_of(types[i]->name))) return types[i];
    return NULL;
}
