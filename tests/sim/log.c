#include <inttypes.h>

#include "tests/sim/sim.h"

/* What passes over a connection, in words, for whoever reads a trace. */

void sim_log_sent(const struct sim *sim, const struct sim_conn *conn, const Ordo__V1__ClientMessage *message) {
    if (!sim->is_verbose) return;
    const char *who = conn->watch.name;
    const Ordo__V1__Open *open = message->open;
    const Ordo__V1__Submit *submit = message->submit;
    switch ((int)message->body_case) {
    case ORDO__V1__CLIENT_MESSAGE__BODY_HELLO:
        sim_log(sim, "%s > Hello %s", who, oracle_hex(ordo_slice_of_binary(message->hello->client_id)));
        break;
    case ORDO__V1__CLIENT_MESSAGE__BODY_OPEN:
        if (open->have_case == ORDO__V1__OPEN__HAVE_HAVE_SEQ) {
            sim_log(sim, "%s > Open %.*s have_seq %" PRIu64 "%s", who, (int)open->id.len, open->id.data,
                    open->have_seq, open->clean ? " clean" : "");
        } else {
            sim_log(sim, "%s > Open %.*s", who, (int)open->id.len, open->id.data);
        }
        break;
    case ORDO__V1__CLIENT_MESSAGE__BODY_FORGET:
        sim_log(sim, "%s > Forget %u: lineage %" PRIx64, who, message->doc, message->forget->lineage);
        break;
    case ORDO__V1__CLIENT_MESSAGE__BODY_LEAVE: sim_log(sim, "%s > Leave %u", who, message->doc); break;
    case ORDO__V1__CLIENT_MESSAGE__BODY_SUBMIT:
        sim_log(sim, "%s > Submit %u: client_seq %" PRIu64 " base %" PRIu64 " kind %d %s", who, message->doc,
                submit->client_seq, submit->base_seq, submit->op_case,
                submit->op_case == ORDO__V1__SUBMIT__OP_TEXT ? oracle_hex(ordo_slice_of_binary(submit->text)) : "");
        break;
    default: break;
    }
}

static void count_received(struct sim_counts *counts, const Ordo__V1__ServerMessage *message) {
    switch ((int)message->body_case) {
    case ORDO__V1__SERVER_MESSAGE__BODY_OPENED:
        counts->opened++;
        counts->opened_unasked += message->request == 0;
        counts->opened_with_content += message->opened->content != NULL;
        counts->opened_in_parts += message->opened->more;
        break;
    case ORDO__V1__SERVER_MESSAGE__BODY_ACK:
        counts->acks++;
        counts->duplicate_acks += message->ack->duplicate;
        break;
    case ORDO__V1__SERVER_MESSAGE__BODY_NACK:
        counts->nacks++;
        if ((unsigned)message->nack->code < 16) counts->nack_codes[message->nack->code]++;
        break;
    default: break;
    }
}

void sim_log_received(struct sim *sim, const struct sim_conn *conn, const Ordo__V1__ServerMessage *message) {
    count_received(&sim->counts, message);
    if (!sim->is_verbose) return;
    const char *who = conn->watch.name;
    const Ordo__V1__Opened *opened = message->opened;
    const Ordo__V1__Committed *committed = message->committed;
    switch ((int)message->body_case) {
    case ORDO__V1__SERVER_MESSAGE__BODY_OPENED:
        sim_log(sim, "%s < Opened %u %.*s%s: head %" PRIu64 ", %s, %zu ops, last %" PRIu64 " at %" PRIu64
                ", horizon %" PRIu64 ", lineage %" PRIx64 "%s", who, message->doc, (int)opened->id.len,
                opened->id.data, message->request ? "" : " unasked", opened->head,
                opened->content ? "content" : "no content", opened->n_ops, opened->last_client_seq,
                opened->last_client_server_seq, opened->horizon, opened->lineage, opened->more ? ", more" : "");
        break;
    case ORDO__V1__SERVER_MESSAGE__BODY_COMMITTED:
        sim_log(sim, "%s < Committed %u: %" PRIu64 " of (%s, %" PRIu64 ") base %" PRIu64 " kind %d", who,
                message->doc, committed->server_seq, oracle_hex(ordo_slice_of_binary(committed->client_id)),
                committed->client_seq,
                committed->base_seq, committed->op_case);
        break;
    case ORDO__V1__SERVER_MESSAGE__BODY_ACK:
        sim_log(sim, "%s < Ack %u: client_seq %" PRIu64 " at %" PRIu64 "%s", who, message->doc,
                message->ack->client_seq, message->ack->server_seq, message->ack->duplicate ? " duplicate" : "");
        break;
    case ORDO__V1__SERVER_MESSAGE__BODY_NACK:
        sim_log(sim, "%s < Nack %u: client_seq %" PRIu64 " code %d, %.*s", who, message->doc,
                message->nack->client_seq, message->nack->code, (int)message->nack->message.len,
                message->nack->message.data);
        break;
    case ORDO__V1__SERVER_MESSAGE__BODY_STATUS:
        sim_log(sim, "%s < DocumentStatus %u: %d", who, message->doc, message->status->state);
        break;
    case ORDO__V1__SERVER_MESSAGE__BODY_ERROR:
        sim_log(sim, "%s < Error %u: %u %.*s", who, message->doc, message->error->code,
                (int)message->error->message.len, message->error->message.data);
        break;
    case ORDO__V1__SERVER_MESSAGE__BODY_FORGOTTEN:
        sim_log(sim, "%s < Forgotten %u: head %" PRIu64, who, message->doc, message->forgotten->head);
        break;
    case ORDO__V1__SERVER_MESSAGE__BODY_GO_AWAY: sim_log(sim, "%s < GoAway", who); break;
    default: break;
    }
}
