// The edge of the gateway: HTTP next to WebSockets, messages in fragments, peers that are dead, an end in good order.
import test from "node:test";
import assert from "node:assert/strict";
import net from "node:net";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { Cluster, withCluster } from "./lib/cluster.mjs";
import { RawConnection, insertAtStart } from "./lib/raw.mjs";
import { SUBPROTOCOL, decodeServer, encodeClient } from "./lib/wire.mjs";

const origin = (cluster) => new URL(cluster.url).host;
const get = async (cluster, path) => {
  const answer = await fetch(`http://${origin(cluster)}${path}`);
  return { status: answer.status, text: await answer.text() };
};

/** A WebSocket made by hand: the test decides about every frame, and never answers a ping. */
async function connectByHand(cluster) {
  const { hostname, port } = new URL(cluster.url);
  const socket = net.connect({ host: hostname, port });
  const received = [];
  socket.on("data", (bytes) => received.push(bytes));
  socket.on("error", () => {});
  socket.write(`GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
               `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n` +
               `Sec-WebSocket-Protocol: ${SUBPROTOCOL}\r\n\r\n`);
  while (!Buffer.concat(received).includes("\r\n\r\n")) await once(socket, "data");
  const all = Buffer.concat(received);
  received.splice(0, received.length, all.subarray(all.indexOf("\r\n\r\n") + 4));
  return { socket, received, bytes: () => Buffer.concat(received) };
}

function frame(opcode, isLast, payload) {
  const mask = randomBytes(4);
  const masked = payload.map((byte, i) => byte ^ mask[i % 4]);
  return Buffer.concat([Buffer.from([(isLast ? 0x80 : 0) | opcode, 0x80 | payload.length]), mask, masked]);
}

test("health and readiness are told over HTTP", (t) => withCluster(t, new Cluster(), async (cluster) => {
  assert.deepEqual(await get(cluster, "/healthz"), { status: 200, text: "ok\n" });
  assert.equal((await get(cluster, "/readyz")).status, 200);
  assert.equal((await get(cluster, "/elsewhere")).status, 404);
  assert.equal((await get(cluster, "/v1/ws")).status, 404, "a plain request is no WebSocket");
  assert.equal((await get(cluster, "/metrics")).status, 404, "not on the port of clients");
  await cluster.shard.stop("SIGKILL");
  for (let status = 200; status !== 503;) ({ status } = await get(cluster, "/readyz"));
  assert.equal((await get(cluster, "/healthz")).status, 200);
}));

test("the files of a folder are served, and nothing else", async (t) => {
  const site = await mkdtemp(join(tmpdir(), "ordo-site-"));
  t.after(() => rm(site, { recursive: true, force: true }));
  const large = randomBytes(400_000).toString("base64");
  await mkdir(join(site, "app"));
  await writeFile(join(site, "index.html"), "<p>page</p>");
  await writeFile(join(site, "app", "large.js"), large);
  await writeFile(join(site, "app", "empty.css"), "");
  await writeFile(join(site, ".hidden.txt"), "secret");
  await writeFile(join(site, "program.sh"), "secret");
  await symlink("/etc/hostname", join(site, "link.txt"));
  await withCluster(t, new Cluster({ gatewayArgs: ["--static", site] }), async (cluster) => {
    const page = await fetch(`http://${origin(cluster)}/`);
    assert.equal(await page.text(), "<p>page</p>");
    assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
    assert.match(page.headers.get("content-security-policy"), /^default-src 'none'; script-src 'self';/);
    assert.equal(page.headers.get("x-content-type-options"), "nosniff");
    const etag = page.headers.get("etag");
    assert.equal((await fetch(`http://${origin(cluster)}/`, { headers: { "if-none-match": etag } })).status, 304);
    const head = await fetch(`http://${origin(cluster)}/`, { method: "HEAD" });
    assert.deepEqual([head.status, head.headers.get("etag"), await head.text()], [200, etag, ""]);
    assert.equal((await fetch(`http://${origin(cluster)}/healthz`, { method: "HEAD" })).status, 200);
    assert.equal((await fetch(`http://${origin(cluster)}/nothing`, { method: "HEAD" })).status, 404);
    assert.equal((await get(cluster, "/app/large.js")).text, large);
    assert.deepEqual(await get(cluster, "/app/empty.css"), { status: 200, text: "" });
    await writeFile(join(site, "late.html"), "not there at the start");
    const others = ["/.hidden.txt", "/program.sh", "/link.txt", "/late.html", "/app", "/app/", "/app/../../etc/hostname",
                    "/%2e%2e/etc/hostname", "/app/large.js%00.html", "//etc/hostname"];
    for (const path of others) assert.match(await statusOf(cluster, path), /^(404|closed)$/, path);
    assert.equal((await get(cluster, "/healthz")).text, "ok\n");
    // Many readers at once, none of whom waits for another.
    const answers = await Promise.all(Array.from({ length: 20 }, () => get(cluster, "/app/large.js")));
    assert.ok(answers.every((answer) => answer.text === large));
  });
});

/** `fetch` would tidy the path up. */
async function statusOf(cluster, path) {
  const { hostname, port } = new URL(cluster.url);
  const socket = net.connect({ host: hostname, port });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  let answer = "";
  for await (const bytes of socket) {
    answer += bytes;
    if (answer.includes("\r\n")) break;
  }
  socket.destroy();
  return answer.split(" ")[1] ?? "closed";
}

test("a message in fragments is one message", (t) => withCluster(t, new Cluster(), async (cluster) => {
  const { socket, bytes } = await connectByHand(cluster);
  const message = encodeClient({ hello: { protocol: 1, client_id: randomBytes(16) } }, { request: 6, ping: { nonce: 5 } });
  socket.write(frame(2, false, message.subarray(0, 3)));
  socket.write(frame(0, false, message.subarray(3, 4)));
  socket.write(frame(9, true, Buffer.from("between"))); // a ping may stand between fragments
  socket.write(frame(0, true, message.subarray(4)));
  const pongs = [];
  while (!pongs.some((answer) => answer.pong)) {
    await once(socket, "data");
    for (let rest = bytes(); rest.length >= 2 && rest.length >= 2 + rest[1];) { // our frames are short
      if (rest[0] === 0x82) pongs.push(...decodeServer(rest.subarray(2, 2 + rest[1])));
      rest = rest.subarray(2 + rest[1]);
    }
  }
  assert.equal(Number(pongs.find((answer) => answer.pong).pong.nonce), 5);
  socket.destroy();
}));

test("a peer that answers no ping is closed, one that does is not", (t) =>
  withCluster(t, new Cluster({ gatewayArgs: ["--ping-interval-ms", "200"] }), async (cluster) => {
    const living = await RawConnection.connect(cluster.url);
    const { socket } = await connectByHand(cluster);
    socket.write(frame(2, true, encodeClient({ hello: { protocol: 1, client_id: randomBytes(16) } })));
    await once(socket, "close");
    living.send({ ping: { nonce: 1 } });
    await living.next((message) => message.pong);
    living.close();
  }));

test("connections over the limit are refused until one ends", (t) =>
  withCluster(t, new Cluster({ gatewayArgs: ["--connections-max", "1"] }), async (cluster) => {
    const first = await RawConnection.connect(cluster.url);
    await assert.rejects(RawConnection.connect(cluster.url), /503/); // what load balancers try elsewhere
    first.close();
    const another = async () => {
      try {
        return await RawConnection.connect(cluster.url);
      } catch {
        return another(); // the gateway learns of the end a little later
      }
    };
    (await another()).close();
  }));

test("a gateway that stops says so, closes in good order and exits with 0", (t) =>
  withCluster(t, new Cluster(), async (cluster) => {
    const raw = await RawConnection.connect(cluster.url);
    raw.send({ request: 1, open: { collection: "c", id: "d", create_type: "text" } });
    const { doc, opened } = await raw.next((message) => message.opened);
    raw.send({ doc, submit: { client_seq: 1, base_seq: opened.head, ...insertAtStart("x") } });
    await raw.next((message) => message.ack);
    const ended = cluster.gateway.stop("SIGTERM");
    await raw.next((message) => message.go_away);
    assert.equal((await raw.closed).code, 1001);
    assert.deepEqual(await ended, { code: 0, signal: null });
  }));
