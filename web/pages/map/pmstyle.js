// How a PMTiles file is drawn that brings no style: in the map's own colours, by the layers
// of Protomaps' and OpenMapTiles' schemas. Pure but for asking the file.

const VECTOR = 1;
const KIND = ["coalesce", ["get", "kind"], ["get", "class"], ["get", "pmap:kind"], ""];
const among = (...names) => ["in", KIND, ["literal", names]];
const GREEN = ["park", "forest", "wood", "grass", "cemetery", "golf_course", "garden", "nature_reserve", "scrub", "meadow"];
const MAIN = ["highway", "major_road", "motorway", "trunk", "primary", "secondary"];
const PATHS = ["path", "other", "footway", "pedestrian", "track"];
const width = (near, far) => ["interpolate", ["exponential", 1.6], ["zoom"], 11, far, 18, near];

/** [layers' names, what is drawn], from below. */
const LAYERS = [
  [["earth"], { type: "fill", colour: "--map-land" }],
  [["landuse", "landcover", "park", "natural"], { type: "fill", colour: "--map-green", filter: among(...GREEN, "park") }],
  [["water"], { type: "fill", colour: "--map-sea" }],
  [["buildings", "building"], { type: "fill", colour: "--map-walk", minzoom: 14 }],
  [["roads", "transportation"], { type: "line", colour: "--map-walk", width: width(3, 0.3), filter: among(...PATHS), minzoom: 14 }],
  [["roads", "transportation"], { type: "line", colour: "--map-street", width: width(14, 0.6), filter: ["!", among(...PATHS, ...MAIN, "rail", "ferry")] }],
  [["roads", "transportation"], { type: "line", colour: "--map-main", width: width(20, 1.5), filter: among(...MAIN) }],
];

/** A MapLibre style for it. `archive`: pmtiles'; `colour(name)`: of the style sheet. */
export async function styleOf(archive, url, colour) {
  const { tileType } = await archive.getHeader();
  const source = `pmtiles://${url}`;
  if (tileType !== VECTOR) {
    return {
      version: 8,
      sources: { base: { type: "raster", url: source, tileSize: 256 } },
      layers: [background(colour), { id: "base", type: "raster", source: "base" }],
    };
  }
  const { vector_layers: there = [] } = await archive.getMetadata();
  const names = new Set(there.map(({ id }) => id));
  const layers = LAYERS.flatMap(([known, drawn], at) =>
    known.filter((name) => names.has(name)).map((name) => layer(`${at}-${name}`, name, drawn, colour)),
  );
  return {
    version: 8,
    sources: { base: { type: "vector", url: source } },
    layers: [background(colour), ...layers],
  };
}

function background(colour) {
  return { id: "ground", type: "background", paint: { "background-color": colour("--map-land") } };
}

function layer(id, name, { type, colour: named, width: lineWidth, filter, minzoom = 0 }, colour) {
  const made = { id, type, source: "base", "source-layer": name, minzoom, paint: { [`${type}-color`]: colour(named) } };
  if (filter) made.filter = filter;
  if (lineWidth) {
    made.paint["line-width"] = lineWidth;
    made.layout = { "line-cap": "round", "line-join": "round" };
  }
  return made;
}
