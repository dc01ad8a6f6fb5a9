/** Code points in JavaScript's strings, which count UTF-16 units. */

const isHigh = (unit: number): boolean => (unit & 0xfc00) === 0xd800;
const isLow = (unit: number): boolean => (unit & 0xfc00) === 0xdc00;
const PAIR = /[\ud800-\udbff][\udc00-\udfff]/g;
const UNCLEAN = /[\0\ud800-\udfff]/gu; // with "u" a surrogate is one only where it lacks its other half

/** Whether the unit before `at` and the one there are two halves of one code point. */
export function isInsidePair(text: string, at: number): boolean {
  return at > 0 && at < text.length && isLow(text.charCodeAt(at)) && isHigh(text.charCodeAt(at - 1));
}

/** Where the next pair begins, at `from` or behind; the text's end if there is none. */
function nextPair(text: string, from: number): number {
  PAIR.lastIndex = from;
  return PAIR.test(text) ? PAIR.lastIndex - 2 : text.length;
}

export const countPoints = (text: string): number => text.length - (text.match(PAIR)?.length ?? 0);

/** The unit where the code point number `points` behind `from` begins; the text's end if there are not so many. */
export function unitsAfter(text: string, from: number, points: number): number {
  let at = from;
  for (; points > 0 && at < text.length; points--) at += isHigh(text.charCodeAt(at)) && isInsidePair(text, at + 1) ? 2 : 1;
  return at;
}

/** Lone surrogates and U+0000, which no document holds, become U+FFFD. */
export const cleanText = (text: string): string => text.replace(UNCLEAN, "\ufffd");

/** Whether a document may hold it as it is. */
export const isClean = (text: string): boolean => text.search(UNCLEAN) < 0;

/** Takes text from the front, code points at a time. It knows where the next pair is, so long stretches without one cost nothing. */
export class TextReader {
  /** UTF-16 units taken so far. */
  at = 0;
  #pair: number;

  constructor(readonly text: string) { this.#pair = nextPair(text, 0); }

  take(points: number): string {
    const start = this.at;
    this.skip(points);
    return this.text.slice(start, this.at);
  }

  skip(points: number): void {
    const { length } = this.text;
    for (; points > this.#pair - this.at && this.#pair < length; this.#pair = nextPair(this.text, this.at)) {
      points -= this.#pair - this.at + 1;
      this.at = this.#pair + 2;
    }
    this.at = Math.min(this.at + points, length);
  }

  rest(): string { return this.text.slice(this.at); }
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
