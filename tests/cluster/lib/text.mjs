// Ordo's `text` ops (DESIGN 7.2, 7.3) in terms of the public type ot-text-unicode.
//
// An op here is { op, bits }: `op` is ot-text-unicode's (number: retain, string: insert, { d }: delete; all counted in
// code points), `bits` has one number per insert of `op`: 1 follows, 2 precedes. Our own ops never carry bits; those
// of others must be honoured, so `rebase` decides the package's `side` anew for each pair of tied inserts.
import { type } from "ot-text-unicode";

const FOLLOWS = 1, PRECEDES = 2;
const RETAIN = 0, INSERT = 1, DELETE = 2;

export const EMPTY = Object.freeze({ op: Object.freeze([]), bits: Object.freeze([]) });

export const plain = (op) => ({ op, bits: insertsOf(op).map(() => 0) });
export const isEmpty = ({ op }) => op.length === 0;
export const apply = (text, { op }) => type.apply(text, op);
export const compose = (first, second) => plain(type.compose(first.op, second.op));
export const codePointCount = (text) => { let count = 0; for (const _ of text) count++; return count; };

/** What a client does to typed text before it applies it: no lone surrogates, no U+0000. */
export function clean(text) {
  return text.replace(/\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}

/** An op that replaces `deleteCount` code points at `position` by `text`. */
export function splice(position, deleteCount, text) {
  const op = [];
  if (position > 0) op.push(position);
  if (deleteCount > 0) op.push({ d: deleteCount });
  if (text !== "") op.push(clean(text));
  return op.length === (position > 0 ? 1 : 0) ? EMPTY : plain(op);
}

/** The wire's TextOp. Spans are multiplied, not shifted: they may pass 2^32. */
export function encode({ op, bits }) {
  const spans = [];
  let text = "", insertIndex = 0;
  for (const part of op) {
    if (typeof part === "number") spans.push(part * 16 + RETAIN);
    else if (typeof part === "object") spans.push(part.d * 16 + DELETE);
    else {
      const tie = bits[insertIndex++];
      spans.push(codePointCount(part) * 16 + (tie & PRECEDES ? 8 : 0) + (tie & FOLLOWS ? 4 : 0) + INSERT);
      text += part;
    }
  }
  return { spans, text };
}

export function decode({ spans, text }) {
  const points = Array.from(text);
  const op = [], bits = [];
  let offset = 0;
  for (const span of spans) {
    const kind = span % 4, count = Math.floor(span / 16);
    if (count < 1) throw new Error(`span ${span} counts nothing`);
    if (kind === RETAIN) op.push(count);
    else if (kind === DELETE) op.push({ d: count });
    else if (kind === INSERT) {
      if (offset + count > points.length) throw new Error("insert spans count more than the text holds");
      op.push(points.slice(offset, offset += count).join(""));
      bits.push((span & 4 ? FOLLOWS : 0) | (span & 8 ? PRECEDES : 0));
    } else throw new Error(`span ${span} is of no kind`);
  }
  if (offset !== points.length) throw new Error("the text holds more than the insert spans count");
  type.checkOp?.(op);
  return { op, bits };
}

/** `subject` (by `subjectClient`) rebased over `other`, both made against the same text. `otherLeft`: a merge that is
 * nobody's op goes left at every tie. */
export function rebase(subject, subjectClient, other, otherClient, otherLeft = false) {
  const ties = findTies(subject, other).map(({ position, mine, theirs }) => ({
    position,
    side: !otherLeft && goesFirst(mine, subjectClient, theirs, otherClient) ? "left" : "right",
  }));
  const cuts = ties.map((tie) => tie.position);
  const mine = cut(subject.op, cuts), theirs = cut(other.op, cuts);
  const op = [];
  for (let i = 0; i < mine.length; i++) {
    const side = i === 0 ? "left" : ties[i - 1].side; // before the first cut nothing is tied
    const part = type.transform(trimmed(mine[i]), trimmed(theirs[i]), side);
    part.forEach((component) => append(op, component));
    if (i < cuts.length) append(op, lengthAfter(theirs[i]) - lengthBefore(part));
  }
  return { op: trimmed(op), bits: carryBits(subject, op) };
}

/** The rule of 7.3 for two tied inserts with these bits. */
function goesFirst(mine, myClient, theirs, theirClient) {
  if ((mine & FOLLOWS) !== (theirs & FOLLOWS)) return (mine & FOLLOWS) !== 0;
  if ((mine & PRECEDES) !== (theirs & PRECEDES)) return (theirs & PRECEDES) !== 0;
  return Buffer.compare(myClient, theirClient) < 0;
}

function findTies(subject, other) {
  const theirs = new Map(insertsOf(other.op).map((position, index) => [position, other.bits[index]]));
  return insertsOf(subject.op)
    .map((position, index) => ({ position, mine: subject.bits[index], theirs: theirs.get(position) }))
    .filter((tie) => tie.theirs !== undefined);
}

/** Places of the inserts, in code points of the text before the op. */
function insertsOf(op) {
  const positions = [];
  let position = 0;
  for (const part of op) {
    if (typeof part === "number") position += part;
    else if (typeof part === "object") position += part.d;
    else positions.push(position);
  }
  return positions;
}

/** Cuts an op at places of the text before it. An insert exactly at a cut belongs to what follows. Each piece but the
 * last reaches to its cut. */
function cut(op, cuts) {
  const pieces = [[]];
  let position = 0, next = 0;
  const passCuts = () => { while (next < cuts.length && cuts[next] === position) { pieces.push([]); next++; } };
  for (const part of op) {
    if (typeof part === "string") {
      passCuts();
      append(pieces.at(-1), part);
      continue;
    }
    let left = typeof part === "number" ? part : part.d;
    while (left > 0) {
      passCuts();
      const count = next < cuts.length ? Math.min(left, cuts[next] - position) : left;
      append(pieces.at(-1), typeof part === "number" ? count : { d: count });
      position += count;
      left -= count;
    }
  }
  for (; next < cuts.length; next++) {
    append(pieces.at(-1), cuts[next] - position);
    position = cuts[next];
    pieces.push([]);
  }
  return pieces;
}

/** A rebased op has all the inserts that it had, in order and whole, though neighbours may have merged. */
function carryBits(source, result) {
  const sizes = source.op.filter((part) => typeof part === "string").map((part) => part.length);
  const bits = [];
  let index = 0;
  for (const part of result) {
    if (typeof part !== "string") continue;
    const first = index;
    for (let size = 0; size < part.length; index++) size += sizes[index];
    bits.push((source.bits[first] & FOLLOWS) | (source.bits[index - 1] & PRECEDES));
  }
  return bits;
}

function append(op, part) {
  if (part === 0) return;
  const last = op.at(-1);
  if (typeof last !== typeof part) op.push(typeof part === "object" ? { d: part.d } : part);
  else if (typeof part === "object") last.d += part.d;
  else op[op.length - 1] += part;
}

const trimmed = (op) => (typeof op.at(-1) === "number" ? op.slice(0, -1) : op);
const countOf = (part) => (typeof part === "number" ? part : typeof part === "object" ? part.d : 0);
const lengthBefore = (op) => op.reduce((sum, part) => sum + countOf(part), 0);
const lengthAfter = (op) => op.reduce(
  (sum, part) => sum + (typeof part === "number" ? part : typeof part === "string" ? codePointCount(part) : 0), 0);

/** One replace that turns `from` into `to`: common prefix, common suffix, what is between. */
export function difference(from, to) {
  const a = Array.from(from), b = Array.from(to);
  let prefix = 0, suffix = 0;
  while (prefix < a.length && prefix < b.length && a[prefix] === b[prefix]) prefix++;
  const limit = Math.min(a.length, b.length) - prefix;
  while (suffix < limit && a[a.length - 1 - suffix] === b[b.length - 1 - suffix]) suffix++;
  return splice(prefix, a.length - suffix - prefix, b.slice(prefix, b.length - suffix).join(""));
}
