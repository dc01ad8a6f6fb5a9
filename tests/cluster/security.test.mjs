// Who gets in and who does not: a real gateway that asks for tokens, and a table of attacks. Tokens are made here with
// Node's own cryptography, which shares nothing with the gateway's reading of them.
import { test } from "node:test";
import assert from "node:assert/strict";
import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Supervised, withCluster } from "./lib/cluster.mjs";
import { Many, etcdPath } from "./lib/many.mjs";
import { eventually, run } from "./lib/process.mjs";
import { RawConnection, insertAtStart } from "./lib/raw.mjs";
import { NackCode, Permission } from "./lib/wire.mjs";

const keys = mkdtempSync(join(tmpdir(), "ordo-keys-"));
process.on("exit", () => rmSync(keys, { recursive: true, force: true }));
const file = (name) => join(keys, name);

/** Written beside and renamed, as one should. */
function put(name, content) {
  writeFileSync(file(`${name}.new`), content, { mode: 0o600 });
  renameSync(file(`${name}.new`), file(name));
}

// --- keys and tokens

const secret = randomBytes(24).toString("base64"); // 32 characters
// Keys by way of PEM: Node 20 can wait for itself for ever when it reads a generated key just as it tidies up what generated it.
function keyPair(type, options) {
  const encodings = { publicKeyEncoding: { type: "spki", format: "pem" }, privateKeyEncoding: { type: "pkcs8", format: "pem" } };
  const { publicKey, privateKey } = generateKeyPairSync(type, { ...options, ...encodings });
  return { publicKey: createPublicKey(publicKey), privateKey: createPrivateKey(privateKey) };
}
const rsa = keyPair("rsa", { modulusLength: 2048 });
const p256 = keyPair("ec", { namedCurve: "P-256" });
const ed25519 = keyPair("ed25519");
const other = keyPair("ec", { namedCurve: "P-256" });
const jwk = ({ publicKey }, kid) => ({ ...publicKey.export({ format: "jwk" }), kid, use: "sig" });
const jwks = (...list) => JSON.stringify({ keys: list });
const wholeSet = jwks(jwk(rsa, "r"), jwk(p256, "e"), jwk(ed25519, "d"));

const base64url = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const signers = {
  HS256: (text, key = secret) => createHmac("sha256", key).update(text).digest(),
  RS256: (text, key = rsa.privateKey) => sign("sha256", Buffer.from(text), key),
  ES256: (text, key = p256.privateKey) => sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" }),
  EdDSA: (text, key = ed25519.privateKey) => sign(null, Buffer.from(text), key),
};
function tokenOf(header, claims, signature) {
  const text = `${base64url(header)}.${base64url(claims)}`;
  return `${text}.${signature(text).toString("base64url")}`;
}

const nowS = () => Date.now() / 1000;
const everything = (access) => [{ collection_prefix: "", id_prefix: "", access }];
const claimsOf = (sub, more = {}) => ({ sub, iat: nowS(), exp: nowS() + 600, docs: everything("admin"), ...more });
const token = (sub, more = {}, alg = "HS256", header = {}) => tokenOf({ alg, ...header }, claimsOf(sub, more), signers[alg]);

// --- the cluster

put("secret", secret);
put("jwks", wholeSet);
const doorArgs = ["--token-secret", file("secret"), "--token-jwks", file("jwks"), "--allow-origin", "https://app.example.com",
                  "--token-cookie", "ordo_token"];

/** What a Hello with this token is answered with: { user } or { code, close }. */
async function knock(cluster, shown, http = {}) {
  const raw = await RawConnection.connect(cluster.url, { hello: false, ...http });
  raw.send({ request: 1, hello: { protocol: 1, client_id: randomBytes(16), types: ["text"], token: shown } });
  const answer = await raw.next((message) => message.request === 1);
  if (answer.welcome) {
    raw.close();
    return { user: answer.welcome.user };
  }
  return { code: answer.error.code, message: answer.error.message, close: (await raw.closedByServer()).code };
}

async function assertRefused(cluster, shown, pattern, http) {
  const answer = await knock(cluster, shown, http);
  assert.equal(answer.code, 401, `let in as ${answer.user}`);
  assert.equal(answer.close, 1008);
  assert.match(answer.message, pattern);
}

const statusOf = (cluster, http) => RawConnection.connect(cluster.url, { hello: false, ...http }).then(
  (raw) => { raw.close(); return 101; }, (error) => Number(/(\d{3})$/.exec(error.message)?.[1] ?? 0));

// --- the tests: one cluster for all

const cases = {
  "each algorithm lets in whom its key vouches for": async (cluster) => {
    for (const [alg, kid] of [["HS256"], ["RS256", "r"], ["ES256", "e"], ["EdDSA", "d"], ["RS256"], ["ES256"]]) {
      const answer = await knock(cluster, token(`user-of-${alg}`, {}, alg, kid ? { kid } : {}));
      assert.deepEqual(answer, { user: `user-of-${alg}` });
    }
  },

  "forged, stale and misdirected tokens are refused": async (cluster) => {
    const good = claimsOf("mallory");
    const none = () => Buffer.alloc(0);
    const publicPem = rsa.publicKey.export({ type: "spki", format: "pem" });
    const attacks = {
      "no token": ["", /asks for a token/],
      "nonsense": ["nonsense", /not a signed JWT/],
      "alg none": [tokenOf({ alg: "none" }, good, none), /not a signed JWT/],
      "alg none with a signature": [tokenOf({ alg: "none" }, good, signers.HS256), /no key/],
      "alg nOnE": [tokenOf({ alg: "nOnE" }, good, signers.HS256), /no key/],
      "a public key taken for a secret": [tokenOf({ alg: "HS256" }, good, (text) => signers.HS256(text, publicPem)), /no key/],
      "... and its kid": [tokenOf({ alg: "HS256", kid: "r" }, good, (text) => signers.HS256(text, publicPem)), /no key/],
      "a signature of another algorithm": [tokenOf({ alg: "RS256", kid: "r" }, good, signers.ES256), /no key/],
      "somebody else's key": [tokenOf({ alg: "ES256" }, good, (text) => signers.ES256(text, other.privateKey)), /no key/],
      "a key in the header": [tokenOf({ alg: "ES256", jwk: jwk(other, "x") }, good, (text) => signers.ES256(text, other.privateKey)), /no key/],
      "another kid": [tokenOf({ alg: "ES256", kid: "d" }, good, signers.ES256), /no key/],
      "claims changed under the signature": [
        token("alice").split(".").map((part, i) => (i === 1 ? base64url(claimsOf("root")) : part)).join("."), /no key/],
      "expired": [token("m", { exp: nowS() - 31 }), /expired/],
      "not valid yet": [token("m", { nbf: nowS() + 40 }), /not valid yet/],
      "for somebody else": [token("m", { aud: "another service" }), /audience/],
      "without end": [token("m", { exp: undefined }), /claims/],
      "without user": [token(undefined), /claims/],
      "without rights": [token("m", { docs: undefined }), /claims/],
      "a restriction that is not understood": [token("m", { docs: [{ ...everything("admin")[0], until: 1 }] }), /claims/],
      "a claim twice": [tokenOf({ alg: "HS256" }, `{"sub":"a","sub":"root","exp":${nowS() + 60},"docs":[]}`, signers.HS256), /claims/],
      "larger than a token may be": [token("m", { x: "y".repeat(8192) }), /larger/],
    };
    for (const [name, [shown, pattern]] of Object.entries(attacks)) {
      await assertRefused(cluster, shown, pattern).catch((error) => { throw new Error(`${name}: ${error.message}`); });
    }
  },

  "a token of one document opens that one": async (cluster) => {
    await RawConnection.connect(cluster.url, { token: token("admin") }).then(async (admin) => {
      await admin.open("team", "plan");
      await admin.open("team", "secret");
      admin.close();
    });
    const docs = [{ collection: "team", id: "plan", access: "read" }, { collection: "own", id_prefix: "a/", access: "write" },
                  { collection: "caf\u00e9", id: "x", access: "write" }];
    const raw = await RawConnection.connect(cluster.url, { token: token("eve", { docs }) });
    const opened = await raw.open("team", "plan", { create_type: "" });
    assert.equal(opened.permission, Permission.READ);
    const answer = await raw.submit(opened.doc, 1, opened.head, insertAtStart("x"));
    assert.equal(answer.nack.code, NackCode.FORBIDDEN);
    raw.send({ doc: opened.doc, request: 77, forget: {} });
    assert.equal((await raw.next((message) => message.request === 77)).error.code, 403);
    const tricks = [["team", "secret"], ["team", "plan/"], ["team", "./plan"], ["team/plan", "x"], ["Team", "plan"], ["team", "pla"],
                    ["own", "b"], ["own", "../team/plan"], ["own", "./a/b"], ["own", "A/x"], ["own", "a%2fx"], ["cafe\u0301", "x"], ["team", "pl\u0430n"]];
    for (const [collection, id] of tricks) {
      await assert.rejects(raw.open(collection, id), { code: 403 }, `${collection} ${id}`);
    }
    for (const [collection, id] of [["own", "a/\0"], ["own", ""], ["", "a/x"], ["own", `a/${"x".repeat(127)}`]]) {
      await assert.rejects(raw.open(collection, id), { code: 400 }, JSON.stringify([collection, id]));
    }
    // What looks like a way out is a name like others: it leads nowhere but there.
    const odd = await raw.open("own", "a/../../team/secret");
    assert.equal(odd.created, true);
    assert.equal((await raw.open("own", `a/${"x".repeat(126)}`)).permission, Permission.WRITE);
    await assert.rejects(raw.open("team", "new"), { code: 403 });
    raw.close();
  },

  "who may read neither creates nor writes, who may write does not forget": async (cluster) => {
    const reader = await RawConnection.connect(cluster.url, { token: token("r", { docs: everything("read") }) });
    await assert.rejects(reader.open("rw", "absent"), { code: 404 });
    const writer = await RawConnection.connect(cluster.url, { token: token("w", { docs: everything("write") }) });
    const made = await writer.open("rw", "made");
    const seen = await reader.open("rw", "made");
    assert.equal((await writer.submit(made.doc, 1, made.head, insertAtStart("hi"))).ack.server_seq, made.head + 1);
    await reader.next((message) => message.committed?.user === "w");
    assert.equal((await reader.submit(seen.doc, 1, seen.head, { delete: {} })).nack.code, NackCode.FORBIDDEN);
    reader.send({ request: 9, doc: seen.doc, history: { from_seq: 1 } });
    assert.equal((await reader.next((message) => message.request === 9)).history.ops.length, 2);
    writer.send({ request: 9, doc: made.doc, forget: {} });
    assert.equal((await writer.next((message) => message.request === 9)).error.code, 403);
    assert.ok((await writer.submit(made.doc, 2, made.head + 1, { delete: {} })).ack, "who may write may delete: history remains");
    const admin = await RawConnection.connect(cluster.url, { token: token("a") });
    const last = await admin.open("rw", "made", { create_type: "" });
    admin.send({ request: 9, doc: last.doc, forget: {} });
    assert.ok((await admin.next((message) => message.request === 9)).forgotten);
    [reader, writer, admin].forEach((raw) => raw.close());
  },

  "a stolen client_id and a replayed op get nowhere": async (cluster) => {
    const clientId = randomBytes(16);
    const alice = await RawConnection.connect(cluster.url, { clientId, token: token("alice") });
    const { doc, head } = await alice.open("ids", "d");
    assert.ok((await alice.submit(doc, 5, head, insertAtStart("one"))).ack);
    const again = await alice.submit(doc, 5, head, insertAtStart("one"));
    assert.equal(again.ack.duplicate, true);
    assert.equal((await alice.submit(doc, 5, head, insertAtStart("two"))).nack.code, NackCode.REPLAYED, "the same op_id, another op");
    assert.equal((await alice.submit(doc, 5, head + 1, insertAtStart("one"))).nack.code, NackCode.REPLAYED, "... another base");
    assert.equal((await alice.submit(doc, 4, head + 1, insertAtStart("old"))).nack.code, NackCode.REPLAYED, "an old client_seq");
    const bob = await RawConnection.connect(cluster.url, { clientId, token: token("bob") });
    const his = await bob.open("ids", "d");
    assert.equal(his.last_client_seq, 0, "nothing is told of what alice did under it");
    assert.equal((await bob.submit(his.doc, 6, his.head, insertAtStart("forged"))).nack.code, NackCode.CLIENT_ID_TAKEN);
    assert.equal((await bob.submit(his.doc, 5, head, insertAtStart("one"))).nack.code, NackCode.CLIENT_ID_TAKEN, "not even a replay");
    assert.ok((await alice.submit(doc, 6, head + 1, insertAtStart("still here"))).ack, "alice goes on");
    const committed = await bob.next((message) => message.committed?.client_seq === 6);
    assert.equal(committed.committed.user, "alice");
    [alice, bob].forEach((raw) => raw.close());
  },

  "headers, cookies and pages": async (cluster) => {
    const bearer = (shown) => ({ headers: { Authorization: `Bearer ${shown}` } });
    const cookie = (shown, origin) => ({ headers: { Cookie: `x=1; ordo_token=${shown}` }, ...(origin && { origin }) });
    assert.deepEqual(await knock(cluster, "", bearer(token("h"))), { user: "h" });
    assert.deepEqual(await knock(cluster, token("hello"), bearer("nonsense")), { user: "hello" }, "what Hello says goes first");
    await assertRefused(cluster, "", /not a signed JWT/, bearer("nonsense"));
    assert.deepEqual(await knock(cluster, "", cookie(token("c"), "https://app.example.com")), { user: "c" });
    assert.equal(await statusOf(cluster, cookie(token("c"), "https://evil.example.com")), 403, "a foreign page borrows the cookie");
    assert.equal(await statusOf(cluster, cookie(token("c"))), 403, "a cookie from nowhere");
    assert.equal(await statusOf(cluster, { origin: "https://app.example.com" }), 101);
    for (const origin of ["https://evil.example.com", "http://app.example.com", "https://app.example.com.evil.org", "null", "http://localhost:8080"])
      assert.equal(await statusOf(cluster, { origin }), 403, origin);
    assert.equal(await statusOf(cluster, {}), 101, "a program that is no browser");
    const size = (bytes) => bearer(`${"a".repeat(bytes)}`);
    await assertRefused(cluster, "", /not a signed JWT/, size(8192));
    await assertRefused(cluster, "", /larger/, size(8193));
    assert.notEqual(await statusOf(cluster, size(10_000)), 101);
    assert.deepEqual(await knock(cluster, token("after all that")), { user: "after all that" });
  },

  "a connection ends with its token, and goes on with a fresh one": async (cluster) => {
    const short = (sub) => token(sub, { exp: nowS() - 28, docs: everything("write") }); // with the leeway: two seconds
    const [left, renewed] = await Promise.all(["left", "renewed"].map((sub) => RawConnection.connect(cluster.url, { token: short(sub) })));
    const opened = await renewed.open("time", "d");
    renewed.send({ request: 4, authenticate: { token: token("renewed", { docs: everything("write") }) } });
    assert.ok((await renewed.next((message) => message.request === 4)).welcome);
    renewed.send({ request: 5, authenticate: { token: token("another user") } });
    assert.equal((await renewed.next((message) => message.request === 5)).error.code, 401);
    const { code, reason } = await left.closedByServer(5000);
    assert.equal(code, 1008);
    assert.match(reason, /expired/);
    assert.equal(left.messages.find((message) => message.error)?.error.code, 401, "said before it was closed");
    assert.ok((await renewed.submit(opened.doc, 1, opened.head, insertAtStart("x"))).ack);
    renewed.close();
  },

  "rights change while documents are open": async (cluster) => {
    const clientId = randomBytes(16);
    const raw = await RawConnection.connect(cluster.url, { clientId, token: token("m", { docs: everything("write") }) });
    const kept = await raw.open("change", "kept"), lost = await raw.open("change", "lost");
    const docs = (access) => [{ collection: "change", id: "kept", access }];
    raw.send({ authenticate: { token: token("m", { docs: docs("read") }) } });
    assert.equal((await raw.next((message) => message.error && message.doc === lost.doc)).error.code, 403);
    const told = await raw.next((message) => message.opened && message.doc === kept.doc);
    assert.equal(told.opened.permission, Permission.READ);
    assert.equal((await raw.submit(kept.doc, 1, kept.head, insertAtStart("x"))).nack.code, NackCode.FORBIDDEN);
    assert.equal((await raw.submit(lost.doc, 1, lost.head, insertAtStart("x"))).nack.code, NackCode.NOT_OPEN);
    raw.send({ authenticate: { token: token("m", { docs: docs("write") }) } });
    await raw.next((message) => message.opened?.permission === Permission.WRITE && message.doc === kept.doc);
    assert.ok((await raw.submit(kept.doc, 2, kept.head, insertAtStart("x"))).ack);
    raw.close();
  },

  "revoking acts within a second, and lets later tokens in": async (cluster) => {
    const ordo = (...args) => run("ordo", ["revoke", "--data", cluster.data, ...args]);
    const early = token("carol", { jti: "one", iat: nowS() - 2 });
    const carol = await RawConnection.connect(cluster.url, { token: early });
    const dave = await RawConnection.connect(cluster.url, { token: token("dave", { jti: "two" }) });
    const bystander = await RawConnection.connect(cluster.url, { token: token("bystander", { jti: "three" }) });
    const timed = async (raw, ...args) => {
      const { code, stderr } = await ordo(...args);
      assert.equal(code, 0, stderr);
      const begun = Date.now();
      assert.equal((await raw.closedByServer(5000)).code, 1008);
      assert.ok(Date.now() - begun < 1000, `${Date.now() - begun} ms`);
    };
    await timed(carol, "--user", "carol");
    await timed(dave, "--token", "two", "--until", "1h");
    await assertRefused(cluster, early, /revoked/);
    await assertRefused(cluster, token("dave", { jti: "two" }), /revoked/);
    assert.deepEqual(await knock(cluster, token("carol", { iat: nowS() + 1 })), { user: "carol" });
    assert.deepEqual(await knock(cluster, token("dave", { jti: "four" })), { user: "dave" });
    const list = (await ordo("--list")).stdout;
    assert.match(list, /user .* carol\n/);
    assert.match(list, /token .* two\n/);
    assert.equal((await ordo("--user", "carol", "--undo")).code, 0);
    await eventually(async () => (await knock(cluster, early)).user === "carol", "carol to be let in again");
    assert.equal((await ordo("--user", "nobody", "--undo")).code, 1);
    assert.equal((await ordo("--user", "x", "--token", "y")).code, 2);
    assert.ok(!bystander.socket.readyState || bystander.socket.readyState === 1, "others stayed");
    bystander.close();
  },

  "keys change while the gateway runs": async (cluster) => {
    const newcomer = (shown) => knock(cluster, shown);
    const fresh = () => tokenOf({ alg: "ES256", kid: "new" }, claimsOf("fresh"), (text) => signers.ES256(text, other.privateKey));
    const old = await RawConnection.connect(cluster.url, { token: token("old", {}, "EdDSA", { kid: "d" }) });
    assert.equal((await newcomer(fresh())).code, 401);
    put("jwks", jwks(jwk(rsa, "r"), jwk(p256, "e"), jwk(ed25519, "d"), jwk(other, "new")));
    await eventually(async () => (await newcomer(fresh())).user === "fresh", "the new key to be known", 5000);
    put("jwks", "half a fi");
    await eventually(() => /keys_not_taken/.test(cluster.up.log), "the broken file to be noticed", 5000);
    assert.deepEqual(await newcomer(fresh()), { user: "fresh" }, "the keys of before stay");
    put("jwks", jwks(jwk(rsa, "r"), jwk(p256, "e"), jwk(other, "new")));
    assert.equal((await old.closedByServer(5000)).code, 1008, "its key is not known any more");
    assert.deepEqual(await newcomer(fresh()), { user: "fresh" });
    put("jwks", wholeSet);
    await eventually(async () => (await newcomer(token("d", {}, "EdDSA", { kid: "d" }))).user === "d", "the old set", 5000);
  },

  "the command line makes tokens and shows them at the door": async (cluster) => {
    put("ed25519.pem", ed25519.privateKey.export({ type: "pkcs8", format: "pem" }));
    const make = (...args) => run("ordo", ["token", "make", ...args]);
    const doc = (args, shown, input) => run("ordo", ["doc", ...args, "--url", cluster.url], { env: { ORDO_TOKEN: shown }, input });
    const { stdout } = await make("--sub", "cli", "--doc", "team/*:write", "--ttl", "5m", "--key", file("ed25519.pem"));
    const made = stdout.trim();
    assert.deepEqual(await knock(cluster, made), { user: "cli" });
    assert.equal((await doc(["put", "team/cli"], made, "typed")).code, 0);
    assert.equal((await doc(["cat", "team/cli"], made)).stdout, "typed");
    const forbidden = await doc(["cat", "other/cli"], made);
    assert.equal(forbidden.code, 1);
    assert.match(forbidden.stderr, /403/);
    const begun = Date.now();
    const without = await doc(["cat", "team/cli"], "");
    assert.equal(without.code, 1);
    assert.match(without.stderr, /asks for a token/);
    assert.ok(Date.now() - begun < 5000, "it does not wait for what will not come");
    const hs = (await make("--sub", "hs", "--key", file("secret"), "--doc", "a/b:read", "--jti", "j")).stdout.trim();
    assert.deepEqual(await knock(cluster, hs), { user: "hs" });
    const shown = (await run("ordo", ["token", "show", hs])).stdout;
    assert.match(shown, /"alg": "HS256"/);
    assert.match(shown, /"jti": "j"/);
    for (const [args, code] of [[["--sub", "x"], 2], [["--sub", "x", "--key", file("none")], 1],
                                [["--sub", "x", "--key", file("secret"), "--doc", "a:write"], 2],
                                [["--sub", "x", "--key", file("secret"), "--doc", "a/b:own"], 2],
                                [["--sub", "x", "--key", file("secret"), "--ttl", "soon"], 2],
                                [["--sub", "", "--key", file("secret")], 2]])
      assert.equal((await make(...args)).code, code, args.join(" "));
    const load = await run("ordo-load", ["--url", cluster.url, "--duration", "0.5", "--warmup", "0", "--token", token("load"), "--verify"]);
    assert.equal(load.code, 0, load.stderr);
  },
};

test("a gateway that asks for tokens", async (t) => {
  await withCluster(t, new Supervised({ args: doorArgs }), async (cluster) => {
    for (const [name, act] of Object.entries(cases)) await t.test(name, () => act(cluster));
  });
});

test("a revocation reaches all gateways, through etcd as well", { skip: !etcdPath && "there is no etcd" }, async (t) => {
  const many = new Many({ shards: 1, gateways: 2, etcd: true, gatewayArgs: ["--token-secret", file("secret")] });
  await withCluster(t, many, async (cluster) => {
    const shown = token("gone", { jti: "gone" });
    const raws = await Promise.all(cluster.gateways.map(({ url }) => RawConnection.connect(url, { token: shown })));
    assert.equal((await cluster.ordo("revoke", "--token", "gone")).code, 0);
    const begun = Date.now();
    for (const raw of raws) assert.equal((await raw.closedByServer(5000)).code, 1008);
    assert.ok(Date.now() - begun < 1000, `${Date.now() - begun} ms`);
    for (const { url } of cluster.gateways) await assertRefused({ url }, shown, /revoked/);
    assert.match((await cluster.ordo("revoke", "--list")).stdout, /token .* gone\n/);
  });
});

test("without keys a gateway keeps to loopback, and bad keys keep it from starting", async () => {
  const gateway = (...args) => run("ordo-gateway", ["--shard", "data=tcp://127.0.0.1:1,side=tcp://127.0.0.1:2", ...args]);
  const open = await gateway("--listen", "0.0.0.0:0");
  assert.equal(open.code, 2);
  assert.match(open.stderr, /--token-jwks.*--insecure-listen-anywhere/s);
  put("weak", "too short");
  put("private.pem", p256.privateKey.export({ type: "pkcs8", format: "pem" }));
  put("shown", secret);
  chmodSync(file("shown"), 0o644);
  for (const [args, pattern] of [[["--token-secret", file("weak")], /32 bytes/], [["--token-key", file("private.pem")], /private/],
                                 [["--token-secret", file("shown")], /everybody/], [["--token-jwks", file("none")], /cannot be read/],
                                 [["--token-jwks", file("secret")], /keys/]]) {
    const { code, stderr } = await gateway("--listen", "127.0.0.1:0", ...args);
    assert.equal(code, 1, args.join(" "));
    assert.match(stderr, pattern);
  }
});
