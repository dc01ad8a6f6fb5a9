// Real people's recorded editing, op by op through real processes; then both are restarted and a fresh client must read
// exactly the recorded end. The files are not part of the project: ORDO_TRACES names their folder. The large ones run
// with ORDO_LONG=1 (./run --long).
import { test } from "node:test";
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Cluster, assertSameText, withCluster } from "./lib/cluster.mjs";

const traces = process.env.ORDO_TRACES ?? fileURLToPath(new URL("../../../shared/traces", import.meta.url));
const folder = join(traces, "sequential");
const LARGE_PATCH_COUNT = 50_000;
const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".json.gz")) : [];
const absent = files.length === 0 && `no traces in ${folder}: let ORDO_TRACES name the folder above it`;

test("recorded traces are there", { skip: absent }, () => assert.ok(files.length > 0));

for (const file of files) {
  const name = basename(file, ".json.gz");
  const trace = JSON.parse(gunzipSync(readFileSync(join(folder, file))));
  const patchCount = trace.txns.reduce((sum, { patches }) => sum + patches.length, 0);
  const isLarge = patchCount > LARGE_PATCH_COUNT && !process.env.ORDO_LONG;
  const skip = isLarge && `${patchCount} ops: only with ./run --long`;
  test(`${name}: ${patchCount} ops end in the recorded text, also after a restart`, { skip }, (t) =>
    withCluster(t, new Cluster(), async (cluster) => {
      const startMs = performance.now();
      const load = await cluster.load(["--trace", join(folder, file), "--doc", `traces/${name}`, "--verify", "--json"],
                                      { timeoutMs: 800_000 });
      assert.equal(load.code, 0, load.stderr);
      t.diagnostic(`${Math.round(patchCount / (performance.now() - startMs) * 1000)} acked ops/s`);
      await cluster.restart();
      const { code, stdout } = await cluster.doc("cat", `traces/${name}`);
      assert.equal(code, 0);
      assertSameText(stdout, trace.endContent, "ordo doc cat");
      const fresh = await cluster.join({ collection: "traces", id: name });
      assertSameText(fresh.text, trace.endContent, "a fresh independent client");
      assert.ok(fresh.confirmed.seq >= patchCount);
      await cluster.gateway.stop();
      await cluster.shard.stop();
      const verified = await cluster.verify({ timeoutMs: 300_000 });
      assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    }, 880_000));
}
