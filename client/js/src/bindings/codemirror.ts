/** CodeMirror 6: edits both ways, selections of others with their names, undo of one's own edits, read-only.
 *
 *     new EditorView({ doc: doc.text, extensions: [minimalSetup, ordo(doc)] })
 *
 * Leave out CodeMirror's own history: the undo here takes back what this person did, whatever others did since. Works under a
 * strict Content-Security-Policy; put the editor into a shadow root there, where CodeMirror needs no style elements. */
import { Annotation, ChangeSet, Compartment, EditorSelection, EditorState, type Extension, Facet, Prec, StateEffect, StateField,
  Transaction } from "@codemirror/state";
import { EditorView, type LayerMarker, type PluginValue, RectangleMarker, ViewPlugin, type ViewUpdate, keymap,
  layer } from "@codemirror/view";
import type { Change } from "../changes.js";
import type { ChangeEvent, Document } from "../document.js";
import type { Person } from "../people.js";

/** Marks transactions that come from the document. */
const fromDocument = Annotation.define<true>();
const setPeople = StateEffect.define<readonly Person[]>();
const SHOWN = [fromDocument.of(true), Transaction.addToHistory.of(false)];
const documentOf = Facet.define<Document, Document | undefined>({ combine: (docs) => docs[0] });

/** The editor's text must be `doc.text` when it is made, and `doc.ready` must have resolved. */
export function ordo(doc: Document): Extension {
  const readOnly = new Compartment(), binding = ViewPlugin.define((view) => new Binding(view, doc, readOnly));
  return [
    documentOf.of(doc),
    // Positions are to count alike: only "\n" separates lines, and what is pasted brings no other.
    EditorState.lineSeparator.of("\n"),
    EditorView.clipboardInputFilter.of((text) => text.replace(/\r\n?/g, "\n")),
    readOnly.of(EditorState.readOnly.of(doc.isReadOnly)),
    people,
    binding,
    selectionLayer, caretLayer, theme,
    Prec.high(keymap.of([
      { key: "Mod-z", run: undo, preventDefault: true },
      { key: "Mod-y", mac: "Mod-Shift-z", run: redo, preventDefault: true },
      { linux: "Ctrl-Shift-z", win: "Ctrl-Shift-z", run: redo, preventDefault: true },
    ])),
    EditorView.domEventHandlers({
      compositionend(_event, view) {
        setTimeout(() => view.plugin(binding)?.composed(), COMPOSED_MS);
        return false;
      },
      beforeinput(event, view) {
        const command = event.inputType === "historyUndo" ? undo : event.inputType === "historyRedo" ? redo : undefined;
        if (command === undefined) return false;
        command(view);
        return true;
      },
    }),
  ];
}

/** Commands, for buttons. */
export const undo = (view: EditorView): boolean => step(view, "undo");
export const redo = (view: EditorView): boolean => step(view, "redo");

function step(view: EditorView, direction: "undo" | "redo"): boolean {
  const doc = view.state.facet(documentOf);
  if (doc === undefined || doc.isReadOnly) return false;
  doc[direction]();
  return true;
}

/** What a document may hold in another form than it was typed. */
const MADE_GOOD = /[\0\ud800-\udfff]/;

const COMPOSED_MS = 50; // until CodeMirror has read what an input method left

/** So many changes at once come of a merge after a long absence. CodeMirror has a price for each of them, so that it gets what
 * lies closely together as one. */
const CHANGES_MANY = 500;
const NEAR_UNITS = 4096;

/** The same in fewer changes; `after`: the text that they make. */
function joined(changes: readonly Change[], after: string): Change[] {
  const blocks: { from: number; to: number; start: number; end: number }[] = []; // before, and after
  let shift = 0;
  for (const { from, to, insert } of changes) {
    const start = from + shift, last = blocks.at(-1);
    shift += insert.length - (to - from);
    if (last !== undefined && from - last.from < NEAR_UNITS) Object.assign(last, { to, end: to + shift });
    else blocks.push({ from, to, start, end: to + shift });
  }
  return blocks.map(({ from, to, start, end }) => ({ from, to, insert: after.slice(start, end) }));
}

class Binding implements PluginValue {
  readonly #stops: (() => void)[];
  /** What is not shown yet: there is a lot of it; or an input method composes in that line, and where a line is drawn anew under
   * it, the browser takes what is composed for typed, and the input method for not. */
  #waiting: ChangeSet | undefined;
  #isReadOnly: boolean;
  #arePeopleDue = false;
  #isGone = false;

  constructor(readonly view: EditorView, readonly doc: Document, readonly readOnly: Compartment) {
    this.#isReadOnly = doc.isReadOnly;
    this.#stops = [
      doc.on("change", (event) => this.#changed(event)),
      doc.on("status", () => this.#statusChanged()),
      doc.on("people", () => this.#peopleChanged()),
    ];
    queueMicrotask(() => this.#makeEqual());
    this.#peopleChanged();
  }

  destroy(): void {
    this.#isGone = true;
    for (const stop of this.#stops) stop();
  }

  update(update: ViewUpdate): void {
    const { doc } = this;
    if (update.docChanged) this.#edited(update);
    if (update.docChanged || update.selectionSet || update.focusChanged) {
      const { main } = update.state.selection, at = (position: number): number => this.#waiting?.mapPos(position, 1) ?? position;
      doc.setSelections(update.view.hasFocus ? [{ anchor: at(main.anchor), head: at(main.head) }] : []);
    }
  }

  /** What was typed here; each transaction by itself, as its positions are those of the text before it. */
  #edited(update: ViewUpdate): void {
    const own = update.transactions.filter((transaction) => transaction.docChanged && !transaction.annotation(fromDocument));
    try {
      for (const { changes } of own) {
        const list: Change[] = [], waiting = this.#waiting;
        this.#waiting = waiting?.map(changes, true);
        (waiting === undefined ? changes : changes.map(waiting))
          .iterChanges((from, to, _newFrom, _newTo, text) => list.push({ from, to, insert: text.toString() }), true);
        this.doc.apply(list, this);
        if (list.some(({ insert }) => MADE_GOOD.test(insert))) this.#makeEqualSoon();
      }
      if ((this.#waiting?.newLength ?? update.state.doc.length) !== this.doc.length) this.#makeEqualSoon();
    } catch {
      this.#makeEqualSoon(); // it became read-only just now
    }
  }

  #changed({ changes, origin, source }: ChangeEvent): void {
    if (source === this) return;
    const { state } = this.view;
    const areMany = changes.length >= CHANGES_MANY;
    if (areMany || this.#waiting !== undefined || this.#areInTheWay(changes)) {
      const more = ChangeSet.of(changes, this.#waiting?.newLength ?? state.doc.length, "\n");
      this.#waiting = this.#waiting?.compose(more) ?? more;
      if (areMany) setTimeout(() => this.#show()); // to take them in was one task, to draw them is another
      return;
    }
    const spec = { changes: [...changes], annotations: SHOWN };
    const isOwnStep = origin === "undo" || origin === "redo";
    const last = changes.at(-1);
    if (!isOwnStep || last === undefined) {
      this.view.dispatch(spec);
      return;
    }
    const shift = changes.reduce((sum, { from, to, insert }) => sum + insert.length - (to - from), 0);
    this.view.dispatch({ ...spec, selection: EditorSelection.cursor(last.to + shift), scrollIntoView: true,
      userEvent: origin });
  }

  /** Of composing. */
  #areInTheWay(changes: readonly Change[]): boolean {
    const { state, compositionStarted } = this.view, line = state.doc.lineAt(state.selection.main.head);
    return compositionStarted && changes.some(({ from, to }) => from <= line.to && to >= line.from);
  }

  /** An input method is done, as it seems: some begin the next word at once. */
  composed(): void {
    this.#show();
    this.#makeEqual();
  }

  /** What waits, unless an input method composes: after that. */
  #show(): void {
    const waiting = this.#waiting, { state } = this.view;
    if (this.#isGone || waiting === undefined || this.view.compositionStarted) return;
    const list: Change[] = [];
    waiting.iterChanges((from, to, _newFrom, _newTo, text) => list.push({ from, to, insert: text.toString() }), true);
    const selection = state.selection.map(waiting); // which larger changes would push aside
    const changes = list.length >= CHANGES_MANY ? joined(list, this.doc.text) : waiting;
    this.#waiting = undefined;
    this.view.dispatch({ changes, selection, annotations: SHOWN });
  }

  #makeEqualSoon(): void { queueMicrotask(() => this.#makeEqual()); }

  /** Makes the editor show what the document holds. */
  #makeEqual(): void {
    if (this.#isGone || this.#waiting !== undefined) return;
    const shown = this.view.state.sliceDoc(), { text } = this.doc;
    if (shown === text) return;
    let start = 0, end = 0;
    const max = Math.min(shown.length, text.length);
    while (start < max && shown[start] === text[start]) start++;
    while (end < max - start && shown[shown.length - 1 - end] === text[text.length - 1 - end]) end++;
    this.view.dispatch({
      changes: { from: start, to: shown.length - end, insert: text.slice(start, text.length - end) },
      annotations: SHOWN,
    });
  }

  /** Told in the middle of an update, so not at once. */
  #statusChanged(): void {
    if (this.doc.isReadOnly === this.#isReadOnly) return;
    this.#isReadOnly = this.doc.isReadOnly;
    queueMicrotask(() => {
      if (!this.#isGone) this.view.dispatch({ effects: this.readOnly.reconfigure(EditorState.readOnly.of(this.#isReadOnly)) });
    });
  }

  #peopleChanged(): void {
    if (this.#arePeopleDue) return;
    this.#arePeopleDue = true;
    queueMicrotask(() => {
      this.#arePeopleDue = false;
      if (!this.#isGone) this.view.dispatch({ effects: setPeople.of(this.doc.people) });
    });
  }
}

// --- others' carets and selections -------------------------------------------------------------------------------

const people = StateField.define<readonly Person[]>({
  create: () => [],
  update(value, transaction) {
    for (const effect of transaction.effects) if (effect.is(setPeople)) return effect.value;
    return transaction.docChanged ? transaction.state.facet(documentOf)?.people ?? value : value;
  },
});

const areDrawnAnew = (update: ViewUpdate): boolean =>
  update.docChanged || update.viewportChanged || update.geometryChanged ||
  update.startState.field(people) !== update.state.field(people);

class Marker implements LayerMarker {
  constructor(readonly rectangle: RectangleMarker, readonly person: Person, readonly isCaret: boolean) {}

  eq(other: Marker): boolean {
    const { person } = this;
    return this.rectangle.eq(other.rectangle) && person.color === other.person.color && person.name === other.person.name &&
      person.isIdle === other.person.isIdle && person.clientId === other.person.clientId;
  }

  draw(): HTMLElement {
    const element = this.rectangle.draw();
    element.style.setProperty("--ordo-person", this.person.color);
    element.classList.toggle("ordo-idle", this.person.isIdle);
    if (this.isCaret) {
      const name = element.appendChild(document.createElement("span"));
      name.className = "ordo-name";
      name.textContent = this.person.name;
    }
    return element;
  }
}

function markers(view: EditorView, isCaret: boolean): Marker[] {
  const { length } = view.state.doc, out: Marker[] = [];
  for (const person of view.state.field(people)) {
    for (const { anchor, head } of person.selections) {
      const at = Math.min(head, length), other = Math.min(anchor, length);
      if (!isCaret && at === other) continue;
      const range = isCaret ? EditorSelection.cursor(at) : EditorSelection.range(other, at);
      const className = isCaret ? "ordo-caret" : "ordo-selection";
      for (const rectangle of RectangleMarker.forRange(view, className, range)) out.push(new Marker(rectangle, person, isCaret));
    }
  }
  return out;
}

const layerOf = (isCaret: boolean): Extension => layer({
  above: isCaret, class: isCaret ? "ordo-carets" : "ordo-selections", update: areDrawnAnew, markers: (view) => markers(view, isCaret),
});
const selectionLayer = layerOf(false), caretLayer = layerOf(true);

const theme = EditorView.baseTheme({
  ".ordo-selection": { backgroundColor: "var(--ordo-person)", opacity: "0.25" },
  ".ordo-carets": { pointerEvents: "none" },
  ".ordo-caret": { borderLeft: "2px solid var(--ordo-person)", marginLeft: "-1px", width: "0 !important" },
  ".ordo-caret.ordo-idle": { opacity: "0.4" },
  ".ordo-name": {
    position: "absolute", left: "-2px", bottom: "100%", padding: "1px 5px", borderRadius: "4px 4px 4px 0",
    backgroundColor: "var(--ordo-person)", color: "#fff", font: "600 11px/1.3 system-ui, sans-serif", whiteSpace: "nowrap",
    animation: "ordo-name 4s step-end forwards", // it covers what stands above, so it goes when its caret has not moved for a while
  },
  "@keyframes ordo-name": { from: { visibility: "visible" }, to: { visibility: "hidden" } },
});
