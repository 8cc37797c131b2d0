// A client's rooms: one object a name, and one membership at a time, whoever leaves.

export class Rooms {
  #make;
  #current = new Map();
  /** By name: settles once the last leaving of that room has been answered. */
  #leaving = new Map();

  /** `make(name)` gives a new `Room`. */
  constructor(make) {
    this.#make = make;
  }

  [Symbol.iterator]() {
    return [...this.#current.values()][Symbol.iterator]();
  }

  find(name) {
    return this.#current.get(name);
  }

  /** The room in use, made where there is none. `name` is canonical. */
  get(name) {
    if (!this.#current.has(name)) this.#current.set(name, this.#make(name));
    return this.#current.get(name);
  }

  // ---- told by rooms ----------------------------------------------------------

  /** Whether this object may be used for its name: again, or as ever. */
  enlist(room) {
    if (!this.#current.has(room.name)) this.#current.set(room.name, room);
    return this.#current.get(room.name) === room;
  }

  /** It isn't wanted any more; `gone` settles when the server knows (never rejects). */
  left(room, gone) {
    const { name } = room;
    if (this.#current.get(name) === room) this.#current.delete(name);
    const all = Promise.all([this.#leaving.get(name), gone]).then(() => {
      if (this.#leaving.get(name) === all) this.#leaving.delete(name);
    });
    this.#leaving.set(name, all);
  }

  /** What a join has to wait for; undefined: nothing. */
  leaving(name) {
    return this.#leaving.get(name);
  }
}
