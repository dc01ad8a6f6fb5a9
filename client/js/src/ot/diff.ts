/** The op that turns one text into another, where nobody knows the ops between: for a client that comes back from behind
 * the horizon, and for editors whose content was replaced.
 *
 * Common prefix and suffix first, then anchors in long texts (anchors.ts), then between two anchors the greedy O(ND)
 * comparison of Myers ("An O(ND) Difference Algorithm and Its Variations", 1986) over code points. The cost is bounded in
 * memory and in steps; what is beyond that is replaced as a whole. For long texts that still takes longer than a page may
 * stand still, so the comparison can be driven in steps. */
import { type TextOp } from "./op.js";
import { findPassages } from "./passages.js";
import { DELETE, INSERT, RETAIN, SpanWriter, makeSpan } from "./span.js";
import { TextReader, countPoints, isInsidePair } from "./unicode.js";

const EDITS_MAX = 1000; // the trace takes 4 * EDITS_MAX² bytes
const ANCHORED_MIN = 1024; // shorter texts are compared as a whole
const STEPS_MAX = 8_000_000; // comparisons in all: some 30 ms
const STEPS_PER_TURN = 100_000; // below a millisecond, as these:
const PASSAGES_PER_TURN = 500;

export interface Difference {
  readonly op: TextOp;
  /** False: not everything was compared, some passage of the op replaces more than it had to. */
  readonly isExact: boolean;
}

/** What two texts begin with alike, in UTF-16 units, and where what they end with alike begins in each. */
function middleOf(from: string, to: string): { start: number; fromEnd: number; toEnd: number } {
  let fromEnd = from.length, toEnd = to.length, start = 0;
  while (start < Math.min(fromEnd, toEnd) && from.charCodeAt(start) === to.charCodeAt(start)) start++;
  if (isInsidePair(from, start) || isInsidePair(to, start)) start--;
  while (Math.min(fromEnd, toEnd) > start && from.charCodeAt(fromEnd - 1) === to.charCodeAt(toEnd - 1)) fromEnd--, toEnd--;
  if (isInsidePair(from, fromEnd) || isInsidePair(to, toEnd)) fromEnd++, toEnd++;
  return { start, fromEnd, toEnd };
}

/** Yields where the caller may let other things happen. */
export function* diffInTurns(from: string, to: string): Generator<void, Difference> {
  const { start, fromEnd, toEnd } = middleOf(from, to);
  const script = new Script(countPoints(from.slice(0, start)), to.slice(start, toEnd));
  yield* script.compareAll(from.slice(start, fromEnd));
  return { op: script.finish(), isExact: script.isExact };
}

export function diff(from: string, to: string): Difference {
  const turns = diffInTurns(from, to);
  for (;;) {
    const turn = turns.next();
    if (turn.done === true) return turn.value;
  }
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

/** The op under construction. Deletes and inserts between two retains are collected: one place gets one of each. */
class Script {
  isExact = true;
  readonly #spans = new SpanWriter();
  #text = "";
  #inserted = 0;
  #deleted = 0;
  #stepsLeft = STEPS_MAX;
  readonly #to: TextReader;

  /** Behind `kept` code points that both texts begin with, the second goes on with `to`. */
  constructor(kept: number, readonly to: string) {
    this.#to = new TextReader(to);
    this.#spans.put(makeSpan(RETAIN, kept));
  }

  finish(): TextOp {
    this.#flush();
    return { spans: this.#spans.finish(), text: this.#text };
  }

  *compareAll(text: string): Generator<void> {
    if (text === "" || this.to === "") return this.#replace(countPoints(text), countPoints(this.to));
    const from = pointsOf(text);
    yield;
    const to = pointsOf(this.to);
    yield;
    let fromAt = 0, toAt = 0, count = 0;
    const passages = Math.min(from.length, to.length) < ANCHORED_MIN ? [] : yield* findPassages(from, to);
    for (const passage of passages) {
      yield* this.#gap(from.subarray(fromAt, passage.from), to.subarray(toAt, passage.to));
      this.#retain(passage.size);
      fromAt = passage.from + passage.size;
      toAt = passage.to + passage.size;
      if (++count % PASSAGES_PER_TURN === 0) yield;
    }
    yield* this.#gap(from.subarray(fromAt), to.subarray(toAt));
  }

  *#gap(from: Int32Array, to: Int32Array): Generator<void> {
    if (from.length > 0 && to.length > 0) {
      if (yield* this.#compare(from, to)) return;
      this.isExact = false;
    }
    this.#replace(from.length, to.length);
  }

  *#compare(from: Int32Array, to: Int32Array): Generator<void, boolean> {
    const rows: Int32Array[] = [];
    const editsMax = Math.min(from.length + to.length, EDITS_MAX);
    for (let d = 0; d <= editsMax && this.#stepsLeft >= 0; d++) {
      const before = this.#stepsLeft;
      if (this.#reachesEnd(rows, from, to)) {
        this.#follow(rows, from, to);
        return true;
      }
      if (Math.floor(before / STEPS_PER_TURN) > Math.floor(this.#stepsLeft / STEPS_PER_TURN)) yield;
    }
    return false;
  }

  /** Adds the row for one more edit. */
  #reachesEnd(rows: Int32Array[], from: Int32Array, to: Int32Array): boolean {
    const d = rows.length, row = new Int32Array(2 * d + 1), previous = rows[d - 1];
    rows.push(row);
    for (let k = -d; k <= d; k += 2) {
      let x = previous === undefined ? 0 : stepFrom(previous, d, k), y = x - k;
      while (x < from.length && y < to.length && x >= 0 && y >= 0 && from[x] === to[y]) x++, y++, this.#stepsLeft--;
      row[k + d] = x;
      if (--this.#stepsLeft < 0) return false;
      if (x >= from.length && y >= to.length) return true;
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
    for (const { isInsert, kept } of steps.reverse()) {
      this.#replace(isInsert ? 0 : 1, isInsert ? 1 : 0);
      this.#retain(kept);
    }
  }

  #replace(deleted: number, inserted: number): void {
    this.#deleted += deleted;
    this.#inserted += inserted;
    this.#text += this.#to.take(inserted);
  }

  #retain(count: number): void {
    if (count === 0) return;
    this.#flush();
    this.#to.skip(count);
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
