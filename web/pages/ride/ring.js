// A ring that runs down, and the seconds in it.

import { put } from "../dom.js";
import { say } from "../words.js";

const SVG = "http://www.w3.org/2000/svg";
const RADIUS = 20;
const ROUND = 2 * Math.PI * RADIUS;
const BEAT_MS = 250;
/** Who wants nothing to move sees it shorter each second. */
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

export class Ring {
  #root;
  #circle;
  #text = document.createElement("span");
  #endsAt = 0;
  #wholeMs = 1;
  #timer = null;
  #run = null;

  constructor(root) {
    this.#root = root;
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 48 48");
    svg.setAttribute("aria-hidden", "true");
    for (const name of ["ground", "rest"]) {
      this.#circle = document.createElementNS(SVG, "circle");
      for (const [key, value] of Object.entries({ cx: 24, cy: 24, r: RADIUS, class: name })) {
        this.#circle.setAttribute(key, value);
      }
      svg.append(this.#circle);
    }
    this.#circle.setAttribute("stroke-dasharray", ROUND);
    root.replaceChildren(svg, this.#text);
  }

  /** `leftMs` of `wholeMs` are left. */
  start(leftMs, wholeMs) {
    this.stop();
    this.#endsAt = performance.now() + leftMs;
    this.#wholeMs = wholeMs;
    const frames = [{ strokeDashoffset: this.#gone(leftMs) }, { strokeDashoffset: ROUND }];
    if (!STILL.matches) this.#run = this.#circle.animate(frames, { duration: leftMs, fill: "forwards" });
    this.#timer = setInterval(() => this.#tick(), BEAT_MS);
    this.#tick();
  }

  stop() {
    clearInterval(this.#timer);
    this.#run?.cancel();
    this.#run = null;
  }

  #gone(leftMs) {
    return ROUND * (1 - Math.min(1, leftMs / this.#wholeMs));
  }

  #tick() {
    const seconds = Math.max(0, Math.ceil((this.#endsAt - performance.now()) / 1000));
    put(this.#text, String(seconds));
    if (!this.#run) this.#circle.setAttribute("stroke-dashoffset", this.#gone(seconds * 1000));
    this.#root.setAttribute("aria-label", say("offer_seconds", { seconds }));
    this.#root.classList.toggle("late", seconds <= 5);
  }
}
