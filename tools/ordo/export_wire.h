/* tools/ordo/export_wire.h: one document of a running cluster as the lines of an export, as far as the wire tells of it.
 *
 * What it does not tell: what was submitted (the hash of a client's newest op is 0), and clients whose every op is older than
 * the history that is kept. All else is byte for byte what export_doc.h writes of the same document. */
#ifndef ORDO_TOOLS_EXPORT_WIRE_H
#define ORDO_TOOLS_EXPORT_WIRE_H

#include "tools/ordo/export_doc.h"
#include "tools/ordo/session.h"

/* EXIT_SUCCESS: all lines of the document, as of now, are written. Else a message was printed; the lines so far lack
 * their end. */
int export_wire_write(struct session *session, struct export_out *out);

#endif
