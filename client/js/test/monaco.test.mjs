// The Monaco binding with the real one in Chromium. It is no dependency, because it takes more room than all others together
// (107 MB): `npm install --no-save monaco-editor` in some folder, and ORDO_MONACO=FOLDER. bindings.test.mjs has a stand-in for it.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "../dist/node.js";
import { launch, skipWithoutBrowser, watch, withTestPage } from "./browser.mjs";
import { until, withCluster } from "./cluster.mjs";

const folder = process.env.ORDO_MONACO;
const skip = skipWithoutBrowser || (folder === undefined && "ORDO_MONACO does not say where monaco-editor is");

test("Monaco: typing, others' edits in the same line, input methods, undo, several carets, pasting, read-only", { skip, timeout: 120_000 }, () =>
  withTestPage((site) => withCluster(async ({ url, doc: ordoDoc }) => {
    const browser = await launch(), client = connect({ url }), troubles = [];
    try {
      const other = client.open("c", "d", { create: true, content: "one\r\ntwo\r\n" });
      await other.ready;
      const page = await (await browser.newContext({ bypassCSP: true })).newPage(); // Monaco makes style elements
      watch(page, troubles);
      await page.goto(url.replace("ws:", "http:").replace("/v1/ws", "/"));
      await page.waitForFunction(() => window.isReady === true);
      const shows = (text) => page.waitForFunction((wanted) => doc.text === wanted && editor.getValue() === wanted, text);
      const others = async (act) => {
        act();
        await other.saved();
        await page.waitForFunction((seq) => doc.seq >= seq, other.seq);
      };
      await shows("one\ntwo\n"); // one kind of line end
      await until(other, "change", () => other.text === "one\ntwo\n");

      await page.keyboard.press("Control+End");
      await page.keyboard.type("three 😀");
      await shows("one\ntwo\nthree 😀");
      await until(other, "change", () => other.text.endsWith("😀"));
      await others(() => other.insert(other.text.indexOf("three"), "> "));
      await page.keyboard.type("!");
      await shows("one\ntwo\n> three 😀!");

      const devtools = await page.context().newCDPSession(page);
      await devtools.send("Input.imeSetComposition", { text: "に", selectionStart: 1, selectionEnd: 1 });
      await others(() => other.insert(other.text.indexOf("three"), "> "));
      await devtools.send("Input.imeSetComposition", { text: "にほん", selectionStart: 3, selectionEnd: 3 });
      await others(() => other.delete(other.text.indexOf("> "), other.text.indexOf("> ") + 2));
      await devtools.send("Input.insertText", { text: "日本" });
      await shows("one\ntwo\n> three 😀!日本");

      await others(() => other.insert(0, "zero "));
      await page.keyboard.press("Control+z");
      await page.waitForFunction(() => !doc.text.includes("日本") && editor.getValue() === doc.text);
      assert.ok((await page.evaluate(() => doc.text)).startsWith("zero one"), "others' edits stay");
      await page.keyboard.press("Control+y");
      await shows("zero one\ntwo\n> three 😀!日本");

      await page.evaluate(() => editor.setSelections([1, 2, 3].map((line) =>
        ({ selectionStartLineNumber: line, selectionStartColumn: 1, positionLineNumber: line, positionColumn: 1 }))));
      await page.keyboard.type("- ");
      await shows("- zero one\n- two\n- > three 😀!日本");
      await page.keyboard.press("Escape");
      await page.keyboard.press("Control+Home");
      await page.evaluate(() => editor.trigger("keyboard", "paste", { text: "pasted\r\nlines\r\n", multicursorText: null, pasteOnNewLine: false }));
      await shows("pasted\nlines\n- zero one\n- two\n- > three 😀!日本");
      const text = await page.evaluate(() => doc.saved().then(() => doc.text));
      assert.equal(await ordoDoc("cat", "c/d"), text);

      other.deleteDocument();
      await page.waitForFunction(() => editor.getValue() === "" && editor.getRawOptions().readOnly === true);
      await page.evaluate(() => unbind());
      assert.deepEqual(troubles, []);
    } finally {
      await client.close();
      await browser.close();
    }
  }, { args: ["--static", site] }), { entry: "monaco.js", loader: { ".ttf": "dataurl" }, nodePaths: [join(folder ?? "", "node_modules")] }));
