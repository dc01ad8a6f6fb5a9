/* common/hex.h: bytes as lower-case hex digits, and back. */
#ifndef ORDO_COMMON_HEX_H
#define ORDO_COMMON_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes 2 * size digits and a NUL. */
void ordo_hex_encode(char *out, const uint8_t *bytes, size_t size);
/* False, with `out` undefined, unless `text` is exactly 2 * size digits; upper case is understood, too. */
bool ordo_hex_decode(const char *text, uint8_t *out, size_t size);

#endif
