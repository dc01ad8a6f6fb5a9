// Packed history whose blocks are damaged, one after the other: `ordo repair` keeps content, head and lineage, says where history
// begins now, and that is where it can be read from. What else the store held is as it was. Where all snapshots are damaged, history
// leads to the content.
import { test } from "node:test";
import assert from "node:assert/strict";
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cluster, withCluster } from "./lib/cluster.mjs";
import { run } from "./lib/process.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { RawConnection } from "./lib/raw.mjs";
import { readHistory, whileServed } from "./lib/stored.mjs";

const shardArgs = ["--log-ops", "40", "--log-slack", "20", "--log-age-ms", "0", "--history", "100000", "--disk-reserve-mib", "0"];
const PACKED_COUNT = 250, TEXT_SIZE = 5000; // a snapshot each 64 KiB of log, a block each MiB of what leaves it
const random = new Random(seedOfRun);

test("a damaged block of packed history costs just that history, and repair says where it begins now; all snapshots cost nothing", (t) =>
  withCluster(t, new Cluster({ shardArgs, inMemory: true }), async (cluster) => {
    await Promise.all(["packed", "beside"].map((id) => write(cluster.url, id)));
    await cluster.restart(); // what was written goes into tables
    const truth = await readAll(cluster.url);
    for (const { begins, ops, seq } of truth.values()) assert.deepEqual([begins, ops.length], [1, seq]);
    await cluster.gateway.stop();
    await cluster.shard.stop();

    const blocks = placesOf(cluster.store, "packed", "history");
    assert.ok(blocks.length >= 2, "history fills more than one block");
    const [first, last] = [await loseBlock(cluster, blocks[0], truth), await loseBlock(cluster, blocks.at(-1), truth)];
    t.diagnostic(`of ${truth.get("packed").seq} ops history begins at ${first} without the first block, at ${last} without the last`);
    assert.ok(first <= last, "it begins at the first snapshot behind the damage");

    const snapshots = placesOf(cluster.store, "packed", "snapshots").flat();
    assert.ok(snapshots.length >= 2, "two snapshots are kept");
    const { code, counts } = await damageAndRepair(cluster, snapshots);
    assert.deepEqual([code, counts.whole], [0, truth.size], "without a snapshot, all that was typed leads to the end");
    await assertServed(cluster, truth, 1);
  }, 60_000));

/** Each op replaces all that was there; until enough of them are packed. */
async function write(url, id) {
  const raw = await RawConnection.connect(url);
  const { doc, head } = await raw.open("c", id);
  for (let i = 1, horizon = 0; horizon < PACKED_COUNT; i++) {
    const spans = i > 1 ? [TEXT_SIZE * 16 + 1, TEXT_SIZE * 16 + 2] : [TEXT_SIZE * 16 + 1];
    const { nack } = await raw.submit(doc, i, head + i - 1, { text: { spans, text: scribble() } });
    assert.equal(nack, undefined, JSON.stringify(nack));
    if (i % 50 === 0) horizon = await horizonOf(url, id);
    assert.ok(i < 20 * PACKED_COUNT, `only ${horizon} ops of ${id} are packed`);
  }
  raw.close();
}

async function horizonOf(url, id) {
  const raw = await RawConnection.connect(url);
  const { horizon } = await raw.open("c", id);
  raw.close();
  return horizon;
}

/** Nothing that would compress. */
const scribble = () => Array.from({ length: TEXT_SIZE }, () => random.below(36).toString(36)).join("");

/** Map of id → { text, seq, lineage, begins, ops }: `begins` is the first op that can be read. */
async function readAll(url) {
  const raw = await RawConnection.connect(url);
  const documents = new Map();
  for (const id of ["packed", "beside"]) {
    const { doc, content, lineage } = await raw.open("c", id);
    const begins = await beginningOf(raw, doc, content.seq);
    const { ops } = await readHistory(raw, doc, { from_seq: begins, to_seq: content.seq });
    documents.set(id, { text: content.text, seq: content.seq, lineage, begins, ops });
  }
  raw.close();
  return documents;
}

/** What the server names; the op before is refused. */
async function beginningOf(raw, doc, seq) {
  const { begins } = await readHistory(raw, doc, { at_seq: seq });
  if (begins > 1) await assert.rejects(readHistory(raw, doc, { from_seq: begins - 1, to_seq: seq }), { code: 410 });
  return begins;
}

/** Large rows that a family has of the document, by seq: of each its places, table and offset. Such a row fills one of the table's own
 * blocks, behind its key; what else has the key is small, at the table's end. Old tables may hold rows that were deleted since,
 * or as they were before. */
function placesOf(store, id, family) {
  const folder = join(store, "db"), END_SIZE = 10_000, SEQ_SIZE = 8;
  const rows = new Map();
  for (const name of readdirSync(folder).filter((entry) => entry.endsWith(".sst")).sort()) {
    const bytes = readFileSync(join(folder, name));
    if (!bytes.includes(family)) continue; // its column family
    for (let at = bytes.indexOf(id); at >= 0 && at < bytes.length - END_SIZE; at = bytes.indexOf(id, at + 1)) {
      const seq = at + id.length + 1;
      const key = bytes.subarray(seq, seq + SEQ_SIZE).toString("hex");
      rows.set(key, [...(rows.get(key) ?? []), { name, at }]);
    }
  }
  return [...rows.keys()].sort().map((key) => rows.get(key));
}

/** Flips a bit at each of the places in a copy of the store, repairs that, and resolves to what the report says. */
async function damageAndRepair(cluster, places) {
  const damaged = join(cluster.folder, "damaged"), repaired = repairedOf(cluster);
  for (const folder of [damaged, repaired]) rmSync(folder, { recursive: true, force: true });
  cpSync(cluster.store, damaged, { recursive: true });
  for (const { name, at } of places) {
    const table = join(damaged, "db", name), bytes = readFileSync(table);
    bytes[at + 1000] ^= 0x10;
    writeFileSync(table, bytes);
  }
  const verified = await run("ordo", ["verify", damaged]);
  assert.equal(verified.code, 1, "verify sees it");
  const { code, stdout, stderr } = await run("ordo", ["repair", damaged, "--into", repaired, "--json"]);
  assert.match(stdout, /^\{/, stderr);
  return { code, ...JSON.parse(stdout).stores[0] };
}

const repairedOf = (cluster) => join(cluster.folder, "repaired");

/** All that was typed, but for the history before `begins`. */
async function assertServed(cluster, truth, begins) {
  const served = await whileServed(cluster, repairedOf(cluster), shardArgs, readAll);
  const { ops, ...packed } = truth.get("packed");
  assertSame(served.get("packed"), { ...packed, begins, ops: ops.slice(begins - 1) });
  assertSame(served.get("beside"), truth.get("beside"));
  const again = await run("ordo", ["verify", repairedOf(cluster)]);
  assert.equal(again.code, 0, again.stdout);
}

/** A block that stands at these places is damaged. Resolves to where the history of "packed" begins then. */
async function loseBlock(cluster, places, truth) {
  const { code, documents, counts } = await damageAndRepair(cluster, places);
  assert.deepEqual([code, counts.documents, documents.map(({ id, outcome }) => [id, outcome])], [3, truth.size, [["packed", "whole"]]]);
  const begins = documents[0].history_lost_before_seq;
  assert.ok(begins > 1 && begins <= truth.get("packed").seq);
  await assertServed(cluster, truth, begins);
  return begins;
}

/** Texts and ops are long: of these only whether they differ is shown. */
function assertSame({ text, ops, ...is }, { text: textOfOld, ops: opsOfOld, ...was }) {
  assert.deepEqual(is, was);
  assert.ok(text === textOfOld, "the content");
  assert.ok(JSON.stringify(ops) === JSON.stringify(opsOfOld), `its ops from ${is.begins} on`);
}
