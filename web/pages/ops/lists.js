// Trips and drivers, searched and filtered: the live ones as they are watched, those that
// have ended as history has them.

import { element, find, put } from "../dom.js";
import { age, compare, nameOf, say, sayError, moment, whole } from "../words.js";
import { UUID } from "./api.js";
import { ROWS_MAX, Rows } from "./rows.js";

const LIVE = ["REQUESTED", "STARTED", "ARRIVED", "IN_PROGRESS", "SCHEDULED"];
const ENDED = ["COMPLETED", "CANCELLED", "EXPIRED"];
const ALL = [...LIVE, ...ENDED];
const STATES = ["free", "offered", "busy", "stale", "offline"];
const PAGE = 50;
/** Of silence before what is typed is asked for. */
const PAUSE_MS = 250;
/** By these the server says that there is none. */
const NONE = new Set(["trip_not_found", "invalid_data"]);

export class Lists {
  #api;
  #route;
  #names;
  #rows = new Rows(find("list"));
  #watch = null;
  #shown = "";
  #past = [];
  #pastOf = "";
  /** Of what is typed: trips that aren't watched. */
  #elsewhere = { text: "", trips: [] };
  #timer = 0;

  constructor(api, route, names) {
    this.#api = api;
    this.#route = route;
    this.#names = names;
    find("filter").addEventListener("submit", (event) => event.preventDefault());
    find("search").addEventListener("input", ({ target }) => route.become({ q: target.value }));
    find("which").addEventListener("change", ({ target }) => route.go({ which: target.value }));
    find("older").addEventListener("click", () => this.#older());
  }

  /** `watch` null: nobody is logged in. */
  show(watch, now) {
    this.#watch = watch;
    if (this.#shown !== now.tab) this.#choices(now);
    if (find("which").value !== now.which) find("which").value = now.which;
    if (find("search").value !== now.q) find("search").value = now.q;
    const isPast = now.tab === "trips" && ENDED.includes(now.which);
    if (isPast && this.#pastOf !== now.which) this.#begin(now.which);
    if (!isPast) find("older").hidden = true;
    this.refresh(now);
  }

  #choices({ tab }) {
    this.#shown = tab;
    this.#pastOf = "";
    const names = tab === "trips" ? ALL : STATES;
    const kind = tab === "trips" ? "status" : "state";
    const options = names.map((name) => new Option(say(`${kind}_${name}`), name));
    find("which").replaceChildren(new Option(say(tab === "trips" ? "ops_all_live" : "ops_all"), ""), ...options);
    put(find("list-title"), say(`tab_${tab}`));
    find("search").placeholder = say(`search_${tab}`);
    if (tab === "drivers") this.#names.learn();
  }

  refresh(now) {
    if (!this.#watch) return;
    const all = now.tab === "trips" ? this.#trips(now) : this.#drivers(now);
    if (now.tab === "trips") this.#look(now.q.trim());
    const text = now.q.trim().toLowerCase();
    const found = text ? all.filter(({ words }) => words().toLowerCase().includes(text)) : all;
    // Of thousands only those are put in words that are shown.
    this.#rows.show(found.slice(0, ROWS_MAX).map(({ item }) => item()));
    const count = whole(found.length);
    const shown = found.length > ROWS_MAX ? say("ops_first", { count, shown: ROWS_MAX }) : say("ops_count", { count });
    put(find("list-count"), found.length ? shown : say(`ops_no_${now.tab}`));
  }

  #trips({ which, trip: chosen }) {
    const isPast = ENDED.includes(which);
    const trips = isPast ? [...this.#past] : [...this.#watch.trips.values()];
    const order = ({ status }) => ALL.indexOf(status);
    if (!isPast) trips.sort((one, other) => order(one) - order(other) || one.updated.localeCompare(other.updated));
    const there = new Set(trips.map(({ id }) => id));
    return [...trips, ...this.#elsewhere.trips.filter(({ id }) => !there.has(id))]
      .filter(({ status }) => !which || status === which)
      .map((trip) => ({
        words: () => [trip.id, trip.pick_up_address, trip.drop_off_address, trip.reference, nameOf(trip.rider), trip.rider.username, trip.driver?.username].join(" "),
        item: () => ({
          id: trip.id,
          href: this.#route.to({ trip: trip.id, person: "" }),
          title: say("from_to", { from: trip.pick_up_address, to: trip.drop_off_address }),
          more: [nameOf(trip.rider), trip.driver && nameOf(trip.driver), isPast ? moment(trip.updated) : age(trip.updated)].filter(Boolean).join(" · "),
          mark: say(`status_${trip.status}`),
          state: trip.status,
          isChosen: trip.id === chosen,
        }),
      }));
  }

  #drivers({ which, person: chosen }) {
    const drivers = [...this.#watch.drivers.values()].filter(({ state }) => !which || state === which);
    return drivers
      .map((driver) => ({ driver, name: this.#names.of(driver.id), order: STATES.indexOf(driver.state) }))
      .sort((one, other) => one.order - other.order || compare(one.name, other.name))
      .map(({ driver, name }) => ({
        words: () => `${name} ${driver.id} ${driver.trip ?? ""}`,
        item: () => this.#driver(driver, name, chosen),
      }));
  }

  #driver({ id, state, trip, placedAt }, name, chosen) {
    const place = placedAt === null ? say("ops_nowhere") : say("ops_place_age", { age: this.#names.since(placedAt) });
    return {
      id,
      href: this.#route.to({ person: id, trip: "" }),
      title: name,
      more: trip ? `${say("ops_on_trip")} · ${place}` : place,
      mark: say(`state_${state}`),
      state,
      isChosen: id === chosen,
    };
  }

  // ---- what has ended -----------------------------------------------------------

  /** By an id, or by a reference as it was given: what the watch doesn't have. */
  #look(text) {
    if (text === this.#elsewhere.text) return;
    this.#elsewhere = { text, trips: [] };
    clearTimeout(this.#timer);
    if (!text) return;
    this.#timer = setTimeout(async () => {
      const found = await this.#ask(text);
      if (text !== this.#elsewhere.text) return;
      this.#elsewhere.trips = found;
      this.refresh(this.#route.now);
    }, PAUSE_MS);
  }

  async #ask(text) {
    try {
      if (!UUID.test(text)) return await this.#api.get("/api/trips", { reference: text, limit: PAGE });
      return [await this.#api.get(`/api/trips/${text}`)];
    } catch (error) {
      if (!NONE.has(error.code)) put(find("error"), sayError(error));
      return [];
    }
  }

  #begin(status) {
    this.#pastOf = status;
    this.#past = [];
    this.#older();
  }

  async #older() {
    const status = this.#pastOf;
    try {
      const before = this.#past.at(-1)?.id ?? "";
      const more = await this.#api.get("/api/trips", { status, limit: PAGE, before });
      if (status !== this.#pastOf) return;
      this.#past = [...this.#past, ...more];
      find("older").hidden = more.length === 0;
      put(find("error"), "");
    } catch (error) {
      put(find("error"), sayError(error));
    }
    this.refresh(this.#route.now);
  }
}

/** Who is who: the stream has ids alone. */
export class Names {
  #api;
  #known = new Map();
  #learnt = false;

  constructor(api) {
    this.#api = api;
  }

  of(id) {
    return this.#known.get(id) ?? id.slice(0, 8);
  }

  /** Seconds of the client's clock, as an age. */
  since(placedAt) {
    return age(Date.now() - (performance.now() / 1000 - placedAt) * 1000);
  }

  know(person) {
    // Where only the username is told, a name that is known stays.
    const isMore = person?.first_name || person?.last_name || !this.#known.has(person?.id);
    if (person?.username && isMore) this.#known.set(person.id, nameOf(person));
  }

  hear(trips) {
    for (const { rider, driver } of trips.values()) {
      this.know(rider);
      this.know(driver);
    }
  }

  async learn() {
    if (this.#learnt) return;
    this.#learnt = true;
    try {
      for (const { driver } of await this.#api.get("/api/drivers", { limit: 100 })) this.know(driver);
    } catch {
      this.#learnt = false; // Ids are shown; asked again by the next look.
    }
  }
}

export function facts(pairs) {
  const list = element("dl", "facts");
  for (const [name, value] of pairs) {
    if (value === null || value === "") continue;
    const definition = element("dd");
    definition.append(value);
    list.append(element("dt", "", name), definition);
  }
  return list;
}
