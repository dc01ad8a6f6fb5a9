// The public API against the real gateway and shard.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FileStorage, MemoryStorage, OrdoError, Playback, connect } from "../dist/node.js";
import { Program } from "../../../tests/cluster/lib/process.mjs";
import { skipWithoutBuild, until, withCluster } from "./cluster.mjs";
import { Random, randomText, seedOfRun } from "./support.mjs";

const real = (name, act) => test(name, { skip: skipWithoutBuild, timeout: 60_000 }, () => withCluster(async (cluster) => {
  const clients = [];
  const join = (options = {}) => {
    const client = connect({ url: cluster.url, ...options });
    clients.push(client);
    return client;
  };
  try {
    await act({ ...cluster, join });
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}));

const open = async (client, id = "d", options = { create: true }) => {
  const doc = client.open("c", id, options);
  await doc.ready;
  return doc;
};
const sameText = (a, b) => until(b, "change", () => a.text === b.text);

real("two clients see what the other types, in UTF-16 positions", async ({ join, doc: ordoDoc }) => {
  const [a, b] = [await open(join()), await open(join())];
  const seen = [];
  b.on("change", (event) => seen.push(event));
  a.insert(0, "Hello 😀 world");
  await sameText(a, b);
  assert.deepEqual(seen, [{ changes: [{ from: 0, to: 0, insert: "Hello 😀 world" }], origin: "remote", source: undefined }]);
  b.replace(9, 14, "🌍!");
  assert.equal(b.text, "Hello 😀 🌍!");
  await sameText(b, a);
  a.apply([{ from: 0, to: 5, insert: "Bye" }, { from: 8, to: 8, insert: " and" }]);
  assert.equal(a.text, "Bye 😀 and 🌍!");
  await sameText(a, b);
  await a.saved();
  assert.equal(a.status, "synced");
  assert.equal(await ordoDoc("cat", "c/d"), a.text);
});

real("what no document holds is made good, and positions never cut a pair", async ({ join }) => {
  const a = await open(join());
  a.insert(0, "a\0b\ud800c");
  assert.equal(a.text, "a\ufffdb\ufffdc");
  a.setText("x😀y");
  a.delete(2, 3); // the second half of the pair
  assert.equal(a.text, "xy");
  assert.throws(() => a.delete(0, 3), (error) => error instanceof OrdoError && error.code === 400);
  await a.saved();
});

real("a document that does not exist, and one that is created with content", async ({ join }) => {
  const client = join(), missing = client.open("c", "none");
  await assert.rejects(missing.ready, (error) => error.code === 404);
  assert.equal(missing.status, "error");
  const doc = await open(client, "new", { create: true, content: "first" });
  assert.equal(doc.text, "first");
  assert.throws(() => client.open("c", ""), /names are/);
});

real("several clients type at once and agree", async ({ join, load, doc: ordoDoc }) => {
  const random = new Random(seedOfRun);
  const docs = await Promise.all(Array.from({ length: 4 }, () => open(join())));
  const loading = load(["--docs", "1", "--clients", "3", "--seconds", "2", "--verify"], {}).catch(() => ({ code: -1 }));
  for (let i = 0; i < 400; i++) {
    const doc = random.pick(docs), at = random.below(doc.length + 1);
    if (random.chance(70)) doc.insert(at, randomText(random, 1 + random.below(3)));
    else doc.delete(at, Math.min(doc.length, at + random.below(4)));
    if (random.chance(5)) doc.undo();
    if (i % 5 === 0) await new Promise((resolve) => setTimeout(resolve, random.below(8)));
  }
  await Promise.all(docs.map((doc) => doc.saved()));
  const seq = Math.max(...docs.map((doc) => doc.seq));
  await Promise.all(docs.map((doc) => until(doc, "change", () => doc.seq >= seq)));
  for (const doc of docs) assert.equal(doc.text, docs[0].text);
  assert.equal(await ordoDoc("cat", "c/d"), docs[0].text);
  await loading;
});

real("C clients and these type at one caret: all agree, and no run is torn", async ({ join, url, doc: ordoDoc }) => {
  const letters = ["A", "B", "C"], typists = letters.map((letter) => new Program("typist").start([url, "c/d", letter, "60", "2"]));
  try {
    const docs = await Promise.all(Array.from({ length: 2 }, () => open(join())));
    await Promise.all(typists.map((typist) => typist.line(/^open/)));
    const carets = docs.map((doc) => doc.anchor(doc.length, -1));
    for (let i = 0; i < 60; i++) {
      docs.forEach((doc, n) => {
        const at = carets[n].position;
        doc.insert(at, "xy"[n]);
        carets[n].remove();
        carets[n] = doc.anchor(at + 1, -1);
      });
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const typed = await Promise.all(typists.map((typist) => typist.line(/^typed (\d+)/, 30_000)));
    await Promise.all(docs.map((doc) => doc.saved()));
    const seq = Math.max(...docs.map((doc) => doc.seq), ...typed.map(([, place]) => Number(place)));
    await Promise.all(docs.map((doc) => until(doc, "change", () => doc.seq >= seq)));
    assert.equal(docs[0].text, docs[1].text);
    assert.equal(await ordoDoc("cat", "c/d"), docs[0].text);
    for (const letter of [...letters, "x", "y"])
      assert.ok(docs[0].text.includes(letter.repeat(60)), `the run of ${letter} is whole in ${docs[0].text}`);
  } finally {
    await Promise.all(typists.map((typist) => typist.stop("SIGKILL")));
  }
});

real("undo takes back one's own edits alone; all undone and redone it is the same text", async ({ join }) => {
  const [a, b] = [await open(join()), await open(join())];
  a.insert(0, "one ");
  a.undoBarrier();
  a.insert(4, "two ");
  await sameText(a, b);
  b.insert(4, "[b] ");
  b.delete(0, 1);
  await sameText(b, a);
  assert.equal(a.text, "ne [b] two ");
  assert.ok(a.undo());
  assert.equal(a.text, "ne [b] ");
  assert.ok(a.undo());
  assert.equal(a.text, "[b] ");
  assert.equal(a.undo(), false);
  a.redo();
  a.redo();
  assert.equal(a.redo(), false);
  assert.equal(a.text, "ne [b] two ");
  await sameText(a, b);
  b.undo();
  assert.equal(b.text, "one [b] two ", "deleting was a step of its own");
});

real("presence: names and selections, moved by edits, gone on leaving", async ({ join }) => {
  const clientA = join(), [a, b] = [await open(clientA), await open(join())];
  a.insert(0, "hello 😀 world");
  await sameText(a, b);
  a.setIdentity({ name: "Ada", color: "#c03", data: { role: "author" } });
  a.setSelections([{ anchor: 6, head: 8 }]);
  await until(b, "people", () => b.people.length === 1 && b.people[0].selections.length === 1);
  const [ada] = b.people;
  assert.equal(ada.name, "Ada");
  assert.deepEqual(ada.data, { role: "author" });
  assert.deepEqual(ada.selections, [{ anchor: 6, head: 8 }]);
  b.insert(0, "😀😀");
  assert.deepEqual(b.people[0].selections, [{ anchor: 10, head: 12 }]);
  await clientA.close();
  await until(b, "people", () => b.people.length === 0);
});

real("anchors stay with their text", async ({ join }) => {
  const [a, b] = [await open(join()), await open(join())];
  a.insert(0, "hello world");
  const before = a.anchor(6, -1), after = a.anchor(6, 1);
  a.insert(6, "big ");
  assert.deepEqual([before.position, after.position], [6, 10]);
  await sameText(a, b);
  b.insert(0, "😀 ");
  await sameText(b, a);
  assert.deepEqual([before.position, after.position], [9, 13]);
  // Written down while an edit is not saved, and taken up by another client after more edits.
  a.insert(0, "unsaved ");
  const saved = JSON.parse(JSON.stringify(a.saveAnchor(after)));
  await a.saved();
  b.insert(0, "more ");
  await b.saved();
  const c = await open(join());
  const again = await c.restoreAnchor(saved);
  assert.equal(c.text.slice(again.position), "world");
  await assert.rejects(c.restoreAnchor({ ...saved, lineage: 1 }), (error) => error.code === 410);
});

real("the past can be read, played and brought back", async ({ join }) => {
  const a = await open(join());
  for (const word of ["one ", "two ", "three "]) {
    a.insert(a.length, word);
    await a.saved();
  }
  const edits = await a.history(1);
  assert.equal(edits.at(-1).seq, a.seq);
  const playback = new Playback();
  for (const edit of edits) playback.play(edit);
  assert.equal(playback.text, a.text);
  assert.deepEqual(playback.runs, [{ length: a.length, author: a.clientId }]);
  const old = await a.contentAt({ seq: a.seq - 1 });
  assert.equal(old.text, "one two ");
  await a.restore(a.seq - 2);
  assert.equal(a.text, "one ");
  a.undo();
  assert.equal(a.text, "one two three ");
});

real("offline: edits wait, are kept, and are sent once", async ({ join }) => {
  const storage = new MemoryStorage(), first = join({ storage }), a = await open(first);
  a.insert(0, "online ");
  await a.saved();
  first.goOffline();
  await until(a, "status", () => a.status === "offline");
  a.insert(a.length, "offline ");
  assert.equal(a.unsavedCount, 1);
  await first.close();

  const second = join({ storage });
  second.goOffline();
  const again = second.open("c", "d");
  await again.ready; // without a connection
  assert.equal(again.text, "online offline ");
  again.insert(again.length, "again ");
  second.goOnline();
  await again.saved();
  const b = await open(join());
  assert.equal(b.text, "online offline again ");
});

real("edits of a tab that was killed are sent by the next one", async ({ join }) => {
  const storage = new MemoryStorage(), killed = join({ storage }), a = await open(killed);
  const living = join({ storage }), b = await open(living);
  assert.notEqual(a.clientId, b.clientId);
  a.insert(0, "base ");
  await a.saved();
  killed.goOffline();
  a.insert(a.length, "typed ");
  await new Promise((resolve) => setTimeout(resolve, 400)); // longer than until it is stored
  await killed.close(); // as good as killed: the record stays, the lock is free
  const third = join({ storage }), c = await open(third);
  await until(b, "change", () => b.text === "base typed ");
  await until(c, "change", () => c.text === "base typed ");
});

real("files keep edits for Node", async ({ join }) => {
  const folder = await mkdtemp(join2(tmpdir(), "ordo-js-store-"));
  try {
    const first = join({ storage: new FileStorage(folder) }), a = await open(first);
    a.insert(0, "kept 😀");
    await a.saved();
    first.goOffline();
    a.insert(a.length, " typed offline");
    await first.close();
    const second = join({ storage: new FileStorage(folder) }), b = await open(second);
    assert.equal(b.text, "kept 😀 typed offline");
    await b.saved();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
const join2 = join;

real("shard and gateway are killed while people type: nothing is lost or doubled", async ({ join, kill, doc: ordoDoc }) => {
  const docs = await Promise.all(Array.from({ length: 3 }, () => open(join())));
  let token = 0x10000;
  const tokens = [];
  for (let round = 0; round < 60; round++) {
    for (const doc of docs) {
      const mark = String.fromCodePoint(token++);
      tokens.push(mark);
      doc.insert(Math.floor(doc.length / 2 / 2) * 2 % (doc.length + 1), mark);
    }
    if (round === 20) await kill("shard");
    if (round === 40) await kill("gateway");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await Promise.all(docs.map((doc) => doc.saved()));
  const seq = Math.max(...docs.map((doc) => doc.seq));
  await Promise.all(docs.map((doc) => until(doc, "change", () => doc.seq >= seq)));
  for (const doc of docs) assert.equal(doc.text, docs[0].text);
  for (const mark of tokens) assert.equal(docs[0].text.split(mark).length, 2);
  assert.equal(await ordoDoc("cat", "c/d"), docs[0].text);
});

real("deleted for everybody, and created again", async ({ join }) => {
  const [a, b] = [await open(join()), await open(join())];
  a.insert(0, "text");
  await sameText(a, b);
  a.deleteDocument();
  assert.equal(a.text, "");
  await until(b, "deleted", () => b.isDeleted);
  assert.equal(b.text, "");
  assert.equal(b.status, "read-only");
  await until(a, "status", () => a.isDeleted && a.status === "read-only");
  b.createAgain("new");
  await until(a, "change", () => a.text === "new");
  await until(b, "change", () => b.text === "new");
});

real("forgotten for everybody, with its history; what was asked of an earlier life erases nothing", async ({ join }) => {
  const client = join(), [a, b] = [await open(client), await open(join())];
  a.insert(0, "secret");
  await a.saved();
  await sameText(a, b);
  const { lineage, seq } = a;
  await a.forget();
  await until(b, "deleted", () => b.isDeleted);
  await until(a, "deleted", () => a.isDeleted);
  assert.deepEqual([a.text, b.text], ["", ""]);
  await assert.rejects(b.history(1), (error) => error instanceof OrdoError && error.code === 410);
  await a.forget(lineage); // whose answer was lost, asks again
  b.createAgain("new");
  await until(a, "change", () => a.text === "new");
  assert.equal(a.seq, seq + 1);
  await assert.rejects(a.forget(lineage), (error) => error instanceof OrdoError && error.code === 409);
  await sameText(a, b);
  client.goOffline();
  await assert.rejects(a.forget(), (error) => error instanceof OrdoError && error.code === 503);
});
