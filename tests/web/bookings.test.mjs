import assert from "node:assert/strict";
import { test } from "node:test";

import { World } from "./fakes.mjs";

test("a booking is asked for and changed with a Date, and what is left out isn't said", async () => {
  const world = await new World().open();
  const pick_up_at = new Date("2026-11-30T12:00:00+02:00");
  const asked = world.client.trips.request({
    pick_up_address: "A",
    drop_off_address: "B",
    pick_up_at,
    needs: ["van"],
  });
  const { data } = world.sent("trip.request");
  assert.equal(JSON.parse(JSON.stringify(data)).pick_up_at, "2026-11-30T10:00:00.000Z");
  assert.deepEqual(data.needs, ["van"]);
  await world.reply("trip.request", { id: "t" });
  await asked;
  const changed = world.client.trips.reschedule("t", { pick_up_at, note: null });
  assert.deepEqual(world.sent("trip.reschedule").data, {
    id: "t",
    pick_up_at: "2026-11-30T10:00:00.000Z",
    note: null,
  });
  await world.reply("trip.reschedule", { id: "t", version: 2 });
  assert.deepEqual(await changed, { id: "t", version: 2 });
});
