#include "client/c/core/doc.h"

#include <stdlib.h>

#include "client/c/core/doc_internal.h"
#include "client/c/core/text_diff.h"
#include "common/assert.h"
#include "common/memory.h"
#include "common/ot/text.h"
#include "common/utf8.h"

enum { CREATE_OVERHEAD_MAX = ORDO_TYPE_NAME_SIZE_MAX + 64 }; /* what surrounds the content in a CreateDocument */

const char *ordo_client_status_text(enum ordo_client_status status) {
    switch (status) {
    case ORDO_CLIENT_CONNECTING: return "connecting";
    case ORDO_CLIENT_SYNCED: return "synced";
    case ORDO_CLIENT_SAVING: return "saving";
    case ORDO_CLIENT_OFFLINE: return "offline";
    case ORDO_CLIENT_READ_ONLY: return "read-only";
    case ORDO_CLIENT_ERROR: return "error";
    }
    return "unknown";
}

/* --- life ------------------------------------------------------------------------------------------------------- */

struct ordo_client_doc *ordo_client_doc_create(const struct ordo_client_doc_options *options,
                                               struct ordo_client_id client_id) {
    ORDO_ASSERT(options->collection.size > 0 && options->collection.size <= ORDO_NAME_SIZE_MAX);
    ORDO_ASSERT(options->id.size > 0 && options->id.size <= ORDO_NAME_SIZE_MAX);
    ORDO_ASSERT(options->create_type.size <= ORDO_TYPE_NAME_SIZE_MAX);
    struct ordo_client_doc *doc = ordo_alloc(sizeof *doc);
    memcpy(doc->collection, options->collection.data, options->collection.size);
    doc->collection_size = options->collection.size;
    memcpy(doc->id, options->id.data, options->id.size);
    doc->id_size = options->id.size;
    if (options->create_type.size > 0) memcpy(doc->create_type, options->create_type.data, options->create_type.size);
    ordo_buffer_append_slice(&doc->create_content, options->create_content);
    doc->wants_presence = options->presence;
    doc->is_light = options->light;
    doc->listener = options->listener;
    doc->user = options->user;
    doc->client_id = client_id;
    doc->next_client_seq = 1;
    doc->permission = 2; /* until the server says otherwise: a restored document is edited offline */
    return doc;
}

static void destroy_live_parts(struct ordo_client_doc *doc) {
    if (doc->type == NULL) return;
    doc->type->live_destroy(doc->in_flight.live);
    doc->type->live_destroy(doc->pending.live);
    doc->type->content_destroy(doc->content);
    doc->type->content_destroy(doc->answer.content);
    doc->in_flight.live = doc->pending.live = NULL;
    doc->content = doc->answer.content = NULL;
}

void ordo_client_doc_destroy(struct ordo_client_doc *doc) {
    if (doc == NULL) return;
    destroy_live_parts(doc);
    doc_presence_finish(doc);
    ordo_buffer_finish(&doc->create_content);
    ordo_buffer_finish(&doc->error_message);
    ordo_buffer_finish(&doc->in_flight.frozen);
    ordo_buffer_finish(&doc->shown[0]);
    ordo_buffer_finish(&doc->shown[1]);
    ordo_buffer_finish(&doc->scratch);
    ordo_buffer_finish(&doc->record);
    free(doc);
}

bool doc_use_type(struct ordo_client_doc *doc, struct ordo_slice name) {
    const struct ordo_type *type = ordo_type_of(name);
    if (type == NULL) {
        doc_fail(doc, 415, ordo_slice_of("the document has a type that this client does not speak"));
        return false;
    }
    if (type != doc->type) {
        ORDO_ASSERT(!doc->in_flight.is_set && !doc_has_pending(doc));
        destroy_live_parts(doc);
        doc->type = type;
    }
    return true;
}

/* --- status ----------------------------------------------------------------------------------------------------- */

static enum ordo_client_status status_of(const struct ordo_client_doc *doc) {
    if (doc->has_failed) return ORDO_CLIENT_ERROR;
    bool is_saving = doc->in_flight.is_set || doc_has_pending(doc);
    if (doc->phase == DOC_CLOSED) return doc->was_open ? ORDO_CLIENT_OFFLINE : ORDO_CLIENT_CONNECTING;
    if (is_saving) return ORDO_CLIENT_SAVING;
    if (doc->phase == DOC_OPENING || doc->is_unavailable) return ORDO_CLIENT_CONNECTING;
    return doc->permission < 2 || doc->is_deleted ? ORDO_CLIENT_READ_ONLY : ORDO_CLIENT_SYNCED;
}

void doc_tell_status(struct ordo_client_doc *doc) {
    enum ordo_client_status status = status_of(doc);
    if (status == doc->status) return;
    doc->status = status;
    if (doc->listener.status == NULL) return;
    doc->listener.status(doc->user, doc, status, doc->error_code, ordo_buffer_slice(&doc->error_message));
}

void doc_fail(struct ordo_client_doc *doc, uint32_t code, struct ordo_slice message) {
    if (doc->has_failed) return;
    doc->has_failed = true;
    doc->error_code = code;
    ordo_buffer_clear(&doc->error_message);
    ordo_buffer_append_slice(&doc->error_message, message);
}

void ordo_client_doc_refuse(struct ordo_client_doc *doc, uint32_t code, const char *message) {
    doc_fail(doc, code, ordo_slice_of(message));
    doc_tell_status(doc);
}

void doc_need(struct ordo_client_doc *doc, enum doc_need need) {
    if (need > doc->need) doc->need = need;
}

/* --- edits ------------------------------------------------------------------------------------------------------ */

static void touch(struct ordo_client_doc *doc) {
    doc_tell_status(doc);
    if (doc->touched != NULL) doc->touched(doc->owner, doc);
}

/* Whether an edit is possible now; the listener of a failed one needs to know why. */
static ordo_err editable(const struct ordo_client_doc *doc) {
    if (doc->has_failed || doc->permission < 2) return ORDO_ERR_CLOSED;
    if (!doc->has_content) return ORDO_ERR_UNAVAILABLE;
    if (doc->is_deleted || doc_is_reshaping(doc)) return ORDO_ERR_CLOSED;
    return ORDO_OK;
}

static struct ordo_live_op *pending_live(struct ordo_client_doc *doc) {
    if (doc->pending.live == NULL) {
        doc->pending.live = doc->type->live_create();
        doc->type->live_load(doc->pending.live, ordo_slice(NULL, 0), doc_client(doc));
    }
    return doc->pending.live;
}

static ordo_err check_edit(const struct ordo_client_doc *doc, struct ordo_slice op, uint64_t *length) {
    switch (doc->type->validate(op, doc->visible_length, length)) {
    case ORDO_OP_VALID: return ORDO_OK;
    case ORDO_OP_TOO_LARGE: return ORDO_ERR_TOO_LARGE;
    case ORDO_OP_MALFORMED:
    case ORDO_OP_PAST_END: break;
    }
    return ORDO_ERR_INVALID;
}

static void take_edit(struct ordo_client_doc *doc, struct ordo_slice op, uint64_t length) {
    doc->type->live_compose(pending_live(doc), op);
    doc->visible_length = length;
    touch(doc);
}

ordo_err ordo_client_doc_edit(struct ordo_client_doc *doc, struct ordo_slice op) {
    uint64_t length;
    ordo_err err = editable(doc);
    if (!err) err = check_edit(doc, op, &length);
    if (err) return err;
    /* Made elsewhere, hints and all; of our own run we only know where it moved to. */
    if (doc->type == &ordo_type_text) ordo_text_typing_over(&doc->typing, op);
    doc_presence_over(doc, op, true);
    take_edit(doc, op, length);
    return ORDO_OK;
}

struct ordo_slice doc_without_nul(struct ordo_slice text, struct ordo_buffer *copy) {
    if (text.size == 0 || memchr(text.data, 0, text.size) == NULL) return text;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == 0) ordo_buffer_append(copy, "\xEF\xBF\xBD", 3);
        else ordo_buffer_append_u8(copy, text.data[i]);
    }
    return ordo_buffer_slice(copy);
}

ordo_err ordo_client_doc_splice(struct ordo_client_doc *doc, uint64_t position, uint64_t count,
                                struct ordo_slice text) {
    ordo_err err = editable(doc);
    if (err) return err;
    if (doc->type != &ordo_type_text || !ordo_utf8_validate(text, NULL)) return ORDO_ERR_INVALID;
    if (position > doc->visible_length || count > doc->visible_length - position) return ORDO_ERR_INVALID;
    if (text.size > ORDO_DOCUMENT_SIZE_MAX) return ORDO_ERR_TOO_LARGE;
    if (count == 0 && text.size == 0) return ORDO_OK;

    struct ordo_buffer cleaned = {0};
    struct ordo_text_typing typing = doc->typing;
    uint64_t length;
    ordo_buffer_clear(&doc->scratch);
    ordo_text_typing_splice(&typing, position, count, doc_without_nul(text, &cleaned), &doc->scratch);
    ordo_buffer_finish(&cleaned);
    struct ordo_slice op = ordo_buffer_slice(&doc->scratch);
    err = check_edit(doc, op, &length);
    if (err) return err;
    doc->typing = typing;
    doc_presence_over(doc, op, true);
    take_edit(doc, op, length);
    return ORDO_OK;
}

ordo_err ordo_client_doc_delete(struct ordo_client_doc *doc) {
    ordo_err err = editable(doc);
    if (err) return err;
    if (doc->pending.live != NULL) doc->type->live_load(doc->pending.live, ordo_slice(NULL, 0), doc_client(doc));
    doc->pending.kind = ORDO_CLIENT_DELETE;
    doc->visible_length = 0;
    doc->typing = (struct ordo_text_typing){0};
    touch(doc);
    return ORDO_OK;
}

ordo_err ordo_client_doc_create_again(struct ordo_client_doc *doc, struct ordo_slice content) {
    uint64_t length;
    if (doc->has_failed || doc->permission < 2) return ORDO_ERR_CLOSED;
    if (!doc->has_content) return ORDO_ERR_UNAVAILABLE;
    if (!doc->is_deleted || doc->in_flight.is_set || doc_has_pending(doc)) return ORDO_ERR_EXISTS;
    ordo_err err = check_edit(doc, content, &length); /* what is deleted has length 0 */
    if (err) return err;
    if (content.size > ORDO_OP_SIZE_MAX - CREATE_OVERHEAD_MAX) return ORDO_ERR_TOO_LARGE;
    doc->pending.kind = ORDO_CLIENT_CREATE;
    doc->type->live_load(pending_live(doc), content, doc_client(doc));
    touch(doc);
    return ORDO_OK;
}

ordo_err ordo_client_doc_set_text(struct ordo_client_doc *doc, struct ordo_slice text) {
    ordo_err err = ordo_client_doc_is_deleted(doc) ? ORDO_OK : editable(doc);
    if (err) return err;
    if (doc->type != &ordo_type_text || doc->content == NULL || !ordo_utf8_validate(text, NULL))
        return ORDO_ERR_INVALID;
    if (text.size > ORDO_DOCUMENT_SIZE_MAX) return ORDO_ERR_TOO_LARGE;
    struct ordo_buffer cleaned = {0}, shown = {0}, op = {0};
    doc_write_visible(doc, &shown); /* nothing, if it is deleted */
    ordo_client_text_diff(ordo_buffer_slice(&shown), doc_without_nul(text, &cleaned), &op);
    if (doc->is_deleted) err = ordo_client_doc_create_again(doc, ordo_buffer_slice(&op));
    else if (op.size > 0) err = ordo_client_doc_edit(doc, ordo_buffer_slice(&op));
    ordo_buffer_finish(&cleaned);
    ordo_buffer_finish(&shown);
    ordo_buffer_finish(&op);
    return err;
}

void doc_drop_edits(struct ordo_client_doc *doc) {
    doc->in_flight.is_set = false;
    doc->pending.kind = ORDO_CLIENT_EDIT;
    if (doc->pending.live != NULL) doc->type->live_load(doc->pending.live, ordo_slice(NULL, 0), doc_client(doc));
    doc->visible_length = doc->length;
    doc->typing = (struct ordo_text_typing){0};
}

struct ordo_slice doc_created_content(const struct ordo_client_doc *doc) {
    struct ordo_wire_create create;
    ORDO_ASSERT(doc->in_flight.kind == ORDO_CLIENT_CREATE);
    bool ok = ordo_wire_read_create(ordo_buffer_slice(&doc->in_flight.frozen), &create);
    ORDO_ASSERT(ok); /* we wrote it */
    return create.text;
}

void doc_unfreeze(struct ordo_client_doc *doc) {
    struct doc_in_flight *flight = &doc->in_flight;
    ORDO_ASSERT(flight->is_set);
    flight->is_set = false;
    if (flight->is_overtaken) return;
    if (flight->kind != ORDO_CLIENT_EDIT) {
        doc->pending.kind = flight->kind; /* nothing is pending behind a delete or create */
        if (flight->kind == ORDO_CLIENT_CREATE)
            doc->type->live_load(pending_live(doc), doc_created_content(doc), doc_client(doc));
        return;
    }
    if (doc->pending.kind != ORDO_CLIENT_EDIT) return; /* the delete that follows takes the edit with it */
    struct ordo_buffer later = {0};
    doc->type->live_encode(pending_live(doc), &later);
    struct ordo_live_op *spare = doc->pending.live;
    doc->pending.live = flight->live;
    flight->live = spare;
    if (later.size > 0) doc->type->live_compose(doc->pending.live, ordo_buffer_slice(&later));
    ordo_buffer_finish(&later);
}

void ordo_client_doc_set_client_id(struct ordo_client_doc *doc, struct ordo_client_id client_id) {
    ORDO_ASSERT(!doc->in_flight.is_set && doc->phase == DOC_CLOSED);
    doc->client_id = client_id;
    if (doc->need == DOC_NEEDS_CLIENT_ID) doc->need = DOC_NEEDS_NOTHING;
    if (doc->pending.live != NULL) {
        ordo_buffer_clear(&doc->scratch);
        doc->type->live_encode(doc->pending.live, &doc->scratch);
        doc->type->live_load(doc->pending.live, ordo_buffer_slice(&doc->scratch), doc_client(doc));
    }
    /* A record with an op in flight can be taken up only under the id that it was sent with. That op is settled, and
     * the document may have nothing to send for long: its record must not stay behind with the old id. */
    if (doc->has_content) (void)doc_store(doc);
}

/* --- accessors -------------------------------------------------------------------------------------------------- */

struct ordo_slice ordo_client_doc_collection(const struct ordo_client_doc *doc) {
    return ordo_slice(doc->collection, doc->collection_size);
}
struct ordo_slice ordo_client_doc_id(const struct ordo_client_doc *doc) { return ordo_slice(doc->id, doc->id_size); }
void *ordo_client_doc_user(const struct ordo_client_doc *doc) { return doc->user; }
enum ordo_client_status ordo_client_doc_status(const struct ordo_client_doc *doc) { return status_of(doc); }
uint32_t ordo_client_doc_error_code(const struct ordo_client_doc *doc) { return doc->error_code; }
struct ordo_slice ordo_client_doc_error_message(const struct ordo_client_doc *doc) {
    return ordo_buffer_slice(&doc->error_message);
}
bool ordo_client_doc_is_open(const struct ordo_client_doc *doc) {
    return doc->phase == DOC_LIVE && doc->has_content && !doc->answer.is_active && !doc->has_failed;
}
bool ordo_client_doc_is_deleted(const struct ordo_client_doc *doc) { return doc->has_content && doc->is_deleted; }
bool ordo_client_doc_is_viewer(const struct ordo_client_doc *doc) { return doc->is_viewer; }
bool ordo_client_doc_is_settled(const struct ordo_client_doc *doc) {
    return !doc->in_flight.is_set && !doc_has_pending(doc);
}
const struct ordo_type *ordo_client_doc_type(const struct ordo_client_doc *doc) { return doc->type; }
uint64_t ordo_client_doc_seq(const struct ordo_client_doc *doc) { return doc->seq; }
uint64_t ordo_client_doc_lineage(const struct ordo_client_doc *doc) { return doc->lineage; }
uint64_t ordo_client_doc_length(const struct ordo_client_doc *doc) { return doc->visible_length; }
struct ordo_client_id ordo_client_doc_client_id(const struct ordo_client_doc *doc) { return doc->client_id; }

bool ordo_client_doc_in_flight(const struct ordo_client_doc *doc, uint64_t *client_seq, uint64_t *base_seq) {
    if (!doc->in_flight.is_set) return false;
    *client_seq = doc->in_flight.client_seq;
    *base_seq = doc->in_flight.base_seq;
    return true;
}
struct ordo_slice ordo_client_doc_in_flight_bytes(const struct ordo_client_doc *doc) {
    return doc->in_flight.is_set ? ordo_buffer_slice(&doc->in_flight.frozen) : ordo_slice(NULL, 0);
}

void ordo_client_doc_write_confirmed(const struct ordo_client_doc *doc, struct ordo_buffer *out) {
    if (doc->content != NULL) doc->type->content_write(doc->content, out);
}

/* Applies the edits to a copy: what is shown is asked for rarely, and editors keep it themselves. */
void doc_write_visible(const struct ordo_client_doc *doc, struct ordo_buffer *out) {
    if (doc->content == NULL || doc_is_reshaping(doc)) return;
    bool has_flight = doc_has_edit_in_flight(doc), has_pending = doc_has_pending(doc);
    if (!has_flight && !has_pending) {
        doc->type->content_write(doc->content, out);
        return;
    }
    struct ordo_buffer bytes = {0};
    doc->type->content_write(doc->content, &bytes);
    struct ordo_content *copy = doc->type->content_create();
    ordo_err err = doc->type->content_append(copy, ordo_buffer_slice(&bytes));
    if (!err && has_flight) {
        ordo_buffer_clear(&bytes);
        doc->type->live_encode(doc->in_flight.live, &bytes);
        err = doc->type->content_apply(copy, ordo_buffer_slice(&bytes));
    }
    if (!err && has_pending) {
        ordo_buffer_clear(&bytes);
        doc->type->live_encode(doc->pending.live, &bytes);
        err = doc->type->content_apply(copy, ordo_buffer_slice(&bytes));
    }
    /* Each op was checked against its content, but rebased edits may pass the size limit together: then the last is
     * left out here, and the server will refuse it. */
    doc->type->content_write(copy, out);
    doc->type->content_destroy(copy);
    ordo_buffer_finish(&bytes);
}

void ordo_client_doc_write_visible(const struct ordo_client_doc *doc, struct ordo_buffer *out) {
    doc_write_visible(doc, out);
}
