// A bit flips in a table of a running shard, and a compaction meets it: RocksDB stops all writes for good. The shard takes the
// table out and comes back by itself; what lost something answers errors, all others accept edits again at once.
import { test } from "node:test";
import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, readFileSync, readSync, readdirSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import { Supervised, assertSameText, withCluster } from "./lib/cluster.mjs";
import { eventually, run } from "./lib/process.mjs";
import { RawConnection } from "./lib/raw.mjs";

const AWAY_MS_MAX = 10_000;
const NEEDLE = "the only place where this stands";

test("a flipped bit that compaction meets costs its document only, and the others ten seconds at most", (t) =>
  withCluster(t, new Supervised({ args: ["--log-ops", "100", "--log-age-ms", "0"] }), async (cluster) => {
    const others = await Promise.all(Array.from({ length: 12 }, (_, i) => cluster.join({ id: `other-${i}` })));
    const victim = await cluster.join({ id: "victim" });
    await Promise.all([...others, victim].map((client) => typeSome(client, 20)));
    victim.splice(0, 0, NEEDLE);
    await typeSome(victim, 20);
    const before = victim.confirmed.seq;
    await restart(cluster); // what the log holds goes to tables
    const store = join(cluster.data, "shard"), flip = () => flipAt(join(store, "db"), NEEDLE);
    let table = await flip();

    const typing = keepMeasuring(others);
    const large = await cluster.join({ id: "large" });
    while (!/event=table_confined/.test(cluster.up.log)) {
      const isSeen = [table, join(store, "lost", basename(table))].some(existsSync);
      if (!isSeen) table = await flip(); // a compaction had read it before, and its result is sound
      await typeLarge(large);
    }
    await typeSome(large, 1);
    await Promise.all(others.map((client) => typeSome(client, 3)));
    const { longestMs } = await typing.stop();
    t.diagnostic(`the longest that anybody's edit took: ${longestMs} ms`);
    assert.ok(longestMs < AWAY_MS_MAX, `an edit of another document took ${longestMs} ms`);

    victim.close();
    await openFails(cluster.url, "victim");
    for (const [i, client] of others.entries()) {
      assertSameText((await cluster.join({ id: `other-${i}` })).text, client.text, `other-${i}`);
    }
    await restart(cluster); // and so it stays
    await openFails(cluster.url, "victim");
    await Promise.all([...others, large].map((client) => typeSome(client, 2)));
    assert.equal(readdirSync(join(cluster.data, "shard", "lost")).length, 1, "the table is kept");
    assert.ok(!existsSync(join(cluster.data, "shard", "bad-tables")));

    await cluster.up.stop("SIGTERM");
    await nothingButTheVictimIsNamed(cluster, before);
  }, 180_000));

/** `ordo verify` and `ordo repair` of what was confined. */
async function nothingButTheVictimIsNamed(cluster, head) {
  const verified = await cluster.verify();
  assert.equal(verified.code, 1);
  const named = [...verified.stdout.matchAll(/ c\/([^ :]+)/g)].map(([, id]) => id);
  assert.deepEqual([...new Set(named)], ["victim"], verified.stdout);
  const anew = join(cluster.folder, "new");
  for (const [how, folder] of [[["--into", anew], anew], [["--in-place"], cluster.data]]) {
    const { code, stdout, stderr } = await run("ordo", ["repair", cluster.data, ...how, "--json"]);
    assert.equal(code, 3, stderr);
    const [{ documents, counts }] = JSON.parse(stdout).stores;
    assert.deepEqual(documents.map(({ id }) => id), ["victim"], how.join(" "));
    assert.equal(counts.documents === 1, how[0] === "--in-place", "whether the others were looked at");
    assert.ok(documents[0].readable_seq < head && documents[0].new_lineage, JSON.stringify(documents));
    const repaired = await run("ordo", ["verify", folder]);
    assert.equal(repaired.code, 0, repaired.stdout);
  }
  await cluster.startUp();
  const fresh = await cluster.join({ id: "victim", ledger: null });
  assert.ok(!fresh.text.includes(NEEDLE) && fresh.text.length > 0, "what was before the damage is served again");
  await typeSome(fresh, 2);
}

async function typeSome(client, count) {
  for (let i = 0; i < count; i++) {
    client.splice(0, 0, `${i} `);
    await client.settled();
  }
}

/** Ops by the hundred kilobytes, each in the place of the last: full memtables, tables, compactions. */
async function typeLarge(client) {
  client.splice(0, client.text.length, Math.random().toString(36).repeat(20_000));
  await client.settled();
}

/** Everybody types all the time; remembers how long the slowest edit took to be acked. */
function keepMeasuring(clients) {
  let isStopping = false, longestMs = 0;
  const done = Promise.all(clients.map(async (client) => {
    while (!isStopping) {
      const begunMs = Date.now();
      await typeSome(client, 1);
      longestMs = Math.max(longestMs, Date.now() - begunMs);
      await new Promise((next) => setTimeout(next, 20));
    }
  }));
  return { async stop() { isStopping = true; await done; return { longestMs }; } };
}

async function restart(cluster) {
  const pid = await eventually(() => cluster.killChild("shard"), "the shard to run");
  await cluster.childRestarted("shard", pid);
}

/** Flips a bit of the first table that holds the text; its path. Tables go at any time: compaction has others in their place. */
async function flipAt(folder, text) {
  const unlessGone = (act) => { try { return act(); } catch (error) { if (error.code !== "ENOENT") throw error; } };
  return eventually(() => readdirSync(folder).filter((name) => name.endsWith(".sst")).map((name) => join(folder, name)).find((path) => {
    const offset = unlessGone(() => readFileSync(path))?.indexOf(text) ?? -1;
    return offset >= 0 && unlessGone(() => flipByte(path, offset + 5));
  }), "a table with that text");
}

function flipByte(path, offset) {
  const file = openSync(path, "r+"), byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, offset);
  byte[0] ^= 0x10;
  writeSync(file, byte, 0, 1, offset);
  closeSync(file);
  return true;
}

/** The document answers an error that says why; while the shard is away it is only unavailable. */
async function openFails(url, id) {
  const attempt = async () => {
    const raw = await RawConnection.connect(url);
    try {
      await raw.open("c", id, {});
    } catch (error) {
      return error.code === 503 && /damaged table/.test(error.message) && error;
    } finally {
      raw.close();
    }
    throw new Error(`${id} was opened`);
  };
  return eventually(attempt, `${id} to be refused`);
}
