/** `<textarea>` and `<input>`: edits both ways, the caret kept where it belongs, undo of one's own edits, read-only.
 *
 * While an input method composes, the field belongs to it: a value set meanwhile would throw away what is being composed. So
 * others' edits are shown when it is done; what is typed meanwhile is rebased over them, and goes out at once. */
import { Anchor } from "../anchors.js";
import type { Change } from "../changes.js";
import type { Document } from "../document.js";
import { changed, rebase } from "./behind.js";

type Field = HTMLTextAreaElement | HTMLInputElement;

/** A field shows every line end as "\n": positions in it, and in the text, differ by the "\r\n" before them. */
const shownOf = (text: string): string => text.replace(/\r\n?/g, "\n");

function toText(text: string, position: number): number {
  if (!text.includes("\r\n")) return position;
  let at = 0;
  for (let left = position; left > 0 && at < text.length; left--) at += text.startsWith("\r\n", at) ? 2 : 1;
  return at;
}

const toField = (text: string, position: number): number => shownOf(text.slice(0, position)).length;

/** Where the last of some changes ends, after all of them. */
const endOf = (changes: readonly Change[]): number =>
  changes.reduce((shift, { from, to, insert }) => shift + insert.length - (to - from), changes.at(-1)?.to ?? 0);

/** What was typed is the difference of what a field showed before and shows now, put where the caret says it is: "aa" typed
 * into "a" could be either. `behind`: units behind the caret, which did not change. */
function typedOf(before: string, now: string, behind: number): Change {
  const max = Math.min(before.length, now.length);
  let end = 0, start = 0;
  while (end < Math.min(max, behind) && before[before.length - 1 - end] === now[now.length - 1 - end]) end++;
  while (start < max - end && before[start] === now[start]) start++;
  return { from: start, to: before.length - end, insert: now.slice(start, now.length - end) };
}

/** Binds a field to a document that is ready. Returns a function that ends it. */
export function bindInput(doc: Document, field: Field): () => void {
  const source = {};
  let text = doc.text; // that the field shows, or did before the latest of what was typed there
  let isComposing = false;
  let caret: [Anchor, Anchor] | undefined; // while others' edits are shown

  const keepCaret = (start: number, end: number): void => {
    caret?.forEach((anchor) => anchor.remove());
    caret = [doc.anchor(start, -1), doc.anchor(end, -1)];
  };
  const show = (): void => {
    if (isComposing) return;
    text = doc.text;
    const value = shownOf(text), hadFocus = field.matches(":focus"), direction = field.selectionDirection ?? "none";
    if (field.value === value) return;
    const [start, end] = (caret ?? []).map((anchor) => toField(text, anchor.position));
    field.value = value;
    if (hadFocus && start !== undefined && end !== undefined) field.setSelectionRange(start, end, direction);
  };
  const tellSelection = (): void => {
    if (isComposing || field.ownerDocument.activeElement !== field) return;
    const start = toText(text, field.selectionStart ?? 0), end = toText(text, field.selectionEnd ?? 0);
    keepCaret(start, end);
    doc.setSelections([field.selectionDirection === "backward" ? { anchor: end, head: start } : { anchor: start, head: end }]);
  };
  const read = (): void => {
    const { value } = field, typed = typedOf(shownOf(text), value, value.length - (field.selectionEnd ?? value.length));
    const own = { from: toText(text, typed.from), to: toText(text, typed.to), insert: typed.insert };
    if (own.from < own.to || own.insert !== "") {
      try {
        const changes = rebase([own], text, doc.text);
        doc.apply(changes, source);
        text = changed(text, [own]);
        if (changes.length > 0) keepCaret(endOf(changes), endOf(changes));
      } catch { /* it became read-only just now: shown as it is, below */ }
    }
    show();
    tellSelection();
  };
  const readOnly = (): void => { field.readOnly = doc.isReadOnly; };
  const step = (event: Event, direction: "undo" | "redo"): void => {
    event.preventDefault();
    if (!doc.isReadOnly && !isComposing) doc[direction]();
  };

  const stops = [
    doc.on("change", ({ changes, origin, source: by }) => {
      if (by === source) return;
      show();
      if (origin === "remote" || isComposing || !field.matches(":focus")) return;
      const at = toField(text, endOf(changes));
      field.setSelectionRange(at, at);
    }),
    doc.on("status", readOnly),
  ];
  const listeners: [EventTarget, string, (event: Event) => void][] = [
    [field, "input", read],
    [field, "compositionstart", () => { isComposing = true; }],
    [field, "compositionend", () => {
      isComposing = false;
      read();
    }],
    [field, "beforeinput", (event) => {
      const type = (event as InputEvent).inputType;
      if (type === "historyUndo" || type === "historyRedo") step(event, type === "historyUndo" ? "undo" : "redo");
    }],
    [field, "keydown", (event) => {
      const { key, ctrlKey, metaKey, shiftKey } = event as KeyboardEvent;
      if (!(ctrlKey || metaKey)) return;
      if (key.toLowerCase() === "z") step(event, shiftKey ? "redo" : "undo");
      else if (key.toLowerCase() === "y") step(event, "redo");
    }],
    [field.ownerDocument, "selectionchange", tellSelection],
  ];
  for (const [target, name, listener] of listeners) target.addEventListener(name, listener);
  field.value = shownOf(text);
  readOnly();
  return () => {
    for (const stop of stops) stop();
    for (const [target, name, listener] of listeners) target.removeEventListener(name, listener);
    caret?.forEach((anchor) => anchor.remove());
  };
}
