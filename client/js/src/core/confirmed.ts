/** The confirmed content. For the record that is stored before each send it is kept as a text and the ops since, so that a
 * keystroke in a long document does not write all of it. */
import type { TextOp } from "../ot/op.js";
import { Rope } from "../ot/rope.js";

/** Content up to this size is stored whole each time; beyond, ops are collected up to a share of it. */
const WHOLE_UNITS_MAX = 16 * 1024;
const TAIL_SHARE = 8;
const TAIL_COUNT_MAX = 500;
/** What a component costs beside its text. */
const SPAN_UNITS = 8;

export class Confirmed {
  readonly #rope: Rope;
  #base: string;
  #tail: TextOp[] = [];
  #tailUnits = 0;

  constructor(text = "") {
    this.#rope = new Rope(text);
    this.#base = text;
  }

  get points(): number { return this.#rope.points; }

  toString(): string { return this.#rope.toString(); }

  /** False, with nothing changed: the op reaches past the end. */
  apply(op: TextOp): boolean {
    if (!this.#rope.apply(op)) return false;
    if (op.spans.length === 0) return true;
    this.#tail.push(op);
    this.#tailUnits += op.text.length + op.spans.length * SPAN_UNITS;
    return true;
  }

  /** `content` is the very same string as long as only `tail` grows. */
  parts(): { readonly content: string; readonly tail: readonly TextOp[] } {
    const isLong = this.#rope.units > WHOLE_UNITS_MAX && this.#tail.length < TAIL_COUNT_MAX;
    if (!isLong || this.#tailUnits * TAIL_SHARE > this.#rope.units) {
      this.#base = this.#rope.toString();
      this.#tail = [];
      this.#tailUnits = 0;
    }
    return { content: this.#base, tail: this.#tail.slice() };
  }
}

/** The text of a stored content. */
export function textOfParts(content: string, tail: readonly TextOp[]): string {
  const rope = new Rope(content);
  for (const op of tail) rope.apply(op);
  return rope.toString();
}
