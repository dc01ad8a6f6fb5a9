/** What a server says (proto/ordo.proto), each message read as a schema. A test compares this with what a protobuf library
 * makes of that file. */
import type { TextOp } from "../ot/op.js";
import type { Range } from "./client.js";
import { type ClientId, idFromBytes } from "./ids.js";
import { Reader, WireError } from "./reader.js";

/** What a place of the order holds. "unknown": an op that this client does not know, or none: never an empty one. */
export type Body =
  | { readonly kind: "edit"; readonly op: TextOp }
  | { readonly kind: "delete" }
  | { readonly kind: "create"; readonly type: string; readonly op: TextOp; readonly lineage: number }
  | { readonly kind: "unknown" };

export interface Committed {
  readonly serverSeq: number;
  readonly clientId: ClientId;
  readonly clientSeq: number;
  readonly baseSeq: number; // 0: the server did not say
  readonly timestampMs: number;
  readonly user: string;
  readonly body: Body;
}

export interface Content { readonly seq: number; readonly text: string; readonly deleted: boolean; readonly isForeign: boolean }

/** What this client reads of it. */
export interface Opened {
  readonly type: string;
  readonly head: number;
  readonly content: Content | undefined;
  readonly ops: readonly Committed[];
  readonly lastClientSeq: number;
  readonly lastClientServerSeq: number;
  readonly permission: number; // 0 none, 1 read, 2 write
  readonly viewer: boolean; // 1 only for want of a place among the writers
  readonly horizon: number;
  readonly lineage: number;
  readonly more: boolean;
  readonly forgottenSeq: number;
}

export interface Ack {
  readonly clientSeq: number;
  readonly serverSeq: number;
  readonly timestampMs: number;
  readonly duplicate: boolean;
}

export interface Nack {
  readonly clientSeq: number;
  readonly code: number;
  readonly message: string;
  readonly retryAfterMs: number;
}

/** The codes that a client treats in a way of their own; all others mean: give back. */
export const NackCode = {
  staleBase: 3,
  futureBase: 4,
  replayed: 5,
  rateLimited: 7,
  unavailable: 8,
  notOpen: 9,
  clientIdTaken: 10,
  deleted: 11,
  pipelined: 12,
} as const;

export interface PresenceMessage {
  readonly clientId: ClientId;
  readonly user: string;
  readonly data: Uint8Array;
  readonly baseSeq: number;
  readonly ranges: readonly Range[];
  readonly gone: boolean;
}

export interface HistoryPart {
  readonly ops: readonly Committed[];
  readonly content: Content | undefined;
  readonly horizon: number;
  readonly head: number;
  readonly more: boolean;
}

export type ServerBody =
  | { readonly kind: "welcome"; readonly protocol: number; readonly user: string; readonly opSizeMax: number;
      readonly frameSizeMax: number }
  | { readonly kind: "opened"; readonly opened: Opened }
  | { readonly kind: "committed"; readonly committed: Committed }
  | { readonly kind: "ack"; readonly ack: Ack }
  | { readonly kind: "nack"; readonly nack: Nack }
  | { readonly kind: "presence"; readonly presence: PresenceMessage }
  | { readonly kind: "history"; readonly part: HistoryPart }
  | { readonly kind: "status"; readonly isAvailable: boolean; readonly message: string }
  | { readonly kind: "goAway"; readonly reason: string; readonly reconnectAfterMs: number }
  | { readonly kind: "error"; readonly code: number; readonly message: string }
  | { readonly kind: "pong" }
  | { readonly kind: "forgotten"; readonly head: number }
  | { readonly kind: "none" }; // a message that came later than this client

export interface ServerMessage { readonly request: number; readonly doc: number; readonly body: ServerBody }

const FORGOTTEN = 20;
/** Message bodies that this client knows; a Pong is the last in a row. */
const isKnownBody = (field: number): boolean => field <= 13 || field === FORGOTTEN;

/** Fields from this number on carry what other document types bring. */
const FIELD_TYPES_MIN = 20;

function readTextOp(from: Reader): TextOp {
  const spans: number[] = [];
  let text = "";
  while (from.next()) {
    switch (from.field) {
      case 1: from.numbers(spans); break;
      case 2: text = from.text(); break;
      default: from.skip();
    }
  }
  return { spans, text };
}

/** For a record: the op as it was frozen. */
export const decodeTextOp = (bytes: Uint8Array): TextOp => readTextOp(new Reader(bytes));

function readCreate(from: Reader): Body {
  let type = "", lineage = 0, op: TextOp = { spans: [], text: "" };
  while (from.next()) {
    switch (from.field) {
      case 1: type = from.text(); break;
      case 2: op = readTextOp(from.message()); break;
      case 3: lineage = from.number(); break;
      default: from.skip();
    }
  }
  return { kind: "create", type, op, lineage };
}

/** The content of the create that was frozen. */
export function decodeCreate(bytes: Uint8Array): TextOp {
  const body = readCreate(new Reader(bytes));
  if (body.kind !== "create") throw new WireError("no create");
  return body.op;
}

function readCommitted(from: Reader): Committed {
  let serverSeq = 0, clientId = "", clientSeq = 0, timestampMs = 0, user = "", baseSeq = 0;
  let body: Body = { kind: "unknown" };
  while (from.next()) {
    switch (from.field) {
      case 1: serverSeq = from.number(); break;
      case 2: clientId = idFromBytes(from.bytesValue()); break;
      case 3: clientSeq = from.number(); break;
      case 4: timestampMs = from.number(); break;
      case 5: user = from.text(); break;
      case 6: body = { kind: "edit", op: readTextOp(from.message()) }; break;
      case 7:
        from.bytesValue();
        body = { kind: "delete" };
        break;
      case 8: body = readCreate(from.message()); break;
      case 9: baseSeq = from.number(); break;
      default: from.skip();
    }
  }
  return { serverSeq, clientId, clientSeq, timestampMs, user, baseSeq, body };
}

function readContent(from: Reader): Content {
  let seq = 0, text = "", deleted = false, isForeign = false;
  while (from.next()) {
    switch (from.field) {
      case 1: seq = from.number(); break;
      case 2: text = from.text(); break;
      case 3: deleted = from.flag(); break;
      default:
        if (from.field >= FIELD_TYPES_MIN && from.isSized && from.bytesValue().length > 0) isForeign = true;
        else if (from.field < FIELD_TYPES_MIN || !from.isSized) from.skip();
    }
  }
  return { seq, text, deleted, isForeign };
}

function readOpened(from: Reader): Opened {
  const ops: Committed[] = [];
  let type = "", head = 0, lastClientSeq = 0, lastClientServerSeq = 0, permission = 0, horizon = 0, lineage = 0;
  let more = false, forgottenSeq = 0, viewer = false;
  let content: Content | undefined;
  while (from.next()) {
    switch (from.field) {
      case 3: type = from.text(); break;
      case 4: head = from.number(); break;
      case 5: content = readContent(from.message()); break;
      case 6: ops.push(readCommitted(from.message())); break;
      case 7: lastClientSeq = from.number(); break;
      case 8: lastClientServerSeq = from.number(); break;
      case 9: permission = from.number32(); break;
      case 11: horizon = from.number(); break;
      case 12: lineage = from.number(); break;
      case 13: more = from.flag(); break;
      case 14: forgottenSeq = from.number(); break;
      case 21: viewer = from.flag(); break;
      default: from.skip();
    }
  }
  return { type, head, content, ops, lastClientSeq, lastClientServerSeq, permission, horizon, lineage, more, forgottenSeq, viewer };
}

function readPresence(from: Reader): PresenceMessage {
  const ranges: Range[] = [];
  let clientId = "", user = "", data: Uint8Array = new Uint8Array(0), baseSeq = 0, gone = false;
  while (from.next()) {
    switch (from.field) {
      case 1: clientId = idFromBytes(from.bytesValue()); break;
      case 2: user = from.text(); break;
      case 3: data = from.bytesValue().slice(); break;
      case 4: baseSeq = from.number(); break;
      case 5: {
        const [anchor = 0, head = 0] = readNumbers(from.message(), 1, 2);
        ranges.push({ anchor, head });
        break;
      }
      case 6: gone = from.flag(); break;
      default: from.skip();
    }
  }
  return { clientId, user, data, baseSeq, ranges, gone };
}

function readHistory(from: Reader): HistoryPart {
  const ops: Committed[] = [];
  let content: Content | undefined, horizon = 0, head = 0, more = false;
  while (from.next()) {
    switch (from.field) {
      case 1: ops.push(readCommitted(from.message())); break;
      case 2: content = readContent(from.message()); break;
      case 3: horizon = from.number(); break;
      case 4: head = from.number(); break;
      case 5: more = from.flag(); break;
      default: from.skip();
    }
  }
  return { ops, content, horizon, head, more };
}

/** The number fields with these field numbers, 0 where absent. */
function readNumbers(from: Reader, ...fields: number[]): number[] {
  const values = fields.map(() => 0);
  while (from.next()) {
    const index = fields.indexOf(from.field);
    if (index >= 0) values[index] = from.number();
    else from.skip();
  }
  return values;
}

/** A number and a sentence. */
function readPair(from: Reader, numberField: number, textField: number): [number, string] {
  let value = 0, text = "";
  while (from.next()) {
    if (from.field === numberField) value = from.number();
    else if (from.field === textField) text = from.text();
    else from.skip();
  }
  return [value, text];
}

function readNack(from: Reader): Nack {
  let clientSeq = 0, code = 0, message = "", retryAfterMs = 0;
  while (from.next()) {
    switch (from.field) {
      case 1: clientSeq = from.number(); break;
      case 2: code = from.number32(); break;
      case 3: message = from.text(); break;
      case 4: retryAfterMs = from.number(); break;
      default: from.skip();
    }
  }
  return { clientSeq, code, message, retryAfterMs };
}

function readWelcome(from: Reader): ServerBody {
  let protocol = 0, user = "", opSizeMax = 0, frameSizeMax = 0;
  while (from.next()) {
    switch (from.field) {
      case 1: protocol = from.number(); break;
      case 2: user = from.text(); break;
      case 4: opSizeMax = from.number(); break;
      case 5: frameSizeMax = from.number(); break;
      default: from.skip();
    }
  }
  return { kind: "welcome", protocol, user, opSizeMax, frameSizeMax };
}

function readBody(field: number, from: Reader): ServerBody {
  switch (field) {
    case 3: return readWelcome(from);
    case 4: return { kind: "opened", opened: readOpened(from) };
    case 5: return { kind: "committed", committed: readCommitted(from) };
    case 6: {
      const [clientSeq = 0, serverSeq = 0, timestampMs = 0, duplicate = 0] = readNumbers(from, 1, 2, 3, 4);
      return { kind: "ack", ack: { clientSeq, serverSeq, timestampMs, duplicate: duplicate !== 0 } };
    }
    case 7: return { kind: "nack", nack: readNack(from) };
    case 8: return { kind: "presence", presence: readPresence(from) };
    case 9: return { kind: "history", part: readHistory(from) };
    case 10: {
      const [state, message] = readPair(from, 1, 2);
      return { kind: "status", isAvailable: state === 0, message };
    }
    case 11: {
      const [reconnectAfterMs, reason] = readPair(from, 2, 1);
      return { kind: "goAway", reason, reconnectAfterMs };
    }
    case 12: {
      const [code, message] = readPair(from, 1, 2);
      return { kind: "error", code, message };
    }
    case 13: return { kind: "pong" };
    case FORGOTTEN: {
      const [head = 0] = readNumbers(from, 1);
      return { kind: "forgotten", head };
    }
    default: return { kind: "none" };
  }
}

function readMessage(from: Reader): ServerMessage {
  let request = 0, doc = 0;
  let body: ServerBody = { kind: "none" };
  while (from.next()) {
    if (from.field === 1) request = from.number32();
    else if (from.field === 2) doc = from.number32();
    else if (isKnownBody(from.field)) body = readBody(from.field, from.message());
    else from.skip();
  }
  return { request, doc, body };
}

/** All messages of a ServerFrame. Throws a WireError, so that half a frame is never applied. */
export function decodeServerFrame(frame: Uint8Array): ServerMessage[] {
  const messages: ServerMessage[] = [], from = new Reader(frame);
  while (from.next()) {
    if (from.field === 1) messages.push(readMessage(from.message()));
    else from.skip();
  }
  return messages;
}
