/* common/ot/type.h: what the sequencer needs to know of a document type, as a table of functions.
 *
 * The cores of shard and client know no type by name: they hold ops as bytes in the type's own encoding (for `text`
 * the protobuf message TextOp, which is also what stands on the wire and on disk) and call through this table.
 * Positions, lengths and the tie-break are the type's own affair. All functions are pure and, but for `validate` and
 * the decoders behind it, trust their input: it was validated when it was submitted or read with a checksum. */
#ifndef ORDO_COMMON_OT_TYPE_H
#define ORDO_COMMON_OT_TYPE_H

#include "common/buffer.h"
#include "common/error.h"
#include "common/slice.h"

enum ordo_op_fault {
    ORDO_OP_VALID,
    ORDO_OP_MALFORMED, /* does not decode, or breaks a rule of the type's encoding */
    ORDO_OP_PAST_END,  /* reaches past the length it was made against */
    ORDO_OP_TOO_LARGE, /* the document would grow beyond its limit */
};

/* A short sentence for the Nack that the fault leads to. */
const char *ordo_op_fault_text(enum ordo_op_fault fault);

/* One op held in a form that composes and rebases cheaply however large it gets: what a client has pending, and what
 * a server rebases to the head. Ownership: the live op copies what it is given. Reuse one object for many ops: after
 * the first few it allocates nothing for ordinary ones. */
struct ordo_live_op;

/* The content of one document at one seq. */
struct ordo_content;

struct ordo_type {
    const char *name;
    uint32_t submit_field;    /* the field of Submit.op that carries this type's ops */
    uint32_t committed_field; /* the same in Committed.op */

    /* Checks an op as submitted against the length of the document at its base; `length_after` is written only if
     * valid. Units of lengths: the type's (text: code points). */
    enum ordo_op_fault (*validate)(struct ordo_slice op, uint64_t length_before, uint64_t *length_after);
    /* Length after a valid op. */
    uint64_t (*length_after)(struct ordo_slice op, uint64_t length_before);
    /* Appends `op` rebased over `other`, both made against the same content. `op_is_later` says whether `other`
     * stands before `op` in the order; a type may break ties by it (text does only between ops of one client). An op
     * with no client (an empty slice) goes left at every tie: what a client merges after a long absence. */
    void (*transform)(struct ordo_slice op, struct ordo_slice op_client, struct ordo_slice other,
                      struct ordo_slice other_client, bool op_is_later, struct ordo_buffer *out);
    /* Appends the op that does `first`, then `second`. */
    void (*compose)(struct ordo_slice first, struct ordo_slice second, struct ordo_buffer *out);
    /* Where a position in the content before `op` stands in the content after it. An insert exactly at the position
     * pushes it on only if `moves_right`. For carets and ranges. */
    uint64_t (*position_after)(struct ordo_slice op, uint64_t position, bool moves_right);

    struct ordo_live_op *(*live_create)(void);
    void (*live_destroy)(struct ordo_live_op *live); /* NULL is fine */
    /* Forgets what it held and takes a copy of `op`, made by `client`. An empty slice is the empty op. */
    void (*live_load)(struct ordo_live_op *live, struct ordo_slice op, struct ordo_slice client);
    /* Composes `next`, made against the content after the live op, onto its end. */
    void (*live_compose)(struct ordo_live_op *live, struct ordo_slice next);
    /* Rebases the live op over `other`, a committed op of another client made against the same content. If
     * `other_out` is not NULL, it gets `other` rebased over the live op (as it was before the call) appended. */
    void (*live_rebase)(struct ordo_live_op *live, struct ordo_slice other, struct ordo_slice other_client,
                        struct ordo_buffer *other_out);
    /* Moves a part of the live op, from the front, at most `size_max` bytes (at least 64) when encoded, to the end of
     * `out`: all of it if that fits. What stays is made against the content after what was taken. So a client sends as
     * several ops what is too large for one; it deletes early, so that the content on the way is not larger than need
     * be. */
    void (*live_take)(struct ordo_live_op *live, size_t size_max, struct ordo_buffer *out);
    void (*live_encode)(const struct ordo_live_op *live, struct ordo_buffer *out); /* appends */
    bool (*live_is_empty)(const struct ordo_live_op *live);
    /* Size of the encoded op in bytes, without making it. May be an upper bound within 16 bytes per component. */
    size_t (*live_size)(const struct ordo_live_op *live);

    struct ordo_content *(*content_create)(void);                  /* empty */
    void (*content_destroy)(struct ordo_content *content);         /* NULL is fine */
    /* Appends raw content (text: UTF-8) at the end, as loading from pieces does. INVALID: it is none; nothing
     * changed. A piece may end inside a code point if the next append completes it: until then that part is not
     * counted in `content_size` and no op can be applied. */
    ordo_err (*content_append)(struct ordo_content *content, struct ordo_slice bytes);
    bool (*content_is_whole)(const struct ordo_content *content); /* the last append did not end inside a code point */
    /* INVALID: the op does not fit this content; the content is then as before. */
    ordo_err (*content_apply)(struct ordo_content *content, struct ordo_slice op);
    uint64_t (*content_length)(const struct ordo_content *content); /* the type's units */
    size_t (*content_size)(const struct ordo_content *content);     /* bytes when written out */
    void (*content_write)(const struct ordo_content *content, struct ordo_buffer *out); /* appends all of it */
    /* An op that makes this content from an empty document. */
    void (*content_as_op)(const struct ordo_content *content, struct ordo_buffer *out);
};

/* NULL for a type that this build does not know. */
const struct ordo_type *ordo_type_of(struct ordo_slice name);

/* Plain text, ot-text-unicode's semantics: see text.h. */
extern const struct ordo_type ordo_type_text;

#endif
