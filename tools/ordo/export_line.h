/* tools/ordo/export_line.h: one line of an export (docs/export-format.md), written and read.
 *
 * Pure: bytes in, a struct out, and back. What a line means for those around it is the business of export_doc.h and
 * import_doc.h; here it is only well formed or not: its members are all there and of their kinds, names and ids within
 * their limits. What a line claims about an op's fit to the content is not looked at. */
#ifndef ORDO_TOOLS_EXPORT_LINE_H
#define ORDO_TOOLS_EXPORT_LINE_H

#include "shard/core/committed.h"
#include "shard/core/rows.h"

#define EXPORT_VERSION 1
/* A submitted op takes at most 1 MiB, and a component of one byte up to 20 as JSON with its hint; so this is room for all but
 * ops that rebasing made huge (shard/core/block.h). Reading a line takes a few times its size. */
#define EXPORT_LINE_SIZE_MAX (64u * 1024 * 1024)
/* Content goes into lines of its own, this many bytes each at most. */
#define EXPORT_CONTENT_SIZE_MAX (64u * 1024)

enum export_line_kind {
    EXPORT_HEADER,   /* first of the file */
    EXPORT_DOCUMENT, /* begins a document */
    EXPORT_BEGIN,    /* what its history begins with, if that is not nothing; */
    EXPORT_CONTENT,  /* the content there, in as many lines as it takes */
    EXPORT_OP,
    EXPORT_CLIENT,   /* the newest op of a client: what recognises one that comes again */
    EXPORT_END,      /* of the document */
    EXPORT_DONE,     /* last of the file */
};

struct export_document {
    struct ordo_slice collection, id, type;
    uint64_t begin_seq, head, forgotten_seq;
};
struct export_begin {
    uint64_t created_seq, deleted_seq, timestamp_ms; /* as of begin_seq */
    uint64_t length, size;                           /* of the content: code points, bytes */
};
struct export_client {
    struct ordo_slice client_id;
    struct ordo_client_row row;
};
struct export_end {
    uint64_t op_count, client_count;
    uint64_t lineage; /* here, where no sum covers it: an import draws a new one, and all else stays byte for byte */
    uint64_t checksum;
};

struct export_line {
    enum export_line_kind kind;
    union {
        uint64_t version;                /* HEADER */
        struct export_document document;
        struct export_begin begin;
        struct ordo_slice content;
        struct ordo_committed op;
        struct export_client client;
        struct export_end end;
        uint64_t document_count;         /* DONE */
    };
};

/* Appends one line without its end. INVALID: it holds an op that is not of the type `text` or broken, or a name that
 * is not UTF-8; nothing was appended. */
ORDO_MUST_USE ordo_err export_line_write(const struct export_line *line, struct ordo_buffer *out);

/* The sum over a document's lines: each without its end, hashed with the sum so far as the seed, from 0 on. */
uint64_t export_sum(uint64_t sum, struct ordo_slice line);

/* Memory for what a line says; zeroed memory will do. */
struct export_reader {
    struct ordo_buffer strings[3]; /* by the schema: names, ids */
    struct ordo_buffer digits;
    struct ordo_buffer spans, text, hints, edit, op;
};
void export_reader_finish(struct export_reader *reader);
/* Reads a line without its end. NULL: it is well formed; `out` borrows until the next call. Else a sentence that says
 * what is wrong, without a full stop. Creates come with the lineage 0. */
const char *export_line_read(struct export_reader *reader, struct ordo_slice line, struct export_line *out);

#endif
