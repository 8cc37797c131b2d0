// What a request may say besides its places: a time and a note. And the rides that are
// booked, each to be changed or cancelled while nobody is asked yet.

import { button, element, find, put } from "../dom.js";
import { say, when } from "../words.js";
import { sure } from "./sure.js";

const DAY_MS = 24 * 3600 * 1000;
/** The protocol's (section 1). */
const AHEAD_MAX_MS = 30 * DAY_MS;

export class Booking {
  /** The booked trip that the form changes; null: it asks for a new one. */
  changing = null;
  #change;
  #cancel;
  #shown = "";

  /** `change(trip)`: into the form with it; `cancel(trip)`: resolves when it is settled. */
  constructor({ change, cancel }) {
    this.#change = change;
    this.#cancel = cancel;
    find("when").addEventListener("input", () => this.#label());
    find("more").addEventListener("toggle", () => this.#bounds());
    find("keep").addEventListener("click", () => change(null));
    this.#label();
  }

  /** `{pick_up_at?, note?}`; null: the time can't be, and that is told. */
  get wanted() {
    this.#bounds();
    const at = find("when");
    if (!at.checkValidity()) {
      put(find("request-error"), say("when_wrong"));
      at.setAttribute("aria-invalid", "true");
      at.focus();
      return null;
    }
    at.removeAttribute("aria-invalid");
    const wanted = {};
    if (at.value) wanted.pick_up_at = new Date(at.value).toISOString();
    const note = find("note").value.trim();
    if (note) wanted.note = note;
    // Of a change: what isn't said is taken away.
    else if (this.changing) wanted.note = null;
    return wanted;
  }

  /** The form as `trip` has it; null: empty. */
  fill(trip) {
    this.changing = trip?.status === "SCHEDULED" ? trip : null;
    find("when").value = this.changing ? local(new Date(trip.pick_up_at)) : "";
    find("when").required = this.changing !== null;
    find("note").value = trip?.note ?? "";
    find("more").open = this.changing !== null || Boolean(trip?.note);
    this.#label();
  }

  /** `trips`: the booked ones, the soonest first. */
  show(trips) {
    // Made anew only where it differs: a question that is open stays.
    const now = JSON.stringify(trips.map(({ id, version }) => [id, version]));
    if (now === this.#shown) return;
    this.#shown = now;
    find("booked").hidden = !trips.length;
    find("booked-list").replaceChildren(...trips.map((trip) => this.#row(trip)));
    if (this.changing && !trips.some(({ id }) => id === this.changing.id)) this.#change(null);
  }

  #row(trip) {
    const way = say("from_to", { from: trip.pick_up_address, to: trip.drop_off_address });
    const at = element("time", "", when(trip.pick_up_at));
    at.dateTime = trip.pick_up_at;
    const cancel = element("div");
    sure(cancel, {
      ask: "cancel",
      question: "cancel_sure",
      yes: "cancel_yes",
      act: () => this.#cancel(trip),
    });
    const change = button("quiet", say("change"), () => this.#change(trip));
    const note = element("p", "hint", trip.note ?? "");
    return element("li", "", element("strong", "", at), element("p", "", way), note, element("div", "row", change, cancel));
  }

  #label() {
    const name = this.changing ? "save_change" : find("when").value ? "book" : "request";
    put(find("go"), say(name));
    find("keep").hidden = this.changing === null;
  }

  #bounds() {
    find("when").min = local(new Date());
    find("when").max = local(new Date(Date.now() + AHEAD_MAX_MS));
  }
}

/** What a field of date and time takes: as the clock on the wall has it. */
function local(date) {
  const shifted = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}
