#include "gateway/api/call_impl.h"

enum {
    FIELD_MESSAGES = 1, /* of a ClientFrame */
    PROTOCOL = 1,
};

static void say(struct ordo_api_call *call, const Ordo__V1__ClientMessage *message) {
    ordo_message_encode_field(FIELD_MESSAGES, &message->base, &call->saying);
}

static void say_hello(struct ordo_api_call *call, struct ordo_slice token) {
    Ordo__V1__ClientMessage message = ORDO__V1__CLIENT_MESSAGE__INIT;
    Ordo__V1__Hello hello = ORDO__V1__HELLO__INIT;
    hello.protocol = PROTOCOL;
    hello.client_id = ordo_binary_of_slice(ordo_slice(call->client_id, sizeof call->client_id));
    hello.token = ordo_binary_of_slice(token);
    hello.agent = ordo_binary_of_slice(ordo_slice_of("http"));
    message.request = CALL_REQUEST_HELLO;
    message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_HELLO;
    message.hello = &hello;
    say(call, &message);
}

static void say_open(struct ordo_api_call *call) {
    const struct ordo_api_request *request = &call->request;
    Ordo__V1__ClientMessage message = ORDO__V1__CLIENT_MESSAGE__INIT;
    Ordo__V1__Open open = ORDO__V1__OPEN__INIT;
    open.collection = ordo_binary_of_slice(ordo_slice(request->collection, request->collection_size));
    open.id = ordo_binary_of_slice(ordo_slice(request->id, request->id_size));
    open.bare = true;
    if (request->action == ORDO_API_CREATE) {
        open.create_type = ordo_binary_of_slice(ordo_slice_of("text"));
        open.create_content = ordo_binary_of_slice(ordo_buffer_slice(&call->op));
    }
    message.request = CALL_REQUEST_OPEN;
    message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_OPEN;
    message.open = &open;
    say(call, &message);
}

static void say_read(struct ordo_api_call *call, Ordo__V1__ReadHistory *read) {
    const struct ordo_api_request *request = &call->request;
    if (call->state == CALL_CHECKING) {
        read->from_seq = read->to_seq = call->created_seq;
    } else if (request->action == ORDO_API_OPS) {
        read->from_seq = request->from_seq;
        read->to_seq = request->to_seq;
    } else if (request->at_kind == ORDO_API_AT_TIME) {
        read->at_case = ORDO__V1__READ_HISTORY__AT_AT_TIME_MS;
        read->at_time_ms = request->at;
    } else {
        read->at_case = ORDO__V1__READ_HISTORY__AT_AT_SEQ;
        read->at_seq = request->at_kind == ORDO_API_AT_SEQ ? request->at : call->head;
    }
}

static void fill_submit(struct ordo_api_call *call, Ordo__V1__Submit *submit, Ordo__V1__DeleteDocument *deletion) {
    submit->client_seq = call->client_seq;
    submit->base_seq = call->base_seq;
    if (call->request.action == ORDO_API_DELETE_DOCUMENT) {
        submit->op_case = ORDO__V1__SUBMIT__OP_DELETE;
        submit->delete_ = deletion;
    } else {
        submit->op_case = ORDO__V1__SUBMIT__OP_TEXT;
        submit->text = ordo_binary_of_slice(ordo_buffer_slice(&call->op));
    }
}

void call_ask(struct ordo_api_call *call) {
    Ordo__V1__ClientMessage message = ORDO__V1__CLIENT_MESSAGE__INIT;
    Ordo__V1__ReadHistory read = ORDO__V1__READ_HISTORY__INIT;
    Ordo__V1__Submit submit = ORDO__V1__SUBMIT__INIT;
    Ordo__V1__DeleteDocument deletion = ORDO__V1__DELETE_DOCUMENT__INIT;
    Ordo__V1__Forget forget = ORDO__V1__FORGET__INIT;
    message.doc = call->handle;
    message.request = ++call->question;
    call->again_ms = 0;
    switch (call->state) {
    case CALL_READING:
    case CALL_CHECKING:
        message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_HISTORY;
        message.history = &read;
        say_read(call, &read);
        break;
    case CALL_SUBMITTING:
        message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_SUBMIT;
        message.submit = &submit;
        fill_submit(call, &submit, &deletion);
        break;
    case CALL_FORGETTING: /* of this life of the document, so that saying it twice forgets nothing newer */
        message.body_case = ORDO__V1__CLIENT_MESSAGE__BODY_FORGET;
        message.forget = &forget;
        forget.lineage = call->request.lineage != 0 ? call->request.lineage : call->lineage;
        break;
    case CALL_OPENING:
    case CALL_OVER: return;
    }
    say(call, &message);
}

void call_begin(struct ordo_api_call *call, struct ordo_slice token) {
    say_hello(call, token);
    say_open(call);
}
