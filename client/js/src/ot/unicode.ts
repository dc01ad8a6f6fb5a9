/** Code points in JavaScript's strings, which count UTF-16 units. */

const isHigh = (unit: number): boolean => (unit & 0xfc00) === 0xd800;
const isLow = (unit: number): boolean => (unit & 0xfc00) === 0xdc00;
const SURROGATE = /[\ud800-\udfff]/;
const NEEDS_CLEANING = /[\0\ud800-\udfff]/;

/** Whether the unit before `at` and the one there are two halves of one code point. */
export function isInsidePair(text: string, at: number): boolean {
  return at > 0 && at < text.length && isLow(text.charCodeAt(at)) && isHigh(text.charCodeAt(at - 1));
}

export function countPoints(text: string): number {
  if (!SURROGATE.test(text)) return text.length;
  let count = text.length;
  for (let i = 1; i < text.length; i++) {
    if (isLow(text.charCodeAt(i)) && isHigh(text.charCodeAt(i - 1))) count--;
  }
  return count;
}

/** The unit where the code point number `points` behind `from` begins; the text's end if there are not so many. */
export function unitsAfter(text: string, from: number, points: number): number {
  let at = from;
  for (; points > 0 && at < text.length; points--) at += isHigh(text.charCodeAt(at)) && isInsidePair(text, at + 1) ? 2 : 1;
  return at;
}

/** Lone surrogates and U+0000, which no document holds, become U+FFFD. */
export function cleanText(text: string): string {
  if (!NEEDS_CLEANING.test(text)) return text;
  let clean = "";
  for (const point of text) clean += point === "\0" || (point.length === 1 && SURROGATE.test(point)) ? "\ufffd" : point;
  return clean;
}

/** Whether a document may hold it as it is. */
export const isClean = (text: string): boolean => !NEEDS_CLEANING.test(text) || cleanText(text) === text;

/** Takes text from the front, code points at a time. */
export class TextReader {
  #at = 0;
  #isPlain: boolean;

  constructor(readonly text: string) { this.#isPlain = !SURROGATE.test(text); }

  take(points: number): string {
    const start = this.#at;
    this.skip(points);
    return this.text.slice(start, this.#at);
  }

  skip(points: number): void {
    this.#at = this.#isPlain ? Math.min(this.#at + points, this.text.length) : unitsAfter(this.text, this.#at, points);
  }

  rest(): string { return this.#at === 0 ? this.text : this.text.slice(this.#at); }
}

/** Bytes of the text in UTF-8. */
export function utf8Size(text: string): number {
  let size = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x800) size += (unit & 0xf800) === 0xd800 ? 1 : 2;
    else if (unit >= 0x80) size++;
  }
  return size;
}
