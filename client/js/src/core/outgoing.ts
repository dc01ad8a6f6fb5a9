/** Messages that wait for the socket; joined, they are frames. */
import { type ClientMessage, encodeClientMessage } from "../wire/client.js";

export class Outgoing {
  #messages: Uint8Array[] = []; // each a frame of its own

  add(message: ClientMessage): void { this.#messages.push(encodeClientMessage(message)); }

  clear(): void { this.#messages = []; }

  /** The first of them as one frame of at most `sizeMax` bytes, unless one alone is larger; undefined: there are none. */
  take(sizeMax: number): Uint8Array | undefined {
    let count = 0, size = 0;
    while (count < this.#messages.length && (count === 0 || size + this.#messages[count]!.length <= sizeMax))
      size += this.#messages[count++]!.length;
    const taken = this.#messages.splice(0, count);
    if (taken.length <= 1) return taken[0];
    const frame = new Uint8Array(size);
    let at = 0;
    for (const message of taken) {
      frame.set(message, at);
      at += message.length;
    }
    return frame;
  }
}
