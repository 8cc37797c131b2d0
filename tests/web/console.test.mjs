// What of the console needs no browser: cells of supply and demand, figures over time.

import assert from "node:assert/strict";
import { test } from "node:test";

import { count, loadH3, resolutionAt } from "../../web/pages/ops/cells.js";
import { Series } from "../../web/pages/ops/series.js";

const HERE = { lat: 43.738, lon: 7.424 };
const THERE = { lat: 43.748, lon: 7.434 };
const byId = (list) => new Map(list.map((one) => [one.id, one]));

test("cells have who is free and who waits, the scarcest first", async () => {
  const h3 = await loadH3();
  const drivers = byId([
    { id: "a", state: "free", ...THERE },
    { id: "b", state: "free", ...THERE },
    { id: "c", state: "busy", ...HERE },
    { id: "d", state: "free", lat: null, lon: null },
  ]);
  const trips = byId([
    { id: "t", status: "REQUESTED", pick_up: HERE, updated: "2026-11-30T10:00:05.000Z" },
    { id: "u", status: "REQUESTED", pick_up: HERE, updated: "2026-11-30T10:00:01.000Z" },
    { id: "v", status: "REQUESTED", pick_up: null, updated: "2026-11-30T09:00:00.000Z" },
    { id: "w", status: "STARTED", pick_up: THERE, updated: "2026-11-30T09:00:00.000Z" },
  ]);
  const [short, spare, ...more] = count({ drivers, trips }, h3, 9);
  assert.deepEqual(more, []);
  assert.deepEqual([short.free, short.open, short.oldest.id], [0, 2, "u"]);
  assert.deepEqual([spare.free, spare.open, spare.oldest], [2, 0, null]);
  assert.equal(short.id, h3.latLngToCell(HERE.lat, HERE.lon, 9));
});

test("cells get smaller the nearer one looks", () => {
  const all = [2, 8, 9, 10, 11, 12, 13, 14, 16, 19].map(resolutionAt);
  assert.deepEqual(all, [...all].sort((one, other) => one - other));
  assert.ok(new Set(all).size > 4);
});

class Store {
  kept = new Map();
  getItem = (key) => this.kept.get(key) ?? null;
  setItem = (key, text) => this.kept.set(key, text);
}

const figures = { free: 3, busy: 1, requested: 2, in_progress: 1, wait_p50_s: null, wait_p95_s: null, offers_per_min: 6, accepted_share: 0.5 };

test("figures are kept for a quarter of an hour, every few seconds, over a reload", () => {
  const store = new Store();
  const before = new Series(store, "k");
  for (let second = 0; second < 1_200; second += 1) before.add({ ...figures, free: second }, 1_000 + second);
  const [times, free, taken] = new Series(store, "k").columns("free", "taken_per_min");
  assert.equal(times.length, 180);
  assert.equal(times.at(-1) - times[0], 895);
  assert.ok(free.every((value, at) => value === times[at] - 1_000));
  assert.ok(taken.every((value) => value === 3));
});

test("what was kept by another version, or can't be kept, is no trouble", () => {
  const store = new Store();
  for (const text of ["{", "null", "[[1]]", '[["a"]]', '{"a": 1}']) {
    store.kept.set("k", text);
    assert.deepEqual(new Series(store, "k").columns("free"), [[], []]);
  }
  const full = new Series({ getItem: () => null, setItem: () => { throw new Error("full"); } }, "k");
  assert.equal(full.add({ ...figures, accepted_share: null }, 5), true);
  assert.deepEqual(full.columns("taken_per_min"), [[5], [null]]);
  // A clock that was set back doesn't stop it.
  assert.equal(full.add(figures, 1), true);
  assert.deepEqual(full.columns("free"), [[1], [3]]);
});
