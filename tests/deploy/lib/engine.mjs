// A container engine, Docker or one that speaks its API, and docker-compose on top of it.
import { spawn } from "node:child_process";
import { request } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "../../cluster/lib/process.mjs";

const DEPLOY = join(dirname(fileURLToPath(import.meta.url)), "../../../deploy");

/** { socketPath } or { host, port } of the engine that $DOCKER_HOST names, or of the usual socket. */
function address() {
  const url = new URL(process.env.DOCKER_HOST || "unix:///var/run/docker.sock");
  return url.protocol === "unix:" ? { socketPath: url.pathname } : { host: url.hostname, port: url.port || 2375 };
}

/** One request to the engine's API: { status, body }, the body parsed if it is JSON. */
export function ask(method, path, timeoutMs = 30_000) {
  return new Promise((resolve, reject) => {
    const sent = request({ ...address(), method, path, timeout: timeoutMs, headers: { Host: "engine" } }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece) => { text += piece; }).on("end", () => {
        const isJson = /json/.test(answer.headers["content-type"] ?? "") && text !== "";
        resolve({ status: answer.statusCode, body: isJson ? JSON.parse(text) : text });
      });
    });
    sent.on("timeout", () => sent.destroy(new Error(`${method} ${path}: no answer in ${timeoutMs} ms`)));
    sent.on("error", reject).end();
  });
}

/** Runs a command to its end: { code, output }, with stdout and stderr as they came, and stdout alone. */
function execute(command, args, { env = {}, input } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: DEPLOY, env: { ...process.env, ...env } });
    let output = "", stdout = "";
    child.stdout.setEncoding("utf8").on("data", (text) => { output += text; stdout += text; });
    child.stderr.setEncoding("utf8").on("data", (text) => { output += text; });
    child.on("error", reject).on("close", (code) => resolve({ code, output, stdout }));
    child.stdin.on("error", () => {}).end(input);
  });
}

const succeeds = (command, args) => execute(command, args).then(({ code }) => code === 0, () => false);

/** How docker-compose is called here, as [command, ...args]; a string that says why not where there is no engine. */
export async function findCompose() {
  const alive = await ask("GET", "/_ping", 3000).then(({ status }) => status === 200, () => false);
  if (!alive) return "no container engine answers at $DOCKER_HOST or /var/run/docker.sock";
  if (await succeeds("docker-compose", ["version"])) return ["docker-compose"];
  if (await succeeds("docker", ["compose", "version"])) return ["docker", "compose"];
  return "a container engine answers, but there is no docker-compose";
}

/** deploy/docker-compose.yml under a project name of its own. */
export class Compose {
  constructor([command, ...args], project, listen) {
    Object.assign(this, { command, args, env: { COMPOSE_PROJECT_NAME: project, ORDO_LISTEN: listen }, project });
  }

  /** Output of `docker-compose ARGS`; rejects with it when that fails. */
  async run(...args) {
    const { code, output, stdout } = await execute(this.command, [...this.args, ...args], { env: this.env });
    if (code !== 0) throw new Error(`docker-compose ${args.join(" ")}: exit status ${code}\n${output.slice(-8000)}`);
    return stdout;
  }

  /** Output of `ordo WORDS`, within the cluster's network and with its volumes. */
  ordo(...words) { return this.run("run", "--rm", "-T", "ordo", ...words); }

  /** Removes a volume for good; no container may use it. */
  async removeVolume(name) {
    const { status, body } = await ask("DELETE", `/volumes/${this.project}_${name}`);
    if (status !== 204) throw new Error(`removing the volume ${name}: ${status} ${JSON.stringify(body)}`);
  }

  /** The containers of a service that run, as the engine inspects them. */
  async containers(service) {
    const label = [`com.docker.compose.project=${this.project}`, `com.docker.compose.service=${service}`,
                   "com.docker.compose.oneoff=False"];
    const { body } = await ask("GET", `/containers/json?filters=${encodeURIComponent(JSON.stringify({ label }))}`);
    const all = await Promise.all(body.map(({ Id }) => ask("GET", `/containers/${Id}/json`)));
    return all.filter(({ status }) => status === 200).map(({ body: container }) => container);
  }

  /** Kills a container's program as a crash would, and waits until the engine has started it again. (`docker kill` is a wish
   * to stop, which the engine respects.) Where its processes are not on this machine, or not ours to kill, it is restarted
   * without mercy instead. */
  async crash({ Id, Name, State: { Pid, StartedAt } }) {
    try {
      process.kill(Pid, "SIGKILL");
    } catch {
      await ask("POST", `/containers/${Id}/restart?t=0`);
    }
    await eventually(async () => {
      const { State } = (await ask("GET", `/containers/${Id}/json`)).body;
      return State.Running && State.StartedAt !== StartedAt;
    }, `the engine to start ${Name} again`, 60_000);
  }

  logs() { return this.run("logs", "--no-color", "--tail=60").catch((error) => error.message); }
}
