// Who there is: searched by name and role on the server, since there may be millions.

import { element, find, put } from "../dom.js";
import { nameOf, say, sayError, whole } from "../words.js";
import { Rows } from "./rows.js";

const ROLES = ["rider", "driver", "operator"];
const SHOWN = 100;
/** Of silence before what is typed is asked for. */
const PAUSE_MS = 250;

export class Users {
  #api;
  #route;
  #names;
  #rows = new Rows(find("users"));
  #asked = null;
  #found = [];
  #timer = 0;

  constructor(api, route, names) {
    this.#api = api;
    this.#route = route;
    this.#names = names;
    const options = ROLES.map((role) => new Option(say(role), role));
    find("user-role").append(new Option(say("ops_all"), ""), ...options);
    find("user-filter").addEventListener("submit", (event) => event.preventDefault());
    find("user-name").addEventListener("input", ({ target }) => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => route.become({ q: target.value }), PAUSE_MS);
    });
    find("user-role").addEventListener("change", ({ target }) => route.go({ which: target.value }));
  }

  /** As the address says it. */
  show({ q: name, which: role }) {
    if (document.activeElement !== find("user-name")) find("user-name").value = name;
    find("user-role").value = ROLES.includes(role) ? role : "";
    const asked = `${role} ${name}`;
    if (asked === this.#asked) return;
    this.#asked = asked;
    this.#ask(name.trim(), find("user-role").value, asked);
  }

  /** Ask again the next time. */
  forget() {
    this.#asked = null;
  }

  async #ask(name, role, asked) {
    try {
      const found = await this.#api.get("/api/users", { name, role, limit: SHOWN });
      if (asked !== this.#asked) return;
      this.#found = found;
      put(find("error"), "");
    } catch (error) {
      if (asked !== this.#asked) return;
      this.#asked = null;
      put(find("error"), sayError(error));
      return;
    }
    for (const user of this.#found) this.#names.know(user);
    this.#list();
  }

  #list() {
    const items = this.#found.map((user) => ({
      id: user.id,
      href: this.#route.to({ person: user.id }),
      title: nameOf(user),
      more: user.username,
      mark: say(user.role),
      state: user.role,
    }));
    this.#rows.show(items);
    const count = items.length;
    const all = count < SHOWN ? say("ops_count", { count: whole(count) }) : say("users_first", { count: whole(count) });
    put(find("users-count"), count ? all : say("ops_no_users"));
  }
}

/** Where somebody is logged in: their sessions, or that there are none. */
export function sessionsOf({ sessions, sessions_total: total }, said) {
  const rows = sessions.map(({ id, begun, renewed, expires }) => {
    const times = [say("session_begun", { at: said(begun) }), say("session_expires", { at: said(expires) })];
    if (renewed) times.splice(1, 0, say("session_renewed", { at: said(renewed) }));
    return element("li", "", element("code", "", id.slice(0, 8)), element("span", "more", times.join(" · ")));
  });
  const title = element("h3", "", say("sessions", { count: whole(total) }));
  return [title, rows.length ? element("ol", "timeline", ...rows) : element("p", "hint", say("sessions_none"))];
}
