// Whatever a client sends costs that client, and nobody else: the right code, the connection closed where the protocol
// says so, and a neighbour that goes on typing as if nothing were.
import { test } from "node:test";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import WebSocket from "ws";
import { Cluster, withCluster } from "./lib/cluster.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { RawConnection, insertAtStart, tcpExchange } from "./lib/raw.mjs";
import { NackCode, encodeClient } from "./lib/wire.mjs";

const random = new Random(seedOfRun);

/** A cluster with a neighbour; afterwards both processes are the same ones and the neighbour's op takes no longer. */
const besideANeighbour = (name, act) => test(name, (t) => withCluster(t, new Cluster(), async (cluster) => {
  const neighbour = await cluster.join({ id: "neighbour" });
  const pids = [cluster.shard.pid, cluster.gateway.pid];
  await act(cluster, neighbour);
  neighbour.splice(0, 0, "fine");
  await neighbour.settled(5000);
  assert.equal(neighbour.reconnects, 0, "the neighbour's connection stayed");
  assert.ok(cluster.shard.isRunning && cluster.gateway.isRunning);
  assert.deepEqual([cluster.shard.pid, cluster.gateway.pid], pids);
}));

async function expectClose(cluster, bytes, codes) {
  const raw = await RawConnection.connect(cluster.url);
  raw.sendBytes(bytes);
  const { code } = await raw.closedByServer();
  assert.ok(codes.includes(code), `closed with ${code}, not ${codes}`);
}

besideANeighbour("what is not a ClientFrame closes the connection, and nothing of it is applied", async (cluster) => {
  const submit = (doc, text) => encodeClient({ doc, submit: { client_seq: 1, base_seq: 1, ...insertAtStart(text) } });
  const whole = submit(1, "applied?");
  const broken = [
    Buffer.from([0x0a]), Buffer.from([0xff]), Buffer.from([0x0a, 0x7f, 0x01]), randomBytes(64).fill(0xff, 0, 10),
    whole.subarray(0, whole.length - 1), Buffer.concat([whole, Buffer.from([0x0a, 0x05, 0x01])]),
    Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), // a length of 2^63
    Buffer.from([0x0a, 0x80, 0x80, 0x80, 0x80, 0x08]),                         // and of 2 GiB
  ];
  for (const bytes of broken) {
    const raw = await RawConnection.connect(cluster.url);
    const { head } = await raw.open("c", "victim");
    raw.sendBytes(bytes);
    const { code } = await raw.closedByServer();
    assert.ok([1002, 1007].includes(code), `closed with ${code} for ${bytes.toString("hex")}`);
    assert.equal(head, 1, "no frame before this one was applied in part");
  }
});

besideANeighbour("random bytes and random damage to good frames crash nobody", async (cluster) => {
  for (let round = 0; round < 150; round++) {
    const raw = await RawConnection.connect(cluster.url);
    const { doc, head } = await raw.open("c", `fuzzed-${round % 5}`);
    for (let i = 0; i < 5; i++) {
      const good = encodeClient(
        { doc, request: 3, submit: { client_seq: i + 1, base_seq: head, ...insertAtStart("abc") } },
        { doc, presence: { data: random.bytes(9), base_seq: head, ranges: [{ anchor: 1 }] } },
        { doc, history: { from_seq: 1, to_seq: 9 } }, { ping: { nonce: 7 } });
      const bytes = random.chance(30) ? random.bytes(random.below(200)) : good;
      for (let flips = random.below(4); flips > 0 && bytes.length > 0; flips--) {
        bytes[random.below(bytes.length)] ^= 1 << random.below(8);
      }
      raw.sendBytes(bytes);
    }
    raw.send({ ping: { nonce: 4711 } });
    await Promise.race([raw.closed, raw.next((message) => message.pong?.nonce === 4711)]);
    raw.close();
  }
});

besideANeighbour("frames of the wrong kind or size close with their own codes", async (cluster) => {
  await expectClose(cluster, "text frames are not for us", [1003, 1002, 1007]);
  const raw = await RawConnection.connect(cluster.url);
  raw.sendBytes(Buffer.alloc(raw.welcome.frame_size_max + 1));
  assert.equal((await raw.closedByServer()).code, 1009);
  // The header alone says how much would follow: nobody may wait for it, or make room for it.
  const header = [0x82, 0xff, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4];
  const upgrade = upgradeRequest(cluster, "/v1/ws", "ordo.v1");
  const { bytes } = await tcpExchange(new URL(cluster.url).host, Buffer.concat([upgrade, Buffer.from(header)]));
  assert.match(String(bytes), /^HTTP\/1\.1 101/);
  // An unmasked frame, a reserved bit, a reserved opcode: broken framing.
  for (const frame of [[0x82, 0x01, 0x00], [0xc2, 0x81, 1, 2, 3, 4, 0], [0x83, 0x81, 1, 2, 3, 4, 0]]) {
    const answer = await tcpExchange(new URL(cluster.url).host, Buffer.concat([upgrade, Buffer.from(frame)]));
    const afterUpgrade = answer.bytes.subarray(answer.bytes.indexOf("\r\n\r\n") + 4);
    assert.ok(answer.wasEnded || afterUpgrade[0] === 0x88, `neither an end nor a Close frame after ${frame}`);
  }
});

besideANeighbour("wrong paths, subprotocols and upgrades are refused", async (cluster) => {
  const refusal = (url, protocol) => new Promise((done) => {
    const socket = new WebSocket(url, protocol);
    socket.on("open", () => { socket.terminate(); done("open"); });
    socket.on("error", (error) => done(error.message));
  });
  const origin = `ws://${new URL(cluster.url).host}`;
  assert.notEqual(await refusal(`${origin}/v1/other`, "ordo.v1"), "open");
  assert.notEqual(await refusal(`${origin}/`, "ordo.v1"), "open");
  assert.notEqual(await refusal(cluster.url, "other.v1"), "open");
  assert.notEqual(await refusal(cluster.url, []), "open", "no subprotocol at all");
  for (const request of ["GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "\0\0\0\0", "GET / HTTP/9.9\r\n\r\n",
                         `GET /v1/ws HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(100_000)}\r\n\r\n`,
                         "GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" +
                         "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"]) {
    const { bytes } = await tcpExchange(new URL(cluster.url).host, Buffer.from(request));
    assert.doesNotMatch(String(bytes), /^HTTP\/1\.[01] (101|200)|root:/, request.slice(0, 40));
  }
});

besideANeighbour("a connection must say a proper Hello first, and only once", async (cluster) => {
  const firsts = [
    { open: { collection: "c", id: "d", create_type: "text" } }, { ping: { nonce: 1 } },
    { hello: { protocol: 1, client_id: randomBytes(15), types: ["text"] } },
    { hello: { protocol: 1, client_id: Buffer.alloc(0) } },
    { hello: { protocol: 99, client_id: randomBytes(16) } },
  ];
  for (const first of firsts) {
    const raw = await RawConnection.connect(cluster.url, { hello: false });
    raw.send({ request: 1, ...first });
    await raw.closedByServer();
    assert.equal(raw.messages.at(-1)?.error?.code, 400, JSON.stringify(first));
  }
});

besideANeighbour("messages that make no sense get their error and nothing else", async (cluster) => {
  const raw = await RawConnection.connect(cluster.url);
  const { doc, head } = await raw.open("c", "d");
  const errorOf = async (message) => {
    raw.send({ request: 77, ...message });
    const answer = await raw.next((candidate) => candidate.request === 77);
    return answer.error?.code;
  };
  const open = (fields) => ({ open: { collection: "c", id: "e", create_type: "text", ...fields } });
  assert.equal(await errorOf(open({ id: "d" })), 409, "a second Open of an open document");
  assert.equal(await errorOf(open({ id: "" })), 400);
  assert.equal(await errorOf(open({ collection: "" })), 400);
  assert.equal(await errorOf(open({ id: "x".repeat(129) })), 400);
  assert.equal(await errorOf(open({ id: "a\0b" })), 400);
  assert.equal(await errorOf(open({ create_type: "" })), 404);
  assert.equal(await errorOf(open({ create_type: "no-such-type" })), 415);
  assert.equal(await errorOf(open({ create_content: { spans: [16 * 5], text: "" } })), 400, "content that is no op");
  assert.equal(await errorOf({ doc, history: { from_seq: 9, to_seq: 3 } }), 400);
  raw.sendBytes(Buffer.from([0x0a, 0x05, 0x08, 0x4d, 0xf2, 0x07, 0x00])); // request 77, field 126, empty
  assert.equal((await raw.next((message) => message.error)).error.code, 501);
  raw.send({ ping: { nonce: 2 ** 53 - 1 } });
  assert.equal((await raw.next((message) => message.pong)).pong.nonce, 2 ** 53 - 1);
  assert.equal((await raw.submit(doc, 1, head, insertAtStart("x"))).ack.server_seq, head + 1, "and it still works");

  const speaksOther = await RawConnection.connect(cluster.url, { types: ["delta"] });
  await assert.rejects(speaksOther.open("c", "d"), { code: 415 });
});

besideANeighbour("invalid UTF-8 in a name is refused", async (cluster) => {
  const message = Buffer.from([0x22, 0x0b, 0x0a, 0x02, 0xc3, 0x28, 0x12, 0x01, 0x64, 0x22, 0x02, 0x74, 0x78]);
  const raw = await RawConnection.connect(cluster.url);
  raw.sendBytes(Buffer.concat([Buffer.from([0x0a, message.length]), message]));
  const refused = raw.next(({ error }) => error).then(({ error }) => error.code, () => 0);
  const code = await Promise.race([refused, raw.closed.then((close) => close.code)]);
  assert.ok([400, 1007].includes(code), String(code));
});

besideANeighbour("ops that are no ops are refused, and the document stays as it was", async (cluster) => {
  const raw = await RawConnection.connect(cluster.url);
  const { doc, head } = await raw.open("c", "d");
  const { ack } = await raw.submit(doc, 1, head, insertAtStart("hello 😀"));
  const [base, length] = [ack.server_seq, 7];
  const op = (spans, text = "") => ({ text: { spans, text } });
  const span = (count, kind, bits = 0) => count * 16 + bits * 4 + kind;
  const invalid = {
    "kind 3": op([span(1, 3)]), "n = 0": op([span(0, 2)]), "stray bits": op([span(1, 0, 1), span(1, 2)]),
    "bits on a delete": op([span(1, 2, 2)]), "two retains": op([span(1, 0), span(1, 0), span(1, 2)]),
    "a trailing retain": op([span(1, 2), span(2, 0)]), "two inserts": op([span(1, 1), span(1, 1)], "ab"),
    "text missing": op([span(2, 1)], "a"), "text too much": op([span(1, 1)], "ab"), "U+0000": op([span(1, 1)], "\0"),
    "text without insert": op([span(1, 2)], "a"), "past the end": op([span(length, 0), span(1, 2)]),
    "deletes too much": op([span(length + 1, 2)]), "a retain of 2^31": op([2 ** 31 * 16, span(1, 1)], "a"),
    "a retain of 2^49": op([2 ** 49 * 16, span(1, 1)], "a"), "no op at all": {},
  };
  let clientSeq = 1;
  for (const [what, body] of Object.entries(invalid)) {
    const { nack } = await raw.submit(doc, ++clientSeq, base, body);
    assert.equal(nack?.code, NackCode.INVALID_OP, what);
  }
  const nackOf = async (handle, baseSeq, text) =>
    (await raw.submit(handle, ++clientSeq, baseSeq, insertAtStart(text))).nack?.code;
  assert.equal(await nackOf(doc, base + 1, "x"), NackCode.FUTURE_BASE);
  assert.equal(await nackOf(doc, 2 ** 53 - 1, "x"), NackCode.FUTURE_BASE);
  assert.equal(await nackOf(doc + 1, base, "x"), NackCode.NOT_OPEN);
  assert.equal(await nackOf(0, base, "x"), NackCode.NOT_OPEN);
  assert.equal(await nackOf(doc, base, "x".repeat(raw.welcome.op_size_max)), NackCode.TOO_LARGE);
  assert.equal((await raw.submit(doc, ++clientSeq, base, op([]))).ack.server_seq, base + 1, "the empty op is an op");
  raw.send({ doc, leave: {} });
  assert.equal(await nackOf(doc, base + 1, "x"), NackCode.NOT_OPEN, "after Leave");
  assert.equal((await cluster.doc("cat", "c/d")).stdout, "hello 😀");
});

besideANeighbour("a submit whose op is of an unknown kind is never taken for an empty one", async (cluster) => {
  const raw = await RawConnection.connect(cluster.url);
  const { doc, head } = await raw.open("c", "d");
  const submit = Buffer.from([0x08, 0x01, 0x10, head, 0xa2, 0x01, 0x02, 0x41, 0x42]); // field 20: "AB"
  const message = Buffer.concat([Buffer.from([0x10, doc, 0x32, submit.length]), submit]);
  raw.sendBytes(Buffer.concat([Buffer.from([0x0a, message.length]), message]));
  assert.equal((await raw.answerTo(doc, 1)).nack.code, NackCode.INVALID_OP);
  assert.equal((await raw.submit(doc, 2, head, insertAtStart("x"))).ack.server_seq, head + 1);
});

function upgradeRequest(cluster, path, protocol) {
  const lines = [
    `GET ${path} HTTP/1.1`, `Host: ${new URL(cluster.url).host}`, "Connection: Upgrade", "Upgrade: websocket",
    "Sec-WebSocket-Version: 13", `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    `Sec-WebSocket-Protocol: ${protocol}`,
  ];
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
}
