// Figures, alerts and the dashboard, judged by a real Prometheus: a cluster works, is scraped, and all that rules and dashboard
// name is there and moves. Health and readiness tell the truth. The documentation lists what is exported, no more and no less.
import test from "node:test";
import assert from "node:assert/strict";
import { spawn, execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import net from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Many, freePorts } from "./lib/many.mjs";
import { Supervised, withCluster } from "./lib/cluster.mjs";
import { eventually, run } from "./lib/process.mjs";
import { RawConnection } from "./lib/raw.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (path) => readFileSync(join(root, path), "utf8");
const RULES = join(root, "deploy/prometheus/alerts.yml");
const ALERTS_TESTS = ["alerts.yml", "alerts-of-days.yml"].map((name) => fileURLToPath(new URL(`lib/${name}`, import.meta.url)));
const prometheusPath = ["/usr/bin/prometheus", "/usr/local/bin/prometheus"].find(existsSync);
const withoutPrometheus = prometheusPath ? false : "there is no prometheus (deploy/install-deps.sh)";
const promtool = (...args) => promisify(execFile)("promtool", args);

const dashboard = JSON.parse(read("deploy/grafana/ordo.json"));
const panels = dashboard.panels.filter(({ type }) => type !== "row");
/** As Grafana would ask, at this pace of scraping. */
const panelQueries = panels.flatMap(({ title, targets }) => targets.map(({ expr }) =>
  ({ title, expr: expr.replaceAll("$__rate_interval", "4s") })));
const alerts = [...read("deploy/prometheus/alerts.yml").matchAll(/- alert: (\w+)\n\s+expr: (.+)/g)]
  .map(([, title, expr]) => ({ title, expr }));
const namesIn = (expr) => new Set(expr.match(/\b(?:ordo|process)_[a-z_]+\b(?!\s*=)/g) ?? []);

/** Names of families in an answer of /metrics. */
const familiesOf = (text) => [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name);
const valueOf = (text, sample) => {
  const line = text.split("\n").find((each) => each.startsWith(`${sample} `));
  assert.ok(line, `${sample} is told`);
  return Number(line.split(" ").at(-1));
};
const sumOf = (text, name) => text.split("\n").filter((line) => line.split(/[ {]/)[0] === name)
  .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);

async function ask(port, path) {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`);
  const [connection, type] = ["connection", "content-type"].map((name) => answer.headers.get(name));
  return { status: answer.status, connection, type, text: await answer.text() };
}
const metrics = async (port) => {
  const { status, type, text } = await ask(port, "/metrics");
  assert.equal(status, 200);
  assert.match(type, /^text\/plain; version=0\.0\.4/);
  return text;
};

class Prometheus {
  constructor(folder, port) { Object.assign(this, { folder, port, log: "" }); }

  async start(targets) {
    await mkdir(this.folder);
    const jobs = Object.entries(targets).map(([name, ports]) =>
      `  - {job_name: ${name}, static_configs: [{targets: [${ports.map((port) => `"127.0.0.1:${port}"`)}]}]}`);
    const config = join(this.folder, "prometheus.yml");
    await writeFile(config, `global: {scrape_interval: 500ms, evaluation_interval: 1s}\nrule_files: ["${RULES}"]\n` +
                            `scrape_configs:\n${jobs.join("\n")}\n`);
    this.child = spawn(prometheusPath, [`--config.file=${config}`, `--storage.tsdb.path=${join(this.folder, "data")}`,
                                        `--web.listen-address=127.0.0.1:${this.port}`, "--log.level=warn"]);
    this.ended = once(this.child, "exit");
    this.child.stderr.on("data", (text) => { this.log += text; });
    this.kill = () => this.child.kill("SIGKILL");
    process.on("exit", this.kill);
    await eventually(async () => fetch(`http://127.0.0.1:${this.port}/-/ready`).then(({ ok }) => ok, () => false),
                     "Prometheus to be ready");
  }

  async stop() {
    this.child.kill("SIGKILL");
    await this.ended;
    process.off("exit", this.kill);
  }

  async get(path) {
    const answer = await (await fetch(`http://127.0.0.1:${this.port}/api/v1/${path}`)).json();
    assert.equal(answer.status, "success", `${path}: ${answer.error}\n${this.log}`);
    return answer.data;
  }

  async query(expr) { return (await this.get(`query?query=${encodeURIComponent(expr)}`)).result; }
}

test("promtool takes rules and configuration, and the alerts come when they should", { skip: withoutPrometheus }, async () => {
  await promtool("check", "config", join(root, "deploy/prometheus/prometheus.yml"));
  await promtool("test", "rules", ...ALERTS_TESTS);
});

test("every alert has its line among what to do, and every line its alert", () => {
  const section = read("docs/operations.md").split("\n### Alerts\n")[1].split("\n### ")[0];
  const listed = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual([...listed].sort(), alerts.map(({ title }) => title).sort());
});

test("a cluster under load tells figures, and they are what is documented, charted and watched", { skip: withoutPrometheus }, async (t) => {
  const ports = await freePorts(5);
  const [shardPorts, gatewayPorts] = [ports.slice(0, 2), ports.slice(2, 4)];
  const cluster = new Many({ shards: 2, gateways: 2, inMemory: true,
                             shardArgs: (i) => ["--listen-metrics", `127.0.0.1:${shardPorts[i]}`],
                             gatewayArgs: (i) => ["--listen-metrics", `127.0.0.1:${gatewayPorts[i]}`, "--log-level", "debug"] });
  await withCluster(t, cluster, async () => {
    const prometheus = new Prometheus(join(cluster.folder, "prometheus"), ports[4]);
    cluster.closers.push(() => prometheus.stop());
    await prometheus.start({ "ordo-shard": shardPorts, "ordo-gateway": gatewayPorts });
    await t.test("nothing of it is on the port of clients", async () => {
      for (const { url } of cluster.gateways) assert.equal((await ask(new URL(url).port, "/metrics")).status, 404);
      const directory = `http://${new URL(cluster.url).host}/directory`;
      assert.equal((await fetch(directory)).status, 200);
      for (const header of ["x-forwarded-for", "x-real-ip", "via"]) // what a proxy on this machine would add
        assert.equal((await fetch(directory, { headers: { [header]: "192.0.2.1" } })).status, 403, header);
    });

    await t.test("health and readiness are told on both kinds of port", async () => {
      for (const port of [...shardPorts, ...gatewayPorts, ...cluster.gateways.map(({ url }) => new URL(url).port)]) {
        assert.deepEqual((await ask(port, "/healthz")).text, "ok\n");
        await eventually(async () => (await ask(port, "/readyz")).text === "ready\n", `${port} to be ready`);
      }
      for (const port of [...shardPorts, ...gatewayPorts]) {
        const { status, connection } = await ask(port, "/elsewhere");
        assert.equal(status, 404);
        assert.equal(connection, "close"); // one that stays may be crowded out when its next request is on the way
      }
    });

    await t.test("slow and silent watchers are in nobody's way", async () => {
      const sockets = [...shardPorts, ...gatewayPorts].flatMap((port) => Array.from({ length: 40 }, () => {
        const socket = net.connect({ port, host: "127.0.0.1" });
        socket.on("error", () => {});
        socket.write("GET /met");
        return socket;
      }));
      for (const port of [...shardPorts, ...gatewayPorts]) await metrics(port);
      sockets.forEach((socket) => socket.destroy());
    });

    // It takes Prometheus some seconds to begin, and what it has not seen at rest it cannot see moving.
    await eventually(async () => {
      const { activeTargets } = await prometheus.get("targets?state=active");
      return activeTargets.length === 4 && activeTargets.every(({ health }) => health === "up");
    }, "all targets to be up");
    const load = cluster.startLoad(["--docs", "20", "--clients", "2", "--rate", "300", "--duration", "3"]);

    await t.test("a client that breaks a rule is counted by code, and logged with who it is", async () => {
      const raw = await RawConnection.connect(cluster.gateways[0].url);
      raw.send({ request: 1, open: { collection: "c", id: "", create_type: "text" } });
      await raw.next((message) => message.error);
      raw.sendBytes(Buffer.from([0xff]));
      assert.equal((await raw.closed).code, 1007);
      const text = await metrics(gatewayPorts[0]);
      assert.ok(valueOf(text, 'ordo_gateway_errors_total{code="400"}') >= 1);
      assert.equal(valueOf(text, 'ordo_gateway_closes_total{code="1007"}'), 1);
      const log = await eventually(() => cluster.gateways[0].log.match(/event=connection_closed .*/)?.[0], "the line");
      assert.match(log, /conn=\d+ client=[0-9a-f]{32} user=anonymous address=127\.0\.0\.1 code=1007 reason="the frame is not/);
      await eventually(() => cluster.gateways[0].log.includes("event=op_acked"), "an op to be acked");
      assert.match(cluster.gateways[0].log, /event=op_acked conn=\d+ client=[0-9a-f]{32} user=\S+ doc=\S+\/\S+ client_seq=\d+ server_seq=\d+/);
    });

    await load.finish();
    const shardTexts = await Promise.all(shardPorts.map(metrics)), gatewayTexts = await Promise.all(gatewayPorts.map(metrics));

    await t.test("the figures add up", async () => {
      const over = (texts, name) => texts.reduce((sum, text) => sum + sumOf(text, name), 0);
      await eventually(async () => {
        const texts = await Promise.all(shardPorts.map(metrics));
        const committed = over(texts, "ordo_shard_ops_committed_total");
        return committed >= 500 && committed === over(texts, "ordo_shard_commit_seconds_count");
      }, "every committed op to be timed");
      const acks = over(gatewayTexts, "ordo_gateway_ack_seconds_count");
      assert.ok(acks > 0 && acks <= over(gatewayTexts, "ordo_gateway_submits_total"));
      for (const text of gatewayTexts) {
        assert.ok(sumOf(text, "ordo_gateway_shard_seconds_sum") <= sumOf(text, "ordo_gateway_ack_seconds_sum"));
        assert.equal(sumOf(text, "ordo_gateway_outbox_bytes"), 0, "nobody waits after the load");
      }
      const slots = async () => over(await Promise.all(shardPorts.map(metrics)), "ordo_shard_slots_owned");
      await eventually(async () => await slots() === 1024, "every slot to be somebody's"); // while they move, some are counted twice
    });

    await t.test("docs/metrics.md lists exactly what is exported", () => {
      const listed = [...read("docs/metrics.md").matchAll(/^\| (`(?:ordo|process)_[^|]*) \|/gm)]
        .flatMap(([, cell]) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name));
      assert.equal(new Set(listed).size, listed.length, "nothing is listed twice");
      const exported = new Set([...shardTexts, ...gatewayTexts].flatMap(familiesOf));
      assert.deepEqual([...listed].sort(), [...exported].sort());
    });

    await t.test("promtool finds nothing to say about the names and forms", async () => {
      for (const text of [shardTexts[0], gatewayTexts[0]]) {
        const check = spawn("promtool", ["check", "metrics"]);
        let said = "";
        check.stderr.on("data", (bytes) => { said += bytes; });
        check.stdin.end(text);
        const [code] = await once(check, "exit");
        assert.equal(`${code} ${said}`, "0 ");
      }
    });

    await t.test("Prometheus has all that the rules and the dashboard name", async () => {
      for (const { title, expr } of [...panelQueries, ...alerts]) {
        for (const name of namesIn(expr))
          assert.ok((await prometheus.query(name)).length > 0, `${title}: ${name} exists`);
        await prometheus.query(expr);
      }
    });

    await t.test("the panels show something, and what counts has moved", async () => {
      const mayBeEmpty = /> 0$/; // what is only shown where there is any
      for (const { title, expr } of panelQueries.filter((each) => !mayBeEmpty.test(each.expr)))
        assert.ok((await prometheus.query(expr)).length > 0, `${title}: ${expr}`);
      for (const name of ["ordo_shard_ops_committed_total", "ordo_shard_turns_total", "ordo_gateway_commits_delivered_total",
                          "ordo_shard_sync_seconds_count", "ordo_gateway_delivery_seconds_count", "process_cpu_seconds_total"]) {
        const [{ value }] = await prometheus.query(`sum(max_over_time(${name}[1m]) - min_over_time(${name}[1m]))`);
        assert.ok(Number(value[1]) > 0, `${name} moved`);
      }
    });

    await t.test("no alert comes of a healthy cluster", async () => {
      const { groups } = await prometheus.get("rules?type=alert");
      const rules = groups.flatMap((group) => group.rules);
      assert.equal(rules.length, alerts.length);
      // How full this machine's disk is, and how fast, is not our affair.
      const ours = rules.filter(({ name }) => !/^OrdoDiskFills|^OrdoDiskStalls|Slow$/.test(name));
      assert.deepEqual(ours.filter(({ state }) => state !== "inactive").map(({ name }) => name), []);
    });

    await t.test("ordo status has its figures from there", async () => {
      const { gateways } = await cluster.status();
      assert.equal(gateways.length, 2);
      for (const gateway of gateways) assert.ok(gateway.answers && gateway.links === 2, JSON.stringify(gateway));
    });

    await t.test("a shard that is drained, and one that is gone, are seen", async () => {
      assert.equal((await cluster.ordo("drain", "shard-1", "--no-wait")).code, 0);
      await eventually(async () => (await ask(shardPorts[1], "/readyz")).text === "not ready: a store is being drained\n", "the drain");
      assert.equal((await ask(shardPorts[1], "/healthz")).status, 200);
      await cluster.ordo("drain", "shard-1", "--undo");
      await eventually(async () => (await ask(shardPorts[1], "/readyz")).status === 200, "the end of it");
      await cluster.shards[1].stop("SIGKILL");
      await eventually(async () => {
        const text = await metrics(gatewayPorts[0]);
        return valueOf(text, 'ordo_gateway_link_up{store="shard-1"}') === 0 && sumOf(text, "ordo_gateway_links_lost_total") > 0;
      }, "the gateway to see that the link is down");
      await eventually(async () => (await prometheus.get("rules?type=alert")).groups.flatMap(({ rules }) => rules)
        .find(({ name }) => name === "OrdoShardDown").state === "pending", "the alert to be on its way");
    });
  });
});

/** The first of `count` ports in a row that nobody has now. */
async function freeRow(count) {
  for (;;) {
    const [first] = await freePorts(1);
    const servers = [];
    for (let i = 0; i < count; i++) servers.push(net.createServer().listen(first + i, "127.0.0.1"));
    const are = await Promise.all(servers.map((server) => once(server, "listening").then(() => true, () => false)));
    await Promise.all(servers.filter((_, i) => are[i]).map((server) => new Promise((done) => server.close(done))));
    if (are.every(Boolean)) return first;
  }
}

test("ordo up gives shards and gateways ports in a row, and they keep them", async (t) => {
  const first = await freeRow(3);
  const cluster = new Supervised({ args: ["--shards", "2", "--listen-metrics", `127.0.0.1:${first}`] });
  await withCluster(t, cluster, async () => {
    for (const [i, role] of ["shard", "shard", "gateway"].entries())
      await eventually(() => metrics(first + i).then((text) => text.includes(`ordo_build_info{role="${role}",`), () => false), `${role} at ${first + i}`);
    const shardIsReady = (when) => eventually(() => ask(first, "/readyz").then(({ status }) => status === 200, () => false), `the shard to be ready ${when}`);
    await shardIsReady("at first"); // its port answers before its store is open
    const pid = await cluster.killChild("shard");
    await cluster.childRestarted("shard", pid);
    await shardIsReady("again");
    const text = await metrics(first);
    assert.equal(sumOf(text, "ordo_shard_incarnation"), 2);
    assert.ok(sumOf(text, "process_start_time_seconds") > Date.now() / 1000 - 60);
    assert.ok(sumOf(text, "process_start_time_seconds") < Date.now() / 1000 + 1);
    assert.ok(sumOf(text, "process_resident_memory_bytes") > 1e6 && sumOf(text, "process_open_fds") > 5);
  });
});

test("a port that is taken is told at the start", async () => {
  const taken = net.createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const address = `127.0.0.1:${taken.address().port}`;
  for (const [program, args] of [["ordo-shard", ["--data", "/nonexistent/store"]],
                                 ["ordo-gateway", ["--listen", "127.0.0.1:0", "--shard", "data=tcp://127.0.0.1:1,side=tcp://127.0.0.1:2"]]]) {
    const { code, stderr } = await run(program, [...args, "--listen-metrics", address]);
    assert.equal(code, 1);
    assert.match(stderr, /listened on|listen_failed/);
  }
  taken.close();
});
