/* common/json.h: JSON written and read straight to and from bytes, for files of many million lines.
 *
 * The writer appends to a buffer. The reader walks over one line as the caller's schema says (the next is an object, a
 * key, a number), builds no tree, and allocates nothing but the strings that it is asked for; so whatever a line holds,
 * it costs no more memory than the line. It understands all of JSON's syntax for what it is asked for, except that
 * numbers are whole ones from 0 to 2^53 - 1, and that no string holds U+0000. */
#ifndef ORDO_COMMON_JSON_H
#define ORDO_COMMON_JSON_H

#include "common/buffer.h"

/* --- writing ---------------------------------------------------------------------------------------------------- */

void json_put_text(struct ordo_buffer *out, const char *literal); /* punctuation, as it is */
void json_put_number(struct ordo_buffer *out, uint64_t value);
/* What stands between the quotes of a string, or a piece of it cut between code points; `text` is trusted to be UTF-8. */
void json_put_characters(struct ordo_buffer *out, struct ordo_slice text);
/* With its quotes. False: it is not UTF-8, and nothing was appended. */
bool json_put_string(struct ordo_buffer *out, struct ordo_slice text);
void json_put_hex(struct ordo_buffer *out, struct ordo_slice bytes); /* a string of two digits for each byte */
void json_put_hex64(struct ordo_buffer *out, uint64_t value);        /* a string of 16 digits */

/* --- reading ---------------------------------------------------------------------------------------------------- */

/* Every `take` skips blanks, then fails without a message if what follows is something else; where it stands then is
 * not defined. The text must be valid UTF-8: check the line once. */
struct json_reader {
    const uint8_t *next, *end;
};

static inline struct json_reader json_reader(struct ordo_slice line) {
    return (struct json_reader){.next = line.data, .end = line.size ? line.data + line.size : line.data};
}
/* The next byte that is no blank, without taking it; 0 at the end. */
uint8_t json_peek(struct json_reader *reader);
bool json_take(struct json_reader *reader, char punctuation);
bool json_take_word(struct json_reader *reader, const char *word); /* true, false, null */
bool json_take_number(struct json_reader *reader, uint64_t *out);
bool json_take_string(struct json_reader *reader, struct ordo_buffer *out); /* appends what it says */
bool json_take_end(struct json_reader *reader);                             /* nothing but blanks is left */

/* Members of an object behind its '{', elements of an array behind its '['. `*is_first` is true before the first.
 * True: the next one follows. False: `close` was taken, or something else stands there (then next is NULL). */
bool json_take_next(struct json_reader *reader, char close, bool *is_first);
static inline bool json_is_broken(const struct json_reader *reader) { return reader->next == NULL; }

/* The bytes that lower-case hex digits say. */
bool json_hex_decode(struct ordo_slice digits, struct ordo_buffer *out);
bool json_hex64_decode(struct ordo_slice digits, uint64_t *out); /* 16 of them */

#endif
