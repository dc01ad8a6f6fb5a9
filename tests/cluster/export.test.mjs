// Documents with their history as text: `ordo export`, `ordo import`, and what is refused on the way back in.
import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Cluster, assertSameText, converge, withCluster } from "./lib/cluster.mjs";
import { Program, preload, run } from "./lib/process.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { pause, typeALot } from "./lib/typing.mjs";

const random = new Random(seedOfRun);
const HOUR_MS = 3_600_000;

/** What it printed, which must have gone well. */
async function good(args, options) {
  const { code, stdout, stderr } = await run("ordo", args, options);
  assert.equal(code, 0, `ordo ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** The one line that a failure prints. */
async function bad(args, options) {
  const { code, stderr } = await run("ordo", args, options);
  assert.equal(code, 1, `ordo ${args.join(" ")}: ${stderr}`);
  assert.equal(stderr.trim().split("\n").length, 1, stderr);
  return stderr;
}

const exportAll = (data) => good(["export", "--data", data, "--all"]);
const importInto = (data, input, ...args) => good(["import", "--data", data, ...args], { input });
const withoutLineage = (text) => text.replace(/"lineage":\d+/g, '"lineage":0');
/** An export of a store, less what the wire does not tell: hashes, clients without an op in the history, and so their sums. */
function asTheWireTellsIt(text) {
  const authors = new Set();
  return text.split("\n").filter((line) => {
    if (line.startsWith('{"document"')) authors.clear();
    if (line.startsWith('{"server_seq"')) authors.add(JSON.parse(line).client_id);
    return !line.startsWith('{"client"') || authors.has(JSON.parse(line).client.client_id);
  }).join("\n").replace(/"hash":"[0-9a-f]+"/g, '"hash":"0000000000000000"')
    .replace(/("ops":\d+,)"clients":\d+(,"lineage":\d+),"checksum":"[0-9a-f]+"/g, "$1$2");
}
const exportOverTheWire = (cluster, ...names) => good(["export", "--url", cluster.url, ...names]);

const log = async (cluster, name) => (await cluster.doc("log", name)).stdout;

async function stop(cluster) {
  await cluster.gateway.stop();
  await cluster.shard.stop();
}

/** The same processes over another data folder. */
async function serve(cluster, data) {
  await stop(cluster);
  cluster.data = data;
  await cluster.startShard();
  await cluster.startGateway();
}

/** A folder of its own for a test without a cluster. */
function scratch(t) {
  const folder = mkdtempSync(join(tmpdir(), "ordo-export-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Everything that can be asked about these documents. */
async function look(cluster, names) {
  const seen = new Map();
  for (const name of names) {
    const ops = await log(cluster, name);
    const head = ops.trim().split("\n").length;
    const at = [];
    for (const seq of [1, Math.ceil(head / 2), head]) at.push((await cluster.ordo(["doc", "at", name, "--json", "--seq", `${seq}`, "--url", cluster.url])).stdout);
    seen.set(name, { ops, at, text: (await cluster.doc("cat", name)).stdout });
  }
  return seen;
}

test("documents come back with their text, their past and their authors, and go on", (t) =>
  withCluster(t, new Cluster(), async (cluster) => {
    const names = [["notes", "a"], ["Grüße 😀", "an id/with \"quotes\" and\ttabs"], ["c".repeat(128), "日".repeat(42)], ["notes", "lives"]];
    for (const [collection, id] of names) {
      const clients = [];
      for (let i = 0; i < 3; i++) clients.push(await cluster.join({ collection, id, ledger: null, delayMs: () => random.below(5) }));
      await typeALot(random, clients, 120);
      await converge(clients);
      clients.forEach((client) => client.close());
    }
    for (const input of ["second life\n", "third \u0001 life 👩‍👩‍👧\n"]) {
      await good(["doc", "rm", "notes/lives", "--url", cluster.url]);
      await good(["doc", "put", "notes/lives", "--url", cluster.url], { input });
    }
    await good(["doc", "put", "notes/gone", "--url", cluster.url], { input: "gone" });
    await good(["doc", "rm", "notes/gone", "--url", cluster.url]);
    const all = [...names.map(([collection, id]) => `${collection}/${id}`), "notes/gone"];
    const before = await look(cluster, all);
    assert.match(await bad(["export", "--data", cluster.data, "--all"]), /in use by another process/);
    const wire = await exportOverTheWire(cluster, ...all);
    await stop(cluster);
    assertSameText(asTheWireTellsIt(wire), asTheWireTellsIt(await good(["export", "--data", cluster.data, ...all])), "over the wire");
    const fromWire = join(cluster.folder, "from-wire");
    await importInto(fromWire, wire);
    assert.match(await good(["verify", fromWire]), / 5 documents, .* 0 findings/);

    const text = await exportAll(cluster.data);
    const imported = join(cluster.folder, "imported");
    assert.match(await importInto(imported, text), /\nimported 5 documents with \d+ ops, skipped 0\n$/);
    assert.equal(withoutLineage(await exportAll(imported)), withoutLineage(text), "byte for byte");
    assert.match(await good(["verify", imported]), / 5 documents, .* 0 findings/);
    const lineages = (file) => [...file.matchAll(/"lineage":(\d+)/g)].map((match) => match[1]);
    const old = new Set(lineages(text));
    assert.ok(lineages(await exportAll(imported)).every((lineage) => !old.has(lineage)), "all lineages are new");

    for (const [name, { ops }] of before) {
      const own = await good(["export", "--data", cluster.data, name]);
      assert.equal(own.split("\n").filter((line) => line.startsWith('{"server_seq"')).join("\n") + "\n", ops, "as `ordo doc log` prints them");
    }
    const collection = await good(["export", "--data", cluster.data, "--collection", "notes"]);
    assert.match(collection, /\{"done":\{"documents":3\}\}\n$/);

    await serve(cluster, imported);
    assert.deepEqual(await look(cluster, all), before);
    const client = await cluster.join({ collection: "notes", id: "a", ledger: null });
    client.splice(0, 0, "it goes on ");
    await client.settled();
    await cluster.restart("SIGKILL");
    assertSameText((await cluster.doc("cat", "notes/a")).stdout, client.text, "after a restart");
    await stop(cluster);
    await good(["verify", imported]);
  }));

test("a history that was truncated is exported from where it begins", (t) => {
  const folder = scratch(t), offset = join(folder, "offset_ms");
  const jumpTo = (ms) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(ms));
    writeFileSync(offset, bytes, { flag: "r+" });
  };
  writeFileSync(offset, Buffer.alloc(8));
  const shardEnv = { ...preload("clock_shim.so"), ORDO_CLOCK_OFFSET_FILE: offset };
  const cluster = new Cluster({ shardEnv, shardArgs: ["--log-ops", "10", "--history", "20"], inMemory: true });
  return withCluster(t, cluster, async () => {
    let text = "";
    for (let hour = 1; !text.includes('{"begin":'); hour++) {
      assert.ok(hour < 12, "truncated by now");
      const load = await cluster.load(["--doc", "c/d", "--clients", "4", "--duration", "2", "--warmup", "0"]);
      assert.equal(load.code, 0, load.stderr);
      jumpTo(hour * HOUR_MS);
      await cluster.restart();
      await cluster.doc("put", "c/d", { input: `hour ${hour}\n` });
      await pause(500);
      await stop(cluster);
      text = await exportAll(cluster.data);
      await cluster.startShard();
      await cluster.startGateway();
    }
    const wire = await exportOverTheWire(cluster, "c/d");
    await stop(cluster);
    text = await exportAll(cluster.data);
    assertSameText(asTheWireTellsIt(wire), asTheWireTellsIt(text), "over the wire");
    const fromWire = join(cluster.folder, "from-wire");
    await importInto(fromWire, wire);
    await good(["verify", fromWire]);
    const imported = join(cluster.folder, "imported");
    await importInto(imported, text);
    assert.equal(withoutLineage(await exportAll(imported)), withoutLineage(text));
    await good(["verify", imported]);
    await serve(cluster, imported);
    const fresh = await cluster.join({ ledger: null });
    fresh.splice(0, 0, "x");
    await fresh.settled();
    assert.match(fresh.text, /^xhour \d+\n$/);
  });
});

/** The example of the documentation. */
const page = readFileSync(fileURLToPath(new URL("../../docs/export-format.md", import.meta.url)), "utf8");
const example = page.match(/```json\n([^]*?)```/)[1];

test("the example of the documentation is an export", async (t) => {
  const data = join(scratch(t), "data");
  assert.match(await importInto(data, example), /^"notes\/hello": 4 ops\nimported 1 documents with 4 ops, skipped 0\n$/);
  assert.equal(withoutLineage(await exportAll(data)), withoutLineage(example));
  await good(["verify", data]);
});

test("a file that was cut or edited is refused at the line, and nothing of that document is taken", async (t) => {
  const folder = scratch(t);
  const lines = example.trimEnd().split("\n");
  const endLine = lines.findIndex((line) => line.startsWith('{"end"')) + 1;
  const flip = (line) => line.replace(/(\d)(\D*)$/, (_, digit, rest) => `${(Number(digit) + 1) % 10}${rest}`);
  for (let i = 0; i < lines.length; i++) {
    const damaged = {
      removed: lines.toSpliced?.(i, 1) ?? [...lines.slice(0, i), ...lines.slice(i + 1)],
      edited: [...lines.slice(0, i), flip(lines[i]), ...lines.slice(i + 1)],
      doubled: [...lines.slice(0, i + 1), lines[i], ...lines.slice(i + 1)],
      cut: [...lines.slice(0, i), lines[i].slice(0, -1)],
    };
    for (const [how, rest] of Object.entries(damaged)) {
      const data = join(folder, `${how}-${i}`);
      const said = await bad(["import", "--data", data], { input: rest.map((line) => `${line}\n`).join("") });
      const [, number] = said.match(/^ordo: line (\d+) /) ?? assert.fail(`line ${i + 1} ${how}: ${said}`);
      assert.ok(number >= i + 1 && number <= Math.max(endLine, i + 2), `line ${i + 1} ${how}: ${said}`);
      if (i + 1 < endLine) assert.match(await good(["verify", data]), / 0 documents, 0 ops, /);
      rmSync(data, { recursive: true });
    }
  }
});

test("documents that exist are refused by name, or skipped", async (t) => {
  const data = join(scratch(t), "data");
  await importInto(data, example);
  assert.match(await bad(["import", "--data", data], { input: example }), /^ordo: line 2 is of "notes\/hello", which the store has already/);
  assert.match(await importInto(data, example, "--skip-existing"), /^"notes\/hello": skipped, it exists\nimported 0 documents with 0 ops, skipped 1\n$/);
  assert.match(await bad(["export", "--data", data, "notes/none"]), /there is no document notes\/none/);
  assert.match(await bad(["export", "--data", join(data, "none"), "--all"]), /there is no store/);
  for (const args of [["export"], ["export", "--all", "a/b"], ["export", "noslash"], ["import", "word"],
                      ["export", "--url", "ws://127.0.0.1:1", "--all"], ["export", "--url", "ws://127.0.0.1:1", "--data", data, "a/b"]]) {
    assert.equal((await run("ordo", args)).code, 2, args.join(" "));
  }
  const full = join(scratch(t), "full");
  writeFileSync(full, "a file");
  await bad(["import", "--data", full], { input: example });
});

test("an import that is killed leaves whole documents, and the rest can follow", (t) =>
  withCluster(t, new Cluster({ inMemory: true }), async (cluster) => {
    const load = await cluster.load(["--docs", "300", "--clients", "1", "--rate", "1500", "--duration", "2", "--warmup", "0"]);
    assert.equal(load.code, 0, load.stderr);
    await stop(cluster);
    const text = await exportAll(cluster.data);
    const lines = text.split("\n"), half = lines.slice(0, Math.floor(lines.length / 2)).join("\n");
    const data = join(cluster.folder, "imported");
    const counts = [];
    for (let kill = 0; kill < 8; kill++) {
      const program = new Program("ordo").start(["import", "--data", data, "--skip-existing"]);
      cluster.programs.push(program);
      program.child.stdin.write(kill < 4 ? half : text); // never its end: it is always in the middle
      if (kill % 2 === 1) await program.line(/: (\d+ ops|skipped, it exists)$/);
      await pause(random.below(120));
      await program.stop("SIGKILL");
      const { code, stdout, stderr } = await run("ordo", ["verify", data]);
      if (code === 1 && /no store in it/.test(stderr)) continue; // before there was one
      assert.equal(code, 0, stdout + stderr);
      counts.push(Number(stdout.match(/: (\d+) documents/)[1]));
    }
    assert.deepEqual(counts, [...counts].sort((a, b) => a - b), "documents stay once they are there");
    t.diagnostic(`documents after each kill: ${counts.join(" ")}`);
    await importInto(data, text, "--skip-existing");
    assert.equal(withoutLineage(await exportAll(data)), withoutLineage(text));
    await good(["verify", data]);
  }));

test("a line without an end costs no memory, and is refused", async (t) => {
  const input = Buffer.concat([Buffer.from(example.slice(0, example.indexOf("\n") + 1)), Buffer.alloc(80 * 1024 ** 2, "x")]);
  assert.match(await bad(["import", "--data", join(scratch(t), "data")], { input }), /^ordo: line 2 is longer than the 64 MiB/);
});
