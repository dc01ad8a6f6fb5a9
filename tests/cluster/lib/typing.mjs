// People at work: several clients type at once until the test says stop, or for so many edits.
import { randomSplice } from "./random.mjs";

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** `count` random splices spread over the clients, with pauses of up to `betweenMs`. */
export async function typeALot(random, clients, count, betweenMs = 2) {
  for (let i = 0; i < count; i++) {
    const client = random.pick(clients);
    client.splice(...randomSplice(random, client.text));
    if (random.chance(50)) await pause(random.below(betweenMs + 1));
  }
}

/** Types in the background; `stop()` ends it and resolves once everything typed is on its way. */
export function keepTyping(random, clients, betweenMs = 10) {
  let isStopping = false;
  const done = (async () => {
    while (!isStopping && clients.some((client) => !client.stopped)) { // a failed test closes them all
      const client = random.pick(clients);
      // Texts stay small: what is tested is the order, and a long text only makes it slow.
      const [position, deleteCount, text] = randomSplice(random, client.text);
      client.splice(position, client.text.length > 2000 ? deleteCount + 20 : deleteCount, text);
      await pause(random.below(betweenMs) + 1);
    }
  })();
  return { stop: () => { isStopping = true; return done; } };
}
