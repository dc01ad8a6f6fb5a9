#include "proto/codes.h"

const char *const ordo_nack_code_names[ORDO_NACK_CODE_COUNT] = {
    "UNKNOWN", "INVALID_OP", "FORBIDDEN", "STALE_BASE", "FUTURE_BASE", "REPLAYED", "TOO_LARGE", "RATE_LIMITED",
    "UNAVAILABLE", "NOT_OPEN", "CLIENT_ID_TAKEN", "DELETED", "PIPELINED", "EXISTS", "CONFLICT", "OTHER"};

size_t ordo_nack_code_index(uint32_t code) {
    return code < ORDO_NACK_CODE_COUNT - 1 ? code : ORDO_NACK_CODE_COUNT - 1;
}

const char *const ordo_error_code_names[ORDO_ERROR_CODE_COUNT] = {"400", "401", "403", "404", "409", "410", "412",
                                                                  "413", "415", "429", "501", "503", "other"};

size_t ordo_error_code_index(uint32_t code) {
    static const uint32_t codes[ORDO_ERROR_CODE_COUNT - 1] = {400, 401, 403, 404, 409, 410, 412, 413, 415, 429, 501, 503};
    size_t index = 0;
    while (index < ORDO_ERROR_CODE_COUNT - 1 && codes[index] != code) index++;
    return index;
}
