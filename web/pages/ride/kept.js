// What a page keeps of a user for its next load: the cursor, and what it showed. Of one
// user at a time; it is gone with them.

const KEPT = "cabrank.ride";
/** A driver's place that was chosen by hand (shift.js). */
export const BY_HAND = "cabrank.here";

/** `{cursor, …}`; `{cursor: null}`: nothing is known. */
export function recall(user) {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT));
    if (kept?.user === user) return { cursor: null, ...kept.what };
  } catch {
    // Forbidden, or somebody else's writing.
  }
  return { cursor: null };
}

/** Nobody is here any more: who comes next reads nothing of them. */
export function forget() {
  try {
    for (const name of [KEPT, BY_HAND]) localStorage.removeItem(name);
  } catch {
    // Forbidden: nothing was kept.
  }
}

/** Add to what is kept. */
export function remember(user, what) {
  const kept = { user, what: { ...recall(user), ...what } };
  try {
    localStorage.setItem(KEPT, JSON.stringify(kept));
  } catch {
    // Forbidden or full: the next load asks the server.
  }
}
