// Offers that live, and a shift.

import assert from "node:assert/strict";
import { test } from "node:test";

import { World } from "./fakes.mjs";

const offer = (n, more = {}) => ({
  trip: { id: `t${n}` },
  offer: `o${n}`,
  round: 1,
  expires_in_ms: 15_000,
  ...more,
});

function ended(world) {
  const seen = [];
  world.client.offers.on("ended", ({ offer }, why) => seen.push([offer, why]));
  return seen;
}

const live = (world) => world.client.offers.live.map(({ offer }) => offer);

test("an offer lives until it is said to be over", async () => {
  const world = await new World().open({ offers: [] });
  const seen = ended(world);
  let changes = 0;
  world.client.offers.on("change", () => (changes += 1));
  await world.say({ type: "trip.offered", seq: 101, data: offer(1) });
  assert.deepEqual(live(world), ["o1"]);
  await world.say({
    type: "trip.offer_ended",
    seq: 102,
    data: { id: "t1", offer: "o1", why: "taken" },
  });
  assert.deepEqual([live(world), seen, changes], [[], [["o1", "taken"]], 2]);
});

test("the one that was accepted ends by the start of its trip", async () => {
  const world = await new World().open({ offers: [offer(1)] });
  const seen = ended(world);
  const accepted = world.client.trips.accept("t1", "o1");
  assert.deepEqual(world.sent("trip.accept").data, { id: "t1", offer: "o1" });
  await world.say({ type: "trip.started", seq: 103, data: { id: "t1" } });
  await world.reply("trip.accept", { id: "t1" });
  await accepted;
  assert.deepEqual([live(world), seen], [[], [["o1", "accepted"]]]);
});

test("one that runs out goes, whoever is silent", async () => {
  const world = await new World().open({ offers: [offer(1, { expires_in_ms: 7_000 })] });
  const seen = ended(world);
  await world.drop();
  await world.clock.pass(6.9);
  assert.deepEqual(live(world), ["o1"]);
  await world.clock.pass(0.2);
  assert.deepEqual([live(world), seen], [[], [["o1", "expired"]]]);
});

test("a welcome says all that live", async () => {
  const world = await new World().open({ offers: [offer(1)] });
  const offered = [];
  world.client.offers.on("offered", ({ offer }) => offered.push(offer));
  await world.comeBack({ offers: [offer(2)] });
  assert.deepEqual([live(world), offered], [["o2"], ["o2"]]);
  await world.comeBack({ offers: [offer(2)] });
  assert.deepEqual([live(world), offered], [["o2"], ["o2"]]);
  await world.comeBack({});
  assert.deepEqual(live(world), []);
});

test("a shift asks for offers once and says where it is", async () => {
  const world = new World();
  let place = null;
  const shift = world.client.drive({ position: () => place, everyS: 4 });
  await world.open();
  assert.deepEqual(world.sent("driver.online").data, { offers: true });
  await world.reply("driver.online", { online: true, offers: true });
  assert.equal(world.sent("driver.location"), undefined);
  place = { lat: 1, lon: 2 };
  await world.clock.pass(4);
  assert.deepEqual(world.sent("driver.location").data, place);
  await world.comeBack();
  assert.equal(world.sent("driver.online"), undefined);
  assert.deepEqual(world.sent("driver.location").data, place);
  const over = shift.stop();
  await world.reply("driver.offline", { online: false, offers: true });
  assert.deepEqual(await over, { online: false, offers: true });
  const count = world.socket.sent.length;
  await world.clock.pass(8);
  assert.equal(world.socket.sent.length, count);
});

test("a shift without a position is told so at once", () => {
  const world = new World();
  assert.throws(() => world.client.drive({}), TypeError);
  assert.throws(() => world.client.drive({ position: () => null, everyS: 0 }), TypeError);
});
