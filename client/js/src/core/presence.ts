/** Presence: cursors that are positions at some seq, here turned into positions in what is shown and back. */
import { type TextOp, positionAfter, positionBefore } from "../ot/op.js";
import type { ClientMessage, Range } from "../wire/client.js";
import type { ClientId } from "../wire/ids.js";
import type { PresenceMessage } from "../wire/server.js";
import type { DocState } from "./state.js";

const RECENT_COUNT = 64;
const RECENT_SPANS_MAX = 1000; // of an op too large to keep: cursors from before it may be off for a moment
const HELD_COUNT_MAX = 64;
export const RANGES_MAX = 16;

export class PresenceState {
  /** What this client tells of itself; positions in what is shown. */
  own: { readonly data: Uint8Array; ranges: Range[] } | undefined;
  isDue = false;
  /** Recent ops, to bring presence that was made before them up to date. */
  #recent: { seq: number; op: TextOp; clientId: ClientId }[] = [];
  /** Made against a seq that is still to come. */
  #held: PresenceMessage[] = [];

  set(data: Uint8Array, ranges: readonly Range[], length: number): void {
    const bounded = (position: number): number => Math.max(0, Math.min(position, length));
    this.own = { data, ranges: ranges.slice(0, RANGES_MAX).map((r) => ({ anchor: bounded(r.anchor), head: bounded(r.head) })) };
    this.isDue = true;
  }

  clear(): void {
    if (this.own === undefined) return;
    this.own = undefined;
    this.isDue = true;
  }

  /** What is shown changes by `op`. */
  moveOwn(op: TextOp, isOwn: boolean): void {
    if (this.own !== undefined) this.own.ranges = moved(this.own.ranges, op, isOwn);
  }

  /** What there is to send, in positions at `seq`. */
  take(doc: DocState, handle: number): ClientMessage {
    this.isDue = false;
    const before = (op: TextOp, ranges: Range[]): Range[] =>
      ranges.map(({ anchor, head }) => ({ anchor: positionBefore(op, anchor), head: positionBefore(op, head) }));
    const ranges = doc.edits.reduceRight((at, op) => before(op, at), this.own?.ranges ?? []);
    return { kind: "presence", doc: handle, baseSeq: doc.seq, data: this.own?.data ?? new Uint8Array(0), ranges,
      clear: this.own === undefined };
  }

  received(doc: DocState, message: PresenceMessage): void {
    if (doc.error !== undefined || !doc.options.presence || !doc.hasContent || message.clientId === "") return;
    this.#held = this.#held.filter((held) => held.clientId !== message.clientId);
    if (message.gone || message.baseSeq <= doc.seq) {
      this.#tell(doc, message);
      return;
    }
    if (this.#held.length === HELD_COUNT_MAX) this.#held.shift();
    this.#held.push(message);
  }

  /** `op` was just placed at `seq`. */
  note(seq: number, op: TextOp, clientId: ClientId): void {
    if (op.spans.length <= RECENT_SPANS_MAX) this.#recent.push({ seq, op, clientId });
    if (this.#recent.length > 2 * RECENT_COUNT) this.#recent.splice(0, RECENT_COUNT);
  }

  /** Tells of presence that waited for a seq that is reached. After the op is shown. */
  release(doc: DocState): void {
    if (this.#held.length === 0) return;
    const ready = this.#held.filter((message) => message.baseSeq <= doc.seq);
    this.#held = this.#held.filter((message) => message.baseSeq > doc.seq);
    for (const message of ready) this.#tell(doc, message);
  }

  /** Positions no longer compare. */
  forget(): void {
    this.#recent = [];
    this.#held = [];
  }

  #tell(doc: DocState, message: PresenceMessage): void {
    const { clientId, user, data, gone } = message;
    doc.listener.presence?.({ clientId, user, data, ranges: gone ? [] : this.#bringUp(doc, message), isGone: gone });
  }

  /** From base_seq, at or below ours, to what is shown. Ops that are gone from here leave the positions as they are. */
  #bringUp(doc: DocState, message: PresenceMessage): Range[] {
    let ranges = message.ranges.slice(0, RANGES_MAX);
    for (const { seq, op, clientId } of this.#recent) {
      if (seq > message.baseSeq) ranges = moved(ranges, op, clientId === message.clientId);
    }
    const length = doc.confirmed.points;
    ranges = ranges.map((r) => ({ anchor: Math.min(r.anchor, length), head: Math.min(r.head, length) }));
    return doc.edits.reduce((list, op) => moved(list, op, false), ranges);
  }
}

const moved = (ranges: readonly Range[], op: TextOp, movesRight: boolean): Range[] =>
  ranges.map((r) => ({ anchor: positionAfter(op, r.anchor, movesRight), head: positionAfter(op, r.head, movesRight) }));
