// What the client costs, in CPU time of this process (so other load matters little): run after a build, `node bench/bench.mjs`.
// The same in a real page, with an editor, is in test/browser.test.mjs ("long documents …").
import { CONNECTION_DEFAULTS, Connection } from "../dist/core/connection.js";
import { Rope } from "../dist/ot/rope.js";
import { spliceOp } from "../dist/ot/op.js";
import { Client } from "../dist/client.js";
import { MemoryStorage } from "../dist/storage/memory.js";
import { ToyServer } from "../test/toy-server.mjs";
import { Random } from "../test/support.mjs";
import { encodeServer } from "../test/wire.mjs";

const cpuMs = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
const random = new Random(1);
const report = (what, line) => console.log(`${what.padEnd(56)} ${line}`);
const percentile = (list, p) => [...list].sort((a, b) => a - b)[Math.floor(list.length * p)];
const sentence = "The quick brown fox jumps over the lazy dog. 😀\n", long = sentence.repeat(Math.ceil(1024 * 1024 / sentence.length));

/** A client whose socket is a queue that this file empties. */
function pair(storage) {
  const server = new ToyServer(random);
  let connection, socket;
  const platform = {
    openSocket: () => {
      connection = server.connect();
      socket = { send: (bytes) => connection.toServer.push(bytes), close() {} };
      queueMicrotask(() => socket.onopen());
      return socket;
    },
    nowMs: () => performance.now(), randomBytes: (size) => Uint8Array.from({ length: size }, () => random.below(256)),
    storage: () => undefined, later: (call) => setImmediate(call), watch: () => () => {},
  };
  const client = new Client({ url: "ws://toy", storage }, platform);
  const pump = async () => {
    for (let idle = 0; idle < 3;) {
      await new Promise((done) => setImmediate(done));
      const isBusy = connection !== undefined && (connection.toServer.length > 0 || connection.toClient.length > 0);
      idle = isBusy ? 0 : idle + 1;
      if (connection === undefined) { idle = 0; continue; }
      for (const frame of connection.toServer.splice(0)) server.receive(connection, frame);
      for (const frame of connection.toClient.splice(0)) socket.onmessage({ data: frame.buffer.slice(frame.byteOffset, frame.byteOffset + frame.length) });
    }
  };
  return { server, client, pump };
}

async function typing(storage, what) {
  const { client, pump } = pair(storage);
  const doc = client.open("c", "d", { create: true });
  await pump();
  doc.insert(0, long);
  await pump();
  const times = [];
  let at = doc.length >> 1;
  for (let i = 0; i < 500; i++) {
    if (i % 50 === 0) at = random.below(doc.length);
    const start = cpuMs();
    doc.insert(at++, "x");
    times.push(cpuMs() - start);
    if (i % 5 === 0) await pump();
  }
  report(what, `p50 ${percentile(times, 0.5).toFixed(3)} ms, p99 ${percentile(times, 0.99).toFixed(3)} ms`);
  await pump();
  const start = cpuMs();
  for (let i = 0; i < 100; i++) { doc.insert(at++, "x"); await pump(); }
  report(`  … and until its ack is in, server's share too`, `${((cpuMs() - start) / 100).toFixed(3)} ms each`);
  await client.close();
}

async function opening() {
  const { client, server, pump } = pair(null);
  server.texts[0] = long;
  const start = cpuMs();
  const doc = client.open("c", "d");
  await pump();
  await doc.ready;
  report("opening 1 MB (with the toy server's encoding)", `${(cpuMs() - start).toFixed(1)} ms`);
  await client.close();
}

/** `count` ops of somebody else, as parts of an Opened. */
function rebase(pendingCount, count) {
  const connection = new Connection({ ...CONNECTION_DEFAULTS, clientId: "bb".repeat(16), token: "", agent: "", random: () => 0,
    drawClientId: () => "cc".repeat(16) });
  const doc = connection.open({ collection: "c", id: "d", createType: "", presence: false }, {});
  doc.restore({ version: 1, clientId: "bb".repeat(16), collection: "c", id: "d", type: "text", nextClientSeq: 1, lineage: 1, seq: 0,
    deleted: false, content: long, tail: [], flight: null, pending: { kind: "edit", op: { spans: [], text: "" }, editCount: 0 } });
  let start = cpuMs();
  for (let i = 0; i < pendingCount; i++) doc.splice((i * 89) % doc.length, 0, "p");
  report(`${pendingCount} local edits all over 1 MB`, `${(cpuMs() - start).toFixed(0)} ms`);
  connection.dialing(1);
  connection.connected(1);
  connection.takeFrame(1);
  for (const _ of connection.received(encodeServer({ welcome: { protocol: 1 } }), 1));
  connection.takeFrame(1);
  const text = new Rope(long), ops = [];
  for (let i = 0; i < count; i++) {
    const op = spliceOp((i * 97) % text.points, 0, "o");
    text.apply(op);
    ops.push({ server_seq: i + 1, client_id: Buffer.from("aa".repeat(16), "hex"), client_seq: i + 1, text: op });
  }
  const frames = [];
  for (let at = 0; at < count; at += 1500) {
    frames.push(encodeServer({ request: 1, doc: 1, opened: { type: "text", head: count, lineage: 1, permission: 2,
      ops: ops.slice(at, at + 1500), more: at + 1500 < count } }));
  }
  let longest = 0, steps = 0;
  start = cpuMs();
  for (const frame of frames) {
    let last = cpuMs();
    for (const _ of connection.received(frame, 1)) {
      const now = cpuMs();
      longest = Math.max(longest, now - last);
      last = now;
      steps++;
    }
  }
  report(`… rebased over ${count} ops of others`, `${(cpuMs() - start).toFixed(0)} ms in ${steps} steps, longest ${longest.toFixed(1)} ms`);
  start = cpuMs();
  const frame = connection.takeFrame(2);
  report("… frozen and encoded", `${(cpuMs() - start).toFixed(1)} ms, ${frame?.length} bytes; head ${doc.seq}`);
}

await opening();
await typing(null, "a keystroke in 1 MB, in memory");
await typing(new MemoryStorage(), "a keystroke in 1 MB, stored");
rebase(0, 10_000);
rebase(10_000, 10_000);
