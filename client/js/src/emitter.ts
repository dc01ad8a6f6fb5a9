type Args<Events, Name extends keyof Events> = Events[Name] extends unknown[] ? Events[Name] : never;
type Listeners<Events> = { [Name in keyof Events]?: Set<(...args: Args<Events, Name>) => void> };

/** Events with typed arguments. A listener that throws does not keep the others from being told. */
export class Emitter<Events> {
  readonly #listeners: Listeners<Events> = {};

  /** Returns a function that stops listening. */
  on<Name extends keyof Events>(name: Name, listener: (...args: Args<Events, Name>) => void): () => void {
    const listeners = (this.#listeners[name] ??= new Set());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  protected emit<Name extends keyof Events>(name: Name, ...args: Args<Events, Name>): void {
    for (const listener of [...(this.#listeners[name] ?? [])]) {
      try {
        listener(...args);
      } catch (error) {
        queueMicrotask(() => { throw error; }); // reported as any uncaught error is, by the page or by Node
      }
    }
  }
}
