// A city's streets from one small file (README.md tells what is in it): drawn, and asked
// what a street is called and where it is.

import { project } from "./mercator.js";

const STEP = 1e-5;
/** Pixels of the world that paths are made in, so that they keep their places. */
const PATH_SCALE = 2 ** 22;
/** By kind: width in metres, never under so many pixels, and from which zoom on. */
const LINES = {
  pier: { metres: 4, pixels: 1, from: 14, colour: "--map-street" },
  walk: { metres: 2, pixels: 1, from: 15.5, colour: "--map-walk" },
  street: { metres: 7, pixels: 1.2, from: 0, colour: "--map-street" },
  second: { metres: 9, pixels: 1.8, from: 0, colour: "--map-street" },
  main: { metres: 11, pixels: 2.4, from: 0, colour: "--map-main" },
};
const AREAS = { sea: "--map-sea", green: "--map-green" };
/** From further away one sees that the sea has an end. */
const AREAS_FROM = 11.5;
/** Further away no street is told. */
const NEAR_M = 120;
const METRES_A_DEGREE = 111_195;
const PATIENCE_MS = 10_000;

export class Streets {
  #lines;
  #areas;
  #origin;
  #ways;

  constructor({ attribution, bounds, kinds, names, ways, areas }) {
    this.attribution = attribution;
    this.names = names;
    const [south, west, north, east] = bounds;
    this.corners = [
      { lat: south, lon: west },
      { lat: north, lon: east },
    ];
    this.#origin = project(this.corners[0]);
    this.#ways = ways.map(([kind, , name, text]) => ({
      kind: kinds[kind],
      name: name < 0 ? null : names[name],
      places: decode(text),
    }));
    this.#lines = Object.fromEntries(Object.keys(LINES).map((kind) => [kind, new Path2D()]));
    for (const { kind, places } of this.#ways) this.#trace(this.#lines[kind], places);
    this.#areas = areas.map(([kind, text]) => {
      const path = new Path2D();
      this.#trace(path, decode(text));
      return { kind, path };
    });
  }

  #trace(path, places) {
    places.forEach((place, at) => {
      const { x, y } = project(place);
      const point = [(x - this.#origin.x) * PATH_SCALE, (y - this.#origin.y) * PATH_SCALE];
      if (at) path.lineTo(...point);
      else path.moveTo(...point);
    });
  }

  /** Onto `context`, whose pixel is `ratio` times smaller than CSS's. `colour(name)`. */
  draw(context, camera, ratio, colour) {
    const { scale } = camera;
    const factor = (scale / PATH_SCALE) * ratio;
    const left = (this.#origin.x * scale + camera.left) * ratio;
    const top = (this.#origin.y * scale + camera.top) * ratio;
    context.setTransform(factor, 0, 0, factor, left, top);
    for (const { kind, path } of camera.zoom < AREAS_FROM ? [] : this.#areas) {
      context.fillStyle = colour(AREAS[kind]);
      context.fill(path);
    }
    context.lineCap = context.lineJoin = "round";
    const shown = Object.entries(LINES).filter(([, { from }]) => camera.zoom >= from);
    const widths = new Map(shown.map(([kind, line]) => [kind, width(line, camera)]));
    // The edges of all first, so that streets run into one another.
    for (const [kind, { colour: name }] of shown) {
      if (name !== "--map-main" && camera.zoom < 14.5) continue;
      context.strokeStyle = colour("--map-edge");
      context.lineWidth = ((widths.get(kind) + 1.6) * ratio) / factor;
      if (kind !== "walk") context.stroke(this.#lines[kind]);
    }
    for (const [kind, { colour: name }] of shown) {
      context.strokeStyle = colour(name);
      context.lineWidth = (widths.get(kind) * ratio) / factor;
      context.stroke(this.#lines[kind]);
    }
  }

  /** What the street nearest to a place is called; null: none is near. */
  nameAt(place) {
    let best = { metres: NEAR_M, name: null };
    for (const { name, kind, places } of this.#ways) {
      if (name === null || kind === "pier") continue;
      for (let at = 1; at < places.length; at += 1) {
        const metres = awayM(place, places[at - 1], places[at]);
        if (metres < best.metres) best = { metres, name };
      }
    }
    return best.name;
  }

  /** The middle of a street of that name, however it is spelt large or small; or null. */
  placeOf(text) {
    const asked = plain(text);
    const parts = this.#ways.filter(({ name }) => name !== null && plain(name) === asked);
    if (!parts.length) return null;
    const { places } = parts.reduce((one, two) =>
      two.places.length > one.places.length ? two : one,
    );
    const [before, after] = [Math.floor((places.length - 1) / 2), Math.floor(places.length / 2)];
    const [one, other] = [places[before], places[after]];
    return { lat: (one.lat + other.lat) / 2, lon: (one.lon + other.lon) / 2 };
  }
}

/** What a gateway has; null: it has none, or can't be reached. */
export async function loadStreets(url) {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) });
    return answer.ok ? new Streets(await answer.json()) : null;
  } catch {
    return null;
  }
}

function width({ metres, pixels }, camera) {
  const perMetre = camera.scale / (40_030_000 * Math.cos((camera.middle.lat * Math.PI) / 180));
  return Math.max(pixels, Math.min(metres * perMetre, 18));
}

/** Accents and capitals don't count where somebody types. */
function plain(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").trim().toLowerCase();
}

function awayM(place, one, other) {
  const shrink = Math.cos((place.lat * Math.PI) / 180);
  const flat = ({ lat, lon }) => [(lon - place.lon) * shrink, lat - place.lat];
  const [[x, y], [u, v]] = [flat(one), flat(other)];
  const [dx, dy] = [u - x, v - y];
  const square = dx * dx + dy * dy;
  const along = square ? Math.max(0, Math.min(1, -(x * dx + y * dy) / square)) : 0;
  return Math.hypot(x + along * dx, y + along * dy) * METRES_A_DEGREE;
}

/** Google's polyline: differences, five bits a character. */
function decode(text) {
  const places = [];
  let [at, lat, lon] = [0, 0, 0];
  const next = () => {
    let [value, shift, bits] = [0, 0, 0];
    do {
      bits = text.charCodeAt(at++) - 63;
      value |= (bits & 0x1f) << shift;
      shift += 5;
    } while (bits >= 0x20);
    return value & 1 ? ~(value >> 1) : value >> 1;
  };
  while (at < text.length) {
    lat += next();
    lon += next();
    places.push({ lat: lat * STEP, lon: lon * STEP });
  }
  return places;
}
