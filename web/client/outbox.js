// Messages that no answer has come for yet, kept across reloads.
//
// Each lies in the storage under a name of its own, so that two tabs that write at once
// lose nothing. Where storage fails (private windows, full disks) memory alone serves.

import { KEY_LIFE_MS, newKey } from "./policy.js";

/** Above it, a write is refused: a tab that is offline for days must not fill the disk. */
const ENTRIES_MAX = 200;

/**
 * An entry: `{key, text, at, tried, failed}`.
 *   at      ms since 1970 when it was written
 *   tried   null, or the room's newest `seq` when it was first sent
 *   failed  null, or `{code, message}`: it is not sent again by itself
 */
export class Outbox {
  #entries = new Map();
  #prefix;
  #storage;

  /** @param {{storage?: Storage | null, user: string, room: string}} options */
  constructor({ storage = null, user, room }) {
    this.#storage = storage;
    this.#prefix = `cabrank.outbox/${user}/${room}/`;
    for (const entry of this.#stored()) this.#entries.set(entry.key, entry);
  }

  /** Oldest first. */
  get entries() {
    return [...this.#entries.values()].sort((a, b) => a.at - b.at);
  }

  get isFull() {
    return this.#entries.size >= ENTRIES_MAX;
  }

  get(key) {
    return this.#entries.get(key);
  }

  add(text, nowMs) {
    // Never before or beside the last one, whatever the clock does: `at` is the order.
    const last = this.entries.at(-1)?.at ?? 0;
    const at = Math.max(nowMs, last + 1);
    const entry = { key: newKey(), text, at, tried: null, failed: null };
    this.put(entry);
    return entry;
  }

  put(entry) {
    this.#entries.set(entry.key, entry);
    try {
      this.#storage?.setItem(this.#prefix + entry.key, JSON.stringify(entry));
    } catch {
      // Memory has it.
    }
  }

  remove(key) {
    this.#entries.delete(key);
    try {
      this.#storage?.removeItem(this.#prefix + key);
    } catch {
      // It will be sent once more under the same key, and answered with the same message.
    }
  }

  /**
   * The key of an entry that was tried may have been forgotten: it can't go out again.
   * Whether there was one.
   */
  expire(nowMs) {
    let changed = false;
    for (const entry of this.#entries.values()) {
      if (entry.tried === null || entry.failed || nowMs - entry.at < KEY_LIFE_MS) continue;
      const message = "Too old to be sent again safely: it may have arrived.";
      this.put({ ...entry, failed: { code: "unavailable", message } });
      changed = true;
    }
    return changed;
  }

  *#stored() {
    try {
      const names = Object.keys(this.#storage ?? {});
      for (const name of names.filter((name) => name.startsWith(this.#prefix))) {
        const entry = readEntry(this.#storage.getItem(name));
        if (entry) yield entry;
      }
    } catch {
      // Memory starts empty.
    }
  }
}

function readEntry(json) {
  try {
    const { key, text, at, tried = null, failed = null } = JSON.parse(json);
    const fits = typeof key === "string" && typeof text === "string" && Number.isFinite(at);
    return fits ? { key, text, at, tried, failed } : null;
  } catch {
    return null;
  }
}

/**
 * Those entries that the log doesn't show yet. A message comes to its sender's own log
 * before the answer does, and names no key: until the answer settles it, a sent entry
 * is taken to be the sender's own message of the same text, newer than the sending.
 *
 * @param {object[]} entries oldest first
 * @param {object[]} messages the log, oldest first
 * @param {string | null} me the sender's id
 * @param {Set<string>} settled ids of messages that are answers to other entries
 */
export function unseen(entries, messages, me, settled) {
  const taken = new Set(settled);
  return entries.filter((entry) => {
    if (entry.tried === null || entry.failed) return true;
    const match = messages.find(
      (message) =>
        message.seq > entry.tried &&
        message.sender.id === me &&
        message.text === entry.text &&
        !taken.has(message.id),
    );
    if (match) taken.add(match.id);
    return !match;
  });
}
