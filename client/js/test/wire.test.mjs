// Messages as the client reads and writes them, held against a protobuf library that reads proto/ordo.proto.
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeClientMessage } from "../dist/wire/client.js";
import { idFromBytes } from "../dist/wire/ids.js";
import { WireError } from "../dist/wire/reader.js";
import { decodeServerFrame as decodeInTurns } from "../dist/wire/server.js";
import { Random, seedOfRun } from "./support.mjs";
import { decodeClient, encodeClient, encodeServer } from "./wire.mjs";

const LARGE = 2 ** 53 - 1, ID = "00ff102030405060708090a0b0c0d0ef";
const bytes = (hex) => Buffer.from(hex, "hex");
/** In one go. */
function decodeServerFrame(frame) {
  for (const turns = decodeInTurns(frame); ;) {
    const turn = turns.next();
    if (turn.done) return turn.value;
  }
}
const op = { spans: [16, 16 * 70_000 + 5, 16 * (2 ** 31 - 1) + 2], text: "\ufeffa😀" };

test("what a client says is what the file says", () => {
  const cases = [
    [{ kind: "hello", clientId: ID, token: "t", agent: "a" },
      { hello: { protocol: 1, client_id: bytes(ID), token: "t", agent: "a", types: ["text"] } }],
    [{ kind: "open", request: 3, open: { collection: "c", id: "d", createType: "text", createContent: op, presence: true, clean: true } },
      { request: 3, open: { collection: "c", id: "d", create_type: "text", create_content: op, presence: true, clean: true } }],
    [{ kind: "open", request: 4, open: { collection: "c", id: "d", createType: "", have: { seq: 0, lineage: LARGE }, presence: false, clean: false } },
      { request: 4, open: { collection: "c", id: "d", have_seq: 0, have_lineage: LARGE } }],
    [{ kind: "leave", doc: 300 }, { doc: 300, leave: {} }],
    [{ kind: "submit", doc: 1, clientSeq: 1, baseSeq: LARGE, body: { kind: "delete" } },
      { doc: 1, submit: { client_seq: 1, base_seq: LARGE, delete: {} } }],
    [{ kind: "submit", doc: 1, clientSeq: 2, baseSeq: 0, body: { kind: "edit", bytes: new Uint8Array(0) } },
      { doc: 1, submit: { client_seq: 2, text: {} } }],
    [{ kind: "presence", doc: 1, baseSeq: 7, data: new Uint8Array([1, 2]), ranges: [{ anchor: 0, head: 300 }, { anchor: 0, head: 0 }], clear: false },
      { doc: 1, presence: { base_seq: 7, data: Buffer.from([1, 2]), ranges: [{ head: 300 }, {}] } }],
    [{ kind: "history", doc: 1, request: 9, what: { fromSeq: 1, toSeq: 5 } }, { doc: 1, request: 9, history: { from_seq: 1, to_seq: 5 } }],
    [{ kind: "history", doc: 1, request: 9, what: { atSeq: 0 } }, { doc: 1, request: 9, history: { at_seq: 0 } }],
    [{ kind: "history", doc: 1, request: 9, what: { atTimeMs: 0 } }, { doc: 1, request: 9, history: { at_time_ms: 0 } }],
    [{ kind: "authenticate", token: "é" }, { authenticate: { token: "é" } }],
    [{ kind: "forget", request: 9, doc: 1, lineage: LARGE }, { request: 9, doc: 1, forget: { lineage: LARGE } }],
    [{ kind: "ping", nonce: 12345678901 }, { ping: { nonce: 12345678901 } }],
  ];
  for (const [ours, theirs] of cases) {
    assert.deepEqual(decodeClient(encodeClientMessage(ours)), decodeClient(encodeClient(theirs)), ours.kind);
  }
});

const MESSAGES = [
  { welcome: { protocol: 1, user: "u", server_time_ms: LARGE, op_size_max: 5, frame_size_max: 6, presence_size_max: 7, gateway: "g" } },
  { request: 2, doc: 9, opened: { collection: "c", id: "d", type: "text", head: 5, content: { seq: 3, text: "\ufeffAé😀" }, ops: [
    { server_seq: 4, client_id: bytes(ID), client_seq: 1, timestamp_ms: 99, user: "é", text: op, base_seq: 3 },
    { server_seq: 5, client_id: bytes(ID), client_seq: 2, delete: {} }], last_client_seq: 8, last_client_server_seq: 4,
    permission: 2, created: true, horizon: 1, lineage: LARGE, more: true, forgotten_seq: 3, viewer: true } },
  { doc: 1, committed: { server_seq: 6, client_id: bytes(ID), create: { type: "text", text: op, lineage: 5 } } },
  { doc: 1, committed: { server_seq: 7, client_id: bytes(ID) } },
  { doc: 1, ack: { client_seq: 1, server_seq: 2, timestamp_ms: 3, duplicate: true } },
  { doc: 1, nack: { client_seq: 1, code: 8, message: "m", retry_after_ms: 5, horizon: 6 } },
  { doc: 1, presence: { client_id: bytes(ID), user: "u", data: Buffer.from("x"), base_seq: 3, ranges: [{ anchor: 1, head: 2 }, {}], gone: true } },
  { request: 1, doc: 1, history: { ops: [], content: { seq: 2, deleted: true }, horizon: 1, head: 5, more: true } },
  { doc: 1, status: { state: 1, message: "away" } },
  { go_away: { reason: "r", reconnect_after_ms: 50 } },
  { request: 4, error: { code: 404, message: "none" } },
  { pong: { nonce: 1 } },
  { request: 5, doc: 1, forgotten: { head: LARGE } },
];

test("what a server says is read as the file says", () => {
  const read = decodeServerFrame(encodeServer(...MESSAGES)).map((message) => message.body);
  const committed = (over) => ({ serverSeq: 0, clientId: ID, clientSeq: 0, timestampMs: 0, user: "", baseSeq: 0, ...over });
  assert.deepEqual(read, [
    { kind: "welcome", protocol: 1, user: "u", opSizeMax: 5, frameSizeMax: 6 },
    { kind: "opened", opened: { type: "text", head: 5,
      content: { seq: 3, text: "\ufeffAé😀", deleted: false, isForeign: false }, ops: [
        committed({ serverSeq: 4, clientSeq: 1, timestampMs: 99, user: "é", baseSeq: 3, body: { kind: "edit", op } }),
        committed({ serverSeq: 5, clientSeq: 2, body: { kind: "delete" } })], lastClientSeq: 8, lastClientServerSeq: 4,
      permission: 2, horizon: 1, lineage: LARGE, more: true, forgottenSeq: 3, viewer: true } },
    { kind: "committed", committed: committed({ serverSeq: 6, body: { kind: "create", type: "text", op, lineage: 5 } }) },
    { kind: "committed", committed: committed({ serverSeq: 7, body: { kind: "unknown" } }) },
    { kind: "ack", ack: { clientSeq: 1, serverSeq: 2, timestampMs: 3, duplicate: true } },
    { kind: "nack", nack: { clientSeq: 1, code: 8, message: "m", retryAfterMs: 5 } },
    { kind: "presence", presence: { clientId: ID, user: "u", data: new Uint8Array([120]), baseSeq: 3,
      ranges: [{ anchor: 1, head: 2 }, { anchor: 0, head: 0 }], gone: true } },
    { kind: "history", part: { ops: [], content: { seq: 2, text: "", deleted: true, isForeign: false }, horizon: 1, head: 5, more: true } },
    { kind: "status", isAvailable: false, message: "away" },
    { kind: "goAway", reason: "r", reconnectAfterMs: 50 },
    { kind: "error", code: 404, message: "none" },
    { kind: "pong" },
    { kind: "forgotten", head: LARGE },
  ]);
});

test("later messages and fields are passed over, and an op of a later type is no empty one", () => {
  const later = new Uint8Array([0x0a, 4, 0xa2, 0x06, 1, 7]); // message { field 100: bytes }
  assert.deepEqual(decodeServerFrame(later), [{ request: 0, doc: 0, body: { kind: "none" } }]);
  const ofType20 = new Uint8Array([0x0a, 8, 0x2a, 6, 0x08, 1, 0xa2, 0x01, 1, 5]);
  const [message] = decodeServerFrame(ofType20);
  assert.deepEqual(message.body.committed.body, { kind: "unknown" });
  const content = new Uint8Array([0x0a, 10, 0x22, 8, 0x2a, 6, 0x08, 1, 0xa2, 0x01, 1, 5]);
  assert.equal(decodeServerFrame(content)[0].body.opened.content.isForeign, true);
});

test("broken frames are refused, and never read beyond", () => {
  const random = new Random(seedOfRun), frame = encodeServer(...MESSAGES);
  for (let i = 1; i < frame.length; i++) {
    try { decodeServerFrame(frame.subarray(0, i)); } catch (error) { assert.equal(error.constructor.name, "WireError"); }
  }
  for (let i = 0; i < 20_000; i++) {
    const broken = frame.slice();
    for (let n = 1 + random.below(3); n > 0; n--) broken[random.below(broken.length)] = random.below(256);
    try { decodeServerFrame(broken); } catch (error) { assert.equal(error.constructor.name, "WireError", error.stack); }
  }
  for (const bad of [[0x0a, 5, 1], [0x0a, 2, 0x2a, 0xff], [0x0a, 3, 0x28, 0x80, 0x01], [0x00, 0x00], [0x0b]])
    assert.throws(() => decodeServerFrame(new Uint8Array(bad)), WireError);
  assert.equal(idFromBytes(bytes(ID)), ID);
});
