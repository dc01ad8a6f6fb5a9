import { randomBytes } from "node:crypto";
import WebSocket from "ws";
import type { Platform, SocketLike } from "./platform.js";

export const nodePlatform = (): Platform => ({
  openSocket: (url, protocol) => new WebSocket(url, protocol, { perMessageDeflate: false }) as unknown as SocketLike,
  nowMs: () => performance.now(),
  randomBytes: (size) => new Uint8Array(randomBytes(size)),
  storage: () => undefined,
  later: (call) => void setImmediate(call),
  watch: () => () => {},
});
