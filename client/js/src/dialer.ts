/** One socket after another for one connection (core/connection.ts): dials, reads in slices, writes what is due, keeps its
 * timer. Nothing of the protocol is decided here. */
import { CONNECTION_DEFAULTS, Connection } from "./core/connection.js";
import type { Platform, SocketLike } from "./platform/platform.js";
import type { ClientId } from "./wire/ids.js";
import { idFromBytes } from "./wire/ids.js";

const SUBPROTOCOL = "ordo.v1";
const NORMAL = 1000; // status of a WebSocket that is closed
const SLICE_MS = 8; // so that a page stays at 60 frames a second
const RENEW_BEFORE_MS = 60_000; // a token's end
const RENEW_AGAIN_MS = 5_000; // after a try that brought none

export interface DialerOptions {
  readonly url: string;
  readonly platform: Platform;
  readonly token: () => Promise<string>;
  readonly agent: string;
  readonly clientId: ClientId;
  readonly ready: (user: string) => void;
  readonly error: (code: number, message: string) => void;
}

export const drawClientId = (platform: Platform): ClientId => idFromBytes(platform.randomBytes(16));

export class Dialer {
  readonly connection: Connection;
  #socket: SocketLike | undefined;
  #isDialing = false;
  #isPaused = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #renewal: ReturnType<typeof setTimeout> | undefined;
  #isFlushDue = false;
  readonly #frames: Uint8Array[] = [];
  #slice: Generator<void> | undefined; // of the frame at hand
  #isSliceDue = false;

  constructor(readonly options: DialerOptions) {
    const { platform, clientId, agent } = options;
    this.connection = new Connection(
      { ...CONNECTION_DEFAULTS, clientId, agent, token: "", drawClientId: () => drawClientId(platform),
        random: () => platform.randomBytes(1)[0]! / 256 },
      { wake: () => this.#wake(), ready: options.ready, error: options.error });
    this.#wake();
  }

  get nowMs(): number { return this.options.platform.nowMs(); }

  /** No connection until `resume`. */
  pause(): void {
    this.#isPaused = true;
    this.#hangUp();
  }

  resume(): void {
    this.#isPaused = false;
    this.connection.retryNow(this.nowMs);
  }

  retryNow(): void { if (!this.#isPaused) this.connection.retryNow(this.nowMs); }

  stop(): void {
    this.#flush(); // what was said last
    this.connection.stop();
    clearTimeout(this.#timer);
    clearTimeout(this.#renewal);
    this.#hangUp();
  }

  // --- out -------------------------------------------------------------------------------------------------------

  /** Once per turn of the event loop, whatever many calls asked for it. */
  #wake(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushDue = false;
    const { connection, nowMs } = this;
    for (let frame; (frame = connection.takeFrame(nowMs)) !== undefined;) this.#socket?.send(frame);
    const wish = connection.wish(nowMs);
    if (wish === "close") this.#hangUp();
    else if (wish === "connect" && !this.#isPaused) void this.#dial();
    this.#setTimer();
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    const timerMs = this.connection.timerMs();
    if (timerMs === Infinity || (this.connection.state === "waiting" && (this.#isPaused || this.#isDialing))) return;
    this.#timer = setTimeout(() => {
      this.connection.tick(this.nowMs);
      this.#flush();
    }, Math.max(0, timerMs - this.nowMs));
  }

  // --- the socket ------------------------------------------------------------------------------------------------

  async #dial(): Promise<void> {
    if (this.#isDialing) return;
    this.#isDialing = true;
    let token: string | undefined;
    try {
      token = await this.options.token();
    } catch (error) {
      this.options.error(401, `no token: ${String(error)}`);
    }
    this.#isDialing = false;
    if (this.#isPaused || this.connection.wish(this.nowMs) !== "connect") return;
    this.connection.dialing(this.nowMs);
    if (token === undefined) {
      this.connection.disconnected(this.nowMs);
      return;
    }
    this.connection.setToken(token);
    this.#connect();
    this.#renewInTime(token);
  }

  #connect(): void {
    const { platform, url } = this.options;
    let socket: SocketLike;
    try {
      socket = platform.openSocket(url, SUBPROTOCOL);
    } catch (error) {
      this.options.error(400, String(error));
      this.connection.disconnected(this.nowMs);
      return;
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.connection.connected(this.nowMs);
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) this.#receive(new Uint8Array(data));
      else this.#hangUp();
    };
    socket.onerror = () => {}; // onclose follows
    socket.onclose = () => this.#hangUp();
    this.#setTimer();
  }

  #hangUp(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#frames.length = 0;
    this.#slice = undefined;
    clearTimeout(this.#renewal);
    if (socket !== undefined) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.onerror = () => {};
      socket.close(NORMAL);
    }
    this.connection.disconnected(this.nowMs);
    this.#wake();
  }

  // --- in --------------------------------------------------------------------------------------------------------

  #receive(frame: Uint8Array): void {
    this.#frames.push(frame);
    if (!this.#isSliceDue) this.#read();
  }

  /** A long answer, or many at once, must not freeze a page: other things get their turn after some milliseconds. */
  #read(): void {
    const endMs = this.nowMs + SLICE_MS;
    do {
      if (this.#slice === undefined) {
        const frame = this.#frames.shift();
        if (frame === undefined) return;
        this.#slice = this.connection.received(frame, this.nowMs);
      }
      const slice = this.#slice;
      if (slice.next().done === true && this.#slice === slice) this.#slice = undefined;
    } while (this.nowMs < endMs);
    this.#isSliceDue = true;
    this.options.platform.later(() => {
      this.#isSliceDue = false;
      this.#read();
    });
  }

  // --- the token -------------------------------------------------------------------------------------------------

  /** A JWT says when it ends: a fresh one is sent before. */
  #renewInTime(token: string): void {
    clearTimeout(this.#renewal);
    const leftMs = lifeOf(token);
    if (leftMs === undefined) return;
    this.#renewAfter(Math.max(leftMs - RENEW_BEFORE_MS, leftMs / 2, 1000), token);
  }

  #renewAfter(delayMs: number, old: string): void {
    clearTimeout(this.#renewal);
    const socket = this.#socket;
    this.#renewal = setTimeout(async () => {
      let fresh: string | undefined;
      try {
        fresh = await this.options.token();
      } catch (error) {
        this.options.error(401, `no token: ${String(error)}`);
      }
      if (socket !== this.#socket) return; // that connection is over, and the next one has its own
      if (fresh === undefined || fresh === old) return this.#renewAfter(RENEW_AGAIN_MS, old);
      this.connection.setToken(fresh);
      this.#renewInTime(fresh);
    }, Math.min(delayMs, 2 ** 31 - 1));
  }
}

/** Milliseconds until a JWT ends; undefined: it does not say, or is none. */
function lifeOf(token: string): number | undefined {
  try {
    const payload = token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/");
    const { exp } = JSON.parse(atob(payload)) as { exp?: unknown };
    return typeof exp === "number" ? exp * 1000 - Date.now() : undefined;
  } catch {
    return undefined;
  }
}
