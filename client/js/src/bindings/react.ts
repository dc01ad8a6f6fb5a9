/** React: a document's state as a value that renders again when it changes. */
import { useEffect, useState, useSyncExternalStore } from "react";
import type { Client, OpenOptions } from "../client.js";
import type { Status } from "../core/types.js";
import type { Document } from "../document.js";
import type { Person } from "../people.js";

export interface DocumentState {
  readonly text: string;
  readonly status: Status;
  readonly unsavedCount: number;
  readonly isReadOnly: boolean;
  readonly people: readonly Person[];
}

const EMPTY: DocumentState = { text: "", status: "connecting", unsavedCount: 0, isReadOnly: true, people: [] };

interface Store { subscribe(listener: () => void): () => void; read(): DocumentState }

const nothing: Store = { subscribe: () => () => {}, read: () => EMPTY };

function storeOf(doc: Document): Store {
  const readNow = (): DocumentState =>
    ({ text: doc.text, status: doc.status, unsavedCount: doc.unsavedCount, isReadOnly: doc.isReadOnly, people: doc.people });
  let state = readNow();
  return {
    read: () => state,
    subscribe(listener) {
      const changed = (): void => {
        state = readNow();
        listener();
      };
      changed();
      const stops = [doc.on("change", changed), doc.on("status", changed), doc.on("people", changed)];
      return () => { for (const stop of stops) stop(); };
    },
  };
}

/** The state of a document that is open elsewhere; undefined is none yet. */
export function useDocumentState(doc: Document | undefined): DocumentState {
  const [store, setStore] = useState<Store>(nothing);
  useEffect(() => setStore(doc === undefined ? nothing : storeOf(doc)), [doc]);
  return useSyncExternalStore(store.subscribe, store.read, () => EMPTY);
}

/** Opens a document for as long as the component lives. */
export function useDocument(client: Client, collection: string, id: string, options?: OpenOptions):
    { readonly doc: Document | undefined } & DocumentState {
  const [doc, setDoc] = useState<Document>();
  const isCreating = options?.create ?? false;
  useEffect(() => {
    const opened = client.open(collection, id, { create: isCreating });
    let isGone = false;
    opened.ready.then(() => { if (!isGone) setDoc(opened); }, () => { if (!isGone) setDoc(opened); });
    return () => {
      isGone = true;
      setDoc(undefined);
      void opened.close();
    };
  }, [client, collection, id, isCreating]);
  return { doc, ...useDocumentState(doc) };
}
