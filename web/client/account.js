// Who is logged in on this browser, and the tokens that prove it.
//
// The access token (minutes) lives in this page's memory only. The refresh token lies in
// localStorage, so that a reload, a second tab and tomorrow need no password. It is as
// safe there as the page is from foreign scripts: the page's Content-Security-Policy runs
// none but its own files, and text is never put in as HTML. It is spent at every use, so
// a copy of an older one is worth nothing; and logging out ends it on the server.

import { CabrankError } from "./errors.js";
import { defaultStorage } from "./options.js";

const STORED = "cabrank.account";
/** A token is renewed so long before it ends, or after half its life. */
const MARGIN_S = 60;
/** The server answers, or gives up, within 10 s. */
const PATIENCE_MS = 15_000;

export class Account {
  #url;
  #storage;
  #user;
  /** `{token, renewAtMs}` of this page; null: renew first. */
  #access = null;
  #renewing = null;
  #changed;

  /**
   * `url`: of the server, its path doesn't count. `changed()` is called when somebody
   * else, or nobody, is logged in: here or in another tab. `storage`: where the refresh
   * token is kept; null: in this page's memory only.
   */
  constructor({
    url = globalThis.location?.origin,
    storage = defaultStorage(),
    changed = () => {},
  } = {}) {
    this.#url = url;
    this.#storage = storage ?? new Memory();
    this.#changed = changed;
    this.#user = this.#stored()?.user ?? null;
    globalThis.addEventListener?.("storage", ({ key }) => {
      if (key === STORED || key === null) this.#look();
    });
  }

  get user() {
    return this.#user;
  }

  async logIn(username, password) {
    this.#begin(await this.#post("/api/tokens", { username, password }));
  }

  async signUp(details) {
    this.#begin(await this.#post("/api/users", details));
  }

  /** Ends the session here at once and, where the server can be reached, there. */
  async logOut() {
    const stored = this.#stored();
    const access = this.#access;
    this.forget();
    if (!stored) return;
    try {
      const isFresh = access && Date.now() < access.renewAtMs;
      const token = isFresh ? access.token : (await this.#refresh(stored)).access;
      await this.#call("DELETE", "/api/tokens", { token });
    } catch {
      // Unreachable: the session ends when its tokens do.
    }
  }

  /** Forget the session: the server has ended it. Another user's, of another tab, stays. */
  forget() {
    if (this.#stored()?.user.id === this.#user?.id) this.#storage.removeItem(STORED);
    this.#look();
  }

  /**
   * An access token with some life left; null: nobody is logged in (any more). What a
   * `Client` wants of its `getToken`.
   * @throws {CabrankError} `unavailable`: the server can't be reached
   */
  async getToken({ rejected = null } = {}) {
    const stored = this.#stored();
    if (!stored || stored.user.id !== this.#user?.id) return null;
    const access = this.#access;
    if (access && access.token !== rejected && Date.now() < access.renewAtMs) {
      return access.token;
    }
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  /** A call of the HTTP API in the user's name. */
  async get(path) {
    return this.#call("GET", path, { token: await this.getToken() });
  }

  // One tab renews at a time where the browser can see to it; where it can't, the server
  // gives the same successor to both for a while.
  #renew() {
    const work = () => this.#renewNow();
    const locks = globalThis.navigator?.locks;
    return locks ? locks.request(STORED, work) : work();
  }

  async #renewNow() {
    const stored = this.#stored();
    if (!stored || stored.user.id !== this.#user?.id) return null;
    try {
      const tokens = await this.#refresh(stored);
      // Logged out meanwhile.
      if (this.#stored()?.user.id !== stored.user.id) return null;
      this.#begin(tokens);
    } catch (error) {
      if (error.code !== "not_authenticated") throw error;
      if (this.#stored()?.refresh === stored.refresh) this.forget();
      return null;
    }
    return this.#access.token;
  }

  #begin({ user, access, refresh, expires_in: lifeS }) {
    this.#storage.setItem(STORED, JSON.stringify({ user, refresh }));
    const marginS = Math.min(MARGIN_S, lifeS / 2);
    this.#access = { token: access, renewAtMs: Date.now() + (lifeS - marginS) * 1000 };
    this.#look();
  }

  #look() {
    const user = this.#stored()?.user ?? null;
    if (user?.id === this.#user?.id) return;
    // Where another tab logged somebody in, this page's token is somebody else's.
    if (this.#user) this.#access = null;
    this.#user = user;
    this.#changed();
  }

  #stored() {
    try {
      const { user, refresh } = JSON.parse(this.#storage.getItem(STORED));
      return typeof user.id === "string" && typeof refresh === "string" ? { user, refresh } : null;
    } catch {
      return null;
    }
  }

  #refresh({ refresh }) {
    return this.#post("/api/tokens/refresh", { refresh });
  }

  #post(path, body) {
    return this.#call("POST", path, { body });
  }

  async #call(method, path, { body, token }) {
    const headers = {};
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (token) headers.Authorization = `Bearer ${token}`;
    let answer;
    try {
      answer = await fetch(new URL(path, this.#url), {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        // Logging out goes on where the page doesn't.
        keepalive: method === "DELETE",
        signal: AbortSignal.timeout(PATIENCE_MS),
        cache: "no-store",
      });
    } catch {
      throw CabrankError.unavailable("The server can't be reached.");
    }
    if (answer.status === 204) return null;
    const content = await answer.json().catch(() => null);
    if (answer.ok && content !== null) return content;
    const isPassing = answer.status === 429 || answer.status >= 500;
    const message = content?.detail ?? `The server answered with status ${answer.status}.`;
    throw new CabrankError(content?.code ?? "unavailable", message, isPassing);
  }
}

/** Where nothing is kept. */
class Memory {
  #items = new Map();

  getItem(name) {
    return this.#items.get(name) ?? null;
  }

  setItem(name, value) {
    this.#items.set(name, value);
  }

  removeItem(name) {
    this.#items.delete(name);
  }
}
