// One document in memory, sequenced by the rules of docs/protocol.md and spoken of over the real wire. No sockets: a
// connection is two queues of frames, which the test moves, loses or cuts.
import { lengthAfterValid, tieOf, transform } from "../dist/ot/op.js";
import { Rope } from "../dist/ot/rope.js";
import { NackCode, decodeClient, encodeServer } from "./wire.mjs";

/** All but those that ask for another identity or for patience; one of them no client knows. */
const ODD_CODES = [0, 1, 2, 3, 4, 6, 11, 12, 13, 14, 99];

export class ToyServer {
  log = []; // { clientId, clientSeq, baseSeq, submitted, body: { kind, op, lineage }, connection }
  texts = [""]; // after each seq; undefined while deleted
  horizon = 0;
  lineage = 7;
  forgottenSeq = 0;
  permission = 2;
  authors = new Map(); // clientId → { clientSeq, serverSeq }
  connections = new Set();
  spent = new Set(); // identities that cannot commit any more
  partOps = Infinity; // ops in one part of an Opened

  constructor(random) { this.random = random; }

  get head() { return this.log.length; }
  get text() { return this.texts[this.head]; }

  connect() {
    const connection = { toClient: [], toServer: [], handle: 0, delivered: 0, isMute: false, isEnded: false, handles: 0 };
    this.connections.add(connection);
    return connection;
  }

  /** The server reads one frame. */
  receive(connection, frame) {
    for (const message of decodeClient(frame)) this.#message(connection, message);
  }

  #message(connection, message) {
    const body = message[message.body];
    switch (message.body) {
      case "hello":
        connection.clientId = body.client_id.toString("hex");
        this.#send(connection, { welcome: { protocol: 1, user: "toy", op_size_max: this.opSizeMax ?? 0 } });
        break;
      case "open":
        for (const other of this.connections) {
          if (other !== connection && other.clientId === connection.clientId) other.isEnded = true;
        }
        connection.handle = ++connection.handles;
        connection.isMute = false;
        connection.hasPresence = body.presence;
        this.#opened(connection, message.request, body);
        break;
      case "leave": if (message.doc === connection.handle) connection.handle = 0; break;
      case "submit": if (message.doc === connection.handle) this.#submit(connection, body); break;
      case "presence":
        for (const other of this.connections) {
          if (other !== connection && other.handle !== 0 && other.hasPresence)
            this.#send(other, { doc: other.handle, presence: { client_id: Buffer.from(connection.clientId, "hex"), user: "toy",
              data: body.data, base_seq: body.base_seq, ranges: body.ranges, gone: body.clear } });
        }
        break;
      case "ping": this.#send(connection, { pong: { nonce: body.nonce } }); break;
      case "history": this.#history(connection, message.request, body); break;
    }
  }

  /** Unasked, from the seq that was last delivered. */
  resync(connection) {
    if (connection.handle === 0) return;
    connection.isMute = false;
    this.#opened(connection, 0, { have: "have_seq", have_seq: connection.delivered, have_lineage: this.lineage });
  }

  #opened(connection, request, { have, have_seq: haveSeq, have_lineage: haveLineage, clean, create_type: type }) {
    const mine = this.authors.get(connection.clientId);
    const needsContent = have !== "have_seq" || haveLineage !== this.lineage || haveSeq < this.horizon || haveSeq > this.head;
    if (have !== "have_seq" && this.head === 0 && type !== "" && this.texts[0] === undefined) this.texts[0] = "";
    const contentSeq = this.random.chance(50) ? this.head : Math.max(this.horizon, this.head - this.random.below(3));
    const hasContent = needsContent || (clean && this.random.chance(20));
    const seq = this.log.slice(contentSeq).some((entry) => entry.body.kind !== "edit") ? this.head : contentSeq;
    const from = hasContent ? seq : haveSeq;
    const header = { type: "text", head: this.head, lineage: this.lineage, permission: this.permission, horizon: this.horizon,
      forgotten_seq: this.forgottenSeq, last_client_seq: mine?.clientSeq ?? 0, last_client_server_seq: mine?.serverSeq ?? 0 };
    const ops = this.log.slice(from).map((entry, i) => this.#committed(entry, from + i + 1));
    const text = this.texts[from], parts = [];
    if (hasContent) {
      const points = [...(text ?? "")], cut = this.random.below(points.length + 1);
      for (const part of [points.slice(0, cut), points.slice(cut)])
        parts.push({ ...header, content: { seq: from, text: part.join(""), deleted: text === undefined } });
    }
    for (let at = 0; at < ops.length; at += this.partOps) parts.push({ ...header, ops: ops.slice(at, at + this.partOps) });
    if (parts.length === 0) parts.push(header);
    connection.delivered = this.head;
    parts.forEach((opened, i) => {
      opened.more = i < parts.length - 1;
      this.#send(connection, { request, doc: connection.handle, opened });
    });
  }

  #submit(connection, submit) {
    const { client_seq: clientSeq, base_seq: baseSeq } = submit, { clientId, handle } = connection;
    const nack = (code, more = {}) => this.#send(connection, { doc: handle, nack: { client_seq: clientSeq, code, ...more } });
    if (connection.isEnded) return nack(NackCode.NOT_OPEN);
    const fault = (name) => this.random.chance(this.faults?.[name] ?? 0);
    if (fault("rateLimited")) return nack(NackCode.RATE_LIMITED, { retry_after_ms: 5 });
    if (fault("notOpen")) return nack(NackCode.NOT_OPEN);
    if (fault("odd")) return nack(this.random.pick(ODD_CODES), { message: "odd" });
    if (fault("renew")) this.spent.add(clientId);
    if (this.spent.has(clientId)) return nack(this.random.pick([NackCode.REPLAYED, NackCode.CLIENT_ID_TAKEN]));
    const isLost = fault("unavailable");
    if (isLost && this.random.chance(50)) return nack(NackCode.UNAVAILABLE);
    const submitted = JSON.stringify(submit);
    const known = this.log.findIndex((entry) => entry.clientId === clientId && entry.clientSeq === clientSeq);
    const newest = this.authors.get(clientId);
    if (known >= 0 && this.log[known].submitted === submitted && (known >= baseSeq || newest?.clientSeq === clientSeq))
      return this.#send(connection, { doc: handle, ack: { client_seq: clientSeq, server_seq: known + 1, duplicate: true } });
    if (clientSeq <= (newest?.clientSeq ?? 0) || (known >= 0 && known >= baseSeq)) return nack(NackCode.REPLAYED);
    if (baseSeq > this.head) return nack(NackCode.FUTURE_BASE);
    if (baseSeq < this.horizon) return nack(NackCode.STALE_BASE);
    if (baseSeq < (newest?.serverSeq ?? 0)) return nack(NackCode.PIPELINED);
    if (this.permission < 2) return nack(NackCode.FORBIDDEN);
    const body = this.#rebase(submit, clientId, baseSeq, nack);
    if (body === undefined) return;
    this.commit({ clientId, clientSeq, baseSeq, submitted, body, connection });
    if (isLost) {
      connection.isMute = true; // the ack and all that follows is lost, until the resync
      nack(NackCode.UNAVAILABLE);
    }
  }

  #rebase(submit, clientId, baseSeq, nack) {
    const since = this.log.slice(baseSeq);
    if (submit.op === "create") {
      if (this.text !== undefined) return void nack(NackCode.EXISTS);
      this.lineage++;
      return { kind: "create", op: submit.create.text, lineage: this.lineage };
    }
    if (submit.op === "delete") return this.text === undefined ? { kind: "edit", op: { spans: [], text: "" } } : { kind: "delete" };
    if (this.text === undefined || since.some((entry) => entry.body.kind === "delete")) return void nack(NackCode.DELETED);
    let op = { spans: submit.text.spans, text: submit.text.text };
    if (lengthAfterValid(op, new Rope(this.texts[baseSeq]).points) === undefined) return void nack(NackCode.INVALID_OP);
    for (const entry of since) op = transform(op, entry.body.op, tieOf(clientId, entry.clientId));
    return { kind: "edit", op };
  }

  commit(entry) {
    const { body, clientId, clientSeq } = entry;
    const rope = new Rope(body.kind === "edit" ? this.text ?? "" : "");
    if (body.kind !== "delete" && !rope.apply(body.op)) throw new Error("the toy server's own op does not fit");
    const isEmptyNow = body.kind === "delete" || (body.kind === "edit" && this.text === undefined);
    this.log.push(entry);
    this.texts.push(isEmptyNow ? undefined : rope.toString());
    this.authors.set(clientId, { clientSeq, serverSeq: this.head });
    for (const connection of this.connections) {
      if (connection.handle === 0 || connection.isMute) continue;
      const isAuthor = connection === entry.connection;
      connection.delivered = this.head;
      this.#send(connection, { doc: connection.handle, ...(isAuthor
        ? { ack: { client_seq: clientSeq, server_seq: this.head, timestamp_ms: this.head } }
        : { committed: this.#committed(entry, this.head) }) });
    }
  }

  #committed({ clientId, clientSeq, baseSeq, body }, seq) {
    const op = body.kind === "edit" ? { text: body.op } : body.kind === "delete" ? { delete: {} }
      : { create: { type: "text", text: body.op, lineage: body.lineage } };
    return { server_seq: seq, client_id: Buffer.from(clientId, "hex"), client_seq: clientSeq, base_seq: baseSeq,
      timestamp_ms: seq, user: "toy", ...op };
  }

  #history(connection, request, { at, at_seq: atSeq, from_seq: fromSeq, to_seq: toSeq }) {
    const history = { head: this.head, horizon: this.horizon };
    if (at === "at_seq") history.content = { seq: atSeq, text: this.texts[atSeq] ?? "", deleted: this.texts[atSeq] === undefined };
    else history.ops = this.log.slice(fromSeq - 1, toSeq).map((entry, i) => this.#committed(entry, fromSeq + i));
    this.#send(connection, { request, doc: connection.handle, history });
  }

  #send(connection, message) { connection.toClient.push(encodeServer(message)); }
}
