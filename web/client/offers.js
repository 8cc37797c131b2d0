// A driver's offers that live, as the server tells them. One that runs out goes by itself,
// so that none stays on a screen while the connection is lost; the server's word counts.

import { Emitter } from "./emitter.js";

export class Offers {
  #timers;
  #emitter = new Emitter();
  #live = [];
  /** By offer. */
  #ends = new Map();

  constructor(timers) {
    this.#timers = timers;
  }

  /** The oldest first. A new array after each change. */
  get live() {
    return this.#live;
  }

  on(type, listener) {
    return this.#emitter.on(type, listener);
  }

  // ---- told by the client -----------------------------------------------------

  /** All that live; `undefined`: whoever is welcomed drives nothing. */
  welcomed(offers = []) {
    const known = new Set(this.#live.map(({ offer }) => offer));
    for (const timer of this.#ends.values()) this.#timers.clear(timer);
    this.#ends.clear();
    for (const offer of offers) this.#time(offer);
    if (known.size || offers.length) this.#become([...offers]);
    for (const offer of offers) {
      if (!known.has(offer.offer)) this.#emitter.emit("offered", offer);
    }
  }

  /** A frame that may make or end one. */
  heard(type, data) {
    if (type === "trip.offered") {
      this.#time(data);
      this.#become([...this.#live.filter(({ offer }) => offer !== data.offer), data]);
      this.#emitter.emit("offered", data);
    } else if (type === "trip.offer_ended") {
      this.#end(({ offer }) => offer === data.offer, data.why);
    } else if (type === "trip.started") {
      this.#end(({ trip }) => trip.id === data.id, "accepted");
    }
  }

  #time(one) {
    const over = () => this.#end(({ offer }) => offer === one.offer, "expired");
    this.#ends.set(one.offer, this.#timers.set(over, one.expires_in_ms / 1000));
  }

  #end(isOver, why) {
    const ended = this.#live.filter(isOver);
    if (!ended.length) return;
    for (const { offer } of ended) {
      this.#timers.clear(this.#ends.get(offer));
      this.#ends.delete(offer);
    }
    this.#become(this.#live.filter((one) => !isOver(one)));
    for (const one of ended) this.#emitter.emit("ended", one, why);
  }

  #become(live) {
    this.#live = live;
    this.#emitter.emit("change");
  }
}
