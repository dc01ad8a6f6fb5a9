// Our text type against npm's `ot-text-unicode`: random texts and ops, tie bits unset, every result compared.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import otText from "ot-text-unicode";

const { type } = otText;
const helpers = process.env.ORDO_HELPERS ?? join(process.env.ORDO_BIN, "..", "helpers");
const caseCount = Number(process.env.ORDO_CASES ?? 100_000);
const seed = Number(process.env.ORDO_SEED ?? Math.floor(Math.random() * 2 ** 31));

let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
/** xorshift32: 0 … bound-1 */
function below(bound) {
  state ^= state << 13; state >>>= 0;
  state ^= state >>> 17;
  state ^= state << 5; state >>>= 0;
  return Math.floor((state / 2 ** 32) * bound);
}

// Whatever counts differently in bytes, UTF-16 units and code points, and what combines with its neighbours.
const ALPHABET = ["a", "b", "z", " ", "\n", "é", "\u0301", "\u0308", "ß", "日", "本", "😀", "🏽", "👩", "\u200d", "🇦",
  "🇶", "𝒳", "\ufeff", "ש", "\ufffd", "\u{10ffff}"];
function randomText(length) {
  let text = "";
  for (let i = 0; i < length; i++) text += ALPHABET[below(ALPHABET.length)];
  return text;
}

/** A valid op against a text of so many code points, and the length after it. */
function randomOp(length, componentsMax) {
  const components = [];
  let left = length;
  for (let i = below(componentsMax + 1); i > 0; i--) {
    const n = 1 + below(4), kind = below(3);
    if (kind === 0) components.push(randomText(n));
    else if (left > 0) {
      const taken = Math.min(n, left);
      left -= taken;
      components.push(kind === 1 ? taken : { d: taken });
    }
  }
  const op = type.normalize(components);
  const grown = (sum, c) => typeof c === "string" ? sum + [...c].length : c.d ? sum - c.d : sum;
  return { op, length: op.reduce(grown, length) };
}

function randomCase() {
  // Small ones meet in every way; large ones fill several leaves of the indexed form.
  const [lengthMax, componentsMax] = below(20) === 0 ? [300, 120] : [10, 7];
  const length = below(lengthMax + 1);
  const { op, length: after } = randomOp(length, componentsMax);
  return {
    text: randomText(length), op, other: randomOp(length, componentsMax).op, next: randomOp(after, componentsMax).op,
  };
}

const expected = ({ text, op, other, next }) => ({
  applied: type.apply(text, op),
  left: type.transform(op, other, "left"),
  right: type.transform(op, other, "right"),
  composed: type.compose(op, next),
  live: type.transform(op, other, "right"),
  live_other: type.transform(other, op, "left"),
});

test(`${caseCount} random cases agree with ot-text-unicode (ORDO_SEED=${seed})`, () => {
  const batch = 5000;
  for (let done = 0; done < caseCount; done += batch) {
    const cases = Array.from({ length: Math.min(batch, caseCount - done) }, randomCase);
    const run = spawnSync(join(helpers, "ot_tool"), {
      input: cases.map((one) => JSON.stringify(one)).join("\n") + "\n", encoding: "utf8", maxBuffer: 2 ** 30,
    });
    assert.equal(run.status, 0, run.error?.message ?? run.stderr);
    const answers = run.stdout.trimEnd().split("\n");
    assert.equal(answers.length, cases.length);
    cases.forEach((one, i) => {
      assert.deepEqual(JSON.parse(answers[i]), expected(one), `case ${JSON.stringify(one)}`);
    });
  }
});
