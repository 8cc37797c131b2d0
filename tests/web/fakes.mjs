// A clock that is turned by hand, and a server of one socket that says what it is told.

import { Client } from "../../web/client/cabrank.js";

/** A window's events, as far as they are used. */
const target = new EventTarget();
for (const name of ["addEventListener", "removeEventListener", "dispatchEvent"]) {
  globalThis[name] ??= target[name].bind(target);
}

export const ME = { id: "u1", username: "ann", first_name: "", last_name: "", role: "rider" };
export const OTHER = { ...ME, id: "u2", username: "bob" };

export class Clock {
  seconds = 0;
  #due = [];

  set(action, seconds) {
    const timer = { at: this.seconds + seconds, action };
    this.#due.push(timer);
    return timer;
  }

  clear(timer) {
    this.#due = this.#due.filter((other) => other !== timer);
  }

  now() {
    return this.seconds;
  }

  /** Seconds until the next action; undefined: there is none. */
  get next() {
    return this.#due.map(({ at }) => at - this.seconds).sort((a, b) => a - b)[0];
  }

  async pass(seconds) {
    const end = this.seconds + seconds;
    await settled();
    for (;;) {
      const due = this.#due.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.clear(due);
      this.seconds = due.at;
      due.action();
      await settled();
    }
    this.seconds = end;
  }
}

/** Everything that promises had still to do is done. */
export function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}

/** As a browser's Storage, as far as it is used: `Object.keys` gives the names. */
export class Storage {
  getItem(name) {
    return Object.hasOwn(this, name) ? this[name] : null;
  }

  setItem(name, value) {
    this[name] = value;
  }

  removeItem(name) {
    delete this[name];
  }
}

class Socket {
  sent = [];
  closed = false;

  constructor(url) {
    this.url = url;
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.closed = true;
  }
}

/** A client on a hand clock; `world.socket` is its latest connection, seen from afar. */
export class World {
  clock = new Clock();
  storage = new Storage();
  sockets = [];
  tokens = 0;
  states = [];
  closes = [];

  constructor(options = {}) {
    const world = this;
    class Connecting extends Socket {
      constructor(url) {
        super(url);
        world.sockets.push(this);
      }
    }
    this.client = new Client({
      url: "https://cab.example",
      getToken: async () => `token-${++this.tokens}`,
      storage: this.storage,
      WebSocket: Connecting,
      timers: this.clock,
      random: () => 0.5,
      ...options,
    });
    this.client.on("state", (state) => this.states.push(state));
    this.client.on("closed", (close) => this.closes.push(close));
  }

  get socket() {
    return this.sockets.at(-1);
  }

  /** The frame of that type that was sent last. */
  sent(type) {
    return this.socket.sent.filter((frame) => frame.type === type).at(-1);
  }

  async say(frame) {
    this.socket.onmessage?.({ data: JSON.stringify(frame) });
    await settled();
  }

  reply(type, data) {
    return this.say({ type: "reply", ref: this.sent(type).ref, data });
  }

  refuse(type, code, retryable = false) {
    const data = { code, message: `refused: ${code}`, retryable };
    return this.say({ type: "refused", ref: this.sent(type).ref, data });
  }

  async accept(welcome = {}) {
    this.socket.onopen();
    const data = { user: ME, session: "s1", region: "main", seq: 100, heartbeat_s: 25 };
    await this.say({ type: "welcome", data: { ...data, recovered: false, ...welcome } });
  }

  async open(welcome = {}) {
    this.client.connect();
    await settled();
    await this.accept(welcome);
    return this;
  }

  async drop(code = 1006) {
    this.socket.onclose?.({ code, reason: "" });
    await settled();
  }

  /** Lose the connection and get the next one, welcomed. */
  async comeBack(welcome = {}, code = 1006) {
    await this.drop(code);
    await this.clock.pass(this.clock.next);
    await this.accept(welcome);
  }
}

export function message(seq, text, sender = OTHER) {
  return { room: "lobby", seq, id: `m${seq}`, sender, text, at: "2026-11-21T10:00:00.000Z" };
}
