// What wires cost: a connection that does nothing, plain and with TLS, and keys between processes.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { Authority } from "../cluster/lib/certificates.mjs";
import { DRIVER, cpu, median, opsPerSecond, options, program, row, run, seconds, withCluster, work } from "./harness.mjs";

const FILES_SHARE = 0.8; // of a gateway's files that are for connections, leaving those that it keeps for newcomers and requests

/** As many connections as the limit of open files leaves room for, each with a document open, nearly all of them idle. */
export async function connections() {
  const filesMax = Number(execFileSync("sh", ["-c", "ulimit -Hn"]).toString().replace("unlimited", "1000000"));
  const count = options.quick ? 2000 : Math.min(25000, Math.floor(filesMax * FILES_SHARE)); // ports of one address end at some 28,000
  row("open files that a process may have", filesMax, "files");
  const authority = new Authority(work, "authority");
  const [cert, key] = ["gateway.pem", "gateway.key"].map((name) => join(work, name));
  authority.sign(cert, key);
  for (const [name, ofCluster, ofDriver] of [["plain", [], []], ["TLS", ["--tls-cert", cert, "--tls-key", key], ["--ca", authority.file]]]) {
    await withCluster(async (cluster) => {
      const load = (docs) => cluster.load([...ofDriver, "--docs", String(docs), "--clients", "1", "--rate", "500", "--duration", String(seconds)]);
      const few = await load(100); // also makes what allocators and libraries keep for themselves
      const result = await load(count);
      const grown = cpu(result.gateway, "rss_bytes_open") - cpu(result.gateway, "rss_bytes_before");
      row(`${name}: connections held`, count, "connections", options.quick ? undefined : 15000, "least");
      row(`${name}: gateway memory per idle connection, one document`, grown / count, "bytes");
      row(`${name}, 100 connections, 500 ops/s: ack p50`, few.ack_us.p50, "µs");
      row(`${name}, 100 connections, 500 ops/s: ack p99`, few.ack_us.p99, "µs");
      row(`${name}, ${count} connections, 500 ops/s: ack p50`, result.ack_us.p50, "µs");
      row(`${name}, ${count} connections, 500 ops/s: ack p99`, result.ack_us.p99, "µs");
      row(`${name}, ${count} connections: lost`, result.reconnects, "connections", 0, "most");
    }, ofCluster);
  }
}

/** The same load without and with keys on all links, in turns, because a machine changes its speed. */
export async function keys() {
  const folder = join(work, "keys"), rounds = options.quick ? 2 : 5;
  await run(DRIVER, program("ordo"), ["keys", "make", folder]);
  const load = ["--docs", "1000", "--clients", "2", "--duration", String(options.quick ? 5 : 20)];
  const results = { plain: [], keys: [] };
  for (let i = 0; i < rounds; i++)
    for (const [name, args] of [["plain", []], ["keys", ["--keys", folder]]])
      results[name].push(await withCluster((cluster) => cluster.load(load), args));
  const middle = (name, figure) => median(results[name].map(figure));
  const perOp = (result) => cpu(result.gateway, "cpu_us_per_op") + cpu(result.shard, "cpu_us_per_op");
  row("2,000 clients, 1,000 documents, no keys", middle("plain", opsPerSecond), "ops/s");
  row("2,000 clients, 1,000 documents, keys", middle("keys", opsPerSecond), "ops/s");
  row("keys / no keys", middle("keys", opsPerSecond) / middle("plain", opsPerSecond), "×");
  row("keys / no keys: gateway + shard CPU per op", middle("keys", perOp) / middle("plain", perOp), "×", 1.25, "most");
  row("no keys: ack p99", middle("plain", (result) => result.ack_us.p99), "µs");
  row("keys: ack p99", middle("keys", (result) => result.ack_us.p99), "µs");
}
