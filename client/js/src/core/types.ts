/** What a document tells its owner, and what the owner keeps of it. Positions and lengths are code points. */
import type { TextOp } from "../ot/op.js";
import type { Range } from "../wire/client.js";
import type { ClientId } from "../wire/ids.js";
import type { Committed } from "../wire/server.js";

/** connecting: nothing known yet, or being opened again. synced: all that was typed is durable on the server. saving: some
 * of it is on its way. offline: no connection; edits go on and are merged later. read-only: no permission to write, no place
 * among the writers, or the document is deleted. error: given up, the code says why; edits are refused. */
export type Status = "connecting" | "synced" | "saving" | "offline" | "read-only" | "error";

export type OpKind = "edit" | "delete" | "create";

/** refused: the server refused the op, `code` is a NackCode. deleted: the document is. replaced: created anew, restored
 * from a backup or the like: positions no longer compare. fate-unknown: the server contradicts itself about the op. */
export type GiveBackReason = "refused" | "deleted" | "replaced" | "fate-unknown";

/** Edits that could not be saved. The document shows the confirmed content again; what was typed is in here. */
export interface GivenBack {
  readonly reason: GiveBackReason;
  readonly code: number;
  readonly message: string;
  /** All text that the edits inserted, from the left to the right. */
  readonly inserted: string;
  /** The document as it was shown, with the edits. */
  readonly content: string;
}

/** An op in flight of which the server no longer knows whether it was committed (docs/client.md). The content that it sent
 * was compared with the op. `isSaved`: it seems to be in it and is not sent again; were that wrong, what it typed would be
 * missing, and is in `inserted`. Otherwise it is made anew and sent; were that wrong, what it typed would stand there
 * twice. */
export interface Guess { readonly isSaved: boolean; readonly inserted: string }

/** Where another client is; ranges are positions in what is shown. */
export interface Present {
  readonly clientId: ClientId;
  readonly user: string;
  readonly data: Uint8Array;
  readonly ranges: readonly Range[];
  readonly isGone: boolean;
}

/** One record per document: what outlives the page. Only good as a whole, and with an op in flight only under its
 * `clientId`. Plain data: it can be cloned and stored as it is. */
export interface DocRecord {
  readonly version: 1;
  readonly clientId: ClientId;
  readonly collection: string;
  readonly id: string;
  readonly type: string;
  readonly nextClientSeq: number;
  readonly lineage: number;
  readonly seq: number;
  readonly deleted: boolean;
  /** The confirmed text is this with the ops of `tail` applied. The same string as in the record before, if only those grew. */
  readonly content: string;
  readonly tail: readonly TextOp[];
  readonly flight: FlightRecord | null;
  readonly pending: { readonly kind: OpKind; readonly op: TextOp; readonly editCount: number };
}

export interface FlightRecord {
  readonly kind: OpKind;
  readonly clientSeq: number;
  readonly baseSeq: number;
  readonly frozen: Uint8Array;
  readonly op: TextOp;
  readonly isInexact: boolean;
  readonly isDoubtful: boolean;
  readonly isOvertaken: boolean;
  readonly isRefused: boolean;
  readonly editCount: number;
}

/** Whether a record holds edits that the server may not have. What was stored may be damaged: it never throws. */
export const isUnsettled = ({ flight, pending }: Partial<DocRecord>): boolean =>
  flight != null || (pending?.kind ?? "edit") !== "edit" || (pending?.op?.spans?.length ?? 0) > 0;

/** What a document tells. Editing it from within a listener is fine. */
export interface DocListener {
  /** Level with the server: at first, and after each reconnect or resync. */
  opened?(): void;
  /** Somebody else's edit, made to fit what is shown. "": what several did, or what was taken out of sight. */
  changed?(op: TextOp, clientId: ClientId): void;
  /** After `changed` took the edits out of what is shown. */
  givenBack?(given: GivenBack): void;
  guessed?(guess: Guess): void;
  statusChanged?(): void;
  /** An op goes out, for the first time or again. */
  submitted?(clientSeq: number): void;
  acked?(clientSeq: number, serverSeq: number): void;
  /** Every place of the order that passes by, own ones included. */
  committed?(committed: Committed): void;
  presence?(present: Present): void;
  /** Write the record, then tell the document `stored`. Without this all state lives in memory only. */
  store?(record: DocRecord): void;
}

export interface DocOptions {
  readonly collection: string;
  readonly id: string;
  /** Create with this type if it does not exist; "": it must exist. */
  readonly createType: string;
  readonly createContent?: string;
  readonly presence: boolean;
}
