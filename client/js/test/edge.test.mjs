// The edge around the cores: dialing, tokens, slices, what a page does when networks and people come and go. Sockets and time are the
// test's own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../dist/client.js";
import { MemoryStorage } from "../dist/storage/memory.js";
import { Random, seedOfRun } from "./support.mjs";
import { ToyServer } from "./toy-server.mjs";
import { decodeClient, encodeServer } from "./wire.mjs";

class World {
  nowMs = 1000;
  sockets = [];
  laters = [];
  random = new Random(seedOfRun);
  server = new ToyServer(this.random);
  listener = undefined;

  platform() {
    return {
      openSocket: (url, protocol) => {
        const socket = { url, protocol, sent: [], isClosed: false, send: (bytes) => socket.sent.push(bytes), close: () => { socket.isClosed = true; } };
        this.sockets.push(socket);
        return socket;
      },
      nowMs: () => this.nowMs,
      randomBytes: (size) => Uint8Array.from({ length: size }, () => this.random.below(256)),
      storage: () => undefined,
      later: (call) => this.laters.push(call),
      watch: (listener) => { this.listener = listener; return () => { this.listener = undefined; }; },
    };
  }

  client(options = {}) { return new Client({ url: "ws://toy/v1/ws", ...options }, this.platform()); }
  get socket() { return this.sockets.at(-1); }

  /** Lets the newest socket talk with the server until both are silent. */
  async serve() {
    const { socket } = this;
    if (socket.connection === undefined) {
      socket.connection = this.server.connect();
      socket.onopen();
    }
    for (let silent = 0; silent < 3;) {
      await settle();
      const sent = socket.sent.splice(0);
      for (const frame of sent) this.server.receive(socket.connection, frame);
      const received = socket.connection.toClient.splice(0);
      for (const frame of received) this.say(frame);
      for (const later of this.laters.splice(0)) later();
      silent = sent.length + received.length === 0 ? silent + 1 : 0;
    }
  }

  say(frame) {
    const { buffer, byteOffset, length } = frame;
    this.socket.onmessage?.({ data: buffer.slice(byteOffset, byteOffset + length) });
  }

  lose() {
    this.server.connections.delete(this.socket.connection);
    this.socket.onclose?.();
  }
}

const settle = async () => { for (let i = 0; i < 10; i++) await Promise.resolve(); await new Promise((done) => setImmediate(done)); };
const heard = (socket) => socket.sent.flatMap((frame) => decodeClient(frame));
const claimsOf = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
const jwt = (claims) => ["x", Buffer.from(JSON.stringify(claims)).toString("base64url"), "x"].join(".");

test("a token is got for each connection, and again before it ends", async () => {
  const world = new World();
  let count = 0;
  const client = world.client({ token: async () => jwt({ n: ++count, exp: Date.now() / 1000 + 2 }) });
  client.open("c", "d", { create: true });
  await settle();
  assert.equal(world.socket.protocol, "ordo.v1");
  world.socket.connection = world.server.connect();
  world.socket.onopen();
  await settle();
  assert.equal(claimsOf(heard(world.socket)[0].hello.token).n, 1);
  await world.serve();
  assert.equal(count, 1);
  for (const endMs = Date.now() + 5000; Date.now() < endMs && heard(world.socket).every((m) => m.body !== "authenticate");)
    await new Promise((done) => setTimeout(done, 20));
  const renewed = heard(world.socket).find((m) => m.body === "authenticate");
  assert.equal(claimsOf(renewed.authenticate.token).n, 2);
  await client.close();
});

test("a renewal that brings no fresh token is tried again, and one that never changes is not sent", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  const world = new World(), errors = [];
  const old = jwt({ exp: Date.now() / 1000 + 100 }), fresh = jwt({ exp: Date.now() / 1000 + 1000 });
  const answers = [old, new Error("signed out"), old, fresh];
  let asked = 0;
  const client = world.client({ token: () => {
    const answer = answers[Math.min(asked++, answers.length - 1)];
    if (answer instanceof Error) throw answer;
    return answer;
  } });
  client.on("error", (error) => errors.push(error));
  client.open("c", "d", { create: true });
  await settle();
  await world.serve();
  const sent = () => heard(world.socket).filter((message) => message.body === "authenticate").length;
  const pass = async (ms) => { t.mock.timers.tick(ms); await settle(); };
  await pass(49_000);
  assert.equal(asked, 1);
  await pass(1000); // half of its life
  assert.equal(asked, 2);
  assert.match(errors[0].message, /signed out/);
  await pass(5000);
  assert.deepEqual([asked, sent()], [3, 0], "the same again is no news");
  await pass(5000);
  assert.deepEqual([asked, sent()], [4, 1]);
  world.lose();
  await settle();
  world.nowMs += 1000;
  world.listener.awake();
  await pass(20_000);
  assert.equal(asked, 5, "the next connection asks for its own, and the renewal of the last one is over");
  await client.close();
});

test("where no token is to be had, it is said, and tried again later", async () => {
  const world = new World(), errors = [];
  const client = world.client({ token: () => { throw new Error("signed out"); } });
  client.on("error", (error) => errors.push(error));
  client.open("c", "d");
  await settle();
  assert.equal(world.sockets.length, 0);
  assert.equal(errors[0].code, 401);
  assert.match(errors[0].message, /signed out/);
  world.nowMs += 1000;
  world.listener.awake();
  await settle();
  assert.equal(errors.length, 2);
  await client.close();
});

test("when the network returns, or somebody looks, it connects at once", async () => {
  const world = new World(), client = world.client(), doc = client.open("c", "d", { create: true });
  await settle();
  await world.serve();
  assert.equal(doc.status, "synced");
  for (let i = 0; i < 8; i++) { // each time it waits longer
    world.lose();
    await settle();
    world.nowMs += 1;
    assert.equal(doc.status, "offline");
    world.listener.awake();
    await settle();
    assert.equal(world.sockets.length, i + 2);
  }
  await world.serve();
  assert.equal(doc.status, "synced");
  world.listener.offline();
  await settle();
  assert.equal(doc.status, "offline");
  assert.ok(world.socket.isClosed);
  await client.close();
});

test("a frame that does not decode closes the connection, and nothing of it is applied", async () => {
  const world = new World(), client = world.client(), doc = client.open("c", "d", { create: true });
  await settle();
  await world.serve();
  const good = encodeServer({ doc: 1, committed: { server_seq: 1, client_id: Buffer.alloc(16, 9), client_seq: 1, text: { spans: [17], text: "x" } } });
  world.say(new Uint8Array([...good, 0x0a, 0x05, 0x01]));
  await settle();
  assert.equal(doc.text, "");
  assert.ok(world.socket.isClosed);
  await client.close();
});

test("a text frame closes it, too", async () => {
  const world = new World(), client = world.client();
  client.open("c", "d", { create: true });
  await settle();
  await world.serve();
  world.socket.onmessage({ data: "hello" });
  await settle();
  assert.ok(world.socket.isClosed);
  await client.close();
});

test("a long answer is taken in slices, between which edits go on; what is left is dropped with the connection", async () => {
  const world = new World(), client = world.client(), doc = client.open("c", "d", { create: true });
  await settle();
  await world.serve();
  const ops = Array.from({ length: 1000 }, (_, i) => ({ doc: 1, committed: { server_seq: i + 1, client_id: Buffer.alloc(16, 9), client_seq: i + 1,
    text: { spans: [17], text: "o" } } }));
  Object.defineProperty(world, "nowMs", { get: () => (world.clock = (world.clock ?? 1000) + 0.1) }); // each look costs a tenth of a millisecond
  world.say(encodeServer(...ops));
  assert.ok(doc.seq > 10 && doc.seq < 1000, `${doc.seq}`);
  const seq = doc.seq;
  doc.insert(0, "mine");
  assert.equal(world.laters.length, 1);
  world.laters.shift()();
  assert.ok(doc.seq > seq && doc.seq < 1000);
  assert.equal(doc.text.match(/mine/g).length, 1);
  const before = doc.seq;
  world.socket.onclose();
  for (const later of world.laters.splice(0)) later();
  assert.equal(doc.seq, before, "the rest comes again after the next Opened");
  await client.close();
});

test("GoAway: it comes back when the server said", async () => {
  const world = new World(), client = world.client(), doc = client.open("c", "d", { create: true });
  await settle();
  await world.serve();
  world.say(encodeServer({ go_away: { reason: "restart", reconnect_after_ms: 30 } }));
  await settle();
  assert.ok(world.socket.isClosed);
  assert.equal(doc.status, "offline");
  for (const endMs = Date.now() + 5000; Date.now() < endMs && world.sockets.length === 1;) {
    world.nowMs += 20;
    await new Promise((done) => setTimeout(done, 20));
  }
  assert.equal(world.sockets.length, 2);
  await client.close();
});

test("without a place to store, saving goes on, and is told", async () => {
  const world = new World(), failed = [];
  const storage = new MemoryStorage();
  const hold = await storage.acquire("any");
  const client = world.client({ storage: {
    acquire: async () => ({ ...hold, record: undefined, write: async () => { throw new Error("disk full"); }, remove: async () => {}, release() {} }),
    acquireOrphan: async () => undefined,
  } });
  client.on("storageFailed", (error) => failed.push(error.message));
  const doc = client.open("c", "d", { create: true });
  await settle();
  await world.serve();
  doc.insert(0, "kept on the server");
  await world.serve();
  assert.deepEqual(failed, ["disk full"]);
  assert.equal(world.server.text, "kept on the server");
  assert.equal(doc.status, "synced");
  await client.close();
});

test("nothing is sent before it is stored", async () => {
  const world = new World();
  let write, isSlow = true;
  const client = world.client({ storage: {
    acquire: async () => ({ record: undefined, write: () => isSlow ? new Promise((done) => { write = done; }) : Promise.resolve(), remove: async () => {}, release() {} }),
    acquireOrphan: async () => undefined,
  } });
  const doc = client.open("c", "d", { create: true });
  await settle();
  await world.serve();
  doc.insert(0, "text");
  await world.serve();
  assert.equal(world.server.head, 0);
  assert.equal(doc.status, "saving");
  write();
  await world.serve();
  assert.equal(world.server.text, "text");
  isSlow = false;
  write();
  await client.close();
});

test("a record of no use is thrown away, whatever is in it", async () => {
  for (const record of [{}, { flight: {} }, { version: 1, flight: {}, clientId: "x".repeat(32) }, { version: 2 }, { version: 1, type: "text", collection: "c", id: "d" }, { version: 1, type: "text", collection: "c", id: "d",
    content: "ab", tail: [{ spans: [160 + 2], text: "" }], flight: null, pending: { kind: "edit", op: { spans: [3], text: "" } } }]) {
    const world = new World();
    let isRemoved = false;
    const client = world.client({ storage: {
      acquire: async () => ({ record, write: async () => {}, remove: async () => { isRemoved = true; }, release() {} }),
      acquireOrphan: async () => undefined,
    } });
    const doc = client.open("c", "d", { create: true });
    await settle();
    await world.serve();
    assert.ok(isRemoved, JSON.stringify(record));
    assert.equal(doc.status, "synced");
    await client.close();
  }
});
