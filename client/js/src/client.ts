/** A client of an Ordo cluster: one connection (more only where records speak with several identities) and the documents that
 * are open on it. */
import { type DocOptions, type DocRecord, isUnsettled } from "./core/types.js";
import type { Doc } from "./core/doc.js";
import { Document } from "./document.js";
import { Emitter } from "./emitter.js";
import { OrdoError } from "./errors.js";
import type { Platform } from "./platform/platform.js";
import { Dialer, drawClientId } from "./dialer.js";
import { type Hold, type Storage, storageName } from "./storage/storage.js";
import { utf8Size } from "./ot/unicode.js";
import { type ClientId, isClientId } from "./wire/ids.js";

const NAME_SIZE_MAX = 128;
const SAVE_AFTER_MS = 250; // what was typed and is not on its way
const RECOVER_EVERY_MS = 20_000; // looks for edits that another tab left when it was killed

export interface ConnectOptions {
  /** ws://HOST:PORT/v1/ws, or wss:. */
  readonly url: string;
  /** A token, or what gets one: called for each connection, and again before a token ends. */
  readonly token?: string | (() => string | Promise<string>);
  /** Where edits outlive the page. As a rule IndexedDB in browsers, nothing in Node; null: nothing. */
  readonly storage?: Storage | null;
  /** Told to the server, for its logs. */
  readonly agent?: string;
}

export interface OpenOptions {
  /** Create the document if it does not exist. */
  readonly create?: boolean;
  /** Its content then. */
  readonly content?: string;
  /** See who else is here; true as a rule. */
  readonly presence?: boolean;
}

export interface ClientEvents {
  /** Who the server takes this client for; at each connection. */
  connected: [user: string];
  /** What concerns no single document: 401 for a token that is refused. */
  error: [error: OrdoError];
  /** Edits can no longer be kept on this device, only in memory. */
  storageFailed: [error: unknown];
}

interface Opened {
  readonly document: Document;
  count: number;
  dialer: Dialer | undefined;
  doc: Doc | undefined;
  hold: Hold | undefined;
  saveTimer: ReturnType<typeof setTimeout> | undefined;
  recovery: ReturnType<typeof setInterval> | undefined;
  isDirty: boolean;
  isClosed: boolean;
}

/** What was stored may be anything: it is looked at closely when it is restored, and thrown away if it is no record. */
const hasFlight = ({ flight, clientId }: DocRecord): boolean => flight != null && isClientId(clientId);

export class Client extends Emitter<ClientEvents> {
  readonly #platform: Platform;
  readonly #options: ConnectOptions;
  readonly #storage: Storage | undefined;
  readonly #dialers: Dialer[] = [];
  #main: Dialer | undefined; // of them, the one under the identity of this page
  readonly #opened = new Map<string, Opened>();
  readonly #recovering = new Set<Promise<void>>();
  readonly #giveUps = new Set<() => void>(); // of edits that are being recovered: their record stays
  #isPaused = false;
  #isClosed = false;
  readonly #stopWatching: () => void;

  /** @internal Applications call `connect`. */
  constructor(options: ConnectOptions, platform: Platform) {
    super();
    this.#options = options;
    this.#platform = platform;
    this.#storage = options.storage === undefined ? platform.storage() : options.storage ?? undefined;
    this.#stopWatching = platform.watch({
      awake: () => this.#dialers.forEach((dialer) => dialer.retryNow()),
      offline: () => this.#dialers.forEach((dialer) => dialer.connection.drop()),
      leaving: () => this.#saveAll(),
    });
  }

  /** Opens a document; at once, whether or not there is a connection: wait for `ready`. Opened again it is the same object,
   * which has to be closed as often. */
  open(collection: string, id: string, options: OpenOptions = {}): Document {
    if (this.#isClosed) throw new OrdoError(499, "the client is closed");
    for (const name of [collection, id]) {
      if (name === "" || name.includes("\0") || utf8Size(name) > NAME_SIZE_MAX)
        throw new OrdoError(400, "names are 1 to 128 bytes of UTF-8, without U+0000");
    }
    const key = JSON.stringify([collection, id]);
    const known = this.#opened.get(key);
    if (known !== undefined) {
      known.count++;
      return known.document;
    }
    const opened: Opened = {
      document: new Document(collection, id, {
        nowMs: () => this.#platform.nowMs(),
        edited: () => this.#edited(opened),
        close: () => this.#close(key, opened),
      }),
      count: 1, dialer: undefined, doc: undefined, hold: undefined, saveTimer: undefined, recovery: undefined,
      isDirty: false, isClosed: false,
    };
    this.#opened.set(key, opened);
    void this.#attach(opened, {
      collection, id, createType: options.create === true ? "text" : "", createContent: options.content ?? "",
      presence: options.presence ?? true,
    });
    return opened.document;
  }

  /** Works without a connection until `goOnline`, as if the network were gone. */
  goOffline(): void {
    this.#isPaused = true;
    for (const dialer of this.#dialers) dialer.pause();
  }

  goOnline(): void {
    this.#isPaused = false;
    for (const dialer of this.#dialers) dialer.resume();
  }

  get isOffline(): boolean { return this.#isPaused; }

  /** Closes all documents. What is unsaved stays stored, where there is a storage. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopWatching();
    await Promise.all([...this.#opened].map(([key, opened]) => {
      opened.count = 1;
      return this.#close(key, opened);
    }));
    for (const giveUp of this.#giveUps) giveUp();
    await Promise.all(this.#recovering);
    for (const dialer of this.#dialers) dialer.stop();
  }

  // --- opening ---------------------------------------------------------------------------------------------------

  async #attach(opened: Opened, options: DocOptions): Promise<void> {
    const name = storageName(this.#options.url, options.collection, options.id);
    const hold = await this.#acquire(name);
    if (opened.isClosed) {
      hold?.release();
      return;
    }
    opened.hold = hold;
    const dialer = this.#dialerFor(hold);
    const doc = dialer.connection.open(options, {
      ...opened.document.listener(),
      ...(hold !== undefined ? { store: (record) => void this.#store(opened, record) } : {}),
    });
    opened.dialer = dialer;
    opened.doc = doc;
    if (hold?.record !== undefined && !doc.restore(hold.record)) await hold.remove().catch(() => {});
    opened.document.attach(dialer.connection, doc);
    const storage = this.#storage;
    if (storage === undefined) return;
    this.#recover(storage, name, options);
    opened.recovery = setInterval(() => this.#recover(storage, name, options), RECOVER_EVERY_MS);
  }

  async #acquire(name: string): Promise<Hold | undefined> {
    try {
      return await this.#storage?.acquire(name);
    } catch (error) {
      this.emit("storageFailed", error);
      return undefined;
    }
  }

  /** An op in flight can only be asked after under the identity that sent it. All else goes under one that was drawn for this
   * page: whoever holds a seat of a document may have spoken with that record's identity about other documents, too. */
  #dialerFor(hold: Hold | undefined): Dialer {
    const record = hold?.record;
    if (record === undefined || !hasFlight(record)) return (this.#main ??= this.#startDialer(drawClientId(this.#platform)));
    const { clientId } = record;
    return this.#dialers.find((dialer) => dialer.connection.clientId === clientId) ?? this.#startDialer(clientId);
  }

  #startDialer(clientId: ClientId): Dialer {
    const dialer = new Dialer({
      url: this.#options.url, platform: this.#platform, agent: this.#options.agent ?? "ordo-client/js", clientId,
      token: async () => {
        const { token } = this.#options;
        return typeof token === "function" ? await token() : token ?? "";
      },
      ready: (user) => this.emit("connected", user),
      error: (code, message) => this.emit("error", new OrdoError(code, message)),
    });
    if (this.#isPaused) dialer.pause();
    this.#dialers.push(dialer);
    return dialer;
  }

  /** Edits that an instance which is gone could not send: a tab that was killed while others were open. They are sent from
   * here, as their own, and their record is removed. */
  #recover(storage: Storage, name: string, options: DocOptions): void {
    const work = (async () => {
      for (let hold; !this.#isClosed && (hold = await storage.acquireOrphan(name)) !== undefined;)
        await this.#sendOrphan(hold, options);
    })().catch((error: unknown) => this.emit("storageFailed", error));
    this.#recovering.add(work);
    void work.then(() => this.#recovering.delete(work));
  }

  #sendOrphan(hold: Hold, options: DocOptions): Promise<void> {
    const { record } = hold;
    // One document is open once per connection, so this needs another than the page's own.
    const isBound = record !== undefined && hasFlight(record);
    const dialer = isBound ? this.#dialerFor(hold) : this.#startDialer(drawClientId(this.#platform));
    const { connection } = dialer;
    return new Promise((resolve) => {
      let isOver = false;
      const finish = (isSettled: boolean): void => {
        if (isOver) return;
        isOver = true;
        this.#giveUps.delete(giveUp);
        queueMicrotask(async () => {
          connection.close(doc);
          if (connection.docs.length === 0) this.#stopDialer(dialer);
          if (isSettled) await hold.remove().catch(() => {});
          hold.release();
          resolve();
        });
      };
      const giveUp = (): void => finish(false);
      this.#giveUps.add(giveUp);
      const look = (): void => {
        if (doc.error !== undefined) finish(false);
        else if (doc.isOpen && doc.isSettled) finish(true);
      };
      const document = [...this.#opened.values()].find((one) => one.hold !== hold &&
        one.document.collection === options.collection && one.document.id === options.id)?.document;
      const { givenBack = () => {}, guessed = () => {} } = document?.listener() ?? {};
      const doc = connection.open({ ...options, presence: false }, {
        opened: look, statusChanged: look, acked: () => queueMicrotask(look), givenBack, guessed,
        store: (next) => void hold.write(next).then(() => doc.stored(true, dialer.nowMs), () => doc.stored(true, dialer.nowMs)),
      });
      if (record === undefined || !isUnsettled(record) || !doc.restore(record)) finish(true);
    });
  }

  #stopDialer(dialer: Dialer): void {
    dialer.stop();
    this.#dialers.splice(this.#dialers.indexOf(dialer), 1);
  }

  // --- storing ---------------------------------------------------------------------------------------------------

  #edited(opened: Opened): void {
    opened.isDirty = true;
    opened.saveTimer ??= setTimeout(() => {
      opened.saveTimer = undefined;
      if (opened.isDirty) opened.doc?.save();
    }, SAVE_AFTER_MS);
  }

  #saveAll(): void { for (const opened of this.#opened.values()) if (opened.isDirty) opened.doc?.save(); }

  async #store(opened: Opened, record: Parameters<Hold["write"]>[0]): Promise<void> {
    const { doc, hold } = opened;
    opened.isDirty = false;
    try {
      await hold?.write(record);
    } catch (error) {
      // A full disk must not keep people from saving to the server. Without a record that is right there must be none.
      opened.hold = undefined;
      await hold?.remove().catch(() => {});
      this.emit("storageFailed", error);
    }
    doc?.stored(true, this.#platform.nowMs());
  }

  async #close(key: string, opened: Opened): Promise<void> {
    if (--opened.count > 0) return;
    opened.isClosed = true;
    this.#opened.delete(key);
    clearTimeout(opened.saveTimer);
    clearInterval(opened.recovery);
    const { doc, dialer, hold } = opened;
    opened.document.detach();
    if (doc === undefined || dialer === undefined) return;
    const record = doc.hasContent && hold !== undefined ? doc.record() : undefined;
    dialer.connection.close(doc);
    if (record !== undefined && opened.hold !== undefined) await hold?.write(record).catch(() => {});
    hold?.release();
  }
}
