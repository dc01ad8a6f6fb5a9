/* Hostile bytes as a request to the port of those who watch: what is whole names a path within the bytes, and stays what it is
 * however it comes in pieces. */
#include <stdlib.h>

#include "common/assert.h"
#include "common/http_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ordo_slice path = {0};
    bool is_head = false;
    for (size_t piece = size > 128 ? size : 1; piece <= size; piece++) { /* long ones at once */
        enum ordo_http_request_state state = ordo_http_request_parse(ordo_slice(data, piece), &path, &is_head);
        if (state == ORDO_HTTP_REQUEST_PARTIAL) {
            ORDO_ASSERT(piece < ORDO_HTTP_REQUEST_SIZE_MAX);
            continue;
        }
        if (state != ORDO_HTTP_REQUEST_WHOLE) break;
        ORDO_ASSERT(path.size > 0 && path.data[0] == '/' && path.data > data && path.data + path.size <= data + piece);
        ORDO_ASSERT(memchr(path.data, '\n', path.size) == NULL && memchr(path.data, '?', path.size) == NULL);
        break;
    }
    return 0;
}
