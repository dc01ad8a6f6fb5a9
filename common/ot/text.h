/* common/ot/text.h: the document type `text`: plain Unicode text.
 *
 * Ops retain, insert and delete, counted in code points, with the meaning of the public type `ot-text-unicode`: no
 * empty components, equal neighbours merged, no trailing retain, inserts and deletes at one place never reordered.
 * Ties follow two hints that each insert carries (docs/protocol.md). Encoding: text_codec.h. No content holds U+0000.
 *
 * Threads: all functions may run at once on different objects; none keeps state outside of its arguments. */
#ifndef ORDO_COMMON_OT_TEXT_H
#define ORDO_COMMON_OT_TEXT_H

#include "common/ot/type.h"

/* `type.h` has the contracts; these are its members by name. */
void ordo_text_transform(struct ordo_slice op, struct ordo_slice op_client, struct ordo_slice other,
                         struct ordo_slice other_client, bool op_is_later, struct ordo_buffer *out);
void ordo_text_compose(struct ordo_slice first, struct ordo_slice second, struct ordo_buffer *out);
uint64_t ordo_text_position_after(struct ordo_slice op, uint64_t position, bool moves_right);

struct ordo_live_op *ordo_text_live_create(void);
void ordo_text_live_destroy(struct ordo_live_op *live);
void ordo_text_live_load(struct ordo_live_op *live, struct ordo_slice op, struct ordo_slice client);
void ordo_text_live_compose(struct ordo_live_op *live, struct ordo_slice next);
void ordo_text_live_rebase(struct ordo_live_op *live, struct ordo_slice other, struct ordo_slice other_client,
                           struct ordo_buffer *other_out);
void ordo_text_live_take(struct ordo_live_op *live, size_t size_max, struct ordo_buffer *out);
void ordo_text_live_encode(const struct ordo_live_op *live, struct ordo_buffer *out);
bool ordo_text_live_is_empty(const struct ordo_live_op *live);
size_t ordo_text_live_size(const struct ordo_live_op *live);
/* A live op turns from an array into a tree where it has more components than this (or a long text). For tests and
 * measurements: 0 makes every op a tree at its next change and keeps it one, SIZE_MAX none. */
void ordo_text_live_set_flat_max(struct ordo_live_op *live, size_t components_max);

struct ordo_content *ordo_text_content_create(void);
void ordo_text_content_destroy(struct ordo_content *content);
ordo_err ordo_text_content_append(struct ordo_content *content, struct ordo_slice bytes);
bool ordo_text_content_is_whole(const struct ordo_content *content);
ordo_err ordo_text_content_apply(struct ordo_content *content, struct ordo_slice op);
uint64_t ordo_text_content_length(const struct ordo_content *content);
size_t ordo_text_content_size(const struct ordo_content *content);
void ordo_text_content_write(const struct ordo_content *content, struct ordo_buffer *out);
void ordo_text_content_as_op(const struct ordo_content *content, struct ordo_buffer *out);

/* `ot-text-unicode`'s transform(op, other, side), which knows no hints: at every tie `op` goes to its side. */
enum ordo_text_side { ORDO_TEXT_LEFT, ORDO_TEXT_RIGHT };
void ordo_text_transform_side(struct ordo_slice op, struct ordo_slice other, enum ordo_text_side side,
                              struct ordo_buffer *out);

/* Appends the op that at `position` (code points) inserts `text`, valid UTF-8 without U+0000, and deletes the `count`
 * code points that stand there. All may be empty. The hints are those of the insert, see text_typing.h. */
struct ordo_text_hints {
    bool follows, precedes;
};
void ordo_text_splice(uint64_t position, uint64_t count, struct ordo_slice text, struct ordo_text_hints hints,
                      struct ordo_buffer *out);

#endif
