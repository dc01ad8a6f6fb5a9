// A gateway whose limits a page meets: it waits as it is told, goes on, and nothing of what was typed is lost.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../dist/node.js";
import { skipWithoutBuild, until, withCluster } from "./cluster.mjs";

test("a client that types and opens faster than it may waits, and loses nothing", { skip: skipWithoutBuild, timeout: 60_000 }, async () => {
  const limits = ["ops-rate=40", "requests-rate=10", "bytes-rate=200000"].flatMap((limit) => ["--limit", limit]);
  await withCluster(async ({ url, doc }) => {
    const client = connect({ url }), errors = [];
    client.on("error", (error) => errors.push(error));
    const docs = Array.from({ length: 30 }, (_, i) => client.open("c", `d${i}`, { create: true })); // twenty of which may come at once
    await Promise.all(docs.map(({ ready }) => ready));
    for (let round = 0; round < 3; round++) {
      docs.forEach((each) => each.insert(each.text.length, `${round}`));
      await new Promise((done) => setTimeout(done, 50));
    }
    docs[0].insert(3, "x".repeat(500_000)); // more than may come in two seconds
    docs[1].insert(3, "!");
    assert.equal(docs[1].status, "saving");
    await Promise.all(docs.map((each) => each.saved()));
    await until(docs[0], "status", () => docs[0].status === "synced");
    assert.deepEqual(errors, []);
    assert.equal(await doc("cat", "c/d1"), "012!");
    assert.equal(await doc("cat", "c/d29"), "012");
    assert.equal((await doc("cat", "c/d0")).length, 500_003);
    await client.close();
  }, { args: limits });
});
