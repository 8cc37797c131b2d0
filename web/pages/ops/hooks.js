// Webhooks, and what became of what was sent to each.

import { button, element, find, put } from "../dom.js";
import { say, sayError, moment } from "../words.js";
import { mark } from "./trip.js";

const SHOWN = 25;

/** The one that is unfolded stands in the address. */
export async function showHooks(api, route) {
  const root = find("hooks");
  let hooks;
  try {
    hooks = await api.get("/api/webhooks");
  } catch (error) {
    put(find("error"), sayError(error));
    return;
  }
  const parts = hooks.map((hook) => part(api, route, hook));
  if (!parts.length) parts.push(element("p", "hint", say("ops_no_hooks")));
  root.replaceChildren(...parts);
}

function part(api, route, { id, url, events, active, ended }) {
  const details = element("details");
  const state = active ? "free" : "offline";
  const word = say(active ? "ops_hook_on" : "ops_hook_off");
  details.append(element("summary", "", `${url} `, mark(word, state)));
  details.append(element("p", "hint", [events.join(", "), ended].filter(Boolean).join(" · ")));
  const list = element("ol", "rows");
  const load = async () => {
    try {
      const sent = await api.get(`/api/webhooks/${id}/deliveries`, { limit: SHOWN });
      list.replaceChildren(...sent.map(row));
      if (!sent.length) list.append(element("li", "hint", say("ops_no_deliveries")));
    } catch (error) {
      put(find("error"), sayError(error));
    }
  };
  details.open = route.now.hook === id;
  details.addEventListener("toggle", () => {
    if (details.open) load();
    if (details.open) route.become({ hook: id });
    else if (route.now.hook === id) route.become({ hook: "" });
  });
  details.append(button("quiet", say("ops_again"), load), list);
  return details;
}

function row({ type, status, attempts, at, error }) {
  const tries = say("ops_tries", { count: attempts });
  const more = [moment(at), tries, error].filter(Boolean).join(" · ");
  const line = element("div", "row-line", element("strong", "", type), mark(say(`delivery_${status}`), status));
  return element("li", "", line, element("span", "more", more));
}
