// The region's figures, as tiles; the trip that waits longest is one press away.

import { element, find, put } from "../dom.js";
import { percent, say, seconds, whole } from "../words.js";

const GROUPS = [
  ["ops_drivers", "free", "offered", "busy", "stale"],
  ["ops_open", "matching", "broadcast", "scheduled"],
  ["ops_riding", "started", "arrived", "in_progress"],
];

export class Tiles {
  #values = new Map();
  #bars = new Map();
  #oldest;

  /** `showOldest()`: the trip that waits longest is asked for. */
  constructor(showOldest) {
    for (const [title, ...names] of GROUPS) {
      find("tiles").append(this.#group(title, names, names.map((name) => say(`figure_${name}`))));
    }
    this.#oldest = element("button", "quiet tile-button");
    this.#oldest.addEventListener("click", showOldest);
    const flow = ["wait_p50_s", "wait_p95_s"];
    const waits = this.#group("ops_waits", flow, flow.map((name) => say(`figure_${name}`)));
    waits.append(this.#oldest);
    find("tiles").append(waits, this.#funnel());
  }

  #group(title, names, labels) {
    const list = element("dl");
    names.forEach((name, index) => {
      const value = element("dd", "", "–");
      this.#values.set(name, value);
      const term = element("dt", "", labels[index]);
      term.dataset.state = name;
      list.append(element("div", "tile", value, term));
    });
    return element("section", "tile-group", element("h2", "", say(title)), list);
  }

  /** Offers a minute, and how many of those that ended were taken. */
  #funnel() {
    const made = this.#group(
      "ops_offers",
      ["offers_per_min", "accepted_share"],
      [say("figure_offers_per_min"), say("figure_accepted_share")],
    );
    const bar = element("div", "bar", element("span"));
    bar.setAttribute("aria-hidden", "true");
    this.#bars.set("accepted_share", bar);
    made.append(bar);
    return made;
  }

  show(figures) {
    for (const [name, target] of this.#values) put(target, said(name, figures[name]));
    const age = figures.oldest_unmatched_s;
    put(this.#oldest, figures.requested ? say("ops_oldest", { age: seconds(age) }) : say("ops_none_open"));
    this.#oldest.disabled = !figures.requested;
    this.#oldest.classList.toggle("late", age >= 60);
    this.#bars.get("accepted_share").style.setProperty("--share", figures.accepted_share ?? 0);
  }
}

function said(name, value) {
  if (value === null) return "–";
  if (name === "accepted_share") return percent(value);
  return name.endsWith("_s") ? seconds(value, "narrow") : whole(value);
}
