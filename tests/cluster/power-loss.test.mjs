// Disks as they are: power goes, a sync fails, takes half a second or stalls for five. The shard, and only the shard,
// runs on a disk that forgets whatever was not synced (lib/disk.mjs).
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster, assertSameText, converge, withCluster } from "./lib/cluster.mjs";
import { ForgetfulDisk } from "./lib/disk.mjs";
import { Program, residentBytes, run } from "./lib/process.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { keepTyping, pause } from "./lib/typing.mjs";

const MIB = 1024 * 1024;
const lossCount = Number(process.env.ORDO_POWER_LOSSES ?? 15);
const ROUND_S = 10; // the driver checks everything after each round
const random = new Random(seedOfRun);

const onForgetfulDisk = (name, act, shardArgs = []) => test(name, (t) => {
  const disk = new ForgetfulDisk();
  const prepare = (cluster) => disk.attach(cluster, random);
  return withCluster(t, new Cluster({ prepare, shardArgs }), (cluster) => act(cluster, disk, t), 120_000 + lossCount * 3000);
});

/** The shard dies, and with it all that its disk had not been told to keep. */
async function losePower(cluster, disk) {
  await cluster.shard.stop("SIGKILL");
  const forgotten = await disk.losePower();
  cluster.shard.note(`--- ${forgotten}\n`);
  return forgotten;
}

/** ordo-load in the background, on documents of its own. */
function startLoad(cluster, durationS, args = ["--verify"]) {
  const load = new Program("ordo-load");
  cluster.programs.push(load);
  const size = ["--docs", "6", "--clients", "2", "--duration", String(durationS)];
  load.start(["--url", cluster.url, ...size, ...args]);
  return async () => {
    const { code, signal } = await load.ended;
    assert.equal(code, 0, `ordo-load ${args} ended with ${signal ?? code}:\n${load.stderr}`);
  };
}

async function typists(cluster, count = 3) {
  const clients = [];
  for (let i = 0; i < count; i++) clients.push(await cluster.join({ delayMs: () => random.below(6) }));
  return { clients, typing: keepTyping(random, clients) };
}

const PASTE = "pasted ".repeat(12_000); // more than the log that a snapshot is made for

/** Now pastes a large piece, now takes one out, so that snapshots and truncation come by however slow the machine is. */
function paste(client, isIn) {
  if (isIn) client.splice(0, 0, PASTE);
  else client.splice(0, Math.min(PASTE.length, client.text.length), "");
}

/** Cuts under load, each judged by `ordo verify` before the next start, and then by the driver's acks and all clients. In the
 * end the first op of `past` is read, which must have been kept, or not. */
async function losePowerAgainAndAgain(cluster, disk, { loadArgs, isVerified, past = "c/d", keepsPast = true }) {
  const { clients, typing } = await typists(cluster);
  for (let i = 0; i < lossCount;) {
    const finishLoad = startLoad(cluster, ROUND_S, loadArgs);
    for (const endMs = Date.now() + ROUND_S * 1000; Date.now() < endMs; i++) {
      paste(clients[0], i % 2 === 0);
      await pause(50 + random.below(900));
      const forgotten = await losePower(cluster, disk);
      if (isVerified) await assertVerified(cluster, `after a power loss (${forgotten})`);
      await cluster.startShard();
    }
    await finishLoad();
  }
  await typing.stop();
  const text = await converge(clients);
  await losePower(cluster, disk);
  await cluster.startShard();
  assertSameText((await cluster.join()).text, text, "a fresh client after one more power loss");
  const hasFirst = async () => (await run("ordo", ["doc", "at", past, "--seq", "1", "--url", cluster.url])).code === 0;
  // How much was written and packed between the cuts is a matter of luck: so some more.
  await startLoad(cluster, 3, loadArgs)();
  if (!keepsPast) {
    for (let i = 0; i < 20 && await hasFirst(); i++) await startLoad(cluster, 2, loadArgs)();
    await losePower(cluster, disk);
    await cluster.startShard();
  }
  assert.equal(await hasFirst(), keepsPast, `whether the first op of ${past} is still in the history`);
  await cluster.gateway.stop();
  await cluster.shard.stop();
  return assertVerified(cluster, "in the end");
}

async function assertVerified(cluster, when) {
  const { code, stdout, stderr } = await cluster.verify();
  assert.equal(code, 0, `${when}: ${stdout}${stderr}`);
  return stdout;
}

onForgetfulDisk("whatever power loss takes, no acked op is among it", async (cluster, disk) => {
  await losePowerAgainAndAgain(cluster, disk, { loadArgs: ["--verify"], isVerified: false });
});

// Snapshots, packing and truncation are at work all the time, so that the power goes at every step of theirs.
const TRUNCATING = ["--log-ops", "100", "--log-slack", "20", "--log-age-ms", "0"];

onForgetfulDisk("the same while logs are truncated and all of history is packed", async (cluster, disk) => {
  const stdout = await losePowerAgainAndAgain(cluster, disk, { loadArgs: ["--verify"], isVerified: true });
  assert.doesNotMatch(stdout, / 0 blocks of history/, "something was packed");
}, [...TRUNCATING, "--history", "full"]);

onForgetfulDisk("the same while little history is kept, and its base moves on", async (cluster, disk) => {
  const stdout = await losePowerAgainAndAgain(cluster, disk, {
    loadArgs: ["--collection", "loaded"], isVerified: true, past: "loaded/0", keepsPast: false,
  });
  assert.doesNotMatch(stdout, / 0 blocks of history/, "something was packed");
}, [...TRUNCATING, "--history", "300"]);

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
