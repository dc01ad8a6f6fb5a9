// `ordo verify` of a shard that runs: it finds what stands on the disk, says nothing wrong, and is in nobody's way.
import { test } from "node:test";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Supervised, converge, withCluster } from "./lib/cluster.mjs";
import { Program, eventually, run } from "./lib/process.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { keepTyping, pause } from "./lib/typing.mjs";

const random = new Random(seedOfRun);
const database = (cluster) => join(cluster.data, "shard", "db");
const checkpoint = (cluster) => join(cluster.data, "shard", "checkpoint");
const verify = (cluster, ...args) => run("ordo", ["verify", cluster.data, ...args]);

/** Each a text of its own of some 64 KiB that no compressor makes smaller, in tables. */
async function documents(cluster, ids) {
  const texts = new Map(ids.map((id) => [id, randomBytes(48 * 1024).toString("base64")]));
  for (const [id, input] of texts) {
    const { code, stderr } = await cluster.doc("put", `c/${id}`, { input });
    assert.equal(code, 0, stderr);
  }
  await restartShard(cluster);
  return texts;
}

async function restartShard(cluster, signal = "SIGTERM") {
  const pid = await cluster.killChild("shard", signal);
  await cluster.childRestarted("shard", pid);
  await cluster.join({ id: `awake${pid}` }); // it serves
}

/** One bit of the byte in the middle of where the text stands. */
function flipBit(cluster, text) {
  for (const name of readdirSync(database(cluster)).filter((name) => name.endsWith(".sst"))) {
    const path = join(database(cluster), name), bytes = readFileSync(path);
    const offset = bytes.indexOf(text.slice(20_000, 20_100));
    if (offset < 0) continue;
    const file = openSync(path, "r+");
    writeSync(file, Buffer.from([bytes[offset] ^ 0x10]), 0, 1, offset);
    closeSync(file);
    return true;
  }
  return false;
}

test("a sound store is found sound while people type, and nothing is left behind", (t) =>
  withCluster(t, new Supervised(), async (cluster) => {
    const clients = [await cluster.join(), await cluster.join()];
    await documents(cluster, ["a", "b"]);
    const typing = keepTyping(random, clients);
    for (let round = 0; round < 3; round++) {
      const { code, stdout, stderr } = await verify(cluster);
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /\(running\): \d+ documents, .* 0 findings\n$/);
      await eventually(() => !existsSync(checkpoint(cluster)), "the checkpoint to be gone");
    }
    await typing.stop();
    await converge(clients);
  }));

test("a damaged document is named, and the others go on", (t) =>
  withCluster(t, new Supervised(), async (cluster) => {
    const ids = Array.from({ length: 12 }, (_, i) => `d${i}`), damaged = random.pick(ids);
    const texts = await documents(cluster, ids);
    await cluster.join({ id: damaged }); // so that the shard has it in its cache, and would not notice
    assert.ok(flipBit(cluster, texts.get(damaged)), `the text of ${damaged} stands in a table`);
    const { code, stdout } = await verify(cluster);
    assert.equal(code, 1, stdout);
    const named = new Set([...stdout.matchAll(/ c\/(d\d+)\b/g)].map((match) => match[1]));
    assert.ok(named.has(damaged), stdout);
    assert.ok(named.size <= 3, `it, and whose rows lie just beside it: ${[...named]}`);
    for (const id of ids.filter((id) => !named.has(id))) {
      const client = await cluster.join({ id });
      client.splice(0, 0, "goes on ");
      await client.settled();
      assert.equal((await cluster.doc("cat", `c/${id}`)).stdout, `goes on ${texts.get(id)}`);
    }
  }));

test("what ends in the middle says so, and has found nothing", (t) =>
  withCluster(t, new Supervised(), async (cluster) => {
    await documents(cluster, Array.from({ length: 30 }, (_, i) => `d${i}`));
    const verifying = new Program("ordo").start(["verify", cluster.data, "--rate-mib", "1"]);
    await eventually(() => existsSync(checkpoint(cluster)), "the checkpoint");
    await pause(300);
    await restartShard(cluster, "SIGKILL");
    const { code } = await verifying.ended;
    assert.equal(code, 1);
    assert.equal(verifying.stdout, "");
    assert.match(verifying.stderr, /not verified to its end: The shard /);

    const killed = new Program("ordo").start(["verify", cluster.data, "--rate-mib", "1"]);
    await eventually(() => existsSync(checkpoint(cluster)), "the checkpoint");
    const busy = await run("ordo", ["backup", join(cluster.folder, "backups"), "--data", cluster.data], { timeoutMs: 60_000 });
    await killed.stop("SIGKILL");
    // A backup waits for what holds the store; if that is a check that goes on for long, it says so.
    if (busy.code !== 0) assert.match(busy.stderr, /Another backup or check of this store is under way/);
    await eventually(() => !existsSync(checkpoint(cluster)), "a checkpoint that nobody waits for to be given up", 20_000);
    assert.equal((await verify(cluster)).code, 0);
  }));
