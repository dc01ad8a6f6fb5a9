// What a cluster of many does when its directory, its stores, or the ways between its processes fail.
import { test } from "node:test";
import assert from "node:assert/strict";
import { cp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withCluster } from "./lib/cluster.mjs";
import { Many, etcdPath } from "./lib/many.mjs";
import { TcpProxy } from "./lib/proxies.mjs";
import { ownsConnection } from "./lib/sockets.mjs";
import { pause } from "./lib/typing.mjs";

const LOAD = ["--docs", "100", "--clients", "2", "--rate", "100", "--length", "300", "--settle", "120"];
const noEtcd = etcdPath ? false : "etcd is not installed";

/** Documents c/0 … c/<count - 1>, each with its own name as text. */
async function putDocuments(cluster, count) {
  for (let i = 0; i < count; i++) {
    const put = await cluster.doc("put", `c/${i}`, { input: `document ${i}\n` });
    assert.equal(put.code, 0, put.stderr);
  }
}

/** Each is what was put, or cannot be read; never anything else. Returns the numbers of those that were read. */
async function readDocuments(cluster, count) {
  const read = await Promise.all(Array.from({ length: count }, (_, i) => cluster.doc("cat", `c/${i}`)));
  return read.flatMap(({ code, stdout }, i) => {
    if (code !== 0) return [];
    assert.equal(stdout, `document ${i}\n`);
    return [i];
  });
}

/** Ends by itself, with a failure and one sentence about it. */
async function refuses(program, sentence) {
  const { code } = await program.ended;
  assert.equal(code, 1, program.log.slice(-3000));
  assert.match(program.log.trimEnd().split("\n").findLast((line) => line.includes("event=stopped")), sentence);
}

test("etcd is away for 20 s, a shard dies meanwhile: all goes on that does not need it", { skip: noEtcd }, (t) =>
  withCluster(t, new Many({ etcd: true }), async (cluster) => {
    await cluster.balanced(4);
    const { finish } = cluster.startLoad([...LOAD, "--duration", "45"]);
    await pause(5000);
    await cluster.etcd.stop();
    const away = cluster.ordo("status", "--gateway", "ws://127.0.0.1:1/v1/ws"); // where nobody is
    const known = cluster.ordo("status", "--json", "--gateway", cluster.url);
    await cluster.shards[1].stop("SIGKILL");
    const restarted = cluster.startShard(1, [], 120_000); // waits for the directory
    restarted.catch(() => {}); // it is awaited below
    const told = await away;
    assert.equal(told.code, 1);
    assert.equal(told.stderr.trim().split("\n").length, 1, "it says that the directory is away");
    const last = JSON.parse((await known).stdout);
    assert.equal(last.directory_away, true);
    assert.deepEqual(last.shards.map(({ name }) => name), ["shard-0", "shard-1", "shard-2", "shard-3"]);
    const puts = Array.from({ length: 12 }, (_, i) => cluster.doc("put", `alive/${i}`, { input: "x" }));
    const succeeded = (await Promise.all(puts)).filter(({ code }) => code === 0).length;
    assert.ok(succeeded >= 3, `${succeeded} of 12 documents went on`);
    await pause(10_000);
    await cluster.etcd.start();
    await restarted;
    await finish();
    await cluster.balanced(4);
    await cluster.stopAndVerify();
  }, 600_000));

for (const isRunning of [true, false]) {
  test(`etcd is wiped under a ${isRunning ? "running" : "stopped"} cluster: the table comes back from the stores`, { skip: noEtcd }, (t) =>
    withCluster(t, new Many({ etcd: true, shards: 3, gateways: 1 }), async (cluster) => {
      await cluster.balanced(3);
      await putDocuments(cluster, 30);
      const before = await cluster.status();
      if (!isRunning) {
        await cluster.gateways[0].stop();
        for (const shard of cluster.shards) await shard.stop();
      }
      await cluster.etcd.stop("SIGKILL");
      await cluster.etcd.wipe();
      await cluster.etcd.start();
      if (!isRunning) {
        for (const i of cluster.shards.keys()) cluster.beginShard(i);
        await Promise.all(cluster.shards.map((shard) => shard.line(/^ready/)));
        await cluster.startGateway(0);
      }
      const after = await cluster.until(({ cluster: id, slots_unserved }) => id !== null && slots_unserved.length === 0, "all slots to be served");
      assert.equal(after.cluster, before.cluster, "it is the same cluster");
      assert.deepEqual(await readDocuments(cluster, 30), [...Array(30).keys()]);
      await cluster.stopAndVerify();
    }, 300_000));
}

test("a store that was emptied is not taken for its documents: they wait, and are named", (t) =>
  withCluster(t, new Many({ shards: 2, gateways: 1, shardArgs: ["--no-balance"] }), async (cluster) => {
    assert.equal((await cluster.ordo("move", "0-511", "--to", "shard-1")).code, 0); // either may have been the first,
    assert.equal((await cluster.ordo("move", "512-1023", "--to", "shard-0")).code, 0); // and begun with all slots
    await putDocuments(cluster, 20);
    await cluster.shards[1].stop();
    const kept = join(cluster.folder, "kept");
    await rename(cluster.store(1), kept);
    await cluster.startShard(1);
    const status = await cluster.until(({ slots_unserved }) => slots_unserved.join() === [...Array(512).keys()].join(),
                                       "the slots of the store that is gone, and no others, to be named");
    assert.ok(status.troubles.some(({ text }) => text.includes("512 slots")), JSON.stringify(status.troubles));
    const read = await readDocuments(cluster, 20);
    assert.ok(read.length > 0 && read.length < 20, `${read.length} of 20 are elsewhere, and are there`);
    await cluster.shards[1].stop(); // the right one is put back
    await rm(cluster.store(1), { recursive: true });
    await rename(kept, cluster.store(1));
    await cluster.startShard(1);
    await cluster.until(({ slots_unserved }) => slots_unserved.length === 0, "all slots to be served");
    assert.equal((await readDocuments(cluster, 20)).length, 20);
    await cluster.stopAndVerify();
  }, 300_000));

test("a copy of a store that is served is refused", (t) =>
  withCluster(t, new Many({ shards: 1, gateways: 1 }), async (cluster) => {
    await putDocuments(cluster, 3);
    await cluster.shards[0].stop();
    await cp(cluster.store(0), cluster.store(1), { recursive: true });
    await cluster.startShard(0);
    await refuses(cluster.beginShard(1), /copied|another place|served/);
    assert.equal((await readDocuments(cluster, 3)).length, 3);
  }, 120_000));

test("a store that was rolled back is refused, again and again, until an operator adopts it", (t) =>
  withCluster(t, new Many({ shards: 1, gateways: 1 }), async (cluster) => {
    await putDocuments(cluster, 2);
    await cluster.shards[0].stop();
    await cp(cluster.store(0), join(cluster.folder, "older"), { recursive: true });
    await cluster.startShard(0);
    const client = await cluster.join({ collection: "c", id: "0" });
    client.splice(0, 0, "newer ");
    await client.settled();
    await cluster.shards[0].stop();
    await rm(cluster.store(0), { recursive: true });
    await rename(join(cluster.folder, "older"), cluster.store(0));
    for (let i = 0; i < 4; i++) await refuses(cluster.beginShard(0), /older|rolled back/);
    const adopted = await cluster.ordo("adopt", "--rolled-back", cluster.store(0));
    assert.equal(adopted.code, 0, adopted.stderr);
    assert.match(adopted.stdout, /2 documents/);
    await cluster.startShard(0);
    assert.deepEqual(await readDocuments(cluster, 2), [0, 1]);
    await client.until(() => client.text === "document 0\n", "a client of before to see what is there now");
    await cluster.stopAndVerify();
  }, 120_000));

test("a shard whose store is lost is forgotten: its slots begin anew, and the rest goes on", (t) =>
  withCluster(t, new Many({ shards: 3, gateways: 1 }), async (cluster) => {
    await cluster.balanced(3);
    await putDocuments(cluster, 30);
    await cluster.shards[2].stop();
    await rm(cluster.store(2), { recursive: true });
    const unsure = await cluster.ordo("forget-shard", "shard-2");
    assert.equal(unsure.code, 1, "not without --yes");
    for (const heir of ["shard-9", "shard-2"]) {
      const nobody = await cluster.ordo("forget-shard", "shard-2", "--yes", "--heir", heir);
      assert.equal(nobody.code, 1, `${heir} cannot inherit`);
      assert.equal(nobody.stderr.trim().split("\n").length, 1);
    }
    const forgotten = await cluster.ordo("forget-shard", "shard-2", "--yes", "--heir", "shard-0");
    assert.equal(forgotten.code, 0, forgotten.stderr);
    await cluster.until(({ slots_unserved }) => slots_unserved.length === 0, "all slots to be served");
    const read = await readDocuments(cluster, 30);
    assert.ok(read.length > 5 && read.length < 30, `${read.length} of 30 are left`);
    const lost = [...Array(30).keys()].find((i) => !read.includes(i));
    assert.equal((await cluster.doc("put", `c/${lost}`, { input: "anew" })).code, 0);
    assert.equal((await cluster.doc("cat", `c/${lost}`)).stdout, "anew");
  }, 300_000));

test("a shard under SIGSTOP for longer than its lease goes on where it was", (t) =>
  withCluster(t, new Many(), async (cluster) => {
    const { finish } = cluster.startLoad([...LOAD, "--duration", "40"]);
    await pause(3000);
    process.kill(cluster.shards[2].pid, "SIGSTOP");
    await cluster.until(({ shards }) => shards.find(({ name }) => name === "shard-2").state === "down", "its lease to end", 30_000);
    await pause(2000);
    process.kill(cluster.shards[2].pid, "SIGCONT");
    await cluster.until(({ slots_unserved }) => slots_unserved.length === 0, "all slots to be served");
    await finish();
    await cluster.stopAndVerify();
  }, 600_000));

test("a gateway that is cut off from one shard for 10 s: its clients wait for that one, nobody else does", (t) =>
  withCluster(t, new Many({ shards: 3, gateways: 2 }), async (cluster) => {
    // Shard 3 is reached through proxies that the test owns, which tell the gateways apart by their sockets.
    const ports = { data: 0, side: 0 };
    const proxies = {};
    const first = await cluster.startShard(3).then(() => cluster.shards[3].lines.join("\n"));
    const [, data, side] = first.match(/^ready data=tcp:\/\/(\S+) side=tcp:\/\/(\S+)/m);
    await cluster.shards[3].stop();
    for (const [kind, target] of Object.entries({ data, side })) {
      proxies[kind] = new TcpProxy(target);
      ports[kind] = await proxies[kind].listen();
      cluster.closers.push(() => proxies[kind].close());
    }
    await cluster.startShard(3, ["--listen-data", `tcp://${data}`, "--listen-side", `tcp://${side}`,
                                 "--advertise-data", `tcp://${ports.data}`, "--advertise-side", `tcp://${ports.side}`]);
    await cluster.balanced(4);
    const { finish } = cluster.startLoad([...LOAD, "--duration", "30"]);
    await pause(3000);
    const isCut = (pair) => ownsConnection(cluster.gateways[0].pid, pair.client.remotePort, pair.client.localPort);
    for (const proxy of Object.values(proxies)) proxy.holdWhere(isCut, true);
    await pause(10_000);
    for (const proxy of Object.values(proxies)) proxy.holdWhere(isCut, false);
    await finish();
    await cluster.stopAndVerify();
  }, 600_000));

test("processes divide a volume among themselves: four, two, four again, with one store damaged", (t) =>
  withCluster(t, new Many({ volume: true, gateways: 1 }), async (cluster) => {
    await cluster.balanced(4);
    const stores = (await readdir(cluster.data)).sort();
    assert.deepEqual(stores, ["shard", "shard-2", "shard-3", "shard-4"]);
    const { finish } = cluster.startLoad([...LOAD, "--duration", "30"]);
    await cluster.shards[2].stop();
    await cluster.shards[3].stop();
    await cluster.until(({ slots_unserved }) => slots_unserved.length === 0, "two processes to serve four stores");
    await finish();
    for (const i of [0, 1]) await cluster.shards[i].stop();
    await writeFile(join(cluster.data, "shard-2", "db", "CURRENT"), "garbage\n");
    for (let i = 0; i < 4; i++) cluster.beginShard(i);
    await Promise.all(cluster.shards.map((shard) => shard.line(/^ready/)));
    const status = await cluster.until(({ shards, troubles }) => shards.filter(({ state }) => state === "serving").length >= 4 &&
      troubles.some(({ text }) => text.includes("shard-2")), "the damaged store to be named");
    const damaged = status.shards.find(({ name }) => name === "shard-2");
    assert.equal(damaged.state, "down");
    assert.equal(status.slots_unserved.length, damaged.slots, "only its slots are missed");
  }, 600_000));
