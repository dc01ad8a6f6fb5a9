// Clients that know the language and have no manners: random messages in random order, handles and seqs that fit or do
// not, shared client_ids, deletes and creates, while links break and the shard is killed. Nobody may crash, the order
// stays dense for those who watch, and what is on disk passes `ordo verify`.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster, withCluster } from "./lib/cluster.mjs";
import { TcpProxy } from "./lib/proxies.mjs";
import { Random, randomText, seedOfRun } from "./lib/random.mjs";
import { RawConnection } from "./lib/raw.mjs";
import { codePointCount } from "./lib/text.mjs";
import { pause } from "./lib/typing.mjs";

const random = new Random(seedOfRun);
const DURATION_MS = Number(process.env.ORDO_CHAOS_MS ?? 15_000);
const IDS = ["a", "b", "c"];

/** A TextOp with a valid shape that may or may not fit the document. */
function randomTextOp() {
  const spans = [];
  let text = "", lastKind = -1;
  for (let i = random.below(5); i > 0; i--) {
    const kind = random.below(3);
    if (kind === lastKind && !random.chance(5)) continue;
    lastKind = kind;
    if (kind === 1) {
      const piece = randomText(random);
      text += piece;
      spans.push(codePointCount(piece) * 16 + random.below(4) * 4 + 1);
    } else spans.push((1 + random.below(random.chance(90) ? 8 : 2 ** 31)) * 16 + kind);
  }
  if (lastKind === 0) spans.pop();
  return { spans, text };
}

const nearby = (seq) => Math.max(0, seq + random.below(6) - 4);

function randomMessage(raw) {
  const doc = random.chance(90) && raw.handles.length > 0 ? random.pick(raw.handles) : random.below(9);
  const head = raw.heads.get(doc) ?? 0;
  const submit = (op) => ({ doc, submit: { client_seq: nearby(raw.clientSeq += random.below(2)),
                                           base_seq: random.chance(80) ? head : nearby(head), ...op } });
  const dice = random.below(100);
  if (dice < 8) return { request: ++raw.request, open: randomOpen(raw) };
  if (dice < 12) return { doc, leave: {} };
  if (dice < 75) return submit({ text: randomTextOp() });
  if (dice < 77) return submit({ delete: {} });
  if (dice < 81) return submit({ create: { type: random.chance(90) ? "text" : "x", text: randomTextOp() } });
  if (dice < 82) return submit({});
  if (dice < 90) return { doc, presence: { data: random.bytes(5), base_seq: nearby(head), clear: random.chance(20),
                                           ranges: [{ anchor: random.below(20), head: random.below(20) }] } };
  if (dice < 98) {
    const range = { from_seq: nearby(3), to_seq: random.chance(30) ? 0 : nearby(head) };
    return { request: ++raw.request, doc, history: random.chance(70) ? range : { at_seq: nearby(head) } };
  }
  return { request: ++raw.request, ping: { nonce: random.below(1000) } };
}

function randomOpen(raw) {
  const open = { collection: "chaos", id: random.pick(IDS), presence: random.chance(50), clean: random.chance(30) };
  if (random.chance(80)) open.create_type = "text";
  if (random.chance(30)) Object.assign(open, { have_seq: nearby(raw.newestHead), have_lineage: raw.lineage });
  if (random.chance(20)) open.create_content = randomTextOp();
  return open;
}

/** Keeps track of handles and heads; checks that what is delivered is dense. */
function follow(raw, message) {
  const { doc, opened, committed, ack } = message;
  if (opened) {
    if (!raw.handles.includes(doc)) raw.handles.push(doc);
    if (raw.handles.length > 6) raw.handles.shift();
    if (!opened.more) raw.heads.set(doc, opened.head);
    raw.newestHead = opened.head;
    raw.lineage = opened.lineage;
    raw.clientSeq = Math.max(raw.clientSeq, opened.last_client_seq);
  }
  const seq = committed?.server_seq ?? (ack && !ack.duplicate ? ack.server_seq : null);
  if (seq === null || !raw.heads.has(doc)) return;
  assert.equal(seq, raw.heads.get(doc) + 1, `document ${doc} has a gap`);
  raw.heads.set(doc, seq);
}

async function misbehave(cluster, url, clientIds, endMs, count) {
  while (Date.now() < endMs) {
    const raw = await RawConnection.connect(url, { clientId: random.pick(clientIds) }).catch(() => null);
    if (!raw) {
      await pause(20);
      continue;
    }
    Object.assign(raw, { handles: [], heads: new Map(), request: 1, clientSeq: 0, newestHead: 0, lineage: 1 });
    raw.onMessage = (message) => { count.messages++; follow(raw, message); };
    const isOpen = () => raw.socket.readyState === raw.socket.OPEN;
    for (let left = 50 + random.below(400); left > 0 && isOpen() && Date.now() < endMs; left -= 5) {
      raw.send(...Array.from({ length: 1 + random.below(8) }, () => randomMessage(raw)));
      await pause(random.below(4));
    }
    raw.close();
  }
}

test("random messages, broken links and kills at once break nothing", (t) =>
  withCluster(t, new Cluster({ shardArgs: ["--unload-ms", "100", "--rebase-budget", "300"] }), async (cluster) => {
    const proxy = new TcpProxy(cluster.endpoints.data.replace("tcp://", ""));
    cluster.closers.push(() => proxy.close());
    cluster.link.data = `tcp://${await proxy.listen()}`;
    await cluster.gateway.stop();
    await cluster.startGateway();
    const urls = [cluster.url, await cluster.secondGateway()];
    const clientIds = Array.from({ length: 5 }, () => random.bytes(16));
    const count = { messages: 0 }, endMs = Date.now() + DURATION_MS;
    const people = Array.from({ length: 8 }, (_, i) => misbehave(cluster, urls[i % 2], clientIds, endMs, count));
    while (Date.now() < endMs) {
      await pause(200 + random.below(1500));
      if (random.chance(50)) proxy.cut();
      else if (random.chance(50)) {
        await cluster.shard.stop("SIGKILL");
        await cluster.startShard();
      }
    }
    await Promise.all(people);
    t.diagnostic(`${count.messages} messages came back`);
    assert.ok(count.messages > 1000);
    let opCount = 0;
    for (const id of IDS) {
      const { code, stdout, stderr } = await cluster.doc("log", `chaos/${id}`);
      assert.equal(code, 0, stderr);
      const log = stdout.trim().split("\n").map((line) => JSON.parse(line));
      log.forEach((entry, index) => assert.equal(entry.server_seq, index + 1));
      const opIds = log.filter((entry) => entry.client_seq > 0).map((entry) => `${entry.client_id}:${entry.client_seq}`);
      assert.equal(new Set(opIds).size, opIds.length, "an op_id twice");
      opCount += log.length;
    }
    t.diagnostic(`${opCount} ops were committed`);
    const client = await cluster.join();
    client.splice(0, 0, "alive");
    await client.settled(5000);
    await cluster.gateway.stop();
    await cluster.shard.stop();
    const verified = await cluster.verify();
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  }, 120_000 + DURATION_MS));
