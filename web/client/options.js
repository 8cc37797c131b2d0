// What `new Client` is given, checked: a wrong option is told where it was written, not
// by the first connection that fails.

import { socketUrl } from "./policy.js";

const TIMERS = {
  set: (action, seconds) => setTimeout(action, seconds * 1000),
  clear: (timer) => clearTimeout(timer),
  now: () => performance.now() / 1000,
};

const isFunction = (value) => typeof value === "function";
const hasAll = (value, ...names) => names.every((name) => isFunction(value?.[name]));

/** By option: what it may be, and whether it is. `url` is checked by its own reading. */
const RULES = {
  getToken: ["a function that gives an access token", isFunction],
  since: [
    "a whole number from 0 on, or null",
    (value) => value === null || (Number.isSafeInteger(value) && value >= 0),
  ],
  user: [
    "a user's id, or null",
    (value) => value === null || (typeof value === "string" && value !== ""),
  ],
  storage: [
    "a Storage, or null",
    (value) => value === null || hasAll(value, "getItem", "setItem", "removeItem"),
  ],
  WebSocket: ["a WebSocket class (Node.js has one from version 22 on)", isFunction],
  timers: ["{set, clear, now}", (value) => hasAll(value, "set", "clear", "now")],
  random: ["a function", isFunction],
};

/**
 * The options with their defaults; `url` is that of the socket.
 * @throws {TypeError} names the option, what it may be and what it is
 */
export function checkedOptions(given) {
  if (typeof given !== "object" || given === null) {
    throw new TypeError(`new Client takes an object of options, not ${shown(given)}.`);
  }
  const { url = globalThis.location?.origin, ...rest } = given;
  const options = {
    getToken: undefined,
    since: null,
    user: null,
    storage: defaultStorage(),
    WebSocket: globalThis.WebSocket,
    timers: TIMERS,
    random: Math.random,
    ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
  };
  for (const [name, value] of Object.entries(options)) {
    const [what, fits] = RULES[name] ?? [];
    if (!fits) throw new TypeError(`new Client has no option “${name}”.`);
    if (!fits(value)) throw new TypeError(`${name} must be ${what}, not ${shown(value)}.`);
  }
  return { ...options, url: checkedUrl(url) };
}

function checkedUrl(url) {
  try {
    const read = socketUrl(url, globalThis.location?.href);
    if (/^wss?:/.test(read)) return read;
  } catch {
    // Told below.
  }
  throw new TypeError(`url must be an address of http(s) or ws(s), not ${shown(url)}.`);
}

function shown(value) {
  return typeof value === "string" ? `“${value}”` : String(value);
}

/** The browser's, where it has one and allows it; else null. */
export function defaultStorage() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null; // forbidden by the browser's settings
  }
}
