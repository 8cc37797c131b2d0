// The trips' commands by name. No more than names: what is allowed is the server's to say.

import { newKey } from "./policy.js";

/** @param {{request: Function, tell: Function}} client */
export function tripsOf(client) {
  const about = (type) => (id) => client.request(type, { id });
  return {
    request: (trip) =>
      client.request("trip.request", { idempotency_key: newKey(), ...trip }),
    accept: about("trip.accept"),
    decline: about("trip.decline"),
    arrive: about("trip.arrive"),
    begin: about("trip.begin"),
    complete: about("trip.complete"),
    release: about("trip.release"),
    cancel: (id, reason) =>
      client.request("trip.cancel", reason === undefined ? { id } : { id, reason }),
    get: (id) => client.request("trip.get", { id }, { retry: true }),
    online: () => client.request("driver.online", {}, { retry: true }),
    offline: () => client.request("driver.offline", {}, { retry: true }),
    moved: (position) => client.tell("driver.location", position),
  };
}
