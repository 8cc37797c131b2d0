import assert from "node:assert/strict";
import { test } from "node:test";

import { Client } from "../../web/client/cabrank.js";
import { Emitter } from "../../web/client/emitter.js";
import { OTHER, World, settled } from "./fakes.mjs";

test("the token goes into the first frame and never into the address", async () => {
  const world = await new World().open();
  assert.equal(world.socket.url, "wss://cab.example/ws");
  assert.deepEqual(world.socket.sent[0].data, { token: "token-1" });
  assert.equal(world.socket.sent[0].type, "session.login");
  assert.equal(world.client.state, "open");
  assert.equal(world.client.user.username, "ann");
});

test("each connection asks for a token, also after a bare 1006", async () => {
  const world = await new World().open();
  await world.comeBack({ recovered: true });
  assert.deepEqual(world.sent("session.login").data, { token: "token-2", since: 100 });
  assert.deepEqual(world.states, ["connecting", "open", "reconnecting", "open"]);
});

test("failed tries wait longer and longer, up to 20 s", async () => {
  const world = new World();
  world.client.connect();
  await settled();
  const waits = [];
  for (let attempt = 0; attempt < 7; attempt += 1) {
    await world.drop();
    waits.push(world.clock.next);
    await world.clock.pass(world.clock.next);
  }
  assert.deepEqual(waits, [0.75, 1.25, 2.25, 4.25, 8.25, 10.25, 10.25]);
});

test("a connection that held for 10 s starts the backoff anew, a short one doesn't", async () => {
  const world = await new World().open();
  await world.comeBack();
  await world.clock.pass(3);
  await world.drop();
  assert.equal(world.clock.next, 1.25);
  await world.clock.pass(1.25);
  await world.accept();
  await world.clock.pass(10);
  await world.drop();
  assert.equal(world.clock.next, 0.75);
});

for (const code of [4500, 4501, 4503]) {
  test(`code ${code} closes for good, and connect() begins again`, async () => {
    const world = await new World().open();
    await world.drop(code);
    assert.deepEqual(world.closes, [{ code, reason: "" }]);
    assert.equal(world.client.state, "closed");
    await world.clock.pass(60);
    assert.equal(world.sockets.length, 1);
    await world.open();
    assert.equal(world.client.state, "open");
  });
}

for (const code of [1000, 1001, 1012, 1013, 4001, 4002, 4003]) {
  test(`code ${code} comes back`, async () => {
    const world = await new World().open();
    await world.comeBack({}, code);
    assert.equal(world.client.state, "open");
    assert.deepEqual(world.closes, []);
  });
}

test("4502 is come back from at once, with another token and the cursor", async () => {
  const asked = [];
  const world = new World({
    getToken: async ({ rejected }) => {
      asked.push(rejected);
      return rejected ? "fresh" : "cached";
    },
  });
  await world.open();
  await world.drop(4502);
  assert.equal(world.client.state, "reconnecting");
  await world.accept({ recovered: true });
  assert.deepEqual(asked, [null, "cached"]);
  assert.deepEqual(world.sent("session.login").data, { token: "fresh", since: 100 });
  assert.deepEqual([world.client.state, world.closes], ["open", []]);
});

for (const [what, answer] of [["none", null], ["the same", "cached"]]) {
  test(`4502 closes for good where getToken has ${what}, and connect() begins again`, async () => {
    const world = new World({ getToken: async ({ rejected }) => (rejected ? answer : "cached") });
    await world.open();
    await world.drop(4502);
    assert.deepEqual(world.closes, [{ code: 4502, reason: "" }]);
    await world.clock.pass(60);
    assert.equal(world.sockets.length, 1);
    await world.open();
    assert.equal(world.client.state, "open");
  });
}

test("4502 soon after 4502 closes for good: some clock is wrong", async () => {
  const world = await new World().open();
  await world.drop(4502);
  await world.accept();
  await world.drop(4502);
  assert.deepEqual(world.closes, [{ code: 4502, reason: "" }]);
});

test("offline says reconnecting at once, and online comes back at once", async () => {
  const world = await new World().open();
  dispatchEvent(new Event("offline"));
  assert.equal(world.client.state, "reconnecting");
  dispatchEvent(new Event("online"));
  await settled();
  await world.accept();
  assert.equal(world.client.state, "open");
  world.client.close();
  dispatchEvent(new Event("online"));
  await settled();
  assert.equal(world.sockets.length, 2);
});

test("online replaces a connection that was still being opened", async () => {
  const world = new World();
  world.client.connect();
  await settled();
  const hung = world.socket;
  dispatchEvent(new Event("online"));
  await settled();
  assert.deepEqual([world.sockets.length, hung.closed], [2, true]);
  await world.accept();
  assert.equal(world.client.state, "open");
  world.client.close();
});

test("online asks an open connection whether it lives, and leaves a dead one soon", async () => {
  const world = await new World().open();
  dispatchEvent(new Event("online"));
  assert.equal(world.sent("session.refresh").data.token, "token-1");
  await world.reply("session.refresh", {});
  await world.clock.pass(10);
  assert.equal(world.client.state, "open");
  dispatchEvent(new Event("online"));
  await world.clock.pass(5);
  assert.equal(world.client.state, "reconnecting");
  world.client.close();
});

const GOOD = { url: "https://cab.example", getToken: () => null, WebSocket: class {} };
for (const [what, options, told] of [
  ["nothing", undefined, /object of options/],
  ["no getToken", { ...GOOD, getToken: undefined }, /getToken must be a function/],
  ["a token in place of getToken", { ...GOOD, getToken: "eyJ" }, /getToken .*not “eyJ”/],
  ["an address of ftp", { ...GOOD, url: "ftp://cab.example" }, /url must be .*ftp/],
  ["no address", { ...GOOD, url: undefined }, /url must be an address/],
  ["half an address", { ...GOOD, url: "cab.example" }, /url must be .*“cab.example”/],
  ["a cursor in words", { ...GOOD, since: "7" }, /since must be a whole number/],
  ["a negative cursor", { ...GOOD, since: -1 }, /since must be/],
  ["a user object", { ...GOOD, user: {} }, /user must be a user's id/],
  ["an empty storage", { ...GOOD, storage: {} }, /storage must be a Storage/],
  ["no WebSocket", { ...GOOD, WebSocket: null }, /WebSocket must be/],
  ["half a clock", { ...GOOD, timers: { set() {} } }, /timers must be/],
  ["a mistyped option", { ...GOOD, sinse: 3 }, /no option “sinse”/],
]) {
  test(`the constructor refuses ${what}`, () => {
    assert.throws(() => new Client(options), (error) => {
      assert.ok(error instanceof TypeError);
      assert.match(error.message, told);
      return true;
    });
  });
}

test("a getToken that fails is tried again, one that has none closes", async () => {
  const answers = [new Error("offline"), "token", null];
  const getToken = async () => {
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const world = new World({ getToken });
  world.client.connect();
  await world.clock.pass(1);
  await world.accept();
  assert.equal(world.client.state, "open");
  await world.drop();
  await world.clock.pass(2);
  assert.equal(world.client.state, "closed");
  assert.equal(world.closes[0].code, 4501);
});

test("a token the server refuses is named to getToken, and not sent twice", async () => {
  const asked = [];
  const tokens = ["stale", "fresh", "fresh"];
  const getToken = async ({ rejected }) => {
    asked.push(rejected);
    return tokens.shift();
  };
  const world = new World({ getToken });
  world.client.connect();
  await settled();
  world.socket.onopen();
  await world.refuse("session.login", "not_authenticated");
  await world.clock.pass(1);
  world.socket.onopen();
  assert.deepEqual(world.sent("session.login").data, { token: "fresh" });
  await world.refuse("session.login", "not_authenticated");
  await world.clock.pass(10);
  assert.deepEqual(asked, [null, "stale", "fresh"]);
  assert.equal(world.closes[0].code, 4501);
  assert.equal(world.sockets.length, 2);
});

test("the cursor is the last event's while recovered, else the welcome's", async () => {
  const world = await new World().open({ seq: 10 });
  assert.equal(world.client.cursor, 10);
  await world.say({ type: "trip.started", seq: 12, data: { id: "t" } });
  await world.comeBack({ seq: 20, recovered: true });
  assert.equal(world.sent("session.login").data.since, 12);
  assert.equal(world.client.cursor, 12);
  await world.say({ type: "trip.arrived", seq: 15, data: { id: "t" } });
  assert.equal(world.client.cursor, 15);
  await world.comeBack({ seq: 8, recovered: false });
  assert.equal(world.client.cursor, 8);
});

test("answers find their requests by ref, in any order", async () => {
  const world = await new World().open();
  const first = world.client.trips.get("one");
  const { ref } = world.sent("trip.get");
  const second = world.client.trips.accept("two");
  await world.reply("trip.accept", { id: "two" });
  await world.say({ type: "reply", ref, data: { id: "one" } });
  assert.deepEqual(await first, { id: "one" });
  assert.deepEqual(await second, { id: "two" });
});

test("a refusal rejects with its code", async () => {
  const world = await new World().open();
  const refused = assert.rejects(world.client.trips.accept("t"), {
    name: "CabrankError",
    code: "trip_already_taken",
    retryable: false,
  });
  await world.refuse("trip.accept", "trip_already_taken");
  await refused;
});

test("a request with a key is sent again with it, after a loss and after a refusal", async () => {
  const world = await new World().open();
  const asked = world.client.trips.request({ pick_up_address: "A", drop_off_address: "B" });
  const { data } = world.sent("trip.request");
  assert.match(data.idempotency_key, /^[0-9a-f]{32}$/);
  await world.comeBack();
  assert.deepEqual(world.sent("trip.request").data, data);
  await world.refuse("trip.request", "unavailable", true);
  await world.clock.pass(1);
  const frames = world.socket.sent.filter(({ type }) => type === "trip.request");
  assert.deepEqual(frames.map((frame) => frame.data), [data, data]);
  await world.reply("trip.request", { id: "t" });
  assert.deepEqual(await asked, { id: "t" });
});

test("a request without a key fails as unavailable when the connection is lost", async () => {
  const world = await new World().open();
  const lost = assert.rejects(world.client.trips.accept("t"), {
    code: "unavailable",
    retryable: true,
  });
  await world.comeBack();
  await lost;
  assert.equal(world.sent("trip.accept"), undefined);
});

test("a request with a key waits for the connection, and can be given up", async () => {
  const world = new World();
  const given = new AbortController();
  const trip = { pick_up_address: "A", drop_off_address: "B", idempotency_key: "k" };
  const waiting = world.client.request("trip.request", trip);
  const dropped = world.client.request("trip.request", trip, { signal: given.signal });
  given.abort(new Error("enough"));
  await assert.rejects(dropped, { message: "enough" });
  await world.open();
  assert.equal(world.socket.sent.filter(({ type }) => type === "trip.request").length, 1);
  await world.reply("trip.request", { id: "t" });
  assert.deepEqual(await waiting, { id: "t" });
});

test("closing fails what is pending, and nothing comes back", async () => {
  const world = await new World().open();
  const lost = assert.rejects(world.client.trips.get("t"), { code: "unavailable" });
  world.client.close();
  await lost;
  assert.equal(world.socket.closed, true);
  await world.clock.pass(60);
  assert.equal(world.sockets.length, 1);
  assert.deepEqual(world.closes, [{ code: 1000, reason: "closed by the app" }]);
});

test("a server that says nothing to a request is left after 15 s", async () => {
  const world = await new World().open();
  const lost = assert.rejects(world.client.trips.accept("t"), { code: "unavailable" });
  await world.clock.pass(15);
  await lost;
  assert.equal(world.client.state, "reconnecting");
  assert.equal(world.socket.closed, true);
});

test("a silent connection is asked something each heartbeat, and left without an answer", async () => {
  const world = await new World({ getToken: async () => "same" }).open();
  await world.clock.pass(25);
  assert.deepEqual(world.sent("session.refresh").data, { token: "same" });
  await world.reply("session.refresh", { expires_in: 900 });
  await world.clock.pass(25 + 14);
  assert.equal(world.client.state, "open");
  await world.clock.pass(1);
  assert.equal(world.client.state, "reconnecting");
});

test("a token that getToken renews is passed on at the next heartbeat", async () => {
  let token = "old";
  const world = await new World({ getToken: async () => token }).open();
  token = "new";
  await world.clock.pass(24);
  await world.say({ type: "notice", data: {} });
  await world.clock.pass(1);
  assert.deepEqual(world.sent("session.refresh").data, { token: "new" });
});

test("a welcome that doesn't come within 15 s is waited for elsewhere", async () => {
  const world = new World();
  world.client.connect();
  await settled();
  await world.clock.pass(15 + 0.75);
  assert.equal(world.sockets.length, 2);
});

test("events reach their listeners until they end", async () => {
  const world = await new World().open();
  const seen = [];
  const off = world.client.on("notice", (data) => seen.push(data.text));
  await world.say({ type: "notice", data: { text: "one" } });
  off();
  await world.say({ type: "notice", data: { text: "two" } });
  assert.deepEqual(seen, ["one"]);
});

test("a listener that throws is reported and harms no other", () => {
  const reported = [];
  const seen = [];
  const emitter = new Emitter((error) => reported.push(error.message));
  emitter.on("notice", () => {
    throw new Error("a bug of the page");
  });
  emitter.on("notice", (data) => seen.push(data));
  emitter.emit("notice", 1);
  assert.deepEqual([reported, seen], [["a bug of the page"], [1]]);
});

test("what is not JSON, and types of later servers, are survived", async () => {
  const world = await new World().open();
  const errors = [];
  const frames = [];
  world.client.on("error", (error) => errors.push(error.name));
  world.client.on("*", (frame) => frames.push(frame.type));
  world.socket.onmessage({ data: "{" });
  await world.say({ type: "weather", seq: 101, data: { user: OTHER } });
  assert.deepEqual(errors, ["SyntaxError"]);
  assert.deepEqual(frames, ["weather"]);
  assert.equal(world.client.state, "open");
});

test("a frame over 64 KiB is refused here, so that it doesn't end the session", async () => {
  const world = await new World().open();
  const large = { pick_up_address: "x".repeat(70_000), idempotency_key: "k" };
  await assert.rejects(world.client.request("trip.request", large), { code: "invalid_data" });
  assert.equal(world.sent("trip.request"), undefined);
});

test("positions are sent only while connected", async () => {
  const world = new World();
  assert.equal(world.client.trips.moved({ lat: 1, lon: 2 }), false);
  await world.open();
  assert.equal(world.client.trips.moved({ lat: 1, lon: 2 }), true);
  assert.deepEqual(world.sent("driver.location"), {
    type: "driver.location",
    data: { lat: 1, lon: 2 },
  });
});
