// When to come back, and with which cursor. Pure: time and chance come as arguments.
//
// Sections are those of the protocol, docs/PROTOCOL.md.

import { CabrankError } from "./errors.js";

export const BACKOFF_MIN_S = 0.5;
export const BACKOFF_MAX_S = 20;
/** A connection that held for so long starts the backoff anew. */
export const STABLE_S = 10;
/** Section 2: the server gives up on a welcome, and on a command, after 10 s. */
export const ANSWER_MAX_S = 15;
export const FRAME_BYTES_MAX = 64 * 1024;
export const TEXT_CHARS_MAX = 4000;
/** Keys are remembered for 24 h; an hour is left for clocks that differ. */
export const KEY_LIFE_MS = 23 * 3600 * 1000;

export const CLOSED_BY_APP = 1000;
export const LOST = 1006;
export const NOT_AUTHENTICATED = 4501;

export const EXPIRED = 4502;
/** A probe of a connection that may be dead is waited for no longer. */
export const PROBE_MAX_S = 5;
/** Between two comings back after 4502: a clock that is wrong by hours has no end. */
export const EXPIRED_AGAIN_S = 30;
/** Tokens are renewed so long before their end, or after half of what is left. */
const RENEW_MARGIN_S = 60;

const ROOM_NAME = /^[A-Za-z0-9_-]{1,64}$/;
/** How the names of trips' own rooms begin. */
const TRIP_ROOM = "trip_";

/**
 * Seconds to wait before try `attempt` (from 0): anywhere between the least wait and a
 * ceiling that doubles, so that thousands who lost the same server don't return as one.
 * `random` is in [0, 1).
 */
export function backoffS(attempt, random) {
  const ceiling = Math.min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2 ** (attempt + 1));
  return BACKOFF_MIN_S + random * (ceiling - BACKOFF_MIN_S);
}

/** Section 4: 4500-4999 do not come back; 4000-4499 and the standard codes do. */
export function comesBack(code) {
  return code < 4500 || code > 4999;
}

/**
 * The cursor after `welcome`: while recovered it is that of the last event received
 * (the missed ones follow); else the welcome's, even where that is smaller.
 */
export function cursorOfWelcome(cursor, welcome) {
  return welcome.recovered && cursor !== null ? cursor : welcome.seq;
}

/**
 * The cursor after an event. A room's frames don't move it: rooms have cursors of their
 * own, and a server that is filling a gap in a trip may send them meanwhile.
 */
export function cursorOfEvent(cursor, frame) {
  if (typeof frame.seq !== "number" || frame.type.startsWith("chat.")) return cursor;
  return Math.max(cursor ?? 0, frame.seq);
}

/** `http(s)` becomes `ws(s)`; an address without a path gets `/ws`. */
export function socketUrl(url, base) {
  const parsed = new URL(url, base);
  parsed.protocol = parsed.protocol.replace(/^http/, "ws");
  if (parsed.pathname === "/") parsed.pathname = "/ws";
  parsed.hash = "";
  return parsed.href;
}

export function isRoomName(name) {
  return typeof name === "string" && ROOM_NAME.test(name);
}

/**
 * `name` as the server has it: a trip's id in lower case.
 * @throws {CabrankError} `invalid_data`
 */
export function checkedRoom(name) {
  if (isRoomName(name)) return name.startsWith(TRIP_ROOM) ? name.toLowerCase() : name;
  throw new CabrankError(
    "invalid_data",
    "A room's name is 1 to 64 letters (A to Z), digits, “-” or “_”.",
  );
}

/**
 * Seconds until a new token should be asked for; null: the token doesn't say (it is
 * opaque, or this machine's clock and the issuer's are far apart).
 * @param {string} token a JWT (RFC 7519), as far as can be seen
 * @param {number} nowS seconds since 1970
 */
export function renewInS(token, nowS) {
  const { exp, iat } = claimsOf(token);
  if (!Number.isFinite(exp)) return null;
  const left = Math.min(exp - nowS, Number.isFinite(iat) ? exp - iat : Infinity);
  return left > 0 ? left - Math.min(RENEW_MARGIN_S, left / 2) : null;
}

function claimsOf(token) {
  try {
    const part = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    return JSON.parse(atob(part)) ?? {};
  } catch {
    return {};
  }
}

/**
 * `text` as it can be sent. Half a surrogate pair has no UTF-8 and becomes U+FFFD.
 * @throws {CabrankError} `invalid_data`
 */
export function checkedText(text) {
  // A decoder that is not told otherwise swallows a leading U+FEFF.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const whole = decoder.decode(new TextEncoder().encode(text));
  const length = [...whole].length;
  if (length < 1 || length > TEXT_CHARS_MAX) {
    const message = `A message has 1 to ${TEXT_CHARS_MAX} characters; this has ${length}.`;
    throw new CabrankError("invalid_data", message);
  }
  if (whole.includes("\0")) {
    throw new CabrankError("invalid_data", "A message can't hold the character U+0000.");
  }
  return whole;
}

/** An idempotency key. `crypto.randomUUID` is missing on pages served by plain HTTP. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
