// The command line as people and scripts use it: `ordo up`, `ordo doc`, `ordo verify`, their words and exit codes.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Cluster, Supervised, withCluster } from "./lib/cluster.mjs";
import { run } from "./lib/process.mjs";

const TEXT = "Grüße, 日本 😀 e\u0301\nsecond line\n";

test("ordo up says where it serves, restarts what dies, and ends cleanly", (t) =>
  withCluster(t, new Supervised(), async (cluster) => {
    assert.match(cluster.url, /^ws:\/\/127\.0\.0\.1:\d+\/v1\/ws$/);
    assert.equal(cluster.up.stdout.trim().split("\n").length, 1, "stdout has the ready line and nothing else");
    const client = await cluster.join();
    client.splice(0, 0, TEXT);
    await client.settled();
    for (const role of ["shard", "gateway"]) {
      const pid = await cluster.killChild(role);
      assert.notEqual(pid, 0);
      await cluster.childRestarted(role, pid);
      client.splice(0, 0, "x");
      await client.settled();
    }
    const [shard, gateway] = [await cluster.childPid("shard"), await cluster.childPid("gateway")];
    const end = await cluster.up.stop("SIGTERM");
    assert.deepEqual([end.code, end.signal], [0, null]);
    for (const pid of [shard, gateway]) assert.throws(() => process.kill(pid, 0), { code: "ESRCH" }, "both have ended");
    await cluster.startUp();
    assert.equal((await cluster.doc("cat", "c/d")).stdout, `xx${TEXT}`);
    const interrupted = await cluster.up.stop("SIGINT");
    assert.deepEqual([interrupted.code, interrupted.signal], [0, null]);
  }));

test("a second ordo up on the same data is refused in one line", (t) =>
  withCluster(t, new Supervised(), async (cluster) => {
    const second = await run("ordo", ["up", "--data", cluster.data, "--listen", "127.0.0.1:0"]);
    assert.equal(second.code, 1);
    assert.equal(second.stderr.trim().split("\n").length, 1, second.stderr);
    assert.equal((await cluster.join()).text, "", "the first goes on");
  }));

test("doc put, cat and log round trip", (t) => withCluster(t, new Cluster(), async (cluster) => {
  assert.equal((await cluster.doc("put", "notes/a", { input: TEXT })).code, 0);
  assert.equal((await cluster.doc("cat", "notes/a")).stdout, TEXT);
  const client = await cluster.join({ collection: "notes", id: "a" });
  client.splice(0, 6, "Hallo, ");
  await client.settled();
  assert.equal((await cluster.doc("cat", "notes/a")).stdout, client.text);
  const second = "something else entirely\n";
  assert.equal((await cluster.doc("put", "notes/a", { input: second })).code, 0);
  assert.equal((await cluster.doc("cat", "notes/a")).stdout, second);
  await client.until(() => client.text === second, "the editing client to see what was put");

  const log = (await cluster.doc("log", "notes/a")).stdout.trim().split("\n").map((line) => JSON.parse(line));
  log.forEach((entry, index) => {
    const keys = ["server_seq", "client_id", "client_seq", "base_seq", "timestamp_ms", "user", "op"];
    for (const key of keys) assert.ok(key in entry, `an entry has ${key}`);
    assert.equal(entry.server_seq, index + 1);
    assert.ok(entry.base_seq < entry.server_seq);
  });
  assert.ok(log.some((entry) => entry.client_id === client.clientId.toString("hex")), "client_id is in hex");
}));

test("doc cat of what does not exist fails in one line and makes nothing", (t) =>
  withCluster(t, new Cluster(), async (cluster) => {
    for (let i = 0; i < 2; i++) {
      const { code, stdout, stderr } = await cluster.doc("cat", "no/where");
      assert.deepEqual([code, stdout], [1, ""]);
      assert.equal(stderr.trim().split("\n").length, 1, stderr);
    }
  }));

test("usage errors exit with 2, failures with 1, help with 0", async () => {
  for (const args of [[], ["nonsense"], ["doc"], ["doc", "cat"], ["doc", "cat", "noslash"], ["up", "--nonsense"],
                      ["up", "--data"], ["verify"], ["repair"], ["repair", "a", "b"], ["up", "--shards", "0"],
                      ["move"], ["move", "1"], ["move", "1-", "--to", "a"], ["move", "1024", "--to", "a"], ["drain"], ["balance"],
                      ["balance", "maybe"], ["adopt"], ["forget-shard"], ["cluster"], ["doc", "where", "noslash"]]) {
    const { code, stderr } = await run("ordo", args);
    assert.equal(code, 2, `ordo ${args.join(" ")}`);
    assert.notEqual(stderr.trim(), "");
  }
  const unreachable = await run("ordo", ["doc", "cat", "a/b", "--url", "ws://127.0.0.1:1/v1/ws"]);
  assert.equal(unreachable.code, 1);
  assert.equal(unreachable.stderr.trim().split("\n").length, 1, unreachable.stderr);
  for (const verb of ["verify", "repair"]) {
    const absent = await run("ordo", [verb, "/nonexistent"]);
    assert.equal(absent.code, 1);
    assert.equal(absent.stderr.trim().split("\n").length, 1, absent.stderr);
  }
  for (const name of ["ordo", "ordo-load", "ordo-shard", "ordo-gateway"]) {
    assert.equal((await run(name, ["--help"])).code, 0, `${name} --help`);
  }
  for (const name of ["ordo-load", "ordo-shard", "ordo-gateway"]) {
    assert.equal((await run(name, ["--nonsense"])).code, 2, `${name} --nonsense`);
  }
});

test("a shard wants a store, and what belongs to a cluster wants a directory", async () => {
  for (const args of [[], ["--volume", "v"], ["--data", "d", "--create-cluster"], ["--directory", "file:/x"], ["--data"]]) {
    const { code, stderr } = await run("ordo-shard", args);
    assert.equal(code, 2, `ordo-shard ${args.join(" ")}`);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  }
  const { code, stderr } = await run("ordo-shard", ["--data", "/nowhere/store", "--directory", "nonsense:x"]);
  assert.equal(code, 1);
  assert.match(stderr, /event=stopped reason=/);
});

test("what asks about a cluster that is not there fails in one line", async () => {
  for (const args of [["status"], ["move", "1", "--to", "a"], ["drain", "a"], ["rebalance"], ["balance", "on"], ["doc", "where", "a/b"]]) {
    const { code, stderr } = await run("ordo", [...args, "--data", "/nowhere/at/all"]);
    assert.equal(code, 1, `ordo ${args.join(" ")}`);
    assert.equal(stderr.trim().split("\n").length, 1, stderr);
  }
});

test("verify finds nothing on good data and finds damage on a flipped byte", (t) =>
  withCluster(t, new Cluster(), async (cluster) => {
    const load = await cluster.load(["--docs", "4", "--clients", "2", "--duration", "2", "--verify"]);
    assert.equal(load.code, 0, load.stderr);
    await cluster.gateway.stop();
    await cluster.shard.stop();
    const good = await cluster.verify();
    assert.equal(good.code, 0, good.stdout + good.stderr);

    const file = largestFile(cluster.store);
    const bytes = readFileSync(file);
    let foundCount = 0;
    const places = [0.2, 0.4, 0.6, 0.8].map((part) => Math.floor(bytes.length * part));
    for (const place of places) {
      const damaged = Buffer.from(bytes);
      damaged[place] ^= 0x40;
      writeFileSync(file, damaged);
      const bad = await cluster.verify();
      if (bad.code === 1 && (bad.stdout + bad.stderr).trim() !== "") foundCount++;
      assert.equal(bad.signal, null, "verify does not crash on damage");
    }
    writeFileSync(file, bytes);
    assert.equal(foundCount, places.length, `damage found ${foundCount} times of ${places.length}`);
    assert.equal((await cluster.verify()).code, 0, "verify itself changes nothing");
  }));

test("a shard refuses a damaged log instead of serving less", (t) =>
  withCluster(t, new Cluster(), async (cluster) => {
    const client = await cluster.join();
    for (let i = 0; i < 200; i++) {
      client.splice(0, 0, `line ${i} of a text that must not get shorter\n`);
      await client.settled();
    }
    await cluster.gateway.stop("SIGKILL");
    await cluster.shard.stop("SIGKILL");
    const file = largestFile(cluster.store);
    const bytes = readFileSync(file);
    bytes[Math.floor(bytes.length / 2)] ^= 0x01;
    writeFileSync(file, bytes);
    await assert.rejects(cluster.startShard(), /ended with 1/);
    assert.match(cluster.shard.stderr, /damag|corrupt/i);
    bytes[Math.floor(bytes.length / 2)] ^= 0x01;
    writeFileSync(file, bytes);
    await cluster.startShard();
    await cluster.startGateway();
    assert.equal((await cluster.doc("cat", "c/d")).stdout, client.text);
  }));

function largestFile(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: false })
    .map((name) => join(folder, String(name)))
    .filter((path) => statSync(path).isFile());
  const data = files.filter((path) => /\.(log|sst)$/.test(path));
  assert.notEqual(data.length, 0, `no database files in ${folder}`);
  return data.sort((a, b) => statSync(b).size - statSync(a).size)[0];
}

test("ordo-load's writers all go on to the end where they delete each other's letters", (t) =>
  withCluster(t, new Cluster(), async (cluster) => {
    // Around a length of 10 most edits delete, and many find their letter gone before they were sent: no ack comes then.
    const args = ["--doc", "c/d", "--clients", "12", "--length", "10", "--duration", "3", "--warmup", "0", "--json"];
    const load = await cluster.load(args);
    assert.equal(load.code, 0, load.stderr);
    assert.ok(JSON.parse(load.stdout).overtaken > 0, "edits were overtaken, or this shows nothing");
    const authors = (await cluster.doc("log", "c/d")).stdout.trim().split("\n").map((line) => JSON.parse(line).client_id);
    const late = new Set(authors.slice(Math.floor(authors.length * 0.9)));
    assert.equal(late.size, 12, "clients among the last tenth of the ops");
  }));

test("ordo-load verifies what is kept of a log that loses its beginning meanwhile, and says how much is not", (t) =>
  withCluster(t, new Cluster({ shardArgs: ["--log-ops", "100", "--log-slack", "20", "--log-age-ms", "0", "--history", "200"],
                               inMemory: true }), async (cluster) => {
    const load = await cluster.load(["--doc", "c/d", "--clients", "16", "--duration", "4", "--warmup", "0", "--verify", "--json"]);
    assert.equal(load.code, 0, load.stderr);
    const { verify: verified } = JSON.parse(load.stdout);
    assert.ok(verified.exact && verified.log_ops >= 200, JSON.stringify(verified));
    assert.ok(verified.unkept_acks > 0, `nothing was truncated: ${load.stdout}`);
    assert.ok(verified.unkept_acks + verified.log_ops >= verified.acks, JSON.stringify(verified));
  }));
