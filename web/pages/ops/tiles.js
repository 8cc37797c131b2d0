// The region's figures, as tiles with small charts; the trip that waits longest is one
// press away.

import { element, find, put } from "../dom.js";
import { percent, say, seconds, whole } from "../words.js";
import { Chart } from "./charts.js";
import { Series } from "./series.js";

const GROUPS = [
  {
    title: "ops_drivers",
    figures: ["free", "offered", "busy", "stale"],
    lines: [
      { name: "free", colour: "--state-free" },
      { name: "busy", colour: "--state-busy" },
    ],
  },
  {
    title: "ops_open",
    figures: ["matching", "broadcast", "scheduled"],
    lines: [{ name: "requested", colour: "--status-REQUESTED", fill: "--chart-open" }],
  },
  {
    title: "ops_riding",
    figures: ["started", "arrived", "in_progress"],
    lines: [{ name: "in_progress", colour: "--status-IN_PROGRESS", fill: "--chart-riding" }],
  },
  {
    title: "ops_waits",
    figures: ["wait_p50_s", "wait_p95_s"],
    lines: [
      { name: "wait_p50_s", colour: "--accent" },
      { name: "wait_p95_s", colour: "--soft" },
    ],
  },
  {
    title: "ops_offers",
    figures: ["offers_per_min", "accepted_share"],
    lines: [
      { name: "offers_per_min", colour: "--state-offered" },
      { name: "taken_per_min", colour: "--state-free", fill: "--chart-taken" },
    ],
  },
];
const KEPT = "cabrank.figures";

export class Tiles {
  #values = new Map();
  #charts = [];
  #series = new Series(globalThis.sessionStorage, KEPT);
  #oldest = element("button", "quiet tile-button", say("ops_none_open"));

  /** `showOldest()`: the trip that waits longest is asked for. */
  constructor(showOldest) {
    this.#oldest.disabled = true;
    this.#oldest.addEventListener("click", showOldest);
    for (const group of GROUPS) {
      const made = this.#group(group);
      if (group.title === "ops_open") made.querySelector("dl").after(this.#oldest);
      find("tiles").append(made);
    }
  }

  #group({ title, figures, lines }) {
    const list = element("dl");
    for (const name of figures) {
      const value = element("dd", "", "–");
      this.#values.set(name, value);
      const term = element("dt", "", say(`figure_${name}`));
      term.dataset.state = name;
      list.append(element("div", "tile", value, term));
    }
    const chart = new Chart(lines, this.#series);
    this.#charts.push(chart);
    return element("section", "tile-group", element("h2", "", say(title)), list, chart.root);
  }

  show(figures) {
    for (const [name, target] of this.#values) put(target, said(name, figures[name]));
    if (this.#series.add(figures, Date.now() / 1000)) for (const chart of this.#charts) chart.draw();
    const age = figures.oldest_unmatched_s;
    put(this.#oldest, figures.requested ? say("ops_oldest", { age: seconds(age) }) : say("ops_none_open"));
    this.#oldest.disabled = !figures.requested;
    this.#oldest.classList.toggle("late", age >= 60);
  }
}

function said(name, value) {
  if (value === null) return "–";
  if (name === "accepted_share") return percent(value);
  return name.endsWith("_s") ? seconds(value, "narrow") : whole(value);
}
