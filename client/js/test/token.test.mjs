// Tokens end to end: a real gateway that asks for them, and a page that renews them.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "../dist/node.js";
import { skipWithoutBuild, until, withCluster } from "./cluster.mjs";

const LEEWAY_S = 30; // the gateway's
const secret = randomBytes(32).toString("hex");
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token that the gateway takes for `seconds` from now on. */
function tokenFor(sub, seconds, access = "write") {
  const text = `${part({ alg: "HS256" })}.${part({ sub, exp: Date.now() / 1000 + seconds - LEEWAY_S,
                                                 docs: [{ collection: "c", id_prefix: "", access }] })}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

test("a client comes in with its token, renews it in time, and follows its rights", { skip: skipWithoutBuild, timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "ordo-js-key-")), clients = [];
  await writeFile(join(folder, "secret"), secret, { mode: 0o600 });
  const dial = (url, token) => {
    const client = connect({ url, token });
    clients.push(client);
    return client;
  };
  try {
    await withCluster(async ({ url }) => {
      const refused = dial(url, tokenFor("late", -1)), errors = [];
      refused.on("error", (error) => errors.push(error));
      refused.open("c", "d");
      await until(refused, "error", () => errors.some(({ code, message }) => code === 401 && /expired/.test(message)));

      // Three seconds each, so without a renewal its connection would not last.
      let given = 0;
      const client = dial(url, async () => { given++; return tokenFor("alice", given < 3 ? 3 : 600, given < 3 ? "read" : "write"); });
      const users = [];
      client.on("connected", (user) => users.push(user));
      const writer = dial(url, tokenFor("bob", 600)), theirs = writer.open("c", "d", { create: true, content: "hello" });
      await theirs.ready;
      const doc = client.open("c", "d");
      await doc.ready;
      assert.equal(doc.status, "read-only");
      await until(doc, "status", () => doc.status === "synced"); // the third token lets it write
      assert.ok(given >= 3);
      doc.insert(5, "!");
      await doc.saved();
      await until(theirs, "change", () => theirs.text === "hello!");
      await new Promise((done) => setTimeout(done, 2000)); // beyond the end of the first two
      assert.deepEqual(users, ["alice"], "it was one connection all the time");
      await assert.rejects(doc.forget(), (error) => error.code === 403); // it may write
      const owner = dial(url, tokenFor("owner", 600, "admin")).open("c", "d");
      await owner.ready;
      await owner.forget();
      await until(doc, "deleted", () => doc.isDeleted);
      // Rights that end while somebody works offline: what was typed comes back to be shown, and nobody else sees it.
      let access = "write";
      const traveller = dial(url, () => tokenFor("carol", 600, access)), away = traveller.open("c", "trip", { create: true });
      await away.ready;
      const returned = [];
      away.on("givenBack", (given) => returned.push(given.inserted));
      traveller.goOffline();
      away.insert(0, "typed on the way");
      access = "read";
      traveller.goOnline();
      await until(away, "givenBack", () => returned.length > 0);
      assert.deepEqual(returned, ["typed on the way"]);
      await until(away, "status", () => away.status === "read-only");
      assert.equal(away.text, "");

      const foreign = client.open("other", "d");
      await assert.rejects(foreign.ready, (error) => error.code === 403);
    }, { args: ["--token-secret", join(folder, "secret")] });
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await rm(folder, { recursive: true, force: true });
  }
});
