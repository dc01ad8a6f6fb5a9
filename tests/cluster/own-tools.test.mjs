// The tools of these tests, tested: the independent client's OT against the npm package and against itself, and the
// client against a toy server. No Ordo process runs here.
import { test } from "node:test";
import assert from "node:assert/strict";
import { type } from "ot-text-unicode";
import * as ot from "./lib/text.mjs";
import { assertSameText } from "./lib/cluster.mjs";
import { IndependentClient } from "./lib/independent.mjs";
import { Ledger } from "./lib/ledger.mjs";
import { FrameProxy, overtakingDuplicates } from "./lib/proxies.mjs";
import { ToyServer } from "./lib/toy-server.mjs";
import { Random, randomSplice, randomText, seedOfRun } from "./lib/random.mjs";

const random = new Random(seedOfRun);
const note = (t) => t.diagnostic(`ORDO_SEED=${seedOfRun}`);

/** A composed op with `count` splices of `text`; with tie bits if asked for. */
function randomOp(text, count, withBits) {
  let op = ot.EMPTY, now = text;
  for (let i = 0; i < count; i++) {
    const next = ot.splice(...randomSplice(random, now));
    now = ot.apply(now, next);
    op = ot.compose(op, next);
  }
  return withBits ? { op: op.op, bits: op.bits.map(() => random.below(4)) } : op;
}

test("rebase without bits is the package's transform with one side", (t) => {
  note(t);
  for (let i = 0; i < 5000; i++) {
    const text = randomText(random, 6);
    const [a, b] = [randomOp(text, 1 + random.below(4)), randomOp(text, 1 + random.below(4))];
    const side = random.chance(50) ? "left" : "right";
    const clients = [Buffer.from([1]), Buffer.from([2])];
    if (side === "right") clients.reverse();
    assert.deepEqual(ot.rebase(a, clients[0], b, clients[1]).op, type.transform(a.op, b.op, side));
  }
});

test("rebase with bits converges from both sides and keeps the bits of outer ends", (t) => {
  note(t);
  const x = Buffer.from([1]), y = Buffer.from([2]);
  for (let i = 0; i < 5000; i++) {
    const text = randomText(random, 6);
    const [a, b] = [randomOp(text, 3, true), randomOp(text, 3, true)];
    const aOverB = ot.rebase(a, x, b, y), bOverA = ot.rebase(b, y, a, x);
    assert.equal(ot.apply(ot.apply(text, b), aOverB), ot.apply(ot.apply(text, a), bOverA));
    assert.equal(aOverB.bits.length, aOverB.op.filter((part) => typeof part === "string").length);
    assert.deepEqual(ot.decode(ot.encode(aOverB)), aOverB);
  }
});

test("a tie is decided by follows, then precedes, then the client id", () => {
  const FOLLOWS = 1, PRECEDES = 2, low = Buffer.from([1]), high = Buffer.from([2]);
  const insert = (text, bits) => ({ op: [text], bits: [bits] });
  const merged = (mine, theirs) => ot.apply(ot.apply("", theirs), ot.rebase(mine, high, theirs, low));
  assert.equal(merged(insert("M", 0), insert("T", 0)), "TM");
  assert.equal(merged(insert("M", FOLLOWS), insert("T", 0)), "MT");
  assert.equal(merged(insert("M", 0), insert("T", PRECEDES)), "MT");
  assert.equal(merged(insert("M", FOLLOWS), insert("T", FOLLOWS)), "TM");
  assert.equal(merged(insert("M", PRECEDES), insert("T", FOLLOWS)), "TM");
  assert.equal(merged(insert("M", FOLLOWS | PRECEDES), insert("T", FOLLOWS)), "TM");
});

test("two ties of one pair of ops can go different ways", () => {
  const low = Buffer.from([1]), high = Buffer.from([2]);
  const mine = { op: ["A", 3, "B"], bits: [1, 0] }, theirs = { op: ["x", 1, { d: 1 }, 1, "y"], bits: [0, 0] };
  assert.equal(ot.apply(ot.apply("123", theirs), ot.rebase(mine, high, theirs, low)), "Ax13yB");
});

test("lone surrogates and U+0000 are replaced before they are applied", () => {
  assert.equal(ot.clean("a\0b\ud800c\udc00😀"), "a\ufffdb\ufffdc\ufffd😀");
  assert.deepEqual(ot.splice(0, 0, "\ud83d").op, ["\ufffd"]);
});

test("a difference turns one text into the other", () => {
  for (const [from, to] of [["", "a"], ["aa", "a"], ["a😀b", "a😁b"], ["xx", "xxxx"], ["é", "e\u0301"], ["q", "q"]]) {
    assert.equal(ot.apply(from, ot.difference(from, to)), to);
  }
});

async function withToy(options, act) {
  const server = new ToyServer(options);
  const url = await server.listen();
  const ledger = new Ledger(), clients = [], closers = [];
  const join = async (more = {}) => {
    const client = new IndependentClient({ url, collection: "toy", id: "one", ledger, ...more });
    clients.push(client);
    await client.connect();
    return client;
  };
  try {
    await act({ server, url, join, closers });
    await Promise.all(clients.map((client) => client.settled()));
    await Promise.all(clients.map((client) => client.reached(server.head)));
    for (const client of clients) assertSameText(client.text, server.text, "a client");
  } finally {
    clients.forEach((client) => client.close());
    for (const close of closers) await close();
    await server.close();
  }
}

const typeALot = async (clients, count, between = 2) => {
  for (let i = 0; i < count; i++) {
    const client = random.pick(clients);
    client.splice(...randomSplice(random, client.text));
    if (random.chance(50)) await new Promise((done) => setTimeout(done, random.below(between + 1)));
  }
};

test("clients with slow, crossing messages converge with the toy server", async (t) => {
  note(t);
  await withToy({ text: "start 😀" }, async ({ join }) => {
    const clients = [];
    for (let i = 0; i < 4; i++) clients.push(await join({ delayMs: () => random.below(8) }));
    await typeALot(clients, 400);
  });
});

test("clients whose connections are cut converge, and nothing is committed twice", async (t) => {
  note(t);
  await withToy({}, async ({ server, join }) => {
    const clients = [];
    for (let i = 0; i < 4; i++) clients.push(await join({ delayMs: () => random.below(8) }));
    for (let round = 0; round < 25; round++) {
      await typeALot(clients, 10);
      random.pick(clients).drop();
      if (random.chance(30)) server.resync();
    }
    assert.ok(clients.some((client) => client.reconnects > 0));
  });
});

test("an op whose ack was lost is settled by the resync and not applied twice", async () => {
  await withToy({}, async ({ server, join }) => {
    const client = await join();
    server.mute = true;
    client.splice(0, 0, "once");
    while (server.head === 0) await new Promise((done) => setImmediate(done));
    server.mute = false;
    server.resync();
    await client.settled();
    assert.equal(client.text, "once");
    assert.deepEqual(client.acks, [{ clientSeq: 1, serverSeq: 1 }]);
  });
});

test("a client behind the horizon merges what it typed", async () => {
  await withToy({ text: "one two" }, async ({ server, join }) => {
    const away = await join(), here = await join();
    away.backoffMs = 200; // it comes back after the horizon has passed it
    away.drop();
    away.handle = 0;
    away.splice(7, 0, " four");
    here.splice(3, 0, " and");
    await here.settled();
    server.horizon = server.head;
    await away.settled();
    assert.equal(away.text, "one and two four");
  });
});

test("a duplicate ack that overtakes its original settles nothing and moves no seq", async (t) => {
  note(t);
  const seen = { count: 0 };
  await withToy({}, async ({ url, join, closers }) => {
    const proxy = new FrameProxy(url, overtakingDuplicates(seen));
    closers.push(() => proxy.close());
    await typeALot([await join({ url: await proxy.listen() }), await join()], 100);
  });
  assert.ok(seen.count > 10, `it happened ${seen.count} times`);
});
