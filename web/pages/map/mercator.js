// Where places are on a flat map: Web Mercator (EPSG:3857), the world as a square of 1.

const EARTH_M = 6_371_009; // as the protocol's distances (section 7)
const RAD = Math.PI / 180;
/** Beyond it Mercator's square ends. */
const LAT_MAX = 85.0511;

export function project({ lat, lon }) {
  const held = Math.max(-LAT_MAX, Math.min(LAT_MAX, lat));
  const y = Math.log(Math.tan(Math.PI / 4 + (held * RAD) / 2));
  return { x: lon / 360 + 0.5, y: 0.5 - y / (2 * Math.PI) };
}

export function unproject({ x, y }) {
  const lat = 2 * Math.atan(Math.exp((0.5 - y) * 2 * Math.PI)) - Math.PI / 2;
  return { lat: lat / RAD, lon: (((x - 0.5) * 360 + 540) % 360) - 180 };
}

/** Metres, great circle. */
export function distanceM(one, other) {
  const dLat = (other.lat - one.lat) * RAD;
  const dLon = (other.lon - one.lon) * RAD;
  const h =
    Math.sin(dLat / 2) ** 2 +
    Math.cos(one.lat * RAD) * Math.cos(other.lat * RAD) * Math.sin(dLon / 2) ** 2;
  return 2 * EARTH_M * Math.asin(Math.sqrt(Math.min(1, h)));
}
