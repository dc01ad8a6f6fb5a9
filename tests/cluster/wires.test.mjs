// Who may be at the other end of a wire: between processes only those with keys, and clients over TLS. One cluster with keys
// and TLS goes through all of it; steps come one after the other, because each leaves the cluster changed.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { cp, mkdir } from "node:fs/promises";
import { request } from "node:https";
import net from "node:net";
import { join } from "node:path";
import { connect } from "node:tls";
import { Authority } from "./lib/certificates.mjs";
import { Many } from "./lib/many.mjs";
import { Program, eventually, run } from "./lib/process.mjs";
import { RawConnection, insertAtStart } from "./lib/raw.mjs";

const WORDS = "Grüße, 日本 😀\n";
let cluster, authority, certFile, keyFile, ca;
const keys = () => join(cluster.folder, "keys");

/** Keys and a certificate are there before anybody starts. */
class Guarded extends Many {
  async make() {
    await super.make();
    assert.equal((await run("ordo", ["keys", "make", join(this.folder, "keys")])).code, 0);
    authority = new Authority(this.folder, "authority");
    [certFile, keyFile] = ["gateway.pem", "gateway.key"].map((name) => join(this.folder, name));
    authority.sign(certFile, keyFile);
    ca = readFileSync(authority.file);
    const withKeys = ["--keys", join(this.folder, "keys")];
    this.shardArgs = () => [...withKeys, "--no-balance"];
    const gatewayArgs = [...withKeys, "--tls-cert", certFile, "--tls-key", keyFile, "--trusted-proxy", "127.0.0.1", "--log-level", "debug"];
    this.gatewayArgs = () => gatewayArgs;
    this.env = { ORDO_KEYS: join(this.folder, "keys") };
  }
}

before(async () => { cluster = await new Guarded({ shards: 2, gateways: 1, inMemory: true }).start(); });
after(() => cluster?.destroy());

/** A step; a failed one shows the logs. */
const step = (name, act) => test(name, async (t) => {
  try {
    await act(t);
    assert.equal(cluster.programs.find((program) => program.crash !== null)?.crash, undefined);
  } catch (error) {
    console.error(cluster.logs());
    throw error;
  }
});

/** Runs one of our programs, which refuses to start; resolves to what it said. */
async function refused(name, args) {
  const { code, stderr } = await run(name, args, { timeoutMs: 10_000 });
  assert.equal(code, 1, `${name} ${args.join(" ")}: ${stderr}`);
  return stderr;
}

/** The shard that has (nearly) all slots, with the endpoint of its data link. */
async function owner() {
  const { name } = (await cluster.status()).shards.find(({ slots }) => slots > 512);
  const shard = cluster.shards[Number(name.at(-1))];
  return { shard, data: shard.lines.map((line) => line.match(/^ready data=(\S+)/)).find(Boolean)[1] };
}
const stranger = async (...args) => (await run("stranger", args)).stdout.trim();
const doc = (verb, name, { ca = authority.file, url = cluster.url, ...options } = {}) =>
  run("ordo", ["doc", verb, name, "--url", url, "--ca", ca, ...(options.timeoutMs ? ["--timeout", options.timeoutMs] : [])].map(String),
      { input: options.input });
const load = (...args) => cluster.startLoad(["--ca", authority.file, "--settle", "30", "--length", "300", ...args]);

/** The certificate that a new connection is shown. */
const certificate = () => new Promise((resolve, reject) => {
  const socket = connect({ port: Number(new URL(cluster.url).port), host: "127.0.0.1", rejectUnauthorized: false }, () => {
    resolve(socket.getPeerCertificate().fingerprint256);
    socket.destroy();
  }).on("error", reject);
});

const get = (path, headers, port = new URL(cluster.url).port) => new Promise((resolve, reject) => {
  request({ host: "127.0.0.1", port, path, headers, ca }, (answer) => resolve(answer.resume().statusCode)).on("error", reject).end();
});

step("a process off loopback without keys does not start, unless told so in plain words", async () => {
  const listen = ["--listen-data", "tcp://0.0.0.0:*", "--data", join(cluster.folder, "alone")];
  assert.match(await refused("ordo-shard", listen), /not a loopback address.*--keys.*--insecure-links/);
  const alone = new Program("ordo-shard");
  cluster.programs.push(alone);
  await alone.start([...listen, "--insecure-links"]).line(/^ready data=tcp:\/\/0\.0\.0\.0:\d+ /);
  await alone.stop();
  const away = ["--listen", "127.0.0.1:0", "--shard", "data=tcp://192.0.2.1:1,side=tcp://192.0.2.1:2"];
  assert.match(await refused("ordo-gateway", away), /another machine.*--insecure-links/);
});

step("keys that others can read, or that do not belong together, are refused with a sentence", async () => {
  const other = join(cluster.folder, "other");
  await cp(keys(), other, { recursive: true });
  const data = ["--data", join(cluster.folder, "alone")];
  chmodSync(join(other, "shard.key"), 0o644);
  assert.match(await refused("ordo-shard", [...data, "--keys", other]), /shard\.key holds a secret key and is open to others.*0644/);
  chmodSync(join(other, "shard.key"), 0o600);
  writeFileSync(join(other, "trusted"), "shard 12\n");
  assert.match(await refused("ordo-shard", [...data, "--keys", other]), /trusted is malformed: its line 1/);
  assert.match(await refused("ordo-shard", [...data, "--keys", join(cluster.folder, "nowhere")]), /shard\.key cannot be read/);
  chmodSync(keyFile, 0o604);
  const tls = ["--listen", "127.0.0.1:0", "--directory", cluster.directory, "--tls-cert", certFile, "--tls-key", keyFile];
  assert.match(await refused("ordo-gateway", tls), /everybody on this machine may read it/);
  chmodSync(keyFile, 0o600);
  assert.match(await refused("ordo-gateway", [...tls.slice(0, -1), authority.keyFile]), /is not that of the certificate|key values mismatch/);
  const before = readFileSync(join(keys(), "shard.key"));
  assert.match((await run("ordo", ["keys", "make", keys()])).stdout, /has keys already/);
  assert.deepEqual(readFileSync(join(keys(), "shard.key")), before);
  assert.match(await refused("ordo", ["keys", "make", join(cluster.folder, "not", "there")]), /cannot make .*No such file/);
  assert.match(await refused("ordo", ["keys", "make", authority.file]), /cannot open .*Not a directory/);
  assert.match(await refused("ordo", ["keys", "renew", cluster.data]), /has no keys: say `ordo keys make`/);
  assert.match(await refused("ordo", ["keys", "renew", other]), /trusted is malformed/);
  assert.match(await refused("ordo", ["keys", "prune", cluster.data]), /it keeps the keys of the three key files/);
});

step("a stranger is not heard, whatever it says; a gateway is", async () => {
  const foreign = join(cluster.folder, "foreign");
  await run("ordo", ["keys", "make", foreign]);
  const shardLine = readFileSync(join(keys(), "trusted"), "utf8").match(/^shard .*$/m)[0];
  writeFileSync(join(foreign, "trusted"), readFileSync(join(foreign, "trusted"), "utf8") + shardLine + "\n");
  const { shard, data } = await owner();
  assert.equal(await stranger(data, "-", "-", "a"), "silence", "without a key");
  assert.equal(await stranger(data, foreign, "gateway", "b"), "silence", "with a key of its own");
  await eventually(() => /event=stranger_refused address=127\.0\.0\.1 key=[0-9a-f]{64}/.test(shard.log), "the log to tell");
  assert.equal(await stranger(data, keys(), "gateway", "c"), "attached", "the same words with the cluster's key");
  for (const id of ["a", "b"]) assert.match((await doc("cat", `forged/${id}`)).stderr, /there is no document/);
});

step("only an operator may have a backup made", async () => {
  const status = await cluster.status();
  assert.ok(status.shards.every(({ state }) => state === "serving"), JSON.stringify(status));
  const { stdout } = await run("ordo", ["status", "--directory", cluster.directory]);
  assert.match(stdout, /cannot be asked: .*wants keys: say --keys/);
  const backups = join(cluster.folder, "backups");
  await mkdir(backups);
  const made = await run("ordo", ["backup", backups, "--directory", cluster.directory, "--keys", keys()]);
  assert.equal(made.code, 0, made.stderr);
  // A gateway's key under an operator's name, as somebody would do who broke into a gateway.
  const broken = join(cluster.folder, "broken");
  await cp(keys(), broken, { recursive: true });
  await cp(join(keys(), "gateway.key"), join(broken, "operator.key"));
  const trusted = readFileSync(join(keys(), "trusted"), "utf8");
  writeFileSync(join(broken, "trusted"), trusted.replace(/^operator .*$/m, "").replace(/^gateway/m, "operator"));
  const store = cluster.store(0);
  const { code, stderr } = await run("ordo", ["verify", store, "--keys", broken]);
  assert.equal(code, 1);
  assert.match(stderr, /Only an operator's key may ask/);
});

step("everything goes on over wires that are closed to others: edits, large texts, moves of slots", async () => {
  const editing = load("--docs", "40", "--clients", "2", "--rate", "200", "--warmup", "0", "--duration", "2");
  for (const target of ["shard-0", "shard-1"]) {
    const moved = await cluster.ordo("move", "0-40", "--to", target);
    assert.equal(moved.code, 0, moved.stderr);
  }
  const large = WORDS.repeat(30_000);
  assert.equal((await doc("put", "c/large", { input: large })).code, 0);
  assert.equal((await doc("cat", "c/large")).stdout, large);
  assert.ok((await editing.finish()).ops > 0);
});

step("a client that trusts another authority, or is shown another's name, does not connect", async () => {
  const other = new Authority(cluster.folder, "other-authority");
  assert.equal((await doc("put", "c/d", { input: WORDS })).code, 0);
  for (const url of [cluster.url, cluster.url.replace("127.0.0.1", "localhost")]) {
    assert.equal((await doc("cat", "c/d", { url })).stdout, WORDS, url);
    const { code, stderr } = await doc("cat", "c/d", { url, ca: other.file, timeoutMs: 400 });
    assert.equal(code, 1);
    assert.match(stderr, /no answer from wss:/);
    const driven = await run("ordo-load", ["--url", url, "--ca", other.file, "--duration", "1"].map(String));
    assert.match(driven.stderr, /TLS: /);
  }
  assert.match((await doc("cat", "c/d", { ca: cluster.folder })).stderr, /holds no certificate/);
  authority.sign(certFile, keyFile, "DNS:elsewhere.example,IP:192.0.2.7");
  cluster.gateways[0].child.kill("SIGHUP");
  await eventually(() => /event=certificate_read/.test(cluster.gateways[0].log), "the certificate to be read");
  for (const url of [cluster.url, cluster.url.replace("127.0.0.1", "localhost")]) {
    assert.match((await doc("cat", "c/d", { url, timeoutMs: 400 })).stderr, /no answer from wss:/, url);
    assert.match((await run("ordo-load", ["--url", url, "--ca", authority.file, "--duration", "1"])).stderr, /TLS: /, url);
  }
  authority.sign(certFile, keyFile);
  await eventually(async () => (await doc("cat", "c/d", { timeoutMs: 400 })).code === 0, "the right one to be served again");
});

step("a certificate that is renewed is shown to who comes next; who is there stays", async () => {
  const old = await certificate();
  const raw = await RawConnection.connect(cluster.url, { ca });
  const { doc: handle, head } = await raw.open("c", "renewed");
  authority.sign(certFile, keyFile);
  await eventually(async () => (await certificate()) !== old, "the new certificate");
  const { ack } = await raw.submit(handle, 1, head, insertAtStart("still here"));
  assert.equal(ack.server_seq, head + 1);
  raw.close();
  // Half a renewal, or nonsense, changes nothing.
  const renewed = await certificate(), whole = readFileSync(certFile);
  writeFileSync(certFile, "-----BEGIN CERTIFICATE-----\nno\n");
  await eventually(() => /event=certificate_refused/.test(cluster.gateways[0].log), "the log to tell");
  assert.equal(await certificate(), renewed);
  writeFileSync(certFile, whole);
});

step("old TLS is not spoken, and plain text not answered", async () => {
  const port = Number(new URL(cluster.url).port);
  const attempt = (options) => new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", ca, ...options }, () => { resolve(socket.getProtocol()); socket.destroy(); });
    socket.on("error", ({ code }) => resolve(code));
  });
  assert.equal(await attempt({}), "TLSv1.3");
  assert.equal(await attempt({ maxVersion: "TLSv1.2" }), "TLSv1.2");
  assert.match(await attempt({ minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL@SECLEVEL=0" }), /^(ERR_|ECONN|EPROTO)/);
  assert.match(await attempt({ maxVersion: "TLSv1.2", ciphers: "AES128-SHA:AES256-SHA256" }), /^(ERR_|ECONN|EPROTO)/);
  await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`));
  // Handshakes that never come, and such as make no sense, cost nobody else anything.
  const idle = Array.from({ length: 100 }, (_, i) => {
    const socket = net.connect(port, "127.0.0.1").on("error", () => {});
    if (i % 2) socket.write(randomBytes(300));
    return socket;
  });
  assert.equal((await doc("cat", "c/d")).stdout, WORDS);
  idle.forEach((socket) => socket.destroy());
});

step("the address of a client is believed of a trusted proxy alone", async () => {
  assert.equal(await get("/directory", {}), 200, "this machine asks");
  assert.equal(await get("/directory", { "X-Forwarded-For": "8.8.8.8" }), 403, "the proxy on this machine speaks for somebody else");
  assert.equal(await get("/directory", { "X-Forwarded-For": "127.0.0.1, 8.8.8.8" }), 403, "whatever the client put in front");
  const connected = async (headers, address) => {
    const raw = await RawConnection.connect(cluster.url, { ca, headers });
    await eventually(() => new RegExp(`event=connection_opened conn=\\d+ address=${address}\n`).test(cluster.gateways[0].log), address);
    raw.close();
  };
  await connected({ "X-Forwarded-For": "1.1.1.1, 203.0.113.7" }, "203.0.113.7");
  await connected({ "X-Forwarded-For": "2001:db8::7" }, "2001:db8::7");
  const untrusting = cluster.gatewayArgs().filter((_, i, all) => all[i] !== "--trusted-proxy" && all[i - 1] !== "--trusted-proxy");
  cluster.gatewayArgs = () => untrusting;
  await cluster.startGateway(1);
  const { port } = new URL(cluster.gateways[1].url);
  assert.equal(await get("/directory", { "X-Forwarded-For": "127.0.0.1" }, port), 403, "nobody vouches for that");
  const raw = await RawConnection.connect(cluster.gateways[1].url, { ca, headers: { "X-Forwarded-For": "203.0.113.9" } });
  await eventually(() => /event=connection_opened conn=\d+ address=127\.0\.0\.1\n/.test(cluster.gateways[1].log), "the peer's own");
  assert.doesNotMatch(cluster.gateways[1].log, /203\.0\.113\.9/);
  raw.close();
});

step("keys are renewed while people edit, and then the old ones open nothing", async () => {
  const old = join(cluster.folder, "old");
  await cp(keys(), old, { recursive: true });
  const editing = load("--docs", "10", "--clients", "2", "--rate", "100", "--warmup", "0", "--duration", "3");
  const renewed = await run("ordo", ["keys", "renew", keys()]);
  assert.equal(renewed.code, 0, renewed.stderr);
  for (const i of [0, 1]) {
    await cluster.shards[i].stop();
    await cluster.startShard(i);
    await cluster.gateways[i].stop();
    await cluster.startGateway(i);
  }
  assert.ok((await editing.finish()).ops > 0);
  const { data } = await owner();
  writeFileSync(join(old, "trusted"), readFileSync(join(keys(), "trusted")));
  assert.equal(await stranger(data, old, "gateway", "d"), "attached", "both are good, for now");
  assert.equal((await run("ordo", ["keys", "prune", keys()])).code, 0);
  assert.equal(await stranger(data, old, "gateway", "e"), "silence");
  assert.equal(await stranger(data, keys(), "gateway", "f"), "attached");
  await cluster.stopAndVerify();
});
