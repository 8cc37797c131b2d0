// Fingers, mouse, wheel and keys on the map: they move the camera, and say where somebody
// chose a place.

/** Further than that a touch is a drag. */
const STILL_PX = 7;
const STEP_PX = 80;
const WHEEL_LEVELS = 1 / 300;

const KEYS = {
  ArrowLeft: (camera) => camera.pan(STEP_PX, 0),
  ArrowRight: (camera) => camera.pan(-STEP_PX, 0),
  ArrowUp: (camera) => camera.pan(0, STEP_PX),
  ArrowDown: (camera) => camera.pan(0, -STEP_PX),
  "+": (camera) => camera.zoomBy(1),
  "=": (camera) => camera.zoomBy(1),
  "-": (camera) => camera.zoomBy(-1),
};

/** `moved()`: the camera was; `chose(point)`: in pixels of the window. */
export function listen(surface, camera, { moved, chose }) {
  /** By pointer: where it is. */
  const down = new Map();
  let travelled = 0;

  surface.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    surface.setPointerCapture(event.pointerId);
    if (!down.size) travelled = 0;
    down.set(event.pointerId, pointOf(event));
  });
  surface.addEventListener("pointermove", (event) => {
    const was = down.get(event.pointerId);
    if (!was) return;
    const now = pointOf(event);
    const before = spread(down);
    down.set(event.pointerId, now);
    const after = spread(down);
    travelled += Math.hypot(now.x - was.x, now.y - was.y);
    if (travelled < STILL_PX) return;
    camera.pan(after.x - before.x, after.y - before.y);
    if (before.size && after.size) camera.zoomBy(Math.log2(after.size / before.size), after);
    moved();
  });
  const up = (event) => {
    const was = down.get(event.pointerId);
    down.delete(event.pointerId);
    const isChoice = was && !down.size && travelled < STILL_PX && event.type === "pointerup";
    if (isChoice) chose(pointOf(event));
    if (down.size) travelled = STILL_PX;
  };
  surface.addEventListener("pointerup", up);
  surface.addEventListener("pointercancel", up);
  surface.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode ? 40 : 1;
      camera.zoomBy(-event.deltaY * lines * WHEEL_LEVELS, pointOf(event));
      moved();
    },
    { passive: false },
  );
  surface.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter") {
      event.preventDefault();
      chose({ x: camera.width / 2, y: camera.height / 2 });
      return;
    }
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    act(camera);
    moved();
  });
}

function pointOf({ offsetX: x, offsetY: y }) {
  return { x, y };
}

/** The middle of all fingers, and how far two are apart; 0: there are no two. */
function spread(down) {
  const points = [...down.values()];
  const x = points.reduce((sum, point) => sum + point.x, 0) / points.length;
  const y = points.reduce((sum, point) => sum + point.y, 0) / points.length;
  const [one, two] = points;
  return { x, y, size: two ? Math.hypot(one.x - two.x, one.y - two.y) : 0 };
}
