/** Writes protobuf: canonical, default values left out. */
const encoder = new TextEncoder();

export class Writer {
  #bytes = new Uint8Array(64);
  #size = 0;

  finish(): Uint8Array { return this.#bytes.slice(0, this.#size); }

  number(field: number, value: number): void {
    if (value !== 0) this.numberAlways(field, value);
  }

  /** For a member of a oneof, where 0 is not the same as absent. */
  numberAlways(field: number, value: number): void {
    this.#varint(field * 8);
    this.#varint(value);
  }

  flag(field: number, value: boolean): void { this.number(field, value ? 1 : 0); }

  bytes(field: number, value: Uint8Array): void {
    if (value.length > 0) this.bytesAlways(field, value);
  }

  bytesAlways(field: number, value: Uint8Array): void {
    this.#varint(field * 8 + 2);
    this.#varint(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#size);
    this.#size += value.length;
  }

  text(field: number, value: string): void {
    if (value !== "") this.bytesAlways(field, encoder.encode(value));
  }

  numbers(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    const packed = new Writer();
    for (const value of values) packed.#varint(value);
    this.bytesAlways(field, packed.#bytes.subarray(0, packed.#size));
  }

  message(field: number, write: (to: Writer) => void): void {
    const inner = new Writer();
    write(inner);
    this.bytesAlways(field, inner.#bytes.subarray(0, inner.#size));
  }

  #reserve(size: number): void {
    if (this.#size + size <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#size + size));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }

  #varint(value: number): void {
    this.#reserve(8);
    while (value >= 0x80) {
      this.#bytes[this.#size++] = (value % 0x80) | 0x80;
      value = Math.floor(value / 0x80);
    }
    this.#bytes[this.#size++] = value;
  }
}
