/** What a client must remember to set the tie hints of what is typed (docs/protocol.md, "Ties").
 *
 * "This client's own latest insert" is a run: the latest insert with all that was typed at its edges or inside it since,
 * kept as two positions (code points) in the text as shown now. So every op that changes that text must pass through
 * here. A run of which nothing is left gives no hints. */
import { type TextOp, positionAfter, spliceOp } from "./op.js";
import { FOLLOWS, PRECEDES } from "./span.js";
import { countPoints } from "./unicode.js";

export interface Typing { readonly start: number; readonly end: number } // start === end: no run

export const NO_TYPING: Typing = { start: 0, end: 0 };

/** The op by which this client inserts `text` at `position` and deletes the `count` code points there, hints set, and the
 * run after it. */
export function typingSplice(typing: Typing, position: number, count: number, text: string): { op: TextOp; typing: Typing } {
  const n = countPoints(text), { start, end } = typing;
  const hasRun = start < end, after = position + count;
  // Inside of the run both hold. It matters where part of the run is still pending: what is typed at the seam becomes one
  // component with it, which keeps the hint of its outer side, and that is the seam's other side.
  const follows = hasRun && n > 0 && start < position && position <= end ? FOLLOWS : 0;
  const precedes = hasRun && n > 0 && start <= after && after < end ? PRECEDES : 0;
  const op = spliceOp(position, count, text, follows | precedes);
  const afterDelete = (at: number): number => at <= position ? at : at < after ? position : at - count;
  const from = afterDelete(start), to = afterDelete(end);
  if (n === 0) return { op, typing: { start: from, end: to } };
  const extends_ = hasRun && from <= position && position <= to;
  return { op, typing: extends_ ? { start: from, end: to + n } : { start: position, end: position + n } };
}

/** Another client's op changes the text. What others insert at the edges stays outside of the run. */
export function typingOver(typing: Typing, op: TextOp): Typing {
  if (typing.start === typing.end) return typing;
  const start = positionAfter(op, typing.start, true), end = positionAfter(op, typing.end, false);
  return start < end ? { start, end } : NO_TYPING;
}
