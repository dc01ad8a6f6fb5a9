/** Monaco, by the part of its interface that is used: nothing of it is imported. Monaco knows one kind of line end per text, so
 * "\r\n" and "\r" in a document become "\n" when an editor is bound to it that may write. Where the text changes while an input
 * method composes, Monaco lets it compose over what others wrote: so what they do is shown when it is done. */
import type { Change } from "../changes.js";
import type { Document } from "../document.js";
import { changed, missing, rebase } from "./behind.js";

interface Disposable { dispose(): void }
interface Position { readonly lineNumber: number; readonly column: number }
interface Range {
  readonly startLineNumber: number;
  readonly startColumn: number;
  readonly endLineNumber: number;
  readonly endColumn: number;
}
interface ContentChange { readonly rangeOffset: number; readonly rangeLength: number; readonly text: string }

export interface MonacoModel {
  getValue(): string;
  setValue(text: string): void;
  setEOL(eol: 0): void; // LF
  getPositionAt(offset: number): Position;
  getOffsetAt(position: Position): number;
  applyEdits(edits: { range: Range; text: string; forceMoveMarkers?: boolean }[]): unknown;
  onDidChangeContent(listener: (event: { readonly changes: readonly ContentChange[] }) => void): Disposable;
}

export interface MonacoEditor {
  getModel(): MonacoModel | null;
  updateOptions(options: { readOnly: boolean }): void;
  addCommand(keybinding: number, handler: () => void): unknown;
  onDidCompositionStart(listener: () => void): Disposable;
  onDidCompositionEnd(listener: () => void): Disposable;
  onDidChangeCursorSelection(listener: (event: { readonly selection: Range & {
    readonly selectionStartLineNumber: number; readonly selectionStartColumn: number;
    readonly positionLineNumber: number; readonly positionColumn: number; } }) => void): Disposable;
}

/** Monaco's numbers for its undo and redo keys: KeyMod.CtrlCmd | KeyCode.KeyZ, and so on. */
const CTRL = 2048, SHIFT = 1024, KEY_Y = 55, KEY_Z = 56;

/** Binds an editor to a document that is ready. Returns a function that ends it. */
export function bindMonaco(doc: Document, editor: MonacoEditor): () => void {
  const model = editor.getModel();
  if (model === null) throw new Error("the editor has no model");
  const source = {};
  let isOurs = false; // the change that Monaco reports is the one that we make
  const ours = (act: () => void): void => {
    isOurs = true;
    try {
      act();
    } finally {
      isOurs = false;
    }
  };
  if (!doc.isReadOnly && doc.text.includes("\r")) doc.setText(doc.text.replace(/\r\n?/g, "\n"), source);
  ours(() => {
    model.setValue(doc.text);
    model.setEOL(0);
  });
  let behind: string | undefined; // what the editor shows, while an input method composes
  const stops = [
    doc.on("change", (event) => {
      if (event.source !== source && behind === undefined) ours(() => applyTo(model, event.changes));
    }),
    doc.on("status", () => editor.updateOptions({ readOnly: doc.isReadOnly })),
  ];
  const disposables = [
    model.onDidChangeContent(({ changes }) => {
      if (isOurs) return;
      const list = changes.map(({ rangeOffset: from, rangeLength, text }) => ({ from, to: from + rangeLength, insert: text }))
        .sort((a, b) => a.from - b.from);
      try {
        doc.apply(behind === undefined ? list : rebase(list, behind, doc.text), source);
        if (behind !== undefined) behind = changed(behind, list);
      } catch { // it became read-only just now
        ours(() => model.setValue(doc.text));
        if (behind !== undefined) behind = doc.text;
      }
    }),
    editor.onDidCompositionStart(() => { behind ??= doc.text; }),
    editor.onDidCompositionEnd(() => {
      const before = behind ?? doc.text;
      behind = undefined;
      ours(() => applyTo(model, missing(before, doc.text)));
    }),
    editor.onDidChangeCursorSelection(({ selection: s }) => {
      if (behind !== undefined && behind !== doc.text) return; // its positions are others
      doc.setSelections([{
        anchor: model.getOffsetAt({ lineNumber: s.selectionStartLineNumber, column: s.selectionStartColumn }),
        head: model.getOffsetAt({ lineNumber: s.positionLineNumber, column: s.positionColumn }),
      }]);
    }),
  ];
  editor.updateOptions({ readOnly: doc.isReadOnly });
  editor.addCommand(CTRL | KEY_Z, () => void doc.undo());
  editor.addCommand(CTRL | KEY_Y, () => void doc.redo());
  editor.addCommand(CTRL | SHIFT | KEY_Z, () => void doc.redo());
  return () => {
    for (const stop of stops) stop();
    for (const disposable of disposables) disposable.dispose();
  };
}

/** All positions are those before any of the changes, as Monaco's are. */
function applyTo(model: MonacoModel, changes: readonly Change[]): void {
  model.applyEdits(changes.map(({ from, to, insert }) => {
    const start = model.getPositionAt(from), end = model.getPositionAt(to);
    return { text: insert, forceMoveMarkers: false, range: { startLineNumber: start.lineNumber, startColumn: start.column,
      endLineNumber: end.lineNumber, endColumn: end.column } };
  }));
}
