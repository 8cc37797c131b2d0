// The two forms of the entrance: which room, and who. They ask; chat.js decides.

import { CabrankError, isRoomName } from "../client/cabrank.js";

const find = (id) => document.getElementById(id);

const ROOM_RULE = "A room's name is 1 to 64 letters (A to Z), digits, - or _.";

/** @param {(room: string) => void} enter called with a room's name */
export function askForRoom(enter) {
  const name = find("room-name");
  find("room-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const room = name.value.trim();
    if (isRoomName(room)) enter(room);
    else showRoomError(room);
  });
}

export function showRoomError(room) {
  const name = find("room-name");
  const shown = room.length > 70 ? `${room.slice(0, 70)}…` : room;
  find("room-error").textContent = room
    ? `“${shown}” can't be a room's name. ${ROOM_RULE}`
    : `Which room? ${ROOM_RULE}`;
  find("room-hint").hidden = true; // the error says it
  name.setAttribute("aria-invalid", "true");
  name.value = room;
  name.focus();
}

/** @param {import("../client/cabrank.js").Account} account */
export function askForLogIn(account) {
  const form = find("log-in-form");
  const button = find("log-in");
  let isNew = false;

  find("other-way").addEventListener("click", () => {
    isNew = !isNew;
    const verb = isNew ? "Sign up" : "Log in";
    find("log-in-title").textContent = verb;
    button.textContent = verb;
    find("other-way").textContent = isNew ? "Have an account? Log in" : "New here? Sign up";
    find("sign-up-fields").hidden = !isNew;
    find("password-hint").hidden = !isNew;
    find("password").autocomplete = isNew ? "new-password" : "current-password";
    find("log-in-error").textContent = "";
    find("username").focus();
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(form));
    find("log-in-error").textContent = "";
    button.disabled = true;
    try {
      if (isNew) await account.signUp(fields);
      else await account.logIn(fields.username, fields.password);
      form.reset();
    } catch (error) {
      if (!(error instanceof CabrankError)) throw error;
      find("log-in-error").textContent = sentence(error);
      find(error.code === "bad_credentials" ? "password" : "username").focus();
    } finally {
      button.disabled = false;
    }
  });
}

/** `why`: said above the form; "": nothing. */
export function explainLogIn(why) {
  find("log-in-why").textContent = why;
  find("log-in-why").hidden = !why;
}

function sentence({ code, message }) {
  if (code === "bad_credentials") return "Wrong username or password.";
  const text = message[0].toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
