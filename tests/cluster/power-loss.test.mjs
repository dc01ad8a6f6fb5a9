// Disks as they are: power goes, a sync fails, takes half a second or stalls for five. The shard, and only the shard,
// runs on a disk that forgets whatever was not synced (lib/disk.mjs).
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster, assertSameText, converge, withCluster } from "./lib/cluster.mjs";
import { ForgetfulDisk } from "./lib/disk.mjs";
import { Program, residentBytes } from "./lib/process.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { keepTyping, pause } from "./lib/typing.mjs";

const MIB = 1024 * 1024;
const lossCount = Number(process.env.ORDO_POWER_LOSSES ?? 15);
const ROUND_S = 10; // the driver checks everything after each round
const random = new Random(seedOfRun);

const onForgetfulDisk = (name, act) => test(name, (t) => {
  const disk = new ForgetfulDisk();
  const prepare = (cluster) => disk.attach(cluster, random);
  return withCluster(t, new Cluster({ prepare }), (cluster) => act(cluster, disk), 120_000 + lossCount * 3000);
});

/** The shard dies, and with it all that its disk had not been told to keep. */
async function losePower(cluster, disk) {
  await cluster.shard.stop("SIGKILL");
  const forgotten = await disk.losePower();
  cluster.shard.note(`--- ${forgotten}\n`);
  return forgotten;
}

/** ordo-load --verify in the background, on documents of its own. */
function startLoad(cluster, durationS) {
  const load = new Program("ordo-load");
  cluster.programs.push(load);
  const size = ["--docs", "6", "--clients", "2", "--duration", String(durationS)];
  load.start(["--url", cluster.url, ...size, "--verify"]);
  return async () => {
    const { code, signal } = await load.ended;
    assert.equal(code, 0, `ordo-load --verify ended with ${signal ?? code}:\n${load.stderr}`);
  };
}

async function typists(cluster, count = 3) {
  const clients = [];
  for (let i = 0; i < count; i++) clients.push(await cluster.join({ delayMs: () => random.below(6) }));
  return { clients, typing: keepTyping(random, clients) };
}

onForgetfulDisk("whatever power loss takes, no acked op is among it", async (cluster, disk) => {
  const { clients, typing } = await typists(cluster);
  for (let i = 0; i < lossCount;) {
    const finishLoad = startLoad(cluster, ROUND_S);
    for (const endMs = Date.now() + ROUND_S * 1000; Date.now() < endMs; i++) {
      await pause(50 + random.below(900));
      await losePower(cluster, disk);
      await cluster.startShard();
    }
    await finishLoad();
  }
  await typing.stop();
  const text = await converge(clients);
  await losePower(cluster, disk);
  await cluster.startShard();
  assertSameText((await cluster.join()).text, text, "a fresh client after one more power loss");
  await cluster.gateway.stop();
  await cluster.shard.stop();
  const verified = await cluster.verify();
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
});

onForgetfulDisk("a failed sync stops the shard, and what comes after survives power loss", async (cluster, disk) => {
  const { clients, typing } = await typists(cluster);
  for (let i = 0; i < 4; i++) {
    await pause(200 + random.below(300));
    await disk.failSyncs();
    const { code } = await cluster.shard.ended;
    assert.equal(code, 1, "the shard stopped by itself");
    assert.match(cluster.shard.stderr, /error|fail/i);
    await disk.heal();
    await cluster.startShard();
    await pause(random.below(300));
    await losePower(cluster, disk);
    await cluster.startShard();
  }
  await typing.stop();
  const text = await converge(clients);
  await losePower(cluster, disk);
  await cluster.startShard();
  assertSameText((await cluster.join()).text, text, "a fresh client");
});

onForgetfulDisk("a disk that takes 500 ms per sync, or stalls for 5 s, is only slow", async (cluster, disk) => {
  const { clients, typing } = await typists(cluster);
  const finishLoad = startLoad(cluster, 12);
  await pause(1000);
  const before = residentBytes(cluster.shard.pid) + residentBytes(cluster.gateway.pid);
  await disk.delaySyncs(500);
  await pause(4000);
  await disk.stallOnce(5000);
  await pause(6500);
  const grownMiB = (residentBytes(cluster.shard.pid) + residentBytes(cluster.gateway.pid) - before) / MIB;
  await disk.heal();
  await typing.stop();
  await finishLoad();
  const text = await converge(clients);
  assertSameText((await cluster.join()).text, text, "a fresh client");
  assert.ok(clients.every((client) => client.reconnects === 0), "no connection was lost");
  assert.ok(clients.every((client) => client.resyncs === 0), "no link was reset: nobody had to be resynced");
  assert.ok(grownMiB < 64, `memory grew by ${grownMiB} MiB`);
});
