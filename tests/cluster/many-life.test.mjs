// The life of a cluster under `ordo up`: an old folder grows, shrinks, is backed up and restored.
import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { Supervised, withCluster } from "./lib/cluster.mjs";
import { Program, eventually, run } from "./lib/process.mjs";

/** `ordo up` with as many shards and gateways as wanted, started again with other numbers. */
class Grown extends Supervised {
  constructor(upArgs, prepare) { super(); Object.assign(this, { upArgs, prepare: prepare ?? (async () => {}) }); }
  async start() { await this.make(); await this.prepare(this); await this.startUp(); return this; }
  async startUp(upArgs = this.upArgs) {
    this.upArgs = upArgs;
    this.up.start(["up", "--data", this.data, "--listen", this.listen, ...upArgs]);
    const [, urls] = await this.up.line(/^ready (.+)/, 60_000);
    this.urls = urls.split(" ");
    this.url = this.urls[0];
    this.listen = new URL(this.url).host;
  }
  async again(upArgs) { await this.up.stop("SIGTERM"); await this.startUp(upArgs); }
  async status() {
    const { code, stdout, stderr } = await run("ordo", ["status", "--json", "--data", this.data]);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }
  balanced(count) {
    return eventually(async () => {
      const { shards, moves } = await this.status();
      const slots = shards.map((shard) => shard.slots);
      return moves.length === 0 && shards.length === count && Math.max(...slots) - Math.min(...slots) <= 1;
    }, `${count} stores with equal shares`, 180_000);
  }
}

async function put(cluster, count) {
  for (let i = 0; i < count; i++) assert.equal((await cluster.doc("put", `c/${i}`, { input: `document ${i}\n` })).code, 0);
}

async function readAll(cluster, count, url = cluster.url) {
  for (let i = 0; i < count; i++) {
    const { stdout, stderr } = await run("ordo", ["doc", "cat", `c/${i}`, "--url", url]);
    assert.equal(stdout, `document ${i}\n`, stderr);
  }
}

/** A folder as it was before there were clusters: one store, made and filled by a shard that was alone. */
async function oldFolder(cluster) {
  const store = join(cluster.data, "shard");
  await mkdir(cluster.data);
  const shard = new Program("ordo-shard").start(["--data", store]);
  cluster.programs.push(shard);
  const [, data, side] = await shard.line(/^ready data=(\S+) side=(\S+)/);
  const gateway = new Program("ordo-gateway").start(["--listen", "127.0.0.1:0", "--shard", `data=${data},side=${side}`]);
  cluster.programs.push(gateway);
  cluster.url = (await gateway.line(/^ready (\S+)/))[1];
  await put(cluster, 20);
  await gateway.stop();
  await shard.stop();
}

test("a folder with one store grows to three shards and two gateways, and shrinks again", (t) =>
  withCluster(t, new Grown([], oldFolder), async (cluster) => {
    await readAll(cluster, 20);
    await cluster.again(["--shards", "3", "--gateways", "2"]);
    assert.equal(cluster.urls.length, 2);
    await cluster.balanced(3);
    for (const url of cluster.urls) await readAll(cluster, 20, url);
    for (const role of ["shard-2", "gateway-2", "shard", "gateway"]) {
      const pid = await cluster.killChild(role);
      assert.notEqual(pid, 0, role);
      await cluster.childRestarted(role, pid);
    }
    await eventually(async () => (await cluster.status()).troubles.length === 0, "all to be well again");
    await cluster.again(["--shards", "1"]);
    await eventually(async () => (await cluster.status()).slots_unserved.length === 0, "one process to serve three stores", 60_000);
    await readAll(cluster, 20);
    const drained = await run("ordo", ["drain", "shard-2", "--data", cluster.data]);
    assert.equal(drained.code, 0, drained.stderr);
    await readAll(cluster, 20);
    assert.equal((await cluster.verify()).code, 0, "all three stores, while one process serves them");
    await cluster.up.stop("SIGTERM");
    const verified = await cluster.verify();
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  }, 400_000));

test("a backup of three shards has every slot once, and is restored as a cluster", (t) =>
  withCluster(t, new Grown(["--shards", "3"]), async (cluster) => {
    await put(cluster, 20);
    const backups = join(cluster.folder, "backups");
    const made = await run("ordo", ["backup", backups, "--data", cluster.data]); // while slots are moving to the new shards
    assert.equal(made.code, 0, made.stderr);
    await cluster.balanced(3);
    const second = await run("ordo", ["backup", backups, "--data", cluster.data]);
    assert.equal(second.code, 0, second.stderr);
    assert.deepEqual((await readdir(join(backups, "000002"))).sort(), ["manifest.json", "shard", "shard-2", "shard-3"]);
    const pid = await cluster.childPid("shard-2");
    process.kill(pid, "SIGSTOP");
    const none = await run("ordo", ["backup", backups, "--data", cluster.data]);
    process.kill(pid, "SIGCONT");
    assert.equal(none.code, 1, "no backup without all of them");
    assert.equal(none.stderr.trim().split("\n").length, 1, none.stderr);
    await cluster.up.stop("SIGTERM");

    for (const [number, shards] of [[1, 1], [2, 3]]) {
      const into = join(cluster.folder, `restored-${number}`);
      const restored = await run("ordo", ["restore", backups, "--into", into, "--backup", String(number)]);
      assert.equal(restored.code, 0, restored.stderr);
      cluster.data = into;
      await cluster.startUp(["--shards", String(shards)]);
      await eventually(async () => (await cluster.status()).slots_unserved.length === 0, "all slots to be served", 60_000);
      await readAll(cluster, 20);
      await cluster.up.stop("SIGTERM");
    }
  }, 400_000));
