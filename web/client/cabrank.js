// cabrank's client for browsers. Import from here; the other files are its insides.

export { Account } from "./account.js";
export { Client } from "./client.js";
export { CabrankError } from "./errors.js";
export { Outbox } from "./outbox.js";
export { isRoomName, newKey } from "./policy.js";
