// The browser's position, asked for when somebody wants it.

const OPTIONS = { enableHighAccuracy: true, maximumAge: 10_000, timeout: 15_000 };

/** Once. @throws where it isn't told */
export function whereAmI() {
  return new Promise((resolve, reject) => {
    if (!navigator.geolocation) reject(new Error("the browser has no position"));
    else navigator.geolocation.getCurrentPosition(({ coords }) => resolve(read(coords)), reject, OPTIONS);
  });
}

/** Again and again; returns what ends it. `lost()`: it isn't told (any more). */
export function follow(moved, lost) {
  if (!navigator.geolocation) {
    lost();
    return () => {};
  }
  const told = ({ coords }) => moved(read(coords));
  // A time-out isn't the end: it goes on trying.
  const failed = ({ code, TIMEOUT }) => code !== TIMEOUT && lost();
  const watch = navigator.geolocation.watchPosition(told, failed, OPTIONS);
  return () => navigator.geolocation.clearWatch(watch);
}

/** Whether it may be asked without a question to the user. */
export async function mayAsk() {
  try {
    return (await navigator.permissions.query({ name: "geolocation" })).state === "granted";
  } catch {
    return false;
  }
}

/** What `driver.location` takes; browsers say null for what they don't know. */
function read({ latitude, longitude, heading, speed }) {
  const here = { lat: latitude, lon: longitude };
  if (Number.isFinite(heading)) here.heading = heading;
  if (Number.isFinite(speed) && speed >= 0) here.speed = Math.min(speed, 150);
  return here;
}
