// What an operator watches.

import assert from "node:assert/strict";
import { test } from "node:test";

import { World } from "./fakes.mjs";

const row = (id, lat = 0, state = "free") => [id, lat, 0, null, state, null, 3];

const update = (more = {}) => ({
  drivers: [],
  gone: [],
  trips: [],
  ended: [],
  figures: { free: 1 },
  ...more,
});

const shown = (watch) => [[...watch.drivers.keys()], [...watch.trips.keys()]];

async function watching(bounds, whole = {}) {
  const world = await new World().open();
  const watch = world.client.watch(bounds);
  await world.reply("ops.watch", update(whole));
  return [world, watch];
}

test("it shows what the answer says, and what changes of it", async () => {
  const bounds = [0, 0, 1, 1];
  const first = { drivers: [row("a"), row("b")], trips: [{ id: "t" }] };
  const [world, watch] = await watching(bounds, first);
  assert.deepEqual(world.sent("ops.watch").data, { bounds });
  assert.deepEqual(shown(watch), [["a", "b"], ["t"]]);
  assert.equal(watch.drivers.get("a").placedAt, world.clock.now() - 3);
  let changes = 0;
  watch.on("change", () => (changes += 1));
  const data = update({ drivers: [row("a", 0.5, "busy")], gone: ["b"], ended: ["t"] });
  await world.say({ type: "ops.update", data });
  assert.deepEqual([shown(watch), changes], [[["a"], []], 1]);
  assert.equal(watch.drivers.get("a").state, "busy");
  assert.deepEqual([watch.figures, watch.whole], [{ free: 1 }, true]);
});

test("other bounds replace what is shown, once they are answered", async () => {
  const [world, watch] = await watching(undefined, { drivers: [row("a")] });
  assert.deepEqual(world.sent("ops.watch").data, {});
  assert.equal(world.client.watch([0, 0, 1, 1]), watch);
  // Of what was watched before.
  await world.say({ type: "ops.update", data: update({ drivers: [row("b")] }) });
  assert.deepEqual([shown(watch), watch.whole], [[["a"], []], false]);
  await world.reply("ops.watch", update({ drivers: [row("c")] }));
  assert.deepEqual([shown(watch), watch.whole], [[["c"], []], true]);
});

test("only the answer to the last question counts", async () => {
  const world = await new World().open();
  const watch = world.client.watch([0, 0, 1, 1]);
  const first = world.sent("ops.watch").ref;
  watch.within([0, 0, 2, 2]);
  await world.say({ type: "reply", ref: first, data: update({ drivers: [row("a")] }) });
  assert.deepEqual([shown(watch), watch.whole], [[[], []], false]);
  await world.reply("ops.watch", update({ drivers: [row("b")] }));
  assert.deepEqual(shown(watch), [["b"], []]);
});

test("after a loss it is asked for again, and shows the last until it is answered", async () => {
  const [world, watch] = await watching([0, 0, 1, 1], { drivers: [row("a")] });
  await world.drop();
  assert.deepEqual([shown(watch), watch.whole], [[["a"], []], false]);
  await world.clock.pass(1);
  await world.accept();
  assert.deepEqual(world.sent("ops.watch").data, { bounds: [0, 0, 1, 1] });
  await world.reply("ops.watch", update({ drivers: [row("b")] }));
  assert.deepEqual(shown(watch), [["b"], []]);
});

test("one that was begun before the log-in is asked for then", async () => {
  const world = new World();
  const watch = world.client.watch();
  await world.open();
  await world.reply("ops.watch", update({ drivers: [row("a")] }));
  assert.deepEqual(shown(watch), [["a"], []]);
});

test("who stops hears no more, nor is it asked for after a loss", async () => {
  const [world, watch] = await watching(null, { drivers: [row("a")] });
  watch.stop();
  assert.ok(world.sent("ops.unwatch"));
  await world.say({ type: "ops.update", data: update({ gone: ["a"] }) });
  assert.deepEqual(shown(watch), [["a"], []]);
  await world.drop();
  await world.clock.pass(1);
  await world.accept();
  assert.equal(world.sent("ops.watch"), undefined);
});

test("a refusal is told", async () => {
  const world = await new World().open();
  const watch = world.client.watch();
  const codes = [];
  watch.on("refused", ({ code }) => codes.push(code));
  await world.refuse("ops.watch", "wrong_role");
  assert.deepEqual(codes, ["wrong_role"]);
});
