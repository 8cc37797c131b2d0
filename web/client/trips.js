// The trips' commands by name. No more than names: what is allowed is the server's to say.

import { newKey } from "./policy.js";

/** @param {{request: Function, tell: Function}} client */
export function tripsOf(client) {
  const about = (type) => (id) => client.request(type, { id });
  return {
    request: (trip) =>
      client.request("trip.request", { idempotency_key: newKey(), ...trip }),
    accept: (id, offer) => client.request("trip.accept", { id, offer }),
    decline: (id, { offer, reason } = {}) =>
      client.request("trip.decline", { id, offer, reason }),
    assign: (id, driver) => client.request("trip.assign", { id, driver }),
    arrive: about("trip.arrive"),
    begin: about("trip.begin"),
    complete: about("trip.complete"),
    release: about("trip.release"),
    cancel: (id, reason) =>
      client.request("trip.cancel", reason === undefined ? { id } : { id, reason }),
    reschedule: (id, changes) => client.request("trip.reschedule", { ...changes, id }),
    get: (id) => client.request("trip.get", { id }, { retry: true }),
    online: ({ offers } = {}) =>
      client.request("driver.online", { offers }, { retry: true }),
    offline: () => client.request("driver.offline", {}, { retry: true }),
    moved: (position) => client.tell("driver.location", position),
  };
}
