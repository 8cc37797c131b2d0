// The trips that all drivers were told of and nobody has yet.

export class OpenTrips {
  /** The newest first. A new array after each change. */
  all = [];
  #changed;

  constructor(client, changed) {
    this.#changed = changed;
    client.on("welcome", ({ open_trips: trips }) => this.#become(trips));
    client.on("trip.requested", (trip) => this.#become([trip, ...this.#without(trip)]));
    client.on("trip.taken", (trip) => this.#become(this.#without(trip)));
    client.on("trip.started", (trip) => this.#become(this.#without(trip)));
  }

  #without({ id }) {
    return this.all.filter((trip) => trip.id !== id);
  }

  #become(trips) {
    this.all = [...trips].sort((one, other) => other.created.localeCompare(one.created));
    this.#changed();
  }
}
