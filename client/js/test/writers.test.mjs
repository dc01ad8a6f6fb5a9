// A document with as many writers as it takes, against the real gateway and shard.
import assert from "node:assert/strict";
import { test } from "node:test";
import { OrdoError, connect } from "../dist/node.js";
import { skipWithoutBuild, until, withCluster } from "./cluster.mjs";

test("a viewer is told from who may only read, keeps what was typed, and saves it when there is a place", { skip: skipWithoutBuild, timeout: 60_000 },
  () => withCluster(async ({ url }) => {
    const clients = [];
    const open = async () => {
      const client = connect({ url });
      clients.push(client);
      const doc = client.open("c", "d", { create: true });
      await doc.ready;
      await until(doc, "status", () => doc.status !== "connecting");
      return doc;
    };
    try {
      const [writer, early] = [await open(), await open()];
      assert.deepEqual([early.status, early.isViewer], ["synced", false], "the right to write takes no place");
      writer.insert(0, "one ");
      await writer.saved();
      const late = await open();
      assert.deepEqual([late.status, late.isViewer, late.isReadOnly, late.text], ["read-only", true, true, "one "]);
      assert.throws(() => late.insert(0, "x"), (error) => error instanceof OrdoError && error.code === 409);

      await until(early, "change", () => early.text === "one ");
      early.insert(4, "two");
      await until(early, "status", () => early.isViewer);
      assert.deepEqual([early.status, early.unsavedCount, early.text, early.isReadOnly], ["saving", 1, "one two", true]);
      const given = [];
      early.on("givenBack", (what) => given.push(what));
      await clients[0].close();
      await early.saved();
      assert.deepEqual([early.status, early.isViewer, early.isReadOnly, given], ["synced", false, false, []]);
      await until(late, "change", () => late.text === "one two");
      assert.equal(late.isViewer, true, "it is not its turn yet");
      await clients[1].close();
      await until(late, "status", () => !late.isViewer);
      late.insert(7, " three");
      await late.saved();
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
  }, { args: ["--writers-max", "1"] }));
