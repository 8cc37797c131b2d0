// A real ground, by MapLibre GL, where CABRANK_MAP_STYLE_URL names a style or a PMTiles
// file (OPERATING.md). Loaded only then. What moves stays the canvas's above it.

import { element } from "../dom.js";
import { styleOf } from "./pmstyle.js";
import { STYLE_URL } from "./style.js";

const VENDOR = new URL("../../vendor/", import.meta.url).pathname;
const WORKER_URL = `${VENDOR}maplibre-gl-worker.mjs`;
const PMTILES_URL = `${VENDOR}pmtiles.js`;
/** MapLibre's world is twice as large at a zoom as ours. */
const ZOOM_LESS = 1;

export class Basemap {
  #map;
  #restyle;

  constructor(map, restyle) {
    this.#map = map;
    this.#restyle = restyle;
  }

  /** `[south-west, north-east]` or a middle: where there is something to see; or null. */
  get places() {
    const bounds = this.#sources.map(({ bounds: known }) => known).find(Array.isArray);
    if (bounds) {
      const [west, south, east, north] = bounds;
      return [
        { lat: south, lon: west },
        { lat: north, lon: east },
      ];
    }
    const { center } = this.#map.getStyle();
    return center ? [{ lat: center[1], lon: center[0] }] : null;
  }

  /** Whose data it is, as text: what comes from elsewhere is never HTML here. */
  get attribution() {
    const said = this.#sources.map(({ attribution }) => attribution ?? "");
    const plain = said.map((text) => text.replace(/<[^>]*>/g, "").replaceAll("&copy;", "©").replaceAll("&amp;", "&").trim());
    return [...new Set(plain)].filter(Boolean).join(" · ");
  }

  get #sources() {
    const ids = Object.keys(this.#map.getStyle().sources);
    return ids.map((id) => this.#map.getSource(id)).filter(Boolean);
  }

  look({ middle, zoom }) {
    this.#map.jumpTo({ center: [middle.lon, middle.lat], zoom: zoom - ZOOM_LESS });
  }

  resize() {
    this.#map.resize();
  }

  /** The reader's light has changed. */
  recolour() {
    this.#restyle();
  }
}

/**
 * Below all else in `root`; null: the browser has no WebGL, or the style doesn't come.
 * `colour(name)`: of the style sheet, for what has no style of its own.
 */
export async function loadBasemap(root, camera, colour) {
  const holder = element("div", "map-base");
  holder.setAttribute("aria-hidden", "true");
  try {
    allowScripts();
    const maplibre = await import(`${VENDOR}maplibre-gl.mjs`);
    maplibre.setWorkerUrl(WORKER_URL);
    const isTiles = new URL(STYLE_URL).pathname.endsWith(".pmtiles");
    const archive = isTiles ? await openTiles(maplibre) : null;
    const style = async () => (archive ? styleOf(archive, STYLE_URL, colour) : STYLE_URL);
    root.prepend(holder);
    const map = new maplibre.Map({
      container: holder,
      style: await style(),
      center: [camera.middle.lon, camera.middle.lat],
      zoom: camera.zoom - ZOOM_LESS,
      interactive: false,
      attributionControl: false,
      trackResize: false,
      fadeDuration: 0,
    });
    await new Promise((resolve, reject) => {
      map.once("load", resolve);
      map.once("error", ({ error }) => reject(error));
    });
    map.on("error", () => {}); // A tile that doesn't come is a hole in the ground.
    return new Basemap(map, async () => archive && map.setStyle(await style()));
  } catch (error) {
    console.info("no basemap", String(error?.message ?? error));
    holder.remove();
    return null;
  }
}

let isAllowed = false;

/** The two scripts that MapLibre's worker and PMTiles are, and no other. */
function allowScripts() {
  if (isAllowed) return;
  isAllowed = true;
  const known = new Set([WORKER_URL, PMTILES_URL]);
  globalThis.trustedTypes?.createPolicy("default", {
    createScriptURL(url) {
      if (known.has(url)) return url;
      throw new TypeError(`${url} is no script of this page`);
    },
  });
}

async function openTiles(maplibre) {
  await new Promise((resolve, reject) => {
    const script = element("script");
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error("pmtiles.js doesn't come")));
    script.src = PMTILES_URL;
    document.head.append(script);
  });
  const { PMTiles, Protocol } = globalThis.pmtiles;
  const archive = new PMTiles(STYLE_URL);
  const protocol = new Protocol({ metadata: true });
  protocol.add(archive);
  maplibre.addProtocol("pmtiles", protocol.tile);
  return archive;
}
