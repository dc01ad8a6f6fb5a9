/** A document that an application has open: its text, edits, undo, who is here, its past. Positions are UTF-16 units, as
 * everywhere in JavaScript. */
import { type Anchor, Anchors, type SavedAnchor } from "./anchors.js";
import { type Change, changesOf, invert } from "./changes.js";
import type { Connection } from "./core/connection.js";
import type { Doc, EditFault } from "./core/doc.js";
import type { DocListener, GivenBack, Guess, Status } from "./core/types.js";
import { Emitter } from "./emitter.js";
import { OrdoError } from "./errors.js";
import { type PastContent, type PastEdit, readContent, readEdits } from "./history.js";
import { diffOp } from "./ot/diff.js";
import { EMPTY_OP, type TextOp, compose, isEmptyOp, positionAfter } from "./ot/op.js";
import { MANY_SPANS, Rope } from "./ot/rope.js";
import { cleanText } from "./ot/unicode.js";
import { type Identity, People, type Person, type Selection } from "./people.js";
import { Self } from "./self.js";
import { UndoManager } from "./undo.js";

export type Origin = "local" | "remote" | "undo" | "redo";

export interface ChangeEvent {
  /** What happened to the text, in positions before it. */
  readonly changes: readonly Change[];
  readonly origin: Origin;
  /** Whatever the caller of the edit passed: so a binding knows its own. */
  readonly source: unknown;
}

export interface DocumentEvents {
  change: [event: ChangeEvent];
  /** `status`, `unsavedCount`, `error` or the permission is another now. */
  status: [];
  /** `people` is another list now. */
  people: [];
  /** An op is durable on the server, so many milliseconds after it was sent. */
  saved: [info: { readonly seq: number; readonly ms: number }];
  /** Edits could not be saved and were taken out of the text. Show them: they are in here alone now. */
  givenBack: [given: GivenBack];
  /** It is unsure whether an edit was saved. Show it: only a person can tell. */
  guessed: [guess: Guess];
  /** The document was deleted, or created anew, by whomever. */
  deleted: [isDeleted: boolean];
}

/** @internal How a document is tied to its client. */
export interface Host {
  readonly nowMs: () => number;
  /** Something is not stored yet. */
  readonly edited: () => void;
  readonly close: () => Promise<void>;
}

export class Document extends Emitter<DocumentEvents> {
  /** Resolves when there is a text to show: from the device, or from the server. Rejects with an OrdoError. */
  readonly ready: Promise<void>;
  readonly #host: Host;
  readonly #self: Self;
  #doc: Doc | undefined;
  #connection: Connection | undefined;
  readonly #shown = new Rope();
  readonly #undo = new UndoManager();
  readonly #anchors = new Anchors(this.#shown);
  readonly #people = new People(this.#shown);
  #isReady = false;
  #wasDeleted = false;
  #becomeReady: () => void = () => {};
  #becomeFailed: (error: OrdoError) => void = () => {};
  readonly #sentAtMs = new Map<number, number>();

  /** @internal */
  constructor(readonly collection: string, readonly id: string, host: Host) {
    super();
    this.#host = host;
    this.#self = new Self(this.#shown, host.nowMs);
    this.ready = new Promise((resolve, reject) => {
      this.#becomeReady = resolve;
      this.#becomeFailed = reject;
    });
    this.ready.catch(() => {}); // who does not wait for it sees the status
  }

  // --- what it is ------------------------------------------------------------------------------------------------

  get text(): string { return this.#shown.toString(); }
  /** In UTF-16 units. */
  get length(): number { return this.#shown.units; }
  slice(from: number, to = this.length): string { return this.#shown.slice(from, to); }

  get status(): Status {
    const status = this.#doc?.status ?? "connecting";
    // At the start of a page a stored document has no connection yet; that is no news to worry about.
    return status === "offline" && this.#connection?.isFirstTry === true ? "connecting" : status;
  }
  /** Why the status is "error". */
  get error(): OrdoError | undefined {
    const error = this.#doc?.error;
    return error === undefined ? undefined : new OrdoError(error.code, error.message);
  }
  /** Edits that are not durable on the server yet. */
  get unsavedCount(): number { return this.#doc?.unsavedCount ?? 0; }
  get isReadOnly(): boolean { return this.#doc?.editFault !== undefined || this.#doc === undefined; }
  get isDeleted(): boolean { return this.#doc?.isDeleted ?? false; }
  /** Read-only for now, because as many write as may at once. That changes by itself when there is a place; what was typed before
   * is kept, and saved then. */
  get isViewer(): boolean { return this.#doc?.isViewer ?? false; }
  /** Place in the document's order up to which this client knows it. */
  get seq(): number { return this.#doc?.seq ?? 0; }
  get clientId(): string { return this.#doc?.clientId ?? ""; }
  /** Which life of the document this is: it gets another one when it is created anew, forgotten, or restored from a backup. */
  get lineage(): number { return this.#doc?.lineage ?? 0; }

  // --- edits -----------------------------------------------------------------------------------------------------

  insert(at: number, text: string, source?: unknown): void { this.apply([{ from: at, to: at, insert: text }], source); }
  delete(from: number, to: number, source?: unknown): void { this.apply([{ from, to, insert: "" }], source); }
  replace(from: number, to: number, text: string, source?: unknown): void {
    this.apply([{ from, to, insert: text }], source);
  }

  /** Several changes at once; see Change. Throws an OrdoError if the document cannot be edited now. Surrogates without their
   * other half, and U+0000, become U+FFFD; positions inside of a pair are moved outside. */
  apply(changes: readonly Change[], source?: unknown): void {
    const doc = this.#editable();
    const clean = this.#clean(changes);
    let op = EMPTY_OP, inverse = EMPTY_OP, left = clean.length;
    let fault: EditFault | undefined;
    while (left > 0) { // from the right: positions on the left stay good
      const { from, to, insert } = clean[left - 1]!, at = this.#shown.toPoints(from);
      const done = doc.splice(at, this.#shown.toPoints(to) - at, insert);
      if (typeof done === "string") {
        fault = done;
        break;
      }
      inverse = compose(this.#applyOwn(done), inverse);
      op = compose(op, done);
      left--;
    }
    if (!isEmptyOp(op)) this.#edited(op, inverse, clean.slice(left), "local", source); // also where a later one did not fit
    if (fault !== undefined) throw faultError(fault);
  }

  /** Makes `text` the content by an edit that says no more than what differs. */
  setText(text: string, source?: unknown): void {
    const doc = this.#editable(), op = diffOp(this.text, cleanText(text));
    if (isEmptyOp(op)) return;
    this.#editBy(doc, op, "local", source);
  }

  /** Edits within `act` are one step of undo. */
  transact(act: () => void): void {
    this.#undo.beginGroup();
    try {
      act();
    } finally {
      this.#undo.endGroup();
    }
  }

  get canUndo(): boolean { return this.#undo.canUndo; }
  get canRedo(): boolean { return this.#undo.canRedo; }
  /** Takes back this person's latest edit, and nobody else's. False: there was nothing to undo. */
  undo(): boolean { return this.#step("undo"); }
  redo(): boolean { return this.#step("redo"); }
  /** The next edit begins a step of undo of its own. */
  undoBarrier(): void { this.#undo.barrier(); }

  /** Deletes the document for everybody. */
  deleteDocument(): void {
    const shown = this.text, doc = this.#editable();
    const fault = doc.delete();
    if (fault !== undefined) throw faultError(fault);
    this.#changed(diffOp(shown, ""));
    this.#host.edited();
  }

  /** Erases the document with all of its history, for everybody and for good; needs the access `admin` and a connection. Resolves
   * when the server has done so: from then on it is deleted, and may be created again. Rejects with an OrdoError: 403 without
   * that access, 409 if somebody made it anew meanwhile. After 503 it is unknown whether it was done: to try again is right, and
   * with the same `lineage` it never erases what came later. */
  forget(lineage = this.lineage): Promise<void> {
    return new Promise((resolve, reject) => {
      const { connection, doc } = this.#attached();
      connection.forget(doc, lineage, (answer) => {
        if ("code" in answer) reject(new OrdoError(answer.code, answer.message));
        else resolve();
      });
    });
  }

  /** Creates a deleted document anew. */
  createAgain(text = ""): void {
    const fault = this.#doc?.createAgain(text) ?? (this.#doc === undefined ? "unopened" : undefined);
    if (fault !== undefined) throw faultError(fault);
    this.#host.edited();
  }

  /** A position that moves with the text. `side`: where it goes when something is inserted exactly there. */
  anchor(position: number, side: -1 | 1 = -1): Anchor { return this.#anchors.add(position, side); }

  /** An anchor as data that outlives the page. */
  saveAnchor(anchor: Anchor): SavedAnchor {
    const { doc } = this.#attached();
    return { lineage: doc.lineage, seq: doc.seq, position: doc.toConfirmed(anchor.inPoints), side: anchor.side };
  }

  /** The anchor that was saved, where the edits since have moved it. Needs a connection. Rejects with 410 if these edits are
   * not kept any more, or the document was made anew. */
  async restoreAnchor(saved: SavedAnchor): Promise<Anchor> {
    let { position } = saved, next = saved.seq + 1;
    for (;;) {
      const { doc } = this.#attached();
      if (doc.lineage !== saved.lineage) throw new OrdoError(410, "the document was made anew");
      if (next > doc.seq) return this.#anchors.addPoints(doc.toShown(position, saved.side > 0), saved.side);
      for (const { seq, op } of await this.history(next, doc.seq)) {
        position = positionAfter(op, position, saved.side > 0);
        next = seq + 1;
      }
    }
  }

  #editable(): Doc {
    const doc = this.#doc, fault = doc === undefined || !this.#isReady ? "unopened" : doc.editFault;
    if (doc === undefined || fault !== undefined) throw faultError(fault ?? "unopened");
    return doc;
  }

  #clean(changes: readonly Change[]): Change[] {
    let end = 0, cleanEnd = 0;
    const isOdd = (at: number): boolean => this.#shown.isInsidePair(at);
    return changes.map(({ from, to, insert }) => {
      if (!(from >= end && to >= from && to <= this.length)) throw new OrdoError(400, `no such range: ${from} to ${to}`);
      end = to;
      const start = Math.max(isOdd(from) ? from - 1 : from, cleanEnd);
      cleanEnd = Math.max(isOdd(to) ? to + 1 : to, start);
      return { from: start, to: cleanEnd, insert: cleanText(insert) };
    });
  }

  #move(op: TextOp, author: string): void {
    this.#anchors.move(op);
    this.#people.move(op, author);
  }

  /** Returns what takes it back. */
  #applyOwn(op: TextOp): TextOp {
    const deleted: string[] = [];
    this.#shown.apply(op, deleted);
    this.#move(op, "");
    return invert(op, deleted);
  }

  #editBy(doc: Doc, op: TextOp, origin: Origin, source: unknown): void {
    const changes = changesOf(op, this.#shown), fault = doc.edit(op);
    if (fault !== undefined) throw faultError(fault);
    this.#edited(op, this.#applyOwn(op), changes, origin, source);
  }

  #edited(op: TextOp, inverse: TextOp, changes: readonly Change[], origin: Origin, source: unknown): void {
    if (origin === "undo" || origin === "redo") this.#undo.applied(origin, inverse);
    else this.#undo.own(op, inverse, this.#host.nowMs());
    this.#self.active();
    this.#host.edited();
    this.emit("change", { changes, origin, source });
    this.emit("status"); // one more unsaved
  }

  #step(direction: "undo" | "redo"): boolean {
    const doc = this.#editable();
    for (let op; (op = this.#undo.take(direction)) !== undefined;) {
      if (isEmptyOp(op)) continue; // others took away all that it would touch
      this.#editBy(doc, op, direction, undefined);
      return true;
    }
    return false;
  }

  // --- presence --------------------------------------------------------------------------------------------------

  /** Who else has the document open. */
  get people(): readonly Person[] { return this.#people.list(); }

  /** Tells the others who this is; undefined: nothing any more. */
  setIdentity(identity: Identity | undefined): void { this.#self.setIdentity(identity); }

  /** Tells the others where this person is. Call it whenever that changes; it is sent a few times a second at most. */
  setSelections(selections: readonly Selection[]): void { this.#self.setSelections(selections); }

  // --- the past --------------------------------------------------------------------------------------------------

  /** Committed edits `fromSeq` … `toSeq`, both included; toSeq 0: to the newest. Needs a connection. */
  history(fromSeq: number, toSeq = 0): Promise<PastEdit[]> { return readEdits(this.#attached(), fromSeq, toSeq); }

  /** The text as it was right after an edit, or at a time (milliseconds since 1970). Needs a connection. */
  contentAt(at: { readonly seq: number } | { readonly timeMs: number }): Promise<PastContent> {
    return readContent(this.#attached(), "seq" in at ? { atSeq: at.seq } : { atTimeMs: at.timeMs });
  }

  /** Makes the text what it was right after an edit. It is an edit like others: it can be undone, and others' go on. */
  async restore(seq: number): Promise<void> {
    const { text } = await this.contentAt({ seq });
    this.#undo.barrier();
    this.setText(text);
  }

  #attached(): { connection: Connection; doc: Doc } {
    if (this.#doc === undefined || this.#connection === undefined) throw new OrdoError(503, "not connected");
    return { connection: this.#connection, doc: this.#doc };
  }

  // --- life ------------------------------------------------------------------------------------------------------

  /** Resolves when nothing is unsaved. */
  async saved(): Promise<void> {
    await this.ready;
    if (this.#doc?.isSettled === true) return;
    await new Promise<void>((resolve, reject) => {
      const stop = this.on("status", () => {
        const { error } = this;
        if (error === undefined && this.#doc !== undefined && !this.#doc.isSettled) return;
        stop();
        if (error !== undefined) reject(error);
        else if (this.#doc === undefined) reject(new OrdoError(499, "closed"));
        else resolve();
      });
    });
  }

  /** Leaves it. What is unsaved stays stored, where there is a storage, and is sent when it is opened again. */
  async close(): Promise<void> { await this.#host.close(); }

  /** @internal Nobody has it open any more. */
  detach(): void {
    this.#self.attach(undefined);
    this.#becomeFailed(new OrdoError(499, "closed"));
    this.#doc = this.#connection = undefined;
    this.emit("status");
  }

  /** @internal The core's document, once there is one. */
  attach(connection: Connection, doc: Doc): void {
    this.#connection = connection;
    this.#doc = doc;
    this.#checkReady();
    this.#self.attach(doc);
  }

  /** @internal What the core tells. `store` is the client's affair. */
  listener(): DocListener {
    return {
      opened: () => this.#checkReady(),
      changed: (op, author) => this.#changed(op, author),
      givenBack: (given) => this.emit("givenBack", given),
      guessed: (guess) => this.emit("guessed", guess),
      statusChanged: () => this.#statusChanged(),
      submitted: (clientSeq) => {
        if (!this.#sentAtMs.has(clientSeq)) this.#sentAtMs.set(clientSeq, this.#host.nowMs());
      },
      acked: (clientSeq, seq) => this.#acked(clientSeq, seq),
      presence: (present) => {
        this.#people.set(present);
        this.emit("people");
      },
    };
  }

  #checkReady(): void {
    const doc = this.#doc;
    if (doc === undefined || !doc.hasContent) return;
    if (!this.#isReady) {
      this.#isReady = true;
      const insert = doc.shownText();
      this.#shown.append(insert);
      if (insert !== "") this.#tell([{ from: 0, to: 0, insert }]);
      this.#becomeReady();
    }
    this.#checkDeleted(doc);
    this.emit("status");
  }

  #checkDeleted(doc: Doc): void {
    if (doc.isDeleted === this.#wasDeleted) return;
    this.#wasDeleted = doc.isDeleted;
    this.emit("deleted", doc.isDeleted);
  }

  #changed(op: TextOp, author = ""): void {
    if (!this.#isReady || isEmptyOp(op)) return;
    const changes = changesOf(op, this.#shown), doc = this.#doc;
    if (doc !== undefined && op.spans.length >= MANY_SPANS) this.#shown.reset(doc.shownText()); // cheaper than the op
    else this.#shown.apply(op);
    this.#move(op, author);
    this.#undo.others(op);
    this.#tell(changes);
  }

  /** Of another's making, or because edits were given back. */
  #tell(changes: readonly Change[]): void { this.emit("change", { changes, origin: "remote", source: undefined }); }

  #acked(clientSeq: number, seq: number): void {
    const sentAtMs = this.#sentAtMs.get(clientSeq);
    for (const known of this.#sentAtMs.keys()) if (known <= clientSeq) this.#sentAtMs.delete(known);
    if (sentAtMs !== undefined) this.emit("saved", { seq, ms: this.#host.nowMs() - sentAtMs });
    queueMicrotask(() => this.emit("status"));
  }

  #statusChanged(): void {
    const doc = this.#doc;
    if (doc === undefined) return;
    if (doc.error !== undefined) this.#becomeFailed(new OrdoError(doc.error.code, doc.error.message));
    if (doc.status === "offline" && this.#people.clear()) this.emit("people");
    this.#checkDeleted(doc);
    this.emit("status");
  }
}

function faultError(fault: EditFault): OrdoError {
  switch (fault) {
    case "unopened": return new OrdoError(409, "it is not open yet: await doc.ready");
    case "closed": return new OrdoError(409, "it is read-only, deleted or in error");
    case "misfit": return new OrdoError(400, "the edit does not fit");
    case "too-large": return new OrdoError(413, "it would become too large");
  }
}
