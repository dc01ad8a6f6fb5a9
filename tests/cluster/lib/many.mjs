// A cluster of many shards and gateways that find each other through a directory: a file, or a real etcd. Each process is
// started by the test itself, so that it decides what dies when.
//
// Shards are `shards[i]` with stores DATA/shard-<i>, or, with `volume`, whatever store of DATA each takes.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import net from "node:net";
import { join } from "node:path";
import assert from "node:assert/strict";
import { Base } from "./cluster.mjs";
import { Program, eventually, run } from "./process.mjs";

export const etcdPath = ["/usr/bin/etcd", "/usr/local/bin/etcd"].find(existsSync);

/** Ports that nobody has now. */
export async function freePorts(count) {
  const servers = [];
  for (let i = 0; i < count; i++) {
    const server = net.createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    servers.push(server);
  }
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

/** etcd as one process with a folder of its own. */
export class Etcd {
  constructor(folder) { this.folder = join(folder, "etcd"); this.child = null; }

  async start() {
    this.ports ??= await freePorts(2);
    const [client, peer] = this.ports.map((port) => `http://127.0.0.1:${port}`);
    this.url = `etcd:${client}/test`;
    this.child = spawn(etcdPath, [
      "--name", "one", "--data-dir", this.folder, "--listen-client-urls", client, "--advertise-client-urls", client,
      "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `one=${peer}`, "--log-level", "error",
    ], { stdio: "ignore" });
    this.ended = once(this.child, "exit");
    const kill = () => this.child?.kill("SIGKILL");
    process.on("exit", kill);
    this.ended.then(() => process.off("exit", kill));
    await eventually(async () => fetch(`${client}/health`).then((answer) => answer.ok, () => false), "etcd to serve", 30_000);
  }

  async stop(signal = "SIGTERM") {
    if (this.child === null) return;
    this.child.kill(signal);
    await this.ended;
    this.child = null;
  }

  async wipe() { await rm(this.folder, { recursive: true, force: true }); }
}

export class Many extends Base {
  /** `shardArgs`, `gatewayArgs`: for all, or a function of the number. `env`: of `ordo`. */
  constructor({ shards = 4, gateways = 3, etcd = false, volume = false, shardArgs = [], gatewayArgs = [], env = {},
                inMemory = false } = {}) {
    super();
    const ofEach = (args) => typeof args === "function" ? args : () => args;
    Object.assign(this, { usesEtcd: etcd, volume, shardArgs: ofEach(shardArgs), gatewayArgs: ofEach(gatewayArgs), env, inMemory });
    this.version = ""; // of what is started from now on; or FORMER
    this.shards = [];
    this.gateways = [];
    this.first = { shards, gateways };
  }

  store(i) { return join(this.data, `shard-${i}`); }

  async start() {
    await this.make();
    await mkdir(this.data);
    this.directory = `file:${join(this.folder, "directory")}`;
    if (this.usesEtcd) {
      this.etcd = new Etcd(this.folder);
      this.closers.push(() => this.etcd.stop("SIGKILL"));
      await this.etcd.start();
      this.directory = this.etcd.url;
    }
    for (let i = 0; i < this.first.shards; i++) this.beginShard(i);
    await Promise.all(this.shards.map((shard) => shard.line(/^ready/)));
    for (let i = 0; i < this.first.gateways; i++) this.beginGateway(i);
    await Promise.all(this.gateways.map((_, i) => this.gatewayReady(i)));
    return this;
  }

  /** Starts it, and does not wait. */
  beginShard(i, args = []) {
    this.shards[i] ??= this.#program("ordo-shard");
    this.shards[i].name = `${this.version}ordo-shard`;
    const where = this.volume ? ["--volume", this.data] : ["--data", this.store(i), "--name", `shard-${i}`];
    return this.shards[i].start([...where, "--directory", this.directory, "--create-cluster", ...this.shardArgs(i), ...args]);
  }
  async startShard(i, args, timeoutMs) { await this.beginShard(i, args).line(/^ready/, timeoutMs); }

  beginGateway(i) {
    this.gateways[i] ??= this.#program("ordo-gateway");
    this.gateways[i].name = `${this.version}ordo-gateway`;
    const listen = this.gateways[i].listen ?? "127.0.0.1:0";
    return this.gateways[i].start(["--directory", this.directory, "--listen", listen, "--name", `gateway-${i}`,
                                   ...this.gatewayArgs(i)]);
  }
  /** It keeps the address that it got first. */
  async gatewayReady(i) {
    const gateway = this.gateways[i];
    gateway.url = (await gateway.line(/^ready (\S+)/))[1];
    gateway.listen = new URL(gateway.url).host;
  }
  async startGateway(i) { this.beginGateway(i); await this.gatewayReady(i); }

  #program(name) {
    const program = new Program(name);
    this.programs.push(program);
    return program;
  }

  get url() { return this.gateways[0].url; }
  get urls() { return this.gateways.map((gateway) => gateway.url).join(","); }

  ordo(...args) { return run("ordo", [...args, "--directory", this.directory], { env: this.env }); }

  async status() {
    const { code, stdout, stderr } = await this.ordo("status", "--json");
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  }

  /** Resolves when `holds(status)` is true; fails with the last one seen. */
  async until(holds, what, timeoutMs = 120_000) {
    let seen;
    await eventually(async () => holds(seen = await this.status()), what, timeoutMs).catch((error) => {
      throw new Error(`${error.message}\n${JSON.stringify(seen ?? null, null, 1).slice(0, 4000)}`);
    });
    return seen;
  }

  /** Every live shard that may have slots has its share, and nothing moves. */
  balanced(count, timeoutMs = 180_000) {
    return this.until(({ shards, moves }) => {
      const having = shards.filter((shard) => shard.slots > 0);
      const slots = having.map((shard) => shard.slots);
      return moves.length === 0 && having.length === count && having.every((shard) => shard.state === "serving") &&
             Math.max(...slots) - Math.min(...slots) <= 1;
    }, `${count} shards to have equal shares`, timeoutMs);
  }

  /** ordo-load with --verify in the background, through all gateways; `finish()` fails with its words unless all was right. */
  startLoad(args, urls = this.urls) {
    const load = new Program("ordo-load");
    this.programs.push(load);
    load.start(["--url", urls, "--verify", "--json", ...args]);
    return {
      load,
      finish: async () => {
        const { code, signal } = await load.ended;
        assert.equal(code, 0, `ordo-load --verify ended with ${signal ?? code}:\n${load.stderr}\n${load.stdout}`);
        return JSON.parse(load.stdout);
      },
    };
  }

  /** Stops everything; each store verifies. */
  async stopAndVerify() {
    for (const gateway of this.gateways) await gateway.stop();
    for (const shard of this.shards) await shard.stop();
    const verified = await run("ordo", ["verify", this.data]);
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    return verified.stdout;
  }
}
