// Several clients and a server in memory, driven by a seed: messages are late and lost, connections break, clients crash and
// come back from their records, the log is cut off behind them, the server forgets and refuses. Then all agree, and what was
// typed stands in the document once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CONNECTION_DEFAULTS, Connection } from "../dist/core/connection.js";
import { Rope } from "../dist/ot/rope.js";
import { applyOp } from "../dist/ot/op.js";
import { Random, seedOfRun } from "./support.mjs";
import { ToyServer } from "./toy-server.mjs";

let drawn = 0;
const drawClientId = (random) => (++drawn).toString(16).padStart(4, "0") + random.below(2 ** 31).toString(16).padStart(28, "0");

class Client {
  constructor(world, name) {
    Object.assign(this, { world, name });
    this.random = world.random;
    this.start();
  }

  start() {
    const { random } = this;
    const clientId = this.stored?.clientId ?? drawClientId(random);
    this.connection = new Connection({ ...CONNECTION_DEFAULTS, clientId, token: "", agent: "sim",
      random: () => random.below(1000) / 1000, drawClientId: () => drawClientId(random) });
    this.socket = undefined;
    this.slice = undefined;
    this.doc = this.connection.open({ collection: "c", id: "d", createType: "text", presence: true }, {
      changed: (op) => { this.shown = applyOp(this.shown, op); },
      givenBack: (given) => { this.world.givenBack += given.inserted; this.given = given; },
      guessed: (guess) => { this.world.guessed += guess.inserted; },
      store: (record) => { this.writing = structuredClone(record); },
    });
    if (this.stored !== undefined) assert.ok(this.doc.restore(this.stored));
    this.shown = this.doc.shownText();
  }

  get nowMs() { return this.world.nowMs; }

  /** Loses what is not stored. */
  crash() {
    const { stored, world } = this;
    const kept = stored === undefined ? "" : stored.content + stored.tail.map((op) => op.text).join("") + (stored.flight?.op.text ?? "") + stored.pending.op.text;
    for (const token of world.tokens.get(this) ?? []) if (!kept.includes(token)) world.lost.add(token);
    this.cut();
    this.writing = undefined;
    this.start();
  }

  cut() {
    if (this.socket === undefined) return;
    this.world.server.connections.delete(this.socket);
    // What it sent may still arrive, or not.
    const { socket } = this;
    if (this.random.chance(50)) this.world.late.push(...socket.toServer.map((frame) => ({ socket, frame })));
    this.socket = this.slice = undefined;
    this.connection.disconnected(this.nowMs);
  }

  /** One thing that may happen now. */
  step() {
    const { connection, random, socket } = this;
    if (random.chance(3)) this.doc.save(); // as the edge does some time after an edit
    switch (random.below(6)) {
      case 0: this.tick(); break;
      case 1: if (socket !== undefined && socket.toServer.length > 0) this.world.server.receive(socket, socket.toServer.shift()); break;
      case 2:
      case 3: this.read(); break;
      case 4: this.send(); break;
      default:
        if (this.writing !== undefined) {
          const isWritten = !random.chance(5);
          if (isWritten) this.stored = this.writing;
          this.writing = undefined;
          this.doc.stored(isWritten, this.nowMs);
        }
    }
    if (connection.wish(this.nowMs) === "close") this.cut();
  }

  tick() {
    const { connection } = this;
    connection.tick(this.nowMs);
    if (connection.wish(this.nowMs) !== "connect") return;
    connection.dialing(this.nowMs);
    this.socket = this.world.server.connect();
    connection.connected(this.nowMs);
  }

  /** Long answers are taken in slices, with other things between. */
  read() {
    if (this.socket === undefined) return;
    this.slice ??= this.socket.toClient.length > 0 ? this.connection.received(this.socket.toClient.shift(), this.nowMs) : undefined;
    for (let budget = 1 + this.random.below(5); budget > 0 && this.slice !== undefined; budget--)
      if (this.slice.next().done) this.slice = undefined;
  }

  send() {
    const frame = this.connection.takeFrame(this.nowMs);
    if (frame !== undefined) this.socket?.toServer.push(frame);
  }

  /** Types a token that is nowhere else, or deletes a letter that is no token. */
  type() {
    const { doc, random, world } = this;
    if (doc.editFault !== undefined) return;
    const points = [...this.shown], at = random.chance(60) && this.caret <= points.length ? this.caret : random.below(points.length + 1);
    const plain = points.findIndex((point, i) => i >= at && point < "\u{10000}");
    if (random.chance(25) && plain >= 0) {
      const op = doc.splice(plain, 1, "");
      this.shown = applyOp(this.shown, op);
      return;
    }
    const token = String.fromCodePoint(0x10000 + world.tokenCount++);
    const text = random.chance(50) ? token : `${token}ab`;
    const op = doc.splice(at, 0, text);
    assert.equal(typeof op, "object", `an edit at ${at} of ${points.length} is refused: ${op}`);
    this.shown = applyOp(this.shown, op);
    this.caret = at + [...text].length;
    (world.tokens.get(this) ?? world.tokens.set(this, []).get(this)).push(token);
  }
}

class World {
  nowMs = 1;
  tokenCount = 0;
  tokens = new Map();
  lost = new Set(); // may be gone: typed and not stored when the client crashed
  givenBack = "";
  guessed = "";
  late = [];

  constructor(seed, clientCount, trouble) {
    this.random = new Random(seed);
    this.server = new ToyServer(this.random);
    this.trouble = trouble;
    this.clients = Array.from({ length: clientCount }, (_, i) => new Client(this, `client ${i}`));
  }

  run(steps) {
    const { random, server, trouble } = this;
    for (let i = 0; i < steps; i++) {
      this.nowMs += random.below(20);
      const client = random.pick(this.clients);
      client.step();
      if (random.chance(30)) client.type();
      if (this.late.length > 0 && random.below(1000) < 15) this.#deliverLate();
      if (random.below(1000) < trouble.cuts) client.cut();
      if (random.below(1000) < trouble.crashes) client.crash();
      if (random.below(1000) < trouble.resyncs && client.socket !== undefined) {
        client.socket.isMute = true;
        server.resync(client.socket);
      }
      if (random.below(1000) < trouble.horizon) server.horizon += random.below(server.head - server.horizon + 1);
      if (random.below(1000) < trouble.forgets) this.#forget();
      if (random.below(1000) < trouble.deletes) trouble.reshape(client);
      if (i % 50 === 0) this.check();
    }
  }

  #deliverLate() {
    const { socket, frame } = this.late.shift();
    const before = socket.toClient.length;
    this.server.receive({ ...socket, toClient: [] }, frame);
    socket.toClient.length = before;
  }

  /** The server forgets the authors whose newest op is oldest. */
  #forget() {
    const { server } = this;
    const seq = Math.min(server.horizon, server.head);
    for (const [id, author] of server.authors) if (author.serverSeq <= seq) server.authors.delete(id);
    server.forgottenSeq = Math.max(server.forgottenSeq, seq);
  }

  check() {
    for (const { doc, shown, name } of this.clients) {
      assert.equal(doc.length, [...shown].length, `${name} knows the length`);
      assert.equal(doc.shownText(), shown, `${name} shows what it told`);
    }
  }

  /** No more trouble: until all is settled. */
  settle() {
    this.trouble = {};
    this.server.faults = undefined;
    this.server.permission = 2;
    for (const connection of this.server.connections) if (connection.isMute) this.server.resync(connection);
    for (let round = 0; round < 20_000; round++) {
      this.nowMs += 5;
      if (this.late.length > 0) this.#deliverLate();
      for (const client of this.clients) for (let i = 0; i < 4; i++) client.step();
      if (round % 20 === 0 && this.clients.every((c) => c.doc.isSettled && c.doc.isOpen && c.doc.seq === this.server.head)) return;
    }
    const states = this.clients.map(({ doc, connection }) => [doc.status, doc.seq, connection.state, doc.inFlight?.clientSeq, doc.error]);
    assert.fail(`does not settle: head ${this.server.head}, ${JSON.stringify(states)}`);
  }

  judge() {
    const { server } = this, text = server.text ?? "";
    this.check();
    for (const { shown, name } of this.clients) assert.equal(shown, text, `${name} shows what the server has`);
    for (const tokens of this.tokens.values()) {
      for (const token of tokens) {
        const count = text.split(token).length - 1;
        if (this.guessed.includes(token)) continue;
        assert.ok(count <= 1, "nothing stands there twice");
        const mayBeGone = this.lost.has(token) || this.givenBack.includes(token) || this.mayLose;
        if (!mayBeGone) assert.equal(count, 1, "nothing is lost");
      }
    }
  }
}

function schedules(name, count, clientCount, steps, trouble, prepare = () => {}) {
  test(`${name} (ORDO_SEED=${seedOfRun})`, () => {
    for (let i = 0; i < count; i++) {
      const seed = seedOfRun + i;
      const world = new World(seed, clientCount, trouble);
      prepare(world);
      try {
        world.run(steps);
        world.settle();
        world.judge();
      } catch (error) {
        error.message = `seed ${seed}: ${error.message}`;
        throw error;
      }
    }
  });
}

const factor = Number(process.env.ORDO_SIM ?? 1);
schedules("clients converge over messages that are late", 60 * factor, 3, 1500, {});
schedules("clients converge over connections that break", 60 * factor, 3, 1500, { cuts: 10 });
schedules("clients come back from their records", 60 * factor, 3, 1500, { cuts: 5, crashes: 8 });
schedules("nothing is lost or doubled by resyncs and refusals", 60 * factor, 3, 1500, { cuts: 20, resyncs: 10, crashes: 3 },
          (world) => { world.server.faults = { rateLimited: 10, unavailable: 10, notOpen: 10, renew: 2 }; });
schedules("clients come back from behind the horizon", 60 * factor, 3, 1500, { cuts: 15, crashes: 5, horizon: 20 });
schedules("and after the server has forgotten them", 60 * factor, 3, 1500, { cuts: 15, crashes: 5, horizon: 20, forgets: 10 });
schedules("long answers come in parts and are taken in slices", 30 * factor, 4, 2000, { cuts: 10 },
          (world) => { world.server.partOps = 3; });
schedules("large edits go as several ops", 30 * factor, 2, 1000, { cuts: 10, crashes: 5 }, (world) => { world.server.opSizeMax = 300; });
schedules("documents are deleted and created again", 60 * factor, 3, 1500, {
  cuts: 5, crashes: 3, deletes: 5,
  reshape: (client) => {
    if (client.doc.isDeleted) client.doc.createAgain("new");
    else if (client.doc.delete() === undefined) client.shown = "";
  },

}, (world) => { world.mayLose = true; });
