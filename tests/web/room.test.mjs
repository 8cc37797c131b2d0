import assert from "node:assert/strict";
import { test } from "node:test";

import { ME, OTHER, World, message, settled } from "./fakes.mjs";

const texts = (room) => room.messages.map(({ text }) => text);
const waiting = (room) => room.unsent.map(({ text }) => text);
const answer = (history, recovered = false) => ({
  room: "lobby",
  members: [ME, OTHER],
  history,
  recovered,
});

async function joined(world, history = [message(1, "one"), message(2, "two")]) {
  const room = world.client.room("lobby").join();
  await world.open();
  await world.reply("chat.join", answer(history));
  return room;
}

test("joining brings history and members, and a room is one object", async () => {
  const world = new World();
  const room = await joined(world);
  assert.deepEqual(world.sent("chat.join").data, { room: "lobby" });
  assert.deepEqual(texts(room), ["one", "two"]);
  assert.deepEqual(room.members.map(({ username }) => username), ["ann", "bob"]);
  assert.equal(world.client.room("lobby"), room);
  assert.throws(() => world.client.room("a.b"), { code: "invalid_data" });
});

test("live messages are added, the same one twice is not", async () => {
  const world = new World();
  const room = await joined(world);
  const news = [];
  room.on("message", ({ text }) => news.push(text));
  await world.say({ type: "chat.message", seq: 500, data: message(3, "three") });
  await world.say({ type: "chat.message", seq: 500, data: message(3, "three") });
  assert.deepEqual(texts(room), ["one", "two", "three"]);
  assert.deepEqual(news, ["three"]);
});

test("after a loss it joins with the last message's seq, and adds what it missed", async () => {
  const world = new World();
  const room = await joined(world);
  await world.comeBack();
  assert.deepEqual(world.sent("chat.join").data, { room: "lobby", since: 2 });
  await world.reply("chat.join", answer([message(3, "three")], true));
  assert.deepEqual(texts(room), ["one", "two", "three"]);
});

test("where nothing can be recovered the history replaces the log", async () => {
  const world = new World();
  const room = await joined(world);
  await world.comeBack();
  await world.reply("chat.join", answer([message(90, "later")], false));
  assert.deepEqual(texts(room), ["later"]);
});

test("a gap is asked for instead of shown", async () => {
  const world = new World();
  const room = await joined(world);
  await world.say({ type: "chat.message", seq: 500, data: message(4, "four") });
  assert.deepEqual(texts(room), ["one", "two"]);
  assert.deepEqual(world.sent("chat.join").data, { room: "lobby", since: 2 });
  await world.reply("chat.join", answer([message(3, "three"), message(4, "four")], true));
  assert.deepEqual(texts(room), ["one", "two", "three", "four"]);
});

test("a message that comes before the first answer to a join is left to its history", async () => {
  const world = new World();
  const room = world.client.room("lobby").join();
  await world.open();
  await world.say({ type: "chat.message", seq: 500, data: message(2, "two") });
  await world.reply("chat.join", answer([message(1, "one"), message(2, "two")]));
  assert.deepEqual(texts(room), ["one", "two"]);
});

test("members come and go; who is sent out asks whether they may stay", async () => {
  const world = new World();
  const room = await joined(world);
  await world.say({ type: "chat.left", seq: 1, data: { room: "lobby", user: OTHER } });
  assert.deepEqual(room.members.map(({ id }) => id), ["u1"]);
  await world.say({ type: "chat.joined", seq: 2, data: { room: "lobby", user: OTHER } });
  assert.equal(room.members.length, 2);
  await world.say({ type: "chat.left", seq: 3, data: { room: "lobby", user: ME } });
  const refusals = [];
  room.on("refused", ({ code }) => refusals.push(code));
  await world.refuse("chat.join", "room_forbidden");
  assert.deepEqual(refusals, ["room_forbidden"]);
  assert.equal(room.error.code, "room_forbidden");
  assert.equal(room.joined, false);
});

test("a join that is refused for the moment is tried again", async () => {
  const world = new World();
  const room = world.client.room("lobby").join();
  await world.open();
  await world.refuse("chat.join", "overloaded", true);
  await world.clock.pass(1);
  await world.reply("chat.join", answer([]));
  assert.equal(room.joined, true);
  assert.equal(world.socket.sent.filter(({ type }) => type === "chat.join").length, 2);
});

test("a message is unsent until it is answered, and never shown twice", async () => {
  const world = new World();
  const room = await joined(world);
  room.send("hello");
  assert.deepEqual(waiting(room), ["hello"]);
  await world.say({ type: "chat.message", seq: 500, data: message(3, "hello", ME) });
  assert.deepEqual([texts(room).at(-1), waiting(room)], ["hello", []]);
  await world.reply("chat.send", message(3, "hello", ME));
  assert.deepEqual([texts(room), waiting(room)], [["one", "two", "hello"], []]);
  assert.deepEqual(Object.keys(world.storage), []);
});

test("somebody else's same words, or one's own older ones, don't hide an unsent message", async () => {
  const world = new World();
  const room = await joined(world, [message(1, "hello", ME)]);
  room.send("hello");
  await world.say({ type: "chat.message", seq: 500, data: message(2, "hello", OTHER) });
  assert.deepEqual(waiting(room), ["hello"]);
});

test("two unsent messages of the same words are hidden one by one", async () => {
  const world = new World();
  const room = await joined(world);
  room.send("hello");
  room.send("hello");
  await world.say({ type: "chat.message", seq: 500, data: message(3, "hello", ME) });
  await world.reply("chat.send", message(3, "hello", ME));
  assert.deepEqual(waiting(room), ["hello"]);
});

test("messages go out one after the other", async () => {
  const world = new World();
  const room = await joined(world);
  room.send("a");
  room.send("b");
  const sent = () => world.socket.sent.filter(({ type }) => type === "chat.send");
  assert.deepEqual(sent().map(({ data }) => data.text), ["a"]);
  await world.refuse("chat.send", "rate_limited", true);
  assert.equal(sent().length, 1);
  await world.clock.pass(1);
  await world.reply("chat.send", message(3, "a", ME));
  assert.deepEqual(sent().map(({ data }) => data.text), ["a", "a", "b"]);
  assert.equal(sent()[0].data.idempotency_key, sent()[1].data.idempotency_key);
});

test("an answer that was lost: sent again after the join, with the same key", async () => {
  const world = new World();
  const room = await joined(world);
  room.send("hello");
  const { data } = world.sent("chat.send");
  await world.comeBack();
  assert.equal(world.sent("chat.send"), undefined);
  await world.reply("chat.join", answer([message(3, "hello", ME)], true));
  assert.deepEqual(world.sent("chat.send").data, data);
  assert.deepEqual(waiting(room), []);
  await world.reply("chat.send", message(3, "hello", ME));
  assert.deepEqual(texts(room), ["one", "two", "hello"]);
});

test("unsent messages outlive the page, each user's and room's its own", async () => {
  const world = new World({ user: "u1" });
  const room = world.client.room("lobby");
  const key = room.send("written offline");
  world.client.room("other").send("elsewhere");
  const next = new World({ user: "u1", storage: world.storage });
  const again = next.client.room("lobby");
  assert.deepEqual(again.unsent.map((entry) => entry.key), [key]);
  const stranger = new World({ user: "u2", storage: world.storage });
  assert.deepEqual(stranger.client.room("lobby").unsent, []);
  again.join();
  await next.open();
  await next.reply("chat.join", answer([]));
  assert.equal(next.sent("chat.send").data.idempotency_key, key);
  await next.reply("chat.send", message(1, "written offline", ME));
  assert.deepEqual(again.unsent, []);
  assert.equal(Object.keys(world.storage).length, 1);
});

test("a storage that refuses everything costs no message", async () => {
  const storage = new Proxy({}, {
    get: () => () => {
      throw new Error("forbidden");
    },
  });
  const world = new World({ storage });
  const room = await joined(world);
  room.send("hello");
  await world.reply("chat.send", message(3, "hello", ME));
  assert.deepEqual(texts(room).at(-1), "hello");
});

/** Who is not in a room asks whether they may be, before a message is given up. */
async function refuseTwice(world) {
  await world.refuse("chat.send", "room_forbidden");
  await world.reply("chat.join", answer([], { recovered: true }));
  await world.refuse("chat.send", "room_forbidden");
}

test("a writer whom the server took for gone joins again, and nothing is lost", async () => {
  const world = new World();
  const room = await joined(world);
  const key = room.send("one");
  room.send("two");
  await world.refuse("chat.send", "room_forbidden");
  assert.deepEqual([room.joined, waiting(room)], [false, ["one", "two"]]);
  await world.reply("chat.join", answer([], { recovered: true }));
  assert.equal(world.sent("chat.send").data.idempotency_key, key);
  await world.reply("chat.send", message(3, "one", ME));
  await world.reply("chat.send", message(4, "two", ME));
  assert.deepEqual(texts(room).slice(-2), ["one", "two"]);
  assert.deepEqual(waiting(room), []);
});

test("a message that is refused waits for its writer, the next one goes on", async () => {
  const world = new World();
  const room = await joined(world);
  const key = room.send("too late");
  room.send("next");
  await refuseTwice(world);
  assert.equal(room.unsent[0].failed.code, "room_forbidden");
  assert.equal(world.sent("chat.send").data.text, "next");
  await world.reply("chat.send", message(3, "next", ME));
  room.retry(key);
  assert.equal(world.sent("chat.send").data.text, "too late");
  assert.notEqual(world.sent("chat.send").data.idempotency_key, key);
  await refuseTwice(world);
  room.discard(room.unsent[0].key);
  assert.deepEqual([waiting(room), Object.keys(world.storage)], [[], []]);
});

test("a tried message whose key the server has forgotten is not sent by itself", async () => {
  const world = new World({ user: "u1" });
  const day = 24 * 3600 * 1000;
  const stored = (key, tried) =>
    world.storage.setItem(
      `cabrank.outbox/u1/lobby/${key}`,
      JSON.stringify({ key, text: key, at: Date.now() - day + (tried ?? 0), tried }),
    );
  stored("tried", 0);
  stored("untried", null);
  world.storage.setItem("cabrank.outbox/u1/lobby/broken", "{");
  const room = world.client.room("lobby").join();
  await world.open();
  await world.reply("chat.join", answer([]));
  assert.equal(world.sent("chat.send").data.text, "untried");
  assert.match(room.unsent.find(({ key }) => key === "tried").failed.message, /too old/i);
});

test("leaving ends it: no join after the next connection", async () => {
  const world = new World();
  const room = await joined(world);
  const left = room.leave();
  await world.reply("chat.leave", {});
  await left;
  await world.comeBack();
  assert.equal(world.sent("chat.join"), undefined);
});

test("leaving before the join's answer takes the join back", async () => {
  const world = new World();
  const room = world.client.room("lobby").join();
  await world.open();
  await room.leave();
  await world.reply("chat.join", answer([]));
  assert.deepEqual(world.sent("chat.leave").data, { room: "lobby" });
});

const types = (world) => world.socket.sent.map(({ type }) => type).slice(1);

test("join, leave and join in one tick ends inside, as both sides see it", async () => {
  const world = await new World().open();
  world.client.room("lobby").join();
  const old = world.client.room("lobby");
  old.leave();
  const room = world.client.room("lobby").join();
  await world.reply("chat.join", answer([]));
  assert.deepEqual(types(world), ["chat.join", "chat.leave"]);
  assert.deepEqual([old.joined, room.joined], [false, false]);
  await world.reply("chat.leave", {});
  assert.deepEqual(types(world), ["chat.join", "chat.leave", "chat.join"]);
  await world.reply("chat.join", answer([message(1, "one")]));
  assert.deepEqual([room.joined, texts(room)], [true, ["one"]]);
  await world.say({ type: "chat.message", seq: 500, data: message(2, "two") });
  assert.deepEqual(texts(room), ["one", "two"]);
});

test("leave and join while a leave is unanswered waits for it", async () => {
  const world = new World();
  const first = await joined(world);
  first.leave();
  const second = world.client.room("lobby").join();
  second.leave();
  const third = world.client.room("lobby").join();
  assert.deepEqual(types(world), ["chat.join", "chat.leave"]);
  await world.reply("chat.leave", {});
  await world.reply("chat.join", answer([]));
  assert.deepEqual(types(world), ["chat.join", "chat.leave", "chat.join"]);
  assert.deepEqual([first.joined, second.joined, third.joined], [false, false, true]);
});

test("a leave that was cut off by a lost connection holds up no later join", async () => {
  const world = new World();
  const old = await joined(world);
  old.leave();
  const room = world.client.room("lobby").join();
  await world.comeBack();
  await world.reply("chat.leave", {});
  await world.reply("chat.join", answer([message(1, "one")]));
  assert.deepEqual([room.joined, texts(room)], [true, ["one"]]);
});

test("a join's retry does not outlive leaving", async () => {
  const world = await new World().open();
  const room = world.client.room("lobby").join();
  await world.refuse("chat.join", "overloaded", true);
  await room.leave();
  await world.clock.pass(20);
  assert.deepEqual(types(world), ["chat.join"]);
});

test("who leaves while a gap is asked for is left, although that was refused", async () => {
  const world = new World();
  const room = await joined(world);
  await world.say({ type: "chat.message", seq: 500, data: message(4, "four") });
  room.leave();
  await world.refuse("chat.join", "overloaded", true);
  assert.deepEqual(world.sent("chat.leave")?.data, { room: "lobby" });
});

test("leaving twice leaves the room that took its place alone", async () => {
  const world = new World();
  const old = await joined(world);
  old.leave();
  await world.reply("chat.leave", {});
  const room = world.client.room("lobby").join();
  await world.reply("chat.join", answer([]));
  await old.leave();
  assert.equal(world.client.room("lobby"), room);
  assert.equal(room.joined, true);
  assert.throws(() => old.join(), /was left/);
  assert.equal(types(world).filter((type) => type === "chat.leave").length, 1);
});

test("a room that was left may be joined again where no other took its place", async () => {
  const world = new World();
  const room = await joined(world);
  room.leave();
  room.join();
  await world.reply("chat.leave", {});
  await world.reply("chat.join", answer([message(3, "three")], true));
  assert.deepEqual([room.joined, texts(room).at(-1)], [true, "three"]);
  assert.equal(world.client.room("lobby"), room);
});

test("a trip's room is one, however its id is written", async () => {
  const world = await new World().open();
  const id = "0192F0C4-0000-7000-8000-00000000ABCD";
  const room = world.client.room(`trip_${id}`).join();
  assert.equal(room.name, `trip_${id.toLowerCase()}`);
  assert.equal(world.client.room(`trip_${id.toLowerCase()}`), room);
  await world.reply("chat.join", { ...answer([]), room: room.name });
  const data = { ...message(1, "one"), room: room.name };
  await world.say({ type: "chat.message", seq: 500, data });
  assert.deepEqual(texts(room), ["one"]);
  assert.notEqual(world.client.room("Lobby"), world.client.room("lobby"));
});

test("earlier messages go before the first one, whatever their order", async () => {
  const world = new World();
  const room = await joined(world, [message(5, "five")]);
  room.addEarlier([message(5, "five"), message(4, "four"), message(3, "three")]);
  assert.deepEqual(texts(room), ["three", "four", "five"]);
  await settled();
});

test("the log keeps the latest thousand", async () => {
  const world = new World();
  const room = await joined(world, [message(1, "one")]);
  for (let seq = 2; seq <= 1001; seq += 1) {
    await world.say({ type: "chat.message", seq, data: message(seq, `${seq}`) });
  }
  assert.deepEqual([room.messages.length, texts(room)[0]], [1000, "2"]);
});
