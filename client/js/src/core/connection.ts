/** Many documents over one connection that comes and goes. Pure, driven by data.
 *
 * In: `dialing`, `connected`, `received` (one whole frame), `disconnected`, `tick`. Out: after any call, also one that edits
 * a document, ask `wish` whether to connect or to close, and send what `takeFrame` gives until it gives nothing. So whoever
 * drives it decides when to write, and may join what many calls produced.
 *
 *     waiting ──wish connect, dialing──▶ dialing ──connected──▶ greeting ──Welcome──▶ ready
 *        ▲                                  │                      │                    │
 *        └────────────── disconnected ◀─────┴──── (wish close) ◀───┴────────────────────┘
 *
 * Reconnects back off exponentially with jitter. A silent connection is pinged, then closed. Documents stay over all of
 * this; each is opened again on the new connection, and resends its op in flight. Times: monotonic milliseconds. */
import type { ClientMessage, HistoryRequest } from "../wire/client.js";
import type { ClientId } from "../wire/ids.js";
import { type ServerMessage, decodeServerFrame } from "../wire/server.js";
import { Doc } from "./doc.js";
import { Outgoing } from "./outgoing.js";
import { type ForgetAnswer, type HistoryAnswer, type Question, Questions } from "./questions.js";
import type { DocListener, DocOptions } from "./types.js";

const PROTOCOL = 1;
const LASTING_MS = 5000; // a connection that lived so long was no failure
const OP_SIZE_MAX = 1024 * 1024;
const FRAME_SIZE_MAX = OP_SIZE_MAX + 64 * 1024;
const HISTORY_LAST_SEQ = Number.MAX_SAFE_INTEGER; // on the wire a range has an end

export interface ConnectionOptions {
  readonly clientId: ClientId;
  readonly token: string;
  readonly agent: string;
  /** 0 ≤ r < 1, for jitter. */
  readonly random: () => number;
  /** A new client_id, should one be needed. */
  readonly drawClientId: () => ClientId;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** From dialing on. */
  readonly welcomeTimeoutMs: number;
  /** Of silence. */
  readonly pingAfterMs: number;
  readonly pongTimeoutMs: number;
}

export const CONNECTION_DEFAULTS = {
  backoffMinMs: 100, backoffMaxMs: 10_000, welcomeTimeoutMs: 10_000, pingAfterMs: 15_000, pongTimeoutMs: 10_000,
};

export interface ConnectionListener {
  /** Welcome: who the server takes us for. */
  ready?(user: string): void;
  /** An Error that concerns no document, for example 401: the connection is being closed. */
  error?(code: number, message: string): void;
  /** There is something to send, or a timer moved. */
  wake?(): void;
}

type ConnectionState = "waiting" | "dialing" | "greeting" | "ready" | "closing" | "stopped";

interface Entry {
  readonly doc: Doc;
  handle: number; // 0: not open on this connection
  openRequest: number; // number of the Open that is unanswered; 0: none
}

export class Connection {
  #state: ConnectionState = "waiting";
  #clientId: ClientId;
  #token: string;
  #isStopping = false;
  #nowMs = 0;
  #reconnectAtMs = 0; // waiting
  #deadlineMs = 0; // dialing, greeting
  #readySinceMs = 0;
  #heardAtMs = 0;
  #pingedAtMs = 0; // 0: no ping since
  #failureCount = 0; // connections in a row that did not last
  #goAwayMs = -1; // the server's wish for the next reconnect
  #isRenewing = false; // a new client_id is needed: nothing new goes in flight until all is settled
  #opSizeMax = OP_SIZE_MAX;
  #frameSizeMax = FRAME_SIZE_MAX;
  #nextRequest = 0;
  #docsTimerMs = Infinity; // not after the earliest timer of any document
  /** Above every client_seq that a closed document used. One that is opened again goes on from here: the server may have
   * forgotten this client, and then tells of no last_client_seq. */
  #nextClientSeq = 1;
  readonly #entries = new Map<Doc, Entry>();
  readonly #handles = new Map<number, Entry>();
  readonly #touched = new Set<Doc>(); // to look at in `takeFrame`
  readonly #questions = new Questions();
  readonly #out = new Outgoing();

  constructor(readonly options: ConnectionOptions, readonly listener: ConnectionListener = {}) {
    this.#clientId = options.clientId;
    this.#token = options.token;
  }

  get state(): ConnectionState { return this.#state; }
  get clientId(): ClientId { return this.#clientId; }
  /** Nothing has gone wrong so far, and nothing right. */
  get isFirstTry(): boolean { return this.#failureCount === 0 && this.#readySinceMs === 0; }
  get docs(): Doc[] { return [...this.#entries.keys()]; }

  // --- documents -------------------------------------------------------------------------------------------------

  /** Opens a document, now or as soon as there is a connection; once per connection. */
  open(options: DocOptions, listener: DocListener): Doc {
    const doc = new Doc(options, this.#clientId, listener, this.#nextClientSeq);
    this.#entries.set(doc, { doc, handle: 0, openRequest: 0 });
    doc.touched = () => this.#touch(doc);
    this.#touch(doc);
    return doc;
  }

  /** Leaves it. Edits that are not settled are lost, unless stored. */
  close(doc: Doc): void {
    const entry = this.#entries.get(doc);
    if (entry === undefined) return;
    if (this.#state === "ready") this.#leave(entry);
    this.#handles.delete(entry.handle);
    this.#questions.fail(doc, 499, "closed");
    this.#entries.delete(doc);
    this.#touched.delete(doc);
    this.#nextClientSeq = Math.max(this.#nextClientSeq, doc.nextClientSeq);
    doc.touched = () => {};
    this.#wake();
  }

  /** The listener gets the parts, or why there are none. */
  readHistory(doc: Doc, what: HistoryRequest, listener: (answer: HistoryAnswer) => void): void {
    const asked = "toSeq" in what && what.toSeq === 0 ? { ...what, toSeq: HISTORY_LAST_SEQ } : what;
    this.#ask({ kind: "history", doc, listener }, (ids) => ({ kind: "history", ...ids, what: asked }));
  }

  /** Has the document erased, with its history, for everybody, if it is still of this lineage. The listener gets the answer, or
   * why there is none: after 503 it is unknown whether it was done. */
  forget(doc: Doc, lineage: number, listener: (answer: ForgetAnswer) => void): void {
    this.#ask({ kind: "forget", doc, listener }, (ids) => ({ kind: "forget", ...ids, lineage }));
  }

  #ask(question: Question, say: (ids: { request: number; doc: number }) => ClientMessage): void {
    const handle = this.#state === "ready" ? this.#entries.get(question.doc)?.handle ?? 0 : 0;
    if (handle === 0) return question.listener({ code: 503, message: "not connected" });
    const request = ++this.#nextRequest;
    this.#questions.add(request, question);
    this.#send(say({ request, doc: handle }));
    this.#wake();
  }

  // --- the way down and up again ---------------------------------------------------------------------------------

  wish(nowMs: number): "nothing" | "connect" | "close" {
    if (this.#state === "closing") return "close";
    return this.#state === "waiting" && nowMs >= this.#reconnectAtMs ? "connect" : "nothing";
  }

  get #hasSocket(): boolean { return this.#state !== "waiting" && this.#state !== "stopped"; }

  dialing(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#state = "dialing";
    this.#deadlineMs = nowMs + this.options.welcomeTimeoutMs;
  }

  connected(nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#state !== "dialing") return; // stopped meanwhile
    this.#state = "greeting";
    this.#out.clear();
    this.#frameSizeMax = FRAME_SIZE_MAX;
    this.#send({ kind: "hello", clientId: this.#clientId, token: this.#token, agent: this.options.agent });
    this.#wake();
  }

  /** The socket is closed, or dialing failed. */
  disconnected(nowMs: number): void {
    if (!this.#hasSocket) return;
    this.#nowMs = nowMs;
    const hasLasted = this.#readySinceMs > 0 && nowMs - this.#readySinceMs >= LASTING_MS;
    this.#failureCount = hasLasted ? 1 : this.#failureCount + 1;
    this.#readySinceMs = 0;
    this.#state = this.#isStopping ? "stopped" : "waiting";
    this.#reconnectAtMs = nowMs + Math.max(this.#goAwayMs, 0) + this.#backoffMs();
    this.#goAwayMs = -1;
    this.#out.clear();
    this.#handles.clear();
    this.#docsTimerMs = Infinity;
    for (const entry of this.#entries.values()) {
      entry.handle = entry.openRequest = 0;
      entry.doc.disconnected();
    }
    this.#questions.fail(undefined, 503, "not connected");
    if (this.#isRenewing && !this.#hasInFlight) this.#renewClientId();
    this.#wake();
  }

  /** Connects at once, whatever the backoff: the network is back, or somebody looks at the page again. On a live connection:
   * asks whether it still is one. */
  retryNow(nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#state === "waiting") this.#reconnectAtMs = nowMs;
    else if (this.#state === "ready" && this.#pingedAtMs === 0) this.#ping();
    this.#wake();
  }

  /** The network is known to be gone: what is in flight is not waited for. */
  drop(): void { this.#close(); }

  /** No reconnect any more; wishes close if there is a socket. */
  stop(): void {
    this.#isStopping = true;
    if (this.#hasSocket) this.#close();
    else this.#state = "stopped";
  }

  /** Replaces the token; on a live connection it is sent at once. */
  setToken(token: string): void {
    this.#token = token;
    if (this.#state !== "ready") return;
    this.#send({ kind: "authenticate", token });
    this.#wake();
  }

  /** Exponential, the upper half of it at random: clients that lost the same gateway do not come back as one. */
  #backoffMs(): number {
    const { backoffMinMs, backoffMaxMs, random } = this.options;
    const delayMs = Math.min(backoffMinMs * 2 ** Math.min(Math.max(this.#failureCount - 1, 0), 20), backoffMaxMs);
    return delayMs / 2 + random() * (delayMs / 2);
  }

  get #hasInFlight(): boolean {
    return this.docs.some((doc) => doc.error === undefined && doc.inFlight !== undefined);
  }

  /** Ops are known under the client_id of their connection, so it changes between two of them, and only when nothing is in
   * flight under the old one. */
  #renewClientId(): void {
    this.#clientId = this.options.drawClientId();
    for (const doc of this.docs) if (doc.error === undefined) doc.setClientId(this.#clientId);
    this.#isRenewing = false;
  }

  #close(): void {
    if (!this.#hasSocket) return;
    this.#state = "closing";
    this.#wake();
  }

  // --- receiving -------------------------------------------------------------------------------------------------

  /** One ServerFrame. Yields where the driver may let other things happen; what is left is dropped on a disconnect. A frame
   * that does not decode is not applied at all and leads to wish close. */
  *received(frame: Uint8Array, nowMs: number): Generator<void> {
    this.#nowMs = this.#heardAtMs = nowMs;
    this.#pingedAtMs = 0;
    if (this.#state !== "greeting" && this.#state !== "ready") return;
    let messages: ServerMessage[];
    try {
      messages = yield* decodeServerFrame(frame);
    } catch {
      this.#close();
      return;
    }
    for (const message of messages) {
      if (this.#state === "ready") yield* this.#dispatch(message);
      else if (this.#state === "greeting") yield* this.#greet(message);
      else break; // closing: what follows would be lost anyway
      yield;
    }
  }

  *#greet(message: ServerMessage): Generator<void> {
    const { body } = message;
    if (body.kind === "goAway") {
      yield* this.#dispatch(message);
    } else if (body.kind === "error") {
      yield* this.#dispatch(message);
      this.#close();
    } else if (body.kind === "welcome") {
      if (body.protocol !== PROTOCOL) {
        this.#close();
        return;
      }
      this.#state = "ready";
      this.#readySinceMs = this.#heardAtMs;
      this.#opSizeMax = body.opSizeMax || OP_SIZE_MAX;
      this.#frameSizeMax = body.frameSizeMax || FRAME_SIZE_MAX;
      for (const doc of this.#entries.keys()) this.#touch(doc);
      this.listener.ready?.(body.user);
    }
  }

  *#dispatch({ request, doc: handle, body }: ServerMessage): Generator<void> {
    const entry = this.#handles.get(handle), doc = entry?.doc;
    switch (body.kind) {
      case "committed": doc?.committed(body.committed); break;
      case "ack": doc?.ack(body.ack); break;
      case "nack": doc?.nack(body.nack, this.#nowMs); break;
      case "presence": doc?.presence(body.presence); return;
      case "status": doc?.documentStatus(body.isAvailable); return;
      case "opened": yield* this.#opened(request, handle, body.opened); return;
      case "history": this.#questions.history(request, body.part); return;
      case "forgotten": this.#questions.forgotten(request, body.head); return;
      case "error": this.#error(request, entry, body.code, body.message); return;
      case "goAway":
        this.#goAwayMs = body.reconnectAfterMs;
        this.#close();
        return;
      case "welcome": // only the first one counts
      case "pong": // that something came is all that matters
      case "none": return;
    }
    if (doc !== undefined) this.#touch(doc);
  }

  *#opened(request: number, handle: number, opened: Parameters<Doc["opened"]>[0]): Generator<void> {
    let entry = this.#handles.get(handle);
    if (entry === undefined) {
      entry = this.#entryByRequest(request);
      if (entry === undefined) {
        // Closed here before the answer came. An unasked one for a handle that was left needs no answer.
        if (request !== 0 && handle !== 0 && !opened.more) this.#send({ kind: "leave", doc: handle });
        return;
      }
      if (entry.handle !== 0 || handle === 0) {
        this.#close();
        return;
      }
      entry.handle = handle;
      this.#handles.set(handle, entry);
    }
    if (!opened.more && request === entry.openRequest) entry.openRequest = 0;
    yield* entry.doc.opened(opened);
    this.#touch(entry.doc);
  }

  #entryByRequest(request: number): Entry | undefined {
    if (request === 0) return undefined;
    return [...this.#entries.values()].find((entry) => entry.openRequest === request);
  }

  #error(request: number, entry: Entry | undefined, code: number, message: string): void {
    const asked = this.#entryByRequest(request);
    if (request === 0 && entry !== undefined) {
      this.#leave(entry); // should it be open after all, it is not in the way of the next Open
      entry.doc.ended(this.#nowMs);
      this.#touch(entry.doc);
    } else if (asked !== undefined) {
      asked.openRequest = 0;
      this.#handles.delete(asked.handle); // refused after its first part
      asked.handle = 0;
      asked.doc.openRefused(code, message, this.#nowMs);
      this.#touch(asked.doc);
    } else if (!this.#questions.refuse(request, { code, message })) {
      this.listener.error?.(code, message);
    }
  }

  // --- timers ----------------------------------------------------------------------------------------------------

  get #pingTimerMs(): number {
    if (this.#pingedAtMs > 0) return this.#pingedAtMs + this.options.pongTimeoutMs;
    return this.#heardAtMs + this.options.pingAfterMs;
  }

  /** When `tick` has something to do; Infinity: never. */
  timerMs(): number {
    switch (this.#state) {
      case "waiting": return this.#reconnectAtMs;
      case "dialing":
      case "greeting": return this.#deadlineMs;
      case "ready": return Math.min(this.#pingTimerMs, this.#docsTimerMs);
      case "closing":
      case "stopped": return Infinity;
    }
  }

  #noteTimer(doc: Doc): void {
    const timerMs = doc.timerMs();
    if (timerMs <= this.#nowMs) return; // it was served, and what it still wants is not a matter of time
    this.#docsTimerMs = Math.min(this.#docsTimerMs, timerMs);
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#state === "dialing" || this.#state === "greeting") {
      if (nowMs >= this.#deadlineMs) this.#close();
    } else if (this.#state === "ready") {
      if (nowMs >= this.#docsTimerMs) this.#tickDocs();
      if (nowMs < this.#pingTimerMs) return;
      if (this.#pingedAtMs > 0) this.#close();
      else this.#ping();
    }
  }

  #tickDocs(): void {
    this.#docsTimerMs = Infinity;
    for (const doc of this.docs) {
      if (doc.timerMs() <= this.#nowMs) this.#touch(doc);
      else this.#noteTimer(doc);
    }
  }

  #ping(): void {
    this.#pingedAtMs = this.#nowMs;
    this.#send({ kind: "ping", nonce: Math.floor(this.#nowMs) });
    this.#wake();
  }

  // --- what there is to say --------------------------------------------------------------------------------------

  #wake(): void { this.listener.wake?.(); }

  #touch(doc: Doc): void {
    this.#touched.add(doc);
    this.#wake();
  }

  #send(message: ClientMessage): void { this.#out.add(message); }

  #leave(entry: Entry): void {
    if (entry.handle === 0) return;
    this.#send({ kind: "leave", doc: entry.handle });
    this.#handles.delete(entry.handle);
    entry.handle = 0;
  }

  #serve(entry: Entry): void {
    const { doc } = entry;
    switch (doc.wants(this.#nowMs)) {
      case "nothing":
        if (doc.error !== undefined) this.#leave(entry);
        else if (entry.handle !== 0)
          for (const message of doc.flush(entry.handle, this.#opSizeMax, !this.#isRenewing, this.#nowMs)) this.#send(message);
        break;
      case "reopen":
        this.#leave(entry);
        this.#open(entry);
        break;
      case "open": this.#open(entry); break;
      case "client-id": this.#isRenewing = true; break;
      case "reconnect": this.#close(); break;
    }
    this.#noteTimer(doc);
  }

  #open(entry: Entry): void {
    entry.openRequest = ++this.#nextRequest;
    this.#send(entry.doc.open(entry.openRequest));
  }

  /** The next ClientFrame with all that is due; undefined when there is nothing to send. */
  takeFrame(nowMs: number): Uint8Array | undefined {
    this.#nowMs = nowMs;
    const touched = [...this.#touched];
    this.#touched.clear();
    for (const doc of touched) {
      const entry = this.#entries.get(doc);
      if (this.#state === "ready" && entry !== undefined) this.#serve(entry);
    }
    if (this.#state === "ready" && this.#isRenewing && !this.#hasInFlight) this.#close();
    return this.#state === "greeting" || this.#state === "ready" ? this.#out.take(this.#frameSizeMax) : undefined;
  }
}
