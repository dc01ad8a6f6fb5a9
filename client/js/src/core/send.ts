/** What a document has to say: Open, Submit, presence, and the record that is stored before. */
import { LiveOp } from "../ot/live.js";
import { EMPTY_OP, spliceOp } from "../ot/op.js";
import { cleanText } from "../ot/unicode.js";
import { type ClientMessage, encodeCreate, encodeTextOp } from "../wire/client.js";
import { makeRecord } from "./record.js";
import { type DocState, type Flight, Need } from "./state.js";

const OP_SIZE_LEAST = 256;

/** What a document wants of its connection. reopen: Open after a Leave. client-id: a new one, on a new connection. reconnect:
 * what the server says makes no sense, start over on a new connection. */
export type Wish = "nothing" | "open" | "reopen" | "client-id" | "reconnect";

export function wishOf(doc: DocState, nowMs: number): Wish {
  if (doc.error !== undefined) return "nothing";
  switch (doc.need) {
    case Need.reconnect: return "reconnect";
    case Need.clientId: return "client-id";
    case Need.reopen: return "reopen";
    case Need.nothing: return doc.phase === "closed" && nowMs >= doc.retryAtMs ? "open" : "nothing";
  }
}

export function makeOpen(doc: DocState, request: number): ClientMessage {
  const { collection, id, createType, createContent, presence } = doc.options, isNew = !doc.hasContent;
  const content = isNew ? cleanText(createContent ?? "") : "";
  const clean = doc.flight === undefined && !doc.hasPending;
  doc.phase = "opening";
  doc.need = Need.nothing;
  if (doc.flight !== undefined) doc.flight.isSent = false;
  doc.tellStatus();
  return {
    kind: "open", request,
    open: {
      collection, id, presence, createType: isNew ? createType : "", clean,
      ...(isNew ? {} : { have: { seq: doc.seq, lineage: doc.lineage } }),
      ...(content === "" ? {} : { createContent: spliceOp(0, 0, content) }),
    },
  };
}

export function flush(doc: DocState, handle: number, opSizeMax: number, mayStart: boolean, nowMs: number): ClientMessage[] {
  const out: ClientMessage[] = [];
  if (!doc.isOpen || doc.need !== Need.nothing) return out;
  if (nowMs >= doc.retryAtMs) {
    if (doc.flight === undefined && mayStart && doc.hasPending) doc.flight = freeze(doc, opSizeMax);
    const { flight } = doc, isSendDue = flight !== undefined && !flight.isSent;
    const isStoreDue = doc.listener.store !== undefined && (doc.isRecordDue || (isSendDue && !flight.isStored));
    if (isStoreDue && doc.storing === undefined) store(doc);
    if (isSendDue && !isStoreDue && doc.storing === undefined) out.push(submit(doc, flight, handle));
  }
  if (doc.presence.isDue) out.push(doc.presence.take(doc, handle));
  doc.tellStatus();
  return out;
}

/** What is pending becomes an op in flight, frozen from here on. A larger op than the server takes goes as several. */
function freeze(doc: DocState, opSizeMax: number): Flight {
  const kind = doc.pendingKind;
  const op = kind === "edit" ? doc.pending.take(Math.max(opSizeMax, OP_SIZE_LEAST)) : doc.pending.toOp();
  const frozen = kind === "edit" ? encodeTextOp(op) : kind === "create" ? encodeCreate("text", op) : new Uint8Array(0);
  if (kind !== "edit") doc.pending = new LiveOp(doc.clientId);
  doc.pendingKind = "edit";
  const isAll = !doc.hasPending, editCount = isAll ? doc.pendingEditCount : 0;
  if (isAll) doc.pendingEditCount = 0;
  return {
    kind, frozen, editCount, clientSeq: doc.nextClientSeq++, baseSeq: doc.seq,
    live: new LiveOp(doc.clientId, kind === "edit" ? op : EMPTY_OP),
    isInexact: false, isDoubtful: false, isOvertaken: false, isRefused: false, isStored: false, isSent: false, attemptCount: 0,
  };
}

/** Hands the record to the owner, who says `stored` later. */
export function store(doc: DocState): void {
  doc.storing = { clientSeq: doc.flight?.clientSeq ?? 0 };
  doc.isRecordDue = false;
  doc.listener.store?.(makeRecord(doc));
}

function submit(doc: DocState, flight: Flight, handle: number): ClientMessage {
  const { kind, clientSeq, baseSeq, frozen } = flight;
  flight.isSent = true;
  doc.listener.submitted?.(clientSeq);
  return { kind: "submit", doc: handle, clientSeq, baseSeq, body: kind === "delete" ? { kind } : { kind, bytes: frozen } };
}

export function timerOf(doc: DocState): number {
  if (doc.error !== undefined || doc.need !== Need.nothing) return Infinity;
  if (doc.phase === "closed") return doc.retryAtMs;
  // The op that was asked to wait may have been settled meanwhile; what is pending behind it waits all the same.
  const hasSomething = doc.isRecordDue || (doc.flight !== undefined ? !doc.flight.isSent : doc.hasPending);
  return doc.isOpen && hasSomething && doc.storing === undefined ? doc.retryAtMs : Infinity;
}
