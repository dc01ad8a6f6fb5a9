/** A place among the components of an indexed op (tree.ts), and the edits that can be made there. Every edit keeps the
 * sums right; other cursors lose their meaning. */
import { DELETE, INSERT, RETAIN, countOf, headOf, joinSpans, kindOf, tailOf } from "./span.js";

const LEAF_COUNT = 64; // spans of a full leaf

/** Counts of a leaf's spans: code points of the base, produced by the op, and inserted. */
export type Counter = "base" | "produced" | "inserted";

export interface Leaf { spans: number[]; base: number; produced: number; inserted: number }
export interface Sums { base: number; produced: number; inserted: number }

export const makeLeaf = (): Leaf => ({ spans: [], base: 0, produced: 0, inserted: 0 });

/** `factor`: 1 to add a span, -1 to take it away. */
export function count(sums: Sums, span: number, factor: number): void {
  const n = countOf(span) * factor, kind = kindOf(span);
  if (kind !== INSERT) sums.base += n;
  if (kind !== DELETE) sums.produced += n;
  if (kind === INSERT) sums.inserted += n;
}

const countIn = (span: number, counter: Counter): number => {
  const kind = kindOf(span);
  if (counter === "base") return kind === INSERT ? 0 : countOf(span);
  if (counter === "produced") return kind === DELETE ? 0 : countOf(span);
  return kind === INSERT ? countOf(span) : 0;
};

/** Leaves are never empty, unless there is only one. */
export function makeLeaves(spans: readonly number[]): Leaf[] {
  const leaves: Leaf[] = [];
  for (let at = 0; at < spans.length; at += LEAF_COUNT) {
    const leaf = makeLeaf();
    leaf.spans = spans.slice(at, at + LEAF_COUNT);
    for (const span of leaf.spans) count(leaf, span, 1);
    leaves.push(leaf);
  }
  return leaves.length > 0 ? leaves : [makeLeaf()];
}

export class Cursor {
  /** Code points of the component here that lie before the place; then it is cut in two. */
  offset = 0;
  /** Sums of all before the place but for `offset`; not kept up by edits. */
  readonly before: Sums = { base: 0, produced: 0, inserted: 0 };
  /** Code points that the position lies behind the last component. */
  beyond = 0;
  #leaf = 0;
  #index = 0; // of the component behind the place; spans.length: behind the last one of all

  /** The first place where the counter reaches `position`. */
  constructor(readonly leaves: Leaf[], counter: Counter, position: number) {
    const { before } = this;
    for (; this.#leaf < leaves.length - 1; this.#leaf++) {
      const leaf = leaves[this.#leaf]!;
      if (before[counter] + leaf[counter] >= position) break;
      before.base += leaf.base;
      before.produced += leaf.produced;
      before.inserted += leaf.inserted;
    }
    const { spans } = leaves[this.#leaf]!;
    let left = position - before[counter];
    for (; left > 0 && this.#index < spans.length; this.#index++) {
      const span = spans[this.#index]!, n = countIn(span, counter);
      if (n > left) {
        this.offset = left;
        return;
      }
      count(before, span, 1);
      left -= n;
    }
    this.beyond = left;
    this.#settle();
  }

  /** The component behind the place (all of it, whatever `offset`); 0: none. */
  get here(): number { return this.leaves[this.#leaf]!.spans[this.#index] ?? 0; }

  get previous(): number {
    if (this.#index > 0) return this.leaves[this.#leaf]!.spans[this.#index - 1]!;
    return this.#leaf > 0 ? this.leaves[this.#leaf - 1]!.spans.at(-1)! : 0;
  }

  next(): void {
    this.#index++;
    this.#settle();
  }

  /** Makes `offset` 0 by cutting the component there. */
  cut(): void {
    if (this.offset === 0) return;
    const whole = this.here;
    this.#set(tailOf(whole, this.offset));
    this.#insert(headOf(whole, this.offset));
    this.offset = 0;
  }

  /** Removes the component behind the place. */
  remove(): void {
    const leaf = this.leaves[this.#leaf]!;
    count(leaf, leaf.spans[this.#index]!, -1);
    leaf.spans.splice(this.#index, 1);
    this.#tidy();
    this.#settle();
  }

  /** Removes its first `n` code points; it has at least so many. */
  drop(n: number): void {
    const rest = tailOf(this.here, n);
    if (rest === 0) this.remove();
    else this.#set(rest);
  }

  /** Inserts at the place, which is behind it afterwards. Merges with the component before, not with the one behind. */
  append(span: number): void {
    const { previous } = this;
    if (previous !== 0 && kindOf(previous) === kindOf(span)) this.#setPrevious(joinSpans(previous, span));
    else this.#insert(span);
  }

  /** Merges the components on both sides of the place if they are of one kind, and drops a trailing retain. */
  close(): void {
    const { previous, here } = this;
    if (previous === 0) return;
    if (here !== 0 && kindOf(previous) === kindOf(here)) {
      this.#setPrevious(joinSpans(previous, here));
      this.remove();
    } else if (here === 0 && kindOf(previous) === RETAIN) {
      this.#back();
      this.remove();
    }
  }

  #back(): void {
    if (this.#index === 0) this.#index = this.leaves[--this.#leaf]!.spans.length;
    this.#index--;
  }

  #settle(): void {
    if (this.#index < this.leaves[this.#leaf]!.spans.length || this.#leaf === this.leaves.length - 1) return;
    this.#leaf++;
    this.#index = 0;
  }

  #set(span: number): void {
    const leaf = this.leaves[this.#leaf]!;
    count(leaf, leaf.spans[this.#index]!, -1);
    count(leaf, span, 1);
    leaf.spans[this.#index] = span;
  }

  #setPrevious(span: number): void {
    const leaf = this.#leaf, index = this.#index;
    this.#back();
    this.#set(span);
    this.#leaf = leaf;
    this.#index = index;
  }

  #insert(span: number): void {
    let leaf = this.leaves[this.#leaf]!;
    if (leaf.spans.length >= LEAF_COUNT) {
      const right = makeLeaf();
      right.spans = leaf.spans.splice(LEAF_COUNT / 2);
      for (const moved of right.spans) {
        count(leaf, moved, -1);
        count(right, moved, 1);
      }
      this.leaves.splice(this.#leaf + 1, 0, right);
      if (this.#index > leaf.spans.length) {
        this.#index -= leaf.spans.length;
        this.#leaf++;
        leaf = right;
      }
    }
    leaf.spans.splice(this.#index, 0, span);
    count(leaf, span, 1);
    this.next();
  }

  /** Keeps leaves from staying nearly empty for ever. */
  #tidy(): void {
    const leaf = this.leaves[this.#leaf]!, previous = this.leaves[this.#leaf - 1], next = this.leaves[this.#leaf + 1];
    const few = LEAF_COUNT / 4, enough = LEAF_COUNT * 3 / 4, size = leaf.spans.length;
    if (size >= few) return;
    if (previous !== undefined && (size === 0 || previous.spans.length + size <= enough)) {
      this.#index += previous.spans.length;
      this.#leaf--;
      this.#join(previous, leaf);
    } else if (next !== undefined && (size === 0 || next.spans.length + size <= enough)) {
      this.#join(leaf, next);
    }
  }

  /** Joins the leaf behind the cursor's to it. */
  #join(left: Leaf, right: Leaf): void {
    left.spans.push(...right.spans);
    left.base += right.base;
    left.produced += right.produced;
    left.inserted += right.inserted;
    this.leaves.splice(this.#leaf + 1, 1);
  }
}
