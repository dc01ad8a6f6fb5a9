import { IndexedDbStorage } from "../storage/indexeddb.js";
import type { Platform, PlatformListener, SocketLike } from "./platform.js";

/** A task right behind those that wait, without the pause that timers get. */
function makeLater(): (call: () => void) => void {
  const channel = new MessageChannel(), calls: (() => void)[] = [];
  channel.port1.onmessage = () => calls.shift()?.();
  return (call) => {
    calls.push(call);
    channel.port2.postMessage(0);
  };
}

function watch(listener: PlatformListener): () => void {
  const end = new AbortController();
  const on = (target: EventTarget, name: string, call: () => void): void => target.addEventListener(name, call, end);
  on(window, "online", () => listener.awake());
  on(window, "offline", () => listener.offline());
  on(window, "pagehide", () => listener.leaving());
  on(document, "visibilitychange", () => document.visibilityState === "visible" ? listener.awake() : listener.leaving());
  return () => end.abort();
}

export const browserPlatform = (): Platform => ({
  openSocket: (url, protocol) => new WebSocket(url, protocol) as unknown as SocketLike,
  nowMs: () => performance.now(),
  randomBytes: (size) => crypto.getRandomValues(new Uint8Array(size)),
  // Without locks two tabs could not be told apart: then nothing is kept.
  storage: () => typeof indexedDB !== "undefined" && navigator.locks !== undefined ? new IndexedDbStorage() : undefined,
  later: makeLater(),
  watch,
});
