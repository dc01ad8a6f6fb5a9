// Several independent clients edit one document through the real gateway and shard and must show the same text, each
// having rebased everything by itself with ot-text-unicode.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster, assertSameText, converge, withCluster } from "./lib/cluster.mjs";
import { Program } from "./lib/process.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { codePointCount } from "./lib/text.mjs";
import { pause, typeALot } from "./lib/typing.mjs";

const random = new Random(seedOfRun);
const slow = () => random.below(12);

test("independent clients that set no tie bits converge", (t) => withCluster(t, new Cluster(), async (cluster) => {
  const clients = [];
  for (let i = 0; i < 5; i++) clients.push(await cluster.join({ delayMs: slow }));
  await typeALot(random, clients, 1000);
  const text = await converge(clients);
  assertSameText((await cluster.join()).text, text, "a fresh client");
  assertSameText((await cluster.doc("cat", "c/d")).stdout, text, "ordo doc cat");
}));

test("clients whose connections break again and again converge", (t) =>
  withCluster(t, new Cluster(), async (cluster) => {
    const clients = [];
    for (let i = 0; i < 5; i++) clients.push(await cluster.join({ delayMs: slow }));
    for (let round = 0; round < 40; round++) {
      await typeALot(random, clients, 15);
      random.pick(clients).drop();
    }
    const text = await converge(clients);
    assertSameText((await cluster.join()).text, text, "a fresh client");
    assert.ok(clients.reduce((sum, client) => sum + client.reconnects, 0) >= 30);
  }));

test("everyone at one caret: runs of typing of clients without bits converge", (t) =>
  withCluster(t, new Cluster(), async (cluster) => {
    const clients = [];
    for (let i = 0; i < 6; i++) clients.push(await cluster.join({ delayMs: slow }));
    for (let i = 0; i < 200; i++) {
      for (const client of clients) client.splice(0, 0, random.pick(["a", "😀", "e\u0301", "日"]));
      if (i % 3 === 0) await pause(random.below(4));
    }
    const text = await converge(clients);
    assert.equal(Array.from(text).length, clients.reduce((sum, client) => sum + insertedCount(cluster, client), 0));
  }));

test("C clients, which set tie bits, and independent ones, which do not, converge at one caret", (t) =>
  withCluster(t, new Cluster(), async (cluster) => {
    const clients = [];
    for (let i = 0; i < 3; i++) clients.push(await cluster.join({ delayMs: slow }));
    const typists = startTypists(cluster, ["A", "B", "C"], 150, 4);
    await Promise.all(typists.map((typist) => typist.line(/^open/)));
    for (let i = 0; i < 200; i++) {
      const client = random.pick(clients);
      const length = codePointCount(client.text);
      client.splice(random.chance(70) ? length : random.below(length + 1), 0, random.pick(["a", "😀", "e\u0301"]));
      if (random.chance(20) && length > 4) client.splice(random.below(length - 3), 2, "");
      await pause(random.below(6));
    }
    const typed = await Promise.all(typists.map((typist) => typist.line(/^typed (\d+)/, 60_000)));
    for (const [, seq] of typed) await clients[0].reached(Number(seq)); // the others' messages are slow
    const text = await converge(clients);
    for (const shown of await textsOf(typists, clients[0].confirmed.seq)) assertSameText(shown, text, "a C client");
    const entries = [...cluster.ledger.documents.get("c/d").byPlace.values()];
    const withBitsCount = entries.filter((entry) => /"bits":\[[^\]]*[1-3]/.test(entry)).length;
    assert.ok(withBitsCount > 50, `${withBitsCount} committed ops carry tie bits`);
  }));

test("runs that several C clients type at one caret stay whole", (t) =>
  withCluster(t, new Cluster(), async (cluster) => {
    const typists = startTypists(cluster, ["A", "B", "C", "D"], 120, 1);
    await Promise.all(typists.map((typist) => typist.line(/^typed/, 60_000)));
    const reader = await cluster.join();
    for (const shown of await textsOf(typists, reader.confirmed.seq)) assert.equal(shown, reader.text);
    assert.match(reader.text, /^([A-D])\1*([A-D])\2*([A-D])\3*([A-D])\4*$/);
    assert.equal(reader.text.length, 4 * 120);
  }));

function startTypists(cluster, letters, count, pauseMs) {
  return letters.map((letter) => {
    const typist = new Program("typist").start([cluster.url, "c/d", letter, String(count), String(pauseMs)]);
    cluster.programs.push(typist);
    return typist;
  });
}

/** What they show once they are at `seq`. */
function textsOf(typists, seq) {
  return Promise.all(typists.map(async (typist) => {
    typist.child.stdin.end(`seq ${seq}\n`);
    const { code } = await typist.ended;
    assert.equal(code, 0, typist.stderr);
    return typist.stdout.slice(typist.stdout.indexOf("\n", typist.stdout.indexOf("typed")) + 1);
  }));
}

/** Code points that a client inserted, as the shared ledger has them. */
function insertedCount(cluster, client) {
  let count = 0;
  for (const entry of cluster.ledger.documents.get("c/d").byPlace.values()) {
    if (!entry.startsWith(client.clientId.toString("hex"))) continue;
    const { op } = JSON.parse(entry.slice(entry.indexOf(" ") + 1));
    for (const part of op) if (typeof part === "string") count += Array.from(part).length;
  }
  return count;
}
