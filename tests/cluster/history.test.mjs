// Reading back: ops of a range, the content at a seq or at a time, in parts, also while others type and after a restart.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster, assertSameText, withCluster } from "./lib/cluster.mjs";
import { Random, randomSplice, seedOfRun } from "./lib/random.mjs";
import { RawConnection, insertAtStart } from "./lib/raw.mjs";
import { readHistory as read } from "./lib/stored.mjs";
import * as ot from "./lib/text.mjs";
import { pause } from "./lib/typing.mjs";

const random = new Random(seedOfRun);
const inCluster = (name, act) => test(name, (t) => withCluster(t, new Cluster(), act));

inCluster("any range of ops, and the content at any seq, is what it was", async (cluster) => {
  const client = await cluster.join();
  const texts = new Map([[client.confirmed.seq, client.confirmed.text]]); // seq → text
  const opens = client.confirmed.seq;
  for (let i = 0; i < 300; i++) {
    client.splice(...randomSplice(random, client.text));
    await client.settled();
    texts.set(client.confirmed.seq, client.confirmed.text);
  }
  for (const restart of [false, true]) {
    if (restart) await cluster.restart("SIGKILL");
    const raw = await RawConnection.connect(cluster.url);
    const { doc, head } = await raw.open("c", "d");
    const all = await read(raw, doc, { from_seq: 1, to_seq: 0 });
    assert.deepEqual(all.ops.map((op) => op.server_seq), Array.from({ length: head }, (_, i) => i + 1));
    for (let i = 0; i < 30; i++) {
      const from = 1 + random.below(head), to = from + random.below(head - from + 1);
      const range = await read(raw, doc, { from_seq: from, to_seq: to });
      assert.deepEqual(range.ops, all.ops.slice(from - 1, to), `${from}..${to}`);
      const at = opens + random.below(head - opens + 1);
      const { text, content } = await read(raw, doc, { at_seq: at });
      assert.equal(content.seq, at);
      assertSameText(text, texts.get(at), `the content at ${at}`);
    }
    let text = texts.get(opens);
    for (const op of all.ops.slice(opens)) text = ot.apply(text, ot.decode(op.text));
    assertSameText(text, client.text, "the ops applied one by one");
    assert.equal((await read(raw, doc, { from_seq: head - 2, to_seq: head + 100 })).ops.length, 3, "beyond head");
  }
});

inCluster("the content at a time is what stood then", async (cluster) => {
  const raw = await RawConnection.connect(cluster.url);
  const { doc, head } = await raw.open("c", "d");
  const first = (await raw.submit(doc, 1, head, insertAtStart("first"))).ack;
  await pause(20);
  const second = (await raw.submit(doc, 2, head + 1, insertAtStart("second "))).ack;
  assert.ok(second.timestamp_ms > first.timestamp_ms);
  assert.equal((await read(raw, doc, { at_time_ms: first.timestamp_ms })).text, "first");
  assert.equal((await read(raw, doc, { at_time_ms: second.timestamp_ms - 1 })).text, "first");
  assert.equal((await read(raw, doc, { at_time_ms: second.timestamp_ms + 1000 })).text, "second first");
});

inCluster("a long history comes in parts, and nobody waits for it", async (cluster) => {
  const load = await cluster.load(["--doc", "c/d", "--clients", "4", "--duration", "4"]);
  assert.equal(load.code, 0, load.stderr);
  const reader = await RawConnection.connect(cluster.url);
  const { doc, head } = await reader.open("c", "d");
  const neighbour = await cluster.join();
  for (let i = 0; i < 3; i++) {
    const reading = read(reader, doc, { from_seq: 1, to_seq: head });
    neighbour.splice(0, 0, "x");
    await neighbour.settled(5000);
    const { ops } = await reading;
    assert.deepEqual([ops.length, ops[0].server_seq, ops.at(-1).server_seq], [head, 1, head]);
  }
});

/** The error code of a request that is refused. */
async function refusal(raw, doc, request) {
  const number = (raw.historyRequest = (raw.historyRequest ?? 1000) + 1);
  raw.send({ request: number, doc, history: request });
  const { error, history } = await raw.next((message) => message.request === number);
  assert.ok(error, `refused, not answered with ${JSON.stringify(history)}`);
  assert.notEqual(error.message, "");
  return error.code;
}

inCluster("what lies outside of the history has an exact answer", async (cluster) => {
  const raw = await RawConnection.connect(cluster.url);
  const { doc, head: created } = await raw.open("c", "d");
  const first = (await raw.submit(doc, 1, created, insertAtStart("first"))).ack;
  const removed = (await raw.submit(doc, 2, first.server_seq, { delete: {} })).ack;
  const head = removed.server_seq, farthest = 2 ** 53 - 1;

  for (const request of [{}, { from_seq: 0, to_seq: 1 }, { from_seq: 2, to_seq: 1 }, { from_seq: farthest, to_seq: head },
                         { at_seq: head + 1 }, { at_seq: farthest }]) {
    assert.equal(await refusal(raw, doc, request), 400, JSON.stringify(request));
  }
  for (const request of [{ from_seq: head + 1, to_seq: 0 }, { from_seq: head + 1, to_seq: head + 9 },
                         { from_seq: farthest, to_seq: farthest }]) {
    const { ops, head: told, text } = await read(raw, doc, request);
    assert.deepEqual([ops, told, text], [[], head, null], JSON.stringify(request));
  }
  const seqs = async (from_seq, to_seq) => (await read(raw, doc, { from_seq, to_seq })).ops.map((op) => op.server_seq);
  assert.deepEqual(await seqs(head, head), [head]);
  assert.deepEqual(await seqs(head, farthest), [head]);
  assert.equal((await seqs(1, farthest)).length, head);

  const content = async (request) => {
    const { content: { seq, deleted }, text, head: told } = await read(raw, doc, request);
    assert.equal(told, head);
    return [seq, deleted, text];
  };
  assert.deepEqual(await content({ at_seq: 0 }), [0, true, ""], "there was nothing yet");
  assert.deepEqual(await content({ at_time_ms: 0 }), [0, true, ""]);
  assert.deepEqual(await content({ at_time_ms: 1 }), [0, true, ""]);
  assert.deepEqual(await content({ at_seq: created }), [created, false, ""]);
  assert.deepEqual(await content({ at_seq: first.server_seq }), [first.server_seq, false, "first"]);
  assert.deepEqual(await content({ at_seq: head }), [head, true, ""], "deleted");
  assert.deepEqual(await content({ at_time_ms: farthest }), [head, true, ""]);
  assert.equal(await refusal(raw, doc + 1, { from_seq: 1, to_seq: 0 }), 404, "a document that is not open");
});
