#include "tools/load/trace.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "common/limits.h"
#include "common/memory.h"

static ordo_err read_file(struct ordo_buffer *out, const char *path, char *fault) {
    gzFile file = gzopen(path, "rb"); /* reads plain files as they are */
    if (file == NULL) {
        snprintf(fault, ORDO_TRACE_FAULT_SIZE, "cannot open %.150s: %s", path, strerror(errno));
        return ORDO_ERR_IO;
    }
    enum { CHUNK_SIZE = 1 << 18 };
    int size;
    while ((size = gzread(file, ordo_buffer_reserve(out, CHUNK_SIZE), CHUNK_SIZE)) > 0) out->size += (size_t)size;
    if (size == 0 && gzclose(file) == Z_OK) return ORDO_OK;
    if (size < 0) gzclose(file);
    snprintf(fault, ORDO_TRACE_FAULT_SIZE, "cannot read %.150s: it is cut or damaged", path);
    return ORDO_ERR_IO;
}

static bool take_number(json_t *value, uint64_t *out) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (uint64_t)json_integer_value(value);
    return *out <= ORDO_SPAN_LENGTH_MAX;
}

static bool take_patch(struct ordo_trace *trace, json_t *value) {
    struct ordo_trace_patch *patch = &trace->patches[trace->patch_count];
    json_t *text = json_array_get(value, 2);
    if (json_array_size(value) != 3 || !json_is_string(text)) return false;
    if (!take_number(json_array_get(value, 0), &patch->position)) return false;
    if (!take_number(json_array_get(value, 1), &patch->delete_count)) return false;
    patch->text_offset = trace->text.size;
    patch->text_size = json_string_length(text);
    ordo_buffer_append(&trace->text, json_string_value(text), patch->text_size);
    trace->patch_count++;
    return true;
}

static bool take_patches(struct ordo_trace *trace, json_t *txns) {
    size_t capacity = 0, i, k;
    json_t *txn, *patch;
    json_array_foreach(txns, i, txn) capacity += json_array_size(json_object_get(txn, "patches"));
    trace->patches = ordo_alloc_array(capacity, sizeof *trace->patches);
    json_array_foreach(txns, i, txn) {
        json_array_foreach(json_object_get(txn, "patches"), k, patch) {
            if (!take_patch(trace, patch)) return false;
        }
    }
    return true;
}

ordo_err ordo_trace_parse(struct ordo_trace *trace, struct ordo_slice json, char fault[ORDO_TRACE_FAULT_SIZE]) {
    *trace = (struct ordo_trace){0};
    json_error_t error;
    json_t *root = json_loadb((const char *)json.data, json.size, JSON_ALLOW_NUL, &error);
    json_t *start = json_object_get(root, "startContent"), *end = json_object_get(root, "endContent");
    json_t *txns = json_object_get(root, "txns");
    ordo_err err = ORDO_ERR_INVALID;
    if (root == NULL) {
        snprintf(fault, ORDO_TRACE_FAULT_SIZE, "not JSON: %s (line %d)", error.text, error.line);
    } else if (!json_is_string(end) || !json_is_array(txns) || json_string_length(start) != 0) {
        snprintf(fault, ORDO_TRACE_FAULT_SIZE, "not a trace: endContent, txns and an empty startContent are needed");
    } else if (!take_patches(trace, txns)) {
        snprintf(fault, ORDO_TRACE_FAULT_SIZE, "patch %zu is not [position, deleted, \"inserted\"]",
                 trace->patch_count + 1);
    } else {
        ordo_buffer_append(&trace->end_content, json_string_value(end), json_string_length(end));
        err = ORDO_OK;
    }
    json_decref(root);
    if (err) ordo_trace_finish(trace);
    return err;
}

ordo_err ordo_trace_load(struct ordo_trace *trace, const char *path, char fault[ORDO_TRACE_FAULT_SIZE]) {
    *trace = (struct ordo_trace){0};
    struct ordo_buffer json = {0};
    ordo_err err = read_file(&json, path, fault);
    if (!err) err = ordo_trace_parse(trace, ordo_buffer_slice(&json), fault);
    ordo_buffer_finish(&json);
    return err;
}

void ordo_trace_finish(struct ordo_trace *trace) {
    free(trace->patches);
    ordo_buffer_finish(&trace->text);
    ordo_buffer_finish(&trace->end_content);
    *trace = (struct ordo_trace){0};
}
