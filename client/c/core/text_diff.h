/* client/c/core/text_diff.h: the text op that turns one text into another, where nobody knows the ops between.
 *
 * For a client that comes back from behind the horizon, and to tell an editor what replaced its content. Common
 * prefix and suffix first, then anchors in long texts (text_anchors.h), then between two anchors the greedy O(ND)
 * comparison of Myers ("An O(ND) Difference Algorithm and Its Variations", 1986) over code points. Cost is bounded
 * in memory (some MiB) and in steps: what is beyond that is replaced as a whole. */
#ifndef ORDO_CLIENT_CORE_TEXT_DIFF_H
#define ORDO_CLIENT_CORE_TEXT_DIFF_H

#include "common/buffer.h"

/* Appends the op. Both texts are valid UTF-8 without U+0000. False: not everything was compared, some passage of the
 * op replaces more than it had to. */
bool ordo_client_text_diff(struct ordo_slice from, struct ordo_slice to, struct ordo_buffer *out);

#endif
