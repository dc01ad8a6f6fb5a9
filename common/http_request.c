#include "common/http_request.h"

#include <stdio.h>

static bool take_word(struct ordo_slice *rest, char end, struct ordo_slice *word) {
    const uint8_t *at = rest->size > 0 ? memchr(rest->data, end, rest->size) : NULL;
    if (at == NULL) return false;
    *word = ordo_slice(rest->data, (size_t)(at - rest->data));
    *rest = ordo_slice(at + 1, rest->size - word->size - 1);
    return true;
}

/* Where the head ends; NULL: not yet. */
static const uint8_t *find_end(struct ordo_slice bytes) {
    for (size_t i = 3; i < bytes.size; i++)
        if (memcmp(bytes.data + i - 3, "\r\n\r\n", 4) == 0) return bytes.data + i + 1;
    return NULL;
}

static bool is_printable(struct ordo_slice text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f) return false;
    return true;
}

/* GET PATH HTTP/1.x */
static enum ordo_http_request_state parse_line(struct ordo_slice line, struct ordo_slice *path, bool *is_head) {
    struct ordo_slice method, target, rest = line;
    bool is_shaped = take_word(&rest, ' ', &method) && take_word(&rest, ' ', &target) &&
                     ordo_slice_starts_with(rest, ordo_slice_of("HTTP/1.")) && rest.size == 8 && method.size > 0 &&
                     is_printable(method) && ordo_slice_starts_with(target, ordo_slice_of("/")) && is_printable(target);
    if (!is_shaped) return ORDO_HTTP_REQUEST_WRONG;
    *is_head = ordo_slice_equal(method, ordo_slice_of("HEAD"));
    if (!*is_head && !ordo_slice_equal(method, ordo_slice_of("GET"))) return ORDO_HTTP_REQUEST_NOT_ALLOWED;
    if (!take_word(&target, '?', path)) *path = target;
    return ORDO_HTTP_REQUEST_WHOLE;
}

enum ordo_http_request_state ordo_http_request_parse(struct ordo_slice bytes, struct ordo_slice *path, bool *is_head) {
    struct ordo_slice rest = bytes, line;
    if (find_end(bytes) == NULL)
        return bytes.size < ORDO_HTTP_REQUEST_SIZE_MAX ? ORDO_HTTP_REQUEST_PARTIAL : ORDO_HTTP_REQUEST_WRONG;
    if (!take_word(&rest, '\r', &line)) return ORDO_HTTP_REQUEST_WRONG;
    return parse_line(line, path, is_head);
}

static const char *reason_of(unsigned status) {
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    default: return "Service Unavailable";
    }
}

void ordo_http_response_write(struct ordo_buffer *out, unsigned status, const char *content_type, struct ordo_slice body,
                              bool is_head) {
    char head[256];
    int size = snprintf(head, sizeof head,
                        "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
                        "Connection: close\r\n\r\n", status, reason_of(status), content_type, body.size);
    ordo_buffer_append(out, head, (size_t)size);
    if (!is_head) ordo_buffer_append_slice(out, body);
}
