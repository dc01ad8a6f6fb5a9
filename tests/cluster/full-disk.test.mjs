// The space runs out: no false ack, words that say what is the matter, reads go on, and it recovers. Once on a disk that
// says it is full (lib/disk.mjs), once on one that is: a small tmpfs, which only root can mount.
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, rmdirSync, statSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cluster, withCluster } from "./lib/cluster.mjs";
import { ForgetfulDisk } from "./lib/disk.mjs";
import { eventually } from "./lib/process.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { RawConnection, insertAtStart } from "./lib/raw.mjs";
import { NackCode } from "./lib/wire.mjs";

const MIB = 1024 * 1024;
const mount = (folder) => execFileSync("mount", ["-t", "tmpfs", "-o", "size=192m", "tmpfs", folder], { stdio: "pipe" });
const unmount = (folder) => execFileSync("umount", [folder], { stdio: "pipe" });
const mounted = new Set();
process.on("exit", () => mounted.forEach(unmount)); // after the processes, which lib/process.mjs ends

function whyNotMounted() {
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

/** A disk that really has no room: other files take it. */
class SmallDisk {
  async attach(cluster) {
    this.folder = cluster.data;
    mount(this.folder);
    mounted.add(this.folder);
    cluster.closers.push(async () => {
      await cluster.kill();
      unmount(this.folder);
      mounted.delete(this.folder);
    });
  }

  limitSpace(freeSize) {
    const { bavail, bsize } = statfsSync(this.folder);
    const chunk = Buffer.alloc(32 * MIB, 1);
    this.fillers = [];
    for (let left = bavail * bsize - freeSize; left > 0; left -= chunk.length) {
      this.fillers.push(join(this.folder, `filler-${this.fillers.length}`));
      writeFileSync(this.fillers.at(-1), chunk.subarray(0, Math.min(left, chunk.length)));
    }
  }

  heal() { this.fillers.forEach((filler) => rmSync(filler)); }
}

const disks = [["a disk that says it is full", ForgetfulDisk, false], ["a small tmpfs", SmallDisk, whyNotMounted()]];
function onSmallDisks(name, shardArgs, act) {
  for (const [what, Disk, skip] of disks) {
    test(`${name} (${what})`, { skip }, (t) => {
      const disk = new Disk();
      const prepare = (cluster) => disk.attach(cluster, new Random(seedOfRun));
      return withCluster(t, new Cluster({ shardArgs, prepare }), (cluster) => act(cluster, disk));
    });
  }
}

onSmallDisks("with little space left edits are refused, reads go on, and it recovers by itself", [], async (cluster, disk) => {
  const reader = await cluster.join();
  reader.splice(0, 0, "before ");
  await reader.settled();
  const raw = await RawConnection.connect(cluster.url);
  const { doc, head } = await raw.open("c", "d");
  await disk.limitSpace(8 * MIB);
  await eventually(() => /full|space/i.test(cluster.shard.stderr), "the operator to be told");
  const submitted = insertAtStart("during ");
  const { ack, nack } = await raw.submit(doc, 1, head, submitted);
  assert.ok(!ack, "no false ack");
  assert.equal(nack.code, NackCode.UNAVAILABLE);
  assert.match(nack.message, /full|space/i, "it says why");
  assert.ok(nack.retry_after_ms > 0, "and when to come again");
  assert.equal((await cluster.join()).text, "before ", "reads go on");
  assert.ok(cluster.shard.isRunning);
  await disk.heal();
  const retry = async () => (await raw.submit(doc, 1, head, submitted)).ack;
  const acked = await eventually(retry, "the space to be noticed");
  assert.equal(acked.server_seq, head + 1, "the very same op, sent again");
  await reader.until(() => reader.text === "during before ", "the reader to see it");
});

onSmallDisks("a write that fails for want of space is never acked, and a restart serves again",
  ["--disk-headroom-mib", "0", "--disk-reserve-mib", "4"], async (cluster, disk) => {
    const client = await cluster.join({ id: "kept" });
    client.splice(0, 0, "kept");
    await client.settled();
    const raw = await RawConnection.connect(cluster.url);
    const { doc, head } = await raw.open("c", "d");
    const ackedSeqs = [];
    await disk.limitSpace(MIB);
    const piece = insertAtStart("0123456789abcdef".repeat(16 * 1024));
    for (let i = 1; i <= 12 && cluster.shard.isRunning; i++) {
      raw.send({ doc, submit: { client_seq: i, base_seq: head + i - 1, ...piece } });
      await Promise.race([raw.answerTo(doc, i).then(({ ack }) => ack && ackedSeqs.push(ack.server_seq)).catch(() => {}),
                          cluster.shard.ended]);
    }
    const { code } = await cluster.shard.ended;
    assert.equal(code, 1);
    assert.match(cluster.shard.stderr, /full|space/i);
    // RocksDB aborts at the line after one that it could not write, and whether that comes before our own end is chance.
    assert.equal(statSync(join(cluster.data, "shard/db/LOG")).size, 0, "nothing depends on a log of RocksDB's own");
    await disk.heal();
    await cluster.startShard();
    const fresh = await cluster.join();
    assert.ok(fresh.confirmed.seq >= Math.max(head, ...ackedSeqs), "what was acked is there");
    assert.equal((await cluster.join({ id: "kept" })).text, "kept");
  });
