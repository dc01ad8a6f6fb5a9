/* shard/webhook/payload.h: what a notification says, and what --webhook asks for. Pure. */
#ifndef ORDO_SHARD_WEBHOOK_PAYLOAD_H
#define ORDO_SHARD_WEBHOOK_PAYLOAD_H

#include "common/buffer.h"
#include "shard/webhook/queue.h"

/* Appends {"collection":…,"id":…,"lineage":…,"seq":…,"deleted":…,"timestamp_ms":…,"users":[…],"more_users":…} */
void ordo_webhook_payload_put(struct ordo_buffer *out, const struct ordo_webhook_entry *entry);

/* Whether it is http://HOST… or https://HOST… without blanks, control characters and a user's name. */
bool ordo_webhook_url_is_valid(const char *url);

#endif
