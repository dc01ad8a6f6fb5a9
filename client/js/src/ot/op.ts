/** Text ops: retain, insert, delete, counted in code points, with the meaning of the public type `ot-text-unicode`.
 *
 * An op is canonical: no empty components, neighbours of one kind merged, no trailing retain. All functions but
 * `lengthAfterValid` trust that; they never change what they are given. */
import { DELETE, FOLLOWS, INSERT, PRECEDES, RETAIN, SPAN_LENGTH_MAX, SpanWriter, countOf, headOf, isInsert, kindOf, makeSpan,
  tailOf } from "./span.js";
import { TextReader, countPoints, isClean } from "./unicode.js";

export interface TextOp {
  /** Components, see span.ts. */
  readonly spans: readonly number[];
  /** The text of all inserts, in order. */
  readonly text: string;
}

export const EMPTY_OP: TextOp = { spans: [], text: "" };
export const isEmptyOp = (op: TextOp): boolean => op.spans.length === 0;

export function sameOp(a: TextOp, b: TextOp): boolean {
  return a === b || (a.text === b.text && a.spans.length === b.spans.length && a.spans.every((span, i) => span === b.spans[i]));
}

/** How a tie between our op and the other is decided. Flip it with `^ 1` to see it from the other op. */
export const Tie = {
  /** Our insert goes first, whatever the hints. */
  left: 0,
  /** The other's goes first, whatever the hints. */
  right: 1,
  /** By the hints; where they say nothing, ours goes first. */
  hintsLeft: 2,
  /** By the hints; where they say nothing, the other's goes first. */
  hintsRight: 3,
} as const;
export type Tie = (typeof Tie)[keyof typeof Tie];
export const flipTie = (tie: Tie): Tie => (tie ^ 1) as Tie;

/** The rule of docs/protocol.md for two clients, named in lower-case hex. An op of nobody ("") goes left: it is the
 * difference that a client merges after a long absence. Two ops of one client: the earlier goes left. */
export function tieOf(client: string, otherClient: string): Tie {
  if (client === "" && otherClient !== "") return Tie.left;
  if (otherClient === "" && client !== "") return Tie.right;
  return client < otherClient ? Tie.hintsLeft : Tie.hintsRight;
}

/** Whether our insert goes first, left of the other's. */
export function goesFirst(tie: Tie, ours: number, theirs: number): boolean {
  if (tie >= Tie.hintsLeft) {
    if ((ours ^ theirs) & FOLLOWS) return (ours & FOLLOWS) !== 0;
    if ((ours ^ theirs) & PRECEDES) return (ours & PRECEDES) === 0;
  }
  return (tie & 1) === 0;
}

/** Spans of `op` rebased over `other`, both made against the same content. The text stays as it is. */
export function transformSpans(op: readonly number[], other: readonly number[], tie: Tie): number[] {
  const out = new SpanWriter();
  let at = 0;
  let head = op[at++] ?? 0;
  for (let o = 0; o < other.length && head !== 0; o++) {
    const against = other[o]!;
    if (isInsert(against)) {
      if (isInsert(head) && goesFirst(tie, head, against)) {
        out.put(head);
        head = op[at++] ?? 0;
        if (head === 0) return out.finish(); // only retains could follow, and a trailing retain is none
      }
      out.put(makeSpan(RETAIN, countOf(against)));
      continue;
    }
    // Passes over the base. What `op` has there is kept, or dropped if the other deleted it; inserts always survive.
    const isKept = kindOf(against) === RETAIN;
    let left = countOf(against);
    while (left > 0 && head !== 0) {
      if (isInsert(head)) {
        out.put(head);
        head = op[at++] ?? 0;
        continue;
      }
      const here = Math.min(countOf(head), left);
      if (isKept) out.put(headOf(head, here));
      head = tailOf(head, here);
      if (head === 0) head = op[at++] ?? 0;
      left -= here;
    }
  }
  for (; head !== 0; head = op[at++] ?? 0) out.put(head);
  return out.finish();
}

export function transform(op: TextOp, other: TextOp, tie: Tie): TextOp {
  if (isEmptyOp(op) || isEmptyOp(other)) return op;
  return { spans: transformSpans(op.spans, other.spans, tie), text: op.text };
}

/** The op that does `first`, then `second`. */
export function compose(first: TextOp, second: TextOp): TextOp {
  if (isEmptyOp(first)) return second;
  if (isEmptyOp(second)) return first;
  const out = new SpanWriter();
  const text = new TextReader(first.text), added = new TextReader(second.text);
  let composed = "", at = 0;
  let head = first.spans[at++] ?? 0;
  for (const then of second.spans) {
    if (isInsert(then)) {
      out.put(then);
      composed += added.take(countOf(then));
      continue;
    }
    const kind = kindOf(then);
    let left = countOf(then);
    while (left > 0) {
      if (head !== 0 && kindOf(head) === DELETE) {
        out.put(head);
        head = first.spans[at++] ?? 0;
        continue;
      }
      if (head === 0) { // behind its end `first` retains for ever
        out.put(makeSpan(kind, left));
        break;
      }
      const here = Math.min(countOf(head), left);
      if (!isInsert(head)) {
        out.put(makeSpan(kind, here));
      } else if (kind === RETAIN) {
        composed += text.take(here);
        out.put(headOf(head, here));
      } else {
        text.skip(here);
      }
      head = tailOf(head, here);
      if (head === 0) head = first.spans[at++] ?? 0;
      left -= here;
    }
  }
  for (; head !== 0; head = first.spans[at++] ?? 0) out.put(head);
  return { spans: out.finish(), text: composed + text.rest() };
}

/** Applies to a string, in one pass over it. For documents there is Rope.apply. `deleted` collects what it took out. */
export function applyOp(content: string, op: TextOp, deleted?: string[]): string {
  const from = new TextReader(content), added = new TextReader(op.text);
  let out = "";
  for (const span of op.spans) {
    if (isInsert(span)) out += added.take(countOf(span));
    else if (kindOf(span) === RETAIN) out += from.take(countOf(span));
    else {
      const gone = from.take(countOf(span));
      deleted?.push(gone);
    }
  }
  return out + from.rest();
}

/** Length in code points after an op. */
export function lengthAfter(op: TextOp, length: number): number {
  for (const span of op.spans) {
    if (isInsert(span)) length += countOf(span);
    else if (kindOf(span) === DELETE) length -= countOf(span);
  }
  return length;
}

/** Every rule of the encoding, and the fit to a content of `length` code points. Undefined: not valid. */
export function lengthAfterValid(op: TextOp, length: number): number | undefined {
  let base = 0, inserted = 0, deleted = 0, previous = -1;
  for (const span of op.spans) {
    const kind = kindOf(span), n = countOf(span);
    const isOdd = kind === 3 || n < 1 || n > SPAN_LENGTH_MAX || kind === previous || (kind !== INSERT && (span & 12) !== 0);
    if (isOdd) return undefined;
    if (kind === INSERT) inserted += n;
    else base += n;
    if (kind === DELETE) deleted += n;
    previous = kind;
  }
  if (previous === RETAIN || base > length || countPoints(op.text) !== inserted || !isClean(op.text)) return undefined;
  return length - deleted + inserted;
}

/** Where a position before the op stands after it. An insert exactly there pushes it on only if `movesRight`. */
export function positionAfter(op: TextOp, position: number, movesRight: boolean): number {
  let left = position, moved = 0;
  for (const span of op.spans) {
    const n = countOf(span), kind = kindOf(span);
    if (kind === INSERT) {
      if (left === 0 && !movesRight) return moved;
      moved += n;
    } else if (kind === RETAIN) {
      if (left < n) return moved + left;
      left -= n;
      moved += n;
    } else {
      if (left < n) return moved;
      left -= n;
    }
  }
  return moved + left;
}

/** Where a position after the op stood before it; one within inserted text stood where that went in. */
export function positionBefore(op: TextOp, position: number): number {
  let left = position, base = 0;
  for (const span of op.spans) {
    const n = countOf(span), kind = kindOf(span);
    if (kind === INSERT) {
      if (left <= n) return base;
      left -= n;
    } else if (kind === RETAIN) {
      if (left <= n) return base + left;
      left -= n;
      base += n;
    } else {
      base += n;
    }
  }
  return base + left;
}

/** The op that inserts `text` at `position` and deletes the `count` code points that stand there. */
export function spliceOp(position: number, count: number, text: string, hints = 0): TextOp {
  const out = new SpanWriter();
  if (position > 0) out.put(makeSpan(RETAIN, position));
  if (text !== "") out.put(makeSpan(INSERT, countPoints(text)) + hints);
  if (count > 0) out.put(makeSpan(DELETE, count));
  return { spans: out.finish(), text };
}
