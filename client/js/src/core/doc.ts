/** One document as a client holds it. Pure: messages come in as data and go out as data; times are monotonic milliseconds
 * that are passed in. How an op in flight is settled, and what is done about each nack, is in docs/protocol.md; docs/client.md
 * has the rest. The driver is a connection (connection.ts) or a test: it hands in what the server said, asks `wants` after
 * each event, and then for what to send. */
import { diffOp } from "../ot/diff.js";
import { LiveOp } from "../ot/live.js";
import { EMPTY_OP, type TextOp, isEmptyOp, lengthAfterValid, positionAfter, positionBefore } from "../ot/op.js";
import { NO_TYPING, typingOver, typingSplice } from "../ot/typing.js";
import { cleanText } from "../ot/unicode.js";
import type { ClientMessage, Range } from "../wire/client.js";
import type { ClientId } from "../wire/ids.js";
import { type Ack, type Committed, type Nack, NackCode, type Opened, type PresenceMessage } from "../wire/server.js";
import { receiveOpened } from "./answer.js";
import { giveBack, giveBackCreated } from "./merge.js";
import { place, promote, unfreeze } from "./place.js";
import { makeRecord, restoreRecord } from "./record.js";
import { type Wish, flush, makeOpen, store, timerOf, wishOf } from "./send.js";
import { DocState, type Flight, Need, flightNow } from "./state.js";
import type { DocListener, DocOptions, DocRecord, GiveBackReason, Status } from "./types.js";

const DOCUMENT_LENGTH_MAX = 64 * 1024 * 1024;
const STORE_RETRY_MS = 1000;
const OPEN_RETRY_MS = 500;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5000;

/** Why an edit is refused. unopened: nothing is known of the document yet. closed: read-only, deleted or in error. */
export type EditFault = "unopened" | "closed" | "misfit" | "too-large";

export class Doc {
  readonly #state: DocState;

  constructor(options: DocOptions, clientId: ClientId, listener: DocListener = {}, nextClientSeq = 1) {
    this.#state = new DocState(options, clientId);
    this.#state.listener = listener;
    this.#state.nextClientSeq = nextClientSeq;
  }

  // --- accessors -------------------------------------------------------------------------------------------------

  get options(): DocOptions { return this.#state.options; }
  get status(): Status { return this.#state.status; }
  get error(): { readonly code: number; readonly message: string } | undefined { return this.#state.error; }
  get isOpen(): boolean { return this.#state.isOpen; }
  get hasContent(): boolean { return this.#state.hasContent; }
  get isDeleted(): boolean { return this.#state.hasContent && this.#state.isDeleted; }
  get isSettled(): boolean { return this.#state.flight === undefined && !this.#state.hasPending; }
  get isViewer(): boolean { return this.#state.isViewer; }
  get seq(): number { return this.#state.seq; }
  get lineage(): number { return this.#state.lineage; }
  get length(): number { return this.#state.shownLength; }
  get clientId(): ClientId { return this.#state.clientId; }
  get nextClientSeq(): number { return this.#state.nextClientSeq; }
  get unsavedCount(): number { return this.#state.unsavedCount; }
  shownText(): string { return this.#state.shownText(); }
  get inFlight(): { readonly clientSeq: number; readonly baseSeq: number; readonly frozen: Uint8Array } | undefined {
    return this.#state.flight;
  }
  set touched(call: () => void) { this.#state.touched = call; }

  record(): DocRecord { return makeRecord(this.#state); }

  /** A position in what is shown, as one in the confirmed content at `seq`. */
  toConfirmed(position: number): number {
    return this.#state.edits.reduceRight((at, op) => positionBefore(op, at), position);
  }

  /** The other way round. */
  toShown(position: number, movesRight: boolean): number {
    const { edits, confirmed } = this.#state;
    return edits.reduce((at, op) => positionAfter(op, at, movesRight), Math.min(position, confirmed.points));
  }

  // --- the application's side ------------------------------------------------------------------------------------

  /** Takes over a record, before the first Open; false if it is of no use here. */
  restore(record: DocRecord): boolean {
    let isRestored = false;
    try {
      isRestored = restoreRecord(this.#state, record);
    } catch { /* what was stored is no record */ }
    this.#state.tellStatus();
    return isRestored;
  }

  /** Undefined: an edit is possible now. */
  get editFault(): EditFault | undefined {
    const state = this.#state;
    if (state.error !== undefined || state.permission < 2) return "closed";
    if (!state.hasContent) return "unopened";
    return state.isDeleted || state.isReshaping ? "closed" : undefined;
  }

  /** Applies an op made against what is shown. */
  edit(op: TextOp): EditFault | undefined {
    const state = this.#state, fault = this.editFault ?? this.#misfit(op);
    if (fault !== undefined) return fault;
    state.typing = typingOver(state.typing, op); // of our own run we only know where it moved to
    this.#take(op);
    return undefined;
  }

  /** At `position` inserts `text`, which is clean (unicode.ts), and deletes `count` code points, with tie hints. Returns the
   * op, or why not. */
  splice(position: number, count: number, text: string): TextOp | EditFault {
    const state = this.#state;
    if (this.editFault !== undefined) return this.editFault;
    const { op, typing } = typingSplice(state.typing, position, count, text);
    const fault = this.#misfit(op);
    if (fault !== undefined) return fault;
    if (isEmptyOp(op)) return op;
    state.typing = typing;
    this.#take(op);
    return op;
  }

  /** Deletes the document for everybody; edits that are pending go with it. */
  delete(): EditFault | undefined {
    const state = this.#state;
    if (this.editFault !== undefined) return this.editFault;
    state.pending = new LiveOp(state.clientId);
    state.pendingKind = "delete";
    state.pendingEditCount = 1;
    state.shownLength = 0;
    state.typing = NO_TYPING;
    this.#touch();
    return undefined;
  }

  /** Creates a deleted document anew; the content is shown once the server has it. */
  createAgain(text: string): EditFault | undefined {
    const state = this.#state;
    if (state.error !== undefined || state.permission < 2) return "closed";
    if (!state.hasContent) return "unopened";
    if (!state.isDeleted || !this.isSettled) return "closed";
    const op = diffOp("", cleanText(text));
    const fault = this.#misfit(op);
    if (fault !== undefined) return fault;
    state.pendingKind = "create";
    state.pending = new LiveOp(state.clientId, op);
    state.pendingEditCount = 1;
    this.#touch();
    return undefined;
  }

  setPresence(data: Uint8Array, ranges: readonly Range[]): void {
    this.#state.presence.set(data, ranges, this.#state.shownLength);
    this.#state.touched();
  }

  clearPresence(): void {
    this.#state.presence.clear();
    this.#state.touched();
  }

  /** Writes the record now, whatever is to be sent. */
  save(): void {
    const state = this.#state;
    if (!state.hasContent || state.listener.store === undefined) return;
    if (state.storing !== undefined) state.isSaveWanted = true;
    else store(state);
  }

  #misfit(op: TextOp): EditFault | undefined {
    const length = lengthAfterValid(op, this.#state.shownLength);
    if (length === undefined) return "misfit";
    return length > DOCUMENT_LENGTH_MAX && length > this.#state.shownLength ? "too-large" : undefined;
  }

  #take(op: TextOp): void {
    const state = this.#state;
    state.presence.moveOwn(op, true);
    state.pending.compose(op);
    state.shownLength = lengthAfterValid(op, state.shownLength) ?? state.shownLength;
    state.pendingEditCount = state.hasPending ? state.pendingEditCount + 1 : 0;
    this.#touch();
  }

  #touch(): void {
    this.#state.tellStatus();
    this.#state.touched();
  }

  // --- what the server said --------------------------------------------------------------------------------------

  /** Yields between the ops of a long answer: the driver may let other things happen there. */
  *opened(part: Opened): Generator<void> { yield* receiveOpened(this.#state, part); }

  committed(committed: Committed): void {
    const state = this.#state;
    if (state.isDeaf || state.phase !== "live" || !state.hasContent) return;
    if (state.answer !== undefined) state.reopen(); // live messages follow the last part
    else place(state, committed);
    state.tellStatus();
  }

  ack(ack: Ack): void {
    const state = this.#state, { flight } = state;
    if (state.isDeaf || state.phase !== "live" || !state.hasContent) return;
    if (flight?.clientSeq !== ack.clientSeq) return;
    const isNext = ack.serverSeq === state.seq + 1 && state.answer === undefined;
    if (ack.duplicate) {
      // No place in the order. What it stands for is still to come, or we have it and do not know it for ours.
      if (ack.serverSeq <= state.seq) state.reopen();
    } else if (!isNext || flight.isInexact || flight.isOvertaken) {
      state.reopen(); // or not with the body that we hold: the Opened that follows will bring it
    } else {
      this.#acked(flight, ack);
    }
    state.tellStatus();
  }

  #acked(flight: Flight, ack: Ack): void {
    const state = this.#state;
    const op = flight.kind === "edit" ? flightNow(flight) : EMPTY_OP;
    if (!promote(state, flight, op, ack.serverSeq)) return;
    const { clientSeq, baseSeq } = flight, { serverSeq, timestampMs } = ack, { clientId } = state;
    const body: Committed["body"] = flight.kind === "edit" ? { kind: "edit", op }
      : flight.kind === "delete" ? { kind: "delete" } : { kind: "create", type: "text", op, lineage: 0 };
    state.listener.committed?.({ serverSeq, clientId, clientSeq, baseSeq, timestampMs, user: "", body });
    state.listener.acked?.(clientSeq, serverSeq);
    state.presence.release(state);
  }

  nack(nack: Nack, nowMs: number): void {
    const state = this.#state, { flight } = state;
    if (state.isDeaf || flight?.clientSeq !== nack.clientSeq) return;
    switch (nack.code) {
      case NackCode.rateLimited:
      case NackCode.unavailable: this.#retryLater(flight, nack.retryAfterMs, nowMs); break;
      case NackCode.notOpen:
        // Says nothing of the copies that went out before: the frozen op is sent again after Opened, which is safe
        // whatever became of them.
        state.reopen();
        break;
      case NackCode.staleBase:
      case NackCode.futureBase:
      case NackCode.pipelined:
        flight.isRefused = true;
        state.reopen();
        break;
      case NackCode.replayed:
      case NackCode.clientIdTaken:
        unfreeze(state);
        state.wish(Need.clientId);
        break;
      case NackCode.deleted: this.#refused(flight, "deleted", nack); break;
      default: this.#refused(flight, "refused", nack); // also a code of a later server: whatever it means
    }
    state.tellStatus();
  }

  #retryLater(flight: Flight, afterMs: number, nowMs: number): void {
    const delayMs = afterMs > 0 ? afterMs : RETRY_MIN_MS * 2 ** Math.min(flight.attemptCount, 6);
    flight.attemptCount++;
    flight.isSent = false;
    this.#state.retryAtMs = nowMs + Math.min(delayMs, RETRY_MAX_MS);
  }

  #refused(flight: Flight, reason: GiveBackReason, { code, message }: Nack): void {
    if (!flight.isOvertaken) {
      giveBack(this.#state, reason, code, message);
      return;
    }
    this.#state.flight = undefined; // what is pending has nothing to do with it
    if (flight.kind === "create") giveBackCreated(this.#state, flight, reason, code, message);
  }

  documentStatus(isAvailable: boolean): void {
    this.#state.isUnavailable = !isAvailable;
    this.#state.tellStatus();
  }

  presence(message: PresenceMessage): void { this.#state.presence.received(this.#state, message); }

  /** The Open was answered with an Error. 409, 429 and 503 are tried again, all others put the document in error. */
  openRefused(code: number, message: string, nowMs: number): void {
    const state = this.#state;
    if (state.error !== undefined) return;
    state.phase = "closed";
    state.answer = undefined;
    // 409: the document was closed here and opened again before the first Open was answered; it will be left soon.
    if (code === 409 || code === 429 || code === 503) state.retryAtMs = nowMs + OPEN_RETRY_MS;
    else state.fail(code, message);
    state.tellStatus();
  }

  /** The server closed the document on this connection, unasked: it is opened again after a pause. */
  ended(nowMs: number): void {
    const state = this.#state;
    if (state.error !== undefined) return;
    this.#cutOff();
    if (state.need === Need.reopen) state.need = Need.nothing;
    // Two instances under one client_id end each other's openings: ever longer pauses keep that quiet.
    const doublings = state.reopenCount < 5 ? state.reopenCount++ : 5;
    state.retryAtMs = nowMs + OPEN_RETRY_MS * 2 ** doublings;
    state.tellStatus();
  }

  /** The connection is gone: what is in flight will be sent again after the next Opened. */
  disconnected(): void {
    const state = this.#state;
    this.#cutOff();
    if (state.need !== Need.clientId) state.need = Need.nothing;
    state.reopenCount = 0;
    state.retryAtMs = 0;
    state.isUnavailable = false;
    if (state.flight !== undefined) state.flight.attemptCount = 0;
    state.tellStatus();
  }

  #cutOff(): void {
    const state = this.#state;
    state.phase = "closed";
    if (state.flight !== undefined) state.flight.isSent = false;
    state.answer = undefined;
  }

  /** What `store` was handed is written, or could not be. */
  stored(isStored: boolean, nowMs: number): void {
    const state = this.#state, { storing } = state;
    state.storing = undefined;
    if (!isStored) {
      state.isRecordDue = true;
      state.retryAtMs = Math.max(state.retryAtMs, nowMs + STORE_RETRY_MS);
    } else if (storing !== undefined && state.flight?.clientSeq === storing.clientSeq) {
      state.flight.isStored = true;
    }
    if (state.isSaveWanted && isStored) {
      state.isSaveWanted = false;
      this.save();
    }
    state.touched();
  }

  // --- what to send ----------------------------------------------------------------------------------------------

  wants(nowMs: number): Wish { return wishOf(this.#state, nowMs); }

  /** The Open to send; the document then waits for Opened. */
  open(request: number): ClientMessage { return makeOpen(this.#state, request); }

  /** Whatever is due: the op in flight (again), or a new one made of what is pending, and presence. `mayStart` false: nothing
   * new is put in flight, only resends. */
  flush(handle: number, opSizeMax: number, mayStart: boolean, nowMs: number): ClientMessage[] {
    return flush(this.#state, handle, opSizeMax, mayStart, nowMs);
  }

  /** When the document next wants something by itself; Infinity: never. */
  timerMs(): number { return timerOf(this.#state); }

  /** A new identity, between connections. Nothing may be in flight. */
  setClientId(clientId: ClientId): void {
    const state = this.#state;
    state.clientId = clientId;
    if (state.need === Need.clientId) state.need = Need.nothing;
    state.pending = new LiveOp(clientId, state.pending.toOp());
    // A record with an op in flight can be taken up only under the id that it was sent with. That op is settled, and the
    // document may have nothing to send for long: its record must not stay behind with the old id.
    this.save();
  }
}
