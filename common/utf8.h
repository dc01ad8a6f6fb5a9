/* common/utf8.h: UTF-8 as Unicode defines it (no surrogates, no overlong forms, at most U+10FFFF). */
#ifndef ORDO_COMMON_UTF8_H
#define ORDO_COMMON_UTF8_H

#include "common/slice.h"

/* False unless all of it is valid; `count_out` (may be NULL) gets the number of code points. U+0000 is valid here. */
bool ordo_utf8_validate(struct ordo_slice text, uint64_t *count_out);

/* The functions below trust their text: it was validated at the door. */
uint64_t ordo_utf8_count(struct ordo_slice text);
/* Bytes that the first `count` code points take; at most text.size. */
size_t ordo_utf8_offset(struct ordo_slice text, uint64_t count);
/* The largest size <= `size` at which `text` may be cut without splitting a code point. */
size_t ordo_utf8_floor(struct ordo_slice text, size_t size);

#endif
