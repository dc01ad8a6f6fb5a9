/* tools/load/ws.h: WebSocket framing (RFC 6455) as a client needs it. Pure. */
#ifndef ORDO_TOOLS_LOAD_WS_H
#define ORDO_TOOLS_LOAD_WS_H

#include "common/buffer.h"

enum load_ws_opcode { LOAD_WS_BINARY = 2, LOAD_WS_CLOSE = 8, LOAD_WS_PING = 9, LOAD_WS_PONG = 10 };

struct load_ws_frame {
    uint8_t opcode; /* 0..15, as it came */
    bool is_final;
    struct ordo_slice payload; /* borrowed */
};

enum load_ws_result { LOAD_WS_FRAME, LOAD_WS_INCOMPLETE, LOAD_WS_BROKEN };
/* Takes the next frame of a server: moves the reader only with FRAME. BROKEN: masked, reserved bits, or longer than
 * `size_max`. */
enum load_ws_result load_ws_read(struct ordo_reader *reader, size_t size_max, struct load_ws_frame *out);

/* Appends a final frame. The mask that a client must use is zero, which leaves the bytes as they are: masks protect
 * proxies from scripts in browsers, and a driver is none. */
void load_ws_append(struct ordo_buffer *out, enum load_ws_opcode opcode, struct ordo_slice payload);

/* Appends the request that asks a server for a WebSocket. */
void load_ws_append_request(struct ordo_buffer *out, const char *host_and_port, const char *path);
/* The size of a complete answer that says yes; 0: not complete yet; SIZE_MAX: it says no. */
size_t load_ws_read_answer(struct ordo_slice bytes);

#endif
