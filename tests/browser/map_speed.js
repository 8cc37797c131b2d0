// What map_speed.py asks of a page: so many drivers and a tenth as many trips on the
// console's map, all drivers somewhere else each second, as a watch tells it.
async (count) => {
  const { CityMap } = await import("/static/pages/map/map.js");
  const { Live } = await import("/static/pages/ops/live.js");
  const root = document.createElement("div");
  root.style.cssText = "position:fixed;inset:0";
  document.body.append(root);
  const map = new CityMap(root);
  await map.ready;
  const live = new Live();
  let drawing = 0;
  map.layers.add((...given) => {
    const began = performance.now();
    const isMoving = live.draw(...given);
    drawing += performance.now() - began;
    return isMoving;
  });
  const states = ["free", "offered", "busy", "stale", "offline"];
  const statuses = ["REQUESTED", "STARTED", "IN_PROGRESS"];
  const somewhere = () => ({ lat: 43.725 + Math.random() * 0.03, lon: 7.41 + Math.random() * 0.03 });
  const trips = new Map();
  for (let n = 0; n < count / 10; n += 1) {
    trips.set(`t${n}`, { id: `t${n}`, status: statuses[n % 3], pick_up: somewhere() });
  }
  const drivers = new Map();
  const told = [];
  const move = () => {
    for (let n = 0; n < count; n += 1) {
      const id = `d${n}`;
      const was = drivers.get(id) ?? somewhere();
      const by = () => (Math.random() - 0.5) * 2e-4;
      drivers.set(id, { id, lat: was.lat + by(), lon: was.lon + by(), heading: 0, state: states[n % 5], trip: null });
    }
    const began = performance.now();
    live.set({ drivers, trips }, began);
    map.show([]);
    told.push(performance.now() - began);
  };
  move();
  map.fit([...drivers.values()]);
  const gaps = [];
  let last = performance.now();
  let isOn = true;
  requestAnimationFrame(function tick(now) {
    gaps.push(now - last);
    last = now;
    if (isOn) requestAnimationFrame(tick);
  });
  await new Promise((done) => setTimeout(done, 500));
  gaps.length = drawing = 0;
  const began = performance.now();
  for (let n = 0; n < 4; n += 1) {
    move();
    await new Promise((done) => setTimeout(done, 1000));
  }
  isOn = false;
  const seconds = (performance.now() - began) / 1000;
  const at = (share) => gaps.toSorted((one, two) => one - two)[Math.floor(gaps.length * share)];
  root.remove();
  return {
    fps: gaps.length / seconds,
    gap_p95_ms: at(0.95),
    draw_ms: drawing / gaps.length,
    set_max_ms: Math.max(...told),
    seconds,
  };
}
