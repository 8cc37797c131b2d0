// Small charts below the figures, by uPlot: the last quarter of an hour.

import uPlot from "../../vendor/uPlot.esm.js";

import { element } from "../dom.js";
import { say } from "../words.js";

const HEIGHT_PX = 34;

/** `lines`: names of figures and of their colours in the style sheet. */
export class Chart {
  root = element("div", "chart");
  #lines;
  #series;
  #plot = null;

  constructor(lines, series) {
    this.#lines = lines;
    this.#series = series;
    this.root.setAttribute("role", "img");
    this.root.setAttribute("aria-label", say("ops_chart"));
    this.root.title = say("ops_chart");
    new ResizeObserver(() => this.#resize()).observe(this.root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#anew());
  }

  draw() {
    this.#plot?.setData(this.#data());
  }

  #data() {
    return this.#series.columns(...this.#lines.map(({ name }) => name));
  }

  #resize() {
    const width = this.root.clientWidth;
    if (!width) return;
    if (this.#plot) this.#plot.setSize({ width, height: HEIGHT_PX });
    else this.#anew();
  }

  #anew() {
    this.#plot?.destroy();
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const series = this.#lines.map(({ colour: name, fill }) => ({
      stroke: colour(name),
      fill: fill ? colour(fill) : undefined,
      width: 1.5,
      points: { show: false },
    }));
    const options = {
      width: this.root.clientWidth,
      height: HEIGHT_PX,
      padding: [2, 0, 2, 0],
      cursor: { show: false },
      legend: { show: false },
      axes: [{ show: false }, { show: false }],
      scales: { y: { range: (_, __, most) => [0, Math.max(1, most ?? 1)] } },
      series: [{}, ...series],
    };
    this.#plot = new uPlot(options, this.#data(), this.root);
  }
}
