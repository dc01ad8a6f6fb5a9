// Forgetting a document: nothing of it is left, in no file, in no answer, whenever the shard dies; others go on.
import { test } from "node:test";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Cluster, withCluster } from "./lib/cluster.mjs";
import { Program, eventually, run } from "./lib/process.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { RawConnection, insertAtStart } from "./lib/raw.mjs";
import { NackCode } from "./lib/wire.mjs";

const random = new Random(seedOfRun);
const inCluster = (name, act, options) => test(name, (t) => withCluster(t, new Cluster(options), act));
const ordoDoc = (cluster, verb, ...args) => cluster.ordo(["doc", verb, ...args, "--url", cluster.url]);
/** Nothing that a compressor could break up. */
const marker = () => randomBytes(24).toString("base64url");

async function good(cluster, verb, ...args) {
  const { code, stdout, stderr } = await ordoDoc(cluster, verb, ...args);
  assert.equal(code, 0, `ordo doc ${verb} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function put(cluster, name, input) {
  const { code, stderr } = await cluster.doc("put", name, { input });
  assert.equal(code, 0, stderr);
}

const forget = async (cluster, name) => Number(await good(cluster, "rm", name, "--forget", "--yes"));
const until = (raw, body) => raw.next((message) => message[body]);

/** How many of these texts stand anywhere in the files of the store. */
function foundOnDisk(cluster, texts) {
  const folder = join(cluster.store, "db");
  const files = readdirSync(folder).map((name) => {
    try { return readFileSync(join(folder, name)); } catch { return Buffer.alloc(0); } // replaced meanwhile
  });
  return texts.filter((text) => files.some((bytes) => bytes.includes(text))).length;
}

inCluster("what was typed is in no file any more, of this document and of no other", async (cluster) => {
  const markers = Array.from({ length: 300 }, marker), others = Array.from({ length: 20 }, marker);
  const client = await cluster.join(), other = await cluster.join({ id: "other" });
  for (const text of markers) {
    client.splice(0, 0, text);
    await client.settled();
  }
  for (const text of others) other.splice(0, 0, text);
  client.splice(10, 20, ""); // gone from the text, and still in the history
  await Promise.all([client.settled(), other.settled()]);
  const head = client.confirmed.seq;
  await cluster.restart(); // so that some of it stands in tables
  assert.equal(foundOnDisk(cluster, markers), markers.length);
  assert.equal(await forget(cluster, "c/d"), head);
  await eventually(() => foundOnDisk(cluster, markers) === 0, "the files to have nothing of it any more");
  assert.equal(foundOnDisk(cluster, others), others.length);
  assert.equal((await good(cluster, "cat", "c/other")).trim(), other.confirmed.text);
  await client.until(() => client.confirmed.seq === head && client.text === "", "the client to hear of it");
  await cluster.gateway.stop();
  await cluster.shard.stop();
  const { code, stdout } = await cluster.verify();
  assert.equal(code, 0, stdout);
}, { shardArgs: ["--log-ops", "50", "--log-slack", "10"] });

inCluster("it is deleted for everybody, and its order goes on behind the same head", async (cluster) => {
  const [raw, other] = [await RawConnection.connect(cluster.url), await RawConnection.connect(cluster.url)];
  const { doc, head, lineage } = await raw.open("c", "d");
  const otherDoc = (await other.open("c", "d")).doc;
  await raw.submit(doc, 1, head, insertAtStart("secret"));
  await until(other, "committed");
  raw.send({ request: 7, doc, forget: { lineage } });
  const answer = await raw.next((message) => message.request === 7);
  assert.equal(answer.forgotten?.head, head + 1);
  for (const [someone, handle] of [[raw, doc], [other, otherDoc]]) {
    const { opened, ...message } = await someone.next((message) => message.opened && message.request === 0);
    assert.deepEqual([message.doc, opened.head, opened.content.deleted, opened.content.text], [handle, head + 1, true, ""]);
    assert.notEqual(opened.lineage, lineage);
    assert.deepEqual([opened.horizon, opened.forgotten_seq], [head + 1, head + 1]);
  }
  // Late copies of what was, and what was made on top of it.
  assert.equal((await raw.submit(doc, 1, head, insertAtStart("secret"))).nack.code, NackCode.STALE_BASE);
  assert.equal((await other.submit(otherDoc, 1, head + 1, insertAtStart("y"))).nack.code, NackCode.DELETED);
  raw.send({ request: 8, doc, history: { from_seq: 1, to_seq: head + 1 } });
  assert.equal((await raw.next((message) => message.request === 8)).error?.code, 410);
  // Asked once more, because the answer got lost, it is done already; of what came since it does not speak.
  raw.send({ request: 9, doc, forget: { lineage } });
  assert.equal((await raw.next((message) => message.request === 9)).forgotten?.head, head + 1);
  const created = await other.submit(otherDoc, 2, head + 1, { create: { type: "text", ...insertAtStart("new") } });
  assert.equal(created.ack.server_seq, head + 2);
  raw.send({ request: 10, doc, forget: { lineage } });
  assert.equal((await raw.next((message) => message.request === 10)).error?.code, 409);
  for (const restart of [false, true]) {
    if (restart) await cluster.restart("SIGKILL");
    const exported = await cluster.ordo(["export", "--url", cluster.url, "c/d"]);
    assert.match(exported.stdout, new RegExp(`"begin_seq":${head + 1},"head":${head + 2},`), exported.stderr);
    assert.match(exported.stdout, new RegExp(`"created_seq":${head + 1},"deleted_seq":${head + 1},`), "it begins with nothing");
    assert.equal(await good(cluster, "cat", "c/d"), "new");
    assert.equal((await good(cluster, "log", "c/d", "--from", `${head + 2}`)).trim().split("\n").length, 1);
    const { code, stderr } = await ordoDoc(cluster, "at", "c/d", "--seq", `${head}`);
    assert.deepEqual([code, /410/.test(stderr)], [1, true], stderr);
  }
});

inCluster("who may not be asked, what is not there: each in one sentence", async (cluster) => {
  await put(cluster, "c/d", "text");
  const usage = await ordoDoc(cluster, "rm", "c/d", "--forget");
  assert.deepEqual([usage.code, /--yes/.test(usage.stderr)], [2, true]);
  const none = await ordoDoc(cluster, "rm", "c/none", "--forget", "--yes");
  assert.deepEqual([none.code, /there is no document c\/none/.test(none.stderr)], [1, true]);
  assert.equal(await good(cluster, "cat", "c/d"), "text");
  const raw = await RawConnection.connect(cluster.url);
  raw.send({ request: 3, doc: 99, forget: {} });
  assert.equal((await raw.next((message) => message.request === 3)).error?.code, 404);
});

inCluster("killed at any moment: all of it is there, or nothing", async (cluster) => {
  for (let i = 0; i < 12; i++) {
    const name = `c/k${i}`, text = marker();
    await put(cluster, name, text);
    await put(cluster, name, `${text}\n${marker()}`);
    const asking = new Program("ordo").start(["doc", "rm", name, "--forget", "--yes", "--url", cluster.url]);
    await new Promise((done) => setTimeout(done, random.below(160)));
    await cluster.shard.stop("SIGKILL");
    const verified = await run("ordo", ["verify", cluster.store]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    const exported = await run("ordo", ["export", "--data", cluster.data, "--all"]);
    assert.equal(exported.code, 0, exported.stderr);
    const ops = exported.stdout.split("\n").filter((line) => line.includes(text)).length;
    const isThere = exported.stdout.includes(`"id":"k${i}"`);
    assert.equal(ops > 0, isThere);
    await cluster.startShard();
    assert.equal((await asking.ended).code, 0, asking.stderr); // it has asked until it was done
    const { code, stderr } = await ordoDoc(cluster, "at", name, "--seq", "1");
    assert.deepEqual([code, /410/.test(stderr)], [1, true], stderr);
  }
});
