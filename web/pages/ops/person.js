// One user: who they are, where they are logged in, a notice to them, the end of their
// sessions; of a driver also how they are, and their tags.

import { element, find, put } from "../dom.js";
import { sure } from "../ride/sure.js";
import { moment, nameOf, say, sayError, seconds } from "../words.js";
import { facts } from "./lists.js";
import { mark } from "./trip.js";
import { sessionsOf } from "./users.js";

const NEWEST = 10;

export class PersonView {
  #api;
  #route;
  #names;
  #id = "";
  #told = null;

  constructor({ api, route, names }) {
    this.#api = api;
    this.#route = route;
    this.#names = names;
  }

  close() {
    this.#id = "";
  }

  /** `live`: their row of the watch, if there is one. */
  async show(id, live) {
    const isOther = id !== this.#id;
    this.#id = id;
    if (isOther) {
      this.#told = null;
      put(find("person-title"), this.#names.of(id));
      for (const part of ["person-facts", "person-acts", "person-trips", "person-sessions"]) find(part).replaceChildren();
      await this.#get(id);
    } else if (live && live !== this.live) {
      await this.#now(id);
    }
    this.live = live;
  }

  async #get(id) {
    await this.#try(id, async () => {
      const told = await this.#api.get(`/api/users/${encodeURIComponent(id)}`);
      if (id !== this.#id) return;
      this.#told = told;
      this.#names.know(told.user);
      put(find("person-title"), nameOf(told.user));
      find("person-sessions").replaceChildren(...sessionsOf(told, moment));
    });
    if (this.#told?.user.id === id) this.#trips(this.#told.user);
    if (this.#told?.user.id === id) await this.#now(id);
  }

  /** A driver's state; anybody's facts. */
  async #now(id) {
    const told = this.#told;
    if (told?.user.id !== id) return;
    await this.#try(id, async () => {
      const isDriver = told.user.role === "driver";
      const driver = isDriver ? await this.#api.get(`/api/drivers/${encodeURIComponent(id)}`) : null;
      if (id !== this.#id) return;
      this.#facts(told, driver);
      if (!find("person-acts").firstChild) this.#acts(id, driver?.tags ?? null);
    });
  }

  async #try(id, call) {
    try {
      await call();
      put(find("error"), "");
    } catch (error) {
      if (id === this.#id && error.code !== "rate_limited") put(find("error"), sayError(error));
    }
  }

  #facts({ user, region, created }, driver) {
    find("person-facts").replaceChildren(
      facts([
        [say("person_role"), say(user.role)],
        [say("username"), user.username],
        ...(driver ? this.#driver(driver) : []),
        [say("person_region"), region],
        [say("person_since"), moment(created)],
        [say("ops_id"), element("code", "", user.id)],
      ]),
    );
  }

  #driver({ state, position, position_age_s: age, trip, tags }) {
    let link = null;
    if (trip) {
      link = element("a", "", say("ops_show_trip"));
      link.href = this.#route.to({ trip, person: "" });
    }
    const place = position && { lat: position.lat.toFixed(5), lon: position.lon.toFixed(5) };
    return [
      [say("ops_status"), mark(say(`state_${state}`), state)],
      [say("ops_place"), place ? say("place_at", place) : say("ops_nowhere")],
      [say("ops_age"), age === null ? null : seconds(age)],
      [say("ops_trip"), link],
      [say("ops_tags"), tags.join(", ")],
    ];
  }

  /** The newest, of whoever has any. */
  async #trips({ id, role }) {
    if (role === "operator") return;
    await this.#try(id, async () => {
      const trips = await this.#api.get("/api/trips", { [role]: id, limit: NEWEST });
      if (id !== this.#id) return;
      const rows = trips.map((trip) => {
        const link = element("a", "", say("from_to", { from: trip.pick_up_address, to: trip.drop_off_address }));
        link.href = this.#route.to({ trip: trip.id, person: "" });
        return element("li", "", element("time", "", moment(trip.created)), link, mark(say(`status_${trip.status}`), trip.status));
      });
      const list = rows.length ? element("ol", "timeline", ...rows) : element("p", "hint", say("person_no_trips"));
      find("person-trips").replaceChildren(element("h3", "", say("person_trips")), list);
    });
  }

  /** `tags`: null of who is no driver. */
  #acts(id, tags) {
    const act = (call) => async () => {
      put(find("error"), "");
      try {
        await call();
        put(find("said"), say("ops_done"));
        await this.#get(id);
      } catch (error) {
        put(find("error"), sayError(error));
      }
    };
    const wanted = (text) => text.split(/[\s,]+/).filter(Boolean);
    const revoke = element("div");
    sure(revoke, { ask: "ops_revoke", question: "ops_revoke_sure", yes: "ops_revoke_yes", no: "ops_no", act: act(() => this.#api.post(`/api/users/${id}/revoke`)) });
    const tagging = () => field("ops_tags_set", tags.join(", "), (text) => act(() => this.#api.put(`/api/drivers/${id}/tags`, { tags: wanted(text) }))());
    const telling = field("ops_notice", "", (text) => text && act(() => this.#api.post(`/api/users/${id}/notices`, { data: { text } }))(), true);
    find("person-acts").replaceChildren(...(tags ? [tagging()] : []), telling, revoke);
  }
}

function field(name, value, send, empties = false) {
  const form = element("form", "filter");
  form.noValidate = true;
  const input = element("input");
  input.setAttribute("aria-label", say(name));
  input.placeholder = say(name);
  input.value = value;
  const go = element("button", "quiet", say("send"));
  go.type = "submit";
  form.append(input, go);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(input.value.trim());
    if (empties) input.value = "";
  });
  return form;
}
