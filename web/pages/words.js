// What the page says, in the reader's language; numbers, times and distances their way.

import de from "./words/de.js";
import en from "./words/en.js";

const LANGUAGES = { en, de };
/** The browser's first that we speak. */
const SPOKEN = navigator.languages.map((each) => each.toLowerCase());
export const LANGUAGE =
  SPOKEN.map((each) => each.split("-")[0]).find((each) => each in LANGUAGES) ?? "en";
/** With its region, which says how a date looks. */
const LOCALE = navigator.languages.find((each) => each.startsWith(LANGUAGE)) ?? LANGUAGE;
const WORDS = LANGUAGES[LANGUAGE];
const PLURALS = new Intl.PluralRules(LOCALE);

/**
 * The text of that name, with `{braces}` filled in; one with `one` and `other` goes by
 * `values.count`.
 */
export function say(name, values = {}) {
  let text = WORDS[name];
  if (text === undefined) throw new Error(`there is no text “${name}”`);
  if (typeof text === "object") text = text[PLURALS.select(values.count)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
}

function has(name) {
  return name in WORDS;
}

/** Fill `root` by its `data-say…`: text, and attributes that are read. */
export function translate(root = document) {
  document.documentElement.lang = LANGUAGE;
  const fill = (attribute, put) => {
    for (const element of root.querySelectorAll(`[${attribute}]`)) {
      put(element, say(element.getAttribute(attribute)));
    }
  };
  fill("data-say", (element, text) => (element.textContent = text));
  fill("data-say-label", (element, text) => element.setAttribute("aria-label", text));
  fill("data-say-hint", (element, text) => element.setAttribute("placeholder", text));
}

/** What became of a request: in our words by its code, else in the server's. */
export function sayError({ code, message }) {
  if (has(code)) return say(code);
  const text = message[0].toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** Why a connection ended for good. */
export function sayClosed(code, reason) {
  return has(`closed_${code}`) ? say(`closed_${code}`) : say("closed_other", { code, reason });
}

export function nameOf({ username, first_name: first, last_name: last }) {
  return [first, last].filter(Boolean).join(" ") || username || "…";
}

// ---- figures -------------------------------------------------------------------

/** Where roads are measured in miles (CLDR's measurement systems US and UK). */
const SMALL_UNIT = { US: "foot", GB: "yard", LR: "foot", MM: "foot" };
const IN_METRES = { foot: 0.3048, yard: 0.9144, mile: 1609.344, meter: 1, kilometer: 1000 };
const REGION = new Intl.Locale(LOCALE).maximize().region;
const SMALL = SMALL_UNIT[REGION] ?? "meter";
const BIG = SMALL === "meter" ? "kilometer" : "mile";

/** Making one takes far longer than using it, and lists say hundreds. */
const UNITS = new Map();

function unit(name, value, digits, unitDisplay = "short") {
  const key = `${name} ${digits} ${unitDisplay}`;
  if (!UNITS.has(key)) {
    const options = { style: "unit", unit: name, unitDisplay, maximumFractionDigits: digits };
    UNITS.set(key, new Intl.NumberFormat(LOCALE, options));
  }
  return UNITS.get(key).format(value);
}

/** Metres as people say them here. */
export function distance(metres) {
  const big = metres / IN_METRES[BIG];
  if (big >= 0.95) return unit(BIG, big, 1);
  const step = 10;
  return unit(SMALL, Math.max(step, Math.round(metres / IN_METRES[SMALL] / step) * step), 0);
}

/** Seconds as whole minutes, one at least. */
export function minutes(seconds) {
  return unit("minute", Math.max(1, Math.round(seconds / 60)), 0);
}

/** A span of time, in the unit that fits; `width`: "narrow" where there is little room. */
export function seconds(count, width = "short") {
  const shown = (name, size) => unit(name, Math.max(0, Math.round(count / size)), 0, width);
  if (count < 100) return shown("second", 1);
  if (count < 5_400) return shown("minute", 60);
  return count < 172_800 ? shown("hour", 3_600) : shown("day", 86_400);
}

/** How long ago. */
export function age(at) {
  return seconds((Date.now() - new Date(at)) / 1000);
}

const WHOLE = new Intl.NumberFormat(LOCALE);
const COLLATOR = new Intl.Collator(LOCALE, { numeric: true });

export function whole(count) {
  return WHOLE.format(count);
}

/** In the order of the reader's alphabet. */
export function compare(one, other) {
  return COLLATOR.compare(one, other);
}

export function percent(share) {
  return new Intl.NumberFormat(LOCALE, { style: "percent" }).format(share);
}

const TIME = new Intl.DateTimeFormat(LOCALE, { timeStyle: "short" });
const CLOCK = new Intl.DateTimeFormat(LOCALE, { timeStyle: "medium" });
const DATE = new Intl.DateTimeFormat(LOCALE, { dateStyle: "full" });
const WHEN = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "short" });

export function time(at) {
  return TIME.format(new Date(at));
}

/** To the second; with its date where that isn't today. */
export function moment(at) {
  const then = new Date(at);
  return then.toDateString() === new Date().toDateString() ? CLOCK.format(then) : when(at);
}

export function date(at) {
  return DATE.format(new Date(at));
}

export function when(at) {
  return WHEN.format(new Date(at));
}
