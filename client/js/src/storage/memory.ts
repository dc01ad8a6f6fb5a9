/** Records in memory: for tests, and to see what a storage has to do. Share one among clients to play several starts. */
import { type DocRecord, isUnsettled } from "../core/types.js";
import type { Hold, Storage } from "./storage.js";

interface Slot { record: DocRecord | undefined; isHeld: boolean }

export class MemoryStorage implements Storage {
  readonly #documents = new Map<string, Slot[]>();

  async acquire(name: string): Promise<Hold> {
    const slots = this.#slots(name), free = slots.filter((slot) => !slot.isHeld);
    let slot = free.find(isOrphan) ?? free.find((one) => one.record !== undefined) ?? free[0];
    if (slot === undefined) slots.push((slot = { record: undefined, isHeld: false }));
    return hold(slot);
  }

  async acquireOrphan(name: string): Promise<Hold | undefined> {
    const slot = this.#slots(name).find((one) => !one.isHeld && isOrphan(one));
    return slot === undefined ? undefined : hold(slot);
  }

  #slots(name: string): Slot[] {
    let slots = this.#documents.get(name);
    if (slots === undefined) this.#documents.set(name, (slots = []));
    return slots;
  }
}

const isOrphan = (slot: Slot): boolean => slot.record !== undefined && isUnsettled(slot.record);

function hold(slot: Slot): Hold {
  slot.isHeld = true;
  let isReleased = false;
  return {
    record: slot.record,
    async write(record) {
      if (!isReleased) slot.record = structuredClone(record);
    },
    async remove() {
      if (!isReleased) slot.record = undefined;
    },
    release() {
      if (!isReleased) slot.isHeld = false;
      isReleased = true;
    },
  };
}
