// Compiled, never run: what cabrank.d.ts allows and forbids.

import { Account, CabrankError, Client, type Trip, isRoomName } from "cabrank-client";

const account = new Account({ url: "https://cab.example", changed() {} });
const client = new Client({
  url: new URL("https://cab.example"),
  getToken: (asked) => account.getToken(asked),
});
client.on("trip.started", (trip: Trip, frame) => [trip.version, frame.seq]);
client.on("closed", ({ code }) => code === 4503);
client.on("of.a.later.server", (data) => data);

export async function ride(): Promise<string> {
  const trip = await client.trips.request({ pick_up_address: "A", drop_off_address: "B" });
  try {
    await client.trips.cancel(trip.id, "late");
    await client.trips.reschedule(trip.id, { pick_up_at: new Date(), note: null });
  } catch (error) {
    if (error instanceof CabrankError && error.code === "wrong_status") return error.message;
  }
  const room = client.room(`trip_${trip.id}`).join();
  room.on("message", ({ text }) => isRoomName(text));
  await room.leave();
  return room.send("Hello");
}

export async function drive(): Promise<void> {
  const shift = client.drive({ position: () => ({ lat: 1, lon: 2 }), everyS: 2 });
  client.offers.on("ended", ({ trip }, why) => [trip.id, why === "taken"]);
  for (const { trip, offer } of client.offers.live) await client.trips.accept(trip.id, offer);
  await client.trips.decline("t", { reason: "too far" });
  await shift.stop();
}

export function supervise(): number {
  const watch = client.watch([43.7, 7.4, 43.8, 7.5]).within(null);
  watch.on("refused", ({ code }) => code === "wrong_role");
  for (const { lat, state } of watch.drivers.values()) if (lat !== null && state === "free") return lat;
  return watch.figures?.free ?? 0;
}

// @ts-expect-error: where the driver is, nobody else knows
client.drive({});
// @ts-expect-error: nobody could log in
export const mute = new Client({});
// @ts-expect-error: no such refusal
export const odd = new CabrankError("too_late", "…");
// @ts-expect-error: operators are made on the command line
account.signUp({ username: "ann", password: "long enough", role: "operator" });
