// Undo against random edits of this person and of others.
import assert from "node:assert/strict";
import { test } from "node:test";
import { invert } from "../dist/changes.js";
import { applyOp, compose, lengthAfterValid, spliceOp } from "../dist/ot/op.js";
import { Rope } from "../dist/ot/rope.js";
import { countPoints } from "../dist/ot/unicode.js";
import { UndoManager } from "../dist/undo.js";
import { Random, randomText, seedOfRun } from "./support.mjs";

class Editor {
  undo = new UndoManager();
  rope = new Rope();
  nowMs = 0;

  apply(op) {
    const deleted = [];
    assert.ok(this.rope.apply(op, deleted));
    return invert(op, deleted);
  }

  own(op) { this.undo.own(op, this.apply(op), this.nowMs); }

  others(op) {
    this.apply(op);
    this.undo.others(op);
  }

  step(direction) {
    const op = this.undo.take(direction);
    if (op === undefined) return false;
    assert.notEqual(lengthAfterValid(op, this.rope.points), undefined, `${direction} fits`);
    this.undo.applied(direction, this.apply(op));
    return true;
  }
}

function randomEdit(random, rope) {
  const at = random.below(rope.points + 1);
  return spliceOp(at, Math.min(rope.points - at, random.below(4)), randomText(random, random.below(4)));
}

test(`all undone and all redone it is the same text, whatever others do before (ORDO_SEED=${seedOfRun})`, () => {
  const random = new Random(seedOfRun);
  for (let round = 0; round < 500; round++) {
    const editor = new Editor();
    editor.others(spliceOp(0, 0, randomText(random, 20)));
    for (let i = 0; i < 30; i++) {
      editor.nowMs += random.below(800);
      if (random.chance(50)) editor.own(randomEdit(random, editor.rope));
      else editor.others(randomEdit(random, editor.rope));
      if (random.chance(10)) editor.step("undo");
      if (random.chance(5)) editor.step("redo");
    }
    while (editor.step("redo"));
    const text = editor.rope.toString();
    while (editor.step("undo"));
    while (editor.step("redo"));
    assert.equal(editor.rope.toString(), text);
  }
});

test("without others, all undone is the text at the start", () => {
  const random = new Random(seedOfRun);
  for (let round = 0; round < 200; round++) {
    const editor = new Editor(), start = randomText(random, 20);
    editor.others(spliceOp(0, 0, start));
    for (let i = 0; i < 30; i++) {
      editor.nowMs += random.below(800);
      editor.own(randomEdit(random, editor.rope));
    }
    while (editor.step("undo"));
    assert.equal(editor.rope.toString(), start);
  }
});

test("undo leaves what others typed meanwhile", () => {
  const random = new Random(seedOfRun);
  for (let round = 0; round < 300; round++) {
    const editor = new Editor();
    let token = 0x10000;
    const tokens = [];
    for (let i = 0; i < 20; i++) {
      editor.nowMs += 1000;
      if (random.chance(50)) editor.own(spliceOp(random.below(editor.rope.points + 1), 0, "own"));
      else {
        tokens.push(String.fromCodePoint(token++));
        editor.others(spliceOp(random.below(editor.rope.points + 1), 0, tokens.at(-1)));
      }
    }
    while (editor.step("undo"));
    const left = [...editor.rope.toString()];
    assert.deepEqual(left.sort(), [...tokens].sort());
    assert.equal(left.length, countPoints(tokens.join("")));
  }
});

test("typing at one place in one go is one step; a pause, another place, or deleting begins the next", () => {
  const editor = new Editor();
  for (const letter of "word") editor.own(spliceOp(editor.rope.points, 0, letter));
  editor.step("undo");
  assert.equal(editor.rope.toString(), "");
  editor.step("redo");
  editor.nowMs += 1000;
  editor.own(spliceOp(4, 0, "s"));
  editor.own(spliceOp(0, 0, "a "));
  editor.own(spliceOp(0, 2, ""));
  assert.equal(editor.rope.toString(), "words");
  const texts = [];
  while (editor.step("undo")) texts.push(editor.rope.toString());
  assert.deepEqual(texts, ["a words", "words", "word", ""]);
  assert.equal(applyOp("ab", compose(spliceOp(0, 1, ""), spliceOp(0, 1, ""))), "");
});
