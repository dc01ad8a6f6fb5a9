// What Open answers: content or ops, exactly what was asked for, on handles that are never used twice.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { Cluster, withCluster } from "./lib/cluster.mjs";
import { RawConnection, insertAtStart } from "./lib/raw.mjs";
import { encodeClient } from "./lib/wire.mjs";

const inCluster = (name, act) => test(name, (t) => withCluster(t, new Cluster(), act));

/** A document with the ops "1" … "9" typed at its start: { lineage, head, base }, where text n stands at base + n. */
async function nineOps(cluster) {
  const raw = await RawConnection.connect(cluster.url);
  const { doc, head: base, lineage } = await raw.open("c", "d");
  for (let i = 1; i <= 9; i++) await raw.submit(doc, i, base + i - 1, insertAtStart(String(i)));
  return { raw, lineage, base, head: base + 9 };
}

inCluster("with have_seq come the ops since then, live or from disk", async (cluster) => {
  const { lineage, base, head } = await nineOps(cluster);
  for (const restart of [false, true]) {
    if (restart) await cluster.restart("SIGKILL");
    for (const have of [base, base + 4, head]) {
      const raw = await RawConnection.connect(cluster.url);
      const opened = await raw.open("c", "d", { have_seq: have, have_lineage: lineage });
      assert.equal(opened.content, null);
      assert.deepEqual(opened.ops.map((op) => [op.server_seq, op.text.text]),
                       Array.from({ length: head - have }, (_, i) => [have + i + 1, String(have - base + i + 1)]));
      assert.equal(opened.head, head);
    }
  }
});

inCluster("content comes without have_seq, from another lineage, and from the future", async (cluster) => {
  const { lineage, head } = await nineOps(cluster);
  const wholes = [{}, { have_seq: head, have_lineage: lineage + 1 }, { have_seq: head + 1, have_lineage: lineage },
                  { have_seq: 2 ** 53 - 1, have_lineage: lineage }, { have_seq: 0, have_lineage: lineage, clean: true }];
  for (const have of wholes) {
    const raw = await RawConnection.connect(cluster.url);
    const opened = await raw.open("c", "d", have);
    let text = opened.content?.text ?? "";
    for (const op of opened.ops) text = (op.text?.text ?? "") + text;
    assert.equal(text, "987654321", JSON.stringify(have));
    assert.equal(opened.head, head);
    if (have.have_seq > head || have.have_lineage > lineage) assert.ok(opened.content, "ops would not fit");
  }
});

inCluster("a handle is given up by Leave and never used again", async (cluster) => {
  const { raw: writer, head } = await nineOps(cluster);
  const raw = await RawConnection.connect(cluster.url);
  const handles = new Set();
  for (let i = 0; i < 20; i++) {
    const { doc } = await raw.open("c", "d");
    assert.ok(doc > 0 && !handles.has(doc));
    handles.add(doc);
    raw.send({ doc, leave: {} });
  }
  await writer.submit(1, 10, head, insertAtStart("unseen"));
  raw.send({ ping: { nonce: 5 } });
  await raw.next((message) => message.pong);
  assert.equal(raw.messages.filter((message) => message.committed).length, 0, "who left is not told");
});

inCluster("one connection has many documents, one frame has many messages", async (cluster) => {
  const raw = await RawConnection.connect(cluster.url);
  const count = 200;
  const opens = Array.from({ length: count }, (_, i) =>
    ({ request: i + 1, open: { collection: "many", id: String(i), create_type: "text" } }));
  raw.send(...opens);
  const handles = [];
  for (let i = 0; i < count; i++) handles.push((await raw.next((message) => message.request === i + 1)).doc);
  assert.equal(new Set(handles).size, count);
  const submits = handles.map((doc, i) =>
    ({ doc, submit: { client_seq: 1, base_seq: 1, ...insertAtStart(`doc ${i}`) } }));
  raw.sendBytes(Buffer.concat(submits.map((message) => encodeClient(message)))); // joined frames are a frame
  for (const doc of handles) assert.equal((await raw.answerTo(doc, 1)).ack.server_seq, 2);
  assert.equal((await cluster.doc("cat", "many/137")).stdout, "doc 137");
});

/** Of the threads with this name in a process: ms on a core, and how often they gave it up themselves. */
function timesOfThreads(pid, name) {
  const read = (tid, file) => readFileSync(`/proc/${pid}/task/${tid}/${file}`, "utf8");
  const tids = readdirSync(`/proc/${pid}/task`).filter((tid) => read(tid, "comm").trim() === name);
  const sum = (figure) => tids.reduce((total, tid) => total + figure(tid), 0);
  return { cpu: sum((tid) => Number(read(tid, "schedstat").split(" ")[0]) / 1e6),
           pauses: sum((tid) => Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(read(tid, "status"))[1])) };
}

inCluster("whoever makes a large document ready lets others have the core in between", async (cluster) => {
  const input = "a line that stands for itself\n".repeat(600 * 1000);
  assert.equal((await cluster.doc("put", "c/large", { input })).code, 0);
  await cluster.restart();
  const before = timesOfThreads(cluster.shard.child.pid, "helper");
  assert.equal((await cluster.doc("cat", "c/large")).stdout.length, input.length);
  const after = timesOfThreads(cluster.shard.child.pid, "helper");
  const cpu = after.cpu - before.cpu, pauses = after.pauses - before.pauses;
  assert.ok(cpu > 10, `there was work to do: ${cpu} ms`);
  assert.ok(pauses > cpu, `${pauses} pauses in ${cpu} ms`);
});

inCluster("more documents than a connection may have are refused", async (cluster) => {
  const raw = await RawConnection.connect(cluster.url);
  let refused = null;
  for (let i = 0; i < 1500 && !refused; i += 100) {
    raw.send(...Array.from({ length: 100 }, (_, k) =>
      ({ request: i + k + 1, open: { collection: "many", id: String(i + k), create_type: "text" } })));
    for (let k = 0; k < 100; k++) {
      const answer = await raw.next((message) => message.request === i + k + 1);
      refused ??= answer.error;
    }
  }
  assert.equal(refused?.code, 429);
});
