// The chat's entrance: which room. It asks; chat.js decides.

import { isRoomName } from "../client/cabrank.js";
import { find } from "./dom.js";
import { say } from "./words.js";

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
  const rule = say("room_rule");
  find("room-error").textContent = say(room ? "room_bad" : "room_none", { name: shown, rule });
  find("room-hint").hidden = true; // the error says it
  name.setAttribute("aria-invalid", "true");
  name.value = room;
  name.focus();
}
