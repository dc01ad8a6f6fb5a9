// Backups of a running cluster and what is made of them: whole or not there, all that was acked before in it, and a life
// of its own to everybody who knew the old cluster.
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Supervised, assertSameText, converge, withCluster } from "./lib/cluster.mjs";
import { Program, run } from "./lib/process.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { RawConnection } from "./lib/raw.mjs";
import { keepTyping, pause } from "./lib/typing.mjs";

const random = new Random(seedOfRun);
const backups = (cluster) => join(cluster.folder, "backups");

const backup = (cluster, ...args) => run("ordo", ["backup", backups(cluster), "--data", cluster.data, ...args]);
const restore = (cluster, into, ...args) => run("ordo", ["restore", backups(cluster), "--into", into, ...args]);

async function succeeds(promise) {
  const end = await promise;
  assert.equal(end.code, 0, end.stdout + end.stderr);
  return end.stdout;
}

async function failsInOneLine(promise, pattern) {
  const { code, stderr } = await promise;
  assert.equal(code, 1, stderr);
  assert.equal(stderr.trim().split("\n").length, 1, stderr);
  assert.match(stderr, pattern);
}

/** Numbers of the backups that are listed. */
async function listed(cluster) {
  const { stdout } = await run("ordo", ["backup", "--list", backups(cluster)]);
  return stdout.trim().split("\n").filter(Boolean).map((line) => Number(line.split(" ")[0]));
}

/** "… X MiB copied, Y MiB shared …" */
function sizesOf(stdout) {
  const [, copied, shared] = stdout.match(/([\d.]+) MiB copied, ([\d.]+) MiB shared/);
  return { copied: Number(copied), shared: Number(shared) };
}

/** `ordo up` on another folder, ended with the cluster. */
async function serve(cluster, data, listen = "127.0.0.1:0") {
  const other = new Supervised();
  Object.assign(other, { data, listen });
  cluster.programs.push(other.up);
  cluster.closers.push(() => other.clients.forEach((client) => client.close()));
  await other.startUp();
  return other;
}

const logOf = async (cluster, name) => (await cluster.doc("log", name)).stdout.trim().split("\n");

/** Some megabytes in documents of their own, in tables as far as a restart brings them there. */
async function fill(cluster) {
  await succeeds(cluster.load(["--docs", "40", "--clients", "2", "--duration", "4"]));
  const pid = await cluster.killChild("shard", "SIGTERM");
  await cluster.childRestarted("shard", pid);
  await cluster.join({ id: "awake" }); // it serves
}

test("a backup under load has all that was acked before it, and is a prefix of every document", (t) =>
  withCluster(t, new Supervised(), async (cluster) => {
    const ids = ["a", "b", "c"], clients = [];
    for (const id of ids) {
      for (let i = 0; i < 2; i++) clients.push(await cluster.join({ id, delayMs: () => random.below(8) }));
    }
    const typings = ids.map((_, i) => keepTyping(random, clients.slice(2 * i, 2 * i + 2)));
    const before = [];
    for (let round = 0; round < 4; round++) {
      await pause(300 + random.below(500));
      before.push(ids.map((_, i) => Math.max(0, ...clients.slice(2 * i, 2 * i + 2).flatMap((c) => c.acks.map((a) => a.serverSeq)))));
      await succeeds(backup(cluster));
    }
    await Promise.all(typings.map((typing) => typing.stop()));
    for (let i = 0; i < ids.length; i++) await converge(clients.slice(2 * i, 2 * i + 2));
    assert.deepEqual(await listed(cluster), [1, 2, 3, 4]);
    for (const number of [1, 2, 4]) {
      await succeeds(run("ordo", ["verify", join(backups(cluster), `00000${number}`)]));
      const data = join(cluster.folder, `restored-${number}`);
      await succeeds(restore(cluster, data, "--backup", String(number)));
      await succeeds(run("ordo", ["verify", data]));
      const other = await serve(cluster, data);
      for (const [i, id] of ids.entries()) {
        const whole = await logOf(cluster, `c/${id}`), restored = await logOf(other, `c/${id}`);
        assert.deepEqual(restored, whole.slice(0, restored.length), `${id} in backup ${number}`);
        assert.ok(restored.length >= before[number - 1][i], `${id}: ${restored.length} ops, acked ${before[number - 1][i]}`);
        const newcomer = await other.join({ id, ledger: null });
        assert.equal(newcomer.confirmed.seq, restored.length);
        newcomer.splice(0, 0, "goes on ");
        await newcomer.settled();
      }
      assert.equal((await other.up.stop("SIGTERM")).code, 0);
      await succeeds(run("ordo", ["verify", data]));
    }
  }));

test("what was there already is shared, old ones go, and each stays whole", (t) =>
  withCluster(t, new Supervised(), async (cluster) => {
    await fill(cluster);
    const first = sizesOf(await succeeds(backup(cluster)));
    const client = await cluster.join({ id: "e" });
    client.splice(0, 0, "a little more");
    await client.settled();
    const second = sizesOf(await succeeds(backup(cluster)));
    t.diagnostic(`first ${JSON.stringify(first)}, second ${JSON.stringify(second)} (MiB)`);
    assert.equal(first.shared, 0);
    assert.ok(second.copied < 0.5 && second.copied < first.copied / 4, `copied ${second.copied} MiB again`);
    assert.ok(second.shared > first.copied / 2);
    const stdout = await succeeds(backup(cluster, "--keep", "2"));
    assert.match(stdout, /000001: removed/);
    assert.deepEqual(await listed(cluster), [2, 3]);
    await succeeds(run("ordo", ["verify", join(backups(cluster), "000002")]));
  }));

test("SIGKILL of the shard, or of the command, during a backup: no half of one, and the store is unharmed", (t) =>
  withCluster(t, new Supervised(), async (cluster) => {
    await fill(cluster);
    await succeeds(backup(cluster));
    const client = await cluster.join({ delayMs: () => random.below(8) });
    const typing = keepTyping(random, [client]);
    for (let round = 0; round < 4; round++) {
      const slow = new Program("ordo");
      cluster.programs.push(slow);
      slow.start(["backup", join(cluster.folder, `fresh-${round}`), "--data", cluster.data, "--rate-mib", "1"]);
      await pause(300 + random.below(900));
      const pid = await cluster.killChild("shard");
      const { code } = await slow.ended;
      assert.equal(code, 1, slow.stderr);
      assert.match(slow.stderr, /started again|does not answer/);
      await cluster.childRestarted("shard", pid);
      await cluster.join({ id: "awake" });
      assert.ok(!existsSync(join(cluster.data, "shard", "checkpoint")), "nothing is left in the store's folder");
      const none = await run("ordo", ["backup", "--list", join(cluster.folder, `fresh-${round}`)]);
      assert.equal(none.code, 1, none.stdout);
    }
    const command = new Program("ordo");
    cluster.programs.push(command);
    command.start(["backup", backups(cluster), "--data", cluster.data, "--rate-mib", "1"]);
    await pause(300);
    await command.stop("SIGKILL");
    assert.deepEqual(await listed(cluster), [1], "the earlier one stays");
    await succeeds(backup(cluster)); // waits until the shard has given the other up
    assert.deepEqual(await listed(cluster), [1, 2]);
    assert.ok(!readdirSync(backups(cluster)).some((name) => name.includes("partial")));
    await typing.stop();
    const text = await converge([client]);
    await succeeds(restore(cluster, join(cluster.folder, "restored")));
    assertSameText((await cluster.join()).text, text, "a fresh client");
    assert.equal((await cluster.up.stop("SIGTERM")).code, 0);
    await succeeds(cluster.verify());
  }));

test("edits that the restored cluster has never seen are given back, and nothing merges wrongly", (t) =>
  withCluster(t, new Supervised(), async (cluster) => {
    const options = { ledger: null };
    const ahead = await cluster.join(options), along = await cluster.join(options);
    ahead.splice(0, 0, "in the backup. ");
    await ahead.settled();
    await succeeds(cluster.doc("put", "c/anew", { input: "first" }));
    await succeeds(backup(cluster));
    for (const word of ["later ", "edits ", "were ", "acked. "]) {
      ahead.splice(0, 0, word);
      await ahead.settled();
    }
    await along.reached(ahead.confirmed.seq);
    ahead.close();
    ahead.splice(0, 0, "typed offline. ");
    const old = { seq: ahead.confirmed.seq, lineage: ahead.confirmed.lineage, text: ahead.text };
    assert.equal((await cluster.up.stop("SIGTERM")).code, 0);

    // The restored cluster takes the old one's address, and goes on beyond where the old one was.
    const data = join(cluster.folder, "restored");
    await succeeds(restore(cluster, data));
    const other = await serve(cluster, data, cluster.listen);
    const writer = await other.join(options);
    assert.equal(writer.text, "in the backup. ");
    while (writer.confirmed.seq <= old.seq) {
      writer.splice(0, 0, "new ");
      await writer.settled();
    }
    await along.until(() => along.text === writer.text, "the client that stayed to start over");
    assert.notEqual(along.confirmed.lineage, old.lineage);
    await ahead.connect();
    await ahead.reached(writer.confirmed.seq);
    assertSameText(ahead.text, writer.text, "the client that was ahead");
    assert.equal(ahead.returned.length, 1, "its edit came back");
    assert.match(JSON.stringify(ahead.returned[0]), /typed offline/);
    ahead.splice(0, 0, "together ");
    assert.equal(await converge([ahead, along, writer]), `together ${writer.text.replace("together ", "")}`);

    // A restart knows the restored lineage still, and for a document that was made anew since, the one of that.
    const { lineage } = writer.confirmed;
    const lineageOfNew = async () => {
      const raw = await RawConnection.connect(other.url);
      const opened = await raw.open("c", "anew");
      raw.socket.terminate();
      return opened.lineage;
    };
    const restoredLineage = await lineageOfNew();
    await succeeds(other.doc("rm", "c/anew"));
    await succeeds(other.doc("put", "c/anew", { input: "once more" }));
    const newLineage = await lineageOfNew();
    assert.notEqual(newLineage, restoredLineage);
    const pid = await other.killChild("shard");
    await other.childRestarted("shard", pid);
    ahead.splice(0, 0, "after a restart ");
    await converge([ahead, along, writer]);
    assert.equal(ahead.returned.length, 1, "nothing more was given back");
    assert.equal((await other.join(options)).confirmed.lineage, lineage);
    assert.equal(await lineageOfNew(), newLineage);
  }));

function whyNotMounted() {
  const folder = mkdtempSync(join(tmpdir(), "ordo-mount-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=128k", "tmpfs", folder], { stdio: "pipe" });
    execFileSync("umount", [folder], { stdio: "pipe" });
    return false;
  } catch (error) {
    return `cannot mount a tmpfs here (needs root): ${String(error.stderr ?? error).trim()}`;
  } finally {
    rmdirSync(folder);
  }
}

test("a target that is full fails in one line and harms nothing", { skip: whyNotMounted() }, (t) =>
  withCluster(t, new Supervised(), async (cluster) => {
    await fill(cluster);
    const folder = mkdtempSync(join(tmpdir(), "ordo-mount-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=128k", "tmpfs", folder]);
    try {
      const full = run("ordo", ["backup", join(folder, "b"), "--data", cluster.data]);
      await failsInOneLine(full, /no space left for it: \d+ MiB are needed/);
      assert.deepEqual(readdirSync(join(folder, "b")), ["lock"], "nothing of it is left");
    } finally {
      execFileSync("umount", [folder]);
      rmdirSync(folder);
    }
    assert.equal((await cluster.join()).text, "");
    await succeeds(backup(cluster));
  }));

test("targets and clusters that cannot be used are refused in one line", (t) =>
  withCluster(t, new Supervised(), async (cluster) => {
    writeFileSync(join(cluster.folder, "file"), "");
    const into = (dir) => run("ordo", ["backup", dir, "--data", cluster.data]);
    await failsInOneLine(into(join(cluster.folder, "file")), /file/);
    await failsInOneLine(into("/proc/backups"), /cannot be made/);
    await failsInOneLine(into(join(cluster.data, "shard", "backups")), /not inside of the store's own folder/);
    await failsInOneLine(run("ordo", ["backup", backups(cluster), "--data", cluster.folder]), /no cluster runs/);
    const stranger = await serve(cluster, join(cluster.folder, "stranger"));
    await succeeds(backup(cluster));
    await failsInOneLine(run("ordo", ["backup", backups(cluster), "--data", stranger.data]), /of another cluster/);
    assert.deepEqual(await listed(cluster), [1]);
    assert.equal((await run("ordo", ["backup"])).code, 2);
    assert.equal((await run("ordo", ["restore", backups(cluster)])).code, 2);
    await failsInOneLine(run("ordo", ["backup", "--list", join(cluster.folder, "none")]), /no backup/);
  }));

test("a damaged backup is refused at restore, and so is a place that is not empty", (t) =>
  withCluster(t, new Supervised(), async (cluster) => {
    await fill(cluster);
    await succeeds(backup(cluster));
    const store = join(backups(cluster), "000001", "shard"), data = join(cluster.folder, "restored");
    const names = readdirSync(join(store, "db")).filter((name) => statSync(join(store, "db", name)).size > 0);
    for (const name of ["db/" + random.pick(names.filter((name) => /\.sst$/.test(name))),
                        "db/" + names.find((name) => /^MANIFEST/.test(name)), "files"]) {
      const path = join(store, name), bytes = readFileSync(path);
      const damaged = Buffer.from(bytes);
      damaged[random.below(bytes.length)] ^= 0x10;
      writeFileSync(path, damaged);
      await failsInOneLine(restore(cluster, data), /damaged/);
      writeFileSync(path, bytes);
      renameSync(path, `${path}.away`);
      await failsInOneLine(restore(cluster, data), /cannot be (read|opened)/);
      renameSync(`${path}.away`, path);
      assert.ok(!existsSync(data) && !existsSync(`${data}.restoring`), "nothing is left of it");
    }
    const manifest = join(backups(cluster), "000001", "manifest.json"), text = readFileSync(manifest, "utf8");
    writeFileSync(manifest, text.replace('"turn": ', '"turn": 9'));
    await failsInOneLine(restore(cluster, data), /not the store that the manifest describes/);
    writeFileSync(manifest, text.replace(/([\s,])1023,/, "$11022,"));
    await failsInOneLine(restore(cluster, data), /Slot 1023 is in none of the stores/);
    writeFileSync(manifest, text);
    await failsInOneLine(restore(cluster, cluster.data), /not empty/);
    await failsInOneLine(restore(cluster, data, "--backup", "7"), /no backup 000007/);
    await succeeds(restore(cluster, data));

    const served = new Program("ordo-shard");
    cluster.programs.push(served);
    served.start(["--data", store]);
    assert.equal((await served.ended).code, 1, "a backup is not served from");
    assert.match(served.stderr, /is a backup/);
    await succeeds(run("ordo", ["verify", join(backups(cluster), "000001")]));
  }));
