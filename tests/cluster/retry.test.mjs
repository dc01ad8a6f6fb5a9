// Exactly once, seen from the wire: every trap of DESIGN section 8 that a client or a network can lay.
import { test } from "node:test";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Cluster, converge, withCluster } from "./lib/cluster.mjs";
import { FrameProxy, TcpProxy, overtakingDuplicates } from "./lib/proxies.mjs";
import { eventually, run } from "./lib/process.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { RawConnection, insertAtStart } from "./lib/raw.mjs";
import { NackCode } from "./lib/wire.mjs";
import { typeALot } from "./lib/typing.mjs";

const random = new Random(seedOfRun);
const inCluster = (name, act) => test(name, (t) => withCluster(t, new Cluster(), act));

inCluster("a retry through a new connection gets the original server_seq", async (cluster) => {
  const first = await RawConnection.connect(cluster.url);
  const opened = await first.open("c", "d");
  const { ack } = await first.submit(opened.doc, 1, opened.head, insertAtStart("once"));
  assert.deepEqual([ack.server_seq, ack.duplicate], [opened.head + 1, false]);
  const other = await RawConnection.connect(cluster.url);
  const otherDoc = await other.open("c", "d");
  assert.equal((await other.submit(otherDoc.doc, 1, otherDoc.head, insertAtStart("later"))).ack.server_seq, 3);
  first.close();

  for (const restart of [false, "SIGKILL", "SIGTERM"]) {
    if (restart) await cluster.restart(restart);
    const again = await RawConnection.connect(cluster.url, { clientId: first.clientId });
    const reopened = await again.open("c", "d", { have_seq: 1, have_lineage: opened.lineage });
    assert.deepEqual([reopened.last_client_seq, reopened.last_client_server_seq, reopened.head], [1, 2, 3]);
    const retry = await again.submit(reopened.doc, 1, opened.head, insertAtStart("once"));
    assert.deepEqual([retry.ack.server_seq, retry.ack.duplicate], [2, true], `after ${restart || "a new connection"}`);
    again.close();
  }
  assert.equal((await cluster.doc("cat", "c/d")).stdout, "lateronce");
});

inCluster("a retry of an op older than the newest is still answered with its own server_seq", async (cluster) => {
  const raw = await RawConnection.connect(cluster.url);
  const { doc, head } = await raw.open("c", "d");
  for (let i = 1; i <= 20; i++) await raw.submit(doc, i, head + i - 1, insertAtStart(String(i % 10)));
  for (const clientSeq of [1, 7, 20]) {
    const { ack } = await raw.submit(doc, clientSeq, head + clientSeq - 1, insertAtStart(String(clientSeq % 10)));
    assert.deepEqual([ack.server_seq, ack.duplicate], [head + clientSeq, true]);
  }
});

inCluster("a reused client_seq with another op is refused as replayed", async (cluster) => {
  const raw = await RawConnection.connect(cluster.url);
  const { doc, head } = await raw.open("c", "d");
  await raw.submit(doc, 5, head, insertAtStart("five"));
  assert.equal((await raw.submit(doc, 5, head, insertAtStart("FIVE"))).nack.code, NackCode.REPLAYED, "other text");
  assert.equal((await raw.submit(doc, 5, head + 1, insertAtStart("five"))).nack.code, NackCode.REPLAYED, "other base");
  const lower = await raw.submit(doc, 4, head + 1, insertAtStart("four"));
  assert.equal(lower.nack.code, NackCode.REPLAYED, "never used, but lower");
  assert.equal((await raw.submit(doc, 6, head + 1, insertAtStart("six"))).ack.server_seq, head + 2);
  assert.equal((await raw.submit(doc, 7, head + 1, insertAtStart("seven"))).nack.code, NackCode.PIPELINED);
});

inCluster("opening under a client_id ends the writing of an earlier connection with it", async (cluster) => {
  const clientId = randomBytes(16);
  const earlier = await RawConnection.connect(cluster.url, { clientId });
  const earlierDoc = await earlier.open("c", "d");
  const later = await RawConnection.connect(cluster.url, { clientId });
  const laterDoc = await later.open("c", "d");
  const { nack } = await earlier.submit(earlierDoc.doc, 1, earlierDoc.head, insertAtStart("no"));
  assert.equal(nack.code, NackCode.NOT_OPEN);
  assert.equal((await later.submit(laterDoc.doc, 1, laterDoc.head, insertAtStart("yes"))).ack.duplicate, false);
  const shown = await earlier.next((message) => message.committed);
  assert.equal(shown.committed.text.text, "yes", "it goes on reading, with Committed in the place of Ack");
});

inCluster("an op of an earlier connection that arrives late is not committed", async (cluster) => {
  const proxy = new TcpProxy(new URL(cluster.url).host);
  cluster.closers.push(() => proxy.close());
  const slowUrl = `ws://${await proxy.listen()}/v1/ws`;
  const slow = await RawConnection.connect(slowUrl);
  const slowDoc = await slow.open("c", "d");
  proxy.hold("toServer");
  slow.send({ doc: slowDoc.doc, submit: { client_seq: 1, base_seq: slowDoc.head, ...insertAtStart("late") } });

  const fresh = await RawConnection.connect(cluster.url, { clientId: slow.clientId });
  const freshDoc = await fresh.open("c", "d");
  assert.equal(freshDoc.last_client_seq, 0, "and this is final");
  proxy.release();
  assert.equal((await slow.answerTo(slowDoc.doc, 1)).nack.code, NackCode.NOT_OPEN);
  const anew = await fresh.submit(freshDoc.doc, 2, freshDoc.head, insertAtStart("anew"));
  assert.equal(anew.ack.server_seq, freshDoc.head + 1);
  assert.equal((await cluster.doc("cat", "c/d")).stdout, "anew");
});

/** The shard's answers are held on their way to the gateway until the op is committed, then the link breaks. */
async function commitBehindABrokenLink(cluster, write) {
  const proxy = new TcpProxy(cluster.endpoints.data.replace("tcp://", ""));
  cluster.closers.push(() => proxy.close());
  cluster.link.data = `tcp://${await proxy.listen()}`;
  await cluster.gateway.stop();
  await cluster.startGateway();
  const writer = await write.join();
  const witness = await cluster.secondGateway();
  const watcher = await cluster.join({ url: witness });
  proxy.hold("toClient");
  write.submit(writer);
  await watcher.until(() => watcher.text.includes("fate"), "the op to be committed");
  proxy.cut();
  proxy.release();
  return { writer, watcher };
}

inCluster("UNAVAILABLE, or a resync, for an op that was committed: the retry finds the original", async (cluster) => {
  let submitted;
  const { writer, watcher } = await commitBehindABrokenLink(cluster, {
    join: async () => {
      const raw = await RawConnection.connect(cluster.url);
      raw.opened = await raw.open("c", "d");
      return raw;
    },
    submit: (raw) => {
      submitted = { client_seq: 1, base_seq: raw.opened.head, ...insertAtStart("fate") };
      raw.send({ doc: raw.opened.doc, submit: submitted });
    },
  });
  const news = await writer.next(({ nack, opened, ack }) => nack || opened || ack);
  assert.ok(!news.ack, "the ack was lost with the link");
  if (news.nack) assert.equal(news.nack.code, NackCode.UNAVAILABLE);
  else assert.equal(news.opened.last_client_seq, 1);
  const resynced = news.opened ? news : await writer.next((message) => message.opened);
  assert.equal(resynced.request, 0, "it came unasked");
  assert.deepEqual(resynced.opened.ops.map((op) => [op.server_seq, op.client_seq]), [[watcher.confirmed.seq, 1]]);
  writer.send({ doc: writer.opened.doc, submit: submitted });
  const { ack } = await writer.answerTo(writer.opened.doc, 1);
  assert.deepEqual([ack.server_seq, ack.duplicate], [watcher.confirmed.seq, true]);
});

inCluster("an unasked Opened while an op is in flight settles it once", async (cluster) => {
  const { writer, watcher } = await commitBehindABrokenLink(cluster, {
    join: () => cluster.join(),
    submit: (client) => client.splice(0, 0, "fate"),
  });
  await writer.settled();
  assert.ok(writer.resyncs > 0, "the gateway resynced it without being asked");
  assert.equal(writer.reconnects, 0, "the connection to the gateway stayed");
  assert.equal(await converge([writer, watcher]), "fate");
});

inCluster("an op sent while the shard is down is committed once when it is back", async (cluster) => {
  const client = await cluster.join();
  client.splice(0, 0, "before ");
  await client.settled();
  await cluster.shard.stop("SIGKILL");
  client.splice(7, 0, "during");
  await cluster.startShard();
  await client.settled();
  assert.equal(client.reconnects, 0, "clients stay connected to the gateway");
  assert.equal((await cluster.doc("cat", "c/d")).stdout, "before during");
});

inCluster("a duplicate ack that overtakes its original settles nothing", async (cluster) => {
  const seen = { count: 0 };
  const proxy = new FrameProxy(cluster.url, overtakingDuplicates(seen));
  cluster.closers.push(() => proxy.close());
  const url = await proxy.listen();
  const clients = [await cluster.join({ url }), await cluster.join({ url }), await cluster.join()];
  await typeALot(random, clients, 300);
  await converge(clients);
  assert.ok(seen.count > 20, `it happened ${seen.count} times`);
  await eventually(async () => (await cluster.join()).text === clients[0].text, "a fresh client to agree", 1000);
});

inCluster("our own clients survive a duplicate ack that overtakes its original", async (cluster) => {
  const seen = { count: 0 };
  const proxy = new FrameProxy(cluster.url, overtakingDuplicates(seen));
  cluster.closers.push(() => proxy.close());
  const args = ["--docs", "2", "--clients", "3", "--duration", "3", "--verify"];
  const load = await run("ordo-load", ["--url", await proxy.listen(), ...args]);
  assert.equal(load.code, 0, load.stderr);
  assert.ok(seen.count > 20, `it happened ${seen.count} times`);
});
