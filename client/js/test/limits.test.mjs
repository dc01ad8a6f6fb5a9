// A gateway whose limits a page meets: it waits as it is told, goes on, and nothing of what was typed is lost.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../dist/node.js";
import { skipWithoutBuild, until, withCluster } from "./cluster.mjs";

test("a client that types and opens faster than it may waits, and loses nothing", { skip: skipWithoutBuild, timeout: 60_000 }, async () => {
  const limits = ["ops-rate=15", "requests-rate=10", "bytes-rate=65536"].flatMap((limit) => ["--limit", limit]);
  await withCluster(async ({ url, doc }) => {
    const client = connect({ url }), errors = [];
    client.on("error", (error) => errors.push(error));
    const docs = Array.from({ length: 30 }, (_, i) => client.open("c", `d${i}`, { create: true })); // twenty at once
    await Promise.all(docs.map(({ ready }) => ready));
    for (let round = 0; round < 4; round++) {
      docs.forEach((each) => each.insert(each.text.length, `${round}`));
      await new Promise((done) => setTimeout(done, 50));
    }
    docs[0].insert(4, "x".repeat(300_000)); // more than two seconds may bring
    docs[1].insert(4, "!");
    assert.equal(docs[1].status, "saving");
    await Promise.all(docs.map((each) => each.saved()));
    await until(docs[0], "status", () => docs[0].status === "synced");
    assert.deepEqual(errors, []);
    assert.equal(await doc("cat", "c/d1"), "0123!");
    assert.equal(await doc("cat", "c/d29"), "0123");
    assert.equal((await doc("cat", "c/d0")).length, 300_004);
    await client.close();
  }, { args: limits });
});
