/** The op that turns one text into another, where nobody knows the ops between: for a client that comes back from behind
 * the horizon, and for editors whose content was replaced.
 *
 * Common prefix and suffix first, then anchors in long texts (anchors.ts), then between two anchors the greedy O(ND)
 * comparison of Myers ("An O(ND) Difference Algorithm and Its Variations", 1986) over code points. The cost is bounded in
 * memory and in steps; what is beyond that is replaced as a whole. */
import { type TextOp } from "./op.js";
import { findPassages } from "./passages.js";
import { DELETE, INSERT, RETAIN, SpanWriter, makeSpan } from "./span.js";

const EDITS_MAX = 1000; // the trace takes 4 * EDITS_MAX² bytes
const ANCHORED_MIN = 1024; // shorter texts are compared as a whole
const STEPS_MAX = 8_000_000; // comparisons in all: some 30 ms

export interface Difference {
  readonly op: TextOp;
  /** False: not everything was compared, some passage of the op replaces more than it had to. */
  readonly isExact: boolean;
}

export function diff(from: string, to: string): Difference {
  const script = new Script();
  if (from !== to) script.compareAll(pointsOf(from), pointsOf(to));
  return { op: script.finish(), isExact: script.isExact };
}

/** The difference as an op, however coarse. */
export const diffOp = (from: string, to: string): TextOp => diff(from, to).op;

function pointsOf(text: string): Int32Array {
  const points = new Int32Array(text.length);
  let count = 0;
  for (let i = 0; i < text.length; count++) {
    const point = text.codePointAt(i)!;
    points[count] = point;
    i += point > 0xffff ? 2 : 1;
  }
  return points.subarray(0, count);
}

function textOf(points: Int32Array): string {
  let text = "";
  for (let at = 0; at < points.length; at += 4096) text += String.fromCodePoint(...points.subarray(at, at + 4096));
  return text;
}

/** The op under construction. Deletes and inserts between two retains are collected: one place gets one of each. */
class Script {
  isExact = true;
  readonly #spans = new SpanWriter();
  #text = "";
  #inserted = 0;
  #deleted = 0;
  #stepsLeft = STEPS_MAX;

  finish(): TextOp {
    this.#flush();
    return { spans: this.#spans.finish(), text: this.#text };
  }

  compareAll(from: Int32Array, to: Int32Array): void {
    const max = Math.min(from.length, to.length);
    let prefix = 0, suffix = 0;
    while (prefix < max && from[prefix] === to[prefix]) prefix++;
    while (suffix < max - prefix && from[from.length - 1 - suffix] === to[to.length - 1 - suffix]) suffix++;
    this.#retain(prefix);
    this.#middle(from.subarray(prefix, from.length - suffix), to.subarray(prefix, to.length - suffix));
  }

  #middle(from: Int32Array, to: Int32Array): void {
    let fromAt = 0, toAt = 0;
    const passages = Math.min(from.length, to.length) < ANCHORED_MIN ? [] : findPassages(from, to);
    for (const passage of passages) {
      this.#gap(from.subarray(fromAt, passage.from), to.subarray(toAt, passage.to));
      this.#retain(passage.size);
      fromAt = passage.from + passage.size;
      toAt = passage.to + passage.size;
    }
    this.#gap(from.subarray(fromAt), to.subarray(toAt));
  }

  #gap(from: Int32Array, to: Int32Array): void {
    if (from.length > 0 && to.length > 0) {
      if (this.#compare(from, to)) return;
      this.isExact = false;
    }
    this.#replace(from.length, to);
  }

  #compare(from: Int32Array, to: Int32Array): boolean {
    if (this.#stepsLeft < 0) return false;
    const rows: Int32Array[] = [];
    const editsMax = Math.min(from.length + to.length, EDITS_MAX);
    for (let d = 0; d <= editsMax; d++) {
      const row = new Int32Array(2 * d + 1), previous = rows[d - 1];
      rows.push(row);
      for (let k = -d; k <= d; k += 2) {
        let x = previous === undefined ? 0 : stepFrom(previous, d, k), y = x - k;
        while (x < from.length && y < to.length && x >= 0 && y >= 0 && from[x] === to[y]) x++, y++, this.#stepsLeft--;
        row[k + d] = x;
        if (--this.#stepsLeft < 0) return false;
        if (x >= from.length && y >= to.length) {
          this.#follow(rows, from, to);
          return true;
        }
      }
    }
    return false;
  }

  /** Walks the path back, then writes it forwards. */
  #follow(rows: readonly Int32Array[], from: Int32Array, to: Int32Array): void {
    const steps: { isInsert: boolean; kept: number }[] = []; // an edit, and what is kept behind it
    let x = from.length, y = to.length;
    for (let d = rows.length - 1; d > 0; d--) {
      const previous = rows[d - 1]!, k = x - y, isInsert = isDown(previous, d, k);
      steps.push({ isInsert, kept: x - stepFrom(previous, d, k) });
      x = isInsert ? at(previous, d - 1, k + 1) : at(previous, d - 1, k - 1);
      y = x - (isInsert ? k + 1 : k - 1);
    }
    this.#retain(x);
    let toAt = x;
    for (const { isInsert, kept } of steps.reverse()) {
      if (isInsert) this.#replace(0, to.subarray(toAt, ++toAt));
      else this.#deleted++;
      this.#retain(kept);
      toAt += kept;
    }
  }

  #replace(deleted: number, inserted: Int32Array): void {
    this.#deleted += deleted;
    this.#inserted += inserted.length;
    this.#text += textOf(inserted);
  }

  #retain(count: number): void {
    if (count === 0) return;
    this.#flush();
    this.#spans.put(makeSpan(RETAIN, count));
  }

  #flush(): void {
    if (this.#inserted > 0) this.#spans.put(makeSpan(INSERT, this.#inserted));
    if (this.#deleted > 0) this.#spans.put(makeSpan(DELETE, this.#deleted));
    this.#inserted = this.#deleted = 0;
  }
}

/** The furthest x on diagonal `k` in the row of `d` edits. */
const at = (row: Int32Array, d: number, k: number): number => row[k + d]!;
const isDown = (previous: Int32Array, d: number, k: number): boolean =>
  k === -d || (k !== d && at(previous, d - 1, k - 1) < at(previous, d - 1, k + 1));
/** The x that `d` edits reach on diagonal `k` before the kept ones, from the row of `d - 1`. */
const stepFrom = (previous: Int32Array, d: number, k: number): number =>
  isDown(previous, d, k) ? at(previous, d - 1, k + 1) : at(previous, d - 1, k - 1) + 1;
