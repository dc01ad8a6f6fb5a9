#include "gateway/api/request.h"

#include "common/utf8.h"

static bool refuse(struct ordo_api_fault *fault, uint32_t status, const char *code, const char *message) {
    *fault = (struct ordo_api_fault){.status = status, .code = code, .message = message};
    return false;
}

/* ---- names */

static bool is_name(struct ordo_slice name) {
    return name.size >= 1 && name.size <= ORDO_NAME_SIZE_MAX && memchr(name.data, 0, name.size) == NULL &&
           ordo_utf8_validate(name, NULL);
}

static bool set_name(struct ordo_slice name, uint8_t out[ORDO_NAME_SIZE_MAX], size_t *size_out, struct ordo_api_fault *fault) {
    if (!is_name(name))
        return refuse(fault, 400, "bad_name", "collection and id must be 1 to 128 bytes of UTF-8 without U+0000");
    memcpy(out, name.data, name.size);
    *size_out = name.size;
    return true;
}

/* ---- the path */

enum { SEGMENTS_MAX = 3 };

/* The segments of a path that begins with '/', or of nothing. False: there are too many, or one is empty. */
static bool split(struct ordo_slice path, struct ordo_slice segments[SEGMENTS_MAX], size_t *count_out) {
    size_t count = 0, at = 0;
    while (at < path.size) {
        const uint8_t *start = path.data + ++at; /* behind the slash */
        while (at < path.size && path.data[at] != '/') at++;
        size_t size = (size_t)(path.data + at - start);
        if (size == 0 || count == SEGMENTS_MAX) return false;
        segments[count++] = ordo_slice(start, size);
    }
    *count_out = count;
    return true;
}

static bool has_blank(struct ordo_slice segment) {
    return memchr(segment.data, ' ', segment.size) != NULL;
}

/* What the path says: a document, or its ops; `is_named` if the names are in it. */
static bool read_path(const struct ordo_api_input *input, struct ordo_api_request *out, bool *is_ops, bool *is_named,
                      struct ordo_api_fault *fault) {
    struct ordo_slice segments[SEGMENTS_MAX] = {{0}};
    size_t count = 0;
    bool is_path = (input->path.size == 0 || input->path.data[0] == '/') && split(input->path, segments, &count);
    *is_ops = is_path && (count & 1) == 1 && ordo_slice_equal(segments[count - 1], ordo_slice_of("ops"));
    *is_named = is_path && count >= 2;
    if (!is_path || ((count & 1) == 1 && !*is_ops))
        return refuse(fault, 404, "not_found",
                      "documents are at /v1/docs/{collection}/{id}, their ops at …/ops; names with a slash go into "
                      "?collection=…&id=…");
    if (!*is_named) return true;
    if (has_blank(segments[0]) || has_blank(segments[1]))
        return refuse(fault, 400, "bad_path",
                      "a name with a blank or a plus sign that is not escaped: write %2B for +, or use ?collection=…&id=…");
    return set_name(segments[0], out->collection, &out->collection_size, fault) &&
           set_name(segments[1], out->id, &out->id_size, fault);
}

/* ---- the arguments */

static bool read_number(struct ordo_slice text, uint64_t *out) {
    *out = 0;
    if (text.size == 0 || (text.size > 1 && text.data[0] == '0')) return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        *out = *out * 10 + (uint64_t)(text.data[i] - '0');
        if (*out > ORDO_NUMBER_MAX) return false;
    }
    return true;
}

enum arg { ARG_COLLECTION, ARG_ID, ARG_FORMAT, ARG_SEQ, ARG_TIME, ARG_FROM, ARG_TO, ARG_FORGET, ARG_LINEAGE, ARG_COUNT };

static const char *const arg_names[ARG_COUNT] = {"collection", "id",   "format", "seq",    "time",
                                                 "from",       "to",   "forget", "lineage"};

static int arg_of(struct ordo_slice name) {
    for (int i = 0; i < ARG_COUNT; i++)
        if (ordo_slice_equal(name, ordo_slice_of(arg_names[i]))) return i;
    return -1;
}

/* The arguments by name; data is NULL where there is none. */
static bool read_args(const struct ordo_api_input *input, struct ordo_slice out[ARG_COUNT], struct ordo_api_fault *fault) {
    for (int i = 0; i < ARG_COUNT; i++) out[i] = ordo_slice(NULL, 0);
    if (input->arg_count > ORDO_API_ARGS_MAX) return refuse(fault, 400, "bad_argument", "too many arguments");
    for (size_t i = 0; i < input->arg_count; i++) {
        struct ordo_slice arg = input->args[i];
        const uint8_t *equals = arg.size > 0 ? memchr(arg.data, '=', arg.size) : NULL;
        if (equals == NULL) return refuse(fault, 400, "bad_argument", "an argument is written name=value");
        int index = arg_of(ordo_slice(arg.data, (size_t)(equals - arg.data)));
        if (index < 0)
            return refuse(fault, 400, "bad_argument",
                          "the arguments are collection, id, format, seq, time, from, to, forget and lineage");
        if (out[index].data != NULL) return refuse(fault, 400, "bad_argument", "an argument is given twice");
        out[index] = ordo_slice(equals + 1, (size_t)(arg.data + arg.size - equals - 1));
    }
    return true;
}

static bool read_names(const struct ordo_slice args[ARG_COUNT], struct ordo_api_request *out, bool is_named,
                       struct ordo_api_fault *fault) {
    bool has_any = args[ARG_COLLECTION].data != NULL || args[ARG_ID].data != NULL;
    if (is_named && has_any) return refuse(fault, 400, "bad_argument", "the path names the document already");
    if (is_named) return true;
    if (args[ARG_COLLECTION].data == NULL || args[ARG_ID].data == NULL)
        return refuse(fault, 404, "not_found", "a document is at /v1/docs/{collection}/{id}, or named by ?collection=…&id=…");
    return set_name(args[ARG_COLLECTION], out->collection, &out->collection_size, fault) &&
           set_name(args[ARG_ID], out->id, &out->id_size, fault);
}

/* None but these (and the names) may be given. */
static bool allow(const struct ordo_slice args[ARG_COUNT], uint32_t allowed, struct ordo_api_fault *fault) {
    for (int i = ARG_FORMAT; i < ARG_COUNT; i++)
        if (args[i].data != NULL && !(allowed & 1u << i))
            return refuse(fault, 400, "bad_argument", "an argument does not belong to this request; see docs/http.md");
    return true;
}

/* ---- one kind of request after the other */

static bool starts_with_json(struct ordo_slice accept) {
    return ordo_slice_starts_with(accept, ordo_slice_of("application/json"));
}

static bool read_read(const struct ordo_api_input *input, const struct ordo_slice args[ARG_COUNT],
                      struct ordo_api_request *out, struct ordo_api_fault *fault) {
    if (!allow(args, 1u << ARG_FORMAT | 1u << ARG_SEQ | 1u << ARG_TIME, fault)) return false;
    struct ordo_slice format = args[ARG_FORMAT], at_seq = args[ARG_SEQ], at_time = args[ARG_TIME];
    out->action = ORDO_API_READ;
    out->wants_json = format.data != NULL ? ordo_slice_equal(format, ordo_slice_of("json")) : starts_with_json(input->accept);
    if (format.data != NULL && !out->wants_json && !ordo_slice_equal(format, ordo_slice_of("text")))
        return refuse(fault, 400, "bad_argument", "format is text or json");
    if (at_seq.data != NULL && at_time.data != NULL)
        return refuse(fault, 400, "bad_argument", "seq and time exclude each other");
    if (at_seq.data != NULL) out->at_kind = ORDO_API_AT_SEQ;
    if (at_time.data != NULL) out->at_kind = ORDO_API_AT_TIME;
    if (out->at_kind != ORDO_API_AT_HEAD && !read_number(at_seq.data != NULL ? at_seq : at_time, &out->at))
        return refuse(fault, 400, "bad_argument", "seq is a number, time a number of milliseconds since 1970");
    if (input->if_none_match.size <= sizeof out->known && input->if_none_match.size > 0) {
        memcpy(out->known, input->if_none_match.data, input->if_none_match.size);
        out->known_size = input->if_none_match.size;
    }
    return true;
}

static bool read_ops(const struct ordo_slice args[ARG_COUNT], struct ordo_api_request *out, struct ordo_api_fault *fault) {
    out->action = ORDO_API_OPS;
    if (!allow(args, 1u << ARG_FROM | 1u << ARG_TO, fault)) return false;
    bool is_good = args[ARG_FROM].data != NULL && read_number(args[ARG_FROM], &out->from_seq) && out->from_seq > 0;
    if (args[ARG_TO].data != NULL)
        is_good = is_good && read_number(args[ARG_TO], &out->to_seq) && out->to_seq >= out->from_seq;
    return is_good || refuse(fault, 400, "bad_argument", "ops are asked for with from >= 1 and, at choice, to >= from");
}

static bool read_create(const struct ordo_api_input *input, const struct ordo_slice args[ARG_COUNT],
                        struct ordo_api_request *out, struct ordo_api_fault *fault) {
    out->action = ORDO_API_CREATE;
    out->must_be_new = ordo_slice_equal(input->if_none_match, ordo_slice_of("*"));
    if (input->if_none_match.size > 0 && !out->must_be_new)
        return refuse(fault, 400, "bad_condition", "PUT understands If-None-Match: * alone");
    if (input->if_match.size > 0)
        return refuse(fault, 400, "bad_condition", "PUT only creates; change a document with POST …/ops");
    return allow(args, 0, fault);
}

static bool read_delete(const struct ordo_slice args[ARG_COUNT], struct ordo_api_request *out, struct ordo_api_fault *fault) {
    struct ordo_slice forget = args[ARG_FORGET];
    bool forgets = ordo_slice_equal(forget, ordo_slice_of("true"));
    out->action = forgets ? ORDO_API_FORGET : ORDO_API_DELETE_DOCUMENT;
    if (forget.data != NULL && !forgets) return refuse(fault, 400, "bad_argument", "forget is true, or left out");
    if (args[ARG_LINEAGE].data != NULL && !read_number(args[ARG_LINEAGE], &out->lineage))
        return refuse(fault, 400, "bad_argument", "lineage is a number");
    return allow(args, 1u << ARG_FORGET | (forgets ? 1u << ARG_LINEAGE : 0), fault);
}

static bool read_action(const struct ordo_api_input *input, const struct ordo_slice args[ARG_COUNT], bool is_ops,
                        struct ordo_api_request *out, struct ordo_api_fault *fault) {
    switch (input->method) {
    case ORDO_API_GET: return is_ops ? read_ops(args, out, fault) : read_read(input, args, out, fault);
    case ORDO_API_PUT:
        if (!is_ops) return read_create(input, args, out, fault);
        break;
    case ORDO_API_POST:
        out->action = ORDO_API_SUBMIT;
        if (is_ops) return allow(args, 0, fault);
        break;
    case ORDO_API_DELETE:
        if (!is_ops) return read_delete(args, out, fault);
        break;
    case ORDO_API_OTHER: break;
    }
    return refuse(fault, 405, "method_not_allowed",
                  "a document takes GET, PUT and DELETE, its ops take GET and POST");
}

static bool set_key(struct ordo_slice key, struct ordo_api_request *out, struct ordo_api_fault *fault) {
    if (key.size > sizeof out->key) return refuse(fault, 400, "bad_key", "an Idempotency-Key has at most 255 bytes");
    if (key.size > 0) memcpy(out->key, key.data, key.size);
    out->key_size = key.size;
    return true;
}

bool ordo_api_request_parse(const struct ordo_api_input *input, struct ordo_api_request *out, struct ordo_api_fault *fault) {
    struct ordo_slice args[ARG_COUNT];
    bool is_ops, is_named;
    *out = (struct ordo_api_request){0};
    return read_path(input, out, &is_ops, &is_named, fault) && read_args(input, args, fault) &&
           read_names(args, out, is_named, fault) && read_action(input, args, is_ops, out, fault) &&
           set_key(input->key, out, fault);
}

bool ordo_api_knows(struct ordo_slice if_none_match, struct ordo_slice etag) {
    if (ordo_slice_equal(if_none_match, ordo_slice_of("*"))) return true;
    for (size_t at = 0; at + etag.size <= if_none_match.size; at++)
        if (memcmp(if_none_match.data + at, etag.data, etag.size) == 0) return true;
    return false;
}
