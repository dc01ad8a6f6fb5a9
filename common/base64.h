/* common/base64.h: RFC 4648, section 4: with padding, nothing else between. */
#ifndef ORDO_COMMON_BASE64_H
#define ORDO_COMMON_BASE64_H

#include "common/buffer.h"

/* Appends. */
void ordo_base64_encode(struct ordo_buffer *out, struct ordo_slice bytes);
/* Appends what `text` says; false, with nothing appended, unless all of it is valid. */
bool ordo_base64_decode(struct ordo_buffer *out, struct ordo_slice text);

#endif
