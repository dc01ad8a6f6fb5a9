// What several tests share: seeded random choices, random texts and ops, ops as JSON, where the built programs are.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { RETAIN, INSERT, DELETE, SpanWriter, countOf, kindOf, makeSpan } from "../dist/ot/span.js";
import { TextReader, countPoints } from "../dist/ot/unicode.js";

export const seedOfRun = Number(process.env.ORDO_SEED ?? Math.floor(Math.random() * 2 ** 31));

export class Random {
  #state;
  constructor(seed) { this.#state = (seed ^ 0x9e3779b9) >>> 0 || 1; }
  /** xorshift32: 0 … bound-1 */
  below(bound) {
    let s = this.#state;
    s ^= s << 13; s >>>= 0;
    s ^= s >>> 17;
    s ^= s << 5; s >>>= 0;
    this.#state = s;
    return Math.floor((s / 2 ** 32) * bound);
  }
  chance(percent) { return this.below(100) < percent; }
  pick(list) { return list[this.below(list.length)]; }
}

// Whatever counts differently in bytes, UTF-16 units and code points, and what combines with its neighbours.
const ALPHABET = ["a", "b", "z", " ", "\n", "é", "\u0301", "\u0308", "ß", "日", "本", "😀", "🏽", "👩", "\u200d", "🇦",
  "🇶", "𝒳", "\ufeff", "ש", "\ufffd", "\u{10ffff}", "\r\n"];
export function randomText(random, length) {
  let text = "";
  for (let i = 0; i < length; i++) text += random.pick(ALPHABET);
  return text;
}

/** A valid op against a text of so many code points. */
export function randomOp(random, length, componentsMax, hasHints = true) {
  const out = new SpanWriter();
  let text = "", left = length;
  for (let i = random.below(componentsMax + 1); i > 0; i--) {
    const n = 1 + random.below(4), kind = random.below(3);
    if (kind === INSERT) {
      const inserted = randomText(random, n);
      out.put(makeSpan(INSERT, countPoints(inserted)) + (hasHints ? random.below(4) * 4 : 0));
      text += inserted;
    } else if (left > 0) {
      const taken = Math.min(n, left);
      left -= taken;
      out.put(makeSpan(kind, taken));
    }
  }
  return { spans: out.finish(), text };
}

/** As tests/ot/ot_tool writes them. */
export function opToJson({ spans, text }) {
  const reader = new TextReader(text);
  return spans.map((span) => {
    const n = countOf(span), kind = kindOf(span), hints = Math.floor((span & 12) / 4);
    if (kind === RETAIN) return n;
    if (kind === DELETE) return { d: n };
    const inserted = reader.take(n);
    return hints === 0 ? inserted : { i: inserted, hints };
  });
}

export function opFromJson(components) {
  const out = new SpanWriter();
  let text = "";
  for (const component of components) {
    if (typeof component === "number") out.put(makeSpan(RETAIN, component));
    else if (component.d !== undefined) out.put(makeSpan(DELETE, component.d));
    else {
      const inserted = typeof component === "string" ? component : component.i;
      out.put(makeSpan(INSERT, countPoints(inserted)) + (component.hints ?? 0) * 4);
      text += inserted;
    }
  }
  return { spans: out.finish(), text };
}

/** A program or helper of the C build, or undefined with ORDO_BIN not set: then the test says that it is skipped. */
export function builtProgram(name, isHelper = false) {
  const bin = process.env.ORDO_BIN;
  if (bin === undefined) return undefined;
  const path = join(isHelper ? process.env.ORDO_HELPERS ?? join(bin, "..", "helpers") : bin, name);
  if (!existsSync(path)) throw new Error(`${path} does not exist: build it`);
  return path;
}
