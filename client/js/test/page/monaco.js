// The real Monaco, bound to a document, for test/monaco.test.mjs.
import * as monaco from "monaco-editor/editor/editor.api.js";
import "monaco-editor/editor/contrib/clipboard/browser/clipboard.js";
import "monaco-editor/editor/contrib/multicursor/browser/multicursor.js";
import { connect } from "../../dist/index.js";
import { bindMonaco } from "../../dist/bindings/monaco.js";

self.MonacoEnvironment = { getWorker: () => new Worker(URL.createObjectURL(new Blob([""]))) }; // nothing here needs one
window.client = connect({ url: new URL("/v1/ws", location.href.replace(/^http/, "ws")).href });
window.doc = client.open("c", "d", { create: true });
await doc.ready;
const box = document.getElementById("editor");
box.style.height = "400px";
window.editor = monaco.editor.create(box, { language: "plaintext", wordBasedSuggestions: "off", autoClosingBrackets: "never" });
window.unbind = bindMonaco(doc, editor);
editor.focus();
window.isReady = true;
