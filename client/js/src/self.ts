/** What is told of oneself: throttled, refreshed before the server forgets it, and idle after a while. */
import type { Doc } from "./core/doc.js";
import type { Rope } from "./ot/rope.js";
import { type Identity, type Selection, encodeIdentity } from "./people.js";

const EVERY_MS = 60; // at most
const REFRESH_MS = 20_000; // the server forgets who says nothing for a minute
const IDLE_AFTER_MS = 60_000;

export class Self {
  #doc: Doc | undefined;
  #identity: Identity | undefined;
  #selections: readonly Selection[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #refresh: ReturnType<typeof setInterval> | undefined;
  #toldAtMs = -Infinity;
  #activeAtMs = 0;

  constructor(readonly text: Rope, readonly nowMs: () => number) {}

  /** Undefined: there is nobody to tell any more. */
  attach(doc: Doc | undefined): void {
    this.#doc = doc;
    if (doc !== undefined) {
      this.#soon();
      return;
    }
    clearTimeout(this.#timer);
    clearInterval(this.#refresh);
  }

  setIdentity(identity: Identity | undefined): void {
    this.#identity = identity;
    clearInterval(this.#refresh);
    if (identity !== undefined) this.#refresh = setInterval(() => this.#tell(), REFRESH_MS);
    this.#activeAtMs = this.nowMs();
    this.#soon();
  }

  setSelections(selections: readonly Selection[]): void {
    this.#selections = selections;
    this.#activeAtMs = this.nowMs();
    this.#soon();
  }

  /** The person did something. */
  active(): void {
    const wasIdle = this.#isIdle;
    this.#activeAtMs = this.nowMs();
    if (wasIdle && this.#identity !== undefined) this.#soon();
  }

  get #isIdle(): boolean { return this.nowMs() - this.#activeAtMs >= IDLE_AFTER_MS; }

  #soon(): void {
    if (this.#timer !== undefined || this.#doc === undefined) return;
    this.#timer = setTimeout(() => this.#tell(), Math.max(0, this.#toldAtMs + EVERY_MS - this.nowMs()));
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#toldAtMs = this.nowMs();
    if (this.#identity === undefined) {
      this.#doc?.clearPresence();
      return;
    }
    const toPoints = (at: number): number => this.text.toPoints(Math.max(0, at));
    const ranges = this.#selections.map(({ anchor, head }) => ({ anchor: toPoints(anchor), head: toPoints(head) }));
    this.#doc?.setPresence(encodeIdentity(this.#identity, this.#isIdle), ranges);
  }
}
