// A real cluster for a test: `ordo up` in a folder of its own, on a free port. It is gone with the test, whatever happens.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Program, run } from "../../../tests/cluster/lib/process.mjs";

export const skipWithoutBuild = process.env.ORDO_BIN === undefined && "ORDO_BIN is not set";

export async function withCluster(act, { args = [] } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "ordo-js-"));
  const up = new Program("ordo");
  try {
    up.start(["up", "--data", join(folder, "data"), "--listen", "127.0.0.1:0", ...args]);
    const url = (await up.line(/^ready (\S+)/))[1];
    const cluster = {
      url, up, folder,
      doc: async (verb, name, ...more) => (await run("ordo", ["doc", verb, name, "--url", url, ...more])).stdout,
      load: (loadArgs, options) => run("ordo-load", ["--url", url, ...loadArgs], options),
      /** Kills the shard or the gateway; the supervisor starts it again. */
      async kill(role) {
        const pid = Number((await readFile(join(folder, "data", "run", `${role}.pid`), "utf8").catch(() => "0")).trim());
        if (pid > 0) process.kill(pid, "SIGKILL");
      },
    };
    await act(cluster);
  } catch (error) {
    console.error(up.log.slice(-5000));
    throw error;
  } finally {
    await up.stop("SIGTERM");
    await rm(folder, { recursive: true, force: true });
  }
}

export const until = (emitter, event, condition, ms = 20_000) => new Promise((resolve, reject) => {
  if (condition()) return resolve();
  const timer = setTimeout(() => { stop(); reject(new Error(`waited ${ms} ms for ${condition}`)); }, ms);
  const stop = emitter.on(event, () => {
    if (!condition()) return;
    clearTimeout(timer);
    stop();
    resolve();
  });
});
