#define _GNU_SOURCE /* memmem */
#include "tools/load/ws.h"

#include <stdio.h>

enum { FINAL = 0x80, RESERVED = 0x70, OPCODE = 0x0f, MASKED = 0x80, LENGTH = 0x7f, LENGTH_16 = 126, LENGTH_64 = 127 };
enum { ANSWER_SIZE_MAX = 8192 };

enum load_ws_result load_ws_read(struct ordo_reader *reader, size_t size_max, struct load_ws_frame *out) {
    struct ordo_reader look = *reader;
    uint8_t first, second;
    if (!ordo_take_u8(&look, &first) || !ordo_take_u8(&look, &second)) return LOAD_WS_INCOMPLETE;
    if ((first & RESERVED) != 0 || (second & MASKED) != 0) return LOAD_WS_BROKEN;
    uint64_t size = second & LENGTH;
    uint16_t size_16;
    if (size == LENGTH_16) {
        if (!ordo_take_u16_be(&look, &size_16)) return LOAD_WS_INCOMPLETE;
        size = size_16;
    } else if (size == LENGTH_64 && !ordo_take_u64_be(&look, &size)) {
        return LOAD_WS_INCOMPLETE;
    }
    if (size > size_max) return LOAD_WS_BROKEN;
    if (!ordo_take_bytes(&look, (size_t)size, &out->payload)) return LOAD_WS_INCOMPLETE;
    out->opcode = first & OPCODE;
    out->is_final = (first & FINAL) != 0;
    *reader = look;
    return LOAD_WS_FRAME;
}

void load_ws_append(struct ordo_buffer *out, enum load_ws_opcode opcode, struct ordo_slice payload) {
    static const uint8_t no_mask[4];
    ordo_buffer_append_u8(out, (uint8_t)(FINAL | opcode));
    if (payload.size < LENGTH_16) {
        ordo_buffer_append_u8(out, (uint8_t)(MASKED | payload.size));
    } else if (payload.size <= UINT16_MAX) {
        ordo_buffer_append_u8(out, MASKED | LENGTH_16);
        ordo_buffer_append_u16_be(out, (uint16_t)payload.size);
    } else {
        ordo_buffer_append_u8(out, MASKED | LENGTH_64);
        ordo_buffer_append_u64_be(out, payload.size);
    }
    ordo_buffer_append(out, no_mask, sizeof no_mask);
    ordo_buffer_append_slice(out, payload);
}

void load_ws_append_request(struct ordo_buffer *out, const char *host_and_port, const char *path) {
    char request[1024];
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: b3Jkby1sb2FkIGRyaXZlcg==\r\n"
                        "Sec-WebSocket-Protocol: ordo.v1\r\n\r\n",
                        path, host_and_port);
    ordo_buffer_append(out, request, (size_t)size);
}

size_t load_ws_read_answer(struct ordo_slice bytes) {
    static const char yes[] = "HTTP/1.1 101 ";
    size_t seen = bytes.size < sizeof yes - 1 ? bytes.size : sizeof yes - 1;
    if (memcmp(bytes.data, yes, seen) != 0) return SIZE_MAX;
    const uint8_t *end = memmem(bytes.data, bytes.size, "\r\n\r\n", 4);
    if (end != NULL) return (size_t)(end - bytes.data) + 4;
    return bytes.size > ANSWER_SIZE_MAX ? SIZE_MAX : 0;
}
