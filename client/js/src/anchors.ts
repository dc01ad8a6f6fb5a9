/** Positions that move with the text: for comments, bookmarks, carets of others. */
import { type TextOp, positionAfter } from "./ot/op.js";
import type { Rope } from "./ot/rope.js";

/** An anchor that can be written down: for comments and bookmarks that outlive the page. Positions count code points. */
export interface SavedAnchor {
  readonly lineage: number;
  readonly seq: number;
  readonly position: number;
  readonly side: -1 | 1;
}

export class Anchor {
  /** `points`: code points; `side`: whether what is inserted exactly there comes before it (1) or behind it (-1). */
  constructor(private points: number, readonly side: -1 | 1, private readonly owner: Anchors) {}

  /** In UTF-16 units of the text as it is now. */
  get position(): number { return this.owner.text.toUnits(this.points); }

  /** Moves with no text any more. */
  remove(): void { this.owner.remove(this); }

  /** @internal */
  get inPoints(): number { return this.points; }

  /** @internal */
  move(op: TextOp): void { this.points = positionAfter(op, this.points, this.side > 0); }
}

export class Anchors {
  readonly #anchors = new Set<Anchor>();

  constructor(readonly text: Rope) {}

  add(position: number, side: -1 | 1): Anchor { return this.addPoints(this.text.toPoints(position), side); }

  addPoints(points: number, side: -1 | 1): Anchor {
    const anchor = new Anchor(points, side, this);
    this.#anchors.add(anchor);
    return anchor;
  }

  remove(anchor: Anchor): void { this.#anchors.delete(anchor); }

  move(op: TextOp): void { for (const anchor of this.#anchors) anchor.move(op); }
}
