// Many shards, many gateways, hundreds of clients, and everything that dies: the driver keeps its own list of what was
// acknowledged and shown, and holds the cluster to it.
import { test } from "node:test";
import assert from "node:assert/strict";
import { withCluster } from "./lib/cluster.mjs";
import { Many } from "./lib/many.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { pause } from "./lib/typing.mjs";

const random = new Random(seedOfRun);
const isLong = Number(process.env.ORDO_KILLS ?? 0) >= 1000;
const LOAD = ["--docs", "200", "--clients", "2", "--rate", "200", "--length", "300", "--settle", "120"];

test("four shards, three gateways: SIGKILL of each process in turn and at random, while slots move", (t) =>
  withCluster(t, new Many(), async (cluster) => {
    const seconds = isLong ? 300 : 40;
    const { finish } = cluster.startLoad([...LOAD, "--duration", String(seconds)]);
    const victims = [...cluster.shards.keys()].map((i) => ["shard", i]).concat([...cluster.gateways.keys()].map((i) => ["gateway", i]));
    const endMs = Date.now() + seconds * 1000;
    for (let kills = 0; Date.now() < endMs; kills++) {
      const [kind, i] = kills < victims.length ? victims[kills] : random.pick(victims);
      await pause(random.below(1500));
      if (kind === "shard") {
        await cluster.shards[i].stop("SIGKILL");
        await cluster.startShard(i);
      } else {
        await cluster.gateways[i].stop("SIGKILL");
        await cluster.startGateway(i);
      }
    }
    const { ops, reconnects } = await finish();
    t.diagnostic(`${ops} acked ops, ${reconnects} reconnects`);
    assert.ok(ops > 0);
    await cluster.balanced(4);
    await cluster.stopAndVerify();
  }, 600_000));

test("clients of other shards feel nothing of one that is killed again and again", (t) =>
  withCluster(t, new Many({ gateways: 2, shardArgs: ["--no-balance"] }), async (cluster) => {
    const first = (await cluster.status()).shards.findIndex(({ slots }) => slots > 0); // any may have been the first
    const others = [...cluster.shards.keys()].filter((i) => i !== first);
    for (const i of others) assert.equal((await cluster.ordo("move", String(i), "--to", `shard-${i}`)).code, 0);
    // A slot of each shard is typed in, in all at some percent of what this machine can do.
    const load = (slot) => cluster.startLoad(["--slot", String(slot), "--docs", "5", "--clients", "2", "--rate", "60", "--length", "300",
                                              "--warmup", "0.5", "--duration", "2.5"]);
    const p99 = { calm: [], killed: [] }; // ms; of the worst of the shards that live on
    for (let round = 0; round < 6; round++) { // in turn, so that what else the machine does counts for both
      const kind = round % 2 === 0 ? "calm" : "killed";
      const victim = load(first), loads = others.map(load);
      for (let kills = 0; kind === "killed" && kills < 2; kills++) {
        await pause(700 + random.below(300));
        await cluster.shards[first].stop("SIGKILL");
        await cluster.startShard(first);
      }
      const reports = await Promise.all(loads.map(({ finish }) => finish()));
      await victim.finish();
      assert.equal(reports.reduce((sum, { reconnects }) => sum + reconnects, 0), 0, "nobody was disconnected");
      p99[kind].push(Math.max(...reports.map(({ ack_us }) => ack_us.p99)) / 1000);
    }
    t.diagnostic(`p99 in ms: ${p99.calm} while nobody dies, ${p99.killed} while one does`);
    const middle = (values) => values.sort((a, b) => a - b)[1];
    const most = Math.max(3 * middle(p99.calm), 20);
    assert.ok(middle(p99.killed) <= most, `${middle(p99.killed)} ms while another shard is killed, ${middle(p99.calm)} ms else`);
  }, 600_000));

test("a rolling restart of everything under load fails nobody", (t) =>
  withCluster(t, new Many(), async (cluster) => {
    const { load, finish } = cluster.startLoad([...LOAD, "--duration", "30"]);
    for (let i = 0; i < 3; i++) {
      await cluster.gateways[i].stop();
      await cluster.startGateway(i);
    }
    for (let i = 0; i < 4; i++) {
      const end = await cluster.shards[i].stop();
      assert.deepEqual([end.code, end.signal], [0, null], "a shard stops cleanly");
      await cluster.startShard(i);
    }
    const { ops } = await finish();
    t.diagnostic(`${ops} acked ops; the driver said: ${load.stderr.slice(-300)}`);
    const status = await cluster.balanced(4);
    assert.deepEqual(status.troubles, [], "all is well afterwards");
    await cluster.stopAndVerify();
  }, 600_000));

test("shards are added and one is removed while people edit", (t) =>
  withCluster(t, new Many({ shards: 2 }), async (cluster) => {
    await cluster.balanced(2);
    const { finish } = cluster.startLoad([...LOAD, "--duration", "60"]);
    await cluster.startShard(2);
    await cluster.startShard(3);
    await cluster.balanced(4);
    const drained = await cluster.ordo("drain", "shard-0");
    assert.equal(drained.code, 0, drained.stderr);
    const status = await cluster.status();
    assert.equal(status.shards.find((shard) => shard.name === "shard-0").slots, 0);
    await cluster.shards[0].stop();
    assert.deepEqual((await cluster.status()).slots_unserved, [], "nobody misses it");
    await finish();
    await cluster.stopAndVerify();
  }, 600_000));

test("slots move where an operator says, and balancing can be switched off", (t) =>
  withCluster(t, new Many({ shards: 2, gateways: 1 }), async (cluster) => {
    await cluster.balanced(2);
    assert.equal((await cluster.ordo("balance", "off")).code, 0);
    const moved = await cluster.ordo("move", "0-9,1000-1023", "--to", "shard-1");
    assert.equal(moved.code, 0, moved.stderr);
    const { finish } = cluster.startLoad(["--docs", "50", "--clients", "2", "--rate", "100", "--duration", "5"]);
    const all = await cluster.ordo("move", "all", "--to", "shard-1");
    assert.equal(all.code, 0, all.stderr);
    await finish();
    const status = await cluster.status();
    assert.equal(status.balance, false);
    assert.deepEqual(status.shards.map(({ name, slots }) => [name, slots]).sort(), [["shard-0", 0], ["shard-1", 1024]]);
    const nobody = await cluster.ordo("move", "1", "--to", "shard-9");
    assert.equal(nobody.code, 1);
    assert.equal(nobody.stderr.trim().split("\n").length, 1);
    assert.equal((await cluster.ordo("rebalance")).code, 0);
    await cluster.balanced(2);
    await cluster.stopAndVerify();
  }, 300_000));
