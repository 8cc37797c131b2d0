// Whether all is well: this server, and each region's leader, standbys and lags.

import { element, find, put } from "../dom.js";
import { say, sayError, seconds, whole } from "../words.js";
import { facts } from "./lists.js";
import { mark } from "./trip.js";

const PATIENCE_MS = 5_000;
/** A leader says something each second. */
const SILENT_S = 5;
/** Above that somebody is behind, and not just about to be told. */
const LATE_RECORDS = 1_000;

/** `changedAt`: when the watch last told something (`performance.now()`), or null. */
export async function showHealth(api, watch, changedAt) {
  const [ready, regions] = await Promise.all([readiness(), told(api)]);
  const quiet = changedAt === null ? "–" : say("ops_ago", { age: seconds((performance.now() - changedAt) / 1000) });
  const stream = watch?.whole ? mark(say("ops_leader_tells"), "free") : mark(say("ops_leader_silent"), "dead");
  find("health").replaceChildren(
    ...facts([
      [say("ops_gateway"), ready],
      [say("ops_stream"), stream],
      [say("ops_last_change"), quiet],
    ]).children,
  );
  if (regions) find("regions").replaceChildren(...regions.map(region));
}

async function readiness() {
  try {
    const answer = await fetch("/readyz", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.ok) return mark(say("health_well"), "free");
    const problem = await answer.json().catch(() => null);
    return mark(say("health_not", { why: problem?.detail ?? answer.status }), "dead");
  } catch {
    return mark(say("health_gone"), "dead");
  }
}

async function told(api) {
  try {
    const regions = await api.get("/api/regions");
    put(find("error"), "");
    return regions;
  } catch (error) {
    put(find("error"), sayError(error));
    return null;
  }
}

function region({ region: name, leader, epoch, silent_s: silent, standbys, standbys_ready: able, standby_behind: standbyBehind = null, unwritten, unsent }) {
  const isSilent = silent > SILENT_S;
  const leads = isSilent ? say("region_silent", { age: seconds(silent) }) : say("region_leads", { leader: leader.slice(0, 8), epoch: whole(epoch) });
  const behind = (count, none) => {
    if (count === null) return none;
    const text = count ? say("region_behind", { count: whole(count) }) : say("region_up_to_date");
    return mark(text, count > LATE_RECORDS ? "dead" : "free");
  };
  const isLate = standbyBehind > LATE_RECORDS;
  const standby = standbys
    ? mark(standing(able, standbys, standbyBehind), isLate ? "dead" : able ? "free" : "waiting")
    : mark(say("region_alone"), "waiting");
  const list = facts([
    [say("region_leader"), mark(leads, isSilent ? "dead" : "free")],
    [say("region_standby"), standby],
    [say("region_history"), behind(unwritten, say("region_unknown"))],
    [say("region_hooks"), behind(unsent, say("region_no_hooks"))],
  ]);
  return element("section", "", element("h3", "", say("region_title", { name })), list);
}

/** `behind`: records that the next leader has yet to read; null: nobody tells. */
function standing(able, standbys, behind) {
  const ready = say("region_standbys", { ready: whole(able), count: whole(standbys) });
  return behind === null ? ready : `${ready}, ${say("region_behind", { count: whole(behind) })}`;
}
