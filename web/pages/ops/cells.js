// Supply against demand: free drivers and trips that wait for one, counted by H3 cell from
// what is watched. Knows no page; h3-js is loaded when it is first wanted.

const H3_URL = new URL("../../vendor/h3-js.es.js", import.meta.url);
/** [from this zoom on, cells of this resolution]: some 60 to 250 pixels across. */
const RESOLUTIONS = [
  [16, 10],
  [14.7, 9],
  [13.3, 8],
  [11.9, 7],
  [10.5, 6],
  [9.1, 5],
  [0, 4],
];

let loading = null;

/** The library; asked for again where it didn't come. */
export function loadH3() {
  loading ??= import(H3_URL.href).catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

export function resolutionAt(zoom) {
  return RESOLUTIONS.find(([from]) => zoom >= from)[1];
}

/**
 * Cells in which anybody is free or waits, the scarcest first:
 * `{id, free, open, oldest}`, `oldest` the trip that waits longest, or null.
 */
export function count({ drivers, trips }, h3, resolution) {
  const cells = new Map();
  const at = ({ lat, lon }) => {
    const id = h3.latLngToCell(lat, lon, resolution);
    if (!cells.has(id)) cells.set(id, { id, free: 0, open: 0, oldest: null });
    return cells.get(id);
  };
  for (const driver of drivers.values()) {
    if (driver.state === "free" && driver.lat !== null) at(driver).free += 1;
  }
  for (const trip of trips.values()) {
    if (trip.status !== "REQUESTED" || !trip.pick_up) continue;
    const cell = at(trip.pick_up);
    cell.open += 1;
    if (!cell.oldest || trip.updated < cell.oldest.updated) cell.oldest = trip;
  }
  return [...cells.values()].sort(
    (one, other) => balance(one) - balance(other) || other.open - one.open || one.id.localeCompare(other.id),
  );
}

/** Of a cell: how many drivers are missing, or to spare. */
export function balance({ free, open }) {
  return free - open;
}
