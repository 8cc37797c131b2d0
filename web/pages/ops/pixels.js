// Thousands of small marks, written as pixels: without a graphics card a copy of a few
// pixels costs a tenth of what any way costs that a canvas has to draw one
// (docs/decisions/map.md).

/** Around the window, so that no pixel needs to be looked at for whether it is in it. */
const MARGIN_PX = 32;
const HALF_MAX_PX = MARGIN_PX / 2 - 1;
const SPRITES_MAX = 64;
const OPAQUE = 255;

export class Pixels {
  #image = null;
  #words = null;
  #sprites = new Map();
  /** Pixels of the canvas a CSS pixel. */
  #ratio = 1;
  #stride = 0;
  #rows = 0;
  /** What was written, from row to row. */
  #first = 0;
  #last = 0;

  /** Of this size and empty. */
  begin({ width, height }, ratio) {
    const [stride, rows] = [width + 2 * MARGIN_PX, height + 2 * MARGIN_PX];
    if (this.#stride !== stride || this.#rows !== rows || this.#ratio !== ratio) {
      this.#image = new ImageData(stride, rows);
      this.#words = new Uint32Array(this.#image.data.buffer);
      this.#sprites.clear();
      this.#stride = stride;
      this.#rows = rows;
      this.#ratio = ratio;
    } else if (this.#first <= this.#last) {
      this.#words.fill(0, (this.#first - HALF_MAX_PX) * stride, (this.#last + HALF_MAX_PX + 1) * stride);
    }
    this.#first = rows;
    this.#last = 0;
  }

  /** What `draw(context)` draws around 0, 0, in CSS pixels; kept by `key`. */
  sprite(key, draw) {
    let made = this.#sprites.get(key);
    if (!made) {
      if (this.#sprites.size >= SPRITES_MAX) this.#sprites.clear();
      made = this.#drawn(draw);
      this.#sprites.set(key, made);
    }
    return made;
  }

  /** Its pixels: how far each is from the middle, and what it is. */
  #drawn(draw) {
    const size = 2 * HALF_MAX_PX + 1;
    const context = new OffscreenCanvas(size, size).getContext("2d");
    context.translate(size / 2, size / 2);
    context.scale(this.#ratio, this.#ratio);
    draw(context);
    const words = new Uint32Array(context.getImageData(0, 0, size, size).data.buffer);
    const shown = [...words.keys()].filter((at) => words[at] >>> 24);
    const offset = (at) => (Math.floor(at / size) - HALF_MAX_PX) * this.#stride + (at % size) - HALF_MAX_PX;
    return { offsets: Int32Array.from(shown, offset), values: Uint32Array.from(shown, (at) => words[at]) };
  }

  /** A sprite's middle at x, y, in CSS pixels of the canvas. */
  stamp({ offsets, values }, x, y) {
    const column = Math.round(x * this.#ratio) + MARGIN_PX;
    const row = Math.round(y * this.#ratio) + MARGIN_PX;
    const isIn =
      column > HALF_MAX_PX &&
      row > HALF_MAX_PX &&
      column < this.#stride - HALF_MAX_PX - 1 &&
      row < this.#rows - HALF_MAX_PX - 1;
    if (!isIn) return;
    if (row < this.#first) this.#first = row;
    if (row > this.#last) this.#last = row;
    const words = this.#words;
    const middle = row * this.#stride + column;
    for (let at = 0; at < offsets.length; at += 1) {
      const place = middle + offsets[at];
      const under = words[place];
      words[place] = under === 0 ? values[at] : mixed(under, values[at]);
    }
  }

  /** Onto the canvas, over whatever is there. */
  put(context) {
    if (this.#first > this.#last) return;
    const top = this.#first - HALF_MAX_PX;
    const height = this.#last + HALF_MAX_PX + 1 - top;
    context.putImageData(this.#image, -MARGIN_PX, -MARGIN_PX, 0, top, this.#stride, height);
  }
}

/** A pixel over another; alpha is the highest byte on every machine that browsers run on. */
function mixed(under, over) {
  const alpha = over >>> 24;
  if (alpha === OPAQUE) return over;
  if (under >>> 24 < OPAQUE) return alpha > under >>> 24 ? over : under;
  let made = OPAQUE << 24;
  for (let shift = 0; shift < 24; shift += 8) {
    const low = (under >>> shift) & 255;
    const high = (over >>> shift) & 255;
    made |= (low + (((high - low) * alpha) >> 8)) << shift;
  }
  return made >>> 0;
}
