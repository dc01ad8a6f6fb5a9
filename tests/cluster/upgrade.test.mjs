// A rolling upgrade under load: from programs that know one format level less, back to them, on again, and finished; then there is
// no way back.
import { test } from "node:test";
import assert from "node:assert/strict";
import { withCluster } from "./lib/cluster.mjs";
import { Many } from "./lib/many.mjs";
import { FORMER, run } from "./lib/process.mjs";

const LOAD = ["--docs", "1", "--clients", "4", "--rate", "1200", "--length", "1000", "--settle", "60"];

/** One after the other, while the others serve. `meanwhile(i)` is done while shard i is not running. */
async function roll(cluster, version, meanwhile) {
  cluster.version = version;
  for (const i of cluster.shards.keys()) {
    await cluster.shards[i].stop();
    await meanwhile(i);
    await cluster.startShard(i);
  }
  for (const i of cluster.gateways.keys()) {
    await cluster.gateways[i].stop();
    await cluster.startGateway(i);
  }
}

/** The hashes of all texts of a stopped store, as the programs of a version replay them: every thousandth, and at the heads. */
async function hashes(version, store) {
  const { code, stdout, stderr } = await run(`${version}ordo`, ["verify", store, "--hash-every", "1000"]);
  assert.equal(code, 0, stdout + stderr);
  return stdout.split("\n").filter((line) => line.startsWith("hash "));
}

async function refuses(program, sentence) {
  const { code } = await program.ended;
  assert.equal(code, 1, program.log.slice(-3000));
  assert.match(program.log.trimEnd().split("\n").findLast((line) => line.includes("event=stopped")), sentence);
}

const levels = async (cluster) => {
  const { code, stdout, stderr } = await cluster.ordo("upgrade", "status", "--json");
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
};

test("a cluster is upgraded while it is used, and goes back, until the upgrade is finished", (t) =>
  withCluster(t, new Many({ shards: 0, gateways: 0, shardArgs: ["--no-balance"] }), async (cluster) => {
    cluster.version = FORMER;
    for (const i of [0, 1]) await cluster.startShard(i);
    for (const i of [0, 1]) await cluster.startGateway(i);
    assert.equal((await cluster.ordo("move", "7", "--to", "shard-1")).code, 0);
    const loads = ["7", "8"].map((slot) => cluster.startLoad([...LOAD, "--slot", slot, "--duration", "8"])); // one for each shard
    const compared = [0, 0];
    const compare = async (i) => {
      const [former, newer] = await Promise.all([FORMER, ""].map((version) => hashes(version, cluster.store(i))));
      assert.deepEqual(newer, former, "both versions replay the same texts");
      compared[i] += former.filter((line) => / \d+000 /.test(line)).length;
    };
    await roll(cluster, "", compare);
    assert.deepEqual(((all) => [all.format, all.common_max])(await levels(cluster)), [1, 2], "all know the new level, nobody writes it");

    await roll(cluster, FORMER, compare);
    const early = await cluster.ordo("upgrade", "finish");
    assert.equal(early.code, 1, "not while the former version runs");
    assert.match(early.stderr, /(shard|gateway)-\d cannot read the format level 2/);
    assert.equal(early.stderr.trim().split("\n").length, 1);
    assert.equal((await levels(cluster)).format, 1);

    await roll(cluster, "", compare);
    for (const { finish } of loads) await finish(); // no op was lost, doubled or refused
    await roll(cluster, "", compare); // on a slow machine only now all texts have some thousand ops
    assert.ok(Math.min(...compared) > 0, `documents had some thousand ops: ${compared}`);
    assert.match((await cluster.ordo("upgrade", "status")).stdout, /All know level 2: `ordo upgrade finish`/);
    const finished = await cluster.ordo("upgrade", "finish");
    assert.equal(finished.code, 0, finished.stderr);
    assert.equal((await cluster.ordo("upgrade", "finish")).code, 0, "again, for who does not remember");
    assert.equal((await levels(cluster)).format, 2);
    await cluster.startLoad(["--docs", "2", "--clients", "4", "--length", "1000", "--duration", "1", "--settle", "60"]).finish();

    cluster.version = FORMER;
    await cluster.shards[1].stop();
    await refuses(cluster.beginShard(1), /store has the format level 2, and this program reads 1 to 1/);
    await refuses(cluster.beginShard(2), /cluster's format level is 2, and this program reads 1 to 1/); // with a new store
    await refuses(cluster.beginGateway(2), /cluster's format level is 2, and this program reads 1 to 1/);
    const offline = await run(`${FORMER}ordo`, ["verify", cluster.store(1)]);
    assert.equal(offline.code, 1, offline.stdout);
    assert.match(offline.stderr, /format level 2/);
    cluster.version = "";
    await cluster.startShard(1);
    assert.match(await cluster.stopAndVerify(), / [1-9]\d* snapshots/);
  }, 120_000));
