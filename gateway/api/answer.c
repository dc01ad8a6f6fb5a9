#include "gateway/api/answer.h"

#include <stdio.h>

#include "common/ot/commit_json.h"

enum { RETRY_AFTER_MS = 1000 };

static const char json_type[] = "application/json", text_type[] = "text/plain; charset=utf-8";

void ordo_api_answer_finish(struct ordo_api_answer *answer) {
    ordo_buffer_finish(&answer->body);
}

static void begin(struct ordo_api_answer *answer, uint32_t status, const char *content_type) {
    answer->status = status;
    answer->content_type = content_type;
}

static void end(struct ordo_api_answer *answer, const char *tail) {
    json_put_text(&answer->body, tail);
    answer->is_over = true;
}

static void put_member(struct ordo_api_answer *answer, const char *name, uint64_t value) {
    json_put_text(&answer->body, name);
    json_put_number(&answer->body, value);
}

static void put_string_member(struct ordo_api_answer *answer, const char *name, struct ordo_slice value) {
    json_put_text(&answer->body, name);
    if (!json_put_string(&answer->body, value)) json_put_text(&answer->body, "\"\"");
}

/* ---- whole answers */

void ordo_api_answer_error(struct ordo_api_answer *answer, uint32_t status, const char *code, struct ordo_slice message,
                           uint32_t retry_after_ms) {
    begin(answer, status, json_type);
    answer->etag[0] = '\0';
    answer->retry_after_s = (retry_after_ms + 999) / 1000;
    put_string_member(answer, "{\"code\":", ordo_slice_of(code));
    put_string_member(answer, ",\"message\":", message);
    end(answer, "}\n");
}

void ordo_api_answer_fault(struct ordo_api_answer *answer, const struct ordo_api_fault *fault) {
    bool is_passing = fault->status == 503 || fault->status == 429;
    ordo_api_answer_error(answer, fault->status, fault->code, ordo_slice_of(fault->message), is_passing ? RETRY_AFTER_MS : 0);
}

void ordo_api_answer_unchanged(struct ordo_api_answer *answer) {
    begin(answer, 304, NULL);
    answer->is_over = true;
}

void ordo_api_answer_commit(struct ordo_api_answer *answer, uint32_t status, const struct ordo_api_commit *commit) {
    begin(answer, status, json_type);
    put_member(answer, "{\"server_seq\":", commit->server_seq);
    put_member(answer, ",\"lineage\":", commit->lineage);
    if (commit->timestamp_ms != 0) put_member(answer, ",\"timestamp_ms\":", commit->timestamp_ms);
    json_put_text(&answer->body, commit->is_duplicate ? ",\"duplicate\":true" : ",\"duplicate\":false");
    end(answer, "}\n");
}

void ordo_api_answer_forgotten(struct ordo_api_answer *answer, uint64_t head) {
    begin(answer, 200, json_type);
    put_member(answer, "{\"forgotten\":true,\"head\":", head);
    end(answer, "}\n");
}

/* ---- headers */

void ordo_api_answer_set_etag(struct ordo_api_answer *answer, uint64_t lineage, uint64_t seq) {
    snprintf(answer->etag, sizeof answer->etag, "\"%llu.%llu\"", (unsigned long long)lineage, (unsigned long long)seq);
}

/* Everything but letters, digits and -_~ as %XX; so a dot is no path segment either. */
static char *put_escaped(char *out, const uint8_t *name, size_t size) {
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = name[i], lower = byte | 0x20;
        bool is_plain = (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '~';
        if (!is_plain) {
            *out++ = '%';
            *out++ = hex[byte >> 4];
            *out++ = hex[byte & 15];
        } else {
            *out++ = (char)byte;
        }
    }
    return out;
}

void ordo_api_answer_set_location(struct ordo_api_answer *answer, const struct ordo_api_request *request) {
    static const char start[] = "/v1/docs?collection=", middle[] = "&id=";
    _Static_assert(sizeof start + sizeof middle <= 32, "they fit beside the names");
    char path[sizeof answer->location + 32], *at = path;
    at = stpcpy(at, start);
    at = put_escaped(at, request->collection, request->collection_size);
    at = stpcpy(at, middle);
    at = put_escaped(at, request->id, request->id_size);
    *at = '\0';
    if (strlen(path) < sizeof answer->location) strcpy(answer->location, path);
}

/* ---- the content */

void ordo_api_answer_begin_text(struct ordo_api_answer *answer, const struct ordo_api_request *request, uint64_t lineage,
                                const Ordo__V1__History *history) {
    begin(answer, 200, request->wants_json ? json_type : text_type);
    if (!request->wants_json) return;
    put_string_member(answer, "{\"collection\":", ordo_slice(request->collection, request->collection_size));
    put_string_member(answer, ",\"id\":", ordo_slice(request->id, request->id_size));
    json_put_text(&answer->body, ",\"type\":\"text\"");
    put_member(answer, ",\"lineage\":", lineage);
    put_member(answer, ",\"seq\":", history->content->seq);
    put_member(answer, ",\"head\":", history->head);
    put_member(answer, ",\"timestamp_ms\":", history->timestamp_ms);
    put_member(answer, ",\"created_seq\":", history->created_seq);
    json_put_text(&answer->body, ",\"text\":\"");
}

void ordo_api_answer_add_text(struct ordo_api_answer *answer, const struct ordo_api_request *request, struct ordo_slice text) {
    if (request->wants_json)
        json_put_characters(&answer->body, text);
    else
        ordo_buffer_append_slice(&answer->body, text);
}

void ordo_api_answer_end_text(struct ordo_api_answer *answer, const struct ordo_api_request *request) {
    end(answer, request->wants_json ? "\"}\n" : "");
}

/* ---- ops */

void ordo_api_answer_begin_ops(struct ordo_api_answer *answer, uint64_t lineage, const Ordo__V1__History *history) {
    begin(answer, 200, json_type);
    put_member(answer, "{\"lineage\":", lineage);
    put_member(answer, ",\"head\":", history->head);
    put_member(answer, ",\"begin_seq\":", history->begin_seq);
    put_member(answer, ",\"horizon\":", history->horizon);
    json_put_text(&answer->body, ",\"ops\":[");
}

bool ordo_api_answer_add_op(struct ordo_api_answer *answer, const Ordo__V1__Committed *committed, bool is_first) {
    struct ordo_commit commit = {.server_seq = committed->server_seq, .client_seq = committed->client_seq,
                                 .base_seq = committed->base_seq, .timestamp_ms = committed->timestamp_ms,
                                 .client_id = ordo_slice_of_binary(committed->client_id),
                                 .user = ordo_slice_of_binary(committed->user)};
    switch (committed->op_case) {
    case ORDO__V1__COMMITTED__OP_TEXT: commit.op = ordo_slice_of_binary(committed->text); break;
    case ORDO__V1__COMMITTED__OP_DELETE: commit.kind = ORDO_COMMIT_DELETE; break;
    case ORDO__V1__COMMITTED__OP_CREATE:
        commit.kind = ORDO_COMMIT_CREATE;
        commit.op = ordo_slice_of_binary(committed->create->text);
        commit.type = ordo_slice_of_binary(committed->create->type);
        break;
    case ORDO__V1__COMMITTED__OP__NOT_SET:
    default: return false;
    }
    json_put_text(&answer->body, is_first ? "\n" : ",\n");
    return ordo_commit_json_put(&answer->body, &commit) == ORDO_OK;
}

void ordo_api_answer_end_ops(struct ordo_api_answer *answer, uint64_t next_seq) {
    json_put_text(&answer->body, "],\"next\":");
    if (next_seq != 0)
        json_put_number(&answer->body, next_seq);
    else
        json_put_text(&answer->body, "null");
    end(answer, "}\n");
}
