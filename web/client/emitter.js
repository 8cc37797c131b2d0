// Subscriptions by type. A listener that throws stops nobody else: its error goes where
// uncaught errors go.

export class Emitter {
  #listeners = new Map();
  #report;

  constructor(report = reportUncaught) {
    this.#report = report;
  }

  /** Returns a function that ends the subscription. */
  on(type, listener) {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  emit(type, ...args) {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        listener(...args);
      } catch (error) {
        this.#report(error);
      }
    }
  }
}

function reportUncaught(error) {
  if (globalThis.reportError) globalThis.reportError(error);
  else console.error(error);
}
