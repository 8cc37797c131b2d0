// One room: its members, its log, and what is still to be sent to it.
//
// The log is what the server says; a message of one's own is in `unsent` until the server
// has answered. Messages go out one after the other, so that they arrive in order.

import { Emitter } from "./emitter.js";
import { CabrankError } from "./errors.js";
import { Outbox, unseen } from "./outbox.js";
import { backoffS, checkedText } from "./policy.js";

/** Messages kept in memory; the oldest go first. */
const KEEP_MAX = 1000;

export class Room {
  #client;
  #timers;
  #random;
  #storage;
  #rooms;
  #emitter = new Emitter();
  #outbox = null;
  #user = null;
  #wanted = false;
  /** Whether the server has let us in, on this connection. */
  #seated = false;
  /** Something is missing, or we were sent out: asked again, and the log waits. */
  #behind = false;
  #error = null;
  #members = new Map();
  #messages = [];
  /** The newest `seq` up to which nothing is missing; null: nothing is known. */
  #head = null;
  /** The entry that was refused since we are not in the room: tried once more. */
  #doubted = null;
  /** Ids of messages that are answers to entries of the outbox. */
  #settled = new Set();
  /** A join whose answer is still to come; null: none. */
  #entering = null;
  #flushing = false;
  #attempt = 0;

  /**
   * Made by `Client.room`; `name` is canonical. `user`: an id, null where the first
   * welcome will say it. `rooms`: where it is listed while it is wanted.
   */
  constructor(name, { client, user, storage, timers, random, rooms }) {
    this.name = name;
    this.#client = client;
    this.#storage = storage;
    this.#timers = timers;
    this.#random = random;
    this.#rooms = rooms;
    if (user !== null) this.#become(user);
  }

  get joined() {
    return this.#wanted && this.#seated && !this.#behind;
  }

  /** Why the room can't be entered; null: it can, as far as is known. */
  get error() {
    return this.#error;
  }

  get members() {
    return [...this.#members.values()];
  }

  /** Oldest first. */
  get messages() {
    return this.#messages;
  }

  /** What the log doesn't show yet: `{key, text, at, tried, failed}`, oldest first. */
  get unsent() {
    const entries = this.#outbox?.entries ?? [];
    return unseen(entries, this.#messages, this.#user, this.#settled);
  }

  /** `change`: anything above; `message`: one that is new; `refused`: not let in. */
  on(type, listener) {
    return this.#emitter.on(type, listener);
  }

  /**
   * Now, or as soon as there is a connection and an earlier leaving is over.
   * @throws where it was left, and `Client.room` has made another since
   */
  join() {
    if (!this.#rooms.enlist(this)) {
      throw new Error(`This room was left: client.room("${this.name}") is the one in use.`);
    }
    this.#wanted = true;
    this.#error = null;
    this.#enter();
    return this;
  }

  /**
   * Leave for good; what is unsent stays in the storage. `Client.room` makes a new one.
   * Resolves once the server knows, at once where it had not let us in.
   */
  async leave() {
    const wasSeated = this.#seated;
    this.#wanted = false;
    const gone = this.#entering ? this.#entering.then(() => this.#quit()) : this.#quit();
    this.#rooms.left(this, gone);
    if (wasSeated) await gone;
  }

  /**
   * Puts a message into the outbox; returns its key.
   * @throws {CabrankError} `invalid_data`: the text; `overloaded`: the outbox is full;
   *   `not_authenticated`: it isn't known yet whose it would be
   */
  send(text) {
    const whole = checkedText(text);
    if (!this.#outbox) throw new CabrankError("not_authenticated", "Not logged in yet.");
    if (this.#outbox.isFull) {
      throw new CabrankError("overloaded", "Too many messages wait to be sent.", true);
    }
    const entry = this.#outbox.add(whole, Date.now());
    this.#changed();
    this.#flush();
    return entry.key;
  }

  /** Send a failed one again, as a new message. */
  retry(key) {
    const entry = this.#outbox?.get(key);
    if (!entry?.failed) return;
    this.#outbox.remove(key);
    this.send(entry.text);
  }

  /** Give an unsent one up. It may have arrived nevertheless, where it was tried. */
  discard(key) {
    this.#outbox?.remove(key);
    this.#changed();
  }

  /** Add messages from before the first one, as the HTTP API gives them (any order). */
  addEarlier(messages) {
    const first = this.#messages[0]?.seq ?? Infinity;
    const earlier = messages.filter((message) => message.seq < first);
    this.#messages = [...earlier.sort(bySeq), ...this.#messages];
    this.#changed();
  }

  // ---- told by the client -----------------------------------------------------

  connected(user) {
    this.#become(user);
    this.#attempt = 0;
    if (this.#wanted && this.#error === null) this.#enter();
  }

  disconnected() {
    this.#seated = false;
    this.#changed();
  }

  receive({ type, data }) {
    // Before the first answer to a join nobody knows what came before it.
    const isPlaced = this.joined || this.#head !== null;
    if (type === "chat.message" && isPlaced) this.#take(data, true);
    if (type === "chat.joined") this.#members.set(data.user.id, data.user);
    if (type === "chat.left") {
      this.#members.delete(data.user.id);
      // Somebody else's doing: asked again, the server says whether we may stay.
      if (data.user.id === this.#user && this.joined) this.#enterAgain();
    }
    this.#changed();
  }

  // ---- joining ----------------------------------------------------------------

  #enterAgain() {
    this.#behind = true;
    this.#enter();
  }

  /** One join at a time. */
  #enter() {
    this.#entering ??= this.#enterOnce().finally(() => {
      this.#entering = null;
      this.#flush();
    });
  }

  async #enterOnce() {
    // Whose leaving it was, this object's or an earlier one's: it would undo the join.
    const leaving = this.#rooms.leaving(this.name);
    if (leaving) await leaving;
    if (!this.#wanted || this.#client.state !== "open") return;
    const data = { room: this.name };
    if (this.#head !== null) data.since = this.#head;
    try {
      const answer = await this.#client.request("chat.join", data);
      this.#seated = true;
      this.#behind = false;
      if (this.#wanted) this.#entered(answer);
    } catch (error) {
      if (this.#wanted) this.#refused(error);
    }
  }

  #refused(error) {
    if (!error.retryable) {
      this.#error = error;
      this.#emitter.emit("refused", error);
      this.#changed();
    } else if (this.#client.state === "open") {
      const delay = backoffS(this.#attempt++, this.#random());
      this.#timers.set(() => this.joined || this.#enter(), delay);
    }
  }

  /** Never rejects: a leaving that is refused for good, or cut off, is one nevertheless. */
  async #quit() {
    if (this.#wanted || !this.#seated) return;
    this.#seated = false;
    const data = { room: this.name };
    await this.#client.request("chat.leave", data, { retry: true }).catch(() => {});
  }

  #entered({ members, history, recovered }) {
    this.#attempt = 0;
    this.#members = new Map(members.map((user) => [user.id, user]));
    if (!recovered) {
      // Something may be missing between what is here and what came: begin anew.
      this.#messages = [];
      this.#head = null;
    }
    for (const message of [...history].sort(bySeq)) this.#take(message, false);
    this.#changed();
  }

  /** Add a message; what comes twice is dropped, and a gap is asked for. */
  #take(message, isNew) {
    const head = this.#head ?? message.seq - 1;
    if (message.seq <= head) return;
    if (message.seq > head + 1) {
      // After the answer the message comes again, within its history.
      if (this.joined) this.#enterAgain();
      return;
    }
    this.#head = message.seq;
    this.#messages = [...this.#messages, message].slice(-KEEP_MAX);
    if (isNew) this.#emitter.emit("message", message);
  }

  // ---- sending ----------------------------------------------------------------

  #become(user) {
    if (this.#user === user) return;
    this.#user = user;
    this.#outbox = new Outbox({ storage: this.#storage, user, room: this.name });
    this.#changed();
  }

  async #flush() {
    if (this.#flushing) return;
    this.#flushing = true;
    try {
      for (let attempt = 0; this.joined; ) {
        if (this.#outbox.expire(Date.now())) this.#changed();
        const entry = this.#outbox.entries.find(({ failed }) => !failed);
        if (!entry) break;
        const outcome = await this.#send(entry);
        attempt = outcome === "again" ? attempt + 1 : 0;
        if (attempt && this.joined) await this.#pause(attempt - 1);
      }
    } finally {
      this.#flushing = false;
    }
  }

  async #send(entry) {
    const outbox = this.#outbox;
    if (entry.tried === null) outbox.put({ ...entry, tried: this.#head ?? 0 });
    const data = { room: this.name, text: entry.text, idempotency_key: entry.key };
    try {
      // Without the client's own retry: after a reconnect the room is joined first.
      const message = await this.#client.request("chat.send", data, { retry: false });
      this.#remember(message.id);
      outbox.remove(entry.key);
      this.#take(message, true);
    } catch (error) {
      if (error.retryable) return "again";
      if (error.code === "room_forbidden" && this.#doubted !== entry.key) {
        // A server that took us for gone has sent us out: only a join says whether for
        // good, and its answer is what the entry waits for.
        this.#doubted = entry.key;
        if (this.joined) this.#enterAgain();
        return "done";
      }
      if (outbox.get(entry.key)) {
        const { code, message } = error;
        outbox.put({ ...outbox.get(entry.key), failed: { code, message } });
      }
    }
    this.#changed();
    return "done";
  }

  #remember(id) {
    this.#settled.add(id);
    if (this.#settled.size > KEEP_MAX) {
      this.#settled.delete(this.#settled.values().next().value);
    }
  }

  #pause(attempt) {
    const delay = backoffS(attempt, this.#random());
    return new Promise((resolve) => {
      this.#timers.set(resolve, delay);
    });
  }

  #changed() {
    this.#emitter.emit("change");
  }
}

function bySeq(one, other) {
  return one.seq - other.seq;
}
