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
  const online = (): void => listener.awake(), offline = (): void => listener.offline(), leaving = (): void => listener.leaving();
  const visibility = (): void => document.visibilityState === "visible" ? listener.awake() : listener.leaving();
  addEventListener("online", online);
  addEventListener("offline", offline);
  addEventListener("pagehide", leaving);
  document.addEventListener("visibilitychange", visibility);
  return () => {
    removeEventListener("online", online);
    removeEventListener("offline", offline);
    removeEventListener("pagehide", leaving);
    document.removeEventListener("visibilitychange", visibility);
  };
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
