// Seeded randomness and random typing. A failing test prints its seed; ORDO_SEED=… repeats it.
import { codePointCount } from "./text.mjs";

export const seedOfRun = Number(process.env.ORDO_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** xorshift32: good enough to vary tests, and the same everywhere. */
export class Random {
  constructor(seed) { this.state = (seed ^ 0x9e3779b9) >>> 0 || 1; for (let i = 0; i < 8; i++) this.next(); }
  next() {
    let x = this.state;
    x ^= x << 13; x >>>= 0;
    x ^= x >>> 17;
    x ^= x << 5; x >>>= 0;
    return (this.state = x);
  }
  /** 0 … bound-1 */
  below(bound) { return Math.floor((this.next() / 2 ** 32) * bound); }
  chance(percent) { return this.below(100) < percent; }
  pick(list) { return list[this.below(list.length)]; }
  bytes(count) { return Buffer.from(Array.from({ length: count }, () => this.below(256))); }
}

// Astral letters, emoji joined by U+200D, combining marks, right-to-left, a leading U+FEFF: whatever counts differently
// in bytes, code points and UTF-16 units.
const ALPHABET = ["a", "b", "c", "xyz", " ", "\n", "é", "e\u0301", "\u0301", "ß", "日本", "😀", "👩‍👩‍👧", "🇦🇶", "𝒳𝒴",
  "\ufeff", "שלום", "\u200d", "\ufffd"];

export function randomText(random, pieceCountMax = 3) {
  let text = "";
  for (let i = random.below(pieceCountMax) + 1; i > 0; i--) text += random.pick(ALPHABET);
  return text;
}

/** A splice of a text: [position, deleteCount, insertedText], all in code points. */
export function randomSplice(random, text) {
  const length = codePointCount(text);
  const position = random.below(length + 1);
  if (length > 0 && random.chance(35)) {
    const deleteCount = Math.min(length - position, random.below(6) + 1);
    if (deleteCount > 0) return [position, deleteCount, random.chance(20) ? randomText(random) : ""];
  }
  return [random.chance(30) ? Math.min(length, 2) : position, 0, randomText(random)];
}
