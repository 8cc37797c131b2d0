// What is looked at, as the address says it after “#”: a link to it, a reload and the
// browser's way back show the same.

const DEFAULTS = { tab: "trips", trip: "", person: "", cell: "", q: "", which: "", why: "", hook: "" };
/** What is said of one trip or view isn't of the next. */
const ABOUT = { tab: { why: "", hook: "" }, trip: { why: "" } };

export class Route {
  #changed;

  constructor(changed) {
    this.#changed = changed;
    addEventListener("hashchange", () => changed(this.now));
  }

  get now() {
    const said = new URLSearchParams(location.hash.slice(1));
    return { ...DEFAULTS, ...Object.fromEntries(said) };
  }

  /** The address with these changes. */
  to(changes) {
    const others = Object.keys(changes).map((name) => ABOUT[name] ?? {});
    const all = Object.assign(this.now, ...others, changes);
    const kept = Object.entries(all).filter(([name, value]) => value !== (DEFAULTS[name] ?? ""));
    return `#${new URLSearchParams(kept)}`;
  }

  go(changes) {
    if (this.to(changes) !== location.hash) location.hash = this.to(changes);
  }

  /** The same without a step back: a filter that is being typed. */
  become(changes) {
    history.replaceState(null, "", this.to(changes));
    this.#changed(this.now);
  }
}
