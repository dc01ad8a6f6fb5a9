/** Whether a content holds an op of which the server no longer knows if it was committed (docs/client.md, "Coming back from
 * afar"). At the places of the op: does it read as with the op, or as without? Where those were rewritten: is it nearer to
 * the one or to the other? */
import { diff } from "./diff.js";
import { type TextOp, applyOp } from "./op.js";
import { DELETE, INSERT, RETAIN, countOf, kindOf } from "./span.js";
import { isInsidePair, unitsAfter } from "./unicode.js";

const CONTEXT = 16; // code points on either side of a change: enough to tell its place from others
const CHANGE_COUNTED = 48; // code points of a long change that are looked for
const SEARCHED_MAX = 64 * 1024 * 1024; // units, over all searches

/** What stands at `at` with its neighbourhood: `count` code points, or the first of them. */
function surroundings(text: string, at: number, count: number): string {
  let start = at;
  for (let i = 0; i < CONTEXT && start > 0; i++) start -= isInsidePair(text, start - 1) ? 2 : 1;
  const end = unitsAfter(text, at, count <= CHANGE_COUNTED ? count + CONTEXT : CHANGE_COUNTED);
  return text.slice(start, end);
}

class Search {
  votes = 0; // for the op being in it, less those against
  isInsertFound = false; // an op is committed whole: what it typed stands there, so it is in
  left = SEARCHED_MAX;

  constructor(readonly before: string, readonly after: string, readonly now: string) {}

  /** What can be read in both texts alike says nothing. */
  vote(beforeAt: number, deleted: number, afterAt: number, inserted: number): void {
    const without = surroundings(this.before, beforeAt, deleted), with_ = surroundings(this.after, afterAt, inserted);
    if (this.#has(this.now, with_) && !this.#has(this.before, with_)) {
      this.votes++;
      if (inserted > 0) this.isInsertFound = true;
    }
    if (this.#has(this.now, without) && !this.#has(this.after, without)) this.votes--;
  }

  #has(text: string, part: string): boolean {
    this.left -= text.length;
    return part !== "" && text.includes(part);
  }
}

/** Code points that differ; undefined: not known exactly. */
function distance(from: string, to: string): number | undefined {
  const { op, isExact } = diff(from, to);
  let sum = 0;
  for (const span of op.spans) if (kindOf(span) !== RETAIN) sum += countOf(span);
  return isExact ? sum : undefined;
}

/** `op` was made against `before`. */
export function holdsOp(before: string, op: TextOp, now: string): boolean {
  const search = new Search(before, applyOp(before, op), now);
  let beforeAt = 0, afterAt = 0;
  for (let i = 0; i < op.spans.length && search.left > 0;) {
    let inserted = 0, deleted = 0, retained = 0;
    for (; i < op.spans.length && kindOf(op.spans[i]!) !== RETAIN; i++) {
      if (kindOf(op.spans[i]!) === INSERT) inserted += countOf(op.spans[i]!);
      else if (kindOf(op.spans[i]!) === DELETE) deleted += countOf(op.spans[i]!);
    }
    if (inserted + deleted > 0) search.vote(beforeAt, deleted, afterAt, inserted);
    if (i < op.spans.length) retained = countOf(op.spans[i++]!);
    beforeAt = unitsAfter(search.before, beforeAt, deleted + retained);
    afterAt = unitsAfter(search.after, afterAt, inserted + retained);
  }
  if (search.isInsertFound || search.votes !== 0) return search.isInsertFound || search.votes > 0;
  const with_ = distance(search.after, now), without = distance(before, now);
  return with_ !== undefined && without !== undefined && with_ < without;
}
