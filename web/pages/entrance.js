// The chat's entrance: which room. It asks; chat.js decides.

import { isRoomName } from "../client/cabrank.js";
import { find } from "./dom.js";

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
