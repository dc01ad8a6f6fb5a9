/** Passages that two long texts have in common: found by blocks that occur once in both, kept where they stand in the same
 * order, grown to both sides. They pin the texts together, so that only what lies between is compared. */
const BLOCK = 16; // code points: shorter, and prose repeats itself; longer, and busy places have none untouched
const BLOCKS_MAX = 1 << 16;
const MARKS = 1 << 20; // of hashes of blocks that occur once: for most others a look there is enough
const PLACES_PER_TURN = 1 << 16;
const FACTOR = 0x01000193; // of the rolling hash: odd, so no code point is lost

export interface Passage { readonly from: number; readonly to: number; readonly size: number }

interface Block { from: number; to: number; fromCount: number; toCount: number }

const hashOf = (points: Int32Array, start: number): number => {
  let hash = 0;
  for (let i = 0; i < BLOCK; i++) hash = Math.imul(hash, FACTOR) + points[start + i]! | 0;
  return hash;
};

const isSame = (a: Int32Array, aAt: number, b: Int32Array, bAt: number): boolean => {
  for (let i = 0; i < BLOCK; i++) if (a[aAt + i] !== b[bAt + i]) return false;
  return true;
};

/** One block per hash: somebody may write text whose blocks share one, which then just makes no anchor. */
function blocksOf(from: Int32Array): Map<number, Block> {
  const step = Math.max(BLOCK, Math.ceil(from.length / BLOCKS_MAX)), blocks = new Map<number, Block>();
  for (let at = 0; at + BLOCK <= from.length; at += step) {
    const hash = hashOf(from, at), known = blocks.get(hash);
    if (known !== undefined) known.fromCount++;
    else blocks.set(hash, { from: at, to: 0, fromCount: 1, toCount: 0 });
  }
  return blocks;
}

/** Looks for blocks that begin in `to` at `start` or behind, before `end`. `marks`: of hashes that blocks have. */
function match(blocks: Map<number, Block>, marks: Uint8Array, from: Int32Array, to: Int32Array, start: number, end: number): void {
  let leading = 1;
  for (let i = 1; i < BLOCK; i++) leading = Math.imul(leading, FACTOR);
  let hash = hashOf(to, start);
  for (let at = start; at < end; at++) {
    const block = marks[hash & MARKS - 1] === 0 ? undefined : blocks.get(hash);
    if (block !== undefined && isSame(from, block.from, to, at) && block.toCount++ === 0) block.to = at;
    if (at + BLOCK < to.length) hash = Math.imul(hash - Math.imul(to[at]!, leading), FACTOR) + to[at + BLOCK]! | 0;
  }
}

/** The longest chain of unique blocks that grow in both texts: patience sorting. */
function longestChain(unique: readonly Block[]): Block[] {
  const tails: number[] = [], before: number[] = [];
  unique.forEach((block, i) => {
    let low = 0, high = tails.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (unique[tails[middle]!]!.to < block.to) low = middle + 1;
      else high = middle;
    }
    before.push(low > 0 ? tails[low - 1]! : -1);
    tails[low] = i;
  });
  const chain: Block[] = [];
  for (let i = tails.at(-1) ?? -1; i >= 0; i = before[i]!) chain.push(unique[i]!);
  return chain.reverse();
}

/** The blocks grown to both sides, as far as they do not overlap. */
function grow(chain: readonly Block[], from: Int32Array, to: Int32Array): Passage[] {
  const passages: Passage[] = [];
  let fromEnd = 0, toEnd = 0;
  for (const block of chain) {
    if (block.from < fromEnd || block.to < toEnd) continue; // inside the one before, or torn by it
    let start = block.from, end = block.from + BLOCK;
    const ahead = block.to - block.from;
    while (start > fromEnd && start + ahead > toEnd && from[start - 1] === to[start - 1 + ahead]) start--;
    while (end < from.length && end + ahead < to.length && from[end] === to[end + ahead]) end++;
    passages.push({ from: start, to: start + ahead, size: end - start });
    fromEnd = end;
    toEnd = end + ahead;
  }
  return passages;
}

/** Yields where the caller may let other things happen. The loops are in functions of their own: in a generator, which runs
 * once, they would stay slow. */
export function* findPassages(from: Int32Array, to: Int32Array): Generator<void, Passage[]> {
  const blocks = blocksOf(from), marks = new Uint8Array(MARKS), end = to.length - BLOCK + 1;
  for (const [hash, { fromCount }] of blocks) if (fromCount === 1) marks[hash & MARKS - 1] = 1;
  for (let at = 0; at < end; at += PLACES_PER_TURN) {
    yield;
    match(blocks, marks, from, to, at, Math.min(at + PLACES_PER_TURN, end));
  }
  yield;
  const chain = longestChain([...blocks.values()].filter((block) => block.fromCount === 1 && block.toCount === 1));
  yield;
  return grow(chain, from, to);
}
