// Clients that were away: they come back through another gateway, or after so many ops that nobody holds them in memory
// any more, and what they typed meanwhile is merged.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster, assertSameText, converge, withCluster } from "./lib/cluster.mjs";
import { TcpProxy } from "./lib/proxies.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { codePointCount } from "./lib/text.mjs";
import { keepTyping, pause } from "./lib/typing.mjs";

const random = new Random(seedOfRun);

test("clients of a killed gateway go on through another", (t) => withCluster(t, new Cluster(), async (cluster) => {
  const url = [cluster.url, await cluster.secondGateway()];
  const clients = [];
  for (let i = 0; i < 4; i++) {
    clients.push(await cluster.join({ url: i % 2 ? url : [...url].reverse(), delayMs: () => random.below(6) }));
  }
  const typing = keepTyping(random, clients);
  for (let i = 0; i < 10; i++) {
    await pause(random.below(400));
    await cluster.gateway.stop("SIGKILL");
    await pause(random.below(300)); // all are at the other one now
    await cluster.startGateway();
  }
  await typing.stop();
  const text = await converge(clients);
  assertSameText((await cluster.join()).text, text, "a fresh client");
}));

test("a client that was away for thousands of ops merges what it typed meanwhile", (t) =>
  withCluster(t, new Cluster({ inMemory: true, shardArgs: ["--recent-size-max", "16384"] }), async (cluster) => {
    const away = await cluster.join();
    away.splice(0, 0, "the beginning; the end");
    await away.settled();
    const door = new TcpProxy(new URL(cluster.url).host);
    cluster.closers.push(() => door.close());
    away.url = `ws://${await door.listen()}/v1/ws`;
    door.hold("toServer", "toClient");
    away.drop();
    await away.until(() => away.handle === 0, "it to be offline");
    for (let i = 0; i < 300; i++) {
      const length = codePointCount(away.text);
      if (length > 10 && random.chance(30)) away.splice(random.below(length - 2), 2, "");
      away.splice(random.below(codePointCount(away.text) + 1), 0, random.pick(["ä", "😀", "offline "]));
    }
    const load = await cluster.load(["--doc", "c/d", "--clients", "2", "--duration", "6", "--verify"]);
    assert.equal(load.code, 0, load.stderr);
    const here = await cluster.join();
    assert.ok(here.confirmed.seq > 2000, `${here.confirmed.seq} ops`);
    await cluster.shard.stop("SIGKILL"); // it comes back to a shard that holds nothing of it in memory
    await cluster.startShard();
    here.splice(0, 0, "here ");
    door.release();
    const text = await converge([away, here]);
    assert.match(text, /offline/);
    assertSameText((await cluster.join()).text, text, "a fresh client");
  }));

test("a late op, made against a base from long ago, is rebased by the shard as by everyone", (t) =>
  withCluster(t, new Cluster({ inMemory: true, shardArgs: ["--rebase-budget", "1000"] }), async (cluster) => {
    const late = await cluster.join({ delayMs: () => 1 });
    late.splice(0, 0, "0123456789".repeat(20));
    await late.settled();
    const door = new TcpProxy(new URL(cluster.url).host);
    cluster.closers.push(() => door.close());
    late.url = `ws://${await door.listen()}/v1/ws`;
    late.drop();
    await late.until(() => late.reconnects > 0 && late.handle !== 0, "it to be back, through the door");
    door.hold("toServer"); // it goes on reading, but what it sends does not arrive
    for (let i = 0; i < 60; i++) late.splice(3 * i, 1, "😀");
    const writers = [await cluster.join(), await cluster.join()];
    for (let i = 0; i < 1500; i++) {
      random.pick(writers).splice(random.below(150), random.chance(40) ? 1 : 0, random.pick(["x", "é", "日本"]));
      if (i % 10 === 0) await pause(0);
    }
    await Promise.all(writers.map((writer) => writer.settled()));
    door.release();
    const text = await converge([late, ...writers]);
    assertSameText((await cluster.join()).text, text, "a fresh client");
  }));
