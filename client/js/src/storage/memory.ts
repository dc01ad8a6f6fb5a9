/** Records in memory: for tests, and to see what a storage has to do. Share one among clients to play several starts. */
import { type DocRecord, isUnsettled } from "../core/types.js";
import type { Hold, Storage } from "./storage.js";

interface Seat { record: DocRecord | undefined; isHeld: boolean }

export class MemoryStorage implements Storage {
  readonly #documents = new Map<string, Seat[]>();

  async acquire(name: string): Promise<Hold> {
    const seats = this.#seats(name), free = seats.filter((seat) => !seat.isHeld);
    let seat = free.find(isOrphan) ?? free.find((one) => one.record !== undefined) ?? free[0];
    if (seat === undefined) seats.push((seat = { record: undefined, isHeld: false }));
    return hold(seat);
  }

  async acquireOrphan(name: string): Promise<Hold | undefined> {
    const seat = this.#seats(name).find((one) => !one.isHeld && isOrphan(one));
    return seat === undefined ? undefined : hold(seat);
  }

  #seats(name: string): Seat[] {
    let seats = this.#documents.get(name);
    if (seats === undefined) this.#documents.set(name, (seats = []));
    return seats;
  }
}

const isOrphan = (seat: Seat): boolean => seat.record !== undefined && isUnsettled(seat.record);

function hold(seat: Seat): Hold {
  seat.isHeld = true;
  let isReleased = false;
  return {
    record: seat.record,
    async write(record) {
      if (!isReleased) seat.record = structuredClone(record);
    },
    async remove() {
      if (!isReleased) seat.record = undefined;
    },
    release() {
      if (!isReleased) seat.isHeld = false;
      isReleased = true;
    },
  };
}
