// Bad networks. `TcpProxy` forwards bytes and can cut or hold them; `FrameProxy` understands the wire and can hold,
// repeat and reorder messages on their way between a client and a gateway.
import net from "node:net";
import { once } from "node:events";
import WebSocket, { WebSocketServer } from "ws";
import { SUBPROTOCOL, decodeClient, decodeServer, encodeClient, encodeServer } from "./wire.mjs";

export class TcpProxy {
  /** `target`: "HOST:PORT" */
  constructor(target) {
    const [host, port] = target.split(":");
    this.target = { host, port: Number(port) };
    this.pairs = new Set();
    this.held = { toServer: false, toClient: false };
  }

  async listen(port = 0) {
    this.server = net.createServer((client) => this.#forward(client)).listen(port, "127.0.0.1");
    await once(this.server, "listening");
    this.address = `127.0.0.1:${this.server.address().port}`;
    return this.address;
  }

  #forward(client) {
    const server = net.connect(this.target);
    const pair = { client, server };
    this.pairs.add(pair);
    const end = () => { client.destroy(); server.destroy(); this.pairs.delete(pair); };
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on("error", end).on("close", end);
    }
    this.#wire(pair);
  }

  #wire(pair) {
    const { client, server } = pair;
    const isHeldPair = this.isHeldPair?.(pair) ?? false;
    const flow = (from, to, isHeld) => { from.unpipe(to); isHeld || isHeldPair ? from.pause() : from.pipe(to); };
    flow(client, server, this.held.toServer);
    flow(server, client, this.held.toClient);
  }

  /** What flows that way ("toServer", "toClient") waits, and nobody is told: a switch without power. */
  hold(...ways) {
    for (const way of ways) this.held[way] = true;
    this.pairs.forEach((pair) => this.#wire(pair));
  }
  release() {
    this.held = { toServer: false, toClient: false };
    this.pairs.forEach((pair) => this.#wire(pair));
  }
  /** The same for some connections only, both ways, and for those that come while it lasts. */
  holdWhere(matches, isHeld) {
    this.isHeldPair = isHeld ? matches : null;
    this.pairs.forEach((pair) => this.#wire(pair));
  }
  /** Ends all connections with a reset. */
  cut() {
    for (const { client, server } of this.pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  async close() {
    this.cut();
    this.server.close();
    await once(this.server, "close");
  }
}

export class FrameProxy {
  /** `fromClient` and `fromServer` get one message and the link, and return the messages to pass on in its place.
   * A link has `toClient(…messages)`, `toServer(…messages)`, `cut()`, and room for the hooks' own notes. */
  constructor(url, { fromClient = (message) => [message], fromServer = (message) => [message] } = {}) {
    Object.assign(this, { upstream: url, fromClient, fromServer, links: new Set() });
  }

  async listen() {
    this.server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: "/v1/ws", perMessageDeflate: false });
    this.server.on("connection", (socket) => this.#link(socket));
    await once(this.server, "listening");
    return `ws://127.0.0.1:${this.server.address().port}/v1/ws`;
  }

  #link(client) {
    const server = new WebSocket(this.upstream, SUBPROTOCOL, { perMessageDeflate: false });
    const early = []; // what the client sent before the upstream connection stood
    const send = (socket, bytes) => { if (socket.readyState === WebSocket.OPEN) socket.send(bytes); };
    const link = {
      toClient: (...messages) => send(client, encodeServer(...messages)),
      toServer: (...messages) => {
        if (server.readyState === WebSocket.CONNECTING) early.push(...messages);
        else send(server, encodeClient(...messages));
      },
      cut: () => { client.terminate(); server.terminate(); this.links.delete(link); },
    };
    this.links.add(link);
    server.on("open", () => early.splice(0).forEach((message) => link.toServer(message)));
    client.on("message", (bytes) => {
      const messages = decodeClient(bytes).flatMap((message) => this.fromClient(strip(message), link));
      if (messages.length > 0) link.toServer(...messages);
    });
    server.on("message", (bytes) => {
      const messages = decodeServer(bytes).flatMap((message) => this.fromServer(strip(message), link));
      if (messages.length > 0) link.toClient(...messages);
    });
    for (const socket of [client, server]) socket.on("error", () => {}).on("close", link.cut);
  }

  cut() { this.links.forEach((link) => link.cut()); }

  async close() {
    this.cut();
    await new Promise((done) => this.server.close(done));
  }
}

/** What protobufjs adds when it decodes (names of oneofs, null for absent messages) must not be encoded again. */
function strip(value) {
  if (Array.isArray(value)) return value.map(strip);
  if (value === null || typeof value !== "object" || Buffer.isBuffer(value)) return value;
  const present = Object.entries(value).filter(([, item]) => item !== null);
  return Object.fromEntries(present.map(([key, item]) => [key, strip(item)]));
}

/** Hooks for a FrameProxy: every Submit goes twice, and the Ack of the repetition overtakes the original's and all
 * that stands between them. `seen.count` tells how often that happened. */
export function overtakingDuplicates(seen) {
  const fromClient = (message, link) => {
    if (!message.submit) return [message];
    link.doubled ??= new Set();
    link.doubled.add(message.submit.client_seq);
    return [message, message];
  };
  const fromServer = (message, link) => {
    const answered = (message.ack ?? message.nack)?.client_seq;
    if (link.held) {
      if (answered !== link.heldFor) {
        link.held.push(message);
        return [];
      }
      if (message.ack?.duplicate) seen.count++;
      const released = [message, ...link.held];
      link.held = null;
      return released;
    }
    if (!message.ack || message.ack.duplicate || !link.doubled?.delete(answered)) return [message];
    link.held = [message];
    link.heldFor = answered;
    return [];
  };
  return { fromClient, fromServer };
}
