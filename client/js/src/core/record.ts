/** The one record per document that outlives the page (docs/client.md, "What is stored"). */
import { LiveOp } from "../ot/live.js";
import { lengthAfterValid } from "../ot/op.js";
import { Confirmed, textOfParts } from "./confirmed.js";
import { countPoints } from "../ot/unicode.js";
import { isClientId } from "../wire/ids.js";
import type { DocState } from "./state.js";
import type { DocRecord } from "./types.js";

export function makeRecord(doc: DocState): DocRecord {
  const { flight } = doc;
  return {
    version: 1, clientId: doc.clientId, collection: doc.options.collection, id: doc.options.id, type: "text",
    nextClientSeq: doc.nextClientSeq, lineage: doc.lineage, seq: doc.seq, deleted: doc.isDeleted,
    ...doc.confirmed.parts(),
    flight: flight === undefined ? null : {
      kind: flight.kind, clientSeq: flight.clientSeq, baseSeq: flight.baseSeq, frozen: flight.frozen,
      op: flight.live.toOp(), isInexact: flight.isInexact, isDoubtful: flight.isDoubtful, isOvertaken: flight.isOvertaken,
      isRefused: flight.isRefused, editCount: flight.editCount,
    },
    pending: { kind: doc.pendingKind, op: doc.pending.toOp(), editCount: doc.pendingEditCount },
  };
}

/** Takes over what was stored, before the first Open. False, with nothing changed: it is of another document, was made up, or
 * has an op in flight under another client_id, whose fate only that one can learn. */
export function restoreRecord(doc: DocState, record: DocRecord): boolean {
  const { flight, pending } = record, { collection, id } = doc.options;
  const isOurs = record.version === 1 && record.type === "text" && record.collection === collection && record.id === id;
  if (!isOurs || !isClientId(record.clientId) || (flight !== null && record.clientId !== doc.clientId)) return false;
  const content = textOfParts(record.content, record.tail);
  let length: number | undefined = countPoints(content);
  if (flight?.kind === "edit") length = lengthAfterValid(flight.op, length);
  if (length !== undefined && pending.op.spans.length > 0)
    length = lengthAfterValid(pending.op, pending.kind === "create" ? 0 : length);
  if (length === undefined) return false;
  doc.setConfirmed(new Confirmed(content), record.seq);
  doc.lineage = record.lineage;
  doc.isDeleted = record.deleted;
  doc.wasOpen = true;
  doc.nextClientSeq = Math.max(doc.nextClientSeq, record.nextClientSeq);
  doc.pendingKind = pending.kind;
  doc.pending = new LiveOp(doc.clientId, pending.op);
  doc.pendingEditCount = pending.editCount;
  if (flight !== null) {
    const { op, ...rest } = flight;
    doc.flight = { ...rest, live: new LiveOp(doc.clientId, op), isStored: true, isSent: false, attemptCount: 0 };
  }
  doc.shownLength = doc.isReshaping ? 0 : length;
  return true;
}
