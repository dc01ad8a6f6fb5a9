// Real clusters in folders of their own, on free ports. `Cluster` starts ordo-shard and ordo-gateway itself, so that a
// test decides what dies when, and can interpose libraries; `Supervised` is `ordo up`.
//
// Use them through `withCluster`, which prints the logs when the test fails and always cleans up.
import { existsSync, rmSync, statfsSync } from "node:fs";
import { mkdir, mkdtemp, rm, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IndependentClient } from "./independent.mjs";
import { Ledger } from "./ledger.mjs";
import { Program, eventually, run } from "./process.mjs";
import { seedOfRun } from "./random.mjs";

const SHM = "/dev/shm", SHM_FREE_MIN = 2 * 1024 ** 3;
function hasRoomInMemory() {
  if (!existsSync(SHM)) return false;
  const { bavail, bsize } = statfsSync(SHM);
  return bavail * bsize >= SHM_FREE_MIN;
}

export class Base {
  constructor() {
    this.clients = [];
    this.closers = [];
    this.ledger = new Ledger();
    this.programs = [];
  }

  async make() {
    this.folder = await mkdtemp(join(this.inMemory && hasRoomInMemory() ? SHM : tmpdir(), "ordo-cluster-"));
    this.removeAtExit = () => rmSync(this.folder, { recursive: true, force: true });
    process.on("exit", this.removeAtExit);
    this.data = join(this.folder, "data");
  }

  /** A connected independent client; everyone's view of the order goes into one ledger. */
  async join(options = {}) {
    const client = new IndependentClient({ url: this.url, collection: "c", id: "d", ledger: this.ledger, ...options });
    this.clients.push(client);
    await client.connect();
    return client;
  }

  /** ordo-load against this cluster, to its end. */
  load(args, options) { return run("ordo-load", ["--url", this.url, ...args], options); }
  ordo(args, options) { return run("ordo", args, options); }
  doc(verb, name, options) { return run("ordo", ["doc", verb, name, "--url", this.url], options); }

  async kill() { await Promise.all(this.programs.map((program) => program.stop("SIGKILL"))); }

  /** Whatever goes wrong on the way, no program outlives it: the test's own process would wait for them for ever. */
  async destroy() {
    this.clients.forEach((client) => client.close());
    try {
      for (const close of this.closers.reverse()) await close();
    } finally {
      await this.kill();
    }
    await rm(this.folder, { recursive: true, force: true });
    process.off("exit", this.removeAtExit);
  }

  logs() { return this.programs.map((program) => `===== ${program.name}\n${program.log.slice(-20_000)}`).join("\n"); }
}

export class Cluster extends Base {
  /** `prepare(cluster)` runs before the shard starts for the first time, when `cluster.data` is an empty folder.
   * `inMemory`: for tests that only the speed of the disk would hold up. */
  constructor({ shardEnv = {}, gatewayEnv = {}, shardArgs = [], gatewayArgs = [],
                prepare = async () => {}, inMemory = false } = {}) {
    super();
    Object.assign(this, { shardEnv, gatewayEnv, shardArgs, gatewayArgs, prepare, inMemory });
    this.shard = new Program("ordo-shard");
    this.gateway = new Program("ordo-gateway");
    this.programs.push(this.shard, this.gateway);
    this.endpoints = { data: "tcp://127.0.0.1:*", side: "tcp://127.0.0.1:*" };
    this.listen = "127.0.0.1:0";
  }

  get store() { return join(this.data, "shard"); }

  async start() {
    await this.make();
    await mkdir(this.data);
    await this.prepare(this);
    await this.startShard();
    await this.startGateway();
    return this;
  }

  /** Started again, both keep the addresses that they got first. */
  async startShard({ timeoutMs } = {}) {
    const { data, side } = this.endpoints;
    const args = ["--data", this.store, "--listen-data", data, "--listen-side", side, ...this.shardArgs];
    this.shard.start(args, { env: this.shardEnv });
    const ready = await this.shard.line(/^ready data=(\S+) side=(\S+)/, timeoutMs);
    this.endpoints = { data: ready[1], side: ready[2] };
    this.link ??= { ...this.endpoints };
  }

  async startGateway() {
    const { data, side } = this.link;
    this.gateway.start(["--listen", this.listen, "--shard", `data=${data},side=${side}`, ...this.gatewayArgs],
                       { env: this.gatewayEnv });
    this.url = (await this.gateway.line(/^ready (\S+)/))[1];
    this.listen = new URL(this.url).host;
  }

  /** One more gateway in front of the same shard; resolves to its URL. */
  async secondGateway() {
    const gateway = new Program("ordo-gateway");
    this.programs.push(gateway);
    const { data, side } = this.endpoints;
    gateway.start(["--listen", "127.0.0.1:0", "--shard", `data=${data},side=${side}`], { env: this.gatewayEnv });
    return (await gateway.line(/^ready (\S+)/))[1];
  }

  async restart(signal = "SIGTERM") {
    await this.gateway.stop(signal);
    await this.shard.stop(signal);
    await this.startShard();
    await this.startGateway();
  }

  verify(options) { return run("ordo", ["verify", this.data], options); }
}

export class Supervised extends Base {
  constructor({ env = {}, args = [] } = {}) {
    super();
    Object.assign(this, { env, args });
    this.up = new Program("ordo");
    this.programs.push(this.up);
    this.listen = "127.0.0.1:0";
  }

  async start() {
    await this.make();
    await this.startUp();
    return this;
  }

  async startUp() {
    this.up.start(["up", "--data", this.data, "--listen", this.listen, ...this.args], { env: this.env });
    this.url = (await this.up.line(/^ready (\S+)/))[1];
    this.listen = new URL(this.url).host;
  }

  /** Pid of "shard" or "gateway" as the supervisor publishes it; 0 while it is down. */
  async childPid(role) {
    const text = await readFile(join(this.data, "run", `${role}.pid`), "utf8").catch(() => "0");
    return Number(text.trim());
  }

  /** Kills a child of our own supervisor; resolves to its pid, or 0 if it was down at the moment. */
  async killChild(role, signal = "SIGKILL") {
    const pid = await this.childPid(role);
    if (pid === 0 || !(await this.#isOurs(pid))) return 0;
    try { process.kill(pid, signal); } catch { return 0; }
    return pid;
  }

  /** A pid file may be older than the process that has the number now. */
  async #isOurs(pid) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === this.up.pid;
  }

  childRestarted(role, oldPid) {
    return eventually(async () => { const pid = await this.childPid(role); return pid !== 0 && pid !== oldPid && pid; },
                      `${role} to be started again`);
  }

  verify(options) { return run("ordo", ["verify", this.data], options); }
}

/** Runs `act(cluster)`; prints seed and logs if it fails, or takes too long; always cleans up. */
export async function withCluster(t, cluster, act, timeoutMs = 120_000) {
  t.diagnostic(`ORDO_SEED=${seedOfRun}`);
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    await Promise.race([cluster.start().then(() => act(cluster)), late]);
    const crashed = cluster.programs.find((program) => program.crash !== null);
    if (crashed) throw new Error(`${crashed.name} crashed on the way: ${crashed.crash}`);
    const violated = cluster.clients.find((client) => client.violation);
    if (violated) throw violated.violation;
  } catch (error) {
    console.error(`${t.name}: ORDO_SEED=${seedOfRun}\n${cluster.logs()}`);
    throw error;
  } finally {
    clearTimeout(timer);
    await cluster.destroy();
  }
}

/** Texts can be long: of two that differ it shows the place. */
export function assertSameText(actual, expected, what) {
  if (actual === expected) return;
  let place = 0;
  while (actual[place] === expected[place]) place++;
  const around = (text) => JSON.stringify(text.slice(Math.max(0, place - 20), place + 40));
  throw new Error(`${what}: lengths ${actual.length} and ${expected.length}, at ${place} ` +
                  `${around(actual)} in the place of ${around(expected)}`);
}

/** All clients have settled, stand at one seq and show one text, which is returned. */
export async function converge(clients, timeoutMs = 60_000) {
  await Promise.all(clients.map((client) => client.settled(timeoutMs)));
  const head = Math.max(...clients.map((client) => client.confirmed.seq));
  await Promise.all(clients.map((client) => client.reached(head, timeoutMs)));
  const [first, ...others] = clients;
  for (const client of others) assertSameText(client.text, first.text, `two clients at seq ${head}`);
  return first.text;
}
