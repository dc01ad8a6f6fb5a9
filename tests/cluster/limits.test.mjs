// What clients may cost: rates, numbers, memory, and time without a word. Each limit is met by a real gateway with a small one,
// from one below it to beyond it, and somebody beside it goes on as if nothing were.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import net from "node:net";
import tls from "node:tls";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";
import { Authority } from "./lib/certificates.mjs";
import { Cluster, Supervised, withCluster } from "./lib/cluster.mjs";
import { Program, eventually, residentBytes, run } from "./lib/process.mjs";
import { RawConnection, insertAtStart } from "./lib/raw.mjs";
import { NackCode, SUBPROTOCOL, encodeClient } from "./lib/wire.mjs";

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// ---- one shard for all, and a gateway with limits of its own for each test

const cluster = new Cluster({ shardArgs: ["--listen-metrics", "127.0.0.1:0"], inMemory: true });
before(() => cluster.start());
after(() => cluster.destroy());

class Gateway {
  static async start(t, ...args) {
    const gateway = new Gateway();
    gateway.program = new Program("ordo-gateway");
    const { data, side } = cluster.link;
    gateway.program.start(["--listen", "127.0.0.1:0", "--shard", `data=${data},side=${side}`, ...args]);
    t.after(async () => {
      const isAlive = gateway.program.isRunning;
      await gateway.program.stop("SIGKILL");
      if (!isAlive || gateway.program.crash) throw new Error(`it ended on the way:\n${gateway.program.log.slice(-5000)}`);
    });
    gateway.url = (await gateway.program.line(/^ready (\S+)/))[1];
    gateway.metricsPort = await eventually(() => Number(/metrics_port=(\d+)/.exec(gateway.program.stderr)?.[1]), "its port of figures");
    return gateway;
  }

  get host() { return new URL(this.url).hostname; }
  get port() { return Number(new URL(this.url).port); }
  get http() { return `http://${this.host}:${this.port}`; }

  /** A figure, by its name behind `ordo_gateway_`. */
  async figure(name) { return figureOf(this.metricsPort, `ordo_gateway_${name}`); }

  connect(options) { return RawConnection.connect(this.url, options); }

  /** As a client of that address, told by a proxy; 101, or the status that it is refused with. */
  async statusFrom(address) {
    const raw = await RawConnection.connect(this.url, { hello: false, headers: { "X-Forwarded-For": address } })
      .catch((error) => Number(/(\d{3})$/.exec(error.message)?.[1] ?? 0));
    return typeof raw === "number" ? { status: raw } : { status: 101, raw };
  }

  /** Plain TCP; `bytes` are sent at once. */
  tcp(bytes) { return this.observe(net.connect({ host: this.host, port: this.port }), bytes); }
  tls(bytes) { return this.observe(tls.connect({ host: this.host, port: this.port, rejectUnauthorized: false }), bytes); }

  observe(socket, bytes) {
    socket.on("error", () => {});
    socket.ended = new Promise((done) => socket.on("close", done));
    socket.received = "";
    socket.on("data", (data) => { socket.received += data; });
    if (bytes !== undefined) socket.write(bytes);
    return socket;
  }

  /** A WebSocket whose frames the test makes itself, greeted. */
  async webSocketByHand() {
    const request = `GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
                    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\nSec-WebSocket-Protocol: ${SUBPROTOCOL}\r\n\r\n`;
    const socket = this.url.startsWith("wss:") ? this.tls(request) : this.tcp(request);
    while (!socket.received.includes("\r\n\r\n")) await once(socket, "data");
    socket.write(frame(2, true, encodeClient({ hello: { protocol: 1, client_id: randomBytes(16) } })));
    return socket;
  }
}

async function figureOf(port, name) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const line = text.split("\n").find((each) => each.split(/[ {]/)[0] === name);
  assert.ok(line, `${name} is told`);
  return Number(line.split(" ").at(-1));
}

/** A frame of a client, masked with zeros. */
function frame(opcode, isLast, payload) {
  return Buffer.concat([Buffer.from([(isLast ? 0x80 : 0) | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

/** Options of a gateway that serves TLS. */
function certificateFor(t) {
  const folder = mkdtempSync(join(tmpdir(), "ordo-limits-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  new Authority(folder, "authority").sign(cert, key);
  return ["--tls-cert", cert, "--tls-key", key];
}

/** Somebody who types beside all that; `worst()`: how long the slowest of its acks has taken so far, in ms. */
async function neighbour(gateway, id) {
  const raw = await gateway.connect({ rejectUnauthorized: false });
  const { doc, head } = await raw.open("neighbour", id);
  let base = head, worst = 0, isOver = false, failure = null;
  const typing = (async () => {
    for (let seq = 1; !isOver; seq++) {
      const start = performance.now();
      let answer = await raw.submit(doc, seq, base, insertAtStart("x"));
      while (answer.nack?.code === NackCode.UNAVAILABLE) { // on a machine that is so busy that the shard seemed away
        await sleep(answer.nack.retry_after_ms);
        answer = await raw.submit(doc, seq, base, insertAtStart("x"));
      }
      assert.ok(answer.ack, `a neighbour's ops are acked: ${JSON.stringify(answer.nack)}`);
      base = answer.ack.server_seq;
      worst = Math.max(worst, performance.now() - start);
      await sleep(5);
    }
  })().catch((error) => { failure = error; });
  return {
    async stop() {
      isOver = true;
      await typing;
      if (failure) throw failure;
      raw.close();
      return worst;
    },
  };
}

// ---- these mostly wait, so they do it together

describe("limits that are kept in quiet", { concurrency: 4 }, () => {
  test("ops: at the limit they pass, beyond it they are told when to come again", async (t) => {
    const gateway = await Gateway.start(t, "--ops-rate", "20");
    const raw = await gateway.connect();
    const { doc, head } = await raw.open("c", "rate");
    const ops = (from, to) => Array.from({ length: to - from + 1 }, (_, i) =>
      ({ doc, submit: { client_seq: from + i, base_seq: head + from - 1 + i, ...insertAtStart("x") } }));
    raw.send(...ops(1, 39)); // twice as much as a second's at once, less one
    for (let seq = 1; seq <= 39; seq++) assert.ok((await raw.answerTo(doc, seq)).ack);
    await sleep(2100); // full again
    raw.send(...ops(40, 79), ...ops(80, 81));
    for (let seq = 40; seq <= 79; seq++) assert.ok((await raw.answerTo(doc, seq)).ack);
    const refused = [await raw.answerTo(doc, 80), await raw.answerTo(doc, 81)].map(({ nack }) => nack);
    assert.deepEqual(refused.map(({ code }) => code), [NackCode.RATE_LIMITED, NackCode.RATE_LIMITED]);
    assert.ok(refused[0].retry_after_ms >= 1 && refused[1].retry_after_ms > refused[0].retry_after_ms, JSON.stringify(refused));
    assert.equal(await gateway.figure("submits_rate_limited_total"), 2);
    await sleep(refused[0].retry_after_ms);
    assert.ok((await raw.submit(doc, 80, head + 79, insertAtStart("x"))).ack);
    const other = await gateway.connect(); // which has a limit of its own
    const opened = await other.open("c", "rate");
    assert.ok((await other.submit(opened.doc, 1, opened.head, insertAtStart("y"))).ack);
  });

  test("ops: a C client and an independent one wait and go on, and lose nothing", async (t) => {
    const gateway = await Gateway.start(t, "--ops-rate", "15");
    const typist = new Program("typist");
    t.after(() => typist.stop("SIGKILL"));
    typist.start([gateway.url, "c/typed", "z", "400", "3"]);
    const client = await cluster.join({ url: gateway.url, id: "typed" });
    for (let i = 0; i < 400; i++) {
      client.splice(0, 0, "a");
      await sleep(3);
    }
    await client.settled();
    const seq = Number((await typist.line(/^typed (\d+)/, 20_000))[1]);
    await client.reached(seq);
    assert.match(client.text, /^[az]{800}$/);
    assert.equal(client.text.replaceAll("a", "").length, 400);
    assert.ok(await gateway.figure("submits_rate_limited_total") > 2, "both were slowed");
    assert.equal(client.reconnects, 0);
    client.close();
  });

  test("a user has one limit, over all its connections and over HTTP", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "ordo-limits-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const secret = randomBytes(32).toString("hex");
    writeFileSync(join(folder, "secret"), secret, { mode: 0o600 });
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const tokenOf = (sub) => {
      const text = `${part({ alg: "HS256" })}.${part({ sub, exp: Date.now() / 1000 + 600,
                                                     docs: [{ collection_prefix: "", id_prefix: "", access: "write" }] })}`;
      return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
    };
    const gateway = await Gateway.start(t, "--token-secret", join(folder, "secret"), "--user-ops-rate", "2");
    const tabs = [];
    for (let i = 0; i < 3; i++) {
      const raw = await gateway.connect({ token: tokenOf("alice") });
      tabs.push({ raw, ...(await raw.open("c", `user-${i}`)), seq: 0 });
    }
    const answers = [];
    for (let i = 0; i < 9; i++) {
      const tab = tabs[i % 3];
      answers.push(await tab.raw.submit(tab.doc, ++tab.seq, tab.head, { text: { spans: [16 + 1], text: "x" } }));
      tab.head = answers.at(-1).ack?.server_seq ?? tab.head;
    }
    assert.equal(answers.slice(0, 4).filter(({ ack }) => ack).length, 4);
    assert.ok(answers.slice(4).some(({ nack }) => nack?.code === NackCode.RATE_LIMITED));
    const bob = await gateway.connect({ token: tokenOf("bob") });
    const { doc, head } = await bob.open("c", "user-0");
    assert.ok((await bob.submit(doc, 1, head, insertAtStart("b"))).ack, "another user is not slowed");
    const post = () => fetch(`${gateway.http}/v1/docs/c/user-1/ops`, {
      method: "POST", headers: { authorization: `Bearer ${tokenOf("alice")}` }, body: JSON.stringify({ base_seq: tabs[1].head, op: ["h"] }),
    });
    const before = await gateway.figure("submits_rate_limited_total");
    const posts = await Promise.all(Array.from({ length: 3 }, post));
    assert.ok(posts.every(({ status }) => status < 300), `${posts.map(({ status }) => status)}: they wait for their turn`);
    assert.ok(await gateway.figure("submits_rate_limited_total") > before, "and it was no other limit");
  });

  test("bytes: beyond the limit the gateway reads slower, with TLS too, and refuses nothing", async (t) => {
    const plain = await Gateway.start(t, "--bytes-rate", "200000");
    const withTls = await Gateway.start(t, "--bytes-rate", "200000", ...certificateFor(t));
    const beside = await neighbour(plain, "bytes");
    const text = "x".repeat(100_000), start = performance.now();
    await Promise.all([plain, withTls].map(async (gateway, index) => {
      const raw = await gateway.connect({ rejectUnauthorized: false });
      const { doc, head } = await raw.open("c", `bytes-${index}`);
      for (let seq = 1; seq <= 8; seq++) raw.send({ doc, submit: { client_seq: seq, base_seq: head + seq - 1, ...insertAtStart(text) } });
      for (let seq = 1; seq <= 8; seq++) assert.ok((await raw.answerTo(doc, seq)).ack);
      const took = performance.now() - start; // 800 kB, of which 400 at once and one message on credit
      assert.ok(took > 1000 && took < 8000, `${took} ms`);
      assert.ok(await gateway.figure("pauses_total") >= 1);
      assert.match(gateway.program.stderr, /event=reading_paused conn=\d+ client=[0-9a-f]{32} user=anonymous/);
      await eventually(async () => await gateway.figure("reads_paused") === 0, "it reads on");
    }));
    assert.ok(await beside.stop() < 2000);
  });

  test("requests and presence: 429 beyond the limit, presence is dropped, leaving is never refused", async (t) => {
    const gateway = await Gateway.start(t, "--requests-rate", "50", "--presence-rate", "10");
    const raw = await gateway.connect();
    const { doc, head } = await raw.open("c", "requests", { presence: true }); // one of a hundred
    raw.send(...Array.from({ length: 150 }, (_, i) => ({ request: 100 + i, ping: { nonce: i } })));
    for (let i = 0; i < 99; i++) assert.ok((await raw.next(({ request }) => request === 100 + i)).pong);
    assert.equal((await raw.next(({ request }) => request === 249)).error.code, 429); // some came again meanwhile
    assert.ok((await raw.submit(doc, 1, head, insertAtStart("x"))).ack, "ops have a limit of their own");

    raw.send(...Array.from({ length: 1000 }, (_, i) => ({ doc, presence: { data: Buffer.from([i & 255]), base_seq: head } })));
    await eventually(async () => await gateway.figure("presence_rate_limited_total") === 980, "what is too much is dropped");
    raw.send({ doc, leave: {} });
    const answer = await raw.submit(doc, 2, head + 1, insertAtStart("x"));
    assert.equal(answer.nack.code, NackCode.NOT_OPEN, "it has left");
  });

  test("a message may come in a thousand fragments, and in no more", async (t) => {
    const gateway = await Gateway.start(t);
    const message = encodeClient({ request: 5, ping: { nonce: 7 } });
    const padding = Buffer.from([0xfa, 0x7f, 2, 0, 0]); // an unknown field, which counts for nothing
    const send = async (count) => {
      const bytes = Buffer.concat([message, ...Array.from({ length: 200 }, () => padding), Buffer.alloc(0)]);
      const socket = await gateway.webSocketByHand();
      for (let i = 0; i < count - 1; i++) socket.write(frame(i === 0 ? 2 : 0, false, bytes.subarray(i, i + 1)));
      const rest = bytes.subarray(count - 1);
      for (let i = 0; i < rest.length - 100; i += 100) assert.fail("the rest fits in one frame");
      socket.write(frame(count === 1 ? 2 : 0, true, rest));
      return socket;
    };
    const good = await send(1000);
    await eventually(() => good.received.includes("\x07") && good.received.length > 40, "a Pong");
    assert.equal(good.destroyed, false);
    good.destroy();
    const bad = await send(1003);
    await eventually(() => bad.received.includes("too many fragments"), "it is closed");
    bad.destroy();
    assert.match(gateway.program.stderr, /event=connection_closed .* code=1008 reason="a message in too many fragments"/);
  });

  test("compression is not offered, and not taken", async (t) => {
    const gateway = await Gateway.start(t);
    const socket = new WebSocket(gateway.url, SUBPROTOCOL, { perMessageDeflate: true });
    await once(socket, "open");
    assert.equal(socket.extensions, "");
    socket.terminate();
    const raw = await gateway.webSocketByHand();
    const bomb = frame(2, true, Buffer.alloc(20));
    bomb[0] |= 0x40; // "it is compressed"
    raw.write(bomb);
    await eventually(() => raw.received.includes("rsv bits") || raw.destroyed, "it is closed");
    raw.destroy();
  });

  test("connections of one address: as many as may be, and a client of IPv6 has one address", async (t) => {
    const gateway = await Gateway.start(t, "--trusted-proxy", "127.0.0.1", "--connections-per-address", "3");
    const held = [];
    const knock = async (address) => {
      const { status, raw } = await gateway.statusFrom(address);
      if (raw) held.push(raw);
      return status;
    };
    for (const expected of [101, 101, 101, 429]) assert.equal(await knock("203.0.113.7"), expected);
    assert.equal(await knock("203.0.113.8"), 101, "another address");
    for (const [i, expected] of [101, 101, 101, 429].entries()) assert.equal(await knock(`2001:db8::${i}:1`), expected);
    assert.equal(await knock("2001:db8:0:1::1"), 101, "another network");
    for (const address of ["10.1.2.3", "192.168.0.9", "127.0.0.1", "fd00::1"])
      for (let i = 0; i < 5; i++) assert.equal(await knock(address), 101, "a proxy that nobody named may stand there");
    assert.equal(await gateway.figure("upgrades_refused_address_total"), 2);
    held[0].close();
    await eventually(async () => await knock("203.0.113.7") === 101, "a place got free");
    held.forEach((raw) => raw.close());
  });

  test("headers and handshakes that drip have until their time is over, and not longer with each byte", async (t) => {
    const gateway = await Gateway.start(t, "--handshake-timeout-ms", "1000");
    const withTls = await Gateway.start(t, "--handshake-timeout-ms", "1000", ...certificateFor(t));
    const drips = [[gateway, "GET /v1/ws HTTP/1.1\r\nHost: x\r\nX: "], [gateway, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: "],
                   [withTls, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], [withTls, ""]].map(([server, bytes]) => {
      const socket = server.tcp(Buffer.from(bytes, "latin1")), start = performance.now();
      const drip = setInterval(() => { if (bytes !== "") socket.write("a"); }, 50);
      return socket.ended.then(() => { clearInterval(drip); return performance.now() - start; });
    });
    for (const took of await Promise.all(drips)) assert.ok(took < 2500, `closed after ${took} ms`);
    // One that asks again and again is a good client, for as long as it does.
    for (const server of [gateway, withTls]) assert.ok(await server.figure("handshakes_timed_out_total") >= 2);
    const asking = gateway.tcp();
    for (let i = 0; i < 6; i++) {
      const seen = asking.received.length;
      asking.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
      while (!asking.received.slice(seen).includes("ok\n")) await once(asking, "data");
      await sleep(300);
    }
    const start = performance.now();
    await asking.ended; // and then its time is over, too
    assert.ok(performance.now() - start < 2500);
  });

  test("a message that drips has until its time is over, and one that pauses within it arrives", async (t) => {
    const gateway = await Gateway.start(t, "--message-timeout-ms", "1500");
    const open = encodeClient({ request: 7, open: { collection: "c", id: "drips" } });
    const [half, rest] = [open.subarray(0, 5), open.subarray(5)];
    const [honest, drips, empty] = await Promise.all(Array.from({ length: 3 }, () => gateway.webSocketByHand()));
    const start = performance.now(), took = (socket) => socket.ended.then(() => performance.now() - start);
    honest.write(frame(2, false, half));
    drips.write(frame(2, false, half));
    empty.write(frame(2, false, Buffer.alloc(0)));
    const drip = setInterval(() => { drips.write(frame(0, false, Buffer.from("x"))); empty.write(frame(0, false, Buffer.alloc(0))); }, 50);
    await sleep(1000);
    const before = honest.received.length;
    honest.write(frame(0, true, rest));
    await eventually(() => honest.received.length > before, "an answer");
    for (const ms of await Promise.all([took(drips), took(empty)])) assert.ok(ms >= 1500 && ms < 5000, `${ms} ms`);
    clearInterval(drip);
    assert.ok(drips.received.includes("a message took too long"));
    assert.equal(await gateway.figure("messages_timed_out_total"), 2);
    assert.equal(honest.closed, false);
    honest.destroy();
  });

  test("who watches may be silent, too, and in nobody's way", async (t) => {
    const gateway = await Gateway.start(t);
    const silent = Array.from({ length: 200 }, () => net.connect({ host: "127.0.0.1", port: gateway.metricsPort }).on("error", () => {}).resume());
    await eventually(() => silent.filter((socket) => socket.closed).length >= 168, "all but 32 to be closed");
    assert.ok(await gateway.figure("handshakes_crowded_out_total") >= 168);
    assert.equal(await gateway.figure("handshakes"), 0, "they are no clients");
    silent.forEach((socket) => socket.destroy());
  });

  test("HTTP requests of one address: a quarter of all", async (t) => {
    const gateway = await Gateway.start(t, "--trusted-proxy", "127.0.0.1");
    const head = "PUT /v1/docs/c/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n";
    const slow = Array.from({ length: 250 }, () => gateway.tcp(head));
    await eventually(async () => await gateway.figure("handshakes") <= 1, "all of them have begun");
    const from = (address) => fetch(`${gateway.http}/v1/docs/c/absent`, { headers: { "x-forwarded-for": address } });
    assert.equal((await from("203.0.113.7")).status, 429);
    assert.equal((await from("203.0.113.8")).status, 404);
    slow[0].destroy();
    await eventually(async () => (await from("203.0.113.7")).status === 404, "a place got free");
    slow.forEach((socket) => socket.destroy());
  });

  test("while memory is short, WebSockets and requests get 503", async (t) => {
    const gateway = await Gateway.start(t, "--memory-max-mib", "1");
    const many = await Promise.all(Array.from({ length: 200 }, () => gateway.connect().catch(() => null))); // nothing to be shed
    await eventually(async () => (await gateway.connect().catch((error) => error)).message?.includes("503"), "nobody is let in");
    assert.equal((await fetch(`${gateway.http}/v1/docs/c/d`)).status, 503);
    assert.equal((await fetch(`${gateway.http}/healthz`)).status, 200);
    assert.ok(await gateway.figure("upgrades_refused_memory_total") > 0);
    many.forEach((raw) => raw?.close());
  });

  test("`ordo up` passes limits on, and refuses what is none", async (t) => {
    for (const bad of ["ops-rate", "ops-rat=5", "token-key=x", "=5"]) {
      const { code, stderr } = await run("ordo", ["up", "--limit", bad]);
      assert.equal(code, 2, bad);
      assert.match(stderr, /--limit wants NAME=N/);
    }
    await withCluster(t, new Supervised({ args: ["--limit", "ops-rate=1", "--limit", "documents-max=1"] }), async (supervised) => {
      const raw = await RawConnection.connect(supervised.url);
      const { doc, head } = await raw.open("c", "d");
      await assert.rejects(raw.open("c", "e"), { code: 429 });
      for (let seq = 1; seq <= 2; seq++) assert.ok((await raw.submit(doc, seq, head + seq - 1, insertAtStart("x"))).ack);
      assert.equal((await raw.submit(doc, 3, head + 2, insertAtStart("x"))).nack.code, NackCode.RATE_LIMITED);
      raw.close();
    });
  });
});

// ---- these make noise: one after the other

test("a client that opens 100,000 documents has a thousand, and leaves nothing at the shard", async (t) => {
  const gateway = await Gateway.start(t, "--requests-rate", "0");
  const beside = await neighbour(gateway, "opens");
  const shardPort = await eventually(() => Number(/event=metrics address=\S*:(\d+)/.exec(cluster.shard.log)?.[1]), "the shard's port");
  const before = await figureOf(shardPort, "ordo_shard_documents");
  const raw = await gateway.connect();
  const codes = new Map();
  let answered = 0;
  raw.onMessage = ({ error }) => { answered++; codes.set(error?.code, (codes.get(error?.code) ?? 0) + 1); };
  for (let i = 0; i < 100_000; i += 500) { // none of which exists, or is made
    raw.send(...Array.from({ length: 500 }, (_, n) => ({ request: 1 + i + n, open: { collection: "many", id: `${i + n}` } })));
    await eventually(() => answered > i - 1500, "the answers so far", 30_000); // its own answers would close it
  }
  await eventually(() => answered === 100_000, `all answers: ${JSON.stringify([...codes])}`, 30_000);
  assert.deepEqual([...codes.keys()].sort(), [404, 429]);
  await eventually(async () => await figureOf(shardPort, "ordo_shard_documents") <= before + 10, "the shard has forgotten them");
  assert.ok(await beside.stop() < 2000);
});

test("who ignores refusals is not read any more for a while, and costs nobody else", async (t) => {
  const gateway = await Gateway.start(t, "--ops-rate", "500", "--requests-rate", "500");
  const beside = await neighbour(gateway, "floods");
  const flood = await gateway.connect(), churn = await gateway.connect();
  flood.onMessage = churn.onMessage = () => {};
  for (let i = 0; i < 20_000; i++) flood.send({ doc: 1, submit: { client_seq: i + 1, base_seq: 1, ...insertAtStart("x") } });
  for (let i = 0; i < 20_000; i++) churn.send({ open: { collection: "c", id: "churn" } }, { doc: i + 1, leave: {} });
  await eventually(async () => await gateway.figure("pauses_total") >= 2, "both are paused");
  assert.ok(await gateway.figure("frames_received_total") < 25_000, "most of it waits at the sender's end");
  assert.ok(await beside.stop() < 2000);
  flood.close();
  churn.close();
});

test("pings and empty fragments without end are seen, and the sender is not read for a while", async (t) => {
  const gateway = await Gateway.start(t);
  const beside = await neighbour(gateway, "pings");
  const ping = frame(9, true, Buffer.alloc(1)), empty = frame(0, false, Buffer.alloc(0));
  for (const [first, each] of [[Buffer.alloc(0), ping], [frame(2, false, Buffer.from([10])), empty]]) {
    const paused = await gateway.figure("pauses_total");
    const socket = await gateway.webSocketByHand();
    const flood = Buffer.concat(Array.from({ length: 20_000 }, () => each));
    socket.write(first);
    const pump = () => { while (!socket.destroyed && socket.write(flood)); };
    socket.on("drain", pump);
    pump();
    // Either it is paused, or the message is in too many pieces.
    await eventually(async () => await gateway.figure("pauses_total") > paused || socket.destroyed, "it is dealt with");
    socket.destroy();
  }
  assert.ok(await gateway.figure("pauses_total") >= 1);
  assert.ok(await beside.stop() < 2000);
});

test("10,000 connections that say nothing: the newest have a place, and real clients get in", async (t) => {
  const gateway = await Gateway.start(t, "--handshakes-max", "1000", "--handshake-timeout-ms", "1500");
  const beside = await neighbour(gateway, "silent");
  const silent = new Set();
  let most = 0;
  for (let i = 0; i < 100; i++) {
    for (let n = 0; n < 100; n++) {
      const socket = gateway.tcp(n % 3 === 0 ? "GET /v1/ws HTTP/1.1\r\nHost: x\r\nX-Slow: " : undefined);
      silent.add(socket);
      socket.on("close", () => silent.delete(socket));
    }
    await new Promise((done) => setImmediate(done));
    if (i % 25 !== 24) continue;
    const raw = await eventually(() => gateway.connect().catch(() => null), "a client to get in while they come");
    assert.ok((await raw.open("c", "amid")).doc);
    raw.close();
    most = Math.max(most, await gateway.figure("handshakes"));
  }
  assert.ok(most <= 1200, `${most} at once`); // and what came in the turn
  assert.ok(await gateway.figure("handshakes_crowded_out_total") > 1000);
  await eventually(() => silent.size === 0, "all of them were closed", 10_000);
  assert.ok(await gateway.figure("handshakes_timed_out_total") > 0);
  await eventually(async () => await gateway.figure("handshakes") === 0, "the lobby to be empty");
  await beside.stop();
});

test("bodies that drip give way when all places are taken", async (t) => {
  const gateway = await Gateway.start(t);
  const head = `PUT /v1/docs/c/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n`;
  const slow = Array.from({ length: 1000 }, () => gateway.tcp(head));
  const ask = () => fetch(`${gateway.http}/v1/docs/c/hasty`, { method: "PUT", body: "text", headers: { "if-none-match": "*" } });
  const refused = await eventually(async () => { const answer = await ask(); return answer.status === 503 && answer; }, "it is full");
  assert.ok(Number(refused.headers.get("retry-after")) >= 1);
  await eventually(async () => (await ask()).status !== 503, "others get in", 6000);
  assert.ok(await gateway.figure("requests_crowded_out_total") > 0);
  assert.ok(await gateway.figure("requests_refused_busy_total") > 0);
  slow.forEach((socket) => socket.destroy());
});

test("who does not read is cut off, too, when its connection ends otherwise", async (t) => {
  const text = "x".repeat(900_000);
  const ends = {
    "it breaks the protocol": (socket) => socket.write(frame(2, true, Buffer.alloc(5, 255))),
    "it says that it goes": (socket) => socket.write(frame(8, true, Buffer.from([3, 232]))),
    "it says nothing": () => {},
  };
  await Promise.all([[], certificateFor(t)].map(async (options) => {
    const gateway = await Gateway.start(t, "--bytes-rate", "0", "--ping-interval-ms", "1000", ...options);
    const writer = await gateway.connect({ rejectUnauthorized: false }), id = `ends-${options.length}`;
    const { doc, head } = await writer.open("c", id);
    const beside = await neighbour(gateway, id);
    const deaf = await Promise.all(Object.values(ends).map(async (end) => {
      const socket = await gateway.webSocketByHand();
      socket.write(frame(2, true, encodeClient({ open: { collection: "c", id } })));
      await once(socket, "data");
      socket.pause();
      return { socket, end };
    }));
    const before = await gateway.figure("connections");
    for (let seq = 1; seq <= 12; seq++) assert.ok((await writer.submit(doc, seq, head + seq - 1, insertAtStart(text))).ack);
    deaf.forEach(({ socket, end }) => end(socket));
    await eventually(async () => await gateway.figure("connections") === before - deaf.length, "all of them to be gone", 20_000);
    assert.ok(await beside.stop() < 2000);
    writer.close();
    deaf.forEach(({ socket }) => socket.destroy());
  }));
});

test("when memory is short, those who do not read are cut off, and those who do are not", async (t) => {
  const gateway = await Gateway.start(t, "--memory-max-mib", "6", "--bytes-rate", "0");
  const [reader, writer] = [await gateway.connect(), await gateway.connect()];
  const { doc, head } = await writer.open("c", "broadcast");
  await reader.open("c", "broadcast");
  let seen = head;
  reader.onMessage = ({ committed, opened }) => { seen = committed?.server_seq ?? opened?.head ?? seen; };
  const deaf = [];
  for (let i = 0; i < 30; i++) {
    const socket = await gateway.webSocketByHand();
    socket.write(frame(2, true, encodeClient({ open: { collection: "c", id: "broadcast" } })));
    await once(socket, "data");
    socket.pause();
    deaf.push(socket);
  }
  const text = "x".repeat(100_000); // so that all of them may be behind by one
  let seq = 0;
  await eventually(async () => {
    seq++;
    assert.ok((await writer.submit(doc, seq, head + seq - 1, insertAtStart(text))).ack);
    await eventually(() => seen === head + seq, "who reads has all of it");
    return await gateway.figure("readers_shed_total") > 0;
  }, "memory to be short", 20_000);
  await eventually(async () => await gateway.figure("memory_used_bytes") < 6 * 1024 ** 2, "memory is enough again", 10_000);
  assert.equal(writer.socket.readyState, WebSocket.OPEN);
  assert.equal(reader.socket.readyState, WebSocket.OPEN, "what was just broadcast may wait for it, too, but it does read");
  [...deaf, reader.socket, writer.socket].forEach((socket) => (socket.destroy ?? socket.terminate).call(socket));
});

test("over its memory a gateway lets nobody in, cuts off those who hold most, and recovers", async (t) => {
  const gateway = await Gateway.start(t, "--memory-max-mib", "48");
  const beside = await neighbour(gateway, "memory");
  // Messages without an end: a megabyte each, of which the gateway must keep all.
  const hoarders = [];
  const size = 1_000_000, header = Buffer.alloc(14);
  header.set([0x82, 0xff]);
  header.writeBigUInt64BE(BigInt(size + 1), 2);
  const body = Buffer.alloc(size);
  for (let i = 0; i < 80; i++) {
    const socket = await gateway.webSocketByHand().catch(() => null);
    if (socket === null || socket.destroyed) break;
    socket.write(header);
    socket.write(body);
    hoarders.push(socket);
  }
  await eventually(async () => await gateway.figure("readers_shed_total") > 0, "the largest are cut off", 10_000);
  await eventually(async () => await gateway.figure("memory_used_bytes") < 48 * 1024 ** 2 * 0.85, "memory is enough again", 10_000);
  const late = await eventually(() => gateway.connect().catch(() => null), "a new client gets in");
  assert.ok((await late.open("c", "late")).doc);
  assert.match(gateway.program.stderr, /event=memory_short used_mib=\d+ memory_max_mib=48/);
  assert.ok(await residentBytes(gateway.program.pid) < 160 * 1024 ** 2);
  hoarders.forEach((socket) => socket.destroy());
  assert.ok(await beside.stop() < 2000, "who holds nothing is not cut off");
});
