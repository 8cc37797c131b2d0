import assert from "node:assert/strict";
import { test } from "node:test";

import { World } from "./fakes.mjs";

function jwt(claims) {
  const part = (data) => Buffer.from(JSON.stringify(data)).toString("base64url");
  return `${part({ alg: "EdDSA" })}.${part(claims)}.c2lnbmVk`;
}

const nowS = () => Math.floor(Date.now() / 1000);

test("a cached getToken is asked for another token before its own ends", async () => {
  const tokens = [jwt({ n: "ÿ?>", exp: nowS() + 900 }), jwt({ exp: nowS() + 1800 })];
  const asked = [];
  const getToken = async ({ rejected }) => {
    asked.push(rejected);
    return tokens[rejected === null ? 0 : 1];
  };
  const world = await new World({ getToken }).open();
  for (let beat = 0; beat < 33; beat += 1) {
    await world.clock.pass(25);
    await world.reply("session.refresh", {});
  }
  assert.deepEqual([...new Set(asked)], [null]);
  await world.clock.pass(16);
  assert.equal(asked.at(-1), false);
  assert.deepEqual(world.sent("session.refresh").data, { token: tokens[1] });
  assert.equal(world.client.state, "open");
});

test("a token of a few seconds is renewed at half its life, and the next one too", async () => {
  let made = 0;
  const getToken = async () => jwt({ n: (made += 1), exp: nowS() + 4, iat: nowS() });
  const world = await new World({ getToken }).open();
  for (const n of [2, 3, 4]) {
    await world.clock.pass(2);
    assert.equal(made, n);
    await world.reply("session.refresh", {});
  }
});

test("a getToken that keeps an ending token is asked again each heartbeat, not faster", async () => {
  const asked = [];
  const token = jwt({ exp: nowS() + 10 });
  const getToken = async ({ rejected }) => {
    asked.push(rejected);
    return token;
  };
  const world = await new World({ getToken }).open();
  await world.clock.pass(5 + 25);
  await world.reply("session.refresh", {});
  await world.clock.pass(25);
  assert.deepEqual(asked, [null, false, false, false]);
});

for (const [what, token] of [
  ["opaque", "token"],
  ["of two dots and nothing else", ".."],
  ["with exp in words", jwt({ exp: "soon" })],
  ["of a clock far behind", jwt({ exp: 1000 })],
  ["with null for claims", `a.${Buffer.from("null").toString("base64url")}.b`],
]) {
  test(`a token ${what} is asked for as ever`, async () => {
    const asked = [];
    const getToken = async ({ rejected }) => {
      asked.push(rejected);
      return token;
    };
    const world = await new World({ getToken }).open();
    await world.clock.pass(25);
    assert.deepEqual(asked, [null, null]);
  });
}
