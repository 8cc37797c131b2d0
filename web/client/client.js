// One session with a cabrank server, over as many connections as it takes.
//
//   idle ──connect()──▶ connecting ──welcome──▶ open ──lost──▶ reconnecting ──welcome──▶ open
//   any ──close(), logged out, or a code of 4500-4999──▶ closed ──connect()──▶ connecting
//
// It never takes a token out of what it gets, never puts one in an address, and keeps no
// state beyond the page; a room's unsent messages are the room's business (room.js).

import { Emitter } from "./emitter.js";
import { CabrankError } from "./errors.js";
import * as policy from "./policy.js";
import { Requests } from "./requests.js";
import { Room } from "./room.js";
import { tripsOf } from "./trips.js";

const LOGIN_REF = "login";
/** Between beats, where `welcome` names no other: the server's own (section 2). */
const HEARTBEAT_S = 25;

const TIMERS = {
  set: (action, seconds) => setTimeout(action, seconds * 1000),
  clear: (timer) => clearTimeout(timer),
  now: () => performance.now() / 1000,
};

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
  /** The one wait of each state: for the next try, the welcome, or the next beat. */
  #timer = null;
  #requests;
  #rooms = new Map();
  #comeNow = () => this.#hurry();

  constructor({
    url = globalThis.location?.origin,
    getToken,
    since = null,
    user = null,
    storage = defaultStorage(),
    WebSocket = globalThis.WebSocket,
    timers = TIMERS,
    random = Math.random,
  }) {
    this.#url = policy.socketUrl(url, globalThis.location?.href);
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
    globalThis.addEventListener?.("online", this.#comeNow);
    this.#setState("connecting");
    this.#open();
  }

  close() {
    this.#end(policy.CLOSED_BY_APP, "closed by the app");
  }

  /** The room of that name, one object however often it is asked for. */
  room(name) {
    const known = this.#rooms.get(policy.checkedRoom(name));
    if (known) return known;
    const room = new Room(name, {
      client: this,
      user: this.#userId,
      storage: this.#storage,
      timers: this.#timers,
      random: this.#random,
      left: () => this.#rooms.delete(name),
    });
    this.#rooms.set(name, room);
    return room;
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
      else this.#end(policy.NOT_AUTHENTICATED, "not logged in");
    } catch (error) {
      if (round !== this.#round) return;
      this.#emitter.emit("error", error);
      this.#comeBack();
    }
  }

  #openWith(token) {
    this.#token = token;
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
    for (const room of this.#rooms.values()) room.disconnected();
  }

  #lost(code, reason) {
    this.#drop("The connection was lost; the outcome is unknown.");
    this.#emitter.emit("disconnected", { code, reason });
    if (!policy.comesBack(code)) this.#end(code, reason);
    else if (this.#state !== "closed") this.#comeBack();
  }

  #comeBack() {
    const heldS = this.#openedAt === null ? 0 : this.#timers.now() - this.#openedAt;
    if (heldS >= policy.STABLE_S) this.#attempt = 0;
    this.#openedAt = null;
    this.#wait(() => this.#open(), policy.backoffS(this.#attempt++, this.#random()));
    this.#setState("reconnecting");
  }

  /** The browser says that the network is back: don't sit out the wait. */
  #hurry() {
    if (this.#state !== "reconnecting" || this.#socket) return;
    this.#wait(null);
    this.#open();
  }

  #end(code, reason) {
    if (this.#state === "idle" || this.#state === "closed") return;
    this.#setState("closed");
    this.#drop("The session is closed.");
    globalThis.removeEventListener?.("online", this.#comeNow);
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
    if (frame.type.startsWith("chat.")) this.#rooms.get(frame.data.room)?.receive(frame);
    this.#emitter.emit(frame.type, frame.data, frame);
    this.#emitter.emit("*", frame);
  }

  #welcome(data) {
    this.#user = data.user;
    this.#userId = data.user.id;
    this.#session = data.session;
    this.#cursor = policy.cursorOfWelcome(this.#cursor, data);
    this.#rejected = null;
    this.#openedAt = this.#timers.now();
    this.#heartbeatS = data.heartbeat_s || HEARTBEAT_S;
    this.#beatLater();
    this.#setState("open");
    this.#emitter.emit("welcome", data);
    // A listener may have closed it.
    if (this.#state !== "open") return;
    const socket = this.#socket;
    this.#requests.connected((text) => socket.send(text));
    for (const room of this.#rooms.values()) room.connected(data.user.id);
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
    this.#wait(() => this.#beat(), this.#heartbeatS);
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
      token = await this.#getToken({ rejected: null });
    } catch {
      // Renewed at another beat, or at the next connection.
    }
    if (round !== this.#round) return;
    if (!token) {
      this.#end(policy.NOT_AUTHENTICATED, "not logged in");
      return;
    }
    this.#beatLater();
    const isQuiet = this.#timers.now() - this.#heardAt >= this.#heartbeatS;
    if (token === this.#token && !isQuiet) return;
    this.request("session.refresh", { token }).then(
      () => {
        if (round === this.#round) this.#token = token;
      },
      () => {
        // The server closes with 4502 or 4503 where it means it.
      },
    );
  }
}

function defaultStorage() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null; // forbidden by the browser's settings
  }
}
