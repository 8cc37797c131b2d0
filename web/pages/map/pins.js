// What stands on the map: places, cars. A pin is `{id, kind, lat, lon, heading?}`; one that
// moves does so smoothly. Drawn in CSS pixels.

const GLIDE_MS = 900;
const TURN = Math.PI / 180;

export class Pins {
  /** By id: what it is, where it was, and since when it glides. */
  #pins = new Map();
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  /** All that there are from now on, in the order in which they are drawn. */
  set(pins, now) {
    const before = this.#pins;
    this.#pins = new Map();
    for (const pin of pins) {
      const known = before.get(pin.id);
      const isSame = known?.pin.lat === pin.lat && known?.pin.lon === pin.lon;
      let glide = { from: pin, since: -Infinity };
      if (isSame) glide = { from: known.from, since: known.since };
      else if (known && !this.#still.matches) glide = { from: place(known, now), since: now };
      this.#pins.set(pin.id, { pin, ...glide });
    }
  }

  get all() {
    return [...this.#pins.values()].map(({ pin }) => pin);
  }

  /** Whether another frame would look different. */
  draw(context, camera, now, colour) {
    let isMoving = false;
    for (const held of this.#pins.values()) {
      isMoving ||= now - held.since < GLIDE_MS;
      const { x, y } = camera.at(place(held, now));
      if (x < -40 || y < -40 || x > camera.width + 40 || y > camera.height + 60) continue;
      context.save();
      context.translate(x, y);
      SHAPES[held.pin.kind](context, held.pin, colour);
      context.restore();
    }
    return isMoving;
  }
}

function place({ pin, from, since }, now) {
  const share = Math.min(1, (now - since) / GLIDE_MS);
  if (!(share < 1)) return pin;
  return {
    lat: from.lat + (pin.lat - from.lat) * share,
    lon: from.lon + (pin.lon - from.lon) * share,
  };
}

const SHAPES = {
  pick_up: (context, pin, colour) => drop(context, colour("--map-pick-up"), "A", colour),
  drop_off: (context, pin, colour) => drop(context, colour("--map-drop-off"), "B", colour),
  car: (context, pin, colour) => car(context, pin, colour),
  me(context, pin, colour) {
    disc(context, 16, colour("--map-halo"));
    disc(context, 9, colour("--map-paper"));
    disc(context, 6.5, colour("--map-me"));
  },
};

/** A drop whose tip is at the place. */
function drop(context, fill, letter, colour) {
  context.beginPath();
  context.moveTo(0, 0);
  context.bezierCurveTo(-4, -9, -13, -14, -13, -24);
  context.arc(0, -24, 13, Math.PI, 0);
  context.bezierCurveTo(13, -14, 4, -9, 0, 0);
  context.fillStyle = fill;
  context.fill();
  context.strokeStyle = colour("--map-paper");
  context.lineWidth = 2;
  context.stroke();
  context.fillStyle = colour("--map-paper");
  context.font = "700 14px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(letter, 0, -23.5);
}

/** From above, its front to where it heads. */
function car(context, { heading }, colour) {
  disc(context, 17, colour("--map-halo"));
  context.rotate((heading ?? 0) * TURN);
  context.beginPath();
  context.roundRect(-6.5, -12, 13, 24, 5);
  context.fillStyle = colour("--map-car");
  context.fill();
  context.strokeStyle = colour("--map-ink");
  context.lineWidth = 2;
  context.stroke();
  context.fillStyle = colour("--map-ink");
  context.fillRect(-4, -6.5, 8, 4);
  context.fillRect(-4, 5, 8, 2.5);
}

function disc(context, radius, fill) {
  context.beginPath();
  context.arc(0, 0, radius, 0, 2 * Math.PI);
  context.fillStyle = fill;
  context.fill();
}
