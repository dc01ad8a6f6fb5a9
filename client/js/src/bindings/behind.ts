/** An editor that does not show yet what others did, because an input method composes in it: what is typed there meanwhile is
 * rebased over what it lacks, the difference of two texts. */
import { type Change, changesOf } from "../changes.js";
import { diffOp } from "../ot/diff.js";
import { type TextOp, Tie, transform } from "../ot/op.js";
import { Rope } from "../ot/rope.js";
import { DELETE, INSERT, RETAIN, SpanWriter, makeSpan } from "../ot/span.js";
import { cleanText, countPoints } from "../ot/unicode.js";

function opOf(changes: readonly Change[], before: Rope): TextOp {
  const out = new SpanWriter();
  let text = "", at = 0;
  for (const { from, to, insert } of changes) {
    const start = before.toPoints(from), end = before.toPoints(to), clean = cleanText(insert);
    if (start > at) out.put(makeSpan(RETAIN, start - at));
    if (clean !== "") out.put(makeSpan(INSERT, countPoints(clean)));
    if (end > start) out.put(makeSpan(DELETE, end - start));
    text += clean;
    at = end;
  }
  return { spans: out.finish(), text };
}

/** Changes of the text `before` as changes of `now`, which others have made of it. */
export const rebase = (changes: readonly Change[], before: string, now: string): readonly Change[] => before === now ? changes
  : changesOf(transform(opOf(changes, new Rope(before)), diffOp(before, now), Tie.right), new Rope(now));

/** The text that changes make. */
export const changed = (text: string, changes: readonly Change[]): string =>
  changes.reduceRight((after, { from, to, insert }) => after.slice(0, from) + insert + after.slice(to), text);

/** What makes `now` of `before`. */
export const missing = (before: string, now: string): readonly Change[] => changesOf(diffOp(before, now), new Rope(before));
