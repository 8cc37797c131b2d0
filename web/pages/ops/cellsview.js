// The cells, on the map and as a list: where drivers are missing, and where they are to
// spare. Drawn with the ground, once a second at most.

import { find, put } from "../dom.js";
import { project } from "../map/mercator.js";
import { age, say, sayError, whole } from "../words.js";
import { balance, count, loadH3, resolutionAt } from "./cells.js";
import { ROWS_MAX, Rows } from "./rows.js";

export class CellsView {
  #map;
  #route;
  #rows = new Rows(find("cells"));
  #h3 = null;
  #watch = null;
  #cells = [];
  #chosen = "";
  /** By cell: its outline and what it is called. */
  #known = new Map();

  constructor(map, route) {
    this.#map = map;
    this.#route = route;
    map.under.add(this.#draw);
  }

  /** `chosen`: a cell that is looked at. */
  async show(watch, chosen) {
    const isNew = chosen !== this.#chosen;
    this.#watch = watch;
    this.#chosen = chosen;
    try {
      this.#h3 ??= await loadH3();
    } catch {
      put(find("error"), sayError({ code: "unavailable" }));
      return;
    }
    if (this.#watch !== watch) return;
    const isCell = this.#h3.isValidCell(chosen);
    if (isNew && isCell) this.#map.fit(this.#of(chosen).corners);
    // One that is looked at stays one of those that there are.
    const resolution = isCell ? this.#h3.getResolution(chosen) : resolutionAt(this.#map.camera.zoom);
    this.#cells = count(watch, this.#h3, resolution);
    this.#list();
    this.#map.redraw();
  }

  hide() {
    if (!this.#watch) return;
    this.#watch = null;
    this.#map.redraw();
  }

  #of(id) {
    if (!this.#known.has(id)) {
      if (this.#known.size > 10 * ROWS_MAX) this.#known.clear();
      const corners = this.#h3.cellToBoundary(id).map(([lat, lon]) => ({ lat, lon }));
      const [lat, lon] = this.#h3.cellToLatLng(id);
      const street = this.#map.streets?.nameAt({ lat, lon });
      const name = street ?? say("place_at", { lat: lat.toFixed(3), lon: lon.toFixed(3) });
      this.#known.set(id, { corners, points: corners.map(project), name });
    }
    return this.#known.get(id);
  }

  #list() {
    const items = this.#cells.map((cell) => {
      const { id, free, open, oldest } = cell;
      const spare = balance(cell);
      const waits = oldest ? say("cell_oldest", { age: age(oldest.updated) }) : "";
      const figures = say("cell_figures", { free: whole(free), open: whole(open) });
      return {
        id,
        href: this.#route.to({ cell: id }),
        title: this.#of(id).name,
        more: [figures, waits].filter(Boolean).join(" · "),
        mark: spare < 0 ? say("cell_short", { count: whole(-spare) }) : say("cell_spare", { count: whole(spare) }),
        state: spare < 0 ? "REQUESTED" : spare ? "free" : "offline",
        isChosen: id === this.#chosen,
      };
    });
    this.#rows.show(items);
    const short = this.#cells.filter((cell) => balance(cell) < 0).length;
    put(find("cells-count"), items.length ? say("cells_count", { count: items.length, short: whole(short) }) : say("cells_none"));
  }

  /** Below the streets' names and the dots. */
  #draw = (context, camera, colour) => {
    if (!this.#watch) return;
    const { scale, left, top } = camera;
    for (const cell of this.#cells) {
      const spare = balance(cell);
      const name = spare < 0 ? "short" : spare ? "spare" : "even";
      const path = new Path2D();
      for (const { x, y } of this.#of(cell.id).points) path.lineTo(x * scale + left, y * scale + top);
      path.closePath();
      context.globalAlpha = Math.min(0.6, 0.22 + 0.06 * Math.abs(spare));
      context.fillStyle = colour(`--cell-${name}`);
      context.fill(path);
      context.globalAlpha = 1;
      context.lineWidth = cell.id === this.#chosen ? 3.5 : 1;
      context.strokeStyle = colour(cell.id === this.#chosen ? "--map-me" : `--cell-${name}`);
      context.stroke(path);
      this.#label(context, camera, cell, colour);
    }
  };

  /** How many are free for how many that wait, where somebody does. */
  #label(context, { scale, left, top }, { id, free, open }, colour) {
    if (!open) return;
    const { points } = this.#of(id);
    const middle = (axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
    const [x, y] = [middle("x") * scale + left, middle("y") * scale + top];
    const text = `${whole(free)} / ${whole(open)}`;
    context.font = "700 13px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineWidth = 3;
    context.strokeStyle = colour("--map-label-edge");
    context.strokeText(text, x, y);
    context.fillStyle = colour("--map-label");
    context.fillText(text, x, y);
  }
}
