// The front page: asks whether this server is ready, again while somebody looks.

import { find, put } from "./dom.js";
import { say, time, translate } from "./words.js";

const EVERY_MS = 10_000;
const PATIENCE_MS = 5_000;

translate();
put(find("health"), say("health_asking"));
look();
setInterval(() => document.hidden || look(), EVERY_MS);
document.addEventListener("visibilitychange", () => document.hidden || look());

async function look() {
  const [state, text] = await ask();
  find("health").dataset.state = state;
  put(find("health"), text);
  put(find("health-at"), say("health_at", { time: time(Date.now()) }));
}

/** What /readyz says, in the reader's words where we have them. */
async function ask() {
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await fetch("/readyz", { cache: "no-store", signal });
    if (answer.ok) return ["well", say("health_well")];
    const problem = await answer.json().catch(() => null);
    return ["ill", say("health_not", { why: problem?.detail ?? answer.status })];
  } catch {
    return ["ill", say("health_gone")];
  }
}
