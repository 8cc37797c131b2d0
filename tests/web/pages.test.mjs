// What of the pages needs no browser: the map's figures, and whose trips are whose.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Emitter } from "../../web/client/emitter.js";
import { Camera, ZOOM_MAX, ZOOM_MIN } from "../../web/pages/map/camera.js";
import { distanceM, project, unproject } from "../../web/pages/map/mercator.js";
import { OpenTrips } from "../../web/pages/ride/open.js";
import { OwnTrips } from "../../web/pages/ride/trips.js";

const MONACO = { lat: 43.7384, lon: 7.4246 };
const near = (one, other, by) => Math.abs(one - other) <= by;

test("a place is where it was after it was drawn", () => {
  for (const place of [MONACO, { lat: 0, lon: 0 }, { lat: -77.85, lon: 166.67 }]) {
    const back = unproject(project(place));
    assert.ok(near(back.lat, place.lat, 1e-9) && near(back.lon, place.lon, 1e-9));
  }
});

test("distances are the protocol's", () => {
  const degreeM = (2 * Math.PI * 6_371_009) / 360;
  assert.ok(near(distanceM({ lat: 0, lon: 0 }, { lat: 1, lon: 0 }), degreeM, 1e-6));
  assert.ok(near(distanceM({ lat: 60, lon: 0 }, { lat: 60, lon: 1 }), degreeM / 2, 10));
});

test("zooming leaves what is under the finger where it is, and has an end", () => {
  const camera = new Camera();
  Object.assign(camera, { width: 400, height: 300 });
  camera.look(MONACO, 14);
  const finger = { x: 100, y: 250 };
  const before = camera.under(finger);
  camera.zoomBy(1.7, finger);
  const after = camera.under(finger);
  assert.ok(near(before.lat, after.lat, 1e-9) && near(before.lon, after.lon, 1e-9));
  camera.zoomBy(100);
  assert.equal(camera.zoom, ZOOM_MAX);
  camera.zoomBy(-100);
  assert.equal(camera.zoom, ZOOM_MIN);
});

test("what is to be in sight is, within the margins; one place isn't blown up", () => {
  const camera = new Camera();
  Object.assign(camera, { width: 390, height: 300 });
  const margins = { top: 56, right: 76, bottom: 40, left: 40 };
  const places = [MONACO, { lat: 43.75, lon: 7.43 }, { lat: 43.73, lon: 7.41 }];
  camera.fit(places, { margins });
  for (const place of places) {
    const { x, y } = camera.at(place);
    assert.ok(x >= 39.9 && x <= 390 - 75.9 && y >= 55.9 && y <= 300 - 39.9, `${x} ${y}`);
  }
  camera.fit([MONACO], { margins });
  assert.equal(camera.zoom, 16.5);
});

// ---- trips ---------------------------------------------------------------------

class FakeClient {
  #emitter = new Emitter();
  asked = [];
  trips = { get: (id) => new Promise((...settle) => this.asked.push([id, ...settle])) };

  on(type, listener) {
    return this.#emitter.on(type, listener);
  }

  say(type, data) {
    this.#emitter.emit(type, data, { type, data });
  }
}

const trip = (id, version, status, more = {}) => ({
  id,
  version,
  status,
  created: `2026-01-01T00:00:0${id}.000Z`,
  rider: { id: "ann" },
  driver: null,
  ...more,
});

function riding(kept = []) {
  const client = new FakeClient();
  const changes = [];
  const own = new OwnTrips(client, {
    isMine: ({ rider }) => rider.id === "ann",
    kept,
    changed: (...change) => changes.push(change),
  });
  return { client, own, changes };
}

test("the newest version counts, whichever way and however often it comes", () => {
  const { client, own } = riding();
  own.take(trip("1", 2, "STARTED"));
  client.say("trip.requested", trip("1", 1, "REQUESTED"));
  client.say("trip.started", trip("1", 2, "REQUESTED"));
  assert.equal(own.active.status, "STARTED");
  client.say("trip.completed", trip("1", 5, "COMPLETED"));
  assert.equal(own.active, null);
  assert.equal(own.ended.id, "1");
  own.forgetEnded();
  assert.equal(own.ended, null);
});

test("somebody else's trip is none of one's own, and one that was given away goes", () => {
  const client = new FakeClient();
  const own = new OwnTrips(client, {
    isMine: ({ driver }) => driver?.id === "bob",
    changed: () => {},
  });
  client.say("trip.requested", trip("1", 1, "REQUESTED"));
  assert.deepEqual(own.all, []);
  client.say("trip.started", trip("1", 2, "STARTED", { driver: { id: "bob" } }));
  assert.equal(own.active.id, "1");
  client.say("trip.released", trip("1", 3, "REQUESTED"));
  assert.deepEqual(own.all, []);
});

test("what a reload remembers and the server doesn't name is asked for", async () => {
  const { client, own } = riding([trip("1", 2, "STARTED")]);
  client.say("welcome", { trips: [trip("2", 1, "REQUESTED")] });
  const [[id, resolve]] = client.asked;
  assert.equal(id, "1");
  resolve(trip("1", 4, "CANCELLED"));
  await new Promise((done) => setImmediate(done));
  assert.deepEqual([own.active.id, own.ended.id], ["2", "1"]);
});

test("what nobody can tell of any more is forgotten", async () => {
  const { client, own } = riding([trip("1", 2, "STARTED")]);
  client.say("welcome", { trips: [] });
  client.asked[0][2](new Error("trip_not_found"));
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(own.all, []);
});

test("booked trips are in the order of their times, and no active one", () => {
  const { client, own } = riding();
  const booked = (id, at) => trip(id, 1, "SCHEDULED", { pick_up_at: at });
  const [late, soon] = ["2026-05-02T10:00:00.000Z", "2026-05-01T10:00:00.000Z"];
  client.say("welcome", { trips: [booked("1", late), booked("2", soon)] });
  assert.equal(own.active, null);
  assert.deepEqual(own.booked.map(({ id }) => id), ["2", "1"]);
});

test("open trips come newest first, once each, and go when somebody has them", () => {
  const client = new FakeClient();
  let changes = 0;
  const open = new OpenTrips(client, () => (changes += 1));
  const ids = () => open.all.map(({ id }) => id);
  client.say("welcome", { open_trips: [trip("1", 1, "REQUESTED"), trip("2", 1, "REQUESTED")] });
  client.say("trip.requested", trip("3", 1, "REQUESTED"));
  client.say("trip.requested", trip("1", 3, "REQUESTED"));
  assert.deepEqual(ids(), ["3", "2", "1"]);
  client.say("trip.taken", { id: "2" });
  client.say("trip.started", { id: "3" });
  assert.deepEqual(ids(), ["1"]);
  client.say("welcome", { open_trips: [] });
  assert.deepEqual(ids(), []);
  assert.equal(changes, 6);
});
