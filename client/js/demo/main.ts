/** The demo page: documents, an editor, who is here, what is saved, the past. */
import { type Client, type Document, type Identity, connect } from "../src/index.js";
import type { EditorView } from "@codemirror/view";
import { AUTHOR_COLORS, showEditor } from "./editor.js";
import { COLLECTION, Library, contentOf } from "./library.js";
import { type Author, Past } from "./past.js";

const element = <Kind extends HTMLElement>(id: string): Kind => document.getElementById(id) as Kind;
const pick = <Value>(list: readonly Value[]): Value => list[Math.floor(Math.random() * list.length)]!;

// --- preferences -------------------------------------------------------------------------------------------------

const kept = (name: string): string | null => {
  try { return localStorage.getItem(`ordo-${name}`); } catch { return null; }
};
const keep = (name: string, value: string): void => {
  try { localStorage.setItem(`ordo-${name}`, value); } catch { /* then it is chosen anew next time */ }
};

const me: { name: string; color: string } = {
  name: kept("name") ?? `${pick(["Quick", "Calm", "Bright", "Bold", "Kind"])} ${pick(["Fox", "Heron", "Otter", "Lynx", "Wren"])}`,
  color: kept("color") ?? pick(AUTHOR_COLORS),
};
keep("name", me.name);
keep("color", me.color);
const identity = (): Identity => ({ name: me.name, color: me.color });

function setTheme(theme: string): void { document.documentElement.dataset["theme"] = theme; }
const systemTheme = matchMedia("(prefers-color-scheme: dark)");
setTheme(kept("theme") ?? (systemTheme.matches ? "dark" : "light"));
systemTheme.addEventListener("change", () => { if (kept("theme") === null) setTheme(systemTheme.matches ? "dark" : "light"); });
element("theme").onclick = () => {
  const theme = document.documentElement.dataset["theme"] === "dark" ? "light" : "dark";
  setTheme(theme);
  keep("theme", theme);
};

// --- notices -----------------------------------------------------------------------------------------------------

/** Stays until it is dismissed: what it shows may stand nowhere else. */
function notice(sentence: string, text = ""): void {
  const box = document.createElement("div"), said = document.createElement("p"), close = document.createElement("button");
  box.className = "notice";
  said.textContent = sentence;
  close.type = "button";
  close.textContent = "Dismiss";
  close.onclick = () => box.remove();
  box.append(said);
  if (text !== "") box.appendChild(document.createElement("pre")).textContent = text;
  box.append(close);
  element("notices").append(box);
}

// --- the open document -------------------------------------------------------------------------------------------

class Page {
  #doc: Document | undefined;
  #view: EditorView | undefined;
  #past: Past | undefined;
  #ackMs: number | undefined;
  readonly #seen = new Map<string, Author>(); // by clientId, since the page was loaded

  constructor(readonly client: Client, readonly library: Library) {}

  async open(id: string): Promise<void> {
    await this.#close();
    const doc = this.#doc = this.client.open(COLLECTION, id, { create: true, content: contentOf(id) });
    this.#ackMs = undefined;
    doc.on("status", () => this.showStatus());
    doc.on("saved", ({ ms }) => {
      this.#ackMs = ms;
      this.showStatus();
    });
    doc.on("people", () => this.#showPeople());
    doc.on("givenBack", ({ inserted, message }) => {
      const why = message === "" ? "" : ` (${message})`;
      if (inserted !== "") notice(`This could not be saved${why}. It is no longer in the text:`, inserted);
    });
    doc.on("guessed", ({ isSaved, inserted }) => notice(isSaved
      ? "You were away for long. Please check that this is in the text:"
      : "You were away for long. Please check that this is not in the text twice:", inserted));
    doc.setIdentity(identity());
    this.showTitle();
    this.showStatus();
    this.#showPeople();
    try {
      await doc.ready;
    } catch (error) {
      if (doc === this.#doc) notice(`This document cannot be opened: ${error instanceof Error ? error.message : String(error)}`);
      return;
    }
    if (doc === this.#doc) this.#showLive();
  }

  async #close(): Promise<void> {
    this.closePast();
    this.#view?.destroy();
    this.#view = undefined;
    const doc = this.#doc;
    this.#doc = undefined;
    await doc?.close();
  }

  #showLive(): void {
    if (this.#doc === undefined) return;
    this.#view = showEditor(element("page"), this.#doc);
    if (matchMedia("(hover: hover)").matches) this.#view.focus();
  }

  setIdentity(): void {
    this.#doc?.setIdentity(identity());
    this.#showPeople();
  }

  showTitle(): void {
    const title = this.#doc === undefined ? "" : this.library.titleOf(this.#doc.id);
    element("title").textContent = title;
    document.title = title === "" ? "Ordo" : `${title} · Ordo`;
  }

  showStatus(): void {
    const doc = this.#doc;
    if (doc === undefined) return;
    const { status, unsavedCount } = doc, unsaved = unsavedCount > 0 ? ` · ${unsavedCount} unsaved` : "";
    const text = {
      connecting: "Connecting…",
      synced: this.#ackMs === undefined ? "Saved" : `Saved · ${this.#ackMs.toFixed(this.#ackMs < 10 ? 1 : 0)} ms`,
      saving: doc.isViewer ? `Waiting for a place${unsaved}` : `Saving…${unsaved}`,
      offline: `Offline${unsaved}`,
      "read-only": doc.isDeleted ? "Deleted" : doc.isViewer ? "Viewing: many are writing" : "Read only",
      error: doc.error?.message ?? "Error",
    }[status];
    // Typing makes this flicker between saved and saving: what lasts less than a moment is not worth showing.
    const shown = element("status");
    if (status === "saving" && shown.dataset["status"] === "synced" && unsavedCount < 20 && !doc.isViewer) {
      this.#later ??= window.setTimeout(() => {
        this.#later = undefined;
        this.#showStatusText(doc.status, text);
        if (doc.status !== status) this.showStatus();
      }, 400);
      return;
    }
    clearTimeout(this.#later);
    this.#later = undefined;
    this.#showStatusText(status, text);
  }

  #later: number | undefined;

  #showStatusText(status: string, text: string): void {
    element("status").dataset["status"] = status;
    if (element("status-text").textContent !== text) element("status-text").textContent = text;
  }

  /** Two people, or two windows of one, may have kept the same colour: one of them takes another for as long as the page lives. */
  #takeFreeColor(): void {
    const { people = [], clientId = "" } = this.#doc ?? {};
    if (!people.some((other) => other.color === me.color && other.clientId < clientId)) return;
    const free = AUTHOR_COLORS.find((color) => people.every((other) => other.color !== color));
    if (free === undefined) return;
    me.color = free;
    element("me-color").style.backgroundColor = free;
    this.#doc?.setIdentity(identity());
  }

  #showPeople(): void {
    this.#takeFreeColor();
    const others = this.#doc?.people ?? [];
    for (const { clientId, name, color } of others) this.#seen.set(clientId, { name, color: AUTHOR_COLORS.indexOf(color) });
    const item = (name: string, color: string, isIdle: boolean): HTMLElement => {
      const avatar = document.createElement("li");
      avatar.textContent = name.split(/\s+/).slice(0, 2).map((word) => [...word][0] ?? "").join("") || "?";
      avatar.ariaLabel = name;
      avatar.title = name + (isIdle ? " (away)" : "");
      avatar.style.backgroundColor = color;
      avatar.classList.toggle("idle", isIdle);
      return avatar;
    };
    element("people").replaceChildren(item(me.name, me.color, false),
                                      ...others.map(({ name, color, isIdle }) => item(name, color, isIdle)));
  }

  #authorOf(clientId: string): Author {
    if (clientId === this.#doc?.clientId) return { name: `${me.name} (you)`, color: AUTHOR_COLORS.indexOf(me.color) };
    return this.#seen.get(clientId) ?? { name: `Guest ${clientId.slice(0, 4)}`, color: -1 };
  }

  // --- the past --------------------------------------------------------------------------------------------------

  async togglePast(): Promise<void> {
    if (this.#past !== undefined) {
      this.closePast();
      this.#showLive();
      return;
    }
    const doc = this.#doc;
    if (doc === undefined || this.#view === undefined) return;
    try {
      const past = await Past.open(doc, element("page"), (clientId) => this.#authorOf(clientId));
      if (doc !== this.#doc) return past.close();
      this.#view.destroy();
      this.#view = undefined;
      this.#past = past;
      element("history-open").setAttribute("aria-pressed", "true");
    } catch (error) {
      notice(`The past cannot be read now: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  closePast(): void {
    this.#past?.close();
    this.#past = undefined;
    element("history-open").setAttribute("aria-pressed", "false");
  }

  async restore(): Promise<void> {
    const seq = this.#past?.seq;
    if (seq === undefined || this.#doc === undefined) return;
    try {
      await this.#doc.restore(seq);
      await this.togglePast();
    } catch (error) {
      notice(`This version cannot be restored now: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

// --- wiring ------------------------------------------------------------------------------------------------------

const server = new URL("/v1/ws", location.href.replace(/^http/, "ws")).href.replace(/#.*/, "");
const client = connect({ url: server, agent: "ordo-demo" });
const library = new Library(client, showDocuments);
const page = new Page(client, library);
const idInAddress = (): string => location.hash.match(/^#\/([a-z0-9-]{1,64})$/)?.[1] ?? "welcome";

function showDocuments(): void {
  element("documents").replaceChildren(...library.entries.map(({ id, title }) => {
    const item = document.createElement("li"), link = item.appendChild(document.createElement("a"));
    link.href = `#/${id}`;
    link.textContent = title;
    if (id === idInAddress()) link.setAttribute("aria-current", "page");
    return item;
  }));
  page?.showTitle();
}

function toggleMenu(isOpen = !element("sidebar").classList.contains("open")): void {
  element("sidebar").classList.toggle("open", isOpen);
  element("menu").setAttribute("aria-expanded", String(isOpen));
}

client.on("error", (error) => notice(error.message));
client.on("storageFailed", () => notice("Edits cannot be kept on this device now. They are safe once they are saved."));
element("menu").onclick = () => toggleMenu();
element("editor").addEventListener("pointerdown", () => toggleMenu(false));
addEventListener("keydown", ({ key }) => { if (key === "Escape") toggleMenu(false); });
element("offline").onclick = () => {
  const button = element("offline"), goes = !client.isOffline;
  if (goes) client.goOffline();
  else client.goOnline();
  button.setAttribute("aria-checked", String(goes));
  button.textContent = goes ? "Go online" : "Go offline";
};
element("history-open").onclick = element("history-close").onclick = () => void page.togglePast();
element("restore").onclick = () => void page.restore();
element<HTMLFormElement>("create").onsubmit = (event) => {
  event.preventDefault();
  const input = element<HTMLInputElement>("new-title"), title = input.value;
  input.value = "";
  if (title.trim() !== "") void library.add(title).then((id) => { location.hash = `#/${id}`; });
};
const nameInput = element<HTMLInputElement>("name");
nameInput.value = me.name;
element("me-color").style.backgroundColor = me.color;
nameInput.onchange = () => {
  me.name = nameInput.value.trim() || me.name;
  keep("name", me.name);
  page.setIdentity();
};
addEventListener("hashchange", () => {
  toggleMenu(false);
  showDocuments();
  void page.open(idInAddress());
});
showDocuments();
void page.open(idInAddress());
