// A rider's or a driver's page: who is logged in, and their one session with the server.
//
//   nobody            ─▶ the log-in
//   of another role   ─▶ told so, with the way to their page
//   else              ─▶ `begin(client, user)`, until `end()`
//
// What the page came with last is kept (kept.js), so that a reload, also one without a
// network, shows the trip at once and then hears what it missed.

import { Account, Client } from "../../client/cabrank.js";
import { button, element, find, put } from "../dom.js";
import { askForLogIn, explainLogIn } from "../login.js";
import { nameOf, say, sayClosed, translate } from "../words.js";
import { forget, recall, remember } from "./kept.js";

const PAGES = { rider: "/rider", driver: "/driver", operator: "/ops" };
const [ENDED_MIN, ENDED_MAX] = [4501, 4503];

/**
 * `role`: whose page it is. `begin(client, user, kept)`: shows it. `end()`: nobody is here
 * any more. `leaving()`: before a log-out, while there is a connection still.
 */
export function visit(role, { begin, end, leaving = async () => {} }) {
  let client = null;
  let why = "";
  /** The one that is kept. */
  let cursor = null;
  translate();
  document.title = `${say(`${role}_title`)} · cabrank`;
  const account = new Account({ changed: () => show() });
  askForLogIn(account, role);
  find("log-out").addEventListener("click", async () => {
    await leaving();
    account.logOut();
  });
  find("connect").addEventListener("click", () => client?.connect());
  show();
  registerShell();
  return account;

  function show() {
    if (client) {
      client.close();
      client = null;
      end();
    }
    const { user } = account;
    put(find("who"), user ? nameOf(user) : "");
    find("who").hidden = find("log-out").hidden = !user;
    const isWelcome = user?.role === role;
    find("entrance").hidden = isWelcome;
    find("logging-in").hidden = Boolean(user);
    find("other-role").hidden = !user || isWelcome;
    find("place").hidden = !isWelcome;
    find("status").hidden = true;
    if (user && !isWelcome) showOtherRole(user);
    if (!user) {
      forget();
      find("username").focus();
    }
    if (isWelcome) open(user);
  }

  function open(user) {
    explainLogIn("");
    const kept = recall(user.id);
    client = new Client({
      url: location.origin,
      user: user.id,
      since: kept.cursor,
      getToken: (options) => account.getToken(options),
    });
    client.on("state", showStatus);
    client.on("closed", closed);
    client.on("*", keep);
    client.on("welcome", keep);
    begin(client, user, kept);
    client.connect();
    showStatus();
  }

  function keep() {
    if (!client?.user || client.cursor === cursor) return;
    cursor = client.cursor;
    remember(client.user.id, { cursor });
  }

  function closed({ code, reason }) {
    if (code >= ENDED_MIN && code <= ENDED_MAX) {
      if (account.user) account.forget();
      explainLogIn(say(`closed_${code}`));
      return;
    }
    why = sayClosed(code, reason);
    showStatus();
  }

  function showStatus() {
    const state = client?.state ?? "idle";
    const text = { connecting: say("connecting"), reconnecting: say("reconnecting"), closed: why };
    find("status").dataset.state = state;
    find("status").hidden = !text[state];
    put(find("status-text"), text[state] ?? "");
    find("connect").hidden = state !== "closed";
    document.body.dataset.connection = state;
  }

  function showOtherRole(user) {
    const name = nameOf(user);
    const text = say("wrong_role", { name, role: say(user.role), wanted: say(role) });
    const link = element("a", "button", say("to_my_page"));
    link.href = PAGES[user.role];
    const out = button("quiet", say("log_out"), () => account.logOut());
    find("other-role").replaceChildren(element("p", "", text), element("div", "row", link, out));
  }
}

/** The page itself without a network; nothing of what it shows is kept there. */
function registerShell() {
  if (!navigator.serviceWorker) return;
  const url = "/static/pages/shell.js";
  // Where the browser asks who makes addresses of scripts: we, and of this one alone.
  const trusted = globalThis.trustedTypes?.createPolicy("shell", {
    createScriptURL: (asked) => {
      if (asked !== url) throw new TypeError("not the shell");
      return asked;
    },
  });
  const script = trusted ? trusted.createScriptURL(url) : url;
  navigator.serviceWorker.register(script, { scope: "/", type: "module" }).catch(() => {
    // Private windows forbid it: the page works, but not without a network.
  });
}
