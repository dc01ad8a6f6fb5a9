/* common/base64.h: RFC 4648, sections 4 (with padding) and 5 (without); nothing else between the digits. */
#ifndef ORDO_COMMON_BASE64_H
#define ORDO_COMMON_BASE64_H

#include "common/buffer.h"

/* Appends. */
void ordo_base64_encode(struct ordo_buffer *out, struct ordo_slice bytes);
/* Appends what `text` says; false, with nothing appended, unless all of it is valid. */
bool ordo_base64_decode(struct ordo_buffer *out, struct ordo_slice text);

/* The same for section 5 as tokens use it: - and _ in the place of + and /, and no padding. */
void ordo_base64url_encode(struct ordo_buffer *out, struct ordo_slice bytes);
bool ordo_base64url_decode(struct ordo_buffer *out, struct ordo_slice text);

#endif
