// Trips of before, from the HTTP API; asked when somebody unfolds the list.

import { element, find, put } from "../dom.js";
import { say, when } from "../words.js";

const PAGE = 50;

export class History {
  #account;
  /** Which trips to list: newer ones, so that behind one it doesn't want is none. */
  #wants;
  #told;
  #trips = [];
  #asked = 0;

  /** `told(trips)`: what is listed. */
  constructor(account, { wants = () => true, told = () => {} } = {}) {
    this.#account = account;
    this.#wants = wants;
    this.#told = told;
    find("history").addEventListener("toggle", () => find("history").open && this.load());
    find("history-older").addEventListener("click", () => this.#older());
  }

  clear() {
    this.#asked += 1;
    this.#trips = [];
    find("history").open = false;
    find("history-list").replaceChildren();
  }

  /** Anew, where it is in sight. */
  refresh() {
    if (find("history").open) this.load();
  }

  async load() {
    await this.#get("", () => (this.#trips = []));
  }

  #older() {
    const last = this.#trips.at(-1);
    return this.#get(last ? `&before=${last.id}` : "", () => {});
  }

  async #get(more, ready) {
    const asked = ++this.#asked;
    try {
      const page = await this.#account.get(`/api/trips?limit=${PAGE}${more}`);
      if (asked !== this.#asked) return;
      ready();
      this.#trips.push(...page);
      find("history-older").hidden = page.length < PAGE || !page.every(this.#wants);
      put(find("history-error"), "");
    } catch {
      if (asked === this.#asked) put(find("history-error"), say("history_failed"));
    }
    this.#show();
  }

  #show() {
    const wanted = this.#trips.filter(this.#wants);
    const rows = wanted.map((trip) => {
      const way = say("from_to", { from: trip.pick_up_address, to: trip.drop_off_address });
      const at = element("time", "", when(trip.created));
      at.dateTime = trip.created;
      const state = element("span", `badge ${trip.status}`, say(`status_${trip.status}`));
      return element("li", "", element("p", "", way), element("p", "head", at, " · ", state));
    });
    find("history-list").replaceChildren(...rows);
    this.#told(wanted);
    find("history-none").hidden = rows.length > 0 || find("history-error").textContent !== "";
  }
}
