/** A long text in chunks, each with its number of code points: finds a position by code points or by UTF-16 units, and
 * edits there, by passing over chunks and looking into one. A thousand chunks (a text of 1 MB) take about a microsecond to
 * pass, so the chunks are a plain array. Never cuts a surrogate pair. */
import { DELETE, RETAIN, countOf, kindOf } from "./span.js";
import { type TextOp, applyOp } from "./op.js";
import { TextReader, countPoints, isInsidePair, unitsAfter } from "./unicode.js";

const CHUNK_UNITS = 1024;
const CHUNK_UNITS_MAX = 2 * CHUNK_UNITS;
const CHUNK_UNITS_MIN = CHUNK_UNITS / 4;
/** Components of an op from which on one pass over the text is cheaper than a search for each. */
export const MANY_SPANS = 1000;

interface Chunk { text: string; points: number }

interface Place { index: number; unit: number } // in the chunk; at a seam, the end of the chunk on its left

export class Rope {
  #chunks: Chunk[] = [];
  #points = 0;
  #units = 0;
  #whole: string | undefined = ""; // all of it, while nobody edits

  constructor(text = "") { this.append(text); }

  /** Length in code points. */
  get points(): number { return this.#points; }
  /** Length in UTF-16 units. */
  get units(): number { return this.#units; }

  reset(text: string): void {
    this.#chunks = [];
    this.#points = this.#units = 0;
    this.#whole = "";
    this.append(text);
  }

  append(text: string): void {
    if (text === "") return;
    const added = chunksOf(text);
    for (const chunk of added) {
      this.#chunks.push(chunk);
      this.#points += chunk.points;
    }
    this.#units += text.length;
    this.#whole = this.#whole === "" ? text : undefined;
  }

  toString(): string { return this.#whole ??= this.#chunks.map((chunk) => chunk.text).join(""); }

  /** Text between two positions in UTF-16 units. */
  slice(from: number, to: number): string {
    if (this.#whole !== undefined) return this.#whole.slice(from, to);
    let out = "", start = 0;
    for (const { text } of this.#chunks) {
      if (start >= to) break;
      if (start + text.length > from) out += text.slice(Math.max(0, from - start), to - start);
      start += text.length;
    }
    return out;
  }

  /** Code points before a UTF-16 position. Inside of a pair: before the pair. */
  toPoints(units: number): number {
    const { text, before, within } = this.#chunkAt(units);
    return before + countPoints(text.slice(0, isInsidePair(text, within) ? within - 1 : within));
  }

  toUnits(points: number): number {
    let left = points, start = 0;
    for (const chunk of this.#chunks) {
      if (left < chunk.points) return start + unitOf(chunk, left);
      left -= chunk.points;
      start += chunk.text.length;
    }
    return start;
  }

  /** Whether a UTF-16 position lies inside of a surrogate pair. */
  isInsidePair(units: number): boolean {
    const { text, within } = this.#chunkAt(units);
    return isInsidePair(text, within);
  }

  /** `points`: the number of code points of `text`. */
  insert(position: number, text: string, points: number): void {
    if (points === 0) return;
    this.#points += points;
    this.#units += text.length;
    this.#whole = undefined;
    const { index, unit } = this.#find(position);
    const chunk = this.#chunks[index];
    if (chunk === undefined) {
      this.#chunks = chunksOf(text);
      return;
    }
    chunk.text = chunk.text.slice(0, unit) + text + chunk.text.slice(unit);
    chunk.points += points;
    if (chunk.text.length > CHUNK_UNITS_MAX) this.#chunks.splice(index, 1, ...chunksOf(chunk.text));
  }

  /** Returns the text that it takes out. */
  delete(position: number, points: number): string {
    let taken = "", left = Math.min(points, this.#points - position);
    if (left <= 0) return taken;
    this.#points -= left;
    this.#whole = undefined;
    let { index, unit } = this.#find(position);
    let first = -1, emptied = 0; // chunks that go as a whole are spliced out together
    for (; left > 0; index++, unit = 0) {
      const chunk = this.#chunks[index]!;
      if (unit === chunk.text.length) continue;
      if (unit === 0 && left >= chunk.points) {
        taken += chunk.text;
        left -= chunk.points;
        if (first < 0) first = index;
        emptied++;
        continue;
      }
      const end = unitsAfter(chunk.text, unit, left), part = chunk.text.slice(unit, end), partPoints = countPoints(part);
      taken += part;
      chunk.text = chunk.text.slice(0, unit) + chunk.text.slice(end);
      chunk.points -= partPoints;
      left -= partPoints;
    }
    if (emptied > 0) this.#chunks.splice(first, emptied);
    this.#units -= taken.length;
    this.#tidy(Math.max(0, (first < 0 ? index : first) - 1));
    return taken;
  }

  /** Applies an op; false, with nothing changed, if it reaches past the end. `deleted` collects what it took out. */
  apply(op: TextOp, deleted?: string[]): boolean {
    let base = 0;
    for (const span of op.spans) if ((span & 3) !== 1) base += countOf(span);
    if (base > this.#points) return false;
    if (op.spans.length >= MANY_SPANS) {
      this.reset(applyOp(this.toString(), op, deleted));
      return true;
    }
    const added = new TextReader(op.text);
    let position = 0;
    for (const span of op.spans) {
      const n = countOf(span), kind = kindOf(span);
      if (kind === RETAIN) position += n;
      else if (kind === DELETE) {
        const gone = this.delete(position, n);
        deleted?.push(gone);
      } else {
        this.insert(position, added.take(n), n);
        position += n;
      }
    }
    return true;
  }

  /** The chunk with a UTF-16 position, which may be its end, and the code points before it. */
  #chunkAt(units: number): { text: string; before: number; within: number } {
    let before = 0, within = units;
    for (const { text, points } of this.#chunks) {
      if (within <= text.length) return { text, before, within };
      within -= text.length;
      before += points;
    }
    return { text: "", before, within: 0 };
  }

  #find(position: number): Place {
    let left = position, index = 0;
    for (; index < this.#chunks.length - 1; index++) {
      if (left <= this.#chunks[index]!.points) break;
      left -= this.#chunks[index]!.points;
    }
    const chunk = this.#chunks[index];
    return { index, unit: chunk === undefined ? 0 : unitOf(chunk, left) };
  }

  /** Small neighbours are joined, so that many deletes do not leave many crumbs. */
  #tidy(index: number): void {
    for (let i = index; i < Math.min(index + 2, this.#chunks.length - 1); i++) {
      const chunk = this.#chunks[i]!, next = this.#chunks[i + 1]!;
      const isSmall = chunk.text.length < CHUNK_UNITS_MIN || next.text.length < CHUNK_UNITS_MIN;
      if (!isSmall || chunk.text.length + next.text.length > CHUNK_UNITS_MAX) continue;
      chunk.text += next.text;
      chunk.points += next.points;
      this.#chunks.splice(i + 1, 1);
      i--;
    }
  }
}

function unitOf(chunk: Chunk, points: number): number {
  return chunk.points === chunk.text.length ? Math.min(points, chunk.text.length) : unitsAfter(chunk.text, 0, points);
}

function chunksOf(text: string): Chunk[] {
  const chunks: Chunk[] = [];
  for (let start = 0; start < text.length;) {
    let end = Math.min(start + CHUNK_UNITS, text.length);
    if (isInsidePair(text, end)) end++;
    const part = text.slice(start, end);
    chunks.push({ text: part, points: countPoints(part) });
    start = end;
  }
  return chunks;
}
