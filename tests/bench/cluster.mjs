// What it costs to have several shards and gateways, and what people feel when they change hands, die and come back.
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DRIVER, helper, median, options, program, row, run, start, withCluster } from "./harness.mjs";

const TICK_US = 10000; // of /proc/PID/stat

/** CPU that all processes of a role have taken so far, in µs. */
function cpuOf(cluster, role) {
  const pids = readdirSync(join(cluster.data, "run")).filter((name) => new RegExp(`^${role}(-\\d+)?\\.pid$`).test(name))
    .map((name) => Number(readFileSync(join(cluster.data, "run", name), "utf8")));
  return pids.reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
    return sum + (Number(fields[11]) + Number(fields[12])) * TICK_US;
  }, 0);
}
const ordo = (cluster, ...args) => run(DRIVER, program("ordo"), [...args, "--data", cluster.data]);
const status = async (cluster) => JSON.parse(await ordo(cluster, "status", "--json"));
async function until(what, condition, timeoutMs = 120000) {
  for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(100)) if (await condition()) return;
  throw new Error(`waited in vain until ${what}`);
}
const slotsAreSpread = async (cluster, shards) => {
  const counts = (await status(cluster)).shards.map((shard) => shard.slots);
  return counts.length === shards && Math.max(...counts) - Math.min(...counts) <= 1;
};

/** The same load on 1 to 8 shards that share one core: what an op costs, and how much of that is the commit. */
export async function scale() {
  const rate = 6000, seconds = options.quick ? 5 : 30;
  const points = [];
  for (const shards of [1, 2, 4, 8]) await withCluster(async (cluster) => {
    await until("slots are spread", () => slotsAreSpread(cluster, shards));
    const load = ["--docs", "400", "--clients", "1", "--rate", String(rate)];
    await cluster.load([...load, "--duration", "3"]); // all documents are open, all buffers made
    const turnsOf = async () => (await status(cluster)).shards.reduce((sum, shard) => sum + shard.turns, 0);
    const before = { shard: cpuOf(cluster, "shard"), gateway: cpuOf(cluster, "gateway"), turns: await turnsOf() };
    const result = await cluster.load([...load, "--warmup", "0", "--duration", String(seconds)]);
    const per = (after, begin) => (after - begin) / result.ops;
    const turns = per(await turnsOf(), before.turns);
    points.push({ shards, turns, shard: per(cpuOf(cluster, "shard"), before.shard), gateway: per(cpuOf(cluster, "gateway"), before.gateway) });
    row(`${shards} shards at ${rate}/s: shards`, points.at(-1).shard, "µs CPU/op");
    row(`${shards} shards at ${rate}/s: gateway`, points.at(-1).gateway, "µs CPU/op");
    row(`${shards} shards at ${rate}/s: ops per sync`, 1 / turns, "ops");
    row(`${shards} shards at ${rate}/s: ack p99`, result.ack_us.p99 / 1000, "ms");
  }, ["--shards", String(shards)]);
  // CPU per op = a + b × syncs per op, by least squares: b is what a commit costs, whatever the number of shards.
  const mean = (of) => points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const x = mean((p) => p.turns), y = mean((p) => p.shard);
  const commit = mean((p) => (p.turns - x) * (p.shard - y)) / mean((p) => (p.turns - x) ** 2);
  const without = points.map((p) => p.shard + p.gateway - commit * p.turns);
  const total = points.map((p) => p.shard + p.gateway);
  row("a commit", commit, "µs CPU");
  row("1 to 8 shards: CPU per op without the commit, at most, against 1", Math.max(...without) / without[0], "×", 1.2, "most");
  row("1 to 8 shards: CPU per op in all, at most, against 1", Math.max(...total) / total[0], "×", 2, "most");
}

/** Words without meaning, that compress about as texts do. */
function filler(size, seed) {
  let text = "";
  for (let i = 0; text.length < size; i++) text += createHash("sha256").update(`${seed} ${i}`).digest("base64").slice(0, 24).toLowerCase() + " the of and ";
  return text.slice(0, size);
}

/** A slot with 1,000 documents, 200 of them being edited, one of 64 MiB, goes back and forth between two shards. */
export async function move() {
  const slot = 7, moves = options.quick ? 4 : 20;
  await withCluster(async (cluster) => {
    await until("both shards are there", async () => (await status(cluster)).shards.length === 2);
    const load = ["--collection", "moved", "--slot", String(slot), "--clients", "1", "--length", "1000"];
    await cluster.load([...load, "--docs", "1000", "--rate", "2000", "--duration", "4"]);
    const big = (await run(DRIVER, helper("bench_slot"), ["big", String(slot)])).trim();
    const put = start(DRIVER, program("ordo"), ["doc", "put", "--url", cluster.url, big], { stdio: ["pipe", "pipe", "pipe"] });
    put.stdin.end(filler(1 << 20, "big").repeat(64));
    await put.done;
    const edited = [...load, "--docs", "200", "--rate", "400", "--warmup", "1"];
    await ordo(cluster, "move", String(slot), "--to", "shard");
    const calm = await cluster.load([...edited, "--duration", "5"]);
    const worst = [], p99 = [];
    for (let i = 0; i < moves; i++) {
      const loaded = cluster.load([...edited, "--duration", "6"]);
      await sleep(2500);
      await ordo(cluster, "move", String(slot), "--to", i % 2 === 0 ? "shard-2" : "shard");
      const result = await loaded;
      worst.push(result.ack_us.max / 1000);
      p99.push(result.ack_us.p99 / 1000);
    }
    const logged = (key) => [...cluster.up.err.matchAll(new RegExp(`slot=${slot} .*${key}=(\\d+)`, "g"))].map((match) => Number(match[1])).slice(-moves);
    row("nothing moves: ack p99", calm.ack_us.p99 / 1000, "ms");
    row("nothing moves: ack max", calm.ack_us.max / 1000, "ms");
    row(`a slot moves (${moves} times): the longest wait of any editor, median`, median(worst), "ms");
    row(`a slot moves (${moves} times): the longest wait of any editor, worst move`, Math.max(...worst), "ms", 100, "most");
    row("a slot moves: ack p99 of the six seconds around it, median", median(p99), "ms");
    row("a slot moves: frozen at the source, median", median(logged("frozen_ms")), "ms");
    row("a slot moves: of that its last commits to disk, median", median(logged("last_commits_ms")), "ms");
    row("a slot moves: of that the target's, median", median(logged("target_ms")), "ms");
    row("a slot moves: of that the row that gives it away, median", median(logged("giving_ms")), "ms");
    row("a slot moves: until the target serves it, median", median(logged("unserved_ms")), "ms");
    row("a slot moves: until the target serves it, worst", Math.max(...logged("unserved_ms")), "ms");
  }, ["--shards", "2", "--no-balance"]);
}

/**
 * kill -9 of a shard with 10,000 documents open and 1 GB of data, while 2,000 clients on 1,000 more edit as fast as it lets
 * them. "One editor" is another one on a document of its own; the last waits for longest of all.
 */
export async function failover() {
  const docs = options.quick ? 1000 : 10000, edited = docs / 10, kills = options.quick ? 1 : 3;
  await withCluster(async (cluster) => {
    const kept = ["--collection", "kept", "--docs", String(docs), "--clients", "1"];
    await cluster.load([...kept, "--rate", String(docs), "--duration", "2", "--warmup", "0"]);
    await fill(cluster, options.quick ? 2 : 16);
    const open = cluster.load([...kept, "--writers", "0", "--duration", String(30 * kills)]);
    await sleep(4000);
    const firsts = [], lasts = [];
    for (let i = 0; i < kills; i++) {
      const everybody = cluster.load(["--collection", "edited", "--docs", String(edited), "--clients", "2", "--duration", "20"]);
      await sleep(10000);
      const one = cluster.load(["--docs", "1", "--clients", "1", "--duration", "10", "--warmup", "0"]);
      await sleep(3000);
      process.kill(cluster.pid("shard"), "SIGKILL");
      lasts.push((await everybody).ack_us.max / 1000);
      firsts.push((await one).ack_us.max / 1000);
    }
    row(`kill -9 of a shard, ${docs} documents open: one editor waits`, median(firsts), "ms", 1000, "most");
    row(`kill -9 of a shard, ${docs} documents open: the last of ${2 * edited} editors waits`, median(lasts), "ms");
    row("the same: connections lost", (await open).reconnects, "connections", 0, "most");
  });
}

/** `count` documents of 63 MiB that nobody has open, and that do not compress to nothing. */
async function fill(cluster, count) {
  for (let i = 0; i < count; i++) {
    const child = start(DRIVER, program("ordo"), ["doc", "put", "--url", cluster.url, `filled/${i}`], { stdio: ["pipe", "pipe", "pipe"] });
    child.stdin.end(randomBytes(48 << 20).toString("base64").slice(0, 63 << 20));
    await child.done;
  }
}

/** A gateway with half of 10,000 connections dies. */
export async function reconnect() {
  const count = options.quick ? 1000 : 10000;
  await withCluster(async (cluster) => {
    const gone = new URL(cluster.urls[1]).host;
    const connectionsOf = async () => (await status(cluster)).gateways.reduce((sum, gateway) => sum + (gateway.connections ?? 0), 0);
    const load = cluster.load(["--url", cluster.urls.join(","), "--docs", String(count / 2), "--clients", "2", "--rate", "500", "--duration", "40"]);
    await until("all are there", async () => (await connectionsOf()) >= count);
    await sleep(3000);
    const killed = performance.now();
    process.kill(cluster.pid("gateway-2"), "SIGKILL");
    await until("they have noticed", async () => (await connectionsOf()) < count, 5000);
    await until("all are back", async () => (await connectionsOf()) >= count, 30000);
    row(`kill -9 of a gateway with ${count / 2} of ${count} connections: all are back`, performance.now() - killed, "ms");
    const result = await load;
    row(`kill -9 of a gateway (${gone.replace(/:.*/, "")}): ack p99`, result.ack_us.p99 / 1000, "ms");
    row("kill -9 of a gateway: the longest wait of any editor", result.ack_us.max / 1000, "ms");
    row("kill -9 of a gateway: edits given back", result.given_back ?? 0, "edits", 0, "most");
  }, ["--gateways", "2"]);
}
