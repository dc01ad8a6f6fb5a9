// Cursors and names (DESIGN section 14): shown to all who asked, stored nowhere, gone with the connection.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster, withCluster } from "./lib/cluster.mjs";
import { RawConnection, insertAtStart } from "./lib/raw.mjs";

const inCluster = (name, act) => test(name, (t) => withCluster(t, new Cluster(), act));
const join = async (cluster, presence = true) => {
  const raw = await RawConnection.connect(cluster.url);
  raw.opened = await raw.open("c", "d", { presence });
  raw.show = (data, ranges = [], baseSeq = raw.opened.head) =>
    raw.send({ doc: raw.opened.doc, presence: { data: Buffer.from(data), base_seq: baseSeq, ranges } });
  return raw;
};
const from = (raw) => ({ presence }) => presence && presence.client_id.equals(raw.clientId);

inCluster("presence reaches those who asked for it, the newest wins, and clear ends it", async (cluster) => {
  const [writer, reader, deaf] = [await join(cluster), await join(cluster), await join(cluster, false)];
  writer.show("first", [{ anchor: 0, head: 0 }]);
  const { presence } = await reader.next(from(writer));
  assert.equal(String(presence.data), "first");
  assert.deepEqual(presence.ranges, [{ anchor: 0, head: 0 }]);
  for (let i = 0; i <= 50; i++) writer.show(`n${i}`);
  let count = 0;
  for (let data = ""; data !== "n50"; count++) data = String((await reader.next(from(writer))).presence.data);
  assert.ok(count <= 20, `51 updates at once came as ${count}: they go in ticks`);
  writer.send({ doc: writer.opened.doc, presence: { clear: true } });
  assert.equal((await reader.next(from(writer))).presence.gone, true);
  assert.equal(deaf.messages.filter((message) => message.presence).length, 0, "who did not ask gets none");
  const own = writer.messages.filter(from(writer)).filter(({ presence }) => !presence.gone);
  assert.equal(own.length, 0, "nobody gets their own");
});

inCluster("a newcomer gets the present set, with ranges brought up to head", async (cluster) => {
  const writer = await join(cluster);
  const { ack } = await writer.submit(writer.opened.doc, 1, writer.opened.head, insertAtStart("0123456789"));
  writer.show("me", [{ anchor: 5, head: 7 }], ack.server_seq);
  const other = await join(cluster);
  await other.next(from(writer));
  await other.submit(other.opened.doc, 1, other.opened.head, insertAtStart("abc"));
  const newcomer = await join(cluster);
  const { presence } = await newcomer.next(from(writer));
  assert.equal(presence.base_seq, newcomer.opened.head);
  assert.deepEqual(presence.ranges, [{ anchor: 8, head: 10 }]);
});

inCluster("presence ends with its connection, and with the gateway", async (cluster) => {
  const secondUrl = await cluster.secondGateway();
  const reader = await RawConnection.connect(secondUrl);
  await reader.open("c", "d", { presence: true });
  const first = await join(cluster), second = await join(cluster);
  first.show("one");
  second.show("two");
  await reader.next(from(first));
  await reader.next(from(second));
  first.close();
  assert.equal((await reader.next(from(first))).presence.gone, true);
  await cluster.gateway.stop("SIGKILL");
  assert.equal((await reader.next(from(second), 30_000)).presence.gone, true);
});

inCluster("presence takes no place in the order and is not stored", async (cluster) => {
  const writer = await join(cluster), reader = await join(cluster);
  for (let i = 0; i < 10; i++) writer.show(`n${i}`);
  await reader.next(from(writer));
  await cluster.shard.stop("SIGTERM");
  await cluster.startShard();
  const fresh = await join(cluster);
  assert.equal(fresh.opened.head, writer.opened.head);
});

inCluster("presence that is too large is refused and costs nobody else", async (cluster) => {
  const writer = await join(cluster), reader = await join(cluster);
  const limit = writer.welcome.presence_size_max;
  assert.ok(limit >= 1024 && limit <= 64 * 1024);
  writer.show("x".repeat(limit + 1));
  const { error } = await writer.next((message) => message.error);
  assert.equal(error.code, 413);
  writer.show("fits");
  assert.equal(String((await reader.next(from(writer))).presence.data), "fits");
});
