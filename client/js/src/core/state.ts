/** A document's state, shared by the modules of the core and by nobody else.
 *
 *     shown = confirmed ∘ in flight ∘ pending
 *
 * Confirmed is the content at `seq` of a `lineage`. In flight is at most one op, kept twice: frozen as it was first sent,
 * and live, rebased over everything committed since. Pending is all that was typed after it, as one op. */
import { type Typing, NO_TYPING } from "../ot/typing.js";
import { LiveOp } from "../ot/live.js";
import { type TextOp, lengthAfter } from "../ot/op.js";
import { Rope } from "../ot/rope.js";
import { Confirmed } from "./confirmed.js";
import type { ClientId } from "../wire/ids.js";
import type { Opened } from "../wire/server.js";
import { PresenceState } from "./presence.js";
import type { DocListener, DocOptions, OpKind, Status } from "./types.js";

/** What the document needs of the connection before it can go on; the gravest wins. */
export const Need = { nothing: 0, reopen: 1, clientId: 2, reconnect: 3 } as const;
export type Need = (typeof Need)[keyof typeof Need];

export interface Flight {
  readonly kind: OpKind;
  readonly clientSeq: number;
  readonly baseSeq: number;
  /** The op as first sent, byte for byte; empty for a delete. */
  readonly frozen: Uint8Array;
  /** Rebased to `seq`; edits only. */
  live: LiveOp;
  /** Rebased over a difference, not over ops: the server's form may be another. */
  isInexact: boolean;
  /** Committed or not, nobody knows; taken for not. Told when it is made anew. */
  isDoubtful: boolean;
  /** A delete or create of ours, and somebody else deleted or created the document since: it has nothing to do with what
   * is shown any more. But it may still commit, so its answer is awaited, and what it did is learnt from its body. */
  isOvertaken: boolean;
  /** It can never commit as it is: goes anew, under a new client_seq, after Opened. */
  isRefused: boolean;
  isStored: boolean;
  /** Since the last Opened or retryable nack. */
  isSent: boolean;
  /** Nacks in a row that asked for another try. */
  attemptCount: number;
  /** Edits of the person that it holds, for "3 unsaved". */
  editCount: number;
}

/** An Opened in several parts. Content is staged until it is whole: half an answer must leave no trace. */
export interface Answer {
  readonly hasContent: boolean;
  isInstalled: boolean;
  readonly texts: string[];
  readonly contentSeq: number;
  readonly contentDeleted: boolean;
  header: Opened; // of the first part, with the newest head and last_client_seq
}

export class DocState {
  listener: DocListener = {};
  phase: "closed" | "opening" | "live" = "closed";
  need: Need = Need.nothing;
  /** In a row, without any progress between. */
  reopenCount = 0;
  /** Neither an Open nor a submit goes out before. */
  retryAtMs = 0;
  /** Until the server says otherwise: a restored document is edited offline. */
  permission = 2;
  isViewer = false;
  isUnavailable = false;
  wasOpen = false;
  error: { readonly code: number; readonly message: string } | undefined;
  toldStatus: Status | undefined;

  /** `seq` and what follows mean something. */
  hasContent = false;
  seq = 0;
  lineage = 0;
  isDeleted = false;
  confirmed = new Confirmed();

  flight: Flight | undefined;
  pendingKind: OpKind = "edit";
  pending: LiveOp;
  pendingEditCount = 0;
  nextClientSeq = 1;
  /** Of what is shown. */
  shownLength = 0;
  typing: Typing = NO_TYPING;

  answer: Answer | undefined;
  readonly presence = new PresenceState();

  /** Edits were merged or given back since the last record: it is stored before anything is sent. */
  isRecordDue = false;
  /** A record is being written; the flight in it. */
  storing: { readonly clientSeq: number } | undefined;
  /** Asked for while another was being written. */
  isSaveWanted = false;

  /** The owner, told when the document may want something because of a call by the application. */
  touched: () => void = () => {};

  constructor(readonly options: DocOptions, public clientId: ClientId) { this.pending = new LiveOp(clientId); }

  get hasPending(): boolean { return this.pendingKind !== "edit" || !this.pending.isEmpty; }

  /** What is shown is not made of text ops alone: a delete or create of ours is on its way. */
  get isReshaping(): boolean {
    if (this.pendingKind !== "edit") return true;
    return this.flight !== undefined && this.flight.kind !== "edit" && !this.flight.isOvertaken;
  }

  get editInFlight(): Flight | undefined { return this.flight?.kind === "edit" ? this.flight : undefined; }

  /** What is shown is confirmed with these, in this order. */
  get edits(): TextOp[] {
    if (this.isReshaping) return [];
    return [this.editInFlight?.live, this.pending].flatMap((live) => live === undefined || live.isEmpty ? [] : [live.toOp()]);
  }

  get isOpen(): boolean {
    return this.phase === "live" && this.hasContent && this.answer === undefined && this.error === undefined;
  }

  /** Nothing that arrives is of interest any more. */
  get isDeaf(): boolean { return this.error !== undefined || this.phase === "closed" || this.need === Need.reconnect; }

  get status(): Status {
    if (this.error !== undefined) return "error";
    if (this.phase === "closed") return this.wasOpen ? "offline" : "connecting";
    if (this.flight !== undefined || this.hasPending) return "saving";
    if (this.phase === "opening" || this.isUnavailable) return "connecting";
    return this.permission < 2 || this.isDeleted ? "read-only" : "synced";
  }

  /** Edits of the person that are not acked. */
  get unsavedCount(): number { return (this.flight?.editCount ?? 0) + this.pendingEditCount; }

  /** What is shown, made on demand: editors keep their own copy. */
  shownText(): string {
    if (this.isReshaping || !this.hasContent) return "";
    const { edits } = this;
    if (edits.length === 0) return this.confirmed.toString();
    const shown = new Rope(this.confirmed.toString());
    for (const op of edits) shown.apply(op);
    return shown.toString();
  }

  /** Tells the listener if the status is another now. Last thing in every event. */
  tellStatus(): void {
    const { status } = this;
    if (status === this.toldStatus) return;
    this.toldStatus = status;
    this.listener.statusChanged?.();
  }

  /** The document is in error for good: no way to go on without risking other content than the server's. */
  fail(code: number, message: string): void { this.error ??= { code, message }; }

  wish(need: Need): void { if (need > this.need) this.need = need; }

  /** Start over on this connection; if that has not helped several times, on a new one, which backs off. */
  reopen(): void {
    if (this.need === Need.nothing) this.wish(++this.reopenCount > REOPENS_MAX ? Need.reconnect : Need.reopen);
  }

  /** Nothing in flight, nothing pending. */
  dropEdits(): void {
    this.flight = undefined;
    this.pendingKind = "edit";
    this.pending = new LiveOp(this.clientId);
    this.pendingEditCount = 0;
    this.shownLength = this.confirmed.points;
    this.typing = NO_TYPING;
  }

  setConfirmed(confirmed: Confirmed, seq: number): void {
    this.confirmed = confirmed;
    this.seq = seq;
    this.hasContent = true;
  }

  /** The length shown after an op of others that confirmed has already. */
  measureShown(shown: TextOp, hasEdits: boolean): void {
    this.shownLength = hasEdits ? lengthAfter(shown, this.shownLength) : this.confirmed.points;
  }
}

const REOPENS_MAX = 3;

export const flightNow = (flight: Flight): TextOp => flight.live.toOp();
