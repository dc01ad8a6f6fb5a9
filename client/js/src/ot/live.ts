/** One op held in a form that composes and rebases cheaply however large it gets: what a client has in flight and pending.
 * Few components are walked through; beyond that they are indexed. The results are the same. */
import { EMPTY_OP, type TextOp, compose, flipTie, isEmptyOp, tieOf, transform } from "./op.js";
import { FOLLOWS, RETAIN, SpanWriter, countOf, headOf, isInsert, kindOf, makeSpan, tailOf } from "./span.js";
import { OpTree } from "./tree.js";
import { TextReader, utf8Size } from "./unicode.js";

const FLAT_SPANS_MAX = 64;
/** Composing copies the whole text of a flat op, so one with a long text is indexed as well. */
const FLAT_TEXT_MAX = 4096;
/** The other op's share of our components from which on walking through all of them is cheaper than searching. */
const MANY_OF_TREE = 8;

export class LiveOp {
  #flat: TextOp; // good while there is no tree
  #tree: OpTree | undefined;

  /** `client`: who made it, in lower-case hex. `flatMax`: for tests; 0 makes every op a tree and keeps it one. */
  constructor(readonly client: string, op: TextOp = EMPTY_OP, readonly flatMax = FLAT_SPANS_MAX) {
    this.#flat = op;
    this.#index();
  }

  get isEmpty(): boolean { return this.#tree !== undefined ? this.#tree.isEmpty : isEmptyOp(this.#flat); }

  toOp(): TextOp { return this.#tree !== undefined ? this.#tree.toOp() : this.#flat; }

  /** Composes `next`, made against the content after this op, onto its end. */
  compose(next: TextOp): void {
    this.#prepareFor(next);
    if (this.#tree !== undefined) {
      this.#tree.compose(next);
      return;
    }
    this.#flat = compose(this.#flat, next);
    this.#index();
  }

  /** Rebases over `other`, a committed op of another client made against the same content, and returns `other` rebased
   * over this op as it was before. */
  rebase(other: TextOp, otherClient: string): TextOp {
    const tie = tieOf(this.client, otherClient);
    this.#prepareFor(other);
    if (this.#tree !== undefined) return { spans: this.#tree.rebase(other.spans, tie), text: other.text };
    const rebased = transform(other, this.#flat, flipTie(tie));
    this.#flat = transform(this.#flat, other, tie);
    this.#index();
    return rebased;
  }

  /** Takes a part from the front, at most `sizeMax` bytes (at least 64) when encoded; all of it if that fits. What stays
   * is made against the content after what was taken. So what is too large for one op goes as several. */
  take(sizeMax: number): TextOp {
    const op = this.toOp();
    this.#tree = undefined;
    const [taken, rest] = sizeOf(op) <= sizeMax ? [op, EMPTY_OP] : cutOp(op, sizeMax);
    this.#flat = rest;
    this.#index();
    return taken;
  }

  #index(): void {
    const { spans, text } = this.#flat;
    const isLong = text.length > FLAT_TEXT_MAX && spans.length > 0;
    if (spans.length <= this.flatMax && !isLong) return;
    this.#tree = new OpTree(this.#flat);
    this.#flat = EMPTY_OP;
  }

  /** In a tree each component of another op costs a search. One that has many is walked through together with ours. */
  #prepareFor(other: TextOp): void {
    if (this.#tree === undefined || this.flatMax === 0) return;
    if (other.spans.length <= FLAT_SPANS_MAX || other.spans.length * MANY_OF_TREE <= this.#tree.size) return;
    this.#flat = this.#tree.toOp();
    this.#tree = undefined;
  }
}

const SPAN_SIZE_MAX = 5; // n < 2^31 and four bits, as a varint
const HEADER_SIZE_MAX = 16; // tags and lengths of spans and text

/** An upper bound of its size in bytes when encoded. */
export const sizeOf = (op: TextOp): number => HEADER_SIZE_MAX + op.spans.length * SPAN_SIZE_MAX + utf8Size(op.text);

/** How many of the first `n` code points fit into `sizeMax` bytes of UTF-8, and the size of those. */
function fitting(text: string, n: number, sizeMax: number): { points: number; size: number } {
  let points = 0, size = 0;
  for (const point of text) {
    if (points === n) break;
    const more = utf8Size(point);
    if (size + more > sizeMax) break;
    points++;
    size += more;
  }
  return { points, size };
}

/** Once an insert is cut, the inserts behind it wait too, but not the deletes: where a large text replaces another, the
 * content on the way would else be both, and could pass the limit that neither does. */
function cutOp(op: TextOp, sizeMax: number): [TextOp, TextOp] {
  const room = sizeMax - HEADER_SIZE_MAX, text = new TextReader(op.text);
  const taken = new SpanWriter(), rest = new SpanWriter();
  let takenText = "", textSize = 0, isCut = false, at = 0;
  for (; at < op.spans.length; at++) {
    const used = (taken.spans.length + 2) * SPAN_SIZE_MAX + textSize;
    if (used >= room) break;
    const span = op.spans[at]!, n = countOf(span);
    if (!isInsert(span)) {
      taken.put(span);
      if (kindOf(span) === RETAIN) rest.put(span);
      continue;
    }
    const reserve = Math.min((op.spans.length - at) * SPAN_SIZE_MAX, room / 2);
    const fit = isCut ? { points: 0, size: 0 } : fitting(text.rest(), n, room - used - reserve);
    if (fit.points > 0) {
      taken.put(headOf(span, fit.points));
      rest.put(makeSpan(RETAIN, fit.points));
      takenText += text.take(fit.points);
      textSize += fit.size;
    }
    const left = tailOf(span, fit.points);
    if (left === 0) continue;
    isCut = true;
    // The rest of a cut insert is typed to the right of this client's latest insert: the part just taken.
    rest.put(fit.points > 0 && (left & FOLLOWS) === 0 ? left + FOLLOWS : left);
  }
  for (; at < op.spans.length; at++) rest.put(op.spans[at]!);
  return [{ spans: taken.finish(), text: takenText }, { spans: rest.finish(), text: text.rest() }];
}
