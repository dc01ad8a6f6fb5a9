#include "tools/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "common/limits.h"
#include "common/utf8.h"

static const struct ordo_option *find_option(const struct ordo_option *options, size_t count, const char *name,
                                             size_t name_size) {
    for (size_t i = 0; i < count; i++) {
        if (strlen(options[i].name) == name_size && memcmp(options[i].name, name, name_size) == 0) return &options[i];
    }
    return NULL;
}

static bool parse_count(const char *text, uint64_t *out) {
    if (*text < '0' || *text > '9') return false; /* strtoull would take spaces and signs */
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool parse_real(const char *text, double *out) {
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*out) && *out >= 0;
}

static bool take_text(const struct ordo_option *option, const char *value, char *fault) {
    struct ordo_option_texts *texts = option->out;
    if (texts->count == ORDO_OPTION_TEXTS_MAX) {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "%s stands there more than %d times", option->name, ORDO_OPTION_TEXTS_MAX);
        return false;
    }
    texts->items[texts->count++] = value;
    return true;
}

static bool take_value(const struct ordo_option *option, const char *value, char *fault) {
    uint64_t count;
    double real;
    switch (option->kind) {
    case ORDO_OPTION_FLAG: return true; /* has none */
    case ORDO_OPTION_TEXT: *(const char **)option->out = value; return true;
    case ORDO_OPTION_TEXTS: return take_text(option, value, fault);
    case ORDO_OPTION_COUNT:
        if (parse_count(value, &count) && count >= option->min && count <= option->max) {
            *(uint64_t *)option->out = count;
            return true;
        }
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "%s wants a number from %llu to %llu, not '%.60s'", option->name,
                 (unsigned long long)option->min, (unsigned long long)option->max, value);
        return false;
    case ORDO_OPTION_REAL:
        if (parse_real(value, &real)) {
            *(double *)option->out = real;
            return true;
        }
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "%s wants a number, not '%.60s'", option->name, value);
        return false;
    }
    return false;
}

/* The option at argv[*index], with its value, which may be the next argument. */
static bool take_option(const struct ordo_option *options, size_t option_count, int argc, char **argv, int *index,
                        char *fault) {
    const char *arg = argv[*index], *equals = strchr(arg, '=');
    size_t name_size = equals ? (size_t)(equals - arg) : strlen(arg);
    const struct ordo_option *option = find_option(options, option_count, arg, name_size);
    if (option == NULL) {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "unknown option '%.60s'", arg);
        return false;
    }
    if (option->kind == ORDO_OPTION_FLAG) {
        if (equals) snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "%s takes no value", option->name);
        *(bool *)option->out = true;
        return equals == NULL;
    }
    if (!equals && *index + 1 == argc) {
        snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "%s wants a value: %s", option->name, option->value_name);
        return false;
    }
    return take_value(option, equals ? equals + 1 : argv[++*index], fault);
}

bool ordo_options_parse(const struct ordo_option *options, size_t option_count, int argc, char **argv,
                        struct ordo_words *words, char fault[ORDO_OPTIONS_FAULT_SIZE]) {
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        bool is_word = only_words || argv[i][0] != '-' || argv[i][1] == '\0';
        if (is_word && words->count == words->capacity) {
            snprintf(fault, ORDO_OPTIONS_FAULT_SIZE, "'%.60s' is one word too many", argv[i]);
            return false;
        }
        if (is_word) {
            words->items[words->count++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!take_option(options, option_count, argc, argv, &i, fault)) {
            return false;
        }
    }
    return true;
}

enum { HELP_COLUMN = 30 };

void ordo_options_print(FILE *file, const struct ordo_option *options, size_t option_count) {
    for (size_t i = 0; i < option_count; i++) {
        const struct ordo_option *option = &options[i];
        int width = fprintf(file, "  %s%s%s", option->name, option->value_name ? " " : "",
                            option->value_name ? option->value_name : "");
        if (width > HELP_COLUMN - 2) width = fprintf(file, "\n") - 1;
        const char *line = option->help;
        for (;;) {
            size_t size = strcspn(line, "\n");
            fprintf(file, "%*s%.*s\n", HELP_COLUMN - width, "", (int)size, line);
            if (line[size] == '\0') break;
            line += size + 1;
            width = 0;
        }
    }
}

static bool is_name(struct ordo_slice name) {
    return name.size >= 1 && name.size <= ORDO_NAME_SIZE_MAX && ordo_utf8_validate(name, NULL);
}

bool ordo_document_name_parse(const char *name, char *collection, char *id) {
    const char *slash = strchr(name, '/');
    if (slash == NULL) return false;
    struct ordo_slice first = ordo_slice(name, (size_t)(slash - name));
    struct ordo_slice second = ordo_slice_of(slash + 1);
    if (!is_name(first) || !is_name(second)) return false;
    memcpy(collection, first.data, first.size);
    collection[first.size] = '\0';
    memcpy(id, second.data, second.size + 1);
    return true;
}
