/** Records in IndexedDB, each seat held under a Web Lock: the browser frees it when the page is gone, however it went.
 *
 * A record is two rows, written in one transaction: the content, only when it is another string than before, and the rest. */
import { type DocRecord, isUnsettled } from "../core/types.js";
import { type Hold, SEATS_MAX, type Storage } from "./storage.js";

const RECORDS = "records", CONTENTS = "contents";

interface Row extends Omit<DocRecord, "content"> { readonly contentId: number }
interface ContentRow { readonly contentId: number; readonly content: string }

const done = <T>(request: IDBRequest<T>): Promise<T> => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

const committed = (transaction: IDBTransaction): Promise<void> => new Promise((resolve, reject) => {
  transaction.oncomplete = () => resolve();
  transaction.onerror = transaction.onabort = () => reject(transaction.error);
});

export class IndexedDbStorage implements Storage {
  #opening: Promise<IDBDatabase> | undefined;

  constructor(readonly databaseName = "ordo", readonly factory: IDBFactory = indexedDB,
              readonly locks: LockManager = navigator.locks) {}

  async acquire(name: string): Promise<Hold> {
    const seats = await this.#seats(name);
    const unsettled = [...seats].filter(([, row]) => isUnsettledRow(row)).map(([seat]) => seat);
    const all = Array.from({ length: SEATS_MAX }, (_, seat) => seat);
    const order = new Set([...unsettled, ...[...seats.keys()].sort((a, b) => a - b), ...all]);
    for (const seat of order) {
      const hold = await this.#hold(name, seat);
      if (hold !== undefined) return hold;
    }
    throw new Error("too many instances of one document");
  }

  async acquireOrphan(name: string): Promise<Hold | undefined> {
    for (const [seat, row] of await this.#seats(name)) {
      if (!isUnsettledRow(row)) continue;
      const hold = await this.#hold(name, seat);
      if (hold?.record !== undefined && isUnsettled(hold.record)) return hold;
      hold?.release(); // settled meanwhile by the one who held it
    }
    return undefined;
  }

  #database(): Promise<IDBDatabase> {
    this.#opening ??= new Promise((resolve, reject) => {
      const request = this.factory.open(this.databaseName, 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore(RECORDS);
        request.result.createObjectStore(CONTENTS);
      };
      request.onsuccess = () => {
        request.result.onversionchange = () => request.result.close();
        resolve(request.result);
      };
      request.onerror = () => reject(request.error);
    });
    return this.#opening;
  }

  async #seats(name: string): Promise<Map<number, Row>> {
    const store = (await this.#database()).transaction(RECORDS).objectStore(RECORDS);
    const range = IDBKeyRange.bound([name], [name, []]);
    const [keys, rows] = await Promise.all([done(store.getAllKeys(range)), done(store.getAll(range))]);
    return new Map(keys.map((key, i) => [(key as [string, number])[1], rows[i] as Row]));
  }

  async #hold(name: string, seat: number): Promise<Hold | undefined> {
    const release = await takeLock(this.locks, `ordo ${this.databaseName} ${seat} ${name}`);
    if (release === undefined) return undefined;
    try {
      const database = await this.#database();
      return await holdSeat(database, [name, seat], release);
    } catch (error) {
      release();
      throw error;
    }
  }
}

const isUnsettledRow = (row: Row): boolean => isUnsettled({ ...row, content: "" });

/** Resolves to what gives the lock free, or to undefined if somebody has it. */
function takeLock(locks: LockManager, name: string): Promise<(() => void) | undefined> {
  return new Promise((resolve, reject) => {
    locks.request(name, { ifAvailable: true }, (lock) => {
      if (lock === null) {
        resolve(undefined);
        return undefined;
      }
      return new Promise<void>((release) => resolve(release));
    }).catch(reject);
  });
}

async function holdSeat(database: IDBDatabase, key: [string, number], release: () => void): Promise<Hold> {
  const reading = database.transaction([RECORDS, CONTENTS]);
  const [row, text] = await Promise.all([
    done(reading.objectStore(RECORDS).get(key) as IDBRequest<Row | undefined>),
    done(reading.objectStore(CONTENTS).get(key) as IDBRequest<ContentRow | undefined>),
  ]);
  let isReleased = false, contentId = text?.contentId ?? 0, written = text?.content;
  const change = async (content: string | undefined, act: (records: IDBObjectStore, contents: IDBObjectStore) => void): Promise<void> => {
    if (isReleased) return;
    const transaction = database.transaction([RECORDS, CONTENTS], "readwrite", { durability: "strict" });
    const end = committed(transaction);
    act(transaction.objectStore(RECORDS), transaction.objectStore(CONTENTS));
    transaction.commit(); // at once: the page may be on its way out
    await end;
    written = content;
  };
  const isWhole = row !== undefined && text !== undefined && row.contentId === text.contentId;
  return {
    record: isWhole ? toRecord(row, text) : undefined,
    write: ({ content, ...rest }) => change(content, (records, contents) => {
      if (content !== written) contents.put({ contentId: ++contentId, content } satisfies ContentRow, key);
      records.put({ ...rest, contentId } satisfies Row, key);
    }),
    remove: () => change(undefined, (records, contents) => {
      records.delete(key);
      contents.delete(key);
    }),
    release() {
      isReleased = true;
      release();
    },
  };
}

function toRecord({ contentId: _, ...rest }: Row, { content }: ContentRow): DocRecord { return { ...rest, content }; }
