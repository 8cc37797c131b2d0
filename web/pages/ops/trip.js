// One trip: how it is, what happened, who was asked and why, and what an operator may do.

import { button, element, find, put } from "../dom.js";
import { sure } from "../ride/sure.js";
import { Talk } from "../ride/talk.js";
import { age, distance, nameOf, say, sayError, seconds, moment, when, whole } from "../words.js";
import { UUID } from "./api.js";
import { facts } from "./lists.js";

const ENDED = new Set(["COMPLETED", "CANCELLED", "EXPIRED"]);
const COMPLETABLE = new Set(["IN_PROGRESS"]);
const NEAREST = 12;

export class TripView {
  #api;
  #client;
  #route;
  #names;
  #talk;
  #id = "";
  #trip = null;
  /** Whose verdicts are asked for besides: a driver's id. */
  #asked = "";

  constructor({ api, client, route, names, user }) {
    this.#api = api;
    this.#client = client;
    this.#route = route;
    this.#names = names;
    this.#talk = new Talk(client, user.id, () => {});
  }

  close() {
    this.#talk.close();
    this.#id = "";
  }

  get trip() {
    return this.#trip;
  }

  /** `live`: as it is watched; undefined: it has ended, or isn't here. */
  async show(id, live) {
    if (id !== this.#id) {
      this.#id = id;
      this.#trip = null;
      this.#asked = this.#route.now.why;
      for (const part of ["trip-facts", "trip-acts", "timeline", "why"]) find(part).replaceChildren();
      put(find("trip-title"), say("ops_trip"));
      if (!live) this.#get(id);
    }
    if (live && live !== this.#trip) this.#become(live);
    if (!live && this.#trip && !ENDED.has(this.#trip.status)) this.#get(id);
  }

  async #get(id) {
    try {
      const trip = await this.#api.get(`/api/trips/${encodeURIComponent(id)}`);
      if (id === this.#id && (!this.#trip || trip.version >= this.#trip.version)) this.#become(trip);
    } catch (error) {
      if (id === this.#id) put(find("error"), sayError(error));
    }
  }

  #become(trip) {
    const isOther = this.#trip?.version !== trip.version || this.#trip?.id !== trip.id;
    this.#trip = trip;
    put(find("error"), "");
    put(find("trip-title"), say("from_to", { from: trip.pick_up_address, to: trip.drop_off_address }));
    const person = (one) => {
      const link = element("a", "", nameOf(one));
      link.href = this.#route.to({ person: one.id, trip: "" });
      return link;
    };
    find("trip-facts").replaceChildren(
      facts([
        [say("ops_status"), mark(say(`status_${trip.status}`), trip.status)],
        [say("ops_rider"), person(trip.rider)],
        [say("ops_driver"), trip.driver ? person(trip.driver) : say("ops_nobody")],
        [say("ops_asked"), `${moment(trip.created)} (${age(trip.created)})`],
        [say("ops_booked"), trip.pick_up_at ? when(trip.pick_up_at) : null],
        [say("ops_note"), trip.note ?? null],
        [say("ops_needs"), trip.needs?.join(", ") ?? null],
        [say("ops_reference"), trip.reference ?? null],
        [say("ops_id"), element("code", "", trip.id)],
      ]),
    );
    this.#talk.about(trip, { first_name: say("ops_both"), username: "" });
    if (isOther) {
      this.#acts(trip);
      this.#timeline(trip.id);
    }
    this.#why(trip.id);
  }

  // ---- what an operator may do -----------------------------------------------------

  #acts({ id, status, pick_up: place }) {
    const root = find("trip-acts");
    const hadFocus = root.contains(document.activeElement);
    root.replaceChildren();
    // What was pressed is gone: who has no mouse goes on from the top.
    if (hadFocus) find("trip-title").focus();
    const act = async (call) => {
      put(find("error"), "");
      try {
        await call();
        put(find("said"), say("ops_done"));
      } catch (error) {
        put(find("error"), sayError(error));
      }
    };
    if (status === "REQUESTED") root.append(this.#assigning(id, place, act));
    if (COMPLETABLE.has(status)) {
      const slot = element("div");
      sure(slot, { ask: "ops_complete", question: "ops_complete_sure", yes: "ops_complete_yes", no: "ops_no", act: () => act(() => this.#client.trips.complete(id)) });
      root.append(slot);
    }
    if (!ENDED.has(status)) {
      const slot = element("div");
      sure(slot, { ask: "ops_cancel", question: "ops_cancel_sure", yes: "ops_cancel_yes", no: "ops_no", act: () => act(() => this.#client.trips.cancel(id, "operator")) });
      root.append(slot);
    }
  }

  #assigning(id, place, act) {
    const form = element("form", "filter");
    form.noValidate = true;
    const choice = element("select");
    choice.setAttribute("aria-label", say("ops_assign_to"));
    choice.append(new Option(say("ops_assign_to"), ""));
    const go = element("button", "", say("ops_assign"));
    go.type = "submit";
    form.append(choice, go);
    const near = place ? `${place.lat},${place.lon}` : "";
    this.#api.get("/api/drivers", { near, limit: NEAREST }).then(
      (drivers) => {
        for (const { driver, state, position_age_s: old } of drivers) {
          this.#names.know(driver);
          const since = old === null ? say("ops_nowhere") : seconds(old);
          choice.append(new Option(`${nameOf(driver)} · ${say(`state_${state}`)} · ${since}`, driver.id));
        }
      },
      (error) => put(find("error"), sayError(error)),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (choice.value) act(() => this.#client.trips.assign(id, choice.value));
      else choice.focus();
    });
    return form;
  }

  // ---- what happened, and why --------------------------------------------------------

  async #timeline(id) {
    let events;
    try {
      events = await this.#api.get(`/api/trips/${id}/events`);
    } catch {
      return; // History lags by moments: the next event asks again.
    }
    if (id !== this.#id) return;
    const rows = events.map(({ type, at, data }) => {
      const who = data.driver ? ` · ${nameOf(data.driver)}` : "";
      const name = `event_${type.replace("trip.", "")}`;
      return element("li", "", element("time", "", moment(at)), element("span", "", say(name) + who));
    });
    find("timeline").replaceChildren(...rows);
    if (!rows.length) find("timeline").append(element("li", "hint", say("ops_later")));
  }

  async #why(id) {
    let told;
    try {
      told = await this.#api.get(`/api/trips/${id}/matching`, { driver: this.#asked });
    } catch (error) {
      if (error.code !== "rate_limited" && id === this.#id) put(find("why"), sayError(error));
      return;
    }
    if (id !== this.#id) return;
    const parts = [element("p", "hint", policyOf(told))];
    if (told.offers.length) parts.push(offersOf(told.offers, this.#names));
    told.rounds.toReversed().forEach((round, index) => parts.push(roundOf(round, index === 0, this.#names)));
    parts.push(this.#asking(id, told.driver));
    const open = document.activeElement?.closest?.("#why form");
    if (open) return; // Somebody is choosing a driver.
    replaced(find("why"), parts);
  }

  /** Whom somebody means by a name or an id; null: nobody, or more than one, and that is told. */
  async #driver(text) {
    if (!text || UUID.test(text)) return text;
    if (this.#asked && text === this.#names.of(this.#asked)) return this.#asked;
    const found = await this.#api.get("/api/users", { name: text, role: "driver", limit: 2 });
    for (const user of found) this.#names.know(user);
    if (found.length === 1 || found[0]?.username === text) return found[0].id;
    put(find("error"), say(found.length ? "ops_several" : "ops_no_users"));
    return null;
  }

  /** Any driver: what each round said of them. */
  #asking(id, driver) {
    const form = element("form", "filter");
    form.noValidate = true;
    const input = element("input");
    input.setAttribute("aria-label", say("ops_which_driver"));
    input.placeholder = say("ops_which_driver");
    input.value = this.#asked && this.#names.of(this.#asked);
    const go = element("button", "quiet", say("ops_ask_why"));
    go.type = "submit";
    form.append(input, go);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      put(find("error"), "");
      this.#driver(input.value.trim()).then(
        (driver) => {
          if (driver === null || id !== this.#id) return;
          this.#asked = driver;
          this.#route.become({ why: driver });
          document.activeElement.blur();
          this.#why(id).then(() => find("why").querySelector(".timeline").focus());
        },
        (error) => put(find("error"), sayError(error)),
      );
    });
    const rows = (driver?.rounds ?? []).map(({ round, verdict, at }) =>
      element("li", "", `${say("ops_round", { round })} · ${moment(at)}: ${say(`verdict_${verdict}`)}`),
    );
    const list = element("ol", "timeline", ...rows);
    list.tabIndex = -1;
    return element("div", "", form, list);
  }
}

/** Made anew, with what is unfolded, and where the focus is, as they were. */
function replaced(root, parts) {
  const reachable = () => [...root.querySelectorAll("summary, input, button, [tabindex]")];
  const at = reachable().indexOf(document.activeElement);
  const folds = new Map([...root.querySelectorAll("details")].map(({ dataset, open }) => [dataset.round, open]));
  root.replaceChildren(...parts);
  for (const each of root.querySelectorAll("details")) each.open = folds.get(each.dataset.round) ?? each.open;
  if (at >= 0) reachable()[at]?.focus({ preventScroll: true });
}

export function mark(text, state) {
  const made = element("span", "mark", text);
  made.dataset.state = state;
  return made;
}

function policyOf({ policy, reason, offers, rounds }) {
  if (policy === "broadcast") return say(`why_${reason ?? "setting"}`);
  return say("why_nearest", { offers: whole(offers.length), rounds: whole(rounds.length) });
}

function offersOf(offers, names) {
  const rows = offers.map((offer) => {
    names.know(offer.driver);
    const end = offer.end === null ? say("end_live") : say(`end_${offer.end}`);
    const way = offer.pick_up_eta_s === null ? "" : `${seconds(offer.pick_up_eta_s)} · ${distance(offer.pick_up_distance_m)}`;
    return [names.of(offer.driver.id), moment(offer.at), way, mark(end, offer.end ?? "offered")];
  });
  return table("ops_offers_made", ["ops_driver", "ops_when", "ops_way", "ops_end"], rows);
}

function roundOf({ round, at, considered, excluded, ranked }, isOpen, names) {
  const details = element("details");
  details.open = isOpen;
  details.dataset.round = round;
  details.append(element("summary", "", `${say("ops_round", { round })} · ${moment(at)} · ${say("ops_considered", { count: considered })}`));
  const rows = ranked.map((one) => {
    names.know(one.driver);
    const eta = one.pick_up_eta_s === null ? "–" : seconds(one.pick_up_eta_s);
    const cost = one.cost_s === null ? "–" : seconds(one.cost_s);
    return [names.of(one.driver.id), eta, cost, say(`verdict_${one.verdict}`)];
  });
  if (rows.length) details.append(table("ops_ranked", ["ops_driver", "ops_eta", "ops_cost", "ops_verdict"], rows));
  const others = Object.entries(excluded).map(([verdict, count]) => `${whole(count)} ${say(`verdict_${verdict}`)}`);
  if (others.length) details.append(element("p", "hint", say("ops_excluded", { others: others.join(", ") })));
  return details;
}

function table(caption, heads, rows) {
  const cells = (tag, row) =>
    row.map((cell) => {
      const made = element(tag);
      made.append(cell);
      return made;
    });
  const head = element("thead", "", element("tr", "", ...cells("th", heads.map((name) => say(name)))));
  const body = element("tbody", "", ...rows.map((row) => element("tr", "", ...cells("td", row))));
  const made = element("table", "", element("caption", "unseen", say(caption)), head, body);
  const around = element("div", "table", made);
  around.tabIndex = 0;
  around.setAttribute("role", "region");
  around.setAttribute("aria-label", say(caption));
  return around;
}
