/* shard/core/committed.h: one committed op in its one encoding, an ordo.v1.Committed.
 *
 * The same bytes stand in memory, in a run on disk, in broadcasts and in catch-up answers: encoded once when the op
 * is sequenced, copied ever after. Decoding here borrows instead of allocating; it checks bounds like any decoder,
 * though what it reads came from our own encoder and had a checksum. */
#ifndef ORDO_SHARD_CORE_COMMITTED_H
#define ORDO_SHARD_CORE_COMMITTED_H

#include "common/buffer.h"
#include "common/ot/type.h"

/* What an op is to the sequencer. An edit is of the document's type. */
enum ordo_op_kind { ORDO_OP_EDIT, ORDO_OP_DELETE, ORDO_OP_CREATE };

struct ordo_committed {
    uint64_t server_seq, client_seq, base_seq, timestamp_ms;
    struct ordo_slice client_id, user;
    uint32_t op_field; /* the field of ordo.v1.Committed that holds the op */
    struct ordo_slice op;
};
/* Appends. */
void ordo_committed_encode(const struct ordo_committed *committed, struct ordo_buffer *out);
/* Borrows. False: not a Committed with exactly one op. */
bool ordo_committed_decode(struct ordo_slice bytes, struct ordo_committed *out);

/* Fields of ordo.v1.Committed and ordo.v1.Submit for what is not an edit. */
enum { ORDO_COMMITTED_DELETE = 7, ORDO_COMMITTED_CREATE = 8, ORDO_SUBMIT_DELETE = 4, ORDO_SUBMIT_CREATE = 5 };
enum ordo_op_kind ordo_committed_kind(uint32_t op_field);

/* An ordo.v1.CreateDocument: the op that makes the first content. */
struct ordo_create {
    struct ordo_slice type;
    struct ordo_slice op; /* of that type, made against nothing */
    uint64_t lineage;
};
void ordo_create_encode(const struct ordo_create *create, struct ordo_buffer *out);
enum ordo_create_fault { ORDO_CREATE_VALID, ORDO_CREATE_MALFORMED, ORDO_CREATE_TYPE_UNKNOWN };
/* Borrows. An op that is not there is MALFORMED, never an empty one. `type` gets the type's table. */
enum ordo_create_fault ordo_create_decode(struct ordo_slice bytes, struct ordo_create *out,
                                          const struct ordo_type **type);

/* The field of ordo.v1.Content (and of CreateDocument) that takes a type's bytes. */
uint32_t ordo_content_field(const struct ordo_type *type);

/* hash64 of what was submitted: `base_seq`, the field and the op, byte for byte. */
uint64_t ordo_submit_hash(uint64_t base_seq, uint32_t op_field, struct ordo_slice op);

#endif
