// The map: a ground that is drawn when the view changes, and above it what moves. Two
// canvases of our own, no tiles and no network but one file of streets; where an operator
// has named a style, a real ground below them (basemap.js).
//
//   const map = new CityMap(document.getElementById("map"));
//   map.chose = (place) => …;         // a click, a tap, or Enter
//   map.show([{ id, kind: "car", lat, lon, heading }]);
//   map.fit([one, other]);
//   map.layers.add((context, camera, now, colour) => isMoving);   // anything else
//   map.under.add((context, camera, colour) => …);   // what changes with the ground alone

import { button, element } from "../dom.js";
import { say } from "../words.js";
import { Camera } from "./camera.js";
import { listen } from "./hands.js";
import { Pins } from "./pins.js";
import { loadStreets } from "./streets.js";
import { STYLE_URL } from "./style.js";

const STREETS_URL = "/static/pages/map/monaco.json";
const COPYRIGHT_URL = "https://www.openstreetmap.org/copyright";
const KEPT = "cabrank.map";
/** Where there are no streets and nobody looked before. */
const SOMEWHERE = [{ lat: 43.738, lon: 7.424 }, 14];
/** Pixels around what is to be in sight: pins have height, and the tools lie on the right. */
const MARGINS = { top: 56, right: 76, bottom: 40, left: 40 };
const NO_MARGINS = { top: 0, right: 0, bottom: 0, left: 0 };
/** Nearer to an edge, or under the tools, a car is nearly out of sight. */
const EDGES = { top: 28, right: 70, bottom: 28, left: 28 };

export class CityMap {
  /** Called with a place that somebody chose. */
  chose = () => {};
  /** Drawn each frame below the pins; true: it moves on. */
  layers = new Set();
  /** Drawn with the ground, above its streets: seldom. */
  under = new Set();
  camera = new Camera();
  /** Null until the file is here, and where there is none. */
  streets = null;
  #ground;
  #live;
  #pins = new Pins();
  #colours = new Map();
  #frame = 0;
  #isGroundOld = true;
  #credit = element("p", "map-credit");
  /** What is to be in sight, `{places, margins}`, until somebody moves the map. */
  #wanted = null;
  #hasSize = false;
  /** A real ground below ours; null: ours is all there is. */
  #base = null;
  #root;

  constructor(root) {
    this.#root = root;
    this.#ground = element("canvas", "map-ground");
    this.#live = element("canvas", "map-live");
    this.#ground.setAttribute("aria-hidden", "true");
    this.#live.tabIndex = 0;
    this.#live.setAttribute("role", "application");
    this.#live.setAttribute("aria-label", say("map_keys"));
    const tools = element("div", "map-tools");
    for (const [sign, name, act] of [
      ["+", "zoom_in", () => this.#zoom(1)],
      ["−", "zoom_out", () => this.#zoom(-1)],
      ["⤢", "whole_map", () => this.#fitAll()],
    ]) {
      const one = button("quiet", sign, act);
      one.title = say(name);
      one.setAttribute("aria-label", say(name));
      tools.append(one);
    }
    root.classList.add("map");
    root.append(this.#ground, this.#live, element("span", "map-cross"), tools, this.#credit);
    listen(this.#live, this.camera, {
      moved: () => this.moved(),
      chose: (point) => this.chose(this.camera.under(point)),
    });
    new ResizeObserver(() => this.#resize(root)).observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#colours.clear();
      this.#base?.recolour();
      this.redraw();
    });
    this.camera.look(...(remembered() ?? SOMEWHERE));
    this.#resize(root);
    this.ready = this.#load();
  }

  async #load() {
    this.streets = await loadStreets(STREETS_URL);
    if (this.streets) {
      const link = element("a", "", this.streets.attribution);
      Object.assign(link, { href: COPYRIGHT_URL, target: "_blank", rel: "noopener" });
      this.#credit.replaceChildren(link);
      if (!this.#wanted && !remembered()) this.#aim(this.streets.corners, NO_MARGINS);
    } else {
      this.#credit.textContent = say("no_streets");
    }
    this.redraw();
    if (STYLE_URL) await this.#loadBase();
  }

  /** Where it doesn't come, all stays as it is. */
  async #loadBase() {
    const { loadBasemap } = await import("./basemap.js");
    this.#base = await loadBasemap(this.#root, this.camera, this.#colour);
    if (!this.#base) return;
    const { attribution, places } = this.#base;
    this.#credit.textContent = attribution;
    const isFree = !remembered() && (!this.#wanted || this.#wanted.margins === NO_MARGINS);
    if (places && isFree) this.#aim(places, NO_MARGINS);
    this.redraw();
  }

  /** All pins from now on. */
  show(pins) {
    this.#pins.set(pins, performance.now());
    this.#draw();
  }

  /** See to it that all `places` are in sight, until somebody moves the map. */
  fit(places) {
    if (places.length) this.#aim(places, MARGINS);
  }

  #aim(places, margins) {
    this.#wanted = { places, margins };
    if (this.#hasSize) this.camera.fit(places, { margins });
    this.redraw();
  }

  /** Whether a place is in sight, and not just so. */
  sees(place) {
    return this.camera.sees(place, EDGES);
  }

  /** The camera was: by hand. */
  moved() {
    this.#wanted = null;
    const { middle, zoom } = this.camera;
    try {
      sessionStorage.setItem(KEPT, JSON.stringify([middle, zoom]));
    } catch {
      // Forbidden, or full: it begins where it begins.
    }
    this.redraw();
  }

  /** All of it, its ground too. */
  redraw() {
    this.#isGroundOld = true;
    this.#draw();
  }

  /** What moves alone. */
  refresh() {
    this.#draw();
  }

  #zoom(levels) {
    this.camera.zoomBy(levels);
    this.moved();
  }

  #fitAll() {
    const all = this.#pins.all;
    if (all.length > 1) this.#aim(all, MARGINS);
    else if (this.streets) this.#aim(this.streets.corners, NO_MARGINS);
  }

  #resize(root) {
    const { clientWidth, clientHeight } = root;
    if (!clientWidth || !clientHeight) return;
    this.#hasSize = true;
    this.camera.width = clientWidth;
    this.camera.height = clientHeight;
    for (const canvas of [this.#ground, this.#live]) {
      canvas.width = Math.round(clientWidth * devicePixelRatio);
      canvas.height = Math.round(clientHeight * devicePixelRatio);
    }
    this.#base?.resize();
    if (this.#wanted) this.camera.fit(this.#wanted.places, this.#wanted);
    this.redraw();
  }

  // ---- drawing ------------------------------------------------------------------

  /** At the next frame, once. */
  #draw() {
    this.#frame ||= requestAnimationFrame((now) => {
      this.#frame = 0;
      if (this.#isGroundOld) this.#drawGround();
      this.#isGroundOld = false;
      if (this.#drawLive(now)) this.#draw();
    });
  }

  #drawGround() {
    const context = this.#ground.getContext("2d");
    const { width, height } = this.#ground;
    context.setTransform(1, 0, 0, 1, 0, 0);
    const ratio = width / this.camera.width;
    if (this.#base) {
      this.#base.look(this.camera);
      context.clearRect(0, 0, width, height);
    } else {
      context.fillStyle = this.#colour("--map-land");
      context.fillRect(0, 0, width, height);
      this.streets?.draw(context, this.camera, ratio, this.#colour);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (const layer of this.under) layer(context, this.camera, this.#colour);
  }

  #drawLive(now) {
    const context = this.#live.getContext("2d");
    const { width, height } = this.#live;
    const ratio = width / this.camera.width;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    let isMoving = false;
    for (const layer of this.layers) {
      isMoving = layer(context, this.camera, now, this.#colour) || isMoving;
    }
    return this.#pins.draw(context, this.camera, now, this.#colour) || isMoving;
  }

  /** Of the style sheet, by its name there. */
  #colour = (name) => {
    if (!this.#colours.has(name)) {
      const style = getComputedStyle(document.documentElement);
      this.#colours.set(name, style.getPropertyValue(name).trim());
    }
    return this.#colours.get(name);
  };
}

function remembered() {
  try {
    const [middle, zoom] = JSON.parse(sessionStorage.getItem(KEPT));
    return Number.isFinite(middle.lat + middle.lon + zoom) ? [middle, zoom] : null;
  } catch {
    return null;
  }
}
