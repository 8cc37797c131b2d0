// /rider: two places, a request, and the trip to its end. What is shown follows from the
// trip as the server tells it:
//
//   none ─▶ "where to?"     REQUESTED … IN_PROGRESS ─▶ the trip     ended ─▶ how it ended

import { CityMap } from "../map/map.js";
import { find, put } from "../dom.js";
import { distance, minutes, nameOf, say, sayError, time, when } from "../words.js";
import { alertUser, markTitle } from "./alerts.js";
import { Booking } from "./booking.js";
import { whereAmI } from "./here.js";
import { History } from "./history.js";
import { remember } from "./kept.js";
import { Places } from "./places.js";
import { announce, busy, showOne, sure } from "./sure.js";
import { Talk } from "./talk.js";
import { OwnTrips } from "./trips.js";
import { visit } from "./visit.js";

const PARTS = ["asking-where", "trip", "over"];
/** By status: what stands above the trip. */
const TITLES = {
  REQUESTED: "asking",
  STARTED: "on_the_way",
  ARRIVED: "is_here",
  IN_PROGRESS: "riding",
};
/** Where the rider should look up. */
const ALERTING = new Set(["STARTED", "ARRIVED", "COMPLETED", "CANCELLED", "EXPIRED"]);
const BEFORE_THE_RIDE = new Set(["REQUESTED", "STARTED", "ARRIVED"]);

/** While somebody is logged in: `{client, user, trips, talk, moved}`. */
let here = null;
const map = new CityMap(find("map"));
const places = new Places(map, draw);
const booking = new Booking({ change: fillForm, cancel: cancelBooked });

const uncancel = sure(find("cancel"), {
  ask: "cancel",
  question: "cancel_sure",
  yes: "cancel_yes",
  act: () => act((trip) => here.client.trips.cancel(trip.id)),
});
map.chose = (place) => {
  if (!find("asking-where").hidden) places.choose(place);
};
find("request").addEventListener("submit", (event) => {
  event.preventDefault();
  busy([find("go")], request);
});
find("here").addEventListener("click", locate);
find("over-new").addEventListener("click", () => over(false));
find("over-again").addEventListener("click", () => over(true));
const account = visit("rider", { begin, end });
const history = new History(account);

function begin(client, user, kept) {
  const trips = new OwnTrips(client, {
    isMine: (trip) => trip.rider.id === user.id,
    kept: kept.trips ?? [],
    changed,
  });
  const talk = new Talk(client, user.id, ({ sender, text }) => {
    announce(say("new_message", { name: nameOf(sender), text }));
    alertUser();
  });
  here = { client, user, trips, talk, moved: null };
  client.on("driver.moved", (moved) => {
    const isFirst = here.moved === null;
    here.moved = moved;
    show();
    if (isFirst || !map.sees(moved)) map.fit(whatCounts());
  });
  client.on("state", show);
  show();
}

function end() {
  here?.talk.close();
  here = null;
  history.clear();
  fillForm(null);
  booking.show([]);
  markTitle("");
}

// ---- what is done ---------------------------------------------------------------

async function request() {
  try {
    const where = await places.wanted();
    const besides = where && booking.wanted;
    if (besides) await send({ ...where, ...besides });
  } catch (error) {
    put(find("request-error"), sayError(error));
  }
}

/** A request, or a change of what is booked. */
async function send(wanted) {
  const { trips } = here.client;
  const { changing } = booking;
  const nowhere = { pick_up: null, drop_off: null };
  const trip = await (changing
    ? trips.reschedule(changing.id, { ...nowhere, ...wanted })
    : trips.request(wanted));
  here.trips.take(trip);
  fillForm(null);
  if (trip.status === "SCHEDULED") find("booked").scrollIntoView({ block: "nearest" });
}

/** As `trip` has it, to be changed or asked for again; null: empty. */
function fillForm(trip) {
  places.clear();
  if (trip) {
    places.set("pick_up", trip.pick_up_address, trip.pick_up);
    places.set("drop_off", trip.drop_off_address, trip.drop_off);
    map.fit(places.pins);
    find("pick-up").focus();
  }
  booking.fill(trip);
}

async function cancelBooked(trip) {
  put(find("booked-error"), "");
  try {
    here.trips.take(await here.client.trips.cancel(trip.id));
  } catch (error) {
    put(find("booked-error"), sayError(error));
  }
}

async function act(doing) {
  const trip = here?.trips.active;
  if (!trip) return;
  put(find("trip-error"), "");
  try {
    here.trips.take(await doing(trip));
  } catch (error) {
    put(find("trip-error"), sayError(error));
  }
}

async function locate() {
  try {
    const place = await whereAmI();
    places.set("pick_up", places.addressOf(place), { lat: place.lat, lon: place.lon });
    if (!map.sees(place)) map.fit([place]);
  } catch {
    put(find("request-error"), say("position_denied"));
  }
}

/** Away with the ended trip; its places again, or none. */
function over(again) {
  const trip = here.trips.ended;
  here.trips.forgetEnded();
  fillForm(again ? trip : null);
  find("pick-up").focus();
}

// ---- what is shown --------------------------------------------------------------

function changed(trip, before) {
  if (!here) return;
  remember(here.user.id, { trips: here.trips.all });
  const isNew = trip && trip.status !== before?.status;
  if (isNew && before && ALERTING.has(trip.status)) alertUser();
  if (isNew) {
    here.moved = null;
    uncancel();
    put(find("trip-error"), "");
  }
  show();
  if (isNew) {
    announce(news(trip, before));
    map.fit(whatCounts());
    history.refresh();
  }
}

/** What is read aloud of a trip whose status is another. */
function news({ status, pick_up_at: at }, before) {
  if (status === "SCHEDULED") return say("booked_for", { when: when(at) });
  const isGivenBack = status === "REQUESTED" && before && before.status !== "SCHEDULED";
  if (isGivenBack) return say("released");
  return find(status in TITLES ? "trip-title" : "over-title").textContent;
}

function show() {
  if (!here) return;
  const { active, ended } = here.trips;
  if (active) showTrip(active);
  else if (ended) showEnd(ended);
  showOne(PARTS, active ? "trip" : ended ? "over" : "asking-where");
  booking.show(here.trips.booked);
  here.talk.about(active?.driver ? active : null, active?.driver);
  markTitle(active && active.status !== "REQUESTED" ? find("trip-title").textContent : "");
  draw();
}

function showTrip(trip) {
  const { status } = trip;
  const name = trip.driver ? nameOf(trip.driver) : "";
  put(find("trip-title"), say(TITLES[status], { name }));
  const isAsking = status === "REQUESTED";
  find("trip-busy").hidden = !isAsking;
  const moved = here.moved?.trip === trip.id ? here.moved : null;
  const isKnown = moved?.eta_s != null && moved.distance_m != null;
  const isUnderWay = status === "STARTED" || status === "IN_PROGRESS";
  find("trip-figures").hidden = !isUnderWay || !isKnown;
  if (isKnown) {
    const values = { minutes: minutes(moved.eta_s), distance: distance(moved.distance_m) };
    put(find("trip-figures"), say("minutes_away", values));
  }
  let more = "";
  if (isAsking) more = `${say("asking_more")} ${say("waited", { time: time(trip.updated) })}.`;
  else if (status === "ARRIVED") more = say("is_here_more");
  else if (!moved) more = say("place_unknown");
  put(find("trip-more"), more);
  put(find("trip-from"), trip.pick_up_address);
  put(find("trip-to"), trip.drop_off_address);
  put(find("trip-note"), trip.note ?? "");
  find("cancel").hidden = !BEFORE_THE_RIDE.has(status);
}

function showEnd(trip) {
  const name = trip.driver ? nameOf(trip.driver) : "";
  put(find("over-title"), say(`ended_${trip.status}`));
  put(find("over-more"), say(`ended_${trip.status}_more`, { name }));
  find("over-again").hidden = trip.status === "COMPLETED";
}

function pins() {
  const trip = here?.trips.active;
  if (!trip) return here?.trips.ended ? [] : places.pins;
  const made = ["pick_up", "drop_off"]
    .filter((kind) => trip[kind])
    .map((kind) => ({ id: kind, kind, ...trip[kind] }));
  const { moved } = here;
  if (moved?.trip === trip.id) made.push({ id: trip.driver?.id ?? "car", kind: "car", ...moved });
  return made;
}

/** Of a trip that is under way: the car, and where it goes. */
function whatCounts() {
  const passed = { STARTED: "drop_off", IN_PROGRESS: "pick_up" }[here.trips.active?.status];
  return here.moved ? pins().filter(({ kind }) => kind !== passed) : pins();
}

function draw() {
  map.show(pins());
}
