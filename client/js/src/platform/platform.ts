/** What the client needs of where it runs. The cores need nothing; this is for the edge around them. */
import type { Storage } from "../storage/storage.js";

/** The part of a browser's WebSocket that is used. */
export interface SocketLike {
  binaryType: string;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: (() => void) | null;
  onerror: (() => void) | null;
  send(data: Uint8Array): void;
  close(code?: number): void;
}

export interface PlatformListener {
  /** The network is back, or somebody looks at the page again: no time to wait out a pause. */
  awake(): void;
  /** The network is gone. */
  offline(): void;
  /** The page may never run again: what is not stored is stored now. */
  leaving(): void;
}

export interface Platform {
  openSocket(url: string, protocol: string): SocketLike;
  /** Monotonic. */
  nowMs(): number;
  randomBytes(size: number): Uint8Array;
  /** Undefined: nothing outlives the page. */
  storage(): Storage | undefined;
  /** Runs `call` soon, after what else waits: long work is cut into slices with this. */
  later(call: () => void): void;
  /** Returns a function that stops listening. */
  watch(listener: PlatformListener): () => void;
}
