// What a page is held up by, in headless Chromium against the real programs: after a build,
// `ORDO_BIN=BUILD/bin node bench/page.mjs [--profile]`. One line per phase: the longest task of the page's main thread, all of
// its tasks, both in CPU time, so that other load matters little; with --profile the functions that took most of it.
import { Program } from "../../../tests/cluster/lib/process.mjs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "../dist/node.js";
import { launch, skipWithoutBrowser, withTestPage } from "../test/browser.mjs";

if (skipWithoutBrowser) {
  console.error(`bench/page: ${skipWithoutBrowser}`);
  process.exit(1);
}
const isProfiling = process.argv.includes("--profile");
// 1 MB; of which some stands in every line, as in real texts, and some does not.
const long = Array.from({ length: 17_000 }, (_, i) => `${i}. The quick brown fox jumps over ${i * 7919 % 10_007} lazy dogs. 😀\n`).join("");
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Functions by their own time within the profile's longest stretch without idling. */
function hottest({ nodes, samples, timeDeltas }) {
  const byId = new Map(nodes.map((node) => [node.id, node])), isIdle = (id) => ["(idle)", "(program)", "(root)"].includes(byId.get(id).callFrame.functionName);
  let best = { us: 0 }, now = { us: 0, of: new Map() };
  samples.forEach((id, i) => {
    if (isIdle(id)) { if (now.us > best.us) best = now; now = { us: 0, of: new Map() }; return; }
    const { functionName, lineNumber, columnNumber } = byId.get(id).callFrame, name = `${functionName || "?"}:${lineNumber}`;
    now.us += timeDeltas[i];
    now.of.set(name, (now.of.get(name) ?? 0) + timeDeltas[i]);
  });
  if (now.us > best.us) best = now;
  const list = [...(best.of ?? [])].sort((x, y) => y[1] - x[1]).slice(0, 8).map(([name, us]) => `${name} ${(us / 1000).toFixed(1)}`);
  return `  longest stretch ${(best.us / 1000).toFixed(0)} ms: ${list.join(", ")}`;
}

/** Of the busiest page: milliseconds of CPU time. */
function tasksOf(events) {
  const sums = new Map();
  const mains = new Set(events.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain").map(({ pid, tid }) => `${pid} ${tid}`));
  for (const { name, pid, tid, tdur } of events) {
    const thread = `${pid} ${tid}`;
    if (name !== "RunTask" || tdur === undefined || !mains.has(thread)) continue;
    const { longest, sum } = sums.get(thread) ?? { longest: 0, sum: 0 };
    sums.set(thread, { longest: Math.max(longest, tdur / 1000), sum: sum + tdur / 1000 });
  }
  return [...sums.values()].sort((x, y) => y.sum - x.sum)[0] ?? { longest: 0, sum: 0 };
}

const folder = await mkdtemp(join(tmpdir(), "ordo-js-bench-"));
const shard = new Program("ordo-shard"), gateway = new Program("ordo-gateway");
const clients = [];
let browser;
try {
  await withTestPage(async (site) => {
    shard.start(["--data", join(folder, "shard"), "--listen-data", "tcp://127.0.0.1:*", "--listen-side", "tcp://127.0.0.1:*"]);
    const [, data, side] = await shard.line(/^ready data=(\S+) side=(\S+)/);
    gateway.start(["--listen", "127.0.0.1:0", "--shard", `data=${data},side=${side}`, "--static", site]);
    const url = (await gateway.line(/^ready (\S+)/))[1], base = url.replace(/^ws/, "http").replace("/v1/ws", "/");
    browser = await launch();
    for (let i = 0; i < 16; i++) clients.push(connect({ url }));

    async function open(id) {
      const page = await (await browser.newContext()).newPage(), devtools = await page.context().newCDPSession(page);
      if (isProfiling) {
        await devtools.send("Profiler.enable");
        await devtools.send("Profiler.setSamplingInterval", { interval: 500 });
      }
      const phase = async (what, act) => {
        await browser.startTracing(page, { categories: ["toplevel", "disabled-by-default-devtools.timeline"] });
        if (isProfiling) await devtools.send("Profiler.start");
        const told = await act();
        await pause(400); // what was set off is stored by then
        const profile = isProfiling ? (await devtools.send("Profiler.stop")).profile : undefined;
        const { longest, sum } = tasksOf(JSON.parse((await browser.stopTracing()).toString()).traceEvents);
        console.log(`${`${id}: ${what}`.padEnd(46)} longest task ${longest.toFixed(0)} ms, in all ${sum.toFixed(0)} ms${told ? `, ${told}` : ""}`);
        if (profile !== undefined) console.log(hottest(profile));
      };
      await page.goto(`${base}?id=empty`);
      await page.waitForFunction(() => window.isReady === true);
      const heapMb = async () => {
        await devtools.send("HeapProfiler.collectGarbage");
        return (await devtools.send("Runtime.getHeapUsage")).usedSize / 2 ** 20;
      };
      return { page, phase, heapMb };
    }

    async function others(id) {
      const docs = clients.map((client) => client.open("c", id, { create: true }));
      await Promise.all(docs.map((doc) => doc.ready));
      return docs;
    }
    const catchUp = (page, seq) => page.waitForFunction((wanted) => doc.seq >= wanted, seq);
    /** `count` ops, and the place of the last one. */
    async function write(docs, count) {
      await Promise.all(docs.map(async (doc, at) => {
        for (let i = at; i < count; i += docs.length) {
          doc.insert((i * 97) % doc.length, "o");
          await doc.saved();
        }
      }));
      return Math.max(...docs.map((doc) => doc.seq));
    }

    for (const [name, query] of [["client", ""], ["codemirror", "editor"]]) {
      const docs = await others(name);
      docs[0].setText(long);
      await docs[0].saved();
      const { page, phase, heapMb } = await open(name), before = await heapMb();
      await phase("1 MB is opened", () => page.evaluate((id) => openDocument(id), name));
      if (query !== "") await phase("… and shown", () => page.evaluate(() => showEditor()));
      console.log(`${`${name}: JS heap of 1 MB of text`.padEnd(46)} ${(await heapMb() - before).toFixed(1)} MB`);
      await phase("200 keystrokes", async () => {
        const times = await page.evaluate(async () => {
          const times = [];
          for (let i = 0; i < 200; i++) {
            const at = (i * 7919) % doc.length, start = performance.now();
            doc.insert(at, "x");
            times.push(performance.now() - start);
            await new Promise((done) => setTimeout(done, 5));
          }
          await doc.saved();
          return times.sort((x, y) => x - y);
        });
        return `p50 ${times[100].toFixed(2)} ms, p99 ${times[197].toFixed(2)} ms`;
      });
      await page.evaluate(() => client.goOffline());
      const seq = await write(docs, 10_000);
      await phase("10,000 ops of others", async () => {
        await page.evaluate(() => client.goOnline());
        await catchUp(page, seq);
      });
      if (query !== "") continue; // an editor has its own cost for 10,000 edits
      await page.evaluate(() => client.goOffline());
      await page.waitForFunction(() => doc.status === "offline");
      await write(docs, 10_000);
      await phase("10,000 edits made offline", () => page.evaluate(async () => {
        for (let i = 0; i < 10_000; i++) {
          doc.insert((i * 89) % doc.length, "p");
          if (i % 100 === 0) await new Promise((done) => setTimeout(done));
        }
      }));
      await phase("… rebased over 10,000 of others", async () => {
        await page.evaluate(() => client.goOnline());
        await page.evaluate(() => doc.saved());
      });
    }
  }, { minify: !isProfiling });
} finally {
  await Promise.all(clients.map((client) => client.close()));
  await browser?.close();
  await Promise.all([shard.stop("SIGKILL"), gateway.stop("SIGKILL")]);
  await rm(folder, { recursive: true, force: true });
}
