// The network between gateway and shard breaks, stalls and breaks again. People see "saving…", never a lost connection,
// a lost op or one that came twice.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Cluster, assertSameText, converge, withCluster } from "./lib/cluster.mjs";
import { TcpProxy } from "./lib/proxies.mjs";
import { Program, eventually } from "./lib/process.mjs";
import { Random, seedOfRun } from "./lib/random.mjs";
import { RawConnection, insertAtStart } from "./lib/raw.mjs";
import { NackCode, Status } from "./lib/wire.mjs";
import { keepTyping, pause } from "./lib/typing.mjs";

const random = new Random(seedOfRun);

/** A cluster whose gateway reaches the shard through proxies: { data, side }. */
const withLinks = (name, act) => test(name, (t) => withCluster(t, new Cluster(), async (cluster) => {
  const proxies = {};
  for (const link of ["data", "side"]) {
    proxies[link] = new TcpProxy(cluster.endpoints[link].replace("tcp://", ""));
    cluster.closers.push(() => proxies[link].close());
    cluster.link[link] = `tcp://${await proxies[link].listen()}`;
  }
  await cluster.gateway.stop();
  await cluster.startGateway();
  await act(cluster, proxies);
}));

withLinks("links that are cut all the time lose and double nothing", async (cluster, proxies) => {
  const clients = [];
  for (let i = 0; i < 4; i++) clients.push(await cluster.join({ delayMs: () => random.below(6) }));
  const typing = keepTyping(random, clients);
  for (let round = 0; round < 40; round++) {
    await pause(random.below(250));
    random.pick([proxies.data, proxies.data, proxies.side]).cut();
  }
  await typing.stop();
  const text = await converge(clients);
  assertSameText((await cluster.join()).text, text, "a fresh client");
  assert.ok(clients.every((client) => client.reconnects === 0), "clients stay connected to the gateway");
  assert.ok(clients.some((client) => client.resyncs > 0), "the cuts were felt");
});

withLinks("a link that stalls in one direction loses and doubles nothing", async (cluster, proxies) => {
  const clients = [];
  for (let i = 0; i < 3; i++) clients.push(await cluster.join({ delayMs: () => random.below(6) }));
  const typing = keepTyping(random, clients);
  for (const ways of [["toClient"], ["toServer"], ["toClient", "toServer"]]) {
    for (const stallMs of [300, 5000]) { // shorter and longer than the links' patience
      proxies.data.hold(...ways);
      if (stallMs > 1000) proxies.side.hold(...ways);
      await pause(stallMs);
      proxies.data.release();
      proxies.side.release();
      await pause(500);
    }
  }
  await typing.stop();
  const text = await converge(clients);
  assertSameText((await cluster.join()).text, text, "a fresh client");
  assert.ok(clients.every((client) => client.reconnects === 0));
});

test("our own clients, through a network that breaks all the time, keep every promise", (t) =>
  withCluster(t, new Cluster(), async (cluster) => {
    const proxy = new TcpProxy(new URL(cluster.url).host);
    cluster.closers.push(() => proxy.close());
    const url = `ws://${await proxy.listen()}/v1/ws`;
    const load = new Program("ordo-load");
    cluster.programs.push(load);
    load.start(["--url", url, "--docs", "3", "--clients", "3", "--duration", "8", "--verify"]);
    for (const endMs = Date.now() + 8000; Date.now() < endMs;) {
      await pause(random.below(500));
      const stall = random.chance(30);
      if (stall) proxy.hold(random.pick(["toServer", "toClient"]));
      await pause(random.below(100));
      proxy.cut();
      if (stall) proxy.release();
    }
    assert.equal((await load.ended).code, 0, load.stderr);
  }));

withLinks("while the shard is away, submits are refused as retryable and the client is told", async (cluster) => {
  const raw = await RawConnection.connect(cluster.url);
  const { doc, head } = await raw.open("c", "d");
  await cluster.shard.stop("SIGKILL");
  const down = await raw.next((message) => message.status);
  assert.deepEqual([down.doc, down.status.state], [doc, Status.UNAVAILABLE]);
  const { nack } = await raw.submit(doc, 1, head, insertAtStart("x"));
  assert.equal(nack.code, NackCode.UNAVAILABLE);
  await cluster.startShard();
  const back = await raw.next((message) => message.opened, 30_000);
  assert.deepEqual([back.request, back.doc, back.opened.head], [0, doc, head]);
  await eventually(() => raw.messages.some((message) => message.status?.state === Status.AVAILABLE), "AVAILABLE");
  const { ack } = await raw.submit(doc, 1, head, insertAtStart("x"));
  assert.deepEqual([ack.server_seq, ack.duplicate], [head + 1, false], "the very same op, sent again");
});
