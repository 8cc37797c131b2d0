// What of the world is in sight: a middle, a zoom, and the size of the window in CSS
// pixels. Pure but for its own state; every change is a method.

import { project, unproject } from "./mercator.js";

export const ZOOM_MIN = 2;
export const ZOOM_MAX = 19;
/** Pixels of the whole world at zoom 0, as everywhere. */
const TILE = 256;

export class Camera {
  width = 1;
  height = 1;
  #middle = project({ lat: 0, lon: 0 });
  #zoom = ZOOM_MIN;

  /** Pixels of the whole world. */
  get scale() {
    return TILE * 2 ** this.#zoom;
  }

  get zoom() {
    return this.#zoom;
  }

  get middle() {
    return unproject(this.#middle);
  }

  /** Of the world's square, in pixels of the window: `x * scale + left`. */
  get left() {
    return this.width / 2 - this.#middle.x * this.scale;
  }

  get top() {
    return this.height / 2 - this.#middle.y * this.scale;
  }

  /** Where in the window a place is. */
  at(place) {
    const { x, y } = project(place);
    return { x: x * this.scale + this.left, y: y * this.scale + this.top };
  }

  /** The place under a point of the window. */
  under({ x, y }) {
    return unproject({ x: (x - this.left) / this.scale, y: (y - this.top) / this.scale });
  }

  look(middle, zoom) {
    this.#middle = project(middle);
    this.#zoom = held(zoom);
  }

  pan(dx, dy) {
    const { x, y } = this.#middle;
    this.#middle = {
      x: Math.max(0, Math.min(1, x - dx / this.scale)),
      y: Math.max(0, Math.min(1, y - dy / this.scale)),
    };
  }

  /** By so many doublings, with what is under `point` staying there. */
  zoomBy(levels, point = { x: this.width / 2, y: this.height / 2 }) {
    const before = this.scale;
    this.#zoom = held(this.#zoom + levels);
    const factor = this.scale / before;
    const dx = (point.x - this.width / 2) * (1 - factor);
    const dy = (point.y - this.height / 2) * (1 - factor);
    this.pan(dx, dy);
  }

  /** So that all `places` are in sight, within `margins`, and no nearer than `nearest`. */
  fit(places, { margins: { top, right, bottom, left }, nearest = 16.5 }) {
    const points = places.map(project);
    const xs = points.map(({ x }) => x);
    const ys = points.map(({ y }) => y);
    const [west, east] = [Math.min(...xs), Math.max(...xs)];
    const [north, south] = [Math.min(...ys), Math.max(...ys)];
    const fits = (size, span) => Math.max(32, size) / Math.max(span, 1e-9);
    const across = fits(this.width - left - right, east - west);
    const along = fits(this.height - top - bottom, south - north);
    this.#zoom = held(Math.min(nearest, Math.log2(Math.min(across, along) / TILE)));
    this.#middle = { x: (west + east) / 2, y: (north + south) / 2 };
    this.pan((left - right) / 2, (top - bottom) / 2);
  }

  /** Whether a place is in sight, within `margins`. */
  sees(place, { top, right, bottom, left }) {
    const { x, y } = this.at(place);
    return x >= left && y >= top && x <= this.width - right && y <= this.height - bottom;
  }
}

function held(zoom) {
  return Math.max(ZOOM_MIN, Math.min(ZOOM_MAX, zoom));
}
