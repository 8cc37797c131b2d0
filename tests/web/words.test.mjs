// The pages' texts: every language says everything, and nothing is asked that no one says.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import de from "../../web/pages/words/de.js";
import en from "../../web/pages/words/en.js";

const PAGES = new URL("../../web/pages/", import.meta.url);
const files = readdirSync(PAGES, { recursive: true })
  .filter((name) => /\.(html|js)$/.test(name) && !name.startsWith("words/"))
  .map((name) => [name, readFileSync(new URL(name, PAGES), "utf8")]);
const braces = (text) => JSON.stringify(text).match(/\{\w+\}/g)?.sort() ?? [];

test("each language has the same texts, with the same things to fill in", () => {
  assert.deepEqual(Object.keys(de).sort(), Object.keys(en).sort());
  for (const [name, text] of Object.entries(en)) {
    assert.deepEqual([...new Set(braces(de[name]))], [...new Set(braces(text))], name);
  }
});

test("what the pages ask for is said", () => {
  const asked = new Set();
  for (const [, text] of files) {
    for (const [, name] of text.matchAll(/data-say(?:-\w+)?="(\w+)"/g)) asked.add(name);
    for (const [, name] of text.matchAll(/\bsay\("(\w+)"/g)) asked.add(name);
  }
  assert.ok(asked.size > 50);
  assert.deepEqual([...asked].filter((name) => !(name in en)), []);
});

test("nothing is said that no page asks for", () => {
  const all = files.map(([, text]) => text).join("\n");
  // Made of two parts: closed_4501, status_STARTED.
  const made = /^(closed|status|state|ended|trip_over|trip|step|need|figure|tab|event|why|end|verdict|delivery|search|ops_no)_/;
  const refusals = new Set(["rider", "driver", "operator", "rider_title", "driver_title", "operator_title"]);
  const codes = readFileSync(new URL("../client/cabrank.d.ts", PAGES), "utf8");
  const unused = Object.keys(en).filter(
    (name) =>
      !new RegExp(`["']${name}["']`).test(all) &&
      !made.test(name) &&
      !refusals.has(name) &&
      !codes.includes(`"${name}"`),
  );
  assert.deepEqual(unused, []);
});
