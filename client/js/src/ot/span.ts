/** One component of a text op as a number, the same in memory and on the wire.
 *
 * `(n << 4) | (precedes << 3) | (follows << 2) | kind`, where `n` ≥ 1 counts code points; 0 is no span and stands for
 * "none". Spans go beyond 2^31, so the count is taken out by division; the low bits come out right with `&`. */
export const RETAIN = 0;
export const INSERT = 1;
export const DELETE = 2;

/** Hints of an insert (docs/protocol.md): typed directly to the right, to the left of its client's latest insert. */
export const FOLLOWS = 4;
export const PRECEDES = 8;

export const SPAN_LENGTH_MAX = 2 ** 31 - 1;

export const makeSpan = (kind: number, n: number): number => n * 16 + kind;
export const kindOf = (span: number): number => span & 3;
export const countOf = (span: number): number => span < 0x100000000 ? span >>> 4 : Math.floor(span / 16);
export const isInsert = (span: number): boolean => (span & 3) === INSERT;

/** Two neighbours of one kind as one: an insert keeps the hints at its outer sides. 0 on the left is neutral. */
export function joinSpans(left: number, right: number): number {
  if (left === 0) return right;
  return left - (left & PRECEDES) + countOf(right) * 16 + (right & PRECEDES);
}

/** The first `n` code points of a span that has at least so many. A cut leaves no hint on either side of it. */
export function headOf(span: number, n: number): number {
  return n === countOf(span) ? span : n * 16 + (span & (3 | FOLLOWS));
}

/** What is left of it behind them; 0 if nothing. */
export function tailOf(span: number, n: number): number {
  if (n === 0) return span;
  if (n === countOf(span)) return 0;
  const rest = span - n * 16;
  return rest - (rest & FOLLOWS);
}

/** Collects spans, merging neighbours of one kind and dropping a trailing retain. */
export class SpanWriter {
  readonly spans: number[] = [];
  #last = 0;

  put(span: number): void {
    if (this.#last !== 0) {
      if (((this.#last ^ span) & 3) === 0) {
        this.#last = joinSpans(this.#last, span);
        return;
      }
      this.spans.push(this.#last);
    }
    this.#last = span;
  }

  finish(): number[] {
    if (this.#last !== 0 && kindOf(this.#last) !== RETAIN) this.spans.push(this.#last);
    this.#last = 0;
    return this.spans;
  }
}
