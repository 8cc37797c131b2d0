// The two places of a ride: what is typed, and where it is on the map. A street that the
// map knows has a place by its name; a place that was chosen has a name by its street.

import { find, put } from "../dom.js";
import { say } from "../words.js";

const NAMES = ["pick_up", "drop_off"];
const IDS = { pick_up: "pick-up", drop_off: "drop-off" };

export class Places {
  #map;
  #changed;
  /** By name: `{lat, lon}`, or null: words alone. */
  #at = { pick_up: null, drop_off: null };
  /** By name: the address that has a place, and the place. */
  #known = { pick_up: null, drop_off: null };
  /** Which one a click on the map means. */
  #turn = "pick_up";

  constructor(map, changed) {
    this.#map = map;
    this.#changed = changed;
    for (const name of NAMES) {
      const input = this.#input(name);
      input.addEventListener("focus", () => this.#next(name));
      input.addEventListener("change", () => this.#typed(name));
      input.addEventListener("input", () => input.value || this.set(name, "", null));
    }
    this.#next("pick_up");
    map.ready.then(() => this.#offerStreets());
  }

  #input(name) {
    return find(IDS[name]);
  }

  #next(name) {
    this.#turn = name;
    for (const each of NAMES) {
      this.#input(each).closest(".stop").classList.toggle("turn", each === name);
    }
  }

  #offerStreets() {
    const names = [...(this.#map.streets?.names ?? [])].sort((a, b) => a.localeCompare(b));
    const options = names.map((value) => Object.assign(document.createElement("option"), { value }));
    find("streets").replaceChildren(...options);
    // What was typed before is a street only now.
    for (const name of NAMES) this.#typedNow(name);
  }

  #typed(name) {
    const text = this.#input(name).value.trim();
    const place = this.#map.streets?.placeOf(text) ?? null;
    const known = this.#known[name];
    if (place || !known || !text.includes(known.address)) this.set(name, text, place);
    // A number, or a floor, beside the street that was chosen: the place is the same.
    else this.set(name, text, known.place, known);
  }

  /** A place on the map, for the one whose turn it is. */
  choose(place) {
    const name = this.#turn;
    this.set(name, this.addressOf(place), rounded(place));
    if (name === "pick_up" && !this.#input("drop_off").value) this.#next("drop_off");
  }

  addressOf(place) {
    const name = this.#map.streets?.nameAt(place);
    const { lat, lon } = rounded(place);
    return name ?? say("place_at", { lat, lon });
  }

  set(name, address, place, known = place && { address, place }) {
    this.#input(name).value = address;
    this.#at[name] = place;
    this.#known[name] = known;
    this.#hint();
    put(find("request-error"), "");
    this.#input(name).removeAttribute("aria-invalid");
    this.#changed();
  }

  /** Below the button: what comes and goes above it would move it under a finger. */
  #hint() {
    const isWord = (name) => this.#input(name).value && !this.#at[name];
    put(find("place-hint"), say(NAMES.some(isWord) ? "no_place" : "place_hint"));
  }

  clear() {
    for (const name of NAMES) this.set(name, "", null);
    this.#next("pick_up");
  }

  get pins() {
    return NAMES.filter((name) => this.#at[name]).map((name) => ({
      id: name,
      kind: name,
      ...this.#at[name],
    }));
  }

  /** What `trip.request` takes, once the streets are here; null: told what is missing. */
  async wanted() {
    await this.#map.ready;
    for (const name of NAMES) {
      this.#typedNow(name);
      if (this.#input(name).value.trim()) continue;
      put(find("request-error"), say(`need_${name}`));
      this.#input(name).setAttribute("aria-invalid", "true");
      this.#input(name).focus();
      return null;
    }
    const wanted = {};
    for (const name of NAMES) {
      wanted[`${name}_address`] = this.#input(name).value.trim();
      if (this.#at[name]) wanted[name] = this.#at[name];
    }
    return wanted;
  }

  /** Enter in a field sends the form before the field says that it has changed. */
  #typedNow(name) {
    if (!this.#at[name] && this.#input(name).value.trim()) this.#typed(name);
  }
}

/** To a metre or so: more is nobody's business. */
function rounded({ lat, lon }) {
  return { lat: Number(lat.toFixed(5)), lon: Number(lon.toFixed(5)) };
}
