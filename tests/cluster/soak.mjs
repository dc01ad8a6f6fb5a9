// Mixed load for an hour, with truncation on: do memory, file descriptors and disk stay flat once it is warm?
//
//   ORDO_BIN=DIR tests/cluster/run --soak [--minutes N] [--json FILE]
//
//   --minutes N   of load (60); the first third is for warming up
//   --json FILE   also writes the report there
//
// Many documents and a hot one with readers (ordo-load), people who type, show presence, lose their connections and come back,
// some of them after the log has passed them by, visitors who open cold documents, and readers of history. What each process
// and the store take is sampled, and the last third of the time compared with the middle one. In the end all clients must
// show the same text, and the store must be sound. Exit status 0: flat, and nothing was wrong.
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Cluster, assertSameText, converge } from "./lib/cluster.mjs";
import { Program, residentBytes, run } from "./lib/process.mjs";
import { Random, randomSplice, seedOfRun } from "./lib/random.mjs";
import { RawConnection } from "./lib/raw.mjs";
import { pause } from "./lib/typing.mjs";

const { values: options } = parseArgs({ options: { minutes: { type: "string", default: "60" }, json: { type: "string" } } });
const durationMs = Number(options.minutes) * 60_000;
if (!(durationMs >= 60_000)) { console.error("soak: --minutes wants a number from 1"); process.exit(2); }
const SAMPLE_MS = Math.min(5000, durationMs / 120);
const MIB = 1024 * 1024;
const MANY = 20; // documents that many people type in
const random = new Random(seedOfRun);

/** What may differ between the middle third and the last: a share, and what a flush, a compaction or a visitor more takes. */
const metrics = {
  "shard memory": { unit: "MiB", share: 0.1, slack: 4 },
  "gateway memory": { unit: "MiB", share: 0.1, slack: 4 },
  "shard descriptors": { unit: "", share: 0.1, slack: 16 },
  "gateway descriptors": { unit: "", share: 0.1, slack: 16 },
  "shard threads": { unit: "", share: 0, slack: 0 },
  "gateway threads": { unit: "", share: 0, slack: 0 },
  "store": { unit: "MiB", share: 0.15, slack: 4 },
  "log files": { unit: "MiB", share: 0.1, slack: 4 },
};

// ---- looking

const countOf = (pid, what) => readdirSync(`/proc/${pid}/${what}`).length;

function sizes(folder) {
  let all = 0, logs = 0;
  for (const name of readdirSync(folder, { recursive: true }).map(String)) {
    const status = statSync(join(folder, name), { throwIfNoEntry: false }); // compaction deletes meanwhile
    if (!status?.isFile()) continue;
    all += status.size;
    if (name.endsWith(".log")) logs += status.size;
  }
  return { all, logs };
}

function sample(cluster) {
  const { all, logs } = sizes(join(cluster.store, "db"));
  const [shard, gateway] = [cluster.shard.pid, cluster.gateway.pid];
  return {
    "shard memory": residentBytes(shard) / MIB, "gateway memory": residentBytes(gateway) / MIB,
    "shard descriptors": countOf(shard, "fd"), "gateway descriptors": countOf(gateway, "fd"),
    "shard threads": countOf(shard, "task"), "gateway threads": countOf(gateway, "task"),
    "store": all / MIB, "log files": logs / MIB,
  };
}

// ---- the load: each goes on until `isOver()`, and counts what it did

function startDriver(cluster, args) {
  const load = new Program("ordo-load");
  cluster.programs.push(load);
  load.start(["--url", cluster.url, "--duration", String(durationMs / 1000), "--json", ...args]);
  return load.ended.then(({ code, signal }) => {
    if (code !== 0) throw new Error(`ordo-load ${args.join(" ")} ended with ${signal ?? code}: ${load.stderr}`);
    return JSON.parse(load.stdout);
  });
}

/** Types; now and then the connection breaks, or this person is away for a while and goes on typing. */
async function person(client, isOver, counts) {
  while (!isOver()) {
    const [position, deleteCount, text] = randomSplice(random, client.text);
    client.splice(position, client.text.length > 2000 ? deleteCount + 20 : deleteCount, text);
    await pause(50 + random.below(100));
    if (random.chance(1)) { client.drop(); counts.drops++; }
    if (random.below(1000) < 2) {
      client.close();
      for (let i = 0; i < 20; i++) { client.splice(0, 0, "away "); await pause(200); }
      counts.returns++;
      await client.connect();
    }
  }
}

/** Shows where it is, ten times a second, for some seconds; then comes anew. */
async function shower(cluster, isOver, counts) {
  while (!isOver()) {
    const raw = await RawConnection.connect(cluster.url);
    raw.onMessage = () => {};
    raw.send({ request: 1, open: { collection: "c", id: "d", create_type: "text", presence: true } });
    for (let i = 0; i < 50 && !isOver(); i++) {
      raw.send({ doc: 1, presence: { data: Buffer.from(`at ${i}`), base_seq: 1, ranges: [] } });
      counts.presence++;
      await pause(100);
    }
    raw.socket.terminate();
  }
}

/** Opens documents, some of which nobody has open, and leaves again. */
async function visitor(cluster, isOver, counts) {
  while (!isOver()) {
    const raw = await RawConnection.connect(cluster.url);
    for (let i = 0; i < 5; i++) {
      const { doc } = await raw.open(random.chance(50) ? "many" : "cold", String(random.below(MANY)), {});
      raw.send({ doc, leave: {} });
    }
    raw.close();
    counts.visits++;
    await pause(200);
  }
}

async function historian(cluster, isOver, counts) {
  const commands = [
    () => ["log", `many/${random.below(MANY)}`, "--from", "1"],
    () => ["at", `many/${random.below(MANY)}`, "--time", "-20s"],
    () => ["log", "hot/one", "--from", String(1 + random.below(1000))],
  ];
  while (!isOver()) {
    const [verb, ...args] = random.pick(commands)();
    const { code } = await run("ordo", ["doc", verb, ...args, "--url", cluster.url]);
    counts[code === 0 ? "history_reads" : "history_gone"]++; // what is not kept any more is refused
    await pause(500);
  }
}

// ---- judging

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

function judge(samples) {
  const third = Math.floor(samples.length / 3);
  return Object.entries(metrics).map(([name, { unit, share, slack }]) => {
    const values = samples.map((each) => each[name]);
    const middle = median(values.slice(third, 2 * third)), last = median(values.slice(2 * third));
    const limit = middle * (1 + share) + slack;
    return { name, unit, first: median(values.slice(0, third)), middle, last, max: Math.max(...values), limit, isFlat: last <= limit };
  });
}

function print(rows) {
  const cells = ["", "first third", "middle", "last", "max", "last at most"];
  const line = (name, numbers, rest) => name.padEnd(24) + numbers.map((text) => text.padStart(13)).join("") + rest;
  console.log(line(cells[0], cells.slice(1), ""));
  for (const { name, unit, first, middle, last, max, limit, isFlat } of rows) {
    console.log(line(name, [first, middle, last, max, limit].map((value) => `${value.toFixed(unit ? 1 : 0)} ${unit}`.trim()),
                     isFlat ? "  flat" : "  GREW"));
  }
}

// ---- all of it

async function soak(cluster) {
  const counts = { drops: 0, returns: 0, presence: 0, visits: 0, history_reads: 0, history_gone: 0 };
  const endMs = Date.now() + durationMs, samples = [];
  let hasFailed = false;
  const isOver = () => hasFailed || Date.now() >= endMs;
  const people = [];
  for (let i = 0; i < 6; i++) people.push(await cluster.join({ presence: i % 2 === 0 }));
  const work = [
    startDriver(cluster, ["--collection", "many", "--docs", String(MANY), "--clients", "2", "--rate", "600"]),
    startDriver(cluster, ["--doc", "hot/one", "--clients", "8", "--readers", "20", "--rate", "150"]),
    ...people.map((client) => person(client, isOver, counts)),
    shower(cluster, isOver, counts), shower(cluster, isOver, counts),
    visitor(cluster, isOver, counts), historian(cluster, isOver, counts),
  ];
  const failure = Promise.all(work).then(() => null, (error) => { hasFailed = true; return error; });
  while (!isOver()) {
    samples.push(sample(cluster));
    await pause(SAMPLE_MS);
  }
  const error = await failure;
  if (error) throw error;
  const [many, hot] = await Promise.all(work.slice(0, 2));
  const text = await converge(people);
  assertSameText((await cluster.join()).text, text, "a fresh client");
  await cluster.gateway.stop();
  await cluster.shard.stop();
  const { code, stdout, stderr } = await cluster.verify();
  if (code !== 0) throw new Error(`ordo verify: ${stdout}${stderr}`);
  return { minutes: durationMs / 60_000, seed: seedOfRun, ops: many.ops + hot.ops, ack_us: many.ack_us, counts, verify: stdout.trim(),
           rows: judge(samples), samples };
}

// Short memories, so that everything that grows is cut off many times.
const cluster = new Cluster({ shardArgs: ["--log-ops", "500", "--log-slack", "100", "--log-age-ms", "3000", "--history", "1000",
                                          "--unload-ms", "5000"] });
try {
  await cluster.start();
  const report = await soak(cluster);
  const crashed = cluster.programs.find((program) => program.crash !== null);
  if (crashed) throw new Error(`${crashed.name} crashed on the way: ${crashed.crash}`);
  print(report.rows);
  const { samples, ...summary } = report;
  console.log(JSON.stringify(summary));
  if (options.json) writeFileSync(resolve(process.env.ORDO_CALLED_FROM ?? ".", options.json), JSON.stringify(report) + "\n");
  process.exitCode = report.rows.every(({ isFlat }) => isFlat) ? 0 : 1;
} catch (error) {
  console.error(`soak: ORDO_SEED=${seedOfRun}\n${cluster.logs()}\n${error.stack}`);
  process.exitCode = 1;
} finally {
  await cluster.destroy();
}
