// An Ordo client written from DESIGN sections 8 and 9 and proto/ordo.proto alone, so that it shares no mistake with
// client/c or client/js. One document per client. It never sets tie bits and honours those of others.
//
// State (section 9): `confirmed` is the text at `seq`; `inFlight` is at most one op, kept as it was first sent and as
// it is now after rebasing; `pending` is what was typed since, composed into one op; `text` is all of it together.
// Whatever breaks a promise of the server's ends in `violation`, which every waiting promise rejects with.
import { EventEmitter } from "node:events";
import { randomBytes } from "node:crypto";
import WebSocket from "ws";
import { NackCode, nackName, SUBPROTOCOL, decodeServer, encodeClient } from "./wire.mjs";
import * as ot from "./text.mjs";

const SEND_AGAIN = new Set([NackCode.RATE_LIMITED, NackCode.UNAVAILABLE]);
const REOPEN = new Set([NackCode.STALE_BASE, NackCode.FUTURE_BASE, NackCode.NOT_OPEN, NackCode.PIPELINED]);
const NEW_IDENTITY = new Set([NackCode.REPLAYED, NackCode.CLIENT_ID_TAKEN]);

export class IndependentClient extends EventEmitter {
  /** `url` may be a list: each reconnect goes to the next one. `delayMs()`: how long each message waits in each direction, order kept; ties and crossings come from that.
   * `ledger`: see ledger.mjs; every committed op that this client sees is noted there. */
  constructor({ url, collection, id, clientId = randomBytes(16), delayMs = null, ledger = null, presence = false,
                wireOptions = {} }) {
    super();
    Object.assign(this, { url, collection, id, clientId, delayMs, ledger, presence, wireOptions });
    this.name = `${collection}/${id}`;
    this.confirmed = null; // { text, seq, lineage }
    this.inFlight = null;  // { clientSeq, baseSeq, frozen, op, refused }
    this.pending = ot.EMPTY;
    this.text = "";
    this.clientSeq = 0;    // the newest one used
    this.handle = 0;       // 0: the document is not open on this connection
    this.acks = [];        // { clientSeq, serverSeq } as acked or seen committed
    this.returned = [];    // edits that could not be merged, given back as ops
    this.reconnects = 0;
    this.resyncs = 0;      // Opened that came unasked
    this.violation = null;
    this.stopped = true;
    this.partial = null;
    this.setMaxListeners(0);
  }

  // ---- what an application does

  connect() {
    this.stopped = false;
    this.#dial();
    return this.until(() => this.handle !== 0, "open");
  }

  close() {
    this.stopped = true;
    clearTimeout(this.redial);
    clearTimeout(this.resend);
    this.socket?.terminate();
  }

  /** Cuts the connection as a bad network would; the client comes back by itself. */
  drop() { this.socket?.terminate(); }

  /** Types: replaces `deleteCount` code points at `position` by `text`. */
  splice(position, deleteCount, text) {
    const op = ot.splice(position, deleteCount, text);
    if (ot.isEmpty(op)) return;
    this.text = ot.apply(this.text, op);
    this.pending = ot.compose(this.pending, op);
    this.#flush();
  }

  /** Resolves when `condition` holds; rejects on a violation, or after `timeoutMs` with what this client looks like. */
  until(condition, what, timeoutMs = 30_000) {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (!this.violation && !condition()) return;
        this.off("change", check);
        clearTimeout(timer);
        this.violation ? reject(this.violation) : resolve(this);
      };
      const timer = setTimeout(() => {
        this.off("change", check);
        reject(new Error(`${this.name}: waited ${timeoutMs} ms for: ${what}; ${this.describe()}`));
      }, timeoutMs);
      this.on("change", check);
      check();
    });
  }

  /** All that was typed is acked. */
  settled(timeoutMs) {
    return this.until(() => this.handle !== 0 && !this.inFlight && ot.isEmpty(this.pending), "settled", timeoutMs);
  }

  reached(seq, timeoutMs) { return this.until(() => this.confirmed?.seq >= seq, `seq ${seq}`, timeoutMs); }

  describe() {
    const { confirmed, inFlight, handle, pending, reconnects } = this;
    return JSON.stringify({ client: this.clientId.toString("hex"), seq: confirmed?.seq, handle, reconnects,
                            inFlight: inFlight && { ...inFlight, frozen: undefined }, pending: pending.op });
  }

  // ---- the connection

  #dial() {
    const urls = [this.url].flat();
    const socket = new WebSocket(urls[this.reconnects % urls.length], SUBPROTOCOL, { perMessageDeflate: false, ...this.wireOptions });
    this.socket = socket;
    this.handle = 0;
    this.partial = null;
    this.left = new Set(); // handles that we gave up on this connection: what still comes for them is old
    this.queues = { inbound: [], outbound: [] };
    socket.binaryType = "nodebuffer";
    socket.on("open", () => this.#send({ hello: { protocol: 1, client_id: this.clientId, types: ["text"] } }));
    socket.on("message", (bytes) => this.#later("inbound", socket, () => this.#receiveFrame(bytes)));
    socket.on("error", () => {}); // `close` follows
    socket.on("close", () => this.#closed(socket));
  }

  #closed(socket) {
    if (socket !== this.socket || this.stopped) return;
    this.socket = null; // what still waits in its queues is lost, as on any network
    this.handle = 0;
    this.reconnects++;
    this.backoffMs = Math.min((this.backoffMs ?? 10) * 2, 500);
    this.redial = setTimeout(() => this.#dial(), this.backoffMs * (0.5 + Math.random() / 2));
    this.emit("change");
  }

  /** Runs `act` after the delay, in order with all else in that direction, unless the connection has gone. */
  #later(direction, socket, act) {
    const run = (step) => { if (socket === this.socket && !this.stopped) this.#guarded(step); };
    if (!this.delayMs) return run(act);
    const queue = this.queues[direction];
    queue.push(act);
    setTimeout(() => run(queue.shift()), this.delayMs());
  }

  #guarded(act) {
    try {
      act();
    } catch (error) {
      this.violation ??= new Error(`${this.name}: ${error.message}; ${this.describe()}`, { cause: error });
      this.close();
    }
    this.emit("change");
  }

  #send(message) {
    const socket = this.socket;
    this.#later("outbound", socket, () => {
      if (socket.readyState === WebSocket.OPEN) socket.send(encodeClient(message));
    });
  }

  #receiveFrame(bytes) {
    for (const message of decodeServer(bytes)) this.#receive(message);
  }

  #receive(message) {
    const body = message[message.body];
    if (this.left.has(message.doc)) return;
    switch (message.body) {
      case "welcome": this.welcome = body; this.#open(); break;
      case "opened":
        if (message.request === 0 && !this.partial) this.resyncs++;
        this.#openedPart(message.doc, body);
        break;
      case "committed": this.#mustBeMine(message); this.#committed(body); break;
      case "ack": this.#mustBeMine(message); this.#acked(body); break;
      case "nack": this.#nacked(body); break;
      case "presence": this.emit("presence", body); break;
      case "status": this.status = body; break;
      case "go_away": this.drop(); break;
      case "error":
        if (body.code !== 503) throw new Error(`the server answered ${body.code}: ${body.message}`);
        this.resend = setTimeout(() => this.#open(), 50);
        break;
      default: break; // unknown messages are ignored, as unknown fields are
    }
  }

  #mustBeMine(message) {
    if (message.doc !== this.handle) throw new Error(`a message for handle ${message.doc}, mine is ${this.handle}`);
  }

  #open() {
    const open = { collection: this.collection, id: this.id, create_type: "text", presence: this.presence };
    if (this.confirmed) {
      open.have_seq = this.confirmed.seq;
      open.have_lineage = this.confirmed.lineage;
    }
    open.clean = !this.inFlight && ot.isEmpty(this.pending);
    this.#send({ request: 1, open });
  }

  /** Leaves the document and opens it again on the same connection. */
  #reopen() {
    if (this.handle !== 0) {
      this.#send({ doc: this.handle, leave: {} });
      this.left.add(this.handle);
    }
    this.handle = 0;
    this.partial = null;
    this.#open();
  }

  // ---- what the server says

  #openedPart(doc, part) {
    if (!this.partial) this.partial = { ...part, ops: [] };
    else if (part.content) this.partial.content.text += part.content.text;
    for (const op of part.ops) this.partial.ops.push(op);
    if (part.more) return;
    const opened = { ...this.partial, ...part, content: this.partial.content, ops: this.partial.ops };
    this.partial = null;
    this.handle = doc;
    this.backoffMs = undefined;
    this.#opened(opened);
  }

  #opened(opened) {
    if (opened.content) this.#startFrom(opened);
    if (!this.confirmed) throw new Error("Opened has no content, and we have none");
    opened.ops.forEach((committed) => this.#committed(committed));
    if (this.confirmed.seq !== opened.head) {
      throw new Error(`Opened says head ${opened.head}, its parts lead to ${this.confirmed.seq}`);
    }
    this.clientSeq = Math.max(this.clientSeq, opened.last_client_seq);
    if (this.inFlight && opened.last_client_seq >= this.inFlight.clientSeq) {
      throw new Error(`op ${this.inFlight.clientSeq} is committed, yet neither content nor ops show it`);
    }
    if (this.inFlight?.refused) this.#refreeze();
    if (this.inFlight) this.#submit();
    else this.#flush();
  }

  /** Content: the first one, or we were away for longer than the log reaches back (section 9). */
  #startFrom({ content, lineage, last_client_seq: lastClientSeq }) {
    const fresh = { text: content.text, seq: content.seq, lineage };
    if (!this.confirmed || this.confirmed.lineage !== lineage || content.deleted) {
      if (this.confirmed) this.#giveBack();
      this.confirmed = fresh;
      this.text = ot.apply(fresh.text, this.pending); // typed before the document was ever open: at its start
      return;
    }
    if (this.inFlight && lastClientSeq >= this.inFlight.clientSeq) this.#promote(content.seq);
    const merged = ot.difference(this.confirmed.text, content.text);
    this.#rebaseOver(merged, Buffer.alloc(0), true);
    this.confirmed = fresh;
    if (this.inFlight) this.inFlight.refused = true; // its base is below the horizon: it goes in a new form
  }

  #committed(committed) {
    const { server_seq: seq, client_id: client, client_seq: clientSeq } = committed;
    if (seq !== this.confirmed.seq + 1) throw new Error(`server_seq ${seq} follows ${this.confirmed.seq}`);
    const other = this.#opOf(committed);
    this.ledger?.note(this.name, seq, client, clientSeq, other);
    if (this.inFlight && client.equals(this.clientId) && clientSeq === this.inFlight.clientSeq) {
      if (JSON.stringify(other) !== JSON.stringify(this.inFlight.op)) throw new Error("the server rebased otherwise");
      this.#settle(seq);
      return;
    }
    this.#rebaseOver(other, client, false);
    this.confirmed = { ...this.confirmed, text: ot.apply(this.confirmed.text, other), seq };
  }

  #opOf({ op, text, create, server_seq: seq }) {
    if (op === "text") return ot.decode(text);
    if (op === "create" && seq === 1 && create.text) return ot.decode(create.text);
    throw new Error(`the op "${op}" at ${seq} is not one that this client knows`); // never taken for an empty one
  }

  #acked({ client_seq: clientSeq, server_seq: seq, duplicate }) {
    if (clientSeq !== this.inFlight?.clientSeq) return;
    if (duplicate) {
      if (seq <= this.confirmed.seq) this.#reopen(); // else its Committed is still to come
      return;
    }
    if (seq !== this.confirmed.seq + 1) throw new Error(`an Ack for ${seq} follows ${this.confirmed.seq}`);
    this.ledger?.note(this.name, seq, this.clientId, clientSeq, this.inFlight.op);
    this.#settle(seq);
  }

  #nacked({ client_seq: clientSeq, code, message, retry_after_ms: retryAfterMs }) {
    this.emit("nack", { clientSeq, code, message });
    if (clientSeq !== this.inFlight?.clientSeq) return;
    if (SEND_AGAIN.has(code)) {
      clearTimeout(this.resend);
      this.resend = setTimeout(() => { if (this.handle !== 0 && this.inFlight) this.#submit(); }, retryAfterMs || 20);
    } else if (REOPEN.has(code)) {
      this.inFlight.refused = true;
      this.#reopen();
    } else if (NEW_IDENTITY.has(code)) {
      this.clientId = randomBytes(16);
      this.clientSeq = 0;
      this.inFlight.refused = true;
      this.drop();
    } else {
      this.emit("refused", nackName(code), message);
      this.#giveBack();
      this.text = this.confirmed.text;
    }
  }

  // ---- the state machine of section 9

  #rebaseOver(other, client, otherLeft) {
    if (this.inFlight) {
      const mine = this.inFlight.op;
      this.inFlight.op = ot.rebase(mine, this.clientId, other, client, otherLeft);
      other = otherLeft ? this.#overLeft(other, mine) : ot.rebase(other, client, mine, this.clientId);
    }
    const mine = this.pending;
    this.pending = ot.rebase(mine, this.clientId, other, client, otherLeft);
    other = otherLeft ? this.#overLeft(other, mine) : ot.rebase(other, client, mine, this.clientId);
    this.text = ot.apply(this.text, other);
  }

  /** A merge over our own op, staying left of it at ties: the empty id is smaller than any other. */
  #overLeft(merge, mine) { return ot.rebase(merge, Buffer.alloc(0), mine, this.clientId); }

  #settle(seq) {
    this.#promote(seq);
    this.#flush();
  }

  #promote(seq) {
    this.confirmed = { ...this.confirmed, text: ot.apply(this.confirmed.text, this.inFlight.op), seq };
    this.acks.push({ clientSeq: this.inFlight.clientSeq, serverSeq: seq });
    this.inFlight = null;
  }

  #giveBack() {
    if (this.inFlight) this.returned.push(this.inFlight.op);
    if (!ot.isEmpty(this.pending)) this.returned.push(this.pending);
    this.inFlight = null;
    this.pending = ot.EMPTY;
  }

  #flush() {
    if (this.handle === 0 || this.inFlight || ot.isEmpty(this.pending)) return;
    this.inFlight = { op: this.pending };
    this.pending = ot.EMPTY;
    this.#refreeze();
    this.#submit();
  }

  #refreeze() {
    Object.assign(this.inFlight, { clientSeq: ++this.clientSeq, baseSeq: this.confirmed.seq, refused: false,
                                   frozen: ot.encode(this.inFlight.op) });
  }

  #submit() {
    const { clientSeq, baseSeq, frozen } = this.inFlight;
    this.#send({ doc: this.handle, submit: { client_seq: clientSeq, base_seq: baseSeq, text: frozen } });
  }
}
