// Drivers and trips on the map: one layer, thousands of dots and diamonds. Knows no server.

import { project } from "../map/mercator.js";
import { Dots } from "./dots.js";
import { Pixels } from "./pixels.js";

const REACH_PX = 14;
const OPEN_PX = 8;
const TAKEN_PX = 5;
/** Drawn in this order: who waits for help last. */
const STATUSES = ["IN_PROGRESS", "ARRIVED", "STARTED", "SCHEDULED", "REQUESTED"];

export class Live {
  #pixels = new Pixels();
  #dots = new Dots();
  #trips = [];
  #chosen = "";
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  /** What there is from now on: of a watch. */
  set({ drivers, trips }, now) {
    this.#dots.set(drivers, now, this.#still.matches);
    const placed = [...trips.values()].filter(({ pick_up: place }) => place);
    const order = ({ trip }) => STATUSES.indexOf(trip.status);
    this.#trips = placed
      .map((trip) => ({ trip, place: project(trip.pick_up) }))
      .sort((one, other) => order(one) - order(other));
  }

  /** The trip or driver that is looked at. */
  choose(id) {
    this.#chosen = id;
  }

  /** The lowest layer of the map. Returns whether the next frame would look different. */
  draw = (context, camera, now, colour) => {
    this.#pixels.begin(context.canvas, context.canvas.width / camera.width);
    const isMoving = this.#dots.draw(this.#pixels, camera, now, colour);
    const { scale, left, top } = camera;
    let chosen = this.#dots.placeOf(this.#chosen, now);
    for (const { trip, place } of this.#trips) {
      this.#pixels.stamp(this.#diamond(trip.status, colour), place.x * scale + left, place.y * scale + top);
      if (trip.id === this.#chosen) chosen = place;
    }
    this.#pixels.put(context);
    if (chosen) ring(context, chosen.x * scale + left, chosen.y * scale + top, colour);
    return isMoving;
  };

  #diamond(status, colour) {
    const fill = colour(`--status-${status}`);
    return this.#pixels.sprite(`${status} ${fill}`, (context) => {
      const size = status === "REQUESTED" ? OPEN_PX : TAKEN_PX;
      context.moveTo(0, -size);
      for (const [x, y] of [[size, 0], [0, size], [-size, 0]]) context.lineTo(x, y);
      context.closePath();
      context.fillStyle = fill;
      context.fill();
      context.lineWidth = 1.5;
      context.strokeStyle = colour("--map-paper");
      context.stroke();
    });
  }

  /** Who or what is there: `{trip}`, `{person}`, or null. */
  under(point, camera) {
    let best = null;
    let reach = REACH_PX;
    const look = (place, found) => {
      const dx = place.x * camera.scale + camera.left - point.x;
      const dy = place.y * camera.scale + camera.top - point.y;
      if (Math.hypot(dx, dy) > reach) return;
      reach = Math.hypot(dx, dy);
      best = found;
    };
    this.#dots.each((place, { id }) => look(place, { person: id }));
    for (const { trip, place } of this.#trips) look(place, { trip: trip.id });
    return best;
  }

  /** Where all of it is. */
  get places() {
    return this.#dots.drivers;
  }
}

/** Around what is looked at. */
function ring(context, x, y, colour) {
  context.beginPath();
  context.arc(x, y, 14, 0, 2 * Math.PI);
  context.fillStyle = colour("--map-halo");
  context.fill();
  context.lineWidth = 2.5;
  context.strokeStyle = colour("--map-me");
  context.stroke();
}
