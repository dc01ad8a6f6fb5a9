// A server of one document in a hundred lines, so that the independent client is known to be right before it judges the
// real thing. Memory only; it keeps the order of checks of DESIGN section 8 and nothing else of a real server.
import { WebSocketServer } from "ws";
import { decodeClient, encodeServer, NackCode } from "./wire.mjs";
import * as ot from "./text.mjs";

export class ToyServer {
  /** `horizon()`: below it an Open gets content; default: never. */
  constructor({ text = "" } = {}) {
    this.log = [];       // { client, clientSeq, baseSeq, submitted, op, connection }
    this.text = text;
    this.startText = text;
    this.horizon = 0;
    this.newest = new Map(); // client id, hex → { clientSeq, serverSeq }
    this.connections = new Set();
    this.mute = false;   // commits without telling the author: an ack lost on its way
  }

  async listen() {
    this.server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: "/v1/ws" });
    this.server.on("connection", (socket) => this.#serve({ socket, handle: 0 }));
    await new Promise((done) => this.server.once("listening", done));
    return `ws://127.0.0.1:${this.server.address().port}/v1/ws`;
  }

  close() {
    this.server.clients.forEach((socket) => socket.terminate());
    return new Promise((done) => this.server.close(done));
  }

  /** Sends everyone an unasked Opened from the seq that was last delivered to it. */
  resync() {
    for (const connection of this.connections) {
      if (connection.handle !== 0) this.#sendOpened(connection, 0, connection.delivered);
    }
  }

  get head() { return this.log.length; }

  #serve(connection) {
    this.connections.add(connection);
    connection.socket.on("close", () => this.connections.delete(connection));
    connection.socket.on("message", (bytes) => decodeClient(bytes).forEach((m) => this.#receive(connection, m)));
  }

  #receive(connection, message) {
    const body = message[message.body];
    if (message.body === "hello") {
      connection.client = body.client_id;
      this.#send(connection, { request: message.request, welcome: { protocol: 1 } });
    } else if (message.body === "open") {
      connection.handle = (connection.handles = (connection.handles ?? 0) + 1);
      this.#sendOpened(connection, message.request, body.have === "have_seq" ? body.have_seq : -1);
    } else if (message.body === "leave") connection.handle = 0;
    else if (message.body === "submit") this.#submit(connection, body);
  }

  #sendOpened(connection, request, haveSeq) {
    const withContent = haveSeq < this.horizon;
    const mine = this.newest.get(connection.client.toString("hex"));
    const opened = { type: "text", head: this.head, lineage: 7, permission: 2, horizon: this.horizon,
                     last_client_seq: mine?.clientSeq ?? 0, last_client_server_seq: mine?.serverSeq ?? 0 };
    if (haveSeq < 0 || withContent) opened.content = { seq: this.head, text: this.text };
    else opened.ops = this.log.slice(haveSeq).map((entry, index) => committedOf(entry, haveSeq + index + 1));
    connection.delivered = this.head;
    this.#send(connection, { request, doc: connection.handle, opened });
  }

  #submit(connection, { client_seq: clientSeq, base_seq: baseSeq, text }) {
    const client = connection.client.toString("hex"), submitted = JSON.stringify([baseSeq, text]);
    const nack = (code) => this.#send(connection, { doc: connection.handle, nack: { client_seq: clientSeq, code } });
    const isThis = (entry) => entry.clientSeq === clientSeq && entry.client.equals(connection.client);
    const index = this.log.findIndex(isThis);
    if (index >= 0 && this.log[index].submitted === submitted) {
      const ack = { client_seq: clientSeq, server_seq: index + 1, duplicate: true };
      return this.#send(connection, { doc: connection.handle, ack });
    }
    const newest = this.newest.get(client);
    if (clientSeq <= (newest?.clientSeq ?? 0)) return nack(NackCode.REPLAYED);
    if (baseSeq > this.head) return nack(NackCode.FUTURE_BASE);
    if (baseSeq < this.horizon) return nack(NackCode.STALE_BASE);
    if (baseSeq < (newest?.serverSeq ?? 0)) return nack(NackCode.PIPELINED);
    let op = ot.decode(text);
    for (const entry of this.log.slice(baseSeq)) op = ot.rebase(op, connection.client, entry.op, entry.client);
    this.text = ot.apply(this.text, op);
    this.log.push({ client: connection.client, clientSeq, baseSeq, submitted, op });
    this.newest.set(client, { clientSeq, serverSeq: this.head });
    this.#announce(connection, clientSeq);
  }

  #announce(author, clientSeq) {
    for (const connection of this.connections) {
      if (connection.handle === 0 || (this.mute && connection === author)) continue;
      connection.delivered = this.head;
      const body = connection === author
        ? { ack: { client_seq: clientSeq, server_seq: this.head } }
        : { committed: committedOf(this.log.at(-1), this.head) };
      this.#send(connection, { doc: connection.handle, ...body });
    }
  }

  #send(connection, message) { connection.socket.send(encodeServer(message)); }
}

const committedOf = ({ client, clientSeq, baseSeq, op }, seq) =>
  ({ server_seq: seq, client_id: client, client_seq: clientSeq, base_seq: baseSeq, text: ot.encode(op) });
