/** What a client says (proto/ordo.proto), each message written as a schema. A test compares this with what a protobuf
 * library makes of that file. */
import type { TextOp } from "../ot/op.js";
import { type ClientId, idToBytes } from "./ids.js";
import { Writer } from "./writer.js";

export interface Range { readonly anchor: number; readonly head: number } // code points

export interface Open {
  readonly collection: string;
  readonly id: string;
  readonly have?: { readonly seq: number; readonly lineage: number };
  readonly createType: string;
  readonly createContent?: TextOp;
  readonly presence: boolean;
  readonly clean: boolean;
}

/** What an op of ours says; the bytes of an op that was frozen. */
export type SubmitBody =
  | { readonly kind: "edit" | "create"; readonly bytes: Uint8Array }
  | { readonly kind: "delete" };

export type HistoryRequest =
  | { readonly fromSeq: number; readonly toSeq: number }
  | { readonly atSeq: number }
  | { readonly atTimeMs: number };

export type ClientMessage =
  | { readonly kind: "hello"; readonly clientId: ClientId; readonly token: string; readonly agent: string }
  | { readonly kind: "open"; readonly request: number; readonly open: Open }
  | { readonly kind: "leave"; readonly doc: number }
  | { readonly kind: "submit"; readonly doc: number; readonly clientSeq: number; readonly baseSeq: number;
      readonly body: SubmitBody }
  | { readonly kind: "presence"; readonly doc: number; readonly baseSeq: number; readonly data: Uint8Array;
      readonly ranges: readonly Range[]; readonly clear: boolean }
  | { readonly kind: "history"; readonly request: number; readonly doc: number; readonly what: HistoryRequest }
  | { readonly kind: "authenticate"; readonly token: string }
  | { readonly kind: "forget"; readonly request: number; readonly doc: number; readonly lineage: number }
  | { readonly kind: "ping"; readonly nonce: number };

const PROTOCOL = 1;

export function writeTextOp(to: Writer, op: TextOp): void {
  to.numbers(1, op.spans);
  to.text(2, op.text);
}

export function encodeTextOp(op: TextOp): Uint8Array {
  const writer = new Writer();
  writeTextOp(writer, op);
  return writer.finish();
}

/** The CreateDocument that makes a text document with this content. */
export function encodeCreate(type: string, op: TextOp): Uint8Array {
  const writer = new Writer();
  writer.text(1, type);
  writer.message(2, (to) => writeTextOp(to, op));
  return writer.finish();
}

function writeOpen(to: Writer, open: Open): void {
  to.text(1, open.collection);
  to.text(2, open.id);
  if (open.have !== undefined) to.numberAlways(3, open.have.seq);
  to.text(4, open.createType);
  to.flag(5, open.presence);
  const { createContent } = open;
  if (createContent !== undefined) to.message(6, (inner) => writeTextOp(inner, createContent));
  to.number(7, open.have?.lineage ?? 0);
  to.flag(8, open.clean);
}

function writeBody(to: Writer, message: ClientMessage): void {
  switch (message.kind) {
    case "hello":
      return to.message(3, (hello) => {
        hello.number(1, PROTOCOL);
        hello.bytes(2, idToBytes(message.clientId));
        hello.text(3, message.token);
        hello.text(4, message.agent);
        hello.text(5, "text");
      });
    case "open": return to.message(4, (open) => writeOpen(open, message.open));
    case "leave": return to.message(5, () => {});
    case "submit":
      return to.message(6, (submit) => {
        submit.number(1, message.clientSeq);
        submit.number(2, message.baseSeq);
        if (message.body.kind === "edit") submit.bytesAlways(3, message.body.bytes);
        else if (message.body.kind === "delete") submit.bytesAlways(4, new Uint8Array(0));
        else submit.bytesAlways(5, message.body.bytes);
      });
    case "presence":
      return to.message(7, (presence) => {
        presence.bytes(1, message.data);
        presence.number(2, message.baseSeq);
        for (const { anchor, head } of message.ranges) {
          presence.message(3, (range) => {
            range.number(1, anchor);
            range.number(2, head);
          });
        }
        presence.flag(4, message.clear);
      });
    case "history":
      return to.message(8, (history) => {
        const { what } = message;
        if ("atSeq" in what) return history.numberAlways(3, what.atSeq);
        if ("atTimeMs" in what) return history.numberAlways(4, what.atTimeMs);
        history.number(1, what.fromSeq);
        history.number(2, what.toSeq);
      });
    case "authenticate": return to.message(9, (authenticate) => authenticate.text(1, message.token));
    case "forget": return to.message(20, (forget) => forget.number(1, message.lineage));
    case "ping": return to.message(10, (ping) => ping.number(1, message.nonce));
  }
}

/** One message as a ClientFrame of its own. Frames are joined by concatenating them. */
export function encodeClientMessage(message: ClientMessage): Uint8Array {
  const writer = new Writer();
  writer.message(1, (to) => {
    if ("request" in message) to.number(1, message.request);
    if ("doc" in message) to.number(2, message.doc);
    writeBody(to, message);
  });
  return writer.finish();
}
