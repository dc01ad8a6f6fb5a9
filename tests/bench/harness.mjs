// What all measurements use: programs pinned to cores, a cluster on empty data, rows with their bars.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
export const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean" }, runs: { type: "string" }, only: { type: "string", multiple: true }, build: { type: "string" },
    dir: { type: "string" }, json: { type: "string" }, list: { type: "boolean" }, help: { type: "boolean" },
  },
});

export const work = mkdtempSync(join(options.dir ?? tmpdir(), "ordo-bench-"));
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  rmSync(work, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));

export const seconds = options.quick ? 5 : 60;
export const runs = Number(options.runs ?? (options.quick ? 1 : 3));
if (!(runs >= 1)) { console.error("bench: --runs wants a number from 1"); process.exit(2); }
export const SERVERS = "0", DRIVER = String(Math.min(1, cpus().length - 1));
execFileSync("taskset", ["-apc", DRIVER, String(process.pid)], { stdio: "ignore" }); // starting a program takes a core, too

// --- programs --------------------------------------------------------------------------------------------------------

let build = options.build;
export function makeBuild() {
  if (build) return;
  build = join(work, "build");
  const launcher = spawnSucceeds("ccache", ["--version"]) ? ["-DCMAKE_C_COMPILER_LAUNCHER=ccache"] : [];
  console.error("building…");
  execFileSync("cmake", ["-S", root, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", ...launcher],
               { stdio: ["ignore", "ignore", "inherit"] });
  execFileSync("cmake", ["--build", build], { stdio: ["ignore", "ignore", "inherit"] });
}
export function spawnSucceeds(command, args) {
  try { execFileSync(command, args, { stdio: "ignore" }); return true; } catch { return false; }
}
export const program = (name) => join(build, "bin", name);
export const helper = (name) => join(build, "tests", "bench", name);

/** `aside`: it stands for a program on another machine, and has the core only while nothing that is measured here wants it. */
export function start(core, command, args, { aside, stdio } = {}) {
  const [first, ...rest] = [...(aside ? ["chrt", "--idle", "0"] : []), "taskset", "-c", core, command, ...args];
  const child = spawn(first, rest, { stdio: stdio ?? ["ignore", "pipe", "pipe"] });
  running.add(child);
  child.out = ""; child.err = "";
  child.stdout?.on("data", (data) => { child.out += data; });
  child.stderr?.on("data", (data) => { child.err = (child.err + data).slice(-20000); });
  child.done = new Promise((resolve) => child.on("close", (code, signal) => {
    running.delete(child);
    resolve({ code: code ?? signal, out: child.out, err: child.err });
  }));
  return child;
}
async function finish(child, what) {
  const { code, out, err } = await child.done;
  if (code !== 0) throw new Error(`${what} ended with ${code}: ${err.trim().split("\n").slice(-5).join("\n")}`);
  return out;
}
export const run = async (core, command, args, how) => finish(start(core, command, args, how), `${command} ${args.join(" ")}`);

/** `ordo up` on its own data; the url and the port stay over restarts. */
export class Cluster {
  static count = 0;
  constructor(args = []) { this.args = args; this.data = join(work, `data-${Cluster.count++}`); this.listen = "127.0.0.1:0"; }
  async start() {
    this.up = start(SERVERS, program("ordo"), ["up", "--data", this.data, "--listen", this.listen, ...this.args]);
    const lines = createInterface({ input: this.up.stdout });
    const ready = await new Promise((resolve, reject) => {
      lines.once("line", (line) => resolve(line.replace(/^ready /, "")));
      this.up.done.then(({ err }) => reject(new Error(`ordo up: ${err.slice(-2000)}`)));
    });
    this.urls = ready.split(" ");
    [this.url] = this.urls;
    this.listen = new URL(this.url).host;
    return this;
  }
  async stop(signal = "SIGTERM") {
    this.up.kill(signal);
    await this.up.done;
  }
  async destroy() {
    await this.stop();
    rmSync(this.data, { recursive: true, force: true });
  }
  pid(role) { return Number(readFileSync(join(this.data, "run", `${role}.pid`), "utf8")); }
  async load(args, how) {
    return JSON.parse(await run(DRIVER, program("ordo-load"), ["--url", this.url, "--json", ...args], how));
  }
  helper(args, how) { return run(DRIVER, helper("bench_disturb"), args, how); }
}
export async function withCluster(body, args) {
  const cluster = await new Cluster(args).start();
  try { return await body(cluster); } finally { await cluster.destroy(); }
}

// --- measuring -------------------------------------------------------------------------------------------------------

export const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)];
/** The middle one of several runs, by a figure of it. */
export async function medianRun(args, figure) {
  const results = [];
  for (let i = 0; i < runs; i++) {
    results.push(await withCluster((cluster) => cluster.load([...args, "--duration", String(seconds)])));
  }
  const wanted = median(results.map(figure));
  return results.find((result) => figure(result) === wanted);
}
export const opsPerSecond = (result) => result.ops_per_second;
export const cpu = (proc, what) => proc?.[what] ?? NaN;

export const rows = [];
/** `bar`: a number; `better`: "most" means value <= bar, "least" means value >= bar; no bar: for information. */
export function row(name, value, unit, bar, better) {
  const met = bar === undefined ? undefined : better === "most" ? value <= bar : value >= bar;
  rows.push({ name, value, unit, bar, better, met });
  const barText = bar === undefined ? "" : `${better === "most" ? "≤" : "≥"} ${format(bar)}`;
  const verdict = met === undefined ? "" : met ? "met" : "MISSED";
  console.log(`${name.padEnd(58)} ${format(value).padStart(11)} ${unit.padEnd(14)} ${barText.padEnd(11)} ${verdict}`);
}
const format = (number) =>
  Math.abs(number) >= 1000 ? Math.round(number).toLocaleString("en") : number.toFixed(Math.abs(number) < 10 ? 2 : 1);

export function driverRow(name, result) {
  row(`${name}: driver busy`, cpu(result.driver, "cpu_percent"), "% of a core");
}
