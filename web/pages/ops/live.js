// Drivers and trips on the map: one layer of dots, thousands of them. Knows no server.

import { project } from "../map/mercator.js";

const GLIDE_MS = 950;
const REACH_PX = 14;
const TURN = 2 * Math.PI;
/** Drawn in this order: who waits for help last. */
const STATES = ["offline", "stale", "busy", "offered", "free"];
const STATUSES = ["IN_PROGRESS", "ARRIVED", "STARTED", "SCHEDULED", "REQUESTED"];

export class Live {
  #drivers = new Map();
  #trips = [];
  #chosen = "";
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  /** What there is from now on: of a watch. */
  set({ drivers, trips }, now) {
    const before = this.#drivers;
    this.#drivers = new Map();
    for (const driver of drivers.values()) {
      if (driver.lat === null) continue;
      const known = before.get(driver.id);
      if (known?.driver === driver) {
        this.#drivers.set(driver.id, known);
        continue;
      }
      const to = project(driver);
      const from = known && !this.#still.matches ? at(known, now) : to;
      this.#drivers.set(driver.id, { driver, from, to, since: now });
    }
    const placed = [...trips.values()].filter(({ pick_up: place }) => place);
    this.#trips = placed.map((trip) => ({ trip, place: project(trip.pick_up) }));
  }

  /** The trip or driver that is looked at. */
  choose(id) {
    this.#chosen = id;
  }

  /** A layer of the map. Returns whether the next frame would look different. */
  draw = (context, camera, now, colour) => {
    const { scale, left, top, width, height } = camera;
    const radius = camera.zoom < 13 ? 3 : 4.5;
    const ratio = context.getTransform().a;
    const dots = Object.fromEntries(STATES.map((state) => [state, dot(state, radius, ratio, colour)]));
    const half = dots.free.width / ratio / 2;
    context.imageSmoothingEnabled = false;
    let isMoving = false;
    for (const held of this.#drivers.values()) {
      isMoving ||= now - held.since < GLIDE_MS && held.from !== held.to;
      const place = at(held, now);
      const x = place.x * scale + left;
      const y = place.y * scale + top;
      if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
      if (held.driver.id === this.#chosen) ring(context, x, y, colour);
      // On whole pixels: nothing is to be mixed.
      const onX = Math.round((x - half) * ratio) / ratio;
      const onY = Math.round((y - half) * ratio) / ratio;
      context.drawImage(dots[held.driver.state], onX, onY, 2 * half, 2 * half);
    }
    context.imageSmoothingEnabled = true;
    this.#drawTrips(context, camera, colour);
    return isMoving;
  };

  #drawTrips(context, camera, colour) {
    const { scale, left, top } = camera;
    const paths = new Map(STATUSES.map((status) => [status, new Path2D()]));
    for (const { trip, place } of this.#trips) {
      const x = place.x * scale + left;
      const y = place.y * scale + top;
      const size = trip.status === "REQUESTED" ? 8 : 5;
      const path = paths.get(trip.status);
      if (!path) continue;
      path.moveTo(x, y - size);
      for (const [dx, dy] of [[size, 0], [0, size], [-size, 0]]) path.lineTo(x + dx, y + dy);
      path.closePath();
      if (trip.id === this.#chosen) ring(context, x, y, colour);
    }
    context.lineWidth = 1.5;
    context.strokeStyle = colour("--map-paper");
    for (const [status, path] of paths) {
      context.fillStyle = colour(`--status-${status}`);
      context.fill(path);
      context.stroke(path);
    }
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
    for (const { driver, to } of this.#drivers.values()) look(to, { person: driver.id });
    for (const { trip, place } of this.#trips) look(place, { trip: trip.id });
    return best;
  }

  /** Where all of it is. */
  get places() {
    return [...this.#drivers.values()].map(({ driver }) => driver);
  }
}

function at({ from, to, since }, now) {
  const share = Math.min(1, (now - since) / GLIDE_MS);
  if (share >= 1 || from === to) return to;
  return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
}

const DOTS = new Map();

/** One state's dot, drawn once: thousands of copies are cheaper than a path of so many. */
function dot(state, radius, ratio, colour) {
  const fill = colour(`--state-${state}`);
  const key = `${fill} ${radius} ${ratio}`;
  if (!DOTS.has(key)) {
    const size = Math.ceil((2 * radius + 2) * ratio);
    const canvas = new OffscreenCanvas(size, size);
    const context = canvas.getContext("2d");
    context.arc(size / 2, size / 2, radius * ratio, 0, TURN);
    context.fillStyle = fill;
    context.fill();
    context.lineWidth = ratio;
    context.strokeStyle = colour("--map-paper");
    context.stroke();
    DOTS.set(key, canvas);
  }
  return DOTS.get(key);
}

function ring(context, x, y, colour) {
  context.beginPath();
  context.arc(x, y, 14, 0, TURN);
  context.fillStyle = colour("--map-halo");
  context.fill();
  context.lineWidth = 2.5;
  context.strokeStyle = colour("--map-me");
  context.stroke();
}
