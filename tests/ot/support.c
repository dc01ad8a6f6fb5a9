#include "tests/ot/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/assert.h"
#include "common/memory.h"
#include "common/ot/text_codec.h"
#include "common/utf8.h"

/* --- ops as JSON ------------------------------------------------------------------------------------------------ */

static struct ordo_slice json_slice(const json_t *string) {
    return ordo_slice(json_string_value(string), json_string_length(string));
}

void ot_op_from_json(const json_t *components, struct ordo_buffer *out) {
    struct ordo_buffer text = {0};
    size_t start;
    struct text_writer writer = text_message_begin(out, &start);
    size_t index;
    json_t *component;
    json_array_foreach(components, index, component) {
        if (json_is_integer(component)) {
            text_put(&writer, text_span(TEXT_RETAIN, (uint64_t)json_integer_value(component)));
        } else if (json_is_string(component)) {
            text_put(&writer, text_span(TEXT_INSERT, ordo_utf8_count(json_slice(component))));
            ordo_buffer_append_slice(&text, json_slice(component));
        } else if (json_object_get(component, "i") != NULL) {
            struct ordo_slice inserted = json_slice(json_object_get(component, "i"));
            uint64_t hints = (uint64_t)json_integer_value(json_object_get(component, "hints"));
            text_put(&writer, text_span(TEXT_INSERT, ordo_utf8_count(inserted)) | (hints << 2 & TEXT_BITS_MASK));
            ordo_buffer_append_slice(&text, inserted);
        } else {
            json_t *deleted = json_object_get(component, "d");
            ORDO_ASSERT(json_is_integer(deleted));
            text_put(&writer, text_span(TEXT_DELETE, (uint64_t)json_integer_value(deleted)));
        }
    }
    text_message_end(&writer, start, ordo_buffer_slice(&text));
    ordo_buffer_finish(&text);
}

json_t *ot_op_to_json(struct ordo_slice op) {
    struct text_op opened;
    ORDO_ASSERT(text_op_open(op, &opened));
    json_t *components = json_array();
    for (uint64_t span = text_read(&opened.spans); span != 0; span = text_read(&opened.spans)) {
        uint64_t n = text_span_n(span);
        switch (text_span_kind(span)) {
        case TEXT_RETAIN: json_array_append_new(components, json_integer((json_int_t)n)); break;
        case TEXT_DELETE: json_array_append_new(components, json_pack("{s:I}", "d", (json_int_t)n)); break;
        case TEXT_INSERT: {
            size_t size = ordo_utf8_offset(opened.text, n);
            json_t *inserted = json_stringn((const char *)opened.text.data, size);
            json_int_t hints = (json_int_t)((span & TEXT_BITS_MASK) >> 2);
            if (hints != 0) inserted = json_pack("{s:o, s:I}", "i", inserted, "hints", hints);
            json_array_append_new(components, inserted);
            opened.text = ordo_slice(opened.text.data + size, opened.text.size - size);
            break;
        }
        }
    }
    return components;
}

/* --- random ops ------------------------------------------------------------------------------------------------- */

void ot_random_text(struct ot_random *random, uint64_t count, struct ordo_buffer *out) {
    static const char *const rare[] = {
        "é", "ß", "\xcc\x81", "\xcc\x88", "漢", "字", "\xef\xbb\xbf", "😅", "🤖", "👩", "\xe2\x80\x8d", "🏽",
    };
    for (uint64_t i = 0; i < count; i++) {
        uint64_t pick = ordo_prng_below(&random->prng, 40);
        if (pick < 28)
            ordo_buffer_append_u8(out, (uint8_t)('a' + pick % 26));
        else
            ordo_buffer_append_slice(out, ordo_slice_of(rare[pick - 28]));
    }
}

uint64_t ot_random_op(struct ot_random *random, uint64_t length_before, struct ordo_buffer *out) {
    struct ordo_prng *prng = &random->prng;
    struct ordo_buffer text = {0};
    size_t start;
    struct text_writer writer = text_message_begin(out, &start);
    uint64_t left = length_before, length = length_before;
    uint64_t components = ordo_prng_below(prng, random->components_max + 1u);
    for (uint64_t i = 0; i < components; i++) {
        uint64_t n = 1 + ordo_prng_below(prng, random->span_max);
        uint64_t kind = ordo_prng_below(prng, 3);
        if (kind == TEXT_INSERT) {
            uint64_t bits = random->has_hints ? ordo_prng_below(prng, 4) << 2 : 0;
            ot_random_text(random, n, &text);
            text_put(&writer, text_span(TEXT_INSERT, n) | bits);
            length += n;
            continue;
        }
        if (n > left) n = left;
        if (n == 0) continue;
        left -= n;
        if (kind == TEXT_DELETE) length -= n;
        text_put(&writer, text_span((enum text_kind)kind, n));
    }
    text_message_end(&writer, start, ordo_buffer_slice(&text));
    ordo_buffer_finish(&text);
    return length;
}

/* --- files ------------------------------------------------------------------------------------------------------ */

const char *ot_traces_folder(void) {
    const char *folder = getenv("ORDO_TRACES");
    if (folder == NULL) folder = ORDO_SOURCE_FOLDER "/../shared/traces";
    return access(folder, R_OK) == 0 ? folder : NULL;
}

struct ordo_buffer ot_read_file(const char *path) {
    size_t size = strlen(path);
    bool is_packed = size > 3 && strcmp(path + size - 3, ".gz") == 0;
    char command[4096];
    snprintf(command, sizeof command, "gzip -dc '%s'", path);
    FILE *file = is_packed ? popen(command, "r") : fopen(path, "r");
    ORDO_ASSERT(file != NULL);
    struct ordo_buffer bytes = {0};
    size_t got;
    do {
        uint8_t *to = ordo_buffer_reserve(&bytes, 1 << 16);
        got = fread(to, 1, 1 << 16, file);
        bytes.size += got;
    } while (got > 0);
    int status = is_packed ? pclose(file) : fclose(file);
    ORDO_ASSERT(status == 0);
    return bytes;
}

static void load_patches(struct ot_trace *trace, const json_t *transactions) {
    size_t i, k, capacity = 0;
    json_t *transaction, *patch;
    json_array_foreach(transactions, i, transaction) {
        json_array_foreach(json_object_get(transaction, "patches"), k, patch) {
            if (trace->count == capacity) {
                capacity = capacity ? capacity * 2 : 1024;
                trace->patches = ordo_realloc(trace->patches, capacity * sizeof *trace->patches);
            }
            trace->patches[trace->count++] = (struct ot_patch){
                .position = (uint64_t)json_integer_value(json_array_get(patch, 0)),
                .deleted = (uint64_t)json_integer_value(json_array_get(patch, 1)),
                .inserted = json_slice(json_array_get(patch, 2)),
            };
        }
    }
}

struct ot_trace ot_trace_load(const char *path) {
    struct ordo_buffer bytes = ot_read_file(path);
    json_error_t error;
    struct ot_trace trace = {.json = json_loadb((const char *)bytes.data, bytes.size, 0, &error)};
    ORDO_ASSERT(trace.json != NULL);
    ordo_buffer_finish(&bytes);
    load_patches(&trace, json_object_get(trace.json, "txns"));
    trace.end_content = json_slice(json_object_get(trace.json, "endContent"));
    return trace;
}

void ot_trace_finish(struct ot_trace *trace) {
    free(trace->patches);
    json_decref(trace->json);
    *trace = (struct ot_trace){0};
}
