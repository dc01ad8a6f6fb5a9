// The Monaco binding against a model that behaves as Monaco's does; real ones are in a browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bindMonaco } from "../dist/bindings/monaco.js";
import { connect } from "../dist/node.js";
import { skipWithoutBuild, until, withCluster } from "./cluster.mjs";

class Model {
  #text = "";
  #listeners = new Set();
  getValue() { return this.#text; }
  setValue(text) { this.edit([{ rangeOffset: 0, rangeLength: this.#text.length, text: text.replace(/\r\n?/g, "\n") }]); }
  setEOL() {}
  getPositionAt(offset) {
    const before = this.#text.slice(0, offset).split("\n");
    return { lineNumber: before.length, column: before.at(-1).length + 1 };
  }
  getOffsetAt({ lineNumber, column }) {
    return this.#text.split("\n").slice(0, lineNumber - 1).reduce((sum, line) => sum + line.length + 1, 0) + column - 1;
  }
  applyEdits(edits) {
    this.edit(edits.map(({ range, text }) => {
      const from = this.getOffsetAt({ lineNumber: range.startLineNumber, column: range.startColumn });
      const to = this.getOffsetAt({ lineNumber: range.endLineNumber, column: range.endColumn });
      return { rangeOffset: from, rangeLength: to - from, text };
    }));
  }
  /** As Monaco tells of changes: from the last to the first. */
  edit(changes) {
    const ordered = [...changes].sort((a, b) => b.rangeOffset - a.rangeOffset);
    for (const { rangeOffset, rangeLength, text } of ordered)
      this.#text = this.#text.slice(0, rangeOffset) + text + this.#text.slice(rangeOffset + rangeLength);
    for (const listener of this.#listeners) listener({ changes: ordered });
  }
  onDidChangeContent(listener) {
    this.#listeners.add(listener);
    return { dispose: () => this.#listeners.delete(listener) };
  }
}

test("Monaco: edits both ways, undo, line ends of one kind", { skip: skipWithoutBuild, timeout: 120_000 }, () => withCluster(async ({ url }) => {
  const clients = [connect({ url }), connect({ url })];
  try {
    const [doc, other] = clients.map((client) => client.open("c", "d", { create: true }));
    await Promise.all([doc.ready, other.ready]);
    other.insert(0, "one\r\ntwo\r\n");
    await until(doc, "change", () => doc.text !== "");
    const model = new Model(), commands = new Map(), options = {};
    const unbind = bindMonaco(doc, {
      getModel: () => model, updateOptions: (more) => Object.assign(options, more),
      addCommand: (key, handler) => commands.set(key, handler), onDidChangeCursorSelection: () => ({ dispose() {} }),
      onDidCompositionStart: () => ({ dispose() {} }), onDidCompositionEnd: () => ({ dispose() {} }),
    });
    assert.equal(model.getValue(), "one\ntwo\n");
    assert.equal(doc.text, "one\ntwo\n");
    model.edit([{ rangeOffset: 0, rangeLength: 3, text: "1" }, { rangeOffset: 4, rangeLength: 3, text: "2 😀" }]);
    assert.equal(doc.text, "1\n2 😀\n");
    await until(other, "change", () => other.text === doc.text);
    other.apply([{ from: 0, to: 1, insert: "eins" }, { from: 6, to: 6, insert: "\nmore" }]);
    await until(doc, "change", () => doc.text === other.text);
    assert.equal(model.getValue(), doc.text);
    commands.get(2048 | 56)(); // Ctrl-Z
    assert.equal(model.getValue(), doc.text);
    assert.equal(options.readOnly, false);
    unbind();
    model.edit([{ rangeOffset: 0, rangeLength: 0, text: "unbound" }]);
    assert.ok(!doc.text.includes("unbound"));
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}));
