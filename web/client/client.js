// One session with a cabrank server, over as many connections as it takes.
//
//   idle ──connect()──▶ connecting ──welcome──▶ open ──lost──▶ reconnecting ──welcome──▶ open
//   any ──close(), logged out, or a code of 4500-4999──▶ closed ──connect()──▶ connecting
//   (4502, the token has ended, is come back from once, with another token)
//
// It never takes a token out of what it gets, never puts one in an address, and keeps no
// state beyond the page; a room's unsent messages are the room's business (room.js).

import { Drive } from "./drive.js";
import { Emitter } from "./emitter.js";
import { CabrankError } from "./errors.js";
import { Offers } from "./offers.js";
import { checkedOptions } from "./options.js";
import * as policy from "./policy.js";
import { Requests } from "./requests.js";
import { Room } from "./room.js";
import { Rooms } from "./rooms.js";
import { tripsOf } from "./trips.js";
import { Watch } from "./watch.js";

const LOGIN_REF = "login";
/** Between beats, where `welcome` names no other: the server's own (section 2). */
const HEARTBEAT_S = 25;
/** Timers may fire so much early. */
const EARLY_S = 0.5;
const NOT_LOGGED_IN = [policy.NOT_AUTHENTICATED, "not logged in"];

export class Client {
  #url;
  #getToken;
  #Socket;
  #timers;
  #random;
  #storage;
  #emitter = new Emitter();
  #state = "idle";
  #user = null;
  #userId;
  #session = null;
  #cursor;
  #socket = null;
  /** Counts connections; what belongs to an earlier one has no say. */
  #round = 0;
  #attempt = 0;
  #openedAt = null;
  #heardAt = 0;
  #heartbeatS = HEARTBEAT_S;
  #token = null;
  #rejected = null;
  /** When the token should be replaced, by `timers`; Infinity: it doesn't say. */
  #renewAt = Infinity;
  #expiredAt = -Infinity;
  /** What it ends with where `getToken` has no other token: a close's code and reason. */
  #unlessRenewed = NOT_LOGGED_IN;
  /** The one wait of each state: for the next try, the welcome, or the next beat. */
  #timer = null;
  #requests;
  /** An operator's, from the first `watch()` on. */
  #watch = null;
  #rooms = new Rooms((name) => this.#newRoom(name));
  #network = [
    ["online", () => this.#hurry()],
    ["offline", () => this.#socket && this.#lost(policy.LOST, "offline")],
  ];

  /** @throws {TypeError} an option that is none, or can't be what it is */
  constructor(options) {
    const { url, getToken, since, user, storage, WebSocket, timers, random } =
      checkedOptions(options);
    this.#url = url;
    this.#getToken = getToken;
    this.#cursor = since;
    this.#userId = user;
    this.#storage = storage;
    this.#Socket = WebSocket;
    this.#timers = timers;
    this.#random = random;
    this.#requests = new Requests({
      timers,
      random,
      silent: () => this.#lost(policy.LOST, "no answer"),
    });
    this.trips = tripsOf(this);
    this.offers = new Offers(timers);
  }

  get state() {
    return this.#state;
  }

  get user() {
    return this.#user;
  }

  get session() {
    return this.#session;
  }

  /** What to come back with: `new Client({since: client.cursor, …})`. */
  get cursor() {
    return this.#cursor;
  }

  on(type, listener) {
    return this.#emitter.on(type, listener);
  }

  connect() {
    if (this.#state !== "idle" && this.#state !== "closed") return;
    this.#attempt = 0;
    this.#rejected = null;
    for (const [type, act] of this.#network) globalThis.addEventListener?.(type, act);
    this.#setState("connecting");
    this.#open();
  }

  close() {
    this.#end(policy.CLOSED_BY_APP, "closed by the app");
  }

  /**
   * The room of that name, one object until it is left.
   * @throws {CabrankError} `invalid_data`: no room can have that name
   */
  room(name) {
    return this.#rooms.get(policy.checkedRoom(name));
  }

  /**
   * Begin a shift: `position()` gives where the driver is, or null, every `everyS` s.
   * @throws {TypeError} an option that can't be what it is
   */
  drive(options) {
    return new Drive({ ...options, client: this, timers: this.#timers });
  }

  /** Operators alone; `[south, west, north, east]`, null: all. Another moves this one. */
  watch(bounds = null) {
    if (this.#watch) return this.#watch.within(bounds);
    return (this.#watch = new Watch(this, this.#timers, bounds));
  }

  #newRoom(name) {
    return new Room(name, {
      client: this,
      user: this.#userId,
      storage: this.#storage,
      timers: this.#timers,
      random: this.#random,
      rooms: this.#rooms,
    });
  }

  // ---- requests ---------------------------------------------------------------

  /**
   * Send a command. Resolves with the reply's data, rejects with a `CabrankError`. With
   * an idempotency key (or `retry: true`) it waits for a connection, and is sent again
   * after a lost one or a retryable refusal; others fail as `unavailable`.
   */
  request(type, data = {}, { retry = data.idempotency_key !== undefined, signal } = {}) {
    const isPossible = this.#state === "open" || (retry && this.#state !== "closed");
    if (isPossible) return this.#requests.make(type, data, { retry, signal });
    return Promise.reject(CabrankError.unavailable("Not connected."));
  }

  /** Send a frame that has no answer, such as `driver.location`; false: not connected. */
  tell(type, data = {}) {
    if (this.#state !== "open") return false;
    this.#socket.send(JSON.stringify({ type, data }));
    return true;
  }

  // ---- connections ------------------------------------------------------------

  async #open() {
    const round = ++this.#round;
    try {
      const token = await this.#getToken({ rejected: this.#rejected });
      if (round !== this.#round) return;
      if (token && token !== this.#rejected) this.#openWith(token);
      else this.#end(...this.#unlessRenewed);
    } catch (error) {
      if (round !== this.#round) return;
      this.#emitter.emit("error", error);
      this.#comeBack();
    }
  }

  #hold(token) {
    if (token === this.#token) return;
    this.#token = token;
    const renewInS = policy.renewInS(token, Date.now() / 1000);
    this.#renewAt = renewInS === null ? Infinity : this.#timers.now() + renewInS;
  }

  #openWith(token) {
    this.#hold(token);
    const socket = new this.#Socket(this.#url);
    this.#socket = socket;
    socket.onopen = () => {
      const data = this.#cursor === null ? { token } : { token, since: this.#cursor };
      socket.send(JSON.stringify({ type: "session.login", ref: LOGIN_REF, data }));
    };
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#lost(event.code, event.reason);
    this.#wait(() => this.#lost(policy.LOST, "no welcome"), policy.ANSWER_MAX_S);
  }

  #wait(action, seconds) {
    if (this.#timer !== null) this.#timers.clear(this.#timer);
    this.#timer = action && this.#timers.set(action, seconds);
  }

  /** Leave the connection as it is, and deaf: a dead one takes minutes to close. */
  #drop(message) {
    this.#round += 1;
    this.#wait(null);
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    this.#requests.disconnected(message);
    for (const room of this.#rooms) room.disconnected();
    this.#watch?.disconnected();
  }

  #lost(code, reason) {
    this.#drop("The connection was lost; the outcome is unknown.");
    this.#emitter.emit("disconnected", { code, reason });
    if (this.#state === "closed") return;
    if (code === policy.EXPIRED && this.#mayRenew()) this.#renew(code, reason);
    else if (policy.comesBack(code)) this.#comeBack();
    else this.#end(code, reason);
  }

  #comeBack() {
    const heldS = this.#openedAt === null ? 0 : this.#timers.now() - this.#openedAt;
    if (heldS >= policy.STABLE_S) this.#attempt = 0;
    this.#openedAt = null;
    this.#wait(() => this.#open(), policy.backoffS(this.#attempt++, this.#random()));
    this.#setState("reconnecting");
  }

  #mayRenew() {
    return this.#timers.now() - this.#expiredAt >= policy.EXPIRED_AGAIN_S;
  }

  /** The token has ended: at once with another, where there is one. */
  #renew(code, reason) {
    this.#expiredAt = this.#timers.now();
    this.#rejected = this.#token;
    this.#unlessRenewed = [code, reason];
    this.#openedAt = null;
    this.#setState("reconnecting");
    this.#open();
  }

  /**
   * The browser says that the network is back: don't sit out a wait, nor trust in a
   * connection from before.
   */
  #hurry() {
    if (this.#state === "open") {
      this.#ask(this.#token, policy.PROBE_MAX_S);
      return;
    }
    if (this.#socket) this.#drop("The connection was replaced.");
    this.#wait(null);
    this.#open();
  }

  #end(code, reason) {
    if (this.#state === "idle" || this.#state === "closed") return;
    this.#setState("closed");
    this.#drop("The session is closed.");
    for (const [type, act] of this.#network) globalThis.removeEventListener?.(type, act);
    this.#openedAt = null;
    this.#requests.abandon("The session is closed.");
    this.#emitter.emit("closed", { code, reason });
  }

  #setState(state) {
    if (this.#state === state) return;
    this.#state = state;
    this.#emitter.emit("state", state);
  }

  // ---- frames -----------------------------------------------------------------

  #receive(text) {
    this.#heardAt = this.#timers.now();
    let frame;
    try {
      frame = JSON.parse(text);
    } catch (error) {
      this.#emitter.emit("error", error);
      return;
    }
    if (frame.type === "welcome") this.#welcome(frame.data);
    else if (frame.type === "reply") this.#requests.replied(frame.ref, frame.data);
    else if (frame.type !== "refused" || frame.ref === null) this.#event(frame);
    else if (frame.ref === LOGIN_REF) this.#loginRefused(frame.data);
    else this.#requests.refused(frame.ref, frame.data);
  }

  #event(frame) {
    this.#cursor = policy.cursorOfEvent(this.#cursor, frame);
    if (frame.type.startsWith("chat.")) this.#rooms.find(frame.data.room)?.receive(frame);
    this.offers.heard(frame.type, frame.data);
    if (frame.type === "ops.update") this.#watch?.heard(frame.data);
    this.#emitter.emit(frame.type, frame.data, frame);
    this.#emitter.emit("*", frame);
  }

  #welcome(data) {
    this.#user = data.user;
    this.#userId = data.user.id;
    this.#session = data.session;
    this.#cursor = policy.cursorOfWelcome(this.#cursor, data);
    this.#rejected = null;
    this.#unlessRenewed = NOT_LOGGED_IN;
    this.#openedAt = this.#timers.now();
    this.#heartbeatS = data.heartbeat_s || HEARTBEAT_S;
    this.#beatLater();
    this.#setState("open");
    this.offers.welcomed(data.offers);
    this.#emitter.emit("welcome", data);
    // A listener may have closed it.
    if (this.#state !== "open") return;
    const socket = this.#socket;
    this.#requests.connected((text) => socket.send(text));
    for (const room of this.#rooms) room.connected(data.user.id);
    this.#watch?.welcomed();
  }

  #loginRefused({ code, message, retryable }) {
    if (code === "not_authenticated") {
      this.#rejected = this.#token;
      this.#lost(policy.LOST, message);
    } else if (retryable) {
      this.#lost(policy.LOST, message);
    } else {
      this.#end(policy.NOT_AUTHENTICATED, message);
    }
  }

  // ---- beats ------------------------------------------------------------------

  #beatLater() {
    const renewInS = this.#renewAt - this.#timers.now();
    const isNear = renewInS > 0 && renewInS < this.#heartbeatS;
    this.#wait(() => this.#beat(), isNear ? renewInS : this.#heartbeatS);
  }

  /**
   * Replaces a token that `getToken` has renewed, before the server's clock runs out; and
   * where nothing was heard since the last beat, asks something: a page never sees the
   * server's pings, nor that the network is gone.
   */
  async #beat() {
    const round = this.#round;
    let token = this.#token;
    try {
      const isEnding = this.#timers.now() + EARLY_S >= this.#renewAt;
      token = await this.#getToken({ rejected: isEnding ? false : null });
    } catch {
      // Renewed at another beat, or at the next connection.
    }
    if (round !== this.#round) return;
    if (!token) {
      this.#end(...NOT_LOGGED_IN);
      return;
    }
    this.#beatLater();
    const isQuiet = this.#timers.now() - this.#heardAt >= this.#heartbeatS;
    if (token !== this.#token || isQuiet) this.#ask(token, policy.ANSWER_MAX_S);
  }

  /** Pass `token` on; without an answer within `patienceS` the connection is left. */
  #ask(token, patienceS) {
    const round = this.#round;
    const options = { retry: false, patienceS };
    this.#requests.make("session.refresh", { token }, options).then(
      () => {
        if (round !== this.#round) return;
        this.#hold(token);
        this.#beatLater();
      },
      () => {
        // The server closes with 4502 or 4503 where it means it.
      },
    );
  }
}
