/** The list of documents is a document itself: one line per document, its id and its title. So it is live, and works offline. */
import type { Client, Document } from "../src/index.js";

export interface Entry { readonly id: string; readonly title: string }

export const COLLECTION = "demo";
const INDEX = "index";
const WELCOME = `Welcome to Ordo

This page is one document that many people edit at once.

• Open this address in a second window and type in both.
• Press "Go offline", go on typing here and in the other window, and come back: nothing is lost, nothing is doubled.
• Undo takes back what you did, and nobody else's work.
• The clock above opens the past: move the slider to see who wrote what, and when.
`;

export class Library {
  readonly #index: Document;

  constructor(client: Client, changed: () => void) {
    this.#index = client.open(COLLECTION, INDEX, { create: true, content: "welcome\tWelcome\n", presence: false });
    this.#index.on("change", changed);
    this.#index.ready.then(changed, () => {});
  }

  get entries(): Entry[] {
    const seen = new Set<string>();
    return this.#index.text.split("\n").map((line) => line.split("\t"))
      .filter(([id]) => id !== undefined && /^[a-z0-9-]{1,64}$/.test(id) && id !== INDEX && !seen.has(id) && seen.add(id))
      .map(([id, title]) => ({ id: id!, title: title === undefined || title === "" ? id! : title }));
  }

  titleOf(id: string): string { return this.entries.find((entry) => entry.id === id)?.title ?? id; }

  /** Returns the id. */
  async add(title: string): Promise<string> {
    const clean = title.replace(/\s+/g, " ").trim();
    const stem = clean.toLowerCase().normalize("NFD").replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 40) || "document";
    const id = `${stem}-${Math.random().toString(36).slice(2, 6)}`;
    await this.#index.ready;
    this.#index.insert(this.#index.length, `${id}\t${clean}\n`);
    return id;
  }
}

export const contentOf = (id: string): string => id === "welcome" ? WELCOME : "";
