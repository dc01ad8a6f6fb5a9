/** `<textarea>` and `<input>`: edits both ways, the caret kept where it belongs, undo of one's own edits, read-only. */
import { Anchor } from "../anchors.js";
import type { Document } from "../document.js";

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

/** Binds a field to a document that is ready. Returns a function that ends it. */
export function bindInput(doc: Document, field: Field): () => void {
  const source = {};
  let caret: [Anchor, Anchor] | undefined; // while others' edits are shown
  const shown = (): string => shownOf(doc.text);
  const isComposing = (event: Event): boolean => event instanceof InputEvent && event.isComposing;

  const keepCaret = (): void => {
    caret?.forEach((anchor) => anchor.remove());
    const at = (position: number | null): Anchor => doc.anchor(toText(doc.text, position ?? 0), -1);
    caret = [at(field.selectionStart), at(field.selectionEnd)];
  };
  const show = (): void => {
    const value = shown(), hadFocus = field.matches(":focus"), direction = field.selectionDirection ?? "none";
    if (field.value === value) return;
    const [start, end] = (caret ?? []).map((anchor) => toField(doc.text, anchor.position));
    field.value = value;
    if (hadFocus && start !== undefined && end !== undefined) field.setSelectionRange(start, end, direction);
  };
  const tellSelection = (): void => {
    if (field.ownerDocument.activeElement !== field) return;
    keepCaret();
    const start = toText(doc.text, field.selectionStart ?? 0), end = toText(doc.text, field.selectionEnd ?? 0);
    doc.setSelections([field.selectionDirection === "backward" ? { anchor: end, head: start } : { anchor: start, head: end }]);
  };
  /** What was typed is the difference, put where the caret says it is: "aa" typed into "a" could be either. */
  const read = (): void => {
    const before = shown(), { value } = field;
    if (value === before) return;
    const behind = value.length - (field.selectionEnd ?? value.length); // units behind the caret did not change
    const max = Math.min(before.length, value.length);
    let end = 0, start = 0;
    while (end < Math.min(max, behind) && before[before.length - 1 - end] === value[value.length - 1 - end]) end++;
    while (start < max - end && before[start] === value[start]) start++;
    try {
      doc.replace(toText(doc.text, start), toText(doc.text, before.length - end), value.slice(start, value.length - end), source);
    } catch { /* it became read-only just now: shown as it is, below */ }
    if (shown() !== value) show();
    tellSelection();
  };
  const readOnly = (): void => { field.readOnly = doc.isReadOnly; };
  const step = (event: Event, direction: "undo" | "redo"): void => {
    event.preventDefault();
    if (!doc.isReadOnly) doc[direction]();
  };

  const stops = [
    doc.on("change", (event) => {
      if (event.source === source) return;
      show();
      const last = event.changes.at(-1);
      if (event.origin === "remote" || last === undefined || !field.matches(":focus")) return;
      const shift = event.changes.reduce((sum, { from, to, insert }) => sum + insert.length - (to - from), 0);
      const at = toField(doc.text, last.to + shift);
      field.setSelectionRange(at, at);
    }),
    doc.on("status", readOnly),
  ];
  const listeners: [EventTarget, string, (event: Event) => void][] = [
    [field, "input", (event) => { if (!isComposing(event)) read(); }],
    [field, "compositionend", read],
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
  field.value = shown();
  readOnly();
  return () => {
    for (const stop of stops) stop();
    for (const [target, name, listener] of listeners) target.removeEventListener(name, listener);
    caret?.forEach((anchor) => anchor.remove());
  };
}
