// What the figures were in the last quarter of an hour, for the charts; kept over a
// reload. Knows no page.

const STEP_S = 5;
const KEPT_S = 15 * 60;
/** The times themselves, seconds since 1970, and these figures. */
const NAMES = ["free", "busy", "requested", "in_progress", "wait_p50_s", "wait_p95_s", "offers_per_min", "taken_per_min"];

export class Series {
  #rows = [];
  #store;
  #key;

  /** `store`: the session's, or null; `key`: whose figures they are. */
  constructor(store, key) {
    this.#store = store;
    this.#key = key;
    try {
      const kept = JSON.parse(store.getItem(key));
      const isOne = (row) => row.length === NAMES.length + 1 && Number.isFinite(row[0]);
      if (kept.every(isOne)) this.#rows = kept;
    } catch {
      // None, or of another version: it begins anew.
    }
  }

  /** Whether they are others than before: a sample every few seconds. */
  add(figures, nowS) {
    const last = this.#rows.at(-1)?.[0] ?? -Infinity;
    if (nowS - last < STEP_S && nowS >= last) return false;
    const { offers_per_min: offers, accepted_share: share } = figures;
    const all = { ...figures, taken_per_min: share === null ? null : offers * share };
    this.#rows = this.#rows.filter(([at]) => at > nowS - KEPT_S && at < nowS);
    this.#rows.push([nowS, ...NAMES.map((name) => all[name] ?? null)]);
    try {
      this.#store.setItem(this.#key, JSON.stringify(this.#rows));
    } catch {
      // Forbidden, or full: a reload begins anew.
    }
    return true;
  }

  /** A list of times, and one of each name. */
  columns(...names) {
    const places = [0, ...names.map((name) => NAMES.indexOf(name) + 1)];
    return places.map((place) => this.#rows.map((row) => row[place]));
  }
}
