/* tools/options.h: command lines as a table: one row per option gives parsing, range checks and the help text.
 *
 * Understands `--name VALUE`, `--name=VALUE`, flags, and words between them; `--` ends the options. Pure: what is wrong
 * comes back as a sentence; the caller prints it and exits 2. */
#ifndef ORDO_TOOLS_OPTIONS_H
#define ORDO_TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum ordo_option_kind {
    ORDO_OPTION_FLAG,  /* out: bool, set to true */
    ORDO_OPTION_TEXT,  /* out: const char *, borrowed from argv */
    ORDO_OPTION_TEXTS, /* out: struct ordo_option_texts, borrowed from argv; may be repeated */
    ORDO_OPTION_COUNT, /* out: uint64_t, within min..max */
    ORDO_OPTION_REAL,  /* out: double, >= 0 */
};

#define ORDO_OPTION_TEXTS_MAX 64
struct ordo_option_texts {
    const char *items[ORDO_OPTION_TEXTS_MAX];
    size_t count;
};

struct ordo_option {
    const char *name;       /* with its dashes */
    const char *value_name; /* for the help; NULL for a flag */
    const char *help;       /* may have several lines */
    enum ordo_option_kind kind;
    void *out;              /* holds the default before parsing */
    uint64_t min, max;      /* of a COUNT */
};

#define ORDO_OPTIONS_FAULT_SIZE 256

struct ordo_words {
    const char **items; /* room for `capacity` */
    size_t count, capacity;
    size_t optional_count; /* of the capacity; the last words may be missing */
};

/* argv[0] is skipped. False: `fault` holds the sentence. */
bool ordo_options_parse(const struct ordo_option *options, size_t option_count, int argc, char **argv,
                        struct ordo_words *words, char fault[ORDO_OPTIONS_FAULT_SIZE]);
void ordo_options_print(FILE *file, const struct ordo_option *options, size_t option_count);

/* Splits "COLLECTION/ID" at its first slash; false unless both are 1..128 bytes of UTF-8 without NUL. `collection` and
 * `id` have room for ORDO_NAME_SIZE_MAX + 1 bytes. */
bool ordo_document_name_parse(const char *name, char *collection, char *id);

#endif
