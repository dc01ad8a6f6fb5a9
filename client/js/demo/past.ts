/** The history slider: the past of a document, with the colours of who wrote what. */
import { type Document, OrdoError, type PastEdit, Playback } from "../src/index.js";
import { AUTHOR_COLORS, PastView } from "./editor.js";

const EDITS_MAX = 20_000; // the newest; older ones are not shown here
const CHECKPOINT_EVERY = 250;
const PLAY_MS = 4000;

const element = <Kind extends HTMLElement>(id: string): Kind => document.getElementById(id) as Kind;
const when = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** How the page calls an author, and which of AUTHOR_COLORS is theirs (-1: not known). */
export interface Author { readonly name: string; readonly color: number }

export class Past {
  readonly #checkpoints: Playback[] = [];
  readonly #colors = new Map<string, number>(); // of authors
  #edits: PastEdit[] = [];
  #view: PastView | undefined;
  #playing: number | undefined;
  #isClosed = false;

  private constructor(readonly doc: Document, readonly authorOf: (clientId: string) => Author) {}

  /** Opens the panel; the page shows the past until `close`. */
  static async open(doc: Document, page: HTMLElement, authorOf: (clientId: string) => Author): Promise<Past> {
    const past = new Past(doc, authorOf);
    await past.#load();
    past.#view = new PastView(page);
    past.#showPanel();
    return past;
  }

  close(): void {
    this.#isClosed = true;
    this.#stop();
    this.#view?.destroy();
    element("history").hidden = true;
  }

  /** The place of the order that is shown. */
  get seq(): number { return this.#edits[this.#shown - 1]?.seq ?? 0; }

  get #slider(): HTMLInputElement { return element<HTMLInputElement>("slider"); }
  get #shown(): number { return Number(this.#slider.value); } // of the edits, how many are played

  async #load(): Promise<void> {
    const first = Math.max(1, this.doc.seq - EDITS_MAX + 1);
    const start = await this.#firstKept(first);
    const base = start > 1 ? (await this.doc.contentAt({ seq: start - 1 })).text : "";
    this.#edits = await this.doc.history(start);
    const playback = new Playback(base);
    this.#edits.forEach((edit, i) => {
      if (i % CHECKPOINT_EVERY === 0) this.#checkpoints.push(playback.copy());
      playback.play(edit);
      this.#colorOf(edit.clientId);
    });
    if (this.#checkpoints.length === 0) this.#checkpoints.push(playback.copy());
  }

  /** Where the history that is kept begins: the smallest seq that can be read. */
  async #firstKept(from: number): Promise<number> {
    let low = from, high = this.doc.seq + 1;
    while (low < high) {
      const middle = low === from ? low : Math.floor((low + high) / 2);
      try {
        await this.doc.history(middle, middle);
        high = middle;
      } catch (error) {
        if (!(error instanceof OrdoError && error.code === 410)) throw error;
        low = middle + 1;
      }
    }
    return high;
  }

  #showPanel(): void {
    element("history").hidden = false;
    this.#slider.max = String(this.#edits.length);
    this.#slider.value = this.#slider.max;
    this.#slider.oninput = () => {
      this.#stop();
      this.#show();
    };
    element("play").onclick = () => this.#playing === undefined ? this.#play() : this.#stop();
    this.#show();
    this.#slider.focus();
  }

  #show(): void {
    const count = this.#shown, edit = this.#edits[count - 1];
    const at = Math.min(Math.floor(count / CHECKPOINT_EVERY), this.#checkpoints.length - 1);
    const playback = this.#checkpoints[at]!.copy();
    for (let i = at * CHECKPOINT_EVERY; i < count; i++) playback.play(this.#edits[i]!);
    this.#view?.show(playback.text, playback.runs, (author) => this.#colorOf(author));
    const text = edit === undefined ? "Before the first edit"
      : `${when.format(edit.timeMs)} · ${this.authorOf(edit.clientId).name} · ${count} of ${this.#edits.length}`;
    element("history-what").textContent = text;
    this.#slider.setAttribute("aria-valuetext", text);
    const authors = new Set(playback.runs.map((run) => run.author).filter((author) => author !== undefined));
    element("authors").replaceChildren(...[...authors].map((author) => this.#authorItem(author)));
    element<HTMLButtonElement>("restore").disabled = count === this.#edits.length;
  }

  #authorItem(author: string): HTMLElement {
    const item = document.createElement("li"), swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.backgroundColor = AUTHOR_COLORS[this.#colorOf(author)]!;
    item.append(swatch, this.authorOf(author).name);
    return item;
  }

  /** The author's own colour, unless somebody who wrote before has it. */
  #colorOf(author: string): number {
    const known = this.#colors.get(author);
    if (known !== undefined) return known;
    const taken = new Set(this.#colors.values()), all = AUTHOR_COLORS.keys(), { color } = this.authorOf(author);
    const free = color >= 0 && !taken.has(color) ? color : [...all].find((one) => !taken.has(one)) ?? this.#colors.size % AUTHOR_COLORS.length;
    this.#colors.set(author, free);
    return free;
  }

  #play(): void {
    if (this.#shown === this.#edits.length) this.#slider.value = "0";
    element("play").textContent = "Pause";
    let lastMs = performance.now(), position = this.#shown;
    const frame = (nowMs: number): void => {
      if (this.#isClosed) return;
      position = Math.min(this.#edits.length, position + (nowMs - lastMs) / PLAY_MS * this.#edits.length);
      lastMs = nowMs;
      this.#slider.value = String(Math.floor(position));
      this.#show();
      if (position >= this.#edits.length) this.#stop();
      else this.#playing = requestAnimationFrame(frame);
    };
    this.#playing = requestAnimationFrame(frame);
  }

  #stop(): void {
    if (this.#playing !== undefined) cancelAnimationFrame(this.#playing);
    this.#playing = undefined;
    element("play").textContent = "Play";
  }
}
