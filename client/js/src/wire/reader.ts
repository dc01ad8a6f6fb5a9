/** Reads protobuf strictly: what no encoder of ours would write is refused as a whole, never read as something else.
 *
 * Own code instead of a library because of what those let pass: reading on behind the end, a known field with another wire
 * type read as unset, and text whose leading U+FEFF is dropped (decisions.md). Numbers stay below 2^53. */
export class WireError extends Error {}

const TYPE_VARINT = 0, TYPE_64 = 1, TYPE_SIZED = 2, TYPE_32 = 5;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class Reader {
  /** Number of the field at hand, after `next`. */
  field = 0;
  #type = 0;
  #at: number;

  constructor(readonly bytes: Uint8Array, start = 0, readonly end = bytes.length) { this.#at = start; }

  /** Moves to the next field; false at the end. Its value must be read or skipped. */
  next(): boolean {
    if (this.#at === this.end) return false;
    const tag = this.#varint();
    this.field = Math.floor(tag / 8);
    this.#type = tag % 8;
    if (this.field === 0 || this.field >= 2 ** 29) throw new WireError("no field has this number");
    return true;
  }

  get isSized(): boolean { return this.#type === TYPE_SIZED; }

  number(): number {
    this.#expect(TYPE_VARINT);
    return this.#varint();
  }

  /** As protobuf reads 32 bits: the low ones. */
  number32(): number { return this.number() % 0x100000000; }

  flag(): boolean { return this.number() !== 0; }

  bytesValue(): Uint8Array {
    const { bytes } = this, end = this.#sizedEnd();
    const value = bytes.subarray(this.#at, end);
    this.#at = end;
    return value;
  }

  text(): string {
    const value = this.bytesValue();
    if (value.length < 24) { // most texts are short, and the decoder has a price per call
      let text = "";
      let i = 0;
      while (i < value.length && value[i]! < 0x80) text += String.fromCharCode(value[i++]!);
      if (i === value.length) return text;
    }
    try {
      return decoder.decode(value);
    } catch {
      throw new WireError("text that is not UTF-8");
    }
  }

  /** A message in a field, as a reader of its own. */
  message(): Reader {
    const end = this.#sizedEnd();
    const inner = new Reader(this.bytes, this.#at, end);
    this.#at = end;
    return inner;
  }

  /** Adds a repeated number, packed or not. */
  numbers(to: number[]): void {
    if (this.#type === TYPE_VARINT) {
      to.push(this.#varint());
      return;
    }
    const inner = this.message();
    while (inner.#at < inner.end) to.push(inner.#varint());
  }

  skip(): void {
    if (this.#type === TYPE_VARINT) this.#varint(false); // whatever a later field may hold
    else if (this.#type === TYPE_SIZED) this.#at = this.#sizedEnd();
    else if (this.#type === TYPE_64) this.#pass(8);
    else if (this.#type === TYPE_32) this.#pass(4);
    else throw new WireError("no such wire type"); // groups are gone since proto3
  }

  #expect(type: number): void {
    if (this.#type !== type) throw new WireError(`field ${this.field} has another wire type`);
  }

  #pass(size: number): void {
    if (size > this.end - this.#at) throw new WireError("cut off");
    this.#at += size;
  }

  #sizedEnd(): number {
    this.#expect(TYPE_SIZED);
    const size = this.#varint();
    if (size > this.end - this.#at) throw new WireError("cut off");
    return this.#at + size;
  }

  #varint(isBounded = true): number {
    const { bytes, end } = this;
    let value = 0, factor = 1;
    for (let i = 0; i < 10; i++) {
      if (this.#at >= end) throw new WireError("cut off");
      const byte = bytes[this.#at++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (isBounded && value > Number.MAX_SAFE_INTEGER) throw new WireError("a number beyond 2^53");
        return value;
      }
      factor *= 128;
    }
    throw new WireError("an endless number");
  }
}
