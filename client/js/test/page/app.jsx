// What the tests in a browser drive: the package as pages use it, under the gateway's Content-Security-Policy.
import { createElement } from "react";
import { createRoot } from "react-dom/client";
import { defaultKeymap } from "@codemirror/commands";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { connect } from "../../dist/index.js";
import { ordo } from "../../dist/bindings/codemirror.js";
import { bindInput } from "../../dist/bindings/input.js";
import { useDocument } from "../../dist/bindings/react.js";

const url = new URL("/v1/ws", location.href.replace(/^http/, "ws")).href;
window.events = [];

/** Opens a document, as the tests ask for it in the address: ?id=…&editor&field&react */
const asked = new URLSearchParams(location.search);
window.client = connect({ url });
client.on("error", (error) => events.push(String(error)));
client.on("storageFailed", (error) => events.push(`storage: ${error}`));
if (asked.has("offline")) client.goOffline();

window.openDocument = async (id) => {
  window.doc = client.open("c", id, { create: true });
  doc.on("givenBack", (given) => events.push(`given back: ${given.inserted}`));
  doc.on("guessed", (guess) => events.push(`guessed: ${guess.inserted}`));
  await doc.ready;
};

window.showEditor = () => {
  const root = document.getElementById("editor").attachShadow({ mode: "open" });
  const box = root.appendChild(document.createElement("div"));
  window.view = new EditorView({ root, parent: box, state: EditorState.create({
    doc: doc.text, extensions: [ordo(doc), keymap.of(defaultKeymap), EditorView.lineWrapping],
  }) });
};

await openDocument(asked.get("id") ?? "d");

function Shown() {
  const { text, status } = useDocument(client, "c", asked.get("id") ?? "d", { create: true });
  return createElement("p", { id: "shown" }, `${status}: ${text}`);
}

if (asked.has("editor")) showEditor();
if (asked.has("field")) bindInput(doc, document.getElementById("field"));
if (asked.has("react")) createRoot(document.getElementById("react")).render(createElement(Shown));
doc.setIdentity({ name: asked.get("name") ?? "somebody", color: "#c03" });
window.isReady = true;
