/** Changes as JavaScript people write them, in UTF-16 positions, from and to ops, which count code points. */
import { type TextOp } from "./ot/op.js";
import { MANY_SPANS, type Rope } from "./ot/rope.js";
import { DELETE, INSERT, RETAIN, SpanWriter, countOf, kindOf, makeSpan } from "./ot/span.js";
import { TextReader, countPoints } from "./ot/unicode.js";

/** Replaces the text from `from` to `to` by `insert`. In a list all positions are those of the text before any of them; they
 * stand in ascending order and do not overlap. */
export interface Change { readonly from: number; readonly to: number; readonly insert: string }

/** What an op does to a text. */
export function changesOf(op: TextOp, before: Rope): Change[] {
  const changes: Change[] = [], text = new TextReader(op.text);
  let points = 0, insert = "", deleted = 0, passed = 0;
  const reader = op.spans.length >= MANY_SPANS ? new TextReader(before.toString()) : undefined;
  /** Ever greater positions. */
  const toUnits = (position: number): number => {
    if (reader === undefined) return before.toUnits(position);
    reader.skip(position - passed);
    passed = position;
    return reader.at;
  };
  const flush = (): void => {
    if (insert === "" && deleted === 0) return;
    const from = toUnits(points);
    changes.push({ from, to: deleted > 0 ? toUnits(points + deleted) : from, insert });
    points += deleted;
    insert = "";
    deleted = 0;
  };
  for (const span of op.spans) {
    const n = countOf(span), kind = kindOf(span);
    if (kind === INSERT) insert += text.take(n);
    else if (kind === DELETE) deleted += n;
    else {
      flush();
      points += n;
    }
  }
  flush();
  return changes;
}

/** The op that undoes `op`; `deleted` are the texts that it took out, in order. */
export function invert(op: TextOp, deleted: readonly string[]): TextOp {
  const out = new SpanWriter();
  let next = 0, text = "";
  for (const span of op.spans) {
    const n = countOf(span), kind = kindOf(span);
    if (kind === RETAIN) out.put(span);
    else if (kind === INSERT) out.put(makeSpan(DELETE, n));
    else {
      const restored = deleted[next++] ?? "";
      out.put(makeSpan(INSERT, countPoints(restored)));
      text += restored;
    }
  }
  return { spans: out.finish(), text };
}
