// A user's own trips as the server tells them. The newest version counts, whichever way it
// came: welcome, event, snapshot, answer.

const ACTIVE = new Set(["REQUESTED", "STARTED", "ARRIVED", "IN_PROGRESS"]);
const ENDED = new Set(["COMPLETED", "CANCELLED", "EXPIRED"]);
const EVENTS = [
  ...["scheduled", "requested", "started", "arrived", "in_progress", "completed", "cancelled"],
  ...["expired", "released", "snapshot"],
].map((name) => `trip.${name}`);

export class OwnTrips {
  #client;
  #isMine;
  #changed;
  /** By id; ended ones stay until the page forgets them. */
  #trips = new Map();

  /**
   * `isMine(trip)`: whether the user is of it. `changed(trip, before)`: one is new or
   * another; `trip` null: all may be.
   */
  constructor(client, { isMine, kept = [], changed }) {
    this.#client = client;
    this.#isMine = isMine;
    this.#changed = changed;
    for (const trip of kept) this.#trips.set(trip.id, trip);
    client.on("welcome", ({ trips }) => this.#welcomed(trips));
    for (const type of EVENTS) client.on(type, (trip) => this.take(trip));
  }

  /** The one that goes on; null: none. */
  get active() {
    return this.all.find(({ status }) => ACTIVE.has(status)) ?? null;
  }

  /** The newest of those that ended while this page knew them. */
  get ended() {
    return this.all.filter(({ status }) => ENDED.has(status)).at(-1) ?? null;
  }

  get booked() {
    return this.all
      .filter(({ status }) => status === "SCHEDULED")
      .sort((one, other) => one.pick_up_at.localeCompare(other.pick_up_at));
  }

  get all() {
    return [...this.#trips.values()];
  }

  take(trip) {
    const before = this.#trips.get(trip.id) ?? null;
    if (before && before.version >= trip.version) return;
    if (!this.#isMine(trip)) {
      if (!before) return;
      // Given back, or another's: it is over here.
      this.#trips.delete(trip.id);
    } else {
      this.#trips.delete(trip.id);
      this.#trips.set(trip.id, trip);
    }
    this.#changed(trip, before);
  }

  forgetEnded() {
    for (const { id, status } of this.all) if (ENDED.has(status)) this.#trips.delete(id);
    this.#changed(null, null);
  }

  /** `trips`: all that go on. What is missing there has ended; how, is asked. */
  #welcomed(trips) {
    const going = new Set(trips.map(({ id }) => id));
    for (const trip of trips) this.take(trip);
    for (const { id, status } of this.all) {
      if (going.has(id) || ENDED.has(status)) continue;
      this.#client.trips.get(id).then(
        (trip) => this.take(trip),
        () => {
          this.#trips.delete(id);
          this.#changed(null, null);
        },
      );
    }
    this.#changed(null, null);
  }
}
