import assert from "node:assert/strict";
import { test } from "node:test";

import * as policy from "../../web/client/policy.js";

const JUST_UNDER_ONE = 1 - 2 ** -53;

test("the backoff lies between 0.5 and 20 s for every try", () => {
  for (let attempt = 0; attempt < 2000; attempt += 1) {
    for (const random of [0, 0.25, JUST_UNDER_ONE]) {
      const seconds = policy.backoffS(attempt, random);
      assert.ok(seconds >= 0.5 && seconds <= 20, `${attempt}: ${seconds}`);
    }
  }
});

test("the backoff's ceiling doubles from 1 s up to 20 s, its floor stays", () => {
  const ceilings = [0, 1, 2, 3, 4, 5, 50].map((n) => policy.backoffS(n, JUST_UNDER_ONE));
  assert.deepEqual(ceilings.map(Math.round), [1, 2, 4, 8, 16, 20, 20]);
  assert.equal(policy.backoffS(50, 0), 0.5);
});

test("codes of 4500 to 4999 do not come back, all others do", () => {
  for (const code of [1000, 1001, 1006, 1009, 1011, 1012, 1013, 4000, 4001, 4003, 4499]) {
    assert.equal(policy.comesBack(code), true, `${code}`);
  }
  for (const code of [4500, 4501, 4502, 4503, 4999]) {
    assert.equal(policy.comesBack(code), false, `${code}`);
  }
});

test("an unrecovered welcome sets the cursor, even back", () => {
  assert.equal(policy.cursorOfWelcome(500, { recovered: false, seq: 7 }), 7);
  assert.equal(policy.cursorOfWelcome(null, { recovered: false, seq: 7 }), 7);
});

test("a recovered welcome leaves the cursor to the events that follow", () => {
  assert.equal(policy.cursorOfWelcome(5, { recovered: true, seq: 9 }), 5);
  assert.equal(policy.cursorOfEvent(5, { type: "trip.started", seq: 6, data: {} }), 6);
});

test("frames without a seq, and a room's frames, don't move the cursor", () => {
  assert.equal(policy.cursorOfEvent(5, { type: "trip.snapshot", data: {} }), 5);
  assert.equal(policy.cursorOfEvent(5, { type: "chat.message", seq: 9, data: {} }), 5);
  assert.equal(policy.cursorOfEvent(null, { type: "notice", data: {} }), null);
});

test("addresses become those of the socket", () => {
  const of = (url) => policy.socketUrl(url, "https://here.example/chat/lobby");
  assert.equal(of("https://cab.example"), "wss://cab.example/ws");
  assert.equal(of("http://cab.example:8000/"), "ws://cab.example:8000/ws");
  assert.equal(of("wss://cab.example/driver/#top"), "wss://cab.example/driver/");
  assert.equal(of("/"), "wss://here.example/ws");
});

test("a room's name is 1 to 64 letters, digits, - or _", () => {
  for (const name of ["a", "trip_0192f0c4", "A-z_9", "x".repeat(64)]) {
    assert.equal(policy.checkedRoom(name), name);
  }
  for (const name of ["", "*", ">", "a.b", "a b", "é", "a\n", "x".repeat(65), null]) {
    assert.throws(() => policy.checkedRoom(name), { code: "invalid_data" }, `${name}`);
  }
});

test("a text has 1 to 4,000 characters, counted as the server counts them", () => {
  assert.equal(policy.checkedText("x".repeat(4000)).length, 4000);
  assert.equal(policy.checkedText("🚕".repeat(4000)).length, 8000);
  for (const text of ["", "x".repeat(4001), "🚕".repeat(4001), "a\0b"]) {
    assert.throws(() => policy.checkedText(text), { code: "invalid_data" });
  }
});

test("half a surrogate pair is replaced, a byte order mark stays", () => {
  assert.equal(policy.checkedText("a\ud83db"), "a\ufffdb");
  assert.equal(policy.checkedText("\ufeffhi"), "\ufeffhi");
});

test("keys fit the protocol and differ", () => {
  const keys = new Set(Array.from({ length: 100 }, policy.newKey));
  assert.equal(keys.size, 100);
  for (const key of keys) assert.match(key, /^[0-9a-f]{32}$/);
});
