// Every file of a real store, with a bit flipped, cut in half, deleted: what is served is what was acked, or an error;
// `ordo verify` sees it, or the file was not needed; and `ordo repair` brings back true beginnings and names the rest.
import { test } from "node:test";
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cluster, withCluster } from "./lib/cluster.mjs";
import { run } from "./lib/process.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { RawConnection } from "./lib/raw.mjs";
import { whileServed } from "./lib/stored.mjs";
import { pause } from "./lib/typing.mjs";
import * as ot from "./lib/text.mjs";

const JOBS = 2;
const damageCount = Number(process.env.ORDO_DAMAGES ?? 12);
const shardArgs = ["--disk-reserve-mib", "0"];
/** Files of which nothing depends on more than a note. */
const SPARE = /^(lock|low-water|db\/(LOCK|LOG|LOG\.old\..*|IDENTITY|OPTIONS-.*))$/;

const damages = {
  "a bit flipped": (path) => {
    const bytes = readFileSync(path);
    if (bytes.length === 0) return false;
    bytes[Math.floor(bytes.length / 2)] ^= 0x10;
    writeFileSync(path, bytes);
  },
  "cut in half": (path) => {
    if (statSync(path).size === 0) return false;
    truncateSync(path, Math.floor(statSync(path).size / 2));
  },
  // Where RocksDB took a cut MANIFEST for a whole one: behind some tables of a flush, before others.
  "cut at two thirds": (path) => {
    if (!/MANIFEST/.test(path)) return false;
    truncateSync(path, Math.floor(statSync(path).size * 27 / 40));
  },
  "deleted": (path) => rmSync(path),
};

/** After the last two nothing may be missing: the kill may have come before what they damage was acked. */
const logDamages = {
  "a bit flipped": damages["a bit flipped"],
  "cut in half": damages["cut in half"],
  "deleted": damages.deleted,
  "cut by a byte": (path) => truncateSync(path, statSync(path).size - 1),
  "a bit flipped in its last byte": (path) => {
    const bytes = readFileSync(path);
    bytes[bytes.length - 1] ^= 1;
    writeFileSync(path, bytes);
  },
};

test("whatever happens to a file, nothing but true history is served, and repair names what is lost", (t) =>
  withCluster(t, new Cluster({ shardArgs, inMemory: true }), async (cluster) => {
    const truth = await makeStore(cluster);
    const files = filesOf(cluster.store);
    for (const kind of [/\.sst$/, /\.log$/, /MANIFEST/, /CURRENT/, /OPTIONS/, /low-water/]) {
      assert.ok(files.some((name) => kind.test(name)), `a store has a file like ${kind}: ${files}`);
    }
    const cases = files.flatMap((file) => Object.keys(damages).map((damage) => ({ file, damage })));
    t.diagnostic(JSON.stringify(await tryAll(cluster, cases, truth)));
  }, 240_000));

test("the same where several files are damaged at once", (t) =>
  withCluster(t, new Cluster({ shardArgs, inMemory: true }), async (cluster) => {
    const random = new Random(seedOfRun);
    const truth = await makeStore(cluster);
    const files = filesOf(cluster.store).filter((name) => /\.(sst|log)$|MANIFEST|CURRENT/.test(name));
    const cases = Array.from({ length: damageCount }, () => ({ seed: random.next(), file: "several", files }));
    t.diagnostic(JSON.stringify(await tryAll(cluster, cases, truth)));
  }, 60_000 + damageCount * 2000));

/** No log file loses anything unseen, not even what was acked in the last moment before the shard was killed; and repair works with what is left. */
test("a log file damaged after a kill at full load is seen, to its last byte, and repair does without it", (t) =>
  withCluster(t, new Cluster({ shardArgs, inMemory: true }), async (cluster) => {
    const acked = await killAtFullLoad(cluster);
    const logs = filesOf(cluster.store).filter((name) => /\.log$/.test(name));
    const newest = logs.at(-1), refused = [];
    const repaired = join(cluster.folder, "repaired");
    const repair = async (folder) => {
      rmSync(repaired, { recursive: true, force: true });
      const { code, signal, stderr } = await run("ordo", ["repair", folder, "--into", repaired]);
      assert.ok([0, 3].includes(code), `repair ended with ${signal ?? code}: ${stderr}`);
      return code;
    };
    for (const file of logs) {
      for (const [damage, act] of Object.entries(logDamages)) {
        const damaged = join(cluster.folder, "damaged");
        rmSync(damaged, { recursive: true, force: true });
        cpSync(cluster.store, damaged, { recursive: true });
        if (act(join(damaged, file)) === false) continue;
        const served = await serve(cluster, damaged, acked);
        if (served === null) {
          refused.push(`${file} ${damage}`);
          await repair(damaged);
        }
        for (const [id, seq] of acked) {
          assert.ok(served === null || served.get(id).error || served.get(id).seq >= seq, `${file} ${damage}: ${id} lost acked ops`);
        }
      }
    }
    for (const damage of ["a bit flipped", "cut in half", "deleted"]) {
      assert.ok(refused.includes(`${newest} ${damage}`), `${damage}: refused were ${refused}`);
    }
    assert.equal(await repair(cluster.store), 0);
    for (const store of [repaired, cluster.store]) {
      const sound = await serve(cluster, store, acked);
      for (const [id, seq] of acked) assert.ok(sound.get(id).seq >= seq, id);
    }
    t.diagnostic(JSON.stringify({ logs: logs.length, refused: refused.length }));
  }, 120_000));

/** A sound store comes out as it was: same content, same lineages, nothing lost. */
test("repair of a sound store loses nothing, and refuses to write over anything", (t) =>
  withCluster(t, new Cluster({ shardArgs, inMemory: true }), async (cluster) => {
    const truth = await makeStore(cluster);
    const repaired = join(cluster.folder, "new");
    const { code, stdout, stderr } = await run("ordo", ["repair", cluster.data, "--into", repaired]);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, new RegExp(`${truth.size} documents: ${truth.size} whole`));
    const served = await serve(cluster, join(repaired, "shard"), truth);
    for (const [id, was] of truth) assert.deepEqual(served.get(id), was, id);
    const verified = await run("ordo", ["verify", repaired]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    const again = await run("ordo", ["repair", cluster.data, "--into", repaired]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /exists/);
    assert.equal((await run("ordo", ["repair"])).code, 2);
  }));

test("names that may be lost answer an error until an operator lets them be used anew", (t) =>
  withCluster(t, new Cluster({ shardArgs, inMemory: true }), async (cluster) => {
    const truth = await makeStore(cluster);
    const [log] = readdirSync(join(cluster.store, "db")).filter((name) => name.endsWith(".log"));
    rmSync(join(cluster.store, "db", log));
    const once = join(cluster.folder, "once"), twice = join(cluster.folder, "twice");
    const first = await run("ordo", ["repair", cluster.store, "--into", once]);
    assert.equal(first.code, 3, first.stderr);
    assert.match(first.stdout, /lost with their names/);
    assert.match(first.stdout, new RegExp(`c/a: unsure: readable up to server_seq \\d+`));
    const atFirst = await serve(cluster, once, truth);
    assert.equal(atFirst.get("late").error, 503, "it was in the log alone");
    assert.match(atFirst.get("late").message, /repaired/);
    const second = await run("ordo", ["repair", once, "--into", twice, "--allow-new", "--json"]);
    assert.equal(second.code, 0, second.stdout + second.stderr);
    const atLast = await serve(cluster, twice, truth);
    assert.deepEqual([atLast.get("late").text, atLast.get("late").seq], ["", 1]);
    for (const id of ["a", "large", "long"]) assert.deepEqual(atLast.get(id), atFirst.get(id), "whole now, as it is");
  }));

// ---- the store

/** Documents with and without snapshots, in tables and in the log; the shard is killed. Resolves to what was acked. */
async function makeStore(cluster) {
  const clients = new Map();
  const write = async (id, count, size) => {
    if (!clients.has(id)) clients.set(id, await cluster.join({ id }));
    for (let i = 0; i < count; i++) {
      clients.get(id).splice(0, 0, `${id} ${i} ${"xyzäöü ".repeat(Math.ceil(size / 10))}`.slice(0, size));
      await clients.get(id).settled();
    }
  };
  await write("large", 8, 30_000);
  for (const id of ["a", "b", "c", "d", "e"]) await write(id, 12, 150);
  await write("long", 150, 80);
  await pause(500); // snapshots
  await cluster.restart();
  await write("large", 5, 30_000);
  for (const id of ["a", "b", "c"]) await write(id, 5, 100);
  await pause(500);
  await cluster.restart();
  for (const id of ["a", "b", "late", "long"]) await write(id, 10, 100);
  const truth = await read(cluster.url, [...clients.keys()]);
  for (const [id, client] of clients) assert.equal(truth.get(id).text, client.text, id);
  clients.forEach((client) => client.close());
  await pause(1300); // until the low-water mark has seen it all
  await cluster.gateway.stop("SIGKILL");
  await cluster.shard.stop("SIGKILL");
  return truth;
}

/** Map of id → the newest seq that was acked when shard and gateway were killed, while every client typed on. */
async function killAtFullLoad(cluster) {
  const clients = await Promise.all(Array.from({ length: 8 }, (_, i) => cluster.join({ id: `busy-${i}` })));
  const ended = new AbortController();
  const typeOn = (client) => {
    if (!client.inFlight && client.handle !== 0 && !ended.signal.aborted) client.splice(0, client.text.length, "0123456789".repeat(2000));
  };
  for (const client of clients) {
    client.on("change", () => typeOn(client));
    typeOn(client);
  }
  await Promise.all(clients.map((client) => client.reached(50)));
  await cluster.shard.stop("SIGKILL");
  ended.abort();
  const acked = new Map(clients.map(({ id, confirmed }) => [id, confirmed.seq]));
  clients.forEach((client) => client.close());
  await cluster.gateway.stop("SIGKILL");
  return acked;
}

// ---- one case

const filesOf = (store) => readdirSync(store, { recursive: true }).map(String)
  .filter((name) => statSync(join(store, name)).isFile()).sort();

/** Resolves to how often each outcome was seen. */
async function tryAll(cluster, cases, truth) {
  const outcomes = {};
  await Promise.all(Array.from({ length: JOBS }, async (_, job) => {
    for (let next; (next = cases.shift());) {
      const said = await tryCase(cluster, join(cluster.folder, `case-${job}`), next, truth).catch((error) => {
        throw new Error(`${next.file}, ${next.damage ?? `seed ${next.seed}`}: ${error.message}`, { cause: error });
      });
      outcomes[said] = (outcomes[said] ?? 0) + 1;
    }
  }));
  return outcomes;
}

/** One to six bits and, now and then, a cut or a lost file, in whichever files. */
function damageSeveral(folder, files, random) {
  for (let count = 1 + random.below(6); count > 0; count--) {
    const path = join(folder, random.pick(files));
    if (!existsSync(path) || statSync(path).size === 0) continue;
    if (random.chance(5)) { rmSync(path); continue; }
    if (random.chance(5)) { truncateSync(path, random.below(statSync(path).size)); continue; }
    const bytes = readFileSync(path);
    bytes[random.below(bytes.length)] ^= 1 << random.below(8);
    writeFileSync(path, bytes);
  }
}

async function tryCase(cluster, folder, { file, damage, seed, files }, truth) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const damaged = join(folder, "damaged"), started = join(folder, "started"), repaired = join(folder, "repaired");
  cpSync(cluster.store, damaged, { recursive: true });
  if (files) damageSeveral(damaged, files, new Random(seed));
  else if (damages[damage](join(damaged, file)) === false) return "not damaged";
  cpSync(damaged, started, { recursive: true });

  const verified = await run("ordo", ["verify", damaged]);
  const hasFound = verified.code !== 0;
  assert.ok([0, 1].includes(verified.code), `verify ended with ${verified.signal ?? verified.code}`);
  const served = await serve(cluster, started, truth);
  const wasRefused = served === null;
  const isExact = !wasRefused && [...truth.keys()].every((id) => isSame(served.get(id), truth.get(id)));
  if (!wasRefused) {
    for (const [id, was] of truth) {
      assert.ok(served.get(id).error || isSame(served.get(id), was), `${id} is served as something else: ${sketch(served.get(id))}`);
    }
  }
  assert.ok(isExact || hasFound, `verify finds nothing, yet ${wasRefused ? "it is refused" : "documents are missing"}`);

  const repair = await run("ordo", ["repair", damaged, "--into", repaired, "--json"]);
  assert.ok([0, 3].includes(repair.code), `repair ended with ${repair.signal ?? repair.code}: ${repair.stderr}`);
  const [report] = JSON.parse(repair.stdout).stores;
  const saved = await serve(cluster, repaired, truth);
  assert.notEqual(saved, null, "the repaired store is served");
  checkRepaired(truth, saved, report, repair.code);
  await checkVerified(repaired, report);
  if (SPARE.test(file)) assert.ok(isExact && repair.code === 0, "nothing depends on this file");
  if (/CURRENT/.test(file)) assert.equal(repair.code, 0, "there is only one MANIFEST that it can have named");
  return `${wasRefused ? "refused" : isExact ? "served" : "served in part"}, ` +
    (repair.code === 0 ? "all repaired" : "losses named");
}

function checkRepaired(truth, saved, report, code) {
  const named = new Map(report.documents.map((document) => [document.id, document]));
  assert.equal(code === 3, named.size > 0 || report.names_may_be_lost);
  for (const [id, was] of truth) {
    const is = saved.get(id), said = named.get(id);
    if (!said) {
      // Not named: it is whole, or nothing of it is left, not even its name, and the report says that this may be.
      assert.ok(isSame(is, was) || (is.error && report.names_may_be_lost), `${id}, not named: ${sketch(is)}`);
    } else if (said.outcome === "lost") {
      assert.equal(is.error, 503, `${id}, lost: ${sketch(is)}`);
    } else {
      assert.equal(is.seq, said.readable_seq, `${id}: ${sketch(is)}`);
      assert.ok(is.text === textAt(was, is.seq), `${id} is not what it was at ${is.seq}`);
      if (is.ops) assert.deepEqual(is.ops.slice(1), was.ops.slice(1, is.seq), `${id}: its history`);
      if (is.seq < was.seq) assert.ok(said.new_lineage, `${id}: a shorter history has the lineage of the longer one`);
      assert.equal(is.lineage !== was.lineage, said.new_lineage, id);
    }
  }
}

/** Nothing is wrong with the new store but what the report names. */
async function checkVerified(folder, report) {
  const verified = await run("ordo", ["verify", folder]);
  const expected = report.documents.filter(({ outcome, history_lost_before_seq: seq }) => outcome === "lost" || seq);
  const findings = verified.stdout.split("\n").filter((line) => line !== "" && !/: note: |documents, /.test(line));
  for (const finding of findings) {
    assert.ok(expected.some(({ id }) => finding.includes(` c/${id}`)), `verify finds in the new store: ${finding}`);
  }
  assert.equal(verified.code, findings.length > 0 ? 1 : 0, verified.stderr);
}

// ---- reading

/** All documents of the store; null if no shard serves it. */
const serve = (cluster, store, truth) => whileServed(cluster, store, shardArgs, (url) => read(url, [...truth.keys()]));

/** Map of id → { text, seq, lineage, ops } or { error }. */
async function read(url, ids) {
  const raw = await RawConnection.connect(url);
  const documents = new Map();
  for (const id of ids) documents.set(id, await readOne(raw, id));
  raw.close();
  return documents;
}

async function readOne(raw, id) {
  try {
    const content = await openWhole(raw, id, {});
    raw.send({ doc: content.doc, leave: {} });
    const { seq } = content.content;
    const have = { have_seq: 0, have_lineage: content.lineage };
    const history = content.horizon > 0 ? null : await openWhole(raw, id, have);
    if (history) raw.send({ doc: history.doc, leave: {} });
    const ops = history && history.ops.map((op) => ({ ...op, create: undefined }));
    return { text: content.content.text, seq, lineage: content.lineage, ops };
  } catch (error) {
    if (!error.code) throw error;
    return { error: error.code, message: error.message };
  }
}

/** Opened, with all its parts in one. */
async function openWhole(raw, id, options) {
  const first = await raw.open("c", id, options);
  for (let part = first; part.more;) {
    part = (await raw.next(({ opened, doc }) => opened && doc === first.doc)).opened;
    if (part.content) first.content.text += part.content.text;
    first.ops.push(...part.ops);
  }
  return first;
}

function textAt(was, seq) {
  return was.ops.slice(0, seq).reduce((text, { text: op }) => (op ? ot.apply(text, ot.decode(op)) : text), "");
}

const isSame = (is, was) => JSON.stringify(is) === JSON.stringify(was);
const sketch = ({ text, ops, ...rest }) => JSON.stringify({ ...rest, text: text?.slice(0, 40), ops: ops?.length });
