/** The two editors of the page: the live one, and one that shows the past. Both live in shadow roots, where CodeMirror brings its
 * styles without style elements, which the page's Content-Security-Policy forbids. */
import { defaultKeymap } from "@codemirror/commands";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState, RangeSetBuilder, StateEffect, StateField } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, drawSelection, dropCursor, highlightSpecialChars, keymap,
  placeholder } from "@codemirror/view";
import type { Document, Run } from "../src/index.js";
import { ordo } from "../src/bindings/codemirror.js";

export const AUTHOR_COLORS = ["#4f46e5", "#be185d", "#0f766e", "#c2410c", "#7c3aed", "#15803d", "#b45309", "#0369a1"];

const look = EditorView.theme({
  "&": { height: "100%", fontSize: "17px", color: "var(--ink)", backgroundColor: "transparent" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": {
    fontFamily: "ui-serif, Charter, Georgia, 'Noto Serif', serif", lineHeight: "1.7", padding: "30px clamp(16px, 5%, 60px) 40vh",
  },
  ".cm-content": { caretColor: "var(--accent)", padding: "0" },
  ".cm-line": { padding: "0" },
  ".cm-cursor": { borderLeft: "2px solid var(--accent)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": {
    background: "color-mix(in srgb, var(--accent) 28%, transparent) !important",
  },
  ".cm-placeholder": { color: "var(--faint)" },
  ".cm-panels": { backgroundColor: "var(--ground)", color: "var(--ink)", borderColor: "var(--line)" },
  ".cm-panel input, .cm-panel button": {
    backgroundImage: "none", backgroundColor: "var(--paper)", color: "var(--ink)", border: "1px solid var(--line)", borderRadius: "6px",
  },
  ...Object.fromEntries(AUTHOR_COLORS.map((color, i) => [`.author-${i}`,
    { backgroundColor: `color-mix(in srgb, ${color} 20%, transparent)`, borderBottom: `2px solid ${color}` }])),
});

function sheet(parent: HTMLElement): { host: HTMLElement; root: ShadowRoot } {
  const host = document.createElement("div");
  host.className = "sheet";
  parent.replaceChildren(host);
  return { host, root: host.attachShadow({ mode: "open" }) };
}

const fill = (root: ShadowRoot): HTMLElement => {
  const box = root.appendChild(document.createElement("div"));
  box.style.height = "100%";
  return box;
};

export function showEditor(parent: HTMLElement, doc: Document): EditorView {
  const { root } = sheet(parent);
  return new EditorView({
    root, parent: fill(root),
    state: EditorState.create({
      doc: doc.text,
      extensions: [
        ordo(doc), look, EditorView.lineWrapping, drawSelection(), dropCursor(), highlightSpecialChars(), search({ top: true }),
        highlightSelectionMatches(), keymap.of([...searchKeymap, ...defaultKeymap]), placeholder("Write something…"),
        EditorView.contentAttributes.of({ "aria-label": "Text of the document", spellcheck: "true", autocapitalize: "sentences" }),
      ],
    }),
  });
}

const setRuns = StateEffect.define<DecorationSet>();
const runs = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update: (value, { effects, changes }) => effects.find((effect) => effect.is(setRuns))?.value ?? value.map(changes),
  provide: (field) => EditorView.decorations.from(field),
});
const marks = AUTHOR_COLORS.map((_, i) => Decoration.mark({ class: `author-${i}` }));

export class PastView {
  readonly #view: EditorView;

  constructor(parent: HTMLElement) {
    const { root } = sheet(parent);
    this.#view = new EditorView({
      root, parent: fill(root),
      state: EditorState.create({
        extensions: [look, runs, EditorView.lineWrapping, EditorState.readOnly.of(true), EditorState.lineSeparator.of("\n"),
          EditorView.contentAttributes.of({ "aria-label": "Text of the document in the past", "aria-readonly": "true" })],
      }),
    });
  }

  show(text: string, authors: readonly Run[], numberOf: (author: string) => number): void {
    const builder = new RangeSetBuilder<Decoration>();
    let at = 0;
    for (const { length, author } of authors) {
      if (author !== undefined) builder.add(at, at + length, marks[numberOf(author) % marks.length]!);
      at += length;
    }
    const changes = { from: 0, to: this.#view.state.doc.length, insert: text };
    this.#view.dispatch({ changes, effects: setRuns.of(builder.finish()) });
  }

  destroy(): void { this.#view.destroy(); }
}

