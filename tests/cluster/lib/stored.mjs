// A store that some test has damaged or repaired, served for as long as it takes to read it.
import assert from "node:assert/strict";
import { Program } from "./process.mjs";

/** Starts a shard and a gateway on the store and resolves to what `act(url)` does; null if the shard refuses, with a sentence. */
export async function whileServed(cluster, store, shardArgs, act) {
  const shard = new Program("ordo-shard"), gateway = new Program("ordo-gateway");
  cluster.programs.push(shard, gateway);
  try {
    shard.start(["--data", store, "--listen-data", "tcp://127.0.0.1:*", "--listen-side", "tcp://127.0.0.1:*", ...shardArgs]);
    const ready = await shard.line(/^ready data=(\S+) side=(\S+)/).catch(() => null);
    if (ready === null) {
      const { code } = await shard.ended;
      assert.equal(code, 1, `the shard ended with ${code}: ${shard.stderr}`);
      assert.match(shard.stderr, /\w+ \w+ \w+/, "it says why");
      return null;
    }
    gateway.start(["--listen", "127.0.0.1:0", "--shard", `data=${ready[1]},side=${ready[2]}`]);
    return await act((await gateway.line(/^ready (\S+)/))[1]);
  } finally {
    await gateway.stop("SIGKILL");
    await shard.stop("SIGKILL");
    assert.equal(shard.crash, null);
    cluster.programs.splice(cluster.programs.indexOf(shard), 2);
  }
}

/** All parts of one answer to a ReadHistory: { ops, text, head, begins, content }; fails with the error's code. */
export async function readHistory(raw, doc, request) {
  const number = (raw.historyRequest = (raw.historyRequest ?? 1000) + 1);
  raw.send({ request: number, doc, history: request });
  const answer = { ops: [], text: null };
  for (let more = true; more;) {
    const message = await raw.next((candidate) => candidate.request === number, 30_000);
    if (!message.history) throw Object.assign(new Error(JSON.stringify(message.error)), message.error);
    const part = message.history;
    answer.ops.push(...part.ops);
    if (part.content) answer.text = (answer.text ?? "") + part.content.text;
    Object.assign(answer, { head: part.head, begins: part.begin_seq + 1, content: part.content ?? answer.content });
    more = part.more;
  }
  return answer;
}
