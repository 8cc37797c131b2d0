// A shift: asks for offers once the server can hear it, and says where the driver is, as
// often as matching needs it. What the driver answers is the app's to say.

/** Between two positions; matching takes those up to a minute old. */
export const EVERY_S = 4;

export class Drive {
  #client;
  #timers;
  #position;
  #everyS;
  #off;
  #timer = null;
  #asked = false;

  constructor({ client, timers, position, everyS = EVERY_S }) {
    if (typeof position !== "function") throw new TypeError("position: a function");
    if (!(everyS > 0)) throw new TypeError("everyS: seconds, more than 0");
    this.#client = client;
    this.#timers = timers;
    this.#position = position;
    this.#everyS = everyS;
    this.#off = client.on("welcome", () => this.#ask());
    if (client.state === "open") this.#ask();
    this.#beat();
  }

  /** Offline; resolves once the server knows. */
  stop() {
    this.#off();
    if (this.#timer !== null) this.#timers.clear(this.#timer);
    this.#timer = null;
    return this.#client.trips.offline();
  }

  /** Now, not only at the next beat. */
  moved() {
    const position = this.#position();
    return position ? this.#client.trips.moved(position) : false;
  }

  #ask() {
    // Kept over reconnects; who went offline meanwhile, by themselves or by missed
    // offers, stays so until they say otherwise.
    if (!this.#asked) {
      this.#client.trips.online({ offers: true }).then(
        () => (this.#asked = true),
        () => {}, // Asked again by the next welcome.
      );
    }
    this.moved();
  }

  #beat() {
    this.#timer = this.#timers.set(() => {
      this.moved();
      this.#beat();
    }, this.#everyS);
  }
}
