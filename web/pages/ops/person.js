// One driver: how they are, their tags, a notice to them, and the end of their sessions.

import { element, find, put } from "../dom.js";
import { sure } from "../ride/sure.js";
import { nameOf, say, sayError, seconds } from "../words.js";
import { facts } from "./lists.js";
import { mark } from "./trip.js";

export class PersonView {
  #api;
  #route;
  #names;
  #id = "";

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
      put(find("person-title"), this.#names.of(id));
      find("person-facts").replaceChildren();
      find("person-acts").replaceChildren();
      await this.#get(id);
    } else if (live && live !== this.live) {
      await this.#get(id);
    }
    this.live = live;
  }

  async #get(id) {
    try {
      const told = await this.#api.get(`/api/drivers/${encodeURIComponent(id)}`);
      if (id !== this.#id) return;
      this.#names.know(told.driver);
      put(find("person-title"), nameOf(told.driver));
      this.#facts(told);
      if (!find("person-acts").firstChild) this.#acts(told);
      put(find("error"), "");
    } catch (error) {
      if (id === this.#id && error.code !== "rate_limited") put(find("error"), sayError(error));
    }
  }

  #facts({ driver, state, position, position_age_s: age, trip, tags }) {
    let link = null;
    if (trip) {
      link = element("a", "", say("ops_show_trip"));
      link.href = this.#route.to({ trip, person: "" });
    }
    find("person-facts").replaceChildren(
      facts([
        [say("ops_status"), mark(say(`state_${state}`), state)],
        [say("ops_place"), position ? say("place_at", { lat: position.lat.toFixed(5), lon: position.lon.toFixed(5) }) : say("ops_nowhere")],
        [say("ops_age"), age === null ? null : seconds(age)],
        [say("ops_trip"), link],
        [say("ops_tags"), tags.join(", ")],
        [say("ops_id"), element("code", "", driver.id)],
      ]),
    );
  }

  #acts({ driver, tags }) {
    const { id } = driver;
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
    find("person-acts").replaceChildren(
      field("ops_tags_set", tags.join(", "), (text) => act(() => this.#api.put(`/api/drivers/${id}/tags`, { tags: wanted(text) }))()),
      field("ops_notice", "", (text) => text && act(() => this.#api.post(`/api/users/${id}/notices`, { data: { text } }))(), true),
      revoke,
    );
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
