// A document's past on the command line: `ordo doc at`, `log`, `diff`, `restore`, `rm`.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster, Supervised, assertSameText, withCluster } from "./lib/cluster.mjs";
import { Program } from "./lib/process.mjs";
import { Random, randomSplice, seedOfRun } from "./lib/random.mjs";

const random = new Random(seedOfRun);
const inCluster = (name, act, options) => test(name, (t) => withCluster(t, new Cluster(options), act));
const ordoDoc = (cluster, verb, ...args) => cluster.ordo(["doc", verb, ...args, "--url", cluster.url]);

/** What it printed, which must have gone well. */
async function good(cluster, verb, ...args) {
  const { code, stdout, stderr } = await ordoDoc(cluster, verb, ...args);
  assert.equal(code, 0, `ordo doc ${verb} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** The one line that a failure prints. */
async function bad(cluster, verb, ...args) {
  const { code, stdout, stderr } = await ordoDoc(cluster, verb, ...args);
  assert.deepEqual([code, stdout], [1, ""], `ordo doc ${verb} ${args.join(" ")}: ${stderr}`);
  assert.equal(stderr.trim().split("\n").length, 1, stderr);
  return stderr;
}

/** A document with one op per text, each made from the one before; resolves to the seq of each. */
async function withTexts(client, texts) {
  const seqs = [];
  for (const text of texts) {
    client.splice(0, Array.from(client.text).length, text);
    await client.settled();
    seqs.push(client.confirmed.seq);
  }
  return seqs;
}

/** The same by the command line, which splits what is too large for one op; resolves to the head after each. */
async function putTexts(cluster, name, texts) {
  const heads = [];
  for (const input of texts) {
    const { code, stderr } = await cluster.doc("put", name, { input });
    assert.equal(code, 0, stderr);
    heads.push(JSON.parse(await good(cluster, "at", name, "--json", "--time", "-0s")).seq);
  }
  return heads;
}

inCluster("at prints the content of any seq, byte for byte, and at a time that of the newest op then", async (cluster) => {
  const client = await cluster.join();
  const texts = new Map();
  for (let i = 0; i < 40; i++) {
    client.splice(...randomSplice(random, client.text));
    await client.settled();
    texts.set(client.confirmed.seq, client.confirmed.text);
  }
  for (const restart of [false, true]) {
    if (restart) await cluster.restart("SIGKILL");
    for (const [seq, text] of texts) {
      if (seq % 8 === 0) assertSameText(await good(cluster, "at", "c/d", "--seq", `${seq}`), text, `at ${seq}`);
    }
  }
  const log = (await good(cluster, "log", "c/d")).trim().split("\n").map((line) => JSON.parse(line));
  const { server_seq: seq, timestamp_ms: ms } = log.at(-1);
  const iso = new Date(ms).toISOString();
  for (const time of [`${ms}`, iso, iso.replace("Z", "+00:00"), iso.replace("T", " ").replace("Z", ""), "-0s", "9999-01-01"]) {
    assertSameText(await good(cluster, "at", "c/d", "--time", time), texts.get(seq), `at ${time}`);
  }
  assert.deepEqual(JSON.parse(await good(cluster, "at", "c/d", "--json", "--seq", `${seq}`)),
                   { seq, timestamp_ms: ms, deleted: false, text: texts.get(seq) });
  const long = "äñ日😀\n".repeat(100_000);
  const [longSeq] = await putTexts(cluster, "c/long", [long, ""]);
  assertSameText(await good(cluster, "at", "c/long", "--seq", `${longSeq}`), long, "a content of many parts");
});

inCluster("at says in one sentence why there is nothing to print", async (cluster) => {
  const [seq] = await putTexts(cluster, "c/d", ["text\n"]);
  assert.match(await bad(cluster, "at", "c/d", "--seq", "999"), new RegExp(`no op 999 yet: its newest is ${seq}`));
  assert.match(await bad(cluster, "at", "c/d", "--time", "2020-01-01"), /did not exist yet at 2020-01-01T00:00:00.000Z: its first op is of 2/);
  assert.match(await bad(cluster, "at", "c/none", "--seq", "1"), /there is no document c\/none/);
  await good(cluster, "rm", "c/d");
  assert.match(await bad(cluster, "at", "c/d", "--seq", `${seq + 1}`), /deleted/);
  const json = JSON.parse(await good(cluster, "at", "c/d", "--json", "--seq", `${seq + 1}`));
  assert.deepEqual([json.seq, json.deleted, json.text], [seq + 1, true, ""]);
});

inCluster("log prints the range that was asked for", async (cluster) => {
  const client = await cluster.join();
  const [first, , , last] = await withTexts(client, ["a", "b", "c", "d"]);
  const seqs = async (...args) =>
    (await good(cluster, "log", "c/d", ...args)).split("\n").filter(Boolean).map((line) => JSON.parse(line).server_seq);
  assert.equal((await seqs()).at(-1), last);
  assert.deepEqual(await seqs("--from", `${first}`, "--to", `${first + 1}`), [first, first + 1]);
  assert.deepEqual(await seqs("--from", `${last}`), [last]);
  assert.deepEqual(await seqs("--from", `${last}`, "--to", "9007199254740991"), [last]);
  assert.deepEqual(await seqs("--to", "1"), [1]);
  assert.deepEqual(await seqs("--from", `${last + 1}`), [], "as of a log that has not grown");
});

inCluster("diff prints unified hunks between two seqs, and nothing where nothing differs", async (cluster) => {
  const client = await cluster.join();
  const lines = (changed) => Array.from({ length: 9 }, (_, i) => (i === 4 ? changed : `line ${i}`) + "\n").join("");
  const [a, b, c] = await withTexts(client, [lines("one"), lines("two"), `${lines("two")}no end`]);
  const [head, ...hunks] = (await good(cluster, "diff", "c/d", `${a}`, `${b}`)).split(/^(?=@@|\+\+\+)/m);
  assert.match(head, new RegExp(`^--- c/d\tseq ${a}\t20..-..-..T..:..:..\\....Z\n$`));
  assert.match(hunks[0], new RegExp(`^\\+\\+\\+ c/d\tseq ${b}\t`));
  assert.equal(hunks.slice(1).join(""), "@@ -2,7 +2,7 @@\n line 1\n line 2\n line 3\n-one\n+two\n line 5\n line 6\n line 7\n");
  assert.match(await good(cluster, "diff", "c/d", `${b}`), /\+no end\n\\ No newline at end of file\n$/, "head by default");
  assert.match(await good(cluster, "diff", "c/d", "head", `${b}`), /\n-no end\n\\ No newline at end of file\n$/);
  assert.match(await good(cluster, "diff", "c/d", "0", `${a}`), /^--- c\/d\tseq 0\tbefore the first op\n.*\n@@ -0,0 \+1,9 @@\n/);
  assert.equal(await good(cluster, "diff", "c/d", `${c}`, "head", "--exit-code"), "");
  const differs = await ordoDoc(cluster, "diff", "c/d", `${a}`, `${b}`, "--exit-code");
  assert.deepEqual([differs.code, differs.stderr], [1, ""]);
  assert.ok(!differs.stdout.includes("\x1b"), "no colours where nobody sees them");
  assert.match(await bad(cluster, "diff", "c/d", "1", "999"), /no op 999 yet/);
});

inCluster("restore makes an earlier content the content by one op, and history goes on", async (cluster) => {
  const client = await cluster.join();
  const [first, , last] = await withTexts(client, ["first\ncontent\n", "second\n", ""]);
  const seq = Number(await good(cluster, "restore", "c/d", "--seq", `${first}`, "--yes"));
  assert.equal(seq, last + 1);
  assert.equal(await good(cluster, "cat", "c/d"), "first\ncontent\n");
  await client.until(() => client.text === "first\ncontent\n", "the others to see it");
  assert.equal(await good(cluster, "at", "c/d", "--seq", `${last - 1}`), "second\n", "nothing was rewritten");
  const again = await ordoDoc(cluster, "restore", "c/d", "--seq", `${first}`, "--yes");
  assert.deepEqual([again.code, again.stdout], [0, ""]);
  assert.match(again.stderr, /already/);
  assert.match(await bad(cluster, "restore", "c/d", "--seq", "999", "--yes"), /no op 999 yet/);
  assert.equal(client.confirmed.seq, seq, "and nothing was committed by those");
});

inCluster("restore merges with what others type meanwhile", async (cluster) => {
  const client = await cluster.join();
  const [first] = await withTexts(client, ["one\ntwo\nthree\n", "one\nthree\n"]);
  let typed = 0, isDone = false;
  const typing = (async () => {
    for (; !isDone; typed++) {
      client.splice(0, 0, "x");
      await client.settled();
    }
  })();
  for (let i = 0; i < 10; i++) {
    const seq = Number(await good(cluster, "restore", "c/d", "--seq", `${first}`, "--yes"));
    assertSameText((await good(cluster, "at", "c/d", "--seq", `${seq}`)).replace(/^x*/, ""), "one\ntwo\nthree\n", `at ${seq}`);
  }
  isDone = true;
  await typing;
  // What was typed before a restore read the head is replaced by it; what came later is there, in front of the rest.
  const log = (await good(cluster, "log", "c/d")).trim().split("\n").map((line) => JSON.parse(line));
  const own = log.filter((op) => op.client_id === client.clientId.toString("hex") && op.op[0] === "x");
  assert.equal(own.length, typed, "every keystroke is in the log");
  const restored = log.filter((op) => op.server_seq > first && op.client_id !== client.clientId.toString("hex")).at(-1);
  const since = own.filter((op) => op.server_seq > restored.base_seq).length;
  assertSameText(await good(cluster, "cat", "c/d"), `${"x".repeat(since)}one\ntwo\nthree\n`, "the end");
});

inCluster("rm deletes, restore brings back, with one op each", async (cluster) => {
  const [first, last] = await putTexts(cluster, "c/d", ["first\n", "second\n"]);
  assert.equal(await good(cluster, "rm", "c/d"), `${last + 1}\n`);
  const again = await ordoDoc(cluster, "rm", "c/d");
  assert.deepEqual([again.code, again.stdout], [0, ""]);
  assert.match(again.stderr, /deleted already/);
  assert.match(await bad(cluster, "rm", "c/none"), /there is no document/);
  assert.match(await good(cluster, "diff", "c/d", `${last}`), /\tdeleted\n@@ -1 \+0,0 @@\n-second\n$/);
  assert.equal(await good(cluster, "restore", "c/d", "--seq", `${first}`, "--yes"), `${last + 2}\n`);
  assert.equal(await good(cluster, "cat", "c/d"), "first\n");
  const op = JSON.parse(await good(cluster, "log", "c/d", "--from", `${last + 2}`));
  assert.deepEqual(op.op, { create: ["first\n"], type: "text" });
  assert.match(await bad(cluster, "restore", "c/d", "--seq", `${last + 1}`, "--yes"), /is deleted at seq/);
});

inCluster("what is too large for one op is restored by several, and that is said", async (cluster) => {
  const long = Array.from({ length: 70_000 }, (_, i) => `line ${i} ${"日".repeat(10)}\n`).join(""); // 3 MB
  const [head] = await putTexts(cluster, "c/long", [long]);
  for (const isDeleted of [false, true]) {
    if (isDeleted) await good(cluster, "rm", "c/long");
    else await cluster.doc("put", "c/long", { input: "" });
    const { code, stdout, stderr } = await ordoDoc(cluster, "restore", "c/long", "--seq", `${head}`, "--yes");
    assert.equal(code, 0, stderr);
    assert.match(stderr, new RegExp(`went as \\d; the last is ${stdout.trim()}`));
    assertSameText(await good(cluster, "cat", "c/long"), long, "restored");
  }
});

test("at, log and restore wait for a shard that is away, and show no half of an answer", (t) =>
  withCluster(t, new Supervised(), async (cluster) => {
    const long = "a line of some length, to make it many parts\n".repeat(30_000);
    const [seq, head] = await putTexts(cluster, "c/d", [long, ""]);
    for (let i = 0; i < 3; i++) {
      const asked = Promise.all([good(cluster, "at", "c/d", "--seq", `${seq}`), good(cluster, "log", "c/d")]);
      await cluster.killChild(i % 2 ? "gateway" : "shard");
      const [text, log] = await asked;
      assertSameText(text, long, "through a kill");
      assert.equal(log.trim().split("\n").length, head);
    }
    await cluster.killChild("shard");
    await good(cluster, "restore", "c/d", "--seq", `${seq}`, "--yes");
    assertSameText(await good(cluster, "cat", "c/d"), long, "restored");
  }));

inCluster("a log is read no further than anybody wants it", async (cluster) => {
  const load = await cluster.load(["--doc", "c/d", "--clients", "8", "--duration", "3", "--warmup", "0"]);
  assert.equal(load.code, 0, load.stderr);
  const program = new Program("ordo");
  cluster.programs.push(program);
  program.start(["doc", "log", "c/d", "--url", cluster.url]);
  program.child.stdout.once("data", () => program.child.stdout.destroy());
  program.child.stdin.end();
  const { code } = await program.ended;
  assert.equal(code, 1);
  assert.match(program.stderr, /cannot write to stdout/);
});

test("usage of the history commands", async () => {
  for (const args of [["at"], ["at", "c/d"], ["at", "c/d", "--seq", "0"], ["at", "c/d", "--seq", "1", "--time", "-1h"],
                      ["at", "c/d", "--time", "yesterday"], ["at", "c/d", "--time", "2026-02-29"], ["log"],
                      ["log", "c/d", "--from", "0"], ["log", "c/d", "--from", "3", "--to", "2"], ["diff"], ["diff", "c/d"],
                      ["diff", "c/d", "one"], ["diff", "c/d", "1", "2", "3"], ["restore", "c/d", "--yes"],
                      ["restore", "--seq", "1", "--yes"], ["restore", "c/d", "--seq", "1"], ["rm"], ["rm", "noslash"]]) {
    const { code, stderr } = await new Cluster().ordo(["doc", ...args]);
    assert.equal(code, 2, `ordo doc ${args.join(" ")}`);
    assert.notEqual(stderr.trim(), "");
  }
  for (const verb of ["at", "log", "diff", "restore", "rm"]) {
    const { code, stdout } = await new Cluster().ordo(["doc", verb, "--help"]);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^usage: ordo doc ${verb} `));
  }
});
