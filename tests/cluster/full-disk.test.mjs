// The space runs out: no false ack, words that say what is the matter, reads go on, and it recovers. The disk is a
// small tmpfs, which only root can mount.
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, rmdirSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cluster, withCluster } from "./lib/cluster.mjs";
import { eventually } from "./lib/process.mjs";
import { RawConnection, insertAtStart } from "./lib/raw.mjs";
import { NackCode } from "./lib/wire.mjs";

const MIB = 1024 * 1024;
const mount = (folder) => execFileSync("mount", ["-t", "tmpfs", "-o", "size=192m", "tmpfs", folder], { stdio: "pipe" });
const unmount = (folder) => execFileSync("umount", [folder], { stdio: "pipe" });
const mounted = new Set();
process.on("exit", () => mounted.forEach(unmount)); // after the processes, which lib/process.mjs ends

function whyNot() {
  const folder = mkdtempSync(join(tmpdir(), "ordo-mount-"));
  try {
    mount(folder);
    unmount(folder);
    return false;
  } catch (error) {
    return `cannot mount a tmpfs here (needs root): ${String(error.stderr ?? error).trim()}`;
  } finally {
    rmdirSync(folder);
  }
}

const onSmallDisk = (name, shardArgs, act) => test(name, { skip: whyNot() }, (t) => {
  const prepare = async (cluster) => {
    mount(cluster.data);
    mounted.add(cluster.data);
    cluster.closers.push(async () => {
      await Promise.all(cluster.programs.map((program) => program.stop("SIGKILL")));
      unmount(cluster.data);
      mounted.delete(cluster.data);
    });
  };
  return withCluster(t, new Cluster({ shardArgs, prepare }), act);
});

/** Leaves so many bytes free. */
function fill(cluster, freeSize) {
  const { bavail, bsize } = statfsSync(cluster.data);
  const size = bavail * bsize - freeSize;
  const chunk = Buffer.alloc(32 * MIB, 1);
  for (let i = 0, left = size; left > 0; i++, left -= 32 * MIB) {
    const count = Math.min(left, 32 * MIB);
    writeFileSync(join(cluster.data, `filler-${i}`), chunk.subarray(0, count));
  }
}

function makeRoom(cluster) {
  for (let i = 0; i < 8; i++) rmSync(join(cluster.data, `filler-${i}`), { force: true });
}

onSmallDisk("with little space left edits are refused, reads go on, and it recovers by itself", [], async (cluster) => {
  const reader = await cluster.join();
  reader.splice(0, 0, "before ");
  await reader.settled();
  const raw = await RawConnection.connect(cluster.url);
  const { doc, head } = await raw.open("c", "d");
  fill(cluster, 8 * MIB);
  await eventually(() => /full|space/i.test(cluster.shard.stderr), "the operator to be told");
  const submitted = insertAtStart("during ");
  const { ack, nack } = await raw.submit(doc, 1, head, submitted);
  assert.ok(!ack, "no false ack");
  assert.equal(nack.code, NackCode.UNAVAILABLE);
  assert.match(nack.message, /full|space/i, "it says why");
  assert.ok(nack.retry_after_ms > 0, "and when to come again");
  assert.equal((await cluster.join()).text, "before ", "reads go on");
  assert.ok(cluster.shard.isRunning);
  makeRoom(cluster);
  const retry = async () => (await raw.submit(doc, 1, head, submitted)).ack;
  const acked = await eventually(retry, "the space to be noticed");
  assert.equal(acked.server_seq, head + 1, "the very same op, sent again");
  await reader.until(() => reader.text === "during before ", "the reader to see it");
});

onSmallDisk("a write that fails for want of space is never acked, and a restart serves again",
  ["--disk-headroom-mib", "0", "--disk-reserve-mib", "4"], async (cluster) => {
    const client = await cluster.join({ id: "kept" });
    client.splice(0, 0, "kept");
    await client.settled();
    const raw = await RawConnection.connect(cluster.url);
    const { doc, head } = await raw.open("c", "d");
    const ackedSeqs = [];
    fill(cluster, MIB);
    const piece = insertAtStart("0123456789abcdef".repeat(16 * 1024));
    for (let i = 1; i <= 12 && cluster.shard.isRunning; i++) {
      raw.send({ doc, submit: { client_seq: i, base_seq: head + i - 1, ...piece } });
      await Promise.race([raw.answerTo(doc, i).then(({ ack }) => ack && ackedSeqs.push(ack.server_seq)).catch(() => {}),
                          cluster.shard.ended]);
    }
    const { code } = await cluster.shard.ended;
    assert.equal(code, 1);
    assert.match(cluster.shard.stderr, /full|space/i);
    makeRoom(cluster);
    await cluster.startShard();
    const fresh = await cluster.join();
    assert.ok(fresh.confirmed.seq >= Math.max(head, ...ackedSeqs), "what was acked is there");
    assert.equal((await cluster.join({ id: "kept" })).text, "kept");
  });
