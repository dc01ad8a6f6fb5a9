/* common/directory/etcd_message.h: what is said to etcd and what it answers, v3 through its JSON gateway. Pure.
 *
 * Keys and values travel in base64, 64-bit numbers as strings; members that have their default are left out. Answers
 * may be hostile: what is not understood is refused. */
#ifndef ORDO_DIRECTORY_ETCD_MESSAGE_H
#define ORDO_DIRECTORY_ETCD_MESSAGE_H

#include "common/directory/directory.h"

/* ---- requests: each appends a JSON text. All keys begin with `prefix`, which ends in a slash */

void ordo_etcd_txn_encode(struct ordo_buffer *out, const char *prefix, const struct ordo_directory_view *view,
                          const struct ordo_directory_changes *changes, uint64_t lease);
void ordo_etcd_range_encode(struct ordo_buffer *out, const char *prefix);
/* Whether etcd decides anything at all is asked by reading one key of no interest. */
void ordo_etcd_ping_encode(struct ordo_buffer *out, const char *prefix);
void ordo_etcd_watch_encode(struct ordo_buffer *out, const char *prefix, uint64_t from_revision);
void ordo_etcd_grant_encode(struct ordo_buffer *out, uint32_t ttl_s);
void ordo_etcd_lease_encode(struct ordo_buffer *out, uint64_t lease); /* for keepalive and revoke */

/* ---- answers. CORRUPT: not understood */

/* `*is_done_out` false: a key was not as seen. */
ORDO_MUST_USE ordo_err ordo_etcd_txn_decode(struct ordo_slice text, bool *is_done_out, uint64_t *revision_out);
/* All that there is, into an empty content. TOO_LARGE: more than a directory may hold. Keys that cannot be ours are
 * passed over. */
ORDO_MUST_USE ordo_err ordo_etcd_range_decode(struct ordo_slice text, const char *prefix,
                                              struct ordo_directory_content *out);
/* One line of a watch; what it says is done to `content`. CLOSED: the watch is over. */
ORDO_MUST_USE ordo_err ordo_etcd_watch_decode(struct ordo_slice line, const char *prefix,
                                              struct ordo_directory_content *content);
ORDO_MUST_USE ordo_err ordo_etcd_grant_decode(struct ordo_slice text, uint64_t *lease_out);
/* `*is_held_out` false: the lease is over. */
ORDO_MUST_USE ordo_err ordo_etcd_keepalive_decode(struct ordo_slice text, bool *is_held_out);

/* What an answer says whose status is not 200, as far as it matters here. gRPC's codes do not tell these apart. */
enum ordo_etcd_refusal {
    ORDO_ETCD_NONE,
    ORDO_ETCD_TOO_LARGE,
    ORDO_ETCD_NO_LEASE, /* it is over */
    ORDO_ETCD_NO_SPACE, /* its quota is used up */
    ORDO_ETCD_OTHER,    /* no leader, too many requests, … */
};
/* `problem`: a sentence without control characters. Never NONE. */
enum ordo_etcd_refusal ordo_etcd_refusal_decode(struct ordo_slice text, struct ordo_problem *problem);

#endif
