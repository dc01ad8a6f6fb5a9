// A connection under the test's full control: it sends what it is told, well formed or not, and keeps what comes back,
// or hands it to `onMessage` where a test sets that.
import net from "node:net";
import { once } from "node:events";
import { randomBytes } from "node:crypto";
import WebSocket from "ws";
import { SUBPROTOCOL, decodeServer, encodeClient } from "./wire.mjs";

export class RawConnection {
  /** `http`: options of the request, as `ws` has them: origin, headers. Resolves when the WebSocket stands; rejects with the HTTP status where the server refuses it. */
  static async connect(url, { clientId = randomBytes(16), hello = true, types = ["text"], token = "", ...http } = {}) {
    const raw = new RawConnection();
    raw.clientId = clientId;
    raw.messages = [];
    raw.waiting = [];
    raw.socket = new WebSocket(url, SUBPROTOCOL, { perMessageDeflate: false, ...http });
    raw.socket.on("message", (bytes) => raw.#receive(bytes));
    raw.closed = new Promise((done) => raw.socket.on("close", (code, reason) => done({ code, reason: String(reason) })));
    raw.closed.then((close) => raw.waiting.splice(0).forEach((waiter) => waiter.ended(close)));
    raw.socket.on("error", () => {});
    await new Promise((resolve, reject) => {
      raw.socket.on("open", resolve);
      raw.socket.on("error", reject);
    });
    if (hello) {
      raw.send({ hello: { protocol: 1, client_id: clientId, types, token } });
      raw.welcome = (await raw.next((message) => message.welcome)).welcome;
    }
    return raw;
  }

  #receive(bytes) {
    for (const message of decodeServer(bytes)) {
      if (this.onMessage) { // instead of keeping it
        this.onMessage(message);
        continue;
      }
      this.messages.push(message);
      const waiter = this.waiting.find((candidate) => candidate.wants(message));
      if (waiter) waiter.take(message);
    }
  }

  send(...messages) { this.socket.send(encodeClient(...messages)); }
  sendBytes(bytes) { this.socket.send(bytes); }

  /** The first message, of those that nobody has taken yet or of those to come, that `wanted` says yes to. */
  next(wanted, timeoutMs = 15_000) {
    const index = this.messages.findIndex(wanted);
    if (index >= 0) return Promise.resolve(this.messages.splice(index, 1)[0]);
    return new Promise((resolve, reject) => {
      const leave = () => { clearTimeout(timer); this.waiting = this.waiting.filter((other) => other !== waiter); };
      const waiter = {
        wants: wanted,
        take: (message) => {
          leave();
          this.messages.splice(this.messages.indexOf(message), 1);
          resolve(message);
        },
        ended: ({ code, reason }) => { leave(); reject(new Error(`the connection was closed with ${code} ${reason}`)); },
      };
      const timer = setTimeout(() => {
        leave();
        reject(new Error(`no such message in ${timeoutMs} ms: ${wanted}; have ${JSON.stringify(this.messages)}`));
      }, timeoutMs);
      this.waiting.push(waiter);
    });
  }

  /** Opens a document; resolves to Opened with `doc`, its handle. */
  async open(collection, id, options = {}) {
    const request = (this.request = (this.request ?? 0) + 1);
    this.send({ request, open: { collection, id, create_type: "text", ...options } });
    const answer = await this.next((message) => message.request === request);
    if (answer.error) throw Object.assign(new Error(`${answer.error.code}: ${answer.error.message}`), answer.error);
    return { ...answer.opened, doc: answer.doc };
  }

  /** Sends one op and resolves to its Ack or Nack: { ack } or { nack }. */
  submit(doc, clientSeq, baseSeq, op) {
    this.send({ doc, submit: { client_seq: clientSeq, base_seq: baseSeq, ...op } });
    return this.answerTo(doc, clientSeq);
  }

  answerTo(doc, clientSeq) {
    return this.next(({ doc: of, ack, nack }) => of === doc && (ack ?? nack)?.client_seq === clientSeq);
  }

  /** Resolves to { code, reason } when the server has closed the connection. */
  async closedByServer(timeoutMs = 15_000) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the server kept the connection open for ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      return await Promise.race([this.closed, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  close() { this.socket.terminate(); }
}

/** An insert at the start: as TextOp, as one puts it into `submit` or `open`. */
export const insertAtStart = (text) => ({ text: { spans: [Array.from(text).length * 16 + 1], text } });

/** Sends bytes over plain TCP and resolves to all that came back, once the server ends the connection or after
 * `quietMs` without a byte. */
export async function tcpExchange(host, bytes, { quietMs = 500 } = {}) {
  const [name, port] = host.split(":");
  const socket = net.connect({ host: name, port: Number(port) });
  await once(socket, "connect");
  socket.write(bytes);
  const chunks = [];
  let wasEnded = false;
  await new Promise((done) => {
    let timer = setTimeout(done, quietMs * 4);
    socket.on("data", (chunk) => { chunks.push(chunk); clearTimeout(timer); timer = setTimeout(done, quietMs); });
    socket.on("error", done).on("end", () => { wasEnded = true; done(); });
  });
  socket.destroy();
  return { bytes: Buffer.concat(chunks), wasEnded };
}
