// The wall clock jumps by an hour, both ways, in shard and gateway: nothing but timestamps may notice.
import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cluster, assertSameText, converge, withCluster } from "./lib/cluster.mjs";
import { preload } from "./lib/process.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { typeALot } from "./lib/typing.mjs";

const HOUR_MS = 3_600_000;
const random = new Random(seedOfRun);

function movableClock(t) {
  const folder = mkdtempSync(join(tmpdir(), "ordo-clock-"));
  const file = join(folder, "offset_ms");
  const jumpTo = (ms) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(ms));
    writeFileSync(file, bytes, { flag: "r+" });
  };
  writeFileSync(file, Buffer.alloc(8));
  t.after(() => rmSync(folder, { recursive: true }));
  return { jumpTo, env: { ...preload("clock_shim.so"), ORDO_CLOCK_OFFSET_FILE: file } };
}

test("clocks that jump by an hour in both directions cost nobody an op or a connection", (t) => {
  const clock = movableClock(t);
  return withCluster(t, new Cluster({ shardEnv: clock.env, gatewayEnv: clock.env }), async (cluster) => {
    const clients = [];
    for (let i = 0; i < 3; i++) clients.push(await cluster.join({ delayMs: () => random.below(5) }));
    for (const offsetMs of [0, HOUR_MS, 0, -HOUR_MS, HOUR_MS, -HOUR_MS]) {
      clock.jumpTo(offsetMs);
      await typeALot(random, clients, 80);
      await converge(clients);
    }
    const cutCount = clients.reduce((sum, client) => sum + client.reconnects + client.resyncs, 0);
    assert.equal(cutCount, 0, "no connection and no link broke");
    clock.jumpTo(-HOUR_MS);
    await cluster.restart("SIGKILL"); // what was committed an hour "later" must not confuse recovery
    await typeALot(random, clients, 80);
    const text = await converge(clients);
    assertSameText((await cluster.doc("cat", "c/d")).stdout, text, "ordo doc cat");

    const log = (await cluster.doc("log", "c/d")).stdout.trim().split("\n").map((line) => JSON.parse(line));
    assert.equal(log.length, clients[0].confirmed.seq);
    const times = log.map((entry) => entry.timestamp_ms);
    assert.deepEqual(times, [...times].sort((a, b) => a - b), "timestamps never go backwards");
    assert.ok(times.at(-1) - times[0] >= HOUR_MS, "the jump was real");
  });
});
