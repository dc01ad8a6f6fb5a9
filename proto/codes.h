/* proto/codes.h: the codes of refusals, as indexes of counters and with names for people. */
#ifndef ORDO_PROTO_CODES_H
#define ORDO_PROTO_CODES_H

#include <stddef.h>
#include <stdint.h>

/* NackCode; the last one counts what is none that we know. */
#define ORDO_NACK_CODE_COUNT 16
extern const char *const ordo_nack_code_names[ORDO_NACK_CODE_COUNT];
size_t ordo_nack_code_index(uint32_t code);

/* Codes of Error and Refused, which are those of HTTP; the last one counts the others. */
#define ORDO_ERROR_CODE_COUNT 13
extern const char *const ordo_error_code_names[ORDO_ERROR_CODE_COUNT];
size_t ordo_error_code_index(uint32_t code);

#endif
