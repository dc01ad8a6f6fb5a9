/** Records as files in a folder, for Node: each written under another name, synced and renamed; a seat is held by a lock file
 * with the process's number, which counts for nothing once that process is gone. */
import { createHash } from "node:crypto";
import { constants, type FileHandle, mkdir, open, readFile, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type DocRecord, isUnsettled } from "../core/types.js";
import { type Hold, SEATS_MAX, type Storage } from "./storage.js";

const ours = new Set<string>(); // lock files of this process: its number alone does not tell two clients in it apart

export class FileStorage implements Storage {
  constructor(readonly folder: string) {}

  async acquire(name: string): Promise<Hold> {
    const stem = stemOf(name), known = await this.#known(stem);
    const unsettled = known.filter(({ record }) => isUnsettled(record)).map(({ seat }) => seat);
    const order = new Set([...unsettled, ...known.map(({ seat }) => seat), ...Array.from({ length: SEATS_MAX }, (_, i) => i)]);
    for (const seat of order) {
      const hold = await this.#hold(stem, seat);
      if (hold !== undefined) return hold;
    }
    throw new Error("too many instances of one document");
  }

  async acquireOrphan(name: string): Promise<Hold | undefined> {
    const stem = stemOf(name);
    for (const { seat, record } of await this.#known(stem)) {
      if (!isUnsettled(record)) continue;
      const hold = await this.#hold(stem, seat);
      if (hold?.record !== undefined && isUnsettled(hold.record)) return hold;
      hold?.release();
    }
    return undefined;
  }

  async #known(stem: string): Promise<{ seat: number; record: DocRecord }[]> {
    await mkdir(this.folder, { recursive: true });
    const known: { seat: number; record: DocRecord }[] = [];
    for (const file of await readdir(this.folder)) {
      const seat = Number(file.match(new RegExp(`^${stem}\\.(\\d+)\\.json$`))?.[1] ?? NaN);
      const record = Number.isNaN(seat) ? undefined : await readRecord(join(this.folder, file));
      if (record !== undefined) known.push({ seat, record });
    }
    return known.sort((a, b) => a.seat - b.seat);
  }

  async #hold(stem: string, seat: number): Promise<Hold | undefined> {
    const path = join(this.folder, `${stem}.${seat}.json`), lockPath = `${path}.lock`;
    if (!(await takeLock(lockPath))) return undefined;
    const record = await readRecord(path);
    let isReleased = false, writing: Promise<void> = Promise.resolve();
    const inTurn = (act: () => Promise<void>): Promise<void> => {
      if (isReleased) return Promise.resolve();
      writing = writing.catch(() => {}).then(act);
      return writing;
    };
    return {
      record,
      write: (next) => inTurn(() => writeFileSafely(path, JSON.stringify(next, bytesToText))),
      remove: () => inTurn(() => rm(path, { force: true })),
      release() {
        if (isReleased) return;
        isReleased = true;
        void writing.catch(() => {}).then(async () => {
          await rm(lockPath, { force: true });
          ours.delete(lockPath);
        });
      },
    };
  }
}

const stemOf = (name: string): string => createHash("sha256").update(name).digest("hex").slice(0, 32);

async function takeLock(path: string): Promise<boolean> {
  for (let attempt = 0; attempt < 3; attempt++) {
    let file: FileHandle | undefined;
    try {
      file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY);
      await file.writeFile(String(process.pid));
      ours.add(path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    } finally {
      await file?.close();
    }
    const pid = Number(await readFile(path, "utf8").catch(() => "0"));
    if (pid === process.pid ? ours.has(path) : isAlive(pid)) return false;
    await rm(path, { force: true });
  }
  return false;
}

function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function writeFileSafely(path: string, text: string): Promise<void> {
  const file = await open(`${path}.new`, "w");
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  const folder = await open(join(path, ".."), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const bytesToText = (_key: string, value: unknown): unknown =>
  value instanceof Uint8Array ? { bytes: Buffer.from(value).toString("base64") } : value;

function textToBytes(_key: string, value: unknown): unknown {
  const isBytes = typeof value === "object" && value !== null && "bytes" in value && typeof value.bytes === "string";
  return isBytes ? new Uint8Array(Buffer.from(value.bytes as string, "base64")) : value;
}

/** Undefined: there is none, or it is damaged; then the content is fetched anew. */
async function readRecord(path: string): Promise<DocRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(path, "utf8"), textToBytes) as DocRecord;
    return record.version === 1 ? record : undefined;
  } catch {
    return undefined;
  }
}
