// What an operator watches: drivers, trips and figures, as `ops.watch` and `ops.update`
// tell them. The server forgets a watch with its connection: it is asked for again.

import { Emitter } from "./emitter.js";

export class Watch {
  #client;
  #timers;
  #emitter = new Emitter();
  #bounds;
  #on = true;
  /** Counts what was asked for; answers to what was asked before the last mean nothing. */
  #asked = 0;
  #whole = false;

  constructor(client, timers, bounds) {
    this.#client = client;
    this.#timers = timers;
    this.#bounds = bounds;
    /** By id. */
    this.drivers = new Map();
    this.trips = new Map();
    /** Null until the first answer. */
    this.figures = null;
    if (client.state === "open") this.#ask();
  }

  get bounds() {
    return this.#bounds;
  }

  /** Whether it shows all there is: not so before an answer, nor while disconnected. */
  get whole() {
    return this.#whole;
  }

  on(type, listener) {
    return this.#emitter.on(type, listener);
  }

  /** Within other bounds from now on; null: all there is. */
  within(bounds) {
    this.#bounds = bounds;
    this.#on = true;
    if (this.#client.state === "open") this.#ask();
    return this;
  }

  /** Watch no more. What is shown stays as it is. */
  stop() {
    this.#on = this.#whole = false;
    this.#asked += 1;
    if (this.#client.state === "open") {
      this.#client.request("ops.unwatch").catch(() => {}); // A lost one is over as well.
    }
  }

  // ---- told by the client -----------------------------------------------------

  welcomed() {
    if (this.#on) this.#ask();
  }

  disconnected() {
    this.#asked += 1;
    this.#whole = false;
  }

  heard(update) {
    // Before the answer they are of bounds that are no more.
    if (this.#whole) this.#take(update);
  }

  async #ask() {
    const asked = ++this.#asked;
    this.#whole = false;
    const data = this.#bounds === null ? {} : { bounds: this.#bounds };
    try {
      const whole = await this.#client.request("ops.watch", data);
      if (asked === this.#asked) this.#begin(whole);
    } catch (error) {
      if (asked === this.#asked) this.#emitter.emit("refused", error);
    }
  }

  #begin(whole) {
    this.#whole = true;
    this.drivers.clear();
    this.trips.clear();
    this.#take(whole);
  }

  #take({ drivers, gone, trips, ended, figures }) {
    const now = this.#timers.now();
    for (const [id, lat, lon, heading, state, trip, age_s] of drivers) {
      const placedAt = age_s === null ? null : now - age_s;
      this.drivers.set(id, { id, lat, lon, heading, state, trip, placedAt });
    }
    for (const id of gone) this.drivers.delete(id);
    for (const trip of trips) this.trips.set(trip.id, trip);
    for (const id of ended) this.trips.delete(id);
    this.figures = figures;
    this.#emitter.emit("change");
  }
}
