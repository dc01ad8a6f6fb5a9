/* gateway/core/note.h: what a log at level debug tells of single requests: who it was, which document, which op, what came of
 * it. Nothing is made unless config.has_notes. */
#ifndef ORDO_GATEWAY_CORE_NOTE_H
#define ORDO_GATEWAY_CORE_NOTE_H

#include "gateway/core/state.h"

/* `event` and `more` are ours: a word, and further `key=value` ("" for none). `handle` 0: it is about no document. */
__attribute__((format(printf, 5, 6))) void gateway_note(struct ordo_gateway *gateway, const struct gateway_conn *conn,
                                                        uint32_t handle, const char *event, const char *more, ...);

#endif
