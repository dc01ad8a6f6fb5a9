// Text ops: the shared vectors, the C library on random cases with tie hints, and the laws that make clients converge.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { diff } from "../dist/ot/diff.js";
import { LiveOp } from "../dist/ot/live.js";
import { Tie, applyOp, compose, flipTie, lengthAfter, lengthAfterValid, sameOp, spliceOp, tieOf, transform } from "../dist/ot/op.js";
import { Rope } from "../dist/ot/rope.js";
import { countPoints } from "../dist/ot/unicode.js";
import { Random, builtProgram, opFromJson, opToJson, randomOp, randomText, seedOfRun } from "./support.mjs";

const vectors = (name) => readFileSync(new URL(`../../../tests/vectors/text-unicode-${name}.jsonl`, import.meta.url), "utf8")
  .trim().split("\n").map((line) => JSON.parse(line));

test("the shared vectors of apply", () => {
  for (const { str, op, result } of vectors("apply")) {
    assert.equal(applyOp(str, opFromJson(op)), result);
    const rope = new Rope(str);
    assert.ok(rope.apply(opFromJson(op)));
    assert.equal(rope.toString(), result);
  }
});

test("the shared vectors of compose", () => {
  for (const { op1, op2, result } of vectors("compose"))
    assert.deepEqual(opToJson(compose(opFromJson(op1), opFromJson(op2))), result);
});

test("the shared vectors of transform", () => {
  for (const { op, otherOp, side, result } of vectors("transform"))
    assert.deepEqual(opToJson(transform(opFromJson(op), opFromJson(otherOp), Tie[side])), result);
});

const caseCount = Number(process.env.ORDO_CASES ?? 100_000);
const tool = builtProgram("ot_tool", true);

function randomCase(random) {
  // Small ones meet in every way; large ones fill several leaves of the indexed form.
  const [lengthMax, componentsMax] = random.below(20) === 0 ? [300, 200] : [10, 7];
  const text = randomText(random, random.below(lengthMax + 1)), length = countPoints(text);
  const op = randomOp(random, length, componentsMax), other = randomOp(random, length, componentsMax);
  return { text, op, other, next: randomOp(random, lengthAfter(op, length), componentsMax) };
}

function resultsOf({ text, op, other, next }) {
  const live = new LiveOp("7a", op, 0), otherOut = live.rebase(other, "61"); // as ot_tool: clients "z" and "a"
  const flat = new LiveOp("7a", op), flatOut = flat.rebase(other, "61");
  assert.ok(sameOp(flat.toOp(), live.toOp()) && sameOp(flatOut, otherOut), "both forms agree");
  const composed = new LiveOp("7a", op, 0);
  composed.compose(next);
  assert.deepEqual(composed.toOp(), compose(op, next));
  const rope = new Rope(text);
  assert.ok(rope.apply(op));
  assert.equal(rope.toString(), applyOp(text, op));
  assert.equal(rope.points, countPoints(rope.toString()));
  assert.equal(rope.units, rope.toString().length);
  return {
    applied: applyOp(text, op),
    left: opToJson(transform(op, other, Tie.left)), right: opToJson(transform(op, other, Tie.right)),
    composed: opToJson(compose(op, next)), live: opToJson(live.toOp()), live_other: opToJson(otherOut),
  };
}

test(`${caseCount} random cases with tie hints agree with the C library (ORDO_SEED=${seedOfRun})`,
     { skip: tool === undefined && "ORDO_BIN is not set" }, () => {
  const random = new Random(seedOfRun), batch = 5000;
  for (let done = 0; done < caseCount; done += batch) {
    const cases = Array.from({ length: Math.min(batch, caseCount - done) }, () => randomCase(random));
    const input = cases.map(({ text, op, other, next }) =>
      JSON.stringify({ text, op: opToJson(op), other: opToJson(other), next: opToJson(next) })).join("\n") + "\n";
    const run = spawnSync(tool, { input, encoding: "utf8", maxBuffer: 2 ** 30 });
    assert.equal(run.status, 0, run.error?.message ?? run.stderr);
    const answers = run.stdout.trimEnd().split("\n");
    assert.equal(answers.length, cases.length);
    cases.forEach((one, i) => assert.deepEqual(resultsOf(one), JSON.parse(answers[i]), `case ${JSON.stringify(one)}`));
  }
});

test("two concurrent ops lead to one text whichever comes first, hints and all", () => {
  const random = new Random(seedOfRun);
  for (let i = 0; i < 20_000; i++) {
    const { text, op, other } = randomCase(random), tie = tieOf("aa", "bb");
    const one = applyOp(applyOp(text, op), transform(other, op, flipTie(tie)));
    const two = applyOp(applyOp(text, other), transform(op, other, tie));
    assert.equal(one, two, JSON.stringify({ seedOfRun, text, op, other }));
  }
});

test("a large pending op rebased over many small ones is what it would be flat, and fast", () => {
  const random = new Random(seedOfRun), n = 3000;
  let flat = { spans: [], text: "" };
  let length = 200_000;
  const live = new LiveOp("bb", flat), naive = new LiveOp("bb", flat, Infinity);
  for (let i = 0; i < n; i++) {
    const op = spliceOp(random.below(length), random.below(3), randomText(random, random.below(3)));
    live.compose(op);
    naive.compose(op);
    length = lengthAfter(op, length);
  }
  let base = 200_000;
  for (let i = 0; i < n; i++) {
    const op = spliceOp(random.below(base - 3), random.below(3), randomText(random, 1 + random.below(3)));
    base = lengthAfter(op, base);
    assert.deepEqual(live.rebase(op, "aa"), naive.rebase(op, "aa"));
  }
  assert.deepEqual(live.toOp(), naive.toOp());
});

test("what is too large for one op goes as several that say the same", () => {
  const random = new Random(seedOfRun);
  for (let i = 0; i < 2000; i++) {
    const text = randomText(random, 50), op = randomOp(random, countPoints(text), 40);
    const live = new LiveOp("aa", op);
    let shown = text;
    for (let parts = 0; !live.isEmpty; parts++) {
      assert.ok(parts < 200, "it ends");
      const part = live.take(64 + random.below(60));
      assert.notEqual(lengthAfterValid(part, countPoints(shown)), undefined);
      shown = applyOp(shown, part);
    }
    assert.equal(shown, applyOp(text, op));
  }
});

test("a difference turns the one text into the other, and says little", () => {
  const random = new Random(seedOfRun);
  for (let i = 0; i < 300; i++) {
    let from = randomText(random, random.below(i % 10 === 0 ? 5000 : 60)), to = from;
    for (let edits = random.below(5); edits > 0; edits--) {
      const length = countPoints(to);
      to = applyOp(to, spliceOp(random.below(length + 1), Math.min(random.below(5), length), randomText(random, random.below(5))));
    }
    if (i % 50 === 0) to = randomText(random, 3000);
    if (lengthAfterValid(diff(from, to).op, countPoints(from)) === undefined) assert.fail(`${i}`);
    assert.equal(applyOp(from, diff(from, to).op), to);
  }
  assert.deepEqual(opToJson(diff("hello world", "hello, world").op), [5, ","]);
});

test("a rope finds positions in both units, whatever happened to it", () => {
  const random = new Random(seedOfRun);
  const rope = new Rope();
  let text = "";
  for (let i = 0; i < 1000; i++) {
    const length = countPoints(text), at = random.below(length + 1);
    const op = spliceOp(at, Math.min(length - at, random.below(i % 100 === 0 ? 3000 : 4)), randomText(random, random.below(i % 50 === 0 ? 4000 : 5)));
    const gone = [];
    assert.ok(rope.apply(op, gone));
    const points = [...text];
    const deleted = op.spans.filter((s) => (s & 3) === 2).reduce((sum, s) => sum + s / 16 | 0, 0);
    assert.equal(gone.join(""), points.slice(at, at + deleted).join(""));
    text = applyOp(text, op);
    if (i % 20 !== 0) continue;
    assert.equal(rope.toString(), text);
    const all = [...text], where = random.below(all.length + 1), units = all.slice(0, where).join("").length;
    assert.equal(rope.toUnits(where), units);
    assert.equal(rope.toPoints(units), where);
    const from = random.below(text.length + 1), to = from + random.below(100);
    assert.equal(rope.slice(from, to), text.slice(from, to));
  }
});
