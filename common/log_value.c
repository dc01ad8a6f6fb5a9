#include "common/log_value.h"

enum { END_SIZE = 4 }; /* "..." and NUL */

static const char *finish(char *out, char *at, bool is_cut) {
    if (is_cut) {
        memcpy(at, "...", 3);
        at += 3;
    }
    *at = '\0';
    return out;
}

const char *ordo_log_value(char out[ORDO_LOG_VALUE_SIZE], struct ordo_slice value) {
    static const char digits[] = "0123456789ABCDEF";
    char *at = out, *end = out + ORDO_LOG_VALUE_SIZE - END_SIZE - 3;
    size_t i = 0;
    for (; i < value.size && at <= end; i++) {
        uint8_t byte = value.data[i];
        if (byte > ' ' && byte < 0x7f && strchr("%\"=/\\", byte) == NULL) {
            *at++ = (char)byte;
            continue;
        }
        *at++ = '%';
        *at++ = digits[byte >> 4];
        *at++ = digits[byte & 15];
    }
    if (value.size == 0) *at++ = '-';
    return finish(out, at, i < value.size);
}

const char *ordo_log_quoted(char out[ORDO_LOG_QUOTED_SIZE], const char *sentence) {
    char *at = out, *end = out + ORDO_LOG_QUOTED_SIZE - END_SIZE - 2;
    for (; *sentence != '\0' && at <= end; sentence++) {
        char c = *sentence;
        if (c == '"' || c == '\\') *at++ = '\\';
        *at++ = (unsigned char)c < ' ' || c == 0x7f ? '?' : c;
    }
    return finish(out, at, *sentence != '\0');
}
