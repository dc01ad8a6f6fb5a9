// A document with more writers than it takes: the others are viewers, are told so, and lose nothing that they typed.
import { test } from "node:test";
import assert from "node:assert/strict";
import { Supervised, converge, withCluster } from "./lib/cluster.mjs";
import { Api } from "./lib/http.mjs";
import { eventually } from "./lib/process.mjs";
import { RawConnection, insertAtStart } from "./lib/raw.mjs";
import { NackCode, Permission } from "./lib/wire.mjs";

const IDLE_MS = 600, PLACES = 3;

/** One of the shard's figures. */
async function figure(cluster, name) {
  const text = await (await fetch(cluster.metrics)).text();
  return Number(text.match(new RegExp(`^ordo_shard_${name}\\{[^}]*\\} (\\d+)$`, "m"))[1]);
}

const cases = {
  "who comes too late watches, and writes when somebody leaves": async (cluster) => {
    const join = async () => {
      const raw = await RawConnection.connect(cluster.url);
      return { raw, ...(await raw.open("full", "d")) };
    };
    const write = async ({ raw, doc }, clientSeq, base) => raw.submit(doc, clientSeq, base, insertAtStart("x"));
    const early = await Promise.all(Array.from({ length: PLACES + 1 }, join)); // while there is room
    for (const one of early) assert.deepEqual([one.permission, one.viewer], [Permission.WRITE, false], "the right to write takes no place");
    let { head } = early[0];
    for (const one of early.slice(0, PLACES)) head = (await write(one, 1, head)).ack.server_seq;

    const late = await join();
    assert.deepEqual([late.permission, late.viewer], [Permission.READ, true]);
    const extra = early[PLACES];
    const { nack } = await write(extra, 1, head);
    assert.equal(nack.code, NackCode.RATE_LIMITED, "not FORBIDDEN: that would give the edit back");
    assert.ok(nack.retry_after_ms > 0);
    const told = await extra.raw.next(({ opened }) => opened);
    assert.deepEqual([told.request, told.opened.permission, told.opened.viewer], [0, Permission.READ, true]);
    assert.equal((await write(extra, 1, head)).nack.code, NackCode.RATE_LIMITED, "as after every Opened; and it is not told again");

    early[0].raw.close();
    const admitted = await extra.raw.next(({ opened }) => opened);
    assert.deepEqual([admitted.opened.permission, admitted.opened.viewer], [Permission.WRITE, false]);
    assert.equal((await write(extra, 1, head)).ack.server_seq, head + 1);
    early[1].raw.close();
    const lateTold = await late.raw.next(({ opened }) => opened);
    assert.deepEqual([lateTold.opened.permission, lateTold.opened.viewer], [Permission.WRITE, false]);
    [...early, late].forEach(({ raw }) => raw.close());
  },

  "with far more who type than places, all that is typed arrives": async (cluster) => {
    const clients = [];
    for (let i = 0; i < 4 * PLACES; i++) clients.push(await cluster.join({ collection: "full", id: "crowd" }));
    const before = { admitted: await figure(cluster, "viewers_admitted_total"), turnedAway: await figure(cluster, "writers_turned_away_total") };
    clients.forEach((client, i) => client.splice(0, 0, `<${i}>`));
    await Promise.all(clients.map((client) => client.settled(20_000)));
    const text = await converge(clients);
    clients.forEach((client, i) => {
      assert.equal(text.split(`<${i}>`).length, 2, `what ${i} typed, once`);
      assert.equal(client.returned.length, 0, "nothing was given back");
    });
    assert.ok(await figure(cluster, "writers_turned_away_total") > before.turnedAway);
    assert.ok(await figure(cluster, "viewers_admitted_total") > before.admitted);
    await eventually(async () => await figure(cluster, "viewers") === 0, "everybody to have had a place");
    clients.forEach((client) => client.close());
  },

  "a request over HTTP waits for a place like others": async (cluster) => {
    const api = new Api(cluster), path = "/full/http";
    assert.equal((await api.put(path, "")).status, 201);
    const writers = [];
    for (let i = 0; i < PLACES; i++) writers.push(await cluster.join({ collection: "full", id: "http" }));
    const typing = setInterval(() => writers.forEach((writer) => writer.splice(0, 0, "x")), IDLE_MS / 6);
    await Promise.all(writers.map((writer) => writer.until(() => writer.confirmed.text.length > 0, "a text")));
    let isAnswered = false;
    const waiting = api.op(path, { base_seq: 1, op: ["HTTP"] }).then((answer) => { isAnswered = true; return answer; });
    await eventually(async () => await figure(cluster, "viewers") === 1, "the request to wait");
    assert.equal(isAnswered, false);
    assert.equal((await api.read(path)).status, 200, "to read needs no place");
    clearInterval(typing);
    writers[0].close();
    assert.equal((await waiting).status, 200);
    assert.match((await api.read(path)).text, /HTTP/);
    writers.forEach((writer) => writer.close());
  },
};

test("a document takes only so many writers", async (t) => {
  const args = ["--writers-max", String(PLACES), "--writer-idle-ms", String(IDLE_MS), "--listen-metrics", "127.0.0.1:0"];
  await withCluster(t, new Supervised({ args }), async (cluster) => {
    cluster.metrics = `http://${cluster.up.log.match(/event=metrics address=(\S+)/)[1]}/metrics`; // the shard starts first
    for (const [name, act] of Object.entries(cases)) await t.test(name, () => act(cluster));
  });
});
