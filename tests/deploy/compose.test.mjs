// deploy/docker-compose.yml for real: a cluster comes up, is edited from outside, grows while it is edited, loses processes
// of every kind, shrinks, goes down, comes back with everything that was acknowledged, and is restored from a backup. One
// test with steps, because each step needs the one before.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { eventually, run } from "../cluster/lib/process.mjs";
import { Compose, findCompose } from "./lib/engine.mjs";

const MINUTE_MS = 60_000;
const TEXT = "Grüße, 日本 😀\nsecond line\n";
const SLOTS = 1024, DOCS = 60;
const STORES = "/var/lib/ordo/stores", BACKUPS = "/var/backups/ordo";
const DIRECTORY = "etcd:http://etcd:2379/ordo";
const found = await findCompose();
const skip = typeof found === "string" ? found : false;

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

let compose, url;
before(async () => {
  if (skip) return;
  const listen = `127.0.0.1:${await freePort()}`;
  compose = new Compose(found, `ordo-test-${process.pid}`, listen);
  url = `ws://${listen}/v1/ws`;
});
after(async () => { if (compose) await compose.run("down", "--volumes", "--timeout=5"); });

const put = (name, text) => run("ordo", ["doc", "put", name, "--url", url], { input: text });
async function cat(name) {
  const { code, stdout, stderr } = await run("ordo", ["doc", "cat", name, "--url", url]);
  assert.equal(code, 0, `${name}: ${stderr}`);
  return stdout;
}
const load = (collection, seconds) =>
  run("ordo-load", ["--url", url, "--collection", collection, "--docs", DOCS, "--clients", "2", "--rate", "100", "--verify",
                    "--duration", seconds, "--settle", "120"].map(String), { timeoutMs: 10 * MINUTE_MS });

/** The first edit that is acked, from now on. */
const served = () =>
  eventually(async () => (await put("probe/a", `${Date.now()}`)).code === 0, "an edit to be acked", 3 * MINUTE_MS);

/** `ordo status`, asked within the cluster's network. */
const status = async () =>
  JSON.parse(await compose.ordo("status", "--directory", DIRECTORY, "--json"));

/** Waits until so many shards serve all slots between them, each its share, and so many gateways answer. */
const settled = (shards, gateways) => eventually(async () => {
  const seen = await status();
  const serving = seen.shards.filter(({ state }) => state === "serving");
  const fair = Math.floor(SLOTS / shards);
  return serving.length === shards && serving.every(({ slots }) => Math.abs(slots - fair) <= 1) && seen.moves.length === 0 &&
    seen.slots_unserved.length === 0 && seen.gateways.filter(({ answers }) => answers).length === gateways;
}, `${shards} shards with equal shares, and ${gateways} gateways`, 5 * MINUTE_MS);

/** A load with the driver's verification under way; `end` resolves when it has held the cluster to what it acked. */
function underLoad(collection, seconds) {
  const run = load(collection, seconds);
  return { end: async () => {
    const { code, stdout, stderr } = await run;
    assert.equal(code, 0, `ordo-load: ${stdout}${stderr}`);
    assert.match(stdout, /^verified +exact/m);
  } };
}

test("docker-compose, from its first start to its restore", { skip, timeout: 60 * MINUTE_MS }, async (t) => {
  const steps = [];
  const step = (name, act) => t.test(name, { skip: steps.includes("failed") && "an earlier step failed" }, async () => {
    try {
      await act();
    } catch (error) {
      steps.push("failed");
      console.error(await compose.logs());
      throw error;
    }
  });

  await step("up: one command makes a cluster that serves at the entry", async () => {
    await compose.run("up", "-d", "--build");
    await served();
    assert.equal((await put("notes/a", TEXT)).code, 0);
    assert.equal(await cat("notes/a"), TEXT);
    await settled(1, 1);
  });

  await step("more shards and gateways while people edit: everybody gets a share, and no op fails", async () => {
    const editing = underLoad("growing", 60);
    await compose.run("up", "-d", "--scale", "shard=4", "--scale", "gateway=3");
    await settled(4, 3);
    await editing.end();
  });

  await step("a process of each kind crashes: the engine starts it again, and nothing acknowledged is lost", async () => {
    const editing = underLoad("crashing", 60);
    for (const service of ["shard", "gateway", "etcd", "entry", "shard"]) {
      await compose.crash((await compose.containers(service))[0]);
      await served();
    }
    await editing.end();
    await settled(4, 3);
  });

  await step("a backup of all shards is whole", async () => {
    await compose.ordo("backup", BACKUPS, "--directory", DIRECTORY);
    assert.match(await compose.ordo("backup", "--list", BACKUPS), /^000001\b/m);
  });

  await step("fewer of both: those that stay take over the stores of those that left", async () => {
    const editing = underLoad("shrinking", 45);
    await compose.run("up", "-d", "--scale", "shard=2", "--scale", "gateway=1");
    await settled(4, 1); // four stores, in two processes
    await editing.end();
  });

  await step("down and up again: everything is still there", async () => {
    await compose.run("down");
    await compose.run("up", "-d", "--scale", "shard=4", "--scale", "gateway=2");
    await settled(4, 2);
    assert.equal(await cat("notes/a"), TEXT);
    for (const collection of ["growing", "crashing", "shrinking"])
      for (let i = 0; i < DOCS; i++) assert.notEqual(await cat(`${collection}/${i}`), "", `${collection}/${i}`);
  });

  await step("stores and directory lost: the backup makes a cluster of it again, as it was then", async () => {
    await put("notes/a", "what is written after the backup is not in it");
    await compose.run("down");
    await compose.removeVolume("stores");
    await compose.removeVolume("etcd");
    await compose.ordo("restore", BACKUPS, "--into", STORES);
    await compose.run("up", "-d", "--scale", "shard=2");
    await settled(4, 1);
    assert.equal(await cat("notes/a"), TEXT);
    for (let i = 0; i < DOCS; i++) assert.notEqual(await cat(`growing/${i}`), "", `growing/${i}`);
  });
});
