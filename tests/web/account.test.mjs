import assert from "node:assert/strict";
import { test } from "node:test";

import { Account } from "../../web/client/cabrank.js";
import { ME, Storage } from "./fakes.mjs";

const TOKENS = { user: ME, access: "access-1", refresh: "refresh-1", expires_in: 900 };
const RENEWED = { ...TOKENS, access: "access-2", refresh: "refresh-2" };

/** A server that gives these answers: `[status, content]` each; an Error is a lost one. */
function served(...answers) {
  const asked = [];
  globalThis.fetch = async (url, { method, headers, body }) => {
    asked.push({ method, path: new URL(url).pathname, headers, body: body && JSON.parse(body) });
    const [status, content] = answers.shift() ?? [500, {}];
    if (content instanceof Error) throw content;
    return { status, ok: status < 400, json: async () => content };
  };
  return asked;
}

function account(options = {}) {
  return new Account({ url: "https://cab.example/app/", storage: new Storage(), ...options });
}

test("logging in keeps the refresh token alone, and tells it", async () => {
  const asked = served([200, TOKENS]);
  const storage = new Storage();
  let changes = 0;
  const mine = account({ storage, changed: () => (changes += 1) });
  await mine.logIn("ann", "long enough");
  assert.deepEqual([asked[0].path, asked[0].body.username], ["/api/tokens", "ann"]);
  assert.deepEqual([mine.user.id, changes], [ME.id, 1]);
  assert.doesNotMatch(JSON.stringify(storage), /access-1/);
  assert.equal(account({ storage }).user.id, ME.id);
});

test("a token is answered from memory, and renewed when it was refused", async () => {
  const asked = served([200, TOKENS], [200, RENEWED]);
  const mine = account();
  await mine.logIn("ann", "long enough");
  assert.equal(await mine.getToken({ rejected: null }), "access-1");
  assert.equal(asked.length, 1);
  const both = [mine.getToken({ rejected: "access-1" }), mine.getToken({ rejected: "access-1" })];
  assert.deepEqual(await Promise.all(both), ["access-2", "access-2"]);
  assert.deepEqual(asked.slice(1).map(({ body }) => body), [{ refresh: "refresh-1" }]);
});

test("a token that ends within a minute is renewed when next asked for", async () => {
  const asked = served([200, { ...TOKENS, expires_in: 0 }], [200, RENEWED]);
  const mine = account();
  await mine.logIn("ann", "long enough");
  assert.equal(await mine.getToken({ rejected: false }), "access-2");
  assert.equal(asked[1].path, "/api/tokens/refresh");
});

test("a session that the server has ended is forgotten, an outage is not an end", async () => {
  served([200, TOKENS], [0, new TypeError("down")], [401, { code: "not_authenticated" }]);
  const mine = account();
  await mine.logIn("ann", "long enough");
  await assert.rejects(mine.getToken({ rejected: "access-1" }), {
    code: "unavailable",
    retryable: true,
  });
  assert.equal(mine.user.id, ME.id);
  assert.equal(await mine.getToken({ rejected: "access-1" }), null);
  assert.equal(mine.user, null);
});

test("what the server refuses is told in its words", async () => {
  served([401, { code: "bad_credentials", detail: "no such user and password" }]);
  await assert.rejects(account().logIn("ann", "wrong"), {
    name: "CabrankError",
    code: "bad_credentials",
    message: "no such user and password",
  });
});

test("logging out ends the session here and there, also without the server", async () => {
  const asked = served([200, TOKENS], [204, null]);
  const mine = account();
  await mine.logIn("ann", "long enough");
  await mine.logOut();
  const { method, headers } = asked[1];
  assert.deepEqual([method, headers.Authorization], ["DELETE", "Bearer access-1"]);
  assert.equal(await mine.getToken(), null);
  served([200, TOKENS], [0, new TypeError("down")]);
  await mine.logIn("ann", "long enough");
  await mine.logOut();
  assert.equal(mine.user, null);
});

test("without a storage it lasts as long as the page", async () => {
  served([200, TOKENS], [200, [{ id: "t1" }]]);
  const mine = account({ storage: null });
  await mine.signUp({ username: "ann", password: "long enough", role: "rider" });
  assert.deepEqual(await mine.get("/api/trips"), [{ id: "t1" }]);
});
