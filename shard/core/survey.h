/* shard/core/survey.h: what of a damaged document can be read, and how far that leads.
 *
 * Rows may be missing, and rows that were deleted may be back; each that is there stands under its own checksum. What a run,
 * a block or a snapshot says of an op never changes, so all that is there is true; what is not there is the question.
 * An op may be in a run of the log, in a block of history, or in both. Of all ways to start (before the first op, or with
 * one of the whole snapshots) the one counts that leads furthest, over runs and blocks, without a hole.
 *
 * Pure: reads through the view. Threads: one owner. */
#ifndef ORDO_SHARD_CORE_SURVEY_H
#define ORDO_SHARD_CORE_SURVEY_H

#include "shard/core/rows.h"
#include "shard/store.h"

/* Ops first..next-1 are there without a hole. */
struct ordo_stretch {
    uint64_t first, next;
};

struct ordo_stretches {
    struct ordo_stretch *items; /* by `first` */
    size_t count;
};

/* The last one that holds the op; NULL: none. */
const struct ordo_stretch *ordo_stretch_with(const struct ordo_stretches *stretches, uint64_t seq);

struct ordo_survey {
    struct ordo_view *view;
    struct ordo_slice doc_key; /* borrowed */
    struct ordo_buffer end_key;
    struct ordo_doc_row row;   /* without its type; zeroed: there is none that reads */
    struct ordo_stretches runs;   /* those that follow each other as one; some may lie behind the end */
    struct ordo_stretches blocks; /* each, up to the end */
    struct ordo_snapshot_row *snapshots; /* whole ones, oldest first; their type is a static name */
    size_t snapshot_count;
    uint64_t known_seq;        /* the last op that anything knows of */
    uint64_t end_seq;          /* the last op that is reached; 0: there is no way to start */
};

/* `seen_seq`: an op that is known of from elsewhere; 0: none. To be finished in any case. IO: the view could not be read. */
ORDO_MUST_USE ordo_err ordo_survey_make(struct ordo_survey *survey, struct ordo_view *view, struct ordo_slice doc_key,
                                        uint64_t seen_seq);
void ordo_survey_finish(struct ordo_survey *survey);

/* Behind all others. */
void ordo_survey_add_snapshot(struct ordo_survey *survey, const struct ordo_snapshot_row *row);

/* The document's rows in a family. Close it. */
struct ordo_iterator *ordo_survey_iterate(struct ordo_survey *survey, enum ordo_cf cf);
/* What of a row's key stands behind the document's. */
struct ordo_slice ordo_survey_rest_of(const struct ordo_survey *survey, struct ordo_slice key);
/* Rows of what was forgotten may be back, too: they are not taken for anything. */
bool ordo_survey_is_erased(const struct ordo_survey *survey, uint64_t seq);

#endif
