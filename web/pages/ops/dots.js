// Where all drivers are and were, in flat arrays (x, y of the world's square): thousands
// that glide, of which no frame makes an object.

import { project } from "../map/mercator.js";

const GLIDE_MS = 950;
const RADIUS_PX = 4.5;
const FAR_RADIUS_PX = 3;
const FAR_ZOOM = 13;
/** Drawn in this order: who waits for help last. */
const STATES = ["offline", "stale", "busy", "offered", "free"];

export class Dots {
  #slots = new Map();
  #drivers = [];
  #from = new Float64Array(0);
  #to = new Float64Array(0);
  #since = new Float64Array(0);
  #state = new Uint8Array(0);

  /** All there are from now on, by id; `isStill`: they jump. */
  set(drivers, now, isStill) {
    const before = { slots: this.#slots, drivers: this.#drivers, from: this.#from, to: this.#to, since: this.#since };
    this.#slots = new Map();
    this.#drivers = [];
    this.#from = new Float64Array(2 * drivers.size);
    this.#to = new Float64Array(2 * drivers.size);
    this.#since = new Float64Array(drivers.size);
    this.#state = new Uint8Array(drivers.size);
    for (const driver of drivers.values()) {
      if (driver.lat === null) continue;
      const slot = this.#drivers.push(driver) - 1;
      this.#slots.set(driver.id, slot);
      this.#state[slot] = STATES.indexOf(driver.state);
      const known = before.slots.get(driver.id);
      if (known !== undefined && before.drivers[known] === driver) this.#keep(slot, before, known);
      else this.#move(slot, driver, isStill ? null : placeIn(before, known, now), now);
    }
  }

  #keep(slot, { from, to, since }, known) {
    for (const axis of [0, 1]) {
      this.#from[2 * slot + axis] = from[2 * known + axis];
      this.#to[2 * slot + axis] = to[2 * known + axis];
    }
    this.#since[slot] = since[known];
  }

  #move(slot, driver, was, now) {
    const { x, y } = project(driver);
    this.#to[2 * slot] = x;
    this.#to[2 * slot + 1] = y;
    this.#from[2 * slot] = was?.x ?? x;
    this.#from[2 * slot + 1] = was?.y ?? y;
    this.#since[slot] = was && (was.x !== x || was.y !== y) ? now : -Infinity;
  }

  get drivers() {
    return this.#drivers;
  }

  /** Calls `look({x, y}, driver)` for each, with where it will have come to. */
  each(look) {
    this.#drivers.forEach((driver, slot) => look({ x: this.#to[2 * slot], y: this.#to[2 * slot + 1] }, driver));
  }

  /** Where one is now, or null. */
  placeOf(id, now) {
    return placeIn({ from: this.#from, to: this.#to, since: this.#since }, this.#slots.get(id), now);
  }

  /** Whether the next frame would look different. */
  draw(pixels, camera, now, colour) {
    const { scale, left, top } = camera;
    const radius = camera.zoom < FAR_ZOOM ? FAR_RADIUS_PX : RADIUS_PX;
    const paper = colour("--map-paper");
    const [from, to, since, state] = [this.#from, this.#to, this.#since, this.#state];
    let isMoving = false;
    STATES.forEach((name, kind) => {
      const fill = colour(`--state-${name}`);
      const sprite = pixels.sprite(`${fill} ${paper} ${radius}`, (context) => dot(context, fill, paper, radius));
      for (let slot = 0; slot < this.#drivers.length; slot += 1) {
        if (state[slot] !== kind) continue;
        let x = to[2 * slot];
        let y = to[2 * slot + 1];
        const leftMs = GLIDE_MS - (now - since[slot]);
        if (leftMs > 0) {
          isMoving = true;
          const back = Math.min(1, leftMs / GLIDE_MS);
          x -= (x - from[2 * slot]) * back;
          y -= (y - from[2 * slot + 1]) * back;
        }
        pixels.stamp(sprite, x * scale + left, y * scale + top);
      }
    });
    return isMoving;
  }
}

function placeIn({ from, to, since }, slot, now) {
  if (slot === undefined) return null;
  const share = Math.min(1, Math.max(0, (now - since[slot]) / GLIDE_MS));
  const on = (at) => from[at] + (to[at] - from[at]) * share;
  return { x: on(2 * slot), y: on(2 * slot + 1) };
}

function dot(context, fill, paper, radius) {
  context.arc(0, 0, radius, 0, 2 * Math.PI);
  context.fillStyle = fill;
  context.fill();
  context.lineWidth = 1;
  context.strokeStyle = paper;
  context.stroke();
}
