// The C client and this one are driven by the same random schedules, as one client of a toy server that others use too: after every
// event both have the same to send, byte for byte, and show the same.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { CONNECTION_DEFAULTS, Connection } from "../dist/core/connection.js";
import { spliceOp } from "../dist/ot/op.js";
import { countPoints } from "../dist/ot/unicode.js";
import { Random, builtProgram, randomText, seedOfRun } from "./support.mjs";
import { ToyServer } from "./toy-server.mjs";

const tool = builtProgram("client_tool", true);
const hex = (bytes) => Buffer.from(bytes).toString("hex");

class Recorded {
  events = [];
  answers = [];
  given = "";

  constructor(random, server) {
    Object.assign(this, { random, server });
    this.nowMs = 1000;
    this.connection = new Connection({ ...CONNECTION_DEFAULTS, clientId: "1".padStart(32, "0"), token: "", agent: "tool", random: () => 0,
      drawClientId: () => "2".padStart(32, "0") });
    this.doc = this.connection.open({ collection: "c", id: "d", createType: "text", presence: false },
                                    { givenBack: (given) => { this.given += given.inserted; } });
    this.event({ do: "start" }, () => {});
  }

  event(event, act) {
    act();
    const frames = [];
    for (let frame; (frame = this.connection.takeFrame(this.nowMs)) !== undefined;) frames.push(frame);
    this.socket?.toServer.push(...frames);
    const { doc } = this, close = this.connection.wish(this.nowMs) === "close";
    this.events.push({ ms: this.nowMs, ...event });
    this.answers.push({ frames: frames.map(hex), close, shown: doc.shownText(), seq: doc.seq, status: doc.status, given: this.given });
    if (close) this.disconnect();
  }

  disconnect() {
    if (this.socket === undefined) return;
    this.server.connections.delete(this.socket);
    this.socket = undefined;
    this.event({ do: "disconnect" }, () => this.connection.disconnected(this.nowMs));
  }

  step() {
    const { connection, doc, random, server } = this;
    this.nowMs += random.below(40);
    const choice = random.below(10);
    if (this.socket === undefined) {
      if (choice > 6) {
        this.socket = server.connect();
        this.event({ do: "connect" }, () => { connection.dialing(this.nowMs); connection.connected(this.nowMs); });
        return;
      }
    } else if (choice < 3 && this.socket.toClient.length > 0) {
      const frame = this.socket.toClient.shift();
      this.event({ do: "receive", frame: hex(frame) }, () => { for (const _ of connection.received(frame, this.nowMs)); });
      return;
    } else if (choice < 5) {
      const frame = this.socket.toServer.shift();
      if (frame !== undefined) server.receive(this.socket, frame);
      return;
    }
    if (choice === 5) this.event({ do: "tick" }, () => connection.tick(this.nowMs));
    else if (choice === 6 && random.chance(4)) this.event({ do: "delete" }, () => doc.delete());
    else if (choice === 6 && doc.isDeleted) {
      const text = randomText(random, 3);
      this.event({ do: "create", text }, () => doc.createAgain(text));
    } else if (choice > 6) this.#splice();
  }

  #splice() {
    const { doc, random } = this, position = random.below(doc.length + 1);
    const count = random.chance(30) ? Math.min(doc.length - position, random.below(4)) : 0, text = randomText(random, random.below(3));
    if (count === 0 && text === "") return;
    this.event({ do: "splice", position, count, text }, () => doc.splice(position, count, text));
  }
}

/** Somebody else commits something, whom no network stands between. */
function commitOther(random, server) {
  const clientId = random.pick(["0".repeat(32), "f".repeat(32)]);
  const clientSeq = (server.authors.get(clientId)?.clientSeq ?? 0) + 1, text = server.text;
  const length = countPoints(text ?? ""), position = random.below(length + 1);
  const body = text === undefined ? { kind: "create", op: spliceOp(0, 0, randomText(random, 5)), lineage: ++server.lineage }
    : random.chance(3) ? { kind: "delete" }
    : { kind: "edit", op: spliceOp(position, Math.min(length - position, random.below(3)), randomText(random, random.below(3)), random.below(4) * 4) };
  if (body.kind === "edit" && body.op.text === "") body.op.spans = body.op.spans.map((span) => (span & 3) === 1 ? span - (span & 12) : span);
  server.commit({ clientId, clientSeq, baseSeq: server.head, submitted: "", body });
}

function record(seed) {
  const random = new Random(seed), server = new ToyServer(random);
  server.faults = { rateLimited: 5, unavailable: 5, notOpen: 5, odd: 5 };
  server.partOps = 4;
  const client = new Recorded(random, server);
  for (let i = 0; i < 400; i++) {
    client.step();
    if (random.chance(15)) commitOther(random, server);
    if (random.chance(2)) client.disconnect();
    if (random.chance(2) && client.socket !== undefined) {
      client.socket.isMute = true;
      server.resync(client.socket);
    }
  }
  return client;
}

test(`both clients do the same on the same schedules (ORDO_SEED=${seedOfRun})`, { skip: tool === undefined && "ORDO_BIN is not set" }, () => {
  for (let i = 0; i < 100; i++) {
    const seed = seedOfRun + i, { events, answers } = record(seed);
    const input = events.map((event) => JSON.stringify(event)).join("\n") + "\n";
    const run = spawnSync(tool, { input, encoding: "utf8", maxBuffer: 2 ** 28 });
    assert.equal(run.status, 0, `seed ${seed}: ${run.stderr}`);
    run.stdout.trimEnd().split("\n").forEach((line, n) =>
      assert.deepEqual(answers[n], JSON.parse(line), `seed ${seed}, event ${n}: ${JSON.stringify(events[n])}`));
    assert.equal(answers.length, run.stdout.trimEnd().split("\n").length);
  }
});
