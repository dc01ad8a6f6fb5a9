// SIGKILL at random moments under load: the shard, the gateway, both, and the supervisor as a whole. The driver keeps
// its own list of acks and checks it against the log; independent clients type along and note what they see of the
// order. ORDO_KILLS says how many kills (120); ./run --long makes it more.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster, Supervised, assertSameText, converge, withCluster } from "./lib/cluster.mjs";
import { Program } from "./lib/process.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { keepTyping, pause } from "./lib/typing.mjs";

const killCountMin = Number(process.env.ORDO_KILLS ?? 120);
const ROUND_S = 20; // the driver checks everything after each round
const random = new Random(seedOfRun);

/** ordo-load with --verify in the background; `finish()` fails with its words unless it found everything right. */
function startLoad(cluster, durationS) {
  const load = new Program("ordo-load");
  cluster.programs.push(load);
  const size = ["--docs", "8", "--clients", "3", "--duration", String(durationS)];
  load.start(["--url", cluster.url, ...size, "--verify", "--json"]);
  const finish = async () => {
    const { code, signal } = await load.ended;
    assert.equal(code, 0, `ordo-load --verify ended with ${signal ?? code}:\n${load.stderr}\n${load.stdout}`);
    return JSON.parse(load.stdout);
  };
  return { finish };
}

async function kill(cluster, what) {
  const victims = { shard: [cluster.shard], gateway: [cluster.gateway], both: [cluster.shard, cluster.gateway] }[what];
  await Promise.all(victims.map((program) => program.stop("SIGKILL")));
  if (what !== "gateway") {
    if (random.chance(25)) await pause(random.below(150)); // a shard that is missed for a while
    await cluster.startShard();
  }
  if (what !== "shard") await cluster.startGateway();
  return victims.length;
}

const killsUnderLoad = (name, killCountMin, shardArgs) => test(name, (t) =>
  withCluster(t, new Cluster({ shardArgs: ["--unload-ms", "200", ...shardArgs] }), async (cluster) => {
    const clients = [];
    for (let i = 0; i < 4; i++) clients.push(await cluster.join({ delayMs: () => random.below(8) }));
    const typing = keepTyping(random, clients);
    let killCount = 0;
    while (killCount < killCountMin) {
      const { finish } = startLoad(cluster, ROUND_S);
      for (const endMs = Date.now() + ROUND_S * 1000; Date.now() < endMs;) {
        await pause(30 + random.below(600));
        killCount += await kill(cluster, random.pick(["shard", "shard", "gateway", "both"]));
      }
      const { ops } = await finish();
      t.diagnostic(`${killCount} kills; ${ops} acked ops in this round`);
      assert.ok(ops > 0);
    }
    await typing.stop();
    const text = await converge(clients);
    assertSameText((await cluster.join()).text, text, "a fresh client");
    await everythingStandsInTheLog(cluster, clients);

    await cluster.gateway.stop();
    await cluster.shard.stop();
    const verified = await cluster.verify();
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
    if (shardArgs.length > 0) assert.doesNotMatch(verified.stdout, / 0 blocks of history/, "something was packed");
  }, 120_000 + killCountMin * 2000));

killsUnderLoad(`after ${killCountMin} SIGKILLs under load no acked op is lost or doubled, and all converge`, killCountMin, []);
// Logs are cut off all the while: what clients were told comes out of packed history then.
killsUnderLoad("the same while logs are truncated", Math.ceil(killCountMin / 4),
               ["--log-ops", "100", "--log-slack", "20", "--log-age-ms", "3000", "--history", "full"]);

/** What clients saw committed is what the log says, op by op, and no op_id stands in it twice. */
async function everythingStandsInTheLog(cluster, clients) {
  const log = (await cluster.doc("log", "c/d")).stdout.trim().split("\n").map((line) => JSON.parse(line));
  const places = new Map();
  log.forEach((entry, index) => {
    assert.equal(entry.server_seq, index + 1, "the log is dense");
    const opId = `${entry.client_id}:${entry.client_seq}`;
    if (entry.client_seq > 0) assert.ok(!places.has(opId), `${opId} stands in the log twice`);
    places.set(opId, entry.server_seq);
  });
  for (const client of clients) {
    for (const { clientSeq, serverSeq } of client.acks) {
      assert.equal(places.get(`${client.clientId.toString("hex")}:${clientSeq}`), serverSeq, "an acked op");
    }
  }
}

test("the supervisor restarts killed children, and survives being killed with all of them", (t) =>
  withCluster(t, new Supervised(), async (cluster) => {
    const { finish } = startLoad(cluster, 25);
    const clients = [];
    for (let i = 0; i < 3; i++) clients.push(await cluster.join({ delayMs: () => random.below(8) }));
    const typing = keepTyping(random, clients);
    for (let round = 0; round < 6; round++) {
      for (const role of ["shard", "gateway"]) {
        await pause(random.below(500));
        const pid = await cluster.killChild(role);
        assert.notEqual(pid, 0, `${role} ran`);
        await cluster.childRestarted(role, pid);
      }
      await pause(random.below(500));
      await cluster.up.stop("SIGKILL");
      await cluster.startUp();
    }
    await typing.stop();
    await finish();
    const text = await converge(clients);
    assertSameText((await cluster.join()).text, text, "a fresh client");
    await everythingStandsInTheLog(cluster, clients);
    const end = await cluster.up.stop("SIGTERM");
    assert.deepEqual([end.code, end.signal], [0, null]);
    const verified = await cluster.verify();
    assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  }));
