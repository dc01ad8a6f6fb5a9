#include "gateway/core/admit.h"

#include "proto/message.h"

struct gateway_admission gateway_admit(struct ordo_slice token) {
    (void)token;
    return (struct gateway_admission){
        .is_admitted = true,
        .user = ordo_slice_of("anonymous"),
        .permission = ORDO__V1__PERMISSION__WRITE,
    };
}

bool gateway_admit_type(struct ordo_slice types, struct ordo_slice type) {
    if (types.size == 0) return ordo_slice_equal(type, ordo_slice_of("text"));
    struct ordo_reader reader = ordo_reader(types);
    struct ordo_slice name;
    while (ordo_take_sized(&reader, &name))
        if (ordo_slice_equal(name, type)) return true;
    return false;
}
