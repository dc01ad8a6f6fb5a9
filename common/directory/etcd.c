#include "common/directory/backend.h"
ordo_err ordo_directory_etcd_open(struct ordo_directory **out, const char *address,
                                  const struct ordo_directory_options *options, struct ordo_problem *problem) {
    (void)out, (void)address, (void)options;
    ordo_problem_set(problem, "etcd is not there yet.");
    return ORDO_ERR_INVALID;
}
