// The disk that forgets (tests/cluster/forgetful), as tests use it: the shard of a cluster runs on it, and it fails,
// dawdles or forgets when told to.
import { rename, rm, writeFile } from "node:fs/promises";
import { preload, run } from "./process.mjs";

export class ForgetfulDisk {
  /** Makes the cluster's shard run on this disk; call it before the shard starts for the first time. */
  async attach(cluster, random) {
    this.root = cluster.data;
    this.control = `${cluster.data}.faults`;
    this.random = random;
    this.shadow = `${cluster.data}.durable`;
    await this.heal();
    cluster.shardEnv = { ...cluster.shardEnv, ...preload("libordo_forgetful.so"), ORDO_FORGET_ROOT: this.root,
                         ORDO_FORGET_SHADOW: this.shadow, ORDO_FORGET_CONTROL: this.control };
    cluster.closers.push(async () => {
      await cluster.kill(); // a shard that lives writes to it while it is being removed
      await rm(this.shadow, { recursive: true, force: true });
    });
  }

  failSyncs() { return this.#tell("fail_sync_from=1"); }
  delaySyncs(ms) { return this.#tell(`sync_ms=${ms}`); }
  stallOnce(ms) { return this.#tell(`stall_at=1,stall_ms=${ms}`); }
  limitSpace(size) { return this.#tell(`free=${size}`); }
  heal() { return this.#tell(""); }

  async #tell(faults) {
    await writeFile(`${this.control}.new`, faults);
    await rename(`${this.control}.new`, this.control);
  }

  /** After the shard was killed: its files are what their last syncs covered, and, half of the time, some of the rest,
   * as torn writes leave it. */
  async losePower() {
    const tail = this.random.chance(50) ? ["--tail", "random", "--seed", String(this.random.next())] : [];
    const env = { ORDO_FORGET_ROOT: this.root, ORDO_FORGET_SHADOW: this.shadow };
    const { code, stdout, stderr } = await run("ordo-forget", [this.root, ...tail], { env });
    if (code !== 0) throw new Error(`ordo-forget failed: ${stderr}`);
    return stdout.trim();
  }
}
