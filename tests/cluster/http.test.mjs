// Documents over HTTP: all verbs, once however often it is sent, next to editors, and whatever a stranger may send.
import test, { after, before } from "node:test";
import assert from "node:assert/strict";
import net from "node:net";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Cluster } from "./lib/cluster.mjs";
import { Api } from "./lib/http.mjs";
import { Program, eventually, residentBytes } from "./lib/process.mjs";

const MIB = 1024 * 1024;
const cluster = new Cluster({ gatewayArgs: ["--frame-size-max", String(2 * MIB)] });
const api = new Api(cluster);

before(() => cluster.start());
after(async () => {
  const crashed = cluster.programs.find((program) => program.crash !== null);
  const logs = cluster.logs();
  await cluster.destroy();
  if (crashed) throw new Error(`${crashed.name} crashed on the way: ${crashed.crash}\n${logs}`);
});

const etagOf = (answer) => answer.headers.get("etag");

test("a document is created, read, changed, deleted, created anew and forgotten", async () => {
  assert.equal((await api.read("/c/life")).json.code, "not_found");
  const created = await api.put("/c/life", "hällo 😀");
  assert.equal(created.status, 201);
  assert.equal(created.json.server_seq, 1);
  assert.equal((await fetch(`${api.origin}${created.headers.get("location")}`)).status, 200);
  const text = await api.read("/c/life");
  assert.deepEqual([text.status, text.text, etagOf(text)], [200, "hällo 😀", `"${created.json.lineage}.1"`]);
  assert.equal(text.headers.get("content-type"), "text/plain; charset=utf-8");
  assert.equal((await api.put("/c/life", "other")).status, 409);
  assert.equal((await api.put("/c/life", "other", { "if-none-match": "*" })).status, 412);

  const changed = await api.op("/c/life", { base_seq: 1, op: [5, { d: 2 }, "!\"\n"] });
  assert.deepEqual([changed.status, changed.json.server_seq, changed.json.duplicate], [200, 2, false]);
  const json = (await api.read("/c/life?format=json")).json;
  assert.deepEqual([json.text, json.seq, json.head, json.collection, json.id], ["hällo!\"\n", 2, 2, "c", "life"]);
  assert.equal((await api.read("/c/life?seq=1")).text, "hällo 😀");
  assert.equal((await api.read(`/c/life?time=${json.timestamp_ms}`, { accept: "application/json" })).json.seq, 2);
  assert.equal((await api.read("/c/life?time=1")).status, 404);
  assert.equal((await api.read("/c/life?seq=3")).status, 400);

  assert.equal((await api.read("/c/life", { "if-none-match": etagOf(text) })).status, 200);
  assert.equal((await api.read("/c/life", { "if-none-match": `"x", ${etagOf(await api.read("/c/life"))}` })).status, 304);

  const deleted = await api.delete("/c/life");
  assert.deepEqual([deleted.status, deleted.json.server_seq], [200, 3]);
  assert.equal((await api.read("/c/life")).status, 410);
  assert.equal((await api.delete("/c/life")).status, 410);
  assert.equal((await api.op("/c/life", { base_seq: 3, op: ["x"] })).status, 410);
  assert.equal((await api.read("/c/life?seq=2")).text, "hällo!\"\n");
  const again = await api.put("/c/life", "new");
  assert.deepEqual([again.status, again.json.server_seq], [201, 4]);
  assert.notEqual(again.json.lineage, created.json.lineage);

  const { json: log } = await api.read("/c/life/ops?from=1");
  assert.deepEqual(log.ops.map(({ op }) => op),
                   [{ create: ["hällo 😀"], type: "text" }, [5, { d: 2 }, "!\"\n"], { delete: true }, { create: ["new"], type: "text" }]);
  assert.equal(log.next, null);
  assert.deepEqual((await api.read("/c/life/ops?from=2&to=2")).json.ops.map((op) => op.server_seq), [2]);
  assert.deepEqual((await api.read("/c/life/ops?from=5")).json.ops, []);

  assert.equal((await api.delete(`/c/life?forget=true&lineage=${created.json.lineage}`)).status, 409);
  assert.deepEqual((await api.delete("/c/life?forget=true")).json, { forgotten: true, head: 4 });
  assert.equal((await api.read("/c/life/ops?from=1")).status, 410);
  assert.equal((await api.put("/c/life", "after")).json.server_seq, 5);
});

test("editors see what comes over HTTP, and it meets what they do", async () => {
  const editor = await cluster.join({ id: "shared" });
  editor.splice(0, 0, "abc");
  await editor.settled();
  const base = editor.confirmed.seq;
  editor.splice(3, 0, "def");
  await editor.settled();
  assert.equal((await api.op("/c/shared", { base_seq: base, op: ["X"] })).status, 200);
  await editor.until(() => editor.text === "Xabcdef", "the op to arrive");
  assert.equal((await api.read("/c/shared")).text, "Xabcdef");
  await Promise.all(Array.from({ length: 30 }, async (_, i) => {
    editor.splice(0, 0, "e");
    assert.equal((await api.op("/c/shared", { base_seq: base, op: ["h"] })).status, 200, `request ${i}`);
  }));
  await editor.settled();
  await editor.until(() => editor.text.length === 67, "all ops");
  assert.equal((await api.read("/c/shared")).text, editor.text);
  editor.close();
});

test("a repetition is answered like the first, another body under its key is not", async () => {
  const key = { "idempotency-key": randomUUID() };
  const first = await api.put("/c/key", "a", key);
  const second = await api.put("/c/key", "a", key);
  assert.deepEqual([first.status, second.status, second.json.duplicate], [201, 200, true]);
  assert.equal(second.json.server_seq, first.json.server_seq);
  assert.equal((await api.put("/c/key", "b", key)).json.code, "key_reused");
  assert.equal((await api.put("/c/key", "a", { "idempotency-key": randomUUID() })).json.code, "exists");

  const op = { base_seq: 1, op: ["x"] };
  const [one, two] = [await api.op("/c/key", op, key), await api.op("/c/key", op, key)];
  assert.deepEqual([one.json.server_seq, one.json.duplicate, two.json.server_seq, two.json.duplicate], [2, false, 2, true]);
  assert.equal((await api.op("/c/key", { base_seq: 1, op: ["y"] }, key)).json.code, "replayed");
  const named = { ...op, client_id: "00112233445566778899aabbccddeeff", client_seq: 5 };
  assert.equal((await api.op("/c/key", named)).json.server_seq, 3);
  assert.equal((await api.op("/c/key", named)).json.duplicate, true);
  assert.equal((await api.op("/c/key", { ...named, client_seq: 4 })).status, 409);
  assert.equal((await api.read("/c/key")).text, "xxa");

  const [gone, goneAgain] = [await api.delete("/c/key", key), await api.delete("/c/key", key)];
  assert.deepEqual([gone.json.server_seq, goneAgain.status, goneAgain.json.server_seq], [4, 200, 4]);
});

test("what a shard was killed under is done once", async (t) => {
  await api.put("/c/kills", "");
  let answered = 0;
  for (let round = 0; round < 4; round++) {
    const ops = Array.from({ length: 20 }, (_, i) => ({ mark: `<${round}.${i}>`, key: { "idempotency-key": randomUUID() } }));
    const submit = async ({ mark, key }) => {
      for (;;) {
        const answer = await api.op("/c/kills", { base_seq: 1, op: [mark] }, key);
        if (answer.status === 200) return;
        assert.equal(answer.status, 503, answer.text);
      }
    };
    const half = ops.slice(0, 10).map(submit);
    await Promise.race(half);
    const others = ops.slice(10).map(submit);
    await cluster.shard.stop("SIGKILL");
    await cluster.startShard();
    await Promise.all([...half, ...others]);
    await Promise.all(ops.map(submit)); // nobody knows that all is well
    answered += ops.length;
  }
  const text = (await api.read("/c/kills")).text;
  const marks = text.match(/<\d+\.\d+>/g);
  t.diagnostic(`${answered} ops over four kills`);
  assert.equal(marks.length, answered);
  assert.equal(new Set(marks).size, answered);
});

test("hostile paths and heads cost their sender only", async () => {
  const get = (path, head = "") => api.raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${head}\r\n`);
  const put = (head, body = "abc") => api.raw(`PUT /v1/docs/c/raw HTTP/1.1\r\nHost: x\r\n${head}\r\n${body}`);
  const status = (answer) => Number(answer.match(/^HTTP\/1\.[01] (\d+)/)?.[1] ?? 0);
  for (const path of ["c/a+b", "c/a%20b", "c/a&b", "c/a;b", "c/%ff", "c/%ed%a0%80", `c/${"n".repeat(129)}`, `${"é".repeat(65)}/d`])
    assert.equal(status(await get(`/v1/docs/${path}`)), 400, path);
  for (const path of ["", "/", "/c", "/c/", "/c/a/b", "/c/a%2Fb", "/c/..", "/c/%2e%2e", "/c/a/ops/ops"])
    assert.equal(status(await get(`/v1/docs${path}`)), 404, path);
  await api.put("/c/b", "b");
  for (const path of ["c/%00", "c/%00b", "c/b%00", "c/a%00b", "c/%zz", "c/%2", `c/${"n".repeat(40_000)}`])
    assert.ok([0, 400, 403, 404].includes(status(await get(`/v1/docs/${path}`))), path);
  for (const name of ["/", "..", ".", "a/../b", "%2F", "+", "a&b=c;d", " ", "é😀"]) { // exact, in the query
    const path = `?${new URLSearchParams({ collection: "odd", id: name })}`;
    assert.equal((await api.put(path, name)).status, 201, name);
    assert.equal((await api.read(path)).text, name);
    assert.equal((await api.read(`${path}&format=json`)).json.id, name);
  }
  assert.equal(status(await get(`/v1/docs/c/raw/ops?from=1`)), 404);

  assert.equal(status(await put("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n")), 411);
  assert.equal(status(await put("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")), 411);
  for (const length of ["-3", "3, 3", "0x3", "3x", "99999999999999999999"])
    assert.equal(status(await put(`Content-Length: ${length}\r\n`)), 400, length);
  assert.equal(status(await put("Content-Length: 3\r\nContent-Length: 3\r\n")), 400);
  assert.equal(status(await put("")), 411);
  assert.equal(status(await get("/v1/docs/c/key", "Origin: http://elsewhere.example\r\n")), 403);
  assert.equal(status(await api.raw("PATCH /v1/docs/c/d HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")), 405);
  assert.equal((await api.read("/c/raw")).status, 404, "none of it came through");
  for (const body of ["", "{", "{\"base_seq\":0,\"op\":[\"\\ud800\"]}", "\xff"])
    assert.equal((await api.ask("POST", "/c/kills/ops", { body })).json.code, "bad_body");
  assert.equal((await api.put("/c/nul", "a\0b")).json.code, "bad_text");
  assert.equal((await api.op("/c/kills", { base_seq: 1, op: [{ d: 99 }] })).json.code, "invalid_op", "beyond its end");
  assert.equal((await api.op("/c/kills", { base_seq: 9999, op: ["x"] })).json.code, "future_base");
});

test("requests on one connection are answered one after the other", async () => {
  const get = (path) => `GET /v1/docs/${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
  const answer = await api.raw(
    `PUT /v1/docs/c/pipe HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nfirst${get("c/pipe")}${get("c/nothing")}` +
    `GET /v1/docs/c/pipe?format=json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  assert.deepEqual([...answer.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, code]) => Number(code)), [201, 200, 404, 200]);
  const old = await api.raw("GET /v1/docs/c/pipe HTTP/1.0\r\n\r\n");
  assert.match(old, /^HTTP\/1\.0 200 [^]*\r\n\r\nfirst$/);
  const continued = await api.raw("PUT /v1/docs/c/cont HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
                                  "\r\n\r\n");
  assert.match(continued, /^HTTP\/1\.1 100 /);
});

test("a body at its limit is taken, one byte more is not", async () => {
  const encodedOfText = (size) => size + 10; // spans: tag, size, four bytes; text: tag and three of its size
  const fits = MIB - encodedOfText(0);
  for (const [size, status] of [[fits - 1, 201], [fits, 201], [fits + 1, 413], [MIB + 1, 413], [3 * MIB, 413]])
    assert.equal((await api.put(`/c/size${size}`, "x".repeat(size))).status, status, `${size} bytes`);
  const op = (size) => ({ base_seq: 1, op: ["y".repeat(size)] });
  assert.equal((await api.op(`/c/size${fits}`, op(fits))).status, 200);
  assert.equal((await api.op(`/c/size${fits}`, op(fits + 1))).status, 413);
  assert.equal((await api.op(`/c/size${fits}`, op(2 * MIB))).status, 413);
});

/** Asks, and reads nothing. */
async function stuckReader(path) {
  const { hostname, port } = new URL(api.origin);
  const socket = net.connect({ host: hostname, port });
  socket.on("error", () => {});
  socket.pause();
  socket.write(`GET /v1/docs${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(socket, "connect");
  return socket;
}

test("a slow reader of a long text costs bounded memory, and gets all of it in the end", async (t) => {
  const piece = "\u0001".repeat(900_000), count = 9, readers = 8; // six bytes each in JSON
  await api.put("/c/long", piece);
  for (let i = 1; i < count; i++) assert.equal((await api.op("/c/long", { base_seq: i, op: ["y".repeat(900_000)] })).status, 200);
  const whole = await api.read("/c/long");
  assert.equal(whole.text.length, count * 900_000);
  const before = residentBytes(cluster.gateway.pid);
  const sockets = await Promise.all(Array.from({ length: readers }, () => stuckReader("/c/long?format=json")));
  await eventually(async () => (await api.read("/c/key?format=json")).status === 410, "others to be served meanwhile");
  let peak = 0;
  for (let i = 0; i < 50; i++) {
    await api.read("/c/pipe");
    peak = Math.max(peak, residentBytes(cluster.gateway.pid));
  }
  t.diagnostic(`${readers} readers of ${count * 0.9} MB: the gateway grew from ${before / MIB} to ${peak / MIB} MiB`);
  assert.ok(peak - before < 16 * MIB, `grew by ${(peak - before) / MIB} MiB`);
  const [one, ...others] = sockets;
  let size = 0, tail = "";
  one.on("data", (data) => { size += data.length; tail = (tail + data).slice(-20); });
  one.resume();
  await eventually(() => tail.endsWith("0\r\n\r\n"), "the last chunk");
  assert.ok(size > count * 900_000);
  [one, ...others].forEach((socket) => socket.destroy());
});

test("many requests at once", async () => {
  const paths = Array.from({ length: 300 }, (_, i) => `/many/d${i % 50}`);
  await Promise.all(paths.slice(0, 50).map((path) => api.put(path, path)));
  const answers = await Promise.all(paths.map((path) => api.read(path)));
  answers.forEach((answer, i) => assert.deepEqual([answer.status, answer.text], [200, paths[i]]));
});

/** All that JSON of the one kind has the other has, with the same types. */
function sameShape(actual, expected, where) {
  assert.equal(Array.isArray(actual) ? "array" : typeof actual, Array.isArray(expected) ? "array" : typeof expected, where);
  if (actual === null || typeof actual !== "object") return;
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort(), where);
  for (const key of Object.keys(actual)) sameShape(actual[key], expected[key], `${where}.${key}`);
}

test("the commands of docs/http.md do what it says", async () => {
  const page = await readFile(new URL("../../docs/http.md", import.meta.url), "utf8");
  const blocks = [...page.matchAll(/^```(sh|json)\n([^]*?)^```$/gm)].map(([, kind, text]) => ({ kind, text }));
  const settings = blocks.shift().text.replace("http://127.0.0.1:8080", api.origin);
  let output = null, count = 0;
  for (const { kind, text } of blocks) {
    if (kind === "sh") {
      assert.equal(output, null, `nothing is said about the output of ${text}`);
      output = (await promisify(execFile)("bash", ["-euc", settings + text])).stdout;
    } else {
      const [actual, expected] = [JSON.parse(output), JSON.parse(text)];
      sameShape(actual, expected, `answer ${count}`);
      for (const name of ["text", "seq", "server_seq", "head", "duplicate", "code", "status", "next"])
        assert.deepEqual(actual[name], expected[name], `${name} in answer ${count}`);
      output = null;
      count++;
    }
  }
  assert.equal(output, null);
  assert.equal(count, 10);
});

test("tokens say what may be done, and pages are let in by name", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "ordo-http-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const secret = join(folder, "secret"), page = "https://app.example.com";
  await writeFile(secret, randomUUID(), { mode: 0o600 });
  const gateway = new Program("ordo-gateway");
  cluster.programs.push(gateway);
  const { data, side } = cluster.link;
  gateway.start(["--listen", "127.0.0.1:0", "--shard", `data=${data},side=${side}`, "--token-secret", secret, "--allow-origin", page]);
  const guarded = new Api({ url: (await gateway.line(/^ready (\S+)/))[1] });
  const token = async (...docs) => {
    const args = docs.flatMap((doc) => ["--doc", doc]);
    const made = await cluster.ordo(["token", "make", "--sub", "ada", "--ttl", "1h", "--key", secret, ...args]);
    return { authorization: `Bearer ${made.stdout.trim()}` };
  };
  const reader = await token("t/*:read"), writer = await token("t/*:write"), admin = await token("t/*:admin");
  assert.equal((await guarded.put("/t/doc", "text", writer)).status, 201);
  assert.deepEqual((await guarded.read("/t/doc/ops?from=1", reader)).json.ops.map(({ user }) => user), ["ada"]);
  for (const headers of [{}, { authorization: "Bearer x" }, { authorization: "Basic eDp5" }]) {
    const answer = await guarded.read("/t/doc", headers);
    assert.deepEqual([answer.status, answer.json.code, answer.headers.get("www-authenticate")], [401, "unauthorized", "Bearer"]);
  }
  assert.equal((await guarded.read("/t/doc", reader)).text, "text");
  assert.equal((await guarded.op("/t/doc", { base_seq: 1, op: ["x"] }, reader)).status, 403);
  assert.equal((await guarded.put("/t/other", "text", reader)).status, 404, "who may only read creates nothing");
  assert.equal((await guarded.delete("/t/doc", reader)).status, 403);
  assert.equal((await guarded.read("/elsewhere/doc", writer)).status, 403);
  assert.equal((await guarded.delete("/t/doc?forget=true", writer)).status, 403);
  assert.equal((await guarded.delete("/t/doc?forget=true", admin)).status, 200);

  const asked = await guarded.raw(`OPTIONS /v1/docs/t/doc HTTP/1.1\r\nHost: x\r\nOrigin: ${page}\r\n` +
                                  "Access-Control-Request-Method: PUT\r\nConnection: close\r\n\r\n");
  assert.match(asked, /^HTTP\/1\.1 204 [^]*access-control-allow-origin: https:\/\/app\.example\.com\r\n/);
  assert.match(asked, /access-control-allow-headers: authorization, content-type, idempotency-key/);
  const from = (origin) => guarded.raw(`GET /v1/docs/t/doc HTTP/1.1\r\nHost: x\r\nOrigin: ${origin}\r\n` +
                                       `Authorization: ${writer.authorization}\r\nConnection: close\r\n\r\n`);
  assert.match(await from(page), /^HTTP\/1\.1 410 [^]*access-control-allow-origin: https:\/\/app\.example\.com\r\n/);
  const foreign = await from("https://evil.example.com");
  assert.match(foreign, /^HTTP\/1\.1 403 /);
  assert.doesNotMatch(foreign, /access-control/);
});

test("a gateway that stops, and one whose shard is away, say so", async () => {
  await cluster.shard.stop("SIGKILL");
  const waiting = api.read("/c/pipe");
  await cluster.startShard();
  assert.equal((await waiting).text, "first");
  const pending = net.connect(Number(new URL(api.origin).port), "127.0.0.1");
  await once(pending, "connect");
  await cluster.gateway.stop("SIGTERM");
  await cluster.startGateway();
  assert.equal((await api.read("/c/pipe")).text, "first");
  pending.destroy();
});
