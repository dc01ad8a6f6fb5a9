/** Who else is here, and what is told of oneself. */
import type { Present } from "./core/types.js";
import { type TextOp, positionAfter } from "./ot/op.js";
import type { Rope } from "./ot/rope.js";

/** A caret or a selection, in UTF-16 units; it goes from `anchor` to `head`, where the caret is. */
export interface Selection { readonly anchor: number; readonly head: number }

/** What a person's client tells of them. */
export interface Identity {
  readonly name: string;
  /** A CSS colour. */
  readonly color: string;
  /** The application's own; about 3 KiB of JSON at most. */
  readonly data?: unknown;
}

export interface Person extends Identity {
  /** Names the client: the same person twice, in two tabs, is two. */
  readonly clientId: string;
  /** As the server knows them. */
  readonly user: string;
  readonly selections: readonly Selection[];
  /** Has not done anything for a while. */
  readonly isIdle: boolean;
}

interface Entry { readonly present: Present; readonly identity: Identity; readonly isIdle: boolean; ranges: Selection[] }

export class People {
  readonly #entries = new Map<string, Entry>();

  constructor(readonly text: Rope) {}

  set(present: Present): void {
    if (present.isGone) {
      this.#entries.delete(present.clientId);
      return;
    }
    const { identity, isIdle } = decodeIdentity(present);
    this.#entries.set(present.clientId, { present, identity, isIdle, ranges: [...present.ranges] });
  }

  clear(): boolean {
    const had = this.#entries.size > 0;
    this.#entries.clear();
    return had;
  }

  /** The text changed. What its owner types pushes a caret on, what others type at it does not. */
  move(op: TextOp, author: string): void {
    for (const [clientId, entry] of this.#entries) {
      const isTheirs = clientId === author;
      entry.ranges = entry.ranges.map(({ anchor, head }) =>
        ({ anchor: positionAfter(op, anchor, isTheirs), head: positionAfter(op, head, isTheirs) }));
    }
  }

  list(): Person[] {
    return [...this.#entries.values()].map(({ present, identity, isIdle, ranges }) => ({
      ...identity, isIdle, clientId: present.clientId, user: present.user,
      selections: ranges.map(({ anchor, head }) => ({ anchor: this.text.toUnits(anchor), head: this.text.toUnits(head) })),
    }));
  }
}

export const encodeIdentity = ({ name, color, data }: Identity, isIdle: boolean): Uint8Array =>
  new TextEncoder().encode(JSON.stringify({ name, color, data, idle: isIdle || undefined })); // undefined ones are left out

/** Everything in it comes from somebody else's client: anything may be missing, or be something else. */
function decodeIdentity({ data, user }: Present): { identity: Identity; isIdle: boolean } {
  let told: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(data));
    if (typeof parsed === "object" && parsed !== null) told = parsed as Record<string, unknown>;
  } catch { /* another application's data */ }
  const name = typeof told["name"] === "string" ? told["name"].slice(0, 100) : user;
  const color = typeof told["color"] === "string" && COLOR.test(told["color"]) ? told["color"] : "#888888";
  return { identity: { name, color, ...("data" in told ? { data: told["data"] } : {}) }, isIdle: told["idle"] === true };
}

/** Colours end up in style attributes, so nothing else passes. */
const COLOR = /^(#[0-9a-f]{3,8}|[a-z]{3,20}|(rgb|hsl)a?\([0-9., %/deg]{1,40}\))$/i;
