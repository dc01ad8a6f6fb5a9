/* gateway/core/request.h: what a client says: one frame, decoded whole before any of it is applied. */
#ifndef ORDO_GATEWAY_CORE_REQUEST_H
#define ORDO_GATEWAY_CORE_REQUEST_H

#include "gateway/core/state.h"

void gateway_request_frame(struct ordo_gateway *gateway, struct gateway_conn *conn, struct ordo_slice bytes);

#endif
