// Documents are made once, deleted, and made again; the order goes on through all of it.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster, withCluster } from "./lib/cluster.mjs";
import { RawConnection, insertAtStart } from "./lib/raw.mjs";
import { NackCode } from "./lib/wire.mjs";

const inCluster = (name, act) => test(name, (t) => withCluster(t, new Cluster(), act));

inCluster("many Opens at once create a document once, with the content of one of them", async (cluster) => {
  const raws = await Promise.all(Array.from({ length: 12 }, () => RawConnection.connect(cluster.url)));
  const opened = await Promise.all(raws.map((raw, index) =>
    raw.open("c", "new", { create_content: insertAtStart(`by ${index}`).text })));
  assert.equal(opened.filter((one) => one.created).length, 1);
  assert.equal(new Set(opened.map((one) => one.lineage)).size, 1);
  assert.ok(opened.every((one) => one.head === 1));
  const texts = new Set(opened.map((one) => one.content?.text ?? one.ops[0].create.text.text));
  assert.equal(texts.size, 1);
  assert.equal([...texts][0], `by ${opened.findIndex((one) => one.created)}`);
});

inCluster("delete and create are ops: the order continues, the lineage does not", async (cluster) => {
  const [raw, other] = [await RawConnection.connect(cluster.url), await RawConnection.connect(cluster.url)];
  const { doc, head, lineage } = await raw.open("c", "d");
  const otherDoc = (await other.open("c", "d")).doc;
  assert.equal((await raw.submit(doc, 1, head, insertAtStart("x"))).ack.server_seq, head + 1);
  assert.equal((await raw.submit(doc, 2, head + 1, { delete: {} })).ack.server_seq, head + 2);
  assert.ok((await other.next((message) => message.committed?.delete)).committed);
  assert.equal((await other.submit(otherDoc, 1, head + 1, insertAtStart("y"))).nack.code, NackCode.DELETED);
  assert.equal((await other.submit(otherDoc, 2, head + 1, { delete: {} })).ack.server_seq, head + 3, "as an empty op");
  assert.equal((await raw.submit(doc, 3, head + 3, { create: { type: "text", ...insertAtStart("new") } })).ack.server_seq,
               head + 4);
  const again = { create: { type: "text", text: {} } };
  assert.equal((await other.submit(otherDoc, 3, head + 4, again)).nack.code, NackCode.EXISTS);
  const empty = { create: { type: "text" } };
  assert.equal((await other.submit(otherDoc, 4, head + 4, empty)).nack.code, NackCode.INVALID_OP, "create without op");
  const created = (await other.next((message) => message.committed?.create)).committed.create;
  assert.notEqual(created.lineage, lineage);

  for (const restart of [false, true]) {
    if (restart) await cluster.restart("SIGKILL");
    const fresh = await RawConnection.connect(cluster.url);
    const opened = await fresh.open("c", "d");
    assert.deepEqual([opened.head, opened.lineage, opened.created], [head + 4, created.lineage, false]);
    const stale = await RawConnection.connect(cluster.url);
    const answer = await stale.open("c", "d", { have_seq: head + 1, have_lineage: lineage });
    assert.equal(answer.content?.text, "new", "positions of the old lineage mean nothing in the new one");
  }
});

inCluster("a deleted document can be opened and says so", async (cluster) => {
  const raw = await RawConnection.connect(cluster.url);
  const { doc, head } = await raw.open("c", "d", { create_content: insertAtStart("x").text });
  await raw.submit(doc, 1, head, { delete: {} });
  const fresh = await RawConnection.connect(cluster.url);
  const opened = await fresh.open("c", "d", { create_type: "" });
  assert.equal(opened.head, head + 1);
  const isDeleted = opened.content ? opened.content.deleted || opened.ops.at(-1)?.delete : opened.ops.at(-1).delete;
  assert.ok(isDeleted);
  assert.equal((await fresh.submit(opened.doc, 1, head + 1, insertAtStart("y"))).nack.code, NackCode.DELETED);
});

inCluster("a long document comes in parts that are cut between code points", async (cluster) => {
  const writer = await cluster.join();
  const piece = "añ日😀".repeat(60_000); // 600 kB of UTF-8
  for (let i = 0; i < 4; i++) {
    writer.splice(0, 0, piece);
    await writer.settled();
  }
  assert.equal((await cluster.join()).text, writer.text);
  await cluster.restart("SIGKILL");
  const raw = await RawConnection.connect(cluster.url);
  raw.send({ request: 9, open: { collection: "c", id: "d" } });
  let text = "", partCount = 0, head = 0;
  for (let more = true; more; partCount++) {
    const { opened } = await raw.next((message) => message.request === 9);
    assert.doesNotMatch(opened.content?.text ?? "", /\ufffd/);
    text += opened.content?.text ?? "";
    ({ more, head } = opened);
  }
  assert.equal(head, writer.confirmed.seq);
  assert.ok(partCount > 4, `${partCount} parts`);
  assert.equal(text, writer.text);
});
