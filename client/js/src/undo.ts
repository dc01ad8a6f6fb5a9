/** Undo and redo of one person's own edits, whatever others did since.
 *
 * Each stack holds inverse ops, with what others did between them: composed, and rebased only when it is needed. */
import { Tie, type TextOp, compose, isEmptyOp, positionAfter, transform } from "./ot/op.js";
import { LiveOp } from "./ot/live.js";
import { DELETE, INSERT, RETAIN, countOf, kindOf } from "./ot/span.js";

const STEPS_MAX = 1000;
const GROUP_MS = 500; // edits closer than that, at one place, are undone together

interface Step {
  readonly inverse: TextOp;
  /** What others did since, before the next own step. */
  others: LiveOp;
}

class Stack {
  readonly #steps: Step[] = [];

  get isEmpty(): boolean { return this.#steps.length === 0; }

  push(inverse: TextOp): void {
    this.#steps.push({ inverse, others: new LiveOp("") });
    if (this.#steps.length > STEPS_MAX) this.#steps.shift();
  }

  /** Somebody else changed the text. */
  over(op: TextOp): void { this.#steps.at(-1)?.others.compose(op); }

  /** The newest step, made to fit the text as it is now. */
  pop(): TextOp | undefined {
    const step = this.#steps.pop();
    if (step === undefined) return undefined;
    const others = step.others.toOp();
    if (isEmptyOp(others)) return step.inverse;
    this.over(transform(others, step.inverse, Tie.left));
    return transform(step.inverse, others, Tie.right);
  }

  clear(): void { this.#steps.length = 0; }
}

/** Where an op changes the text, as a range after it. */
function rangeOf(op: TextOp): { start: number; end: number } {
  let at = 0, start = -1, end = 0;
  for (const span of op.spans) {
    const kind = kindOf(span);
    if (kind === RETAIN) {
      at += countOf(span);
      continue;
    }
    if (start < 0) start = at;
    if (kind === INSERT) at += countOf(span);
    end = at;
  }
  return { start, end };
}

/** Whether an op only deletes: a run of deleting and a run of typing are steps of their own. */
const isDeletion = (op: TextOp): boolean => op.text === "" && op.spans.some((span) => kindOf(span) === DELETE);

export class UndoManager {
  readonly #undo = new Stack();
  readonly #redo = new Stack();
  #last: { end: number; start: number; timeMs: number; isDeletion: boolean } | undefined;
  #groupDepth = 0;

  get canUndo(): boolean { return !this.#undo.isEmpty; }
  get canRedo(): boolean { return !this.#redo.isEmpty; }

  /** This person's edit. */
  own(op: TextOp, inverse: TextOp, nowMs: number): void {
    this.#redo.clear();
    const range = rangeOf(op), last = this.#last, deletes = isDeletion(op);
    const isNear = last !== undefined && nowMs - last.timeMs < GROUP_MS && last.isDeletion === deletes &&
      range.start <= last.end && range.end >= last.start;
    const isOneStep = last !== undefined && (isNear || this.#groupDepth > 1);
    const earlier = isOneStep ? this.#undo.pop() : undefined;
    this.#undo.push(earlier === undefined ? inverse : compose(inverse, earlier));
    this.#last = { ...range, timeMs: nowMs, isDeletion: deletes };
    if (this.#groupDepth === 1) this.#groupDepth = 2;
  }

  others(op: TextOp): void {
    this.#undo.over(op);
    this.#redo.over(op);
    const last = this.#last;
    if (last !== undefined)
      this.#last = { ...last, start: positionAfter(op, last.start, true), end: positionAfter(op, last.end, false) };
  }

  /** The next own edit begins a step of its own. */
  barrier(): void { this.#last = undefined; }

  /** Edits until `endGroup` are one step. */
  beginGroup(): void {
    this.barrier();
    this.#groupDepth = 1;
  }

  endGroup(): void {
    this.#groupDepth = 0;
    this.barrier();
  }

  /** The op to apply. Tell `applied` with its inverse. */
  take(direction: "undo" | "redo"): TextOp | undefined {
    this.barrier();
    return (direction === "undo" ? this.#undo : this.#redo).pop();
  }

  applied(direction: "undo" | "redo", inverse: TextOp): void {
    (direction === "undo" ? this.#redo : this.#undo).push(inverse);
  }
}

