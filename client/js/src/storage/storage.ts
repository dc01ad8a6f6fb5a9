/** Where records of documents outlive the page. One record per document and instance: each open instance holds a seat of its
 * own under an exclusive lock, so that two tabs never write, or speak with, the same identity. */
import type { DocRecord } from "../core/types.js";

export interface Hold {
  /** What an earlier instance left in this seat. */
  readonly record: DocRecord | undefined;
  /** Atomic: afterwards the next start finds this record, or after a crash the one before. */
  write(record: DocRecord): Promise<void>;
  remove(): Promise<void>;
  /** Gives the seat free. Nothing is written afterwards. */
  release(): void;
}

export interface Storage {
  /** A seat that nobody holds: one with edits that the server may lack, else one with content, else a new one. */
  acquire(name: string): Promise<Hold>;
  /** A further free seat with edits that the server may lack, left by an instance that is gone; undefined: none. */
  acquireOrphan(name: string): Promise<Hold | undefined>;
}

/** Seats of one document that are looked at; more instances than that keep nothing. */
export const SEATS_MAX = 64;

/** Names a document on a server. */
export const storageName = (url: string, collection: string, id: string): string => JSON.stringify([url, collection, id]);
