/* common/limits.h: every fixed limit of Ordo, with the reason for its size. Sizes are bytes, times milliseconds.
 *
 * Limits that an operator may change are defaults here and fields of the configuration; these are the values that the
 * wire and the disk rely on. */
#ifndef ORDO_COMMON_LIMITS_H
#define ORDO_COMMON_LIMITS_H

#define ORDO_SLOT_COUNT 1024
#define ORDO_NAME_SIZE_MAX 128         /* a collection or an id, UTF-8, no NUL */
#define ORDO_CLIENT_ID_SIZE 16         /* what our clients draw; see ..._MAX for other protocols */
#define ORDO_CLIENT_ID_SIZE_MAX 128
#define ORDO_USER_SIZE_MAX 128
#define ORDO_TYPE_NAME_SIZE_MAX 32

/* JavaScript's integers end here, so no number on the wire goes beyond. */
#define ORDO_NUMBER_MAX ((UINT64_C(1) << 53) - 1)
#define ORDO_SPAN_LENGTH_MAX ((UINT64_C(1) << 31) - 1)

#define ORDO_OP_SIZE_MAX (1024u * 1024)          /* one submitted op, encoded */
/* One WebSocket frame: an op of the greatest size and room for what surrounds it. */
#define ORDO_FRAME_SIZE_MAX (ORDO_OP_SIZE_MAX + 64u * 1024)
#define ORDO_DOCUMENT_SIZE_MAX (64u * 1024 * 1024) /* UTF-8 bytes of one document */
#define ORDO_PRESENCE_SIZE_MAX (4u * 1024)
/* Longer answers come in parts (`more`). Parts and pieces of 256 KiB took a gateway's turn 0.7 ms each, which all others
 * felt; smaller ones than these would cost more in all. */
#define ORDO_PART_SIZE_MAX (64u * 1024)
#define ORDO_INLINE_SIZE_MAX (64u * 1024)        /* longer contents travel on the bulk link */
#define ORDO_PIECE_SIZE_MAX (64u * 1024)         /* one fetch on the bulk link */

_Static_assert(ORDO_OP_SIZE_MAX < ORDO_FRAME_SIZE_MAX, "an op fits in a frame");
_Static_assert(ORDO_PART_SIZE_MAX < ORDO_FRAME_SIZE_MAX, "a part fits in a frame");

#define ORDO_DOCUMENTS_PER_CONNECTION_MAX 1000
#define ORDO_OUTBOX_SIZE_MAX (4u * 1024 * 1024)  /* waiting for one connection; beyond: drop and resync */
#define ORDO_DOC_QUEUE_SIZE_MAX (2u * 1024 * 1024) /* inputs waiting for one document's job */
#ifndef ORDO_LINK_CREDIT /* the simulator has a build with little */
#define ORDO_LINK_CREDIT (16u * 1024 * 1024)     /* in flight on one link and direction */
#endif

#define ORDO_HEARTBEAT_MS 500
#define ORDO_LINK_TIMEOUT_MS 3000                /* six heartbeats missed: the link is gone */

#endif
