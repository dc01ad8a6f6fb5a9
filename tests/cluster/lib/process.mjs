// One real process that a test started: its own `ready` line, its log, its end. Killed by pid, never by name, and never
// left behind: whatever still runs when the test process exits is killed with it.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const LOG_SIZE_MAX = 256 * 1024;
// Our own bugs, as processes tell of them: assertions, sanitizers, signals that nobody sent.
const CRASH = /Assertion|assertion|Sanitizer|runtime error:|ended: SIG(ABRT|SEGV|BUS|FPE|ILL)|killed by signal (4|6|7|8|11) /;
const running = new Set();
const killAll = () => running.forEach((child) => child.kill("SIGKILL"));
process.on("exit", killAll);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

const HELPERS = ["clock_shim.so", "typist", "stranger", "libordo_forgetful.so", "ordo-forget"];

/** Before the name of a program: that of the version before, as far as formats go. */
export const FORMER = "former/";

/** Path of one of our programs or helpers; fails with a sentence where it is missing: no test passes without it. */
export function programPath(name) {
  const bin = process.env.ORDO_BIN;
  if (!bin) throw new Error("ORDO_BIN is not set: it names the folder of ordo, ordo-shard, ordo-gateway and ordo-load");
  if (name.startsWith(FORMER)) return join(bin, "..", name); // made together with those in `bin`
  const folder = HELPERS.includes(name) ? process.env.ORDO_HELPERS ?? join(bin, "../helpers") : bin;
  const path = join(folder, name);
  if (existsSync(path)) return path;
  const variable = HELPERS.includes(name) ? "ORDO_HELPERS" : "ORDO_BIN";
  throw new Error(`${path} does not exist: build it, and let ${variable} name its folder`);
}

/** Environment that interposes these libraries; under ASan too, which else insists on being first. */
export function preload(...names) {
  const asan = [process.env.ASAN_OPTIONS, "verify_asan_link_order=0"].filter(Boolean).join(":");
  return { LD_PRELOAD: names.map(programPath).join(":"), ASAN_OPTIONS: asan };
}

export class Program {
  constructor(name) {
    this.name = name;
    this.log = "";
    this.child = null;
    this.crash = null; // what it said when it broke in a way that is our own bug, in whichever of its lives
    this.ended = Promise.resolve({ code: 0, signal: null });
  }

  get pid() { return this.child?.pid; }
  get isRunning() { return this.child !== null && running.has(this.child); }

  start(args, { env = {}, cwd } = {}) {
    this.lines = [];
    this.waiting = [];
    this.stdout = "";
    this.stderr = "";
    this.scanned = 0; // how much of stdout has been cut into lines
    this.note(`--- ${this.name} ${args.join(" ")}\n`);
    const child = spawn(programPath(this.name), args, { env: { ...process.env, ...env }, cwd });
    this.child = child;
    running.add(child);
    child.stdin.on("error", () => {}); // a process that never reads its stdin may be gone already
    child.stderr.setEncoding("utf8").on("data", (text) => { this.stderr = tail(this.stderr + text); this.note(text); });
    child.stdout.setEncoding("utf8").on("data", (text) => this.#stdout(text));
    this.ended = new Promise((done) => {
      child.on("error", (error) => { running.delete(child); done({ code: -1, signal: null, error }); });
      child.on("close", (code, signal) => {
        running.delete(child);
        this.note(`--- ${this.name} (pid ${child.pid}) ended: ${signal ?? code}\n`);
        this.waiting.splice(0).forEach((waiter) => waiter.ended({ code, signal }));
        done({ code, signal });
      });
    });
    return this;
  }

  note(text) {
    this.log = tail(this.log + text);
    if (this.crash === null && CRASH.test(text)) this.crash = text.slice(0, 2000);
  }

  #stdout(text) {
    this.note(text);
    this.stdout += text;
    for (let end; (end = this.stdout.indexOf("\n", this.scanned)) >= 0; this.scanned = end + 1) {
      const line = this.stdout.slice(this.scanned, end);
      this.lines.push(line);
      this.waiting = this.waiting.filter((waiter) => !waiter.offer(line));
    }
  }

  /** The first stdout line that matches, from now or before; rejects when the process ends first. */
  line(pattern, timeoutMs = 30_000) {
    const known = this.lines.map((line) => line.match(pattern)).find(Boolean);
    if (known) return Promise.resolve(known);
    return new Promise((resolve, reject) => {
      const fail = (why) =>
        reject(new Error(`${this.name}: ${why} before it printed ${pattern}\n${this.log.slice(-4000)}`));
      const timer = setTimeout(() => fail(`waited ${timeoutMs} ms`), timeoutMs);
      this.waiting.push({
        offer: (line) => {
          const match = line.match(pattern);
          if (match) { clearTimeout(timer); resolve(match); }
          return match !== null;
        },
        ended: ({ code, signal }) => { clearTimeout(timer); fail(`ended with ${signal ?? code}`); },
      });
    });
  }

  /** Sends the signal and waits for the end. */
  async stop(signal = "SIGTERM") {
    if (this.isRunning) this.child.kill(signal);
    return this.ended;
  }
}

const tail = (text) => (text.length > LOG_SIZE_MAX ? text.slice(-LOG_SIZE_MAX / 2) : text);

/** Runs one of our programs to its end: { code, signal, stdout, stderr }. */
export async function run(name, args, { input, timeoutMs = 120_000, ...options } = {}) {
  const program = new Program(name).start(args, options);
  program.child.stdin.end(input);
  const timer = setTimeout(() => { program.note("--- too slow, killed\n"); program.child.kill("SIGKILL"); }, timeoutMs);
  const end = await program.ended;
  clearTimeout(timer);
  if (end.error) throw end.error;
  return { ...end, stdout: program.stdout, stderr: program.stderr };
}

/** Resident bytes of a process, from /proc. */
export function residentBytes(pid) {
  return Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmRSS:\s+(\d+) kB/m)[1]) * 1024;
}

/** Waits for `condition`; for what no event tells us, such as another process's memory or files. */
export async function eventually(condition, what, timeoutMs = 15_000) {
  const endMs = Date.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > endMs) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await new Promise((done) => setTimeout(done, 10));
  }
}
