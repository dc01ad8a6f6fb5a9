/** Content that arrives where ops were expected (docs/client.md, "Coming back from afar"), and edits that cannot be kept. */
import { diffInTurns, diffOp } from "../ot/diff.js";
import { holdsOp } from "../ot/fate.js";
import { EMPTY_OP, type TextOp, applyOp, compose, isEmptyOp, lengthAfterValid } from "../ot/op.js";
import { Rope } from "../ot/rope.js";
import { decodeCreate, decodeTextOp } from "../wire/server.js";
import { Confirmed } from "./confirmed.js";
import { show } from "./place.js";
import { type DocState, type Flight, flightNow } from "./state.js";
import type { GiveBackReason } from "./types.js";

// --- giving back -------------------------------------------------------------------------------------------------

/** What is taken out of sight: captured before, told after. */
interface Farewell { readonly op: TextOp; readonly shown: string }

function beginFarewell(doc: DocState): Farewell {
  const flight = doc.editInFlight;
  // Of a create: its content, which is an edit of nothing.
  const pending = doc.pendingKind === "delete" ? undefined : doc.pending.toOp();
  let op: TextOp = flight !== undefined ? flightNow(flight) : EMPTY_OP;
  if (pending !== undefined) op = compose(op, pending);
  // A record that still has them would bring them back at the next start, after a person has pasted them in.
  if (!isEmptyOp(op)) doc.isRecordDue = true;
  return { op, shown: doc.shownText() };
}

function endFarewell(doc: DocState, { op, shown }: Farewell, reason: GiveBackReason, code: number, message: string): void {
  const difference = diffOp(shown, doc.shownText());
  if (!isEmptyOp(difference)) doc.listener.changed?.(difference, "");
  if (!isEmptyOp(op)) doc.listener.givenBack?.({ reason, code, message, inserted: op.text, content: shown });
}

/** Confirmed stays as it is, edits are given back. */
export function giveBack(doc: DocState, reason: GiveBackReason, code: number, message: string): void {
  const farewell = beginFarewell(doc), { flight } = doc;
  doc.dropEdits();
  doc.presence.forget();
  endFarewell(doc, farewell, reason, code, message);
  if (flight?.kind === "create") giveBackCreated(doc, flight, reason, code, message);
}

/** Our create in flight was refused, whatever stands in the document now: what it would have brought is given back. */
export function giveBackCreated(doc: DocState, flight: Flight, reason: GiveBackReason, code: number, message: string): void {
  const op = decodeCreate(flight.frozen); // nothing of it was ever shown
  if (!isEmptyOp(op)) doc.listener.givenBack?.({ reason, code, message, inserted: op.text, content: op.text });
}

/** Other content without a merge: edits are given back. */
export function replaceContent(doc: DocState, content: string, seq: number, lineage: number, deleted: boolean,
                               reason: GiveBackReason): void {
  const farewell = beginFarewell(doc);
  // An edit will be refused for sure, a delete or create will not.
  const kept = doc.flight !== undefined && doc.flight.kind !== "edit" ? doc.flight : undefined;
  doc.setConfirmed(new Confirmed(content), seq);
  doc.lineage = lineage;
  doc.isDeleted = deleted;
  doc.dropEdits();
  if (kept !== undefined) {
    kept.isOvertaken = true;
    doc.flight = kept;
  }
  doc.presence.forget();
  endFarewell(doc, farewell, reason, 0, "");
}

// --- merging -----------------------------------------------------------------------------------------------------

/** Whether `content` seems to hold the edit in flight, of which the server does not know any more. */
export const guessOwnIsIn = (doc: DocState, flight: Flight, content: string): boolean =>
  holdsOp(doc.confirmed.toString(), flightNow(flight), content);

/** Tells what was guessed of an op that is, or was until just now, in flight. */
export function tellGuessed(doc: DocState, flight: Flight, isSaved: boolean): void {
  doc.listener.guessed?.({ isSaved, inserted: decodeTextOp(flight.frozen).text });
}

/** Confirmed becomes `content`. `ownIsIn`: it contains the op in flight, which is dropped; otherwise that op has to be made
 * anew. Edits are rebased over the difference. Yields while that is sought, with nothing changed yet: there may be edits. */
export function* mergeContent(doc: DocState, content: string, seq: number, ownIsIn: boolean): Generator<void> {
  // What the others did is the difference to confirmed with our op, which pending was made on. Where it no longer fits,
  // the difference just gets larger.
  const own = ownIsIn && doc.flight !== undefined ? flightNow(doc.flight) : EMPTY_OP;
  const { op: difference } = yield* diffInTurns(applyOp(doc.confirmed.toString(), own), content);
  const confirmed = new Confirmed(content);
  yield;
  // From the old record the same merge could be made again, but of a later content: with another outcome, maybe.
  if (doc.flight !== undefined || doc.hasPending) doc.isRecordDue = true;
  if (ownIsIn) doc.flight = undefined;
  doc.setConfirmed(confirmed, seq);
  show(doc, difference, ""); // nobody's op: it goes left at every tie, whatever hints our inserts carry
  if (doc.flight !== undefined) doc.flight.isInexact = true;
}

/** The server committed `op` in place of our op in flight, at the next seq. False: it does not fit. */
export function acceptOtherBody(doc: DocState, flight: Flight, op: TextOp): boolean {
  if (lengthAfterValid(op, doc.confirmed.points) === undefined) return false;
  // Pending stands on confirmed with our body, which is not what it stands on now.
  const expected = new Rope(doc.confirmed.toString());
  if (!expected.apply(flightNow(flight)) || !doc.confirmed.apply(op)) return false;
  const difference = diffOp(expected.toString(), doc.confirmed.toString());
  doc.flight = undefined;
  show(doc, difference, "");
  return true;
}
