/* common/token/rights.h: which documents somebody may read, write or forget. Pure.
 *
 * A list of rules, each about one document or about all whose names begin alike; the highest access of the rules that
 * match is what one has. Names compare byte by byte, as they stand on the wire: nothing is normalised, `..` and `%2e`
 * mean nothing, and two ways to write an accented letter are two documents, so what a rule says is what is granted.
 *
 * Ownership: a rights owns its rules; zeroed memory has none. Threads: one owner. Limits: as many rules as fit into a
 * token (token.h). */
#ifndef ORDO_TOKEN_RIGHTS_H
#define ORDO_TOKEN_RIGHTS_H

#include "common/access.h"
#include "common/buffer.h"

struct ordo_rule {
    enum ordo_access access;
    struct ordo_slice collection, id; /* ORDO_NAME_SIZE_MAX at most; only a prefix may be empty */
    bool is_collection_prefix, is_id_prefix;
};

struct ordo_rights {
    struct ordo_buffer rules;
};

void ordo_rights_finish(struct ordo_rights *rights); /* leaves none */
void ordo_rights_add(struct ordo_rights *rights, const struct ordo_rule *rule); /* copied */
/* Any document. */
void ordo_rights_add_all(struct ordo_rights *rights, enum ordo_access access);
enum ordo_access ordo_rights_for(const struct ordo_rights *rights, struct ordo_slice collection, struct ordo_slice id);

#endif
