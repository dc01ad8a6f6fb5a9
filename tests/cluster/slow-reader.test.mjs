// A client that never reads costs a bounded amount of memory and nobody's time; when it reads again it is resynced.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster, withCluster } from "./lib/cluster.mjs";
import { residentBytes } from "./lib/process.mjs";
import { RawConnection } from "./lib/raw.mjs";

const MIB = 1024 * 1024;

test("clients that never read cost bounded memory and delay nobody", (t) =>
  withCluster(t, new Cluster(), async (cluster) => {
    const stuckCount = 6, roundCount = 160, pieceSize = 512 * 1024;
    const writer = await cluster.join();
    const stuck = [];
    for (let i = 0; i < stuckCount; i++) {
      const raw = await RawConnection.connect(cluster.url);
      raw.opened = await raw.open("c", "d");
      raw.socket.pause();
      stuck.push(raw);
    }
    const neighbour = await cluster.join({ id: "neighbour" });
    const piece = "0123456789abcdef".repeat(pieceSize / 16);
    writer.splice(0, 0, piece);
    await writer.settled();
    const rssBefore = residentBytes(cluster.gateway.pid);
    let slowestMs = 0, peak = 0;
    for (let i = 0; i < roundCount; i++) {
      writer.splice(0, pieceSize, piece);
      const startMs = performance.now();
      neighbour.splice(0, 0, "x");
      await neighbour.settled();
      slowestMs = Math.max(slowestMs, performance.now() - startMs);
      await writer.settled();
      peak = Math.max(peak, residentBytes(cluster.gateway.pid));
    }
    const sentMiB = (roundCount * pieceSize * stuckCount) / MIB;
    const grownMiB = (peak - rssBefore) / MIB;
    t.diagnostic(`${sentMiB} MiB not read; the gateway grew by ${grownMiB} MiB; slowest ack ${slowestMs} ms`);
    assert.ok(grownMiB < 96, `the gateway grew by ${grownMiB} MiB`);
    assert.ok(slowestMs < 2000, `a neighbour waited ${slowestMs} ms`);
    assert.equal(neighbour.reconnects + writer.reconnects, 0);

    for (const raw of stuck) raw.socket.resume();
    const head = writer.confirmed.seq;
    for (const raw of stuck) await followTo(raw, head);
  }));

/** Follows the order as any reader does, through commits and unasked resyncs, without a gap; or was disconnected. */
async function followTo(raw, head) {
  let seq = raw.opened.head;
  while (seq < head) {
    const message = await raw.next(({ committed, opened }) => committed || opened, 60_000);
    if (message.committed) {
      assert.equal(message.committed.server_seq, seq + 1, "no gap");
      seq++;
      continue;
    }
    let part = message.opened;
    if (part.content) seq = part.content.seq;
    for (;;) {
      for (const op of part.ops) assert.equal(op.server_seq, ++seq, "no gap within Opened");
      if (!part.more) break;
      part = (await raw.next(({ opened }) => opened, 60_000)).opened;
      if (part.content) seq = part.content.seq;
    }
    assert.equal(seq, part.head);
  }
}
