// Somebody outside is told which documents changed: signed, once per burst, again while it is away, and no more than fits.
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import http from "node:http";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cluster } from "./lib/cluster.mjs";
import { Api } from "./lib/http.mjs";
import { eventually, run } from "./lib/process.mjs";

const secret = "a secret of the test, long enough";

/** Keeps what it is told; `status` is what it answers, 0: it never does. */
class Receiver {
  constructor() { this.told = []; this.tries = 0; this.status = 204; this.port = 0; this.sockets = new Set(); }

  async listen() {
    this.server = http.createServer((request, response) => this.#take(request, response));
    this.server.on("connection", (socket) => { this.sockets.add(socket); socket.on("close", () => this.sockets.delete(socket)); });
    this.server.listen(this.port, "127.0.0.1");
    await once(this.server, "listening");
    this.port = this.server.address().port;
  }
  async away() {
    this.sockets.forEach((socket) => socket.destroy());
    await new Promise((done) => this.server.close(done));
  }
  #take(request, response) {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      this.tries++;
      const body = Buffer.concat(parts);
      if (this.status === 0) return;
      if (this.status === 302) response.setHeader("location", "/elsewhere");
      if (this.status < 300) this.told.push({ url: request.url, headers: request.headers, body, ...JSON.parse(body) });
      response.writeHead(this.status).end("x".repeat(100));
    });
  }
  of(id) { return this.told.filter((one) => one.id === id); }
  heard(id, seq) { return eventually(() => this.of(id).find((one) => one.seq >= seq), `news of ${id} at ${seq}`); }
}

const receiver = new Receiver();
let cluster, api, folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "ordo-webhooks-"));
  await writeFile(join(folder, "secret"), `${secret}\n`, { mode: 0o600 });
  await receiver.listen();
  cluster = new Cluster({ shardArgs: [
    "--webhook", `http://127.0.0.1:${receiver.port}/hook?a=b`, "--webhook-secret-file", join(folder, "secret"),
    "--webhook-collection", "c", "--webhook-collection", "other", "--webhook-debounce-ms", "300", "--webhook-wait-max-ms", "1500",
    "--webhook-queue-max", "20"] });
  api = new Api(cluster);
  await cluster.start();
});
after(async () => {
  await cluster.destroy();
  await receiver.away();
  await rm(folder, { recursive: true, force: true });
});

test("news are signed and say what is newest", async () => {
  const created = await api.put("/c/one", "text");
  const news = await receiver.heard("one", 1);
  const expected = createHmac("sha256", secret).update(`${news.headers["ordo-timestamp"]}.`).update(news.body).digest("hex");
  assert.equal(news.headers["ordo-signature"], `v1=${expected}`);
  assert.ok(Math.abs(Date.now() - news.headers["ordo-timestamp"]) < 60_000);
  assert.equal(news.headers["content-type"], "application/json");
  assert.equal(news.url, "/hook?a=b");
  assert.deepEqual(JSON.parse(news.body), {
    collection: "c", id: "one", lineage: created.json.lineage, seq: 1, deleted: false, timestamp_ms: news.timestamp_ms,
    users: ["anonymous"], more_users: false });

  await api.delete("/c/one");
  assert.equal((await receiver.heard("one", 2)).deleted, true);
  await api.delete("/c/one?forget=true");
  await eventually(() => receiver.of("one").at(-1).lineage !== created.json.lineage, "news of forgetting");
  assert.deepEqual([receiver.of("one").at(-1).deleted, receiver.of("one").at(-1).users], [true, []]);
});

test("the signature is checked as the docs say", async () => {
  const page = await readFile(new URL("../../docs/http.md", import.meta.url), "utf8");
  const code = page.match(/^```js\n([^]*?)^```$/m)[1];
  const { isFromOrdo } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
  const { headers, body } = receiver.told[0];
  assert.equal(isFromOrdo(headers, body, secret), true);
  assert.equal(isFromOrdo(headers, body, `${secret}.`), false);
  assert.equal(isFromOrdo(headers, `${body} `, secret), false);
  assert.equal(isFromOrdo({ ...headers, "ordo-timestamp": String(Date.now() - 400_000) }, body, secret), false);
  assert.equal(isFromOrdo({}, body, secret), false);
});

test("a burst is told of once, an endless one at the latest after a while, another collection never", async () => {
  await api.put("/c/burst", "");
  await api.put("/secret/burst", "");
  for (let i = 0; i < 30; i++) await api.op("/c/burst", { base_seq: 1, op: ["x"] });
  await receiver.heard("burst", 31);
  assert.ok(receiver.of("burst").length <= 3, `${receiver.of("burst").length} notifications of a burst`);
  const editor = await cluster.join({ collection: "other", id: "endless" });
  const typing = setInterval(() => editor.splice(0, 0, "x"), 50);
  await receiver.heard("endless", 1);
  clearInterval(typing);
  await editor.settled();
  await receiver.heard("endless", editor.confirmed.seq);
  editor.close();
  assert.deepEqual(receiver.told.filter((one) => !["c", "other"].includes(one.collection)), []);
});

test("a receiver that is away, and one that fails, is told later; edits do not wait", async () => {
  await receiver.away();
  await api.put("/c/later", "");
  for (let i = 0; i < 5; i++) assert.equal((await api.op("/c/later", { base_seq: 1, op: ["x"] })).status, 200);
  await eventually(() => /event=webhook_failed/.test(cluster.shard.log), "a line about it");
  await receiver.listen();
  const news = await receiver.heard("later", 6);
  assert.equal(news.seq, 6);
  receiver.status = 503;
  const tries = receiver.tries;
  await api.op("/c/later", { base_seq: 1, op: ["y"] });
  await eventually(() => receiver.tries > tries, "a try");
  receiver.status = 200;
  await receiver.heard("later", 7);
});

test("a refusal and a redirect are not followed by another try", async () => {
  for (const [status, id] of [[404, "refused"], [302, "moved"]]) {
    receiver.status = status;
    const tries = receiver.tries;
    await api.put(`/c/${id}`, "");
    await eventually(() => receiver.tries > tries, "the try");
    receiver.status = 200;
    await api.put(`/c/after-${id}`, "");
    await receiver.heard(`after-${id}`, 1);
    assert.deepEqual(receiver.of(id), []);
  }
});

test("more documents than may wait are dropped, counted and logged; there is room again afterwards", async () => {
  await receiver.away();
  await Promise.all(Array.from({ length: 60 }, (_, i) => api.put(`/c/many${i}`, "")));
  await eventually(() => /event=webhooks_dropped count=\d+/.test(cluster.shard.log), "a line about it");
  await receiver.listen();
  await eventually(() => receiver.told.filter((one) => one.id.startsWith("many")).length >= 20, "those that waited");
  assert.equal(receiver.told.filter((one) => one.id.startsWith("many")).length, 20);
  await api.put("/c/room", "");
  await receiver.heard("room", 1);
});

test("a shard that is told to stop says what it knows", async () => {
  await api.put("/c/last", "");
  await cluster.shard.stop("SIGTERM");
  assert.equal(receiver.of("last").length, 1);
  const told = cluster.shard.log.match(/event=webhooks_off delivered=(\d+) failed_tries=\d+ refused=2 given_up=0 dropped=40/);
  assert.equal(Number(told?.[1]), receiver.told.length, "what it counted");
});

test("what is asked for wrongly is refused with a sentence", async () => {
  const args = ["--data", join(folder, "store"), "--webhook", "http://127.0.0.1:1/"];
  const wrong = async (more, code, pattern) => {
    const end = await run("ordo-shard", more);
    assert.equal(end.code, code, end.stderr);
    assert.match(end.stderr, pattern);
  };
  await wrong(args, 2, /go together/);
  await wrong(["--data", "x", "--webhook", "ftp://x", "--webhook-secret-file", "x"], 2, /http:\/\/HOST/);
  await wrong([...args, "--webhook-secret-file", join(folder, "missing")], 1, /cannot be read/);
  await writeFile(join(folder, "short"), "short", { mode: 0o600 });
  await wrong([...args, "--webhook-secret-file", join(folder, "short")], 1, /16 to 1024 bytes/);
  await writeFile(join(folder, "open"), secret, { mode: 0o644 });
  await wrong([...args, "--webhook-secret-file", join(folder, "open")], 1, /open to everybody/);
});
