/** Ops on their way into the order as this client holds it, and what that does to the edits. */
import { lengthAfterValid, sameOp, type TextOp } from "../ot/op.js";
import { LiveOp } from "../ot/live.js";

import { typingOver } from "../ot/typing.js";
import type { Body, Committed } from "../wire/server.js";
import { decodeCreate } from "../wire/server.js";
import { Confirmed } from "./confirmed.js";
import { acceptOtherBody, giveBack, replaceContent } from "./merge.js";
import { type DocState, type Flight, Need, flightNow } from "./state.js";

const MISFIT = "the server's op does not fit";

/** Rebases an op of somebody else over the edits, and them over it, and shows it. Confirmed and seq have it already. "" as
 * `clientId`: it goes left at every tie. */
export function show(doc: DocState, op: TextOp, clientId: string): void {
  const { isReshaping } = doc;
  let shown = op, hasEdits = false;
  if (doc.editInFlight !== undefined) {
    shown = doc.editInFlight.live.rebase(shown, clientId);
    hasEdits = true;
  }
  if (isReshaping) return; // a delete of ours is what is shown
  if (doc.hasPending) {
    shown = doc.pending.rebase(shown, clientId);
    hasEdits = true;
  }
  doc.measureShown(shown, hasEdits);
  doc.typing = typingOver(doc.typing, shown);
  doc.presence.moveOwn(shown, false);
  doc.listener.changed?.(shown, clientId);
}

/** The next place is our op in flight, as we know it. What is shown does not change. False: it does not fit. */
export function promote(doc: DocState, flight: Flight, op: TextOp, seq: number): boolean {
  doc.flight = undefined;
  switch (flight.kind) {
    case "edit":
      if (!doc.confirmed.apply(op)) {
        doc.fail(500, MISFIT);
        return false;
      }
      break;
    case "delete":
      doc.confirmed = new Confirmed();
      doc.isDeleted = true;
      break;
    case "create": // an Ack does not say which lineage the server drew: look
      doc.hasContent = false;
      doc.reopen();
      break;
  }
  doc.seq = seq;
  doc.reopenCount = 0;
  if (flight.kind === "edit") doc.presence.note(seq, op, doc.clientId);
  else doc.presence.forget();
  return true;
}

function placeEdit(doc: DocState, committed: Committed, op: TextOp): boolean {
  const length = lengthAfterValid(op, doc.confirmed.points);
  if (length === undefined) return false;
  if (doc.isDeleted && length > 0) return false; // an empty op is fine: a delete that came second
  if (!doc.confirmed.apply(op)) return false;
  doc.seq = committed.serverSeq;
  doc.presence.note(doc.seq, op, committed.clientId);
  show(doc, op, committed.clientId);
  return true;
}

function placeCreate(doc: DocState, committed: Committed, body: Body & { kind: "create" }): boolean {
  if (body.type !== "text") {
    giveBack(doc, "replaced", 0, "another type");
    doc.hasContent = false;
    doc.reopen();
    return true;
  }
  if (lengthAfterValid(body.op, 0) === undefined) return false;
  replaceContent(doc, body.op.text, committed.serverSeq, body.lineage, false, "replaced");
  return true;
}

function placeOther(doc: DocState, committed: Committed): boolean {
  const { body } = committed;
  switch (body.kind) {
    case "edit": return placeEdit(doc, committed, body.op);
    case "create": return placeCreate(doc, committed, body);
    case "delete":
      if (doc.pendingKind === "delete") doc.pendingKind = "edit"; // done by somebody else
      replaceContent(doc, "", committed.serverSeq, doc.lineage, true, "deleted");
      return true;
    case "unknown": return false;
  }
}

/** The server's place for our op in flight, with a body. As a rule it is the op as we rebased it ourselves. */
function placeOwn(doc: DocState, flight: Flight, committed: Committed): boolean {
  const { body, serverSeq } = committed;
  if (body.kind !== "edit" || flight.kind !== "edit") {
    doc.flight = undefined;
    return placeOther(doc, committed);
  }
  if (sameOp(body.op, flightNow(flight))) return promote(doc, flight, body.op, serverSeq);
  if (!acceptOtherBody(doc, flight, body.op)) return false;
  doc.seq = serverSeq;
  doc.presence.note(serverSeq, body.op, doc.clientId);
  return true;
}

/** An op at its place. False: the document cannot go on from here (it failed, or is to be opened again). */
export function place(doc: DocState, committed: Committed): boolean {
  if (committed.serverSeq <= doc.seq) return true; // known already
  if (committed.serverSeq !== doc.seq + 1) {
    doc.reopen();
    return false;
  }
  if (committed.body.kind === "unknown") {
    doc.fail(501, "an edit of an unknown kind");
    return false;
  }
  if (committed.clientId === "") {
    doc.fail(500, MISFIT);
    return false;
  }
  let { flight } = doc;
  if (committed.clientSeq !== flight?.clientSeq || committed.clientId !== doc.clientId) flight = undefined; // not ours
  if (flight !== undefined && committed.baseSeq !== 0 && committed.baseSeq !== flight.baseSeq) {
    // Somebody else speaks with our client_id, and used our number first: this is not the op in flight, which can never
    // commit under its name any more.
    unfreeze(doc);
    doc.wish(Need.clientId);
    flight = undefined;
  }
  if (!(flight !== undefined ? placeOwn(doc, flight, committed) : placeOther(doc, committed))) {
    doc.fail(500, MISFIT);
    return false;
  }
  doc.reopenCount = 0;
  doc.listener.committed?.(committed);
  if (flight !== undefined) doc.listener.acked?.(committed.clientSeq, committed.serverSeq);
  doc.presence.release(doc);
  return doc.error === undefined && doc.hasContent;
}

/** In flight ∘ pending becomes pending, so that it goes as a new op. */
export function unfreeze(doc: DocState): void {
  const { flight } = doc;
  if (flight === undefined) return;
  doc.flight = undefined;
  if (flight.isOvertaken) return;
  if (flight.kind !== "edit") {
    doc.pendingKind = flight.kind; // nothing is pending behind a delete or create
    if (flight.kind === "create") doc.pending = new LiveOp(doc.clientId, decodeCreate(flight.frozen));
    return;
  }
  if (doc.pendingKind !== "edit") return; // the delete that follows takes the edit with it
  const later = doc.pending.toOp();
  doc.pending = new LiveOp(doc.clientId, flight.live.toOp());
  doc.pending.compose(later);
  doc.pendingEditCount += flight.editCount;
}
