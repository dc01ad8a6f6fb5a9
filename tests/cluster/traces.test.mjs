// Real people's recorded editing, op by op through real processes, all recordings at once; then both processes are
// restarted and a fresh client must read exactly the recorded ends. The files are not part of the project: ORDO_TRACES
// names their folder. Sessions of more than 100,000 patches take minutes, so they only run with --long.
import { test } from "node:test";
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Cluster, assertSameText, withCluster } from "./lib/cluster.mjs";

const TIMEOUT_MS = 1_500_000;
const traces = process.env.ORDO_TRACES ?? fileURLToPath(new URL("../../../shared/traces", import.meta.url));
const folder = join(traces, "sequential");
const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json.gz")) : [];

const patchCountMax = process.env.ORDO_LONG ? Infinity : 100_000;
const recorded = files.map((file) => {
  const { txns, endContent } = JSON.parse(gunzipSync(readFileSync(join(folder, file))));
  const patchCount = txns.reduce((sum, { patches }) => sum + patches.length, 0);
  return { name: basename(file, ".json.gz"), path: join(folder, file), patchCount, endContent };
}).filter(({ patchCount }) => patchCount <= patchCountMax);

const skip = files.length === 0 && `no traces in ${folder}: let ORDO_TRACES name the folder above it`;

test("recorded sessions end in the recorded text, also after a restart", { skip }, (t) =>
  withCluster(t, new Cluster({ shardArgs: ["--history", "full"], inMemory: true }), async (cluster) => {
    await Promise.all(recorded.map(async ({ name, path, patchCount }) => {
      const startMs = performance.now();
      const load = await cluster.load(["--trace", path, "--doc", `traces/${name}`, "--verify", "--json"],
                                      { timeoutMs: TIMEOUT_MS });
      assert.equal(load.code, 0, `${name}: ${load.stderr}`);
      t.diagnostic(`${name}: ${Math.round((patchCount / (performance.now() - startMs)) * 1000)} acked ops/s`);
    }));
    await cluster.restart();
    for (const { name, patchCount, endContent } of recorded) {
      assertSameText((await cluster.doc("cat", `traces/${name}`)).stdout, endContent, `ordo doc cat traces/${name}`);
      const fresh = await cluster.join({ collection: "traces", id: name });
      assertSameText(fresh.text, endContent, `a fresh independent client of ${name}`);
      assert.ok(fresh.confirmed.seq >= patchCount, "an op per patch");
    }
    await cluster.gateway.stop();
    await cluster.shard.stop();
    const verified = await cluster.verify({ timeoutMs: 300_000 });
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  }, TIMEOUT_MS));
