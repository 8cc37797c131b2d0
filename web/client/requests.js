// What was asked and not answered yet. Knows refs, retries and patience; whether there is
// a connection it is told.

import { CabrankError } from "./errors.js";
import { ANSWER_MAX_S, FRAME_BYTES_MAX, backoffS } from "./policy.js";

export class Requests {
  #timers;
  #random;
  #silent;
  #pending = new Map();
  #nextRef = 1;
  /** Sends a text over the connection; null: there is none. */
  #transmit = null;

  /** `silent()` is called when the server has not answered in time: 15 s, if not less. */
  constructor({ timers, random, silent }) {
    this.#timers = timers;
    this.#random = random;
    this.#silent = silent;
  }

  make(type, data, { retry, signal, patienceS = ANSWER_MAX_S }) {
    return new Promise((resolve, reject) => {
      const ref = `r${this.#nextRef++}`;
      const text = JSON.stringify({ type, ref, data });
      const bytes = new TextEncoder().encode(text).length;
      if (bytes > FRAME_BYTES_MAX) {
        const message = `The frame has ${bytes} bytes, over ${FRAME_BYTES_MAX}.`;
        throw new CabrankError("invalid_data", message);
      }
      signal?.throwIfAborted();
      const abort = () => this.#settle(ref).reject(signal.reason);
      signal?.addEventListener("abort", abort, { once: true });
      const release = () => signal?.removeEventListener("abort", abort);
      const ask = { ref, text, retry, attempt: 0, timer: null, patienceS, resolve, reject, release };
      this.#pending.set(ref, ask);
      if (this.#transmit) this.#send(ask);
    });
  }

  // ---- told by the client -----------------------------------------------------

  connected(transmit) {
    this.#transmit = transmit;
    for (const ask of [...this.#pending.values()]) this.#send(ask);
  }

  /** What may be sent again waits for the next connection. */
  disconnected(message) {
    this.#transmit = null;
    for (const ask of [...this.#pending.values()]) {
      this.#stop(ask);
      if (!ask.retry) this.#settle(ask.ref).reject(CabrankError.unavailable(message));
    }
  }

  abandon(message) {
    for (const ref of [...this.#pending.keys()]) {
      this.#settle(ref).reject(CabrankError.unavailable(message));
    }
  }

  replied(ref, data) {
    if (this.#pending.has(ref)) this.#settle(ref).resolve(data);
  }

  refused(ref, { code, message, retryable }) {
    const ask = this.#pending.get(ref);
    if (!ask) return;
    if (ask.retry && retryable) {
      this.#stop(ask);
      const delay = backoffS(ask.attempt++, this.#random());
      ask.timer = this.#timers.set(() => this.#send(ask), delay);
    } else {
      this.#settle(ref).reject(new CabrankError(code, message, retryable));
    }
  }

  // ---- one request ------------------------------------------------------------

  #send(ask) {
    this.#stop(ask);
    this.#transmit(ask.text);
    ask.timer = this.#timers.set(this.#silent, ask.patienceS);
  }

  #stop(ask) {
    if (ask.timer !== null) this.#timers.clear(ask.timer);
    ask.timer = null;
  }

  /** Off the list, with its promise still to be settled. */
  #settle(ref) {
    const ask = this.#pending.get(ref);
    this.#pending.delete(ref);
    this.#stop(ask);
    ask.release();
    return ask;
  }
}
