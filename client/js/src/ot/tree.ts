/** One large text op, indexed, so that small ops compose onto it and rebase it without walking through all of it.
 *
 * Every change is made in place where the other op reaches, and leaves exactly what the flat loops of op.ts would make.
 * What makes it right at ties: a position alone does not name a place among inserts and deletes that stand in one gap. The
 * cursor stops at the *first* place where a position is reached, and the tie rule or the order of compose decides whether
 * it steps over the insert there.
 *
 * Changes go group by group: what stands in the other op between two retains. Within a group the cursor is kept, what
 * becomes of the passed components is merged to its left only, and the seam is closed at the group's end: the order in
 * which the flat loops put components. It matters: what is to be deleted next must not lend its hints to an insert
 * before, and inserts in two gaps must meet the other's in their own gap before they become one. */
import { Cursor, type Leaf, makeLeaves } from "./cursor.js";
import { type Tie, type TextOp, goesFirst } from "./op.js";
import { Rope } from "./rope.js";
import { DELETE, RETAIN, SpanWriter, countOf, isInsert, kindOf, makeSpan } from "./span.js";
import { TextReader } from "./unicode.js";

export class OpTree {
  readonly #leaves: Leaf[];
  readonly #text: Rope;

  constructor(op: TextOp) {
    this.#leaves = makeLeaves(op.spans);
    this.#text = new Rope(op.text);
  }

  get isEmpty(): boolean { return this.#leaves[0]!.spans.length === 0; }

  /** Number of components, for choosing between forms: exact to within a leaf. */
  get size(): number { return this.#leaves.length * 32; }

  toOp(): TextOp { return { spans: this.#leaves.flatMap((leaf) => leaf.spans), text: this.#text.toString() }; }

  /** Composes `next` onto the end. */
  compose(next: TextOp): void {
    const text = new TextReader(next.text);
    let position = 0; // in what the op, composed so far, produces
    for (let i = 0; i < next.spans.length;) {
      if (kindOf(next.spans[i]!) === RETAIN) {
        position += countOf(next.spans[i++]!);
        continue;
      }
      const cursor = new Cursor(this.#leaves, "produced", position);
      let inserted = cursor.before.inserted + (cursor.offset > 0 && isInsert(cursor.here) ? cursor.offset : 0);
      cursor.cut();
      // Behind its last component an op retains for ever; what of that lies before the place is now needed.
      if (cursor.beyond > 0) cursor.append(makeSpan(RETAIN, cursor.beyond));
      for (; i < next.spans.length && kindOf(next.spans[i]!) !== RETAIN; i++) {
        const span = next.spans[i]!, n = countOf(span);
        if (isInsert(span)) {
          this.#text.insert(inserted, text.take(n), n);
          cursor.append(span);
          inserted += n;
          position += n;
        } else {
          this.#composeDelete(cursor, inserted, n);
        }
      }
      cursor.close();
    }
  }

  #composeDelete(cursor: Cursor, inserted: number, n: number): void {
    let deleted = 0; // of the base, by the old op or the new one
    while (n > 0) {
      const { here } = cursor;
      if (here === 0) {
        deleted += n;
        break;
      }
      const hereCount = countOf(here);
      if (kindOf(here) === DELETE) {
        deleted += hereCount;
        cursor.remove();
        continue;
      }
      const gone = Math.min(hereCount, n);
      if (isInsert(here)) this.#text.delete(inserted, gone);
      else deleted += gone;
      cursor.drop(gone);
      n -= gone;
    }
    if (deleted > 0) cursor.append(makeSpan(DELETE, deleted));
  }

  /** Rebases over `other`; `tie` is seen from this op. Returns the spans of `other` rebased over this op as it was. */
  rebase(other: readonly number[], tie: Tie): number[] {
    const out = new OtherOut();
    let position = 0; // in the base of the op, rebased so far
    for (let i = 0; i < other.length;) {
      if (kindOf(other[i]!) === RETAIN) {
        position += countOf(other[i++]!);
        continue;
      }
      const at = new Rebasing(this.#leaves, position, tie, out);
      for (; i < other.length && kindOf(other[i]!) !== RETAIN; i++) {
        const span = other[i]!;
        if (isInsert(span)) {
          at.overInsert(span);
          position += countOf(span);
        } else {
          at.overDelete(countOf(span));
        }
      }
      at.cursor.close();
    }
    return out.writer.finish();
  }
}

/** What of `other`, rebased over the tree's op, has been put. It walks what that op produced before it was changed. */
class OtherOut {
  readonly writer = new SpanWriter();
  #passed = 0; // code points of that, retained or deleted so far
  #gone = 0; // of them dropped from what the op produces by the changes so far
  #came = 0; // and added

  /** Retains up to the place where the op, as changed so far, has produced `produced` code points. */
  retainTo(produced: number): void {
    const place = produced + this.#gone - this.#came;
    if (place > this.#passed) this.writer.put(makeSpan(RETAIN, place - this.#passed));
    this.#passed = place;
  }

  insert(span: number): void {
    this.writer.put(span);
    this.#came += countOf(span);
  }

  delete(n: number): void {
    this.writer.put(makeSpan(DELETE, n));
    this.#passed += n;
    this.#gone += n;
  }
}

class Rebasing {
  readonly cursor: Cursor;
  #produced: number; // before the cursor, by the op as changed so far

  constructor(leaves: Leaf[], position: number, readonly tie: Tie, readonly out: OtherOut) {
    const cursor = this.cursor = new Cursor(leaves, "base", position);
    const isInside = cursor.offset > 0 && kindOf(cursor.here) !== DELETE;
    this.#produced = cursor.before.produced + cursor.beyond + (isInside ? cursor.offset : 0);
    cursor.cut();
  }

  overInsert(span: number): void {
    const { cursor, out } = this;
    if (isInsert(cursor.here) && goesFirst(this.tie, cursor.here, span)) this.#stepOverInsert();
    out.retainTo(this.#produced);
    out.insert(span);
    this.#produced += countOf(span);
    if (cursor.here !== 0) cursor.append(makeSpan(RETAIN, countOf(span))); // a trailing retain is none
  }

  overDelete(n: number): void {
    const { cursor, out } = this;
    while (n > 0) {
      const { here } = cursor;
      if (isInsert(here)) { // survives, beside the inserts that the deleted text kept it from
        this.#stepOverInsert();
        continue;
      }
      out.retainTo(this.#produced);
      if (here === 0) {
        out.delete(n);
        break;
      }
      const gone = Math.min(countOf(here), n);
      if (kindOf(here) === RETAIN) out.delete(gone);
      cursor.drop(gone);
      n -= gone;
    }
  }

  /** Merges it with one that stands before it. */
  #stepOverInsert(): void {
    this.#produced += countOf(this.cursor.here);
    if (isInsert(this.cursor.previous)) this.cursor.close();
    else this.cursor.next();
  }
}
