// /chat and /chat/<room>: who is here and which room decides what is shown.
//
//   no room, or a bad name ─▶ the entrance asks for a room
//   nobody logged in       ─▶ the entrance asks for a log-in
//   both                   ─▶ the room

import { Account, Client, isRoomName } from "../client/cabrank.js";
import { find } from "./dom.js";
import { askForRoom, showRoomError } from "./entrance.js";
import { askForLogIn, explainLogIn } from "./login.js";
import { busy } from "./ride/sure.js";
import { RoomView } from "./view.js";
import { nameOf, say, sayClosed, sayError, translate } from "./words.js";

const EARLIER_LIMIT = 50;
/** A finger has no shift key: there Enter is a new line. */
const TOUCH = matchMedia("(hover: none) and (pointer: coarse)");
const WIDE = matchMedia("(min-width: 48rem)");

/** While these last, they are told. */
const TOLD = new Set(["connecting", "reconnecting"]);

translate();
const wanted = roomOf(location.pathname);
const account = new Account({ changed: () => begin() });
/** `{client, room, view, why}` while somebody is logged in and the room's name is good. */
let visit = null;

askForRoom((room) => location.assign(`/chat/${room}`));
askForLogIn(account);
find("log-out").addEventListener("click", () => account.logOut());
find("connect").addEventListener("click", () => visit?.client.connect());
WIDE.addEventListener("change", unfoldMembers);
unfoldMembers();
prepareComposer();
find("earlier").addEventListener("click", ({ target }) => visit && busy([target], () => showEarlier(visit)));
begin();

/** The room an address names, good or not; null: none. */
function roomOf(path) {
  const name = path.split("/")[2] ?? "";
  try {
    return decodeURIComponent(name) || null;
  } catch {
    return name;
  }
}

/** Show what fits who is logged in. */
function begin() {
  leave();
  const { user } = account;
  const isGood = isRoomName(wanted);
  find("who").textContent = user ? nameOf(user) : "";
  find("who").hidden = find("log-out").hidden = !user;
  find("title").textContent = isGood ? wanted : say("chat");
  document.title = `${isGood ? wanted : say("chat")} · cabrank`;
  find("logging-in").hidden = Boolean(user);
  find("choosing").hidden = isGood;
  find("entrance").hidden = Boolean(user) && isGood;
  find("room").hidden = !find("entrance").hidden;
  if (user) explainLogIn("");
  if (user && isGood) enter(user);
  else if (wanted && !isGood) showRoomError(wanted);
  else find(isGood ? "username" : "room-name").focus();
}

function enter(user) {
  const client = new Client({
    url: location.origin,
    user: user.id,
    getToken: (options) => account.getToken(options),
  });
  const room = client.room(wanted);
  const view = new RoomView(room, user.id);
  visit = { client, room, view, why: "" };
  room.on("change", () => {
    view.show();
    showStatus();
  });
  client.on("state", showStatus);
  client.on("closed", closed);
  room.join();
  client.connect();
  view.show();
  find("text").focus();
}

function leave() {
  const left = visit;
  visit = null;
  left?.client.close();
  left?.view.close();
  find("status").hidden = true;
}

function closed({ code, reason }) {
  if (!visit) return;
  if (code >= 4501 && code <= 4503) {
    explainLogIn(say(`closed_${code}`));
    if (account.user) account.forget();
    return;
  }
  visit.why = sayClosed(code, reason);
  showStatus();
}

function showStatus() {
  if (!visit) return;
  const { client, room } = visit;
  const { state } = client;
  const waiting = room.unsent.filter(({ failed }) => !failed).length;
  let text = TOLD.has(state) ? say(state) : "";
  if (state === "reconnecting" && waiting) {
    text += ` ${say("sent_then", { count: waiting })}`;
  }
  if (state === "open" && room.error) text = say("not_let_in", { why: sayError(room.error) });
  if (state === "closed") text = visit.why;
  const shownState = room.error ? "closed" : state;
  find("status").dataset.state = shownState;
  find("status").hidden = !text && state !== "closed";
  // Said again only where it differs: it is read aloud.
  if (find("status-text").textContent !== text) find("status-text").textContent = text;
  find("connect").hidden = state !== "closed";
  find("compose").hidden = room.error !== null;
}

// ---- writing -------------------------------------------------------------------

function prepareComposer() {
  const text = find("text");
  find("compose").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  text.addEventListener("keydown", (event) => {
    // While a word is being composed (Japanese, for one) Enter chooses it.
    const isSending = event.key === "Enter" && !event.shiftKey && !event.isComposing;
    if (!isSending || TOUCH.matches) return;
    event.preventDefault();
    send();
  });
  text.addEventListener("input", () => {
    complain("");
    fit();
  });
}

function send() {
  const text = find("text");
  if (!visit || !text.value.trim()) return;
  try {
    visit.room.send(text.value);
  } catch (error) {
    complain(error.message);
    return;
  }
  text.value = "";
  complain("");
  fit();
  visit.view.scrollDown();
  text.focus();
}

function complain(message) {
  find("text-error").textContent = message;
  if (message) find("text").setAttribute("aria-invalid", "true");
  else find("text").removeAttribute("aria-invalid");
}

/** As high as its lines, up to what the style allows. */
function fit() {
  const text = find("text");
  text.rows = Math.min(6, text.value.split("\n").length);
}

// ---- reading -------------------------------------------------------------------

async function showEarlier({ room }) {
  const error = find("earlier-error");
  const before = room.messages[0]?.seq;
  error.textContent = "";
  try {
    const query = `limit=${EARLIER_LIMIT}&before=${before}`;
    room.addEarlier(await account.get(`/api/rooms/${room.name}/messages?${query}`));
  } catch (failure) {
    error.textContent = failure.message;
  }
}

function unfoldMembers() {
  find("members").open = WIDE.matches;
}
