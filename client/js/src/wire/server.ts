/** What a server says (proto/ordo.proto), each message read as a schema. A test compares this with what a protobuf library
 * makes of that file. */
import { EMPTY_OP, type TextOp } from "../ot/op.js";
import type { Range } from "./client.js";
import { type ClientId, idFromBytes } from "./ids.js";
import { Reader } from "./reader.js";

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

const MESSAGES_PER_TURN = 64; // some tenth of a millisecond
const FORGOTTEN = 20;
/** Message bodies that this client knows; a Pong is the last in a row. */
const isKnownBody = (field: number): boolean => field <= 13 || field === FORGOTTEN;

/** Fields from this number on carry what other document types bring. */
const FIELD_TYPES_MIN = 20;

// --- messages as schemas -----------------------------------------------------------------------------------------

/** A field: its number, what reads it (a repeated one is handed what was read before), and what it is where it is absent. */
type Field<Value> = readonly [field: number, read: (from: Reader, before: Value) => Value, absent: Value];
type Schema<Message> = { readonly [Name in keyof Message]: Field<Message[Name]> };

const number = (field: number): Field<number> => [field, (from) => from.number(), 0];
const number32 = (field: number): Field<number> => [field, (from) => from.number32(), 0];
const flag = (field: number): Field<boolean> => [field, (from) => from.flag(), false];
const text = (field: number): Field<string> => [field, (from) => from.text(), ""];
const clientId = (field: number): Field<ClientId> => [field, (from) => idFromBytes(from.bytesValue()), ""];
const message = <Value, Absent>(field: number, read: (from: Reader) => Value, absent: Absent): Field<Value | Absent> =>
  [field, (from) => read(from.message()), absent];
const list = <Item>(field: number, read: (from: Reader) => Item): Field<readonly Item[]> => [field, (from, before) => {
  const items = before.length > 0 ? before as Item[] : [];
  items.push(read(from.message()));
  return items;
}, []];

/** Reads messages by their schema; fields that it does not name are passed over. */
function reader<Message>(schema: Schema<Message>): (from: Reader) => Message {
  const fields = Object.entries(schema) as [keyof Message, Field<Message[keyof Message]>][];
  return (from) => {
    const read = Object.fromEntries(fields.map(([name, [, , absent]]) => [name, absent])) as Message;
    while (from.next()) {
      const known = fields.find(([, [field]]) => field === from.field);
      if (known !== undefined) read[known[0]] = known[1][1](from, read[known[0]]);
      else from.skip();
    }
    return read;
  };
}

/** Of these there are many, so they are read field by field. */
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

const readCreate = reader<Omit<Body & { kind: "create" }, "kind">>({
  type: text(1), op: message(2, readTextOp, EMPTY_OP), lineage: number(3),
});

/** The content of the create that was frozen. */
export const decodeCreate = (bytes: Uint8Array): TextOp => readCreate(new Reader(bytes)).op;

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
      case 8: body = { kind: "create", ...readCreate(from.message()) }; break;
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

const readOpened = reader<Opened>({
  type: text(3), head: number(4), content: message(5, readContent, undefined),
  ops: list(6, readCommitted), lastClientSeq: number(7), lastClientServerSeq: number(8), permission: number32(9),
  horizon: number(11), lineage: number(12), more: flag(13), forgottenSeq: number(14), viewer: flag(21),
});

const readPresence = reader<PresenceMessage>({
  clientId: clientId(1), user: text(2), data: [3, (from) => from.bytesValue().slice(), new Uint8Array(0)], baseSeq: number(4),
  ranges: list(5, reader<Range>({ anchor: number(1), head: number(2) })), gone: flag(6),
});

const readHistory = reader<HistoryPart>({
  ops: list(1, readCommitted), content: message(2, readContent, undefined), horizon: number(3), head: number(4), more: flag(5),
});

const readWelcome = reader({ protocol: number(1), user: text(2), opSizeMax: number(4), frameSizeMax: number(5) });
const readAck = reader<Ack>({ clientSeq: number(1), serverSeq: number(2), timestampMs: number(3), duplicate: flag(4) });
const readNack = reader<Nack>({ clientSeq: number(1), code: number32(2), message: text(3), retryAfterMs: number(4) });
const readStatus = reader({ state: number(1), message: text(2) });
const readGoAway = reader({ reason: text(1), reconnectAfterMs: number(2) });
const readError = reader({ code: number(1), message: text(2) });
const readForgotten = reader({ head: number(1) });

function readBody(field: number, from: Reader): ServerBody {
  switch (field) {
    case 3: return { kind: "welcome", ...readWelcome(from) };
    case 4: return { kind: "opened", opened: readOpened(from) };
    case 5: return { kind: "committed", committed: readCommitted(from) };
    case 6: return { kind: "ack", ack: readAck(from) };
    case 7: return { kind: "nack", nack: readNack(from) };
    case 8: return { kind: "presence", presence: readPresence(from) };
    case 9: return { kind: "history", part: readHistory(from) };
    case 10: {
      const { state, message } = readStatus(from);
      return { kind: "status", isAvailable: state === 0, message };
    }
    case 11: return { kind: "goAway", ...readGoAway(from) };
    case 12: return { kind: "error", ...readError(from) };
    case 13: return { kind: "pong" };
    case FORGOTTEN: return { kind: "forgotten", ...readForgotten(from) };
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

/** All messages of a ServerFrame. Throws a WireError, so that half a frame is never applied. Yields where the caller may let
 * other things happen. */
export function* decodeServerFrame(frame: Uint8Array): Generator<void, ServerMessage[]> {
  const messages: ServerMessage[] = [], from = new Reader(frame);
  while (from.next()) {
    if (from.field === 1) messages.push(readMessage(from.message()));
    else from.skip();
    if (messages.length % MESSAGES_PER_TURN === 0) yield;
  }
  return messages;
}
