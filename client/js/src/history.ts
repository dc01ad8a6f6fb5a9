/** Reading the past of a document. */
import { type Change, changesOf } from "./changes.js";
import type { Connection } from "./core/connection.js";
import type { Doc } from "./core/doc.js";
import { OrdoError } from "./errors.js";
import { EMPTY_OP, type TextOp } from "./ot/op.js";
import { Rope } from "./ot/rope.js";
import type { HistoryRequest } from "./wire/client.js";
import type { Committed, HistoryPart } from "./wire/server.js";

/** One place of the order. */
export interface PastEdit {
  readonly seq: number;
  /** Milliseconds since 1970, by the server's clock. */
  readonly timeMs: number;
  readonly user: string;
  readonly clientId: string;
  readonly kind: "edit" | "delete" | "create";
  /** Counts code points: `Playback` shows what it does to a text. */
  readonly op: TextOp;
}

export interface PastContent { readonly seq: number; readonly text: string; readonly isDeleted: boolean }

interface Target { readonly connection: Connection; readonly doc: Doc }

/** All parts of one answer. */
function ask<Result>({ connection, doc }: Target, what: HistoryRequest, collect: (part: HistoryPart) => void,
                     result: () => Result): Promise<Result> {
  return new Promise((resolve, reject) => {
    connection.readHistory(doc, what, (part) => {
      if ("code" in part) {
        reject(new OrdoError(part.code, part.message));
        return;
      }
      collect(part);
      if (!part.more) resolve(result());
    });
  });
}

export async function readEdits(target: Target, fromSeq: number, toSeq: number): Promise<PastEdit[]> {
  const edits: PastEdit[] = [];
  for (let next = fromSeq; ;) {
    let head = 0;
    const before = edits.length;
    await ask(target, { fromSeq: next, toSeq }, (part) => {
      head = part.head;
      for (const committed of part.ops) edits.push(editOf(committed));
    }, () => undefined);
    // An answer holds so many at most: where it ends early, the rest is asked for.
    const last = edits.at(-1)?.seq ?? 0, end = toSeq > 0 ? Math.min(toSeq, head) : head;
    if (edits.length === before || last >= end) return edits;
    next = last + 1;
  }
}

export function readContent(target: Target, what: HistoryRequest): Promise<PastContent> {
  let seq = 0, text = "", isDeleted = false;
  return ask(target, what, ({ content }) => {
    if (content === undefined) return;
    seq = content.seq;
    text += content.text;
    isDeleted = content.deleted;
  }, () => ({ seq, text, isDeleted }));
}

function editOf({ serverSeq, timestampMs, user, clientId, body }: Committed): PastEdit {
  const op = body.kind === "edit" || body.kind === "create" ? body.op : EMPTY_OP;
  return { seq: serverSeq, timeMs: timestampMs, user, clientId, kind: body.kind === "unknown" ? "edit" : body.kind, op };
}

/** A stretch of text and whose it is. */
export interface Run { readonly length: number; readonly author: string | undefined }

/** A text that is taken through its past, with who wrote what. Lengths are UTF-16 units. */
export class Playback {
  #text: Rope;
  #runs: Run[];

  /** `text`: the content before the first edit that is played; its author is not known. */
  constructor(text = "") {
    this.#text = new Rope(text);
    this.#runs = text === "" ? [] : [{ length: text.length, author: undefined }];
  }

  get text(): string { return this.#text.toString(); }
  get runs(): readonly Run[] { return this.#runs; }

  /** Plays the next edit and returns what it did. */
  play({ kind, op, clientId }: PastEdit): readonly Change[] {
    if (kind !== "edit") {
      this.#text = new Rope();
      this.#runs = [];
    }
    if (kind === "delete") return [];
    const changes = changesOf(op, this.#text);
    this.#text.apply(op);
    this.#runs = recolour(this.#runs, changes, clientId);
    return changes;
  }

  copy(): Playback {
    const copy = new Playback();
    copy.#text = new Rope(this.text);
    copy.#runs = [...this.#runs];
    return copy;
  }
}

function recolour(runs: readonly Run[], changes: readonly Change[], author: string): Run[] {
  const out: Run[] = [];
  const put = (length: number, who: string | undefined): void => {
    const last = out.at(-1);
    if (length === 0) return;
    if (last !== undefined && last.author === who) out[out.length - 1] = { length: last.length + length, author: who };
    else out.push({ length, author: who });
  };
  let index = 0, used = 0; // of the run at hand
  const pass = (length: number, isKept: boolean): void => {
    while (length > 0 && index < runs.length) {
      const run = runs[index]!, here = Math.min(run.length - used, length);
      if (isKept) put(here, run.author);
      used += here;
      length -= here;
      if (used === run.length) {
        index++;
        used = 0;
      }
    }
  };
  let at = 0;
  for (const { from, to, insert } of changes) {
    pass(from - at, true);
    put(insert.length, author);
    pass(to - from, false);
    at = to;
  }
  pass(Infinity, true);
  return out;
}
