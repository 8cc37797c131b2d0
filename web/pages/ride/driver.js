// /driver: a shift, offers, and trips step by step. What is shown, the first that holds:
//
//   a trip ─▶ its next step     an offer ─▶ accept or decline     online ─▶ waiting     else ─▶ offline

import { CityMap } from "../map/map.js";
import { distanceM } from "../map/mercator.js";
import { button, element, find, put } from "../dom.js";
import { distance, minutes, nameOf, say, sayError } from "../words.js";
import { alertUser, markTitle } from "./alerts.js";
import { History } from "./history.js";
import { remember } from "./kept.js";
import { OpenTrips } from "./open.js";
import { Ring } from "./ring.js";
import { Shift } from "./shift.js";
import { announce, busy, showOne, sure } from "./sure.js";
import { Talk } from "./talk.js";
import { OwnTrips } from "./trips.js";
import { visit } from "./visit.js";

const PARTS = ["off", "on", "offer", "trip"];
/** By status: the step that comes next. */
const STEPS = { STARTED: "arrive", ARRIVED: "begin", IN_PROGRESS: "complete" };
/** By an offer's end: what is told of it; an accepted one tells itself. */
const OFFER_ENDS = {
  declined: "offer_declined",
  expired: "offer_expired_by",
  taken: "offer_taken",
  cancelled: "offer_cancelled",
  withdrawn: "offer_withdrawn",
};
const OFFLINE_WHYS = { missed_offers: "missed_offers", operator: "by_operator" };
const NEWS_MS = 12_000;

const map = new CityMap(find("map"));
const ring = new Ring(find("ring"));
/** While somebody is logged in: `{client, user, trips, open, shift, talk}`. */
let here = null;
/** The offer on the screen, and when it came (page's clock). */
let shown = null;
let newsTimer = null;
/** The list of open trips on the screen: made anew only where it differs. */
let shownOpen = null;

sure(find("release"), {
  ask: "give_back",
  question: "give_back_sure",
  yes: "give_back_yes",
  act: () => act(({ id }) => here.client.trips.release(id)),
});
map.chose = (place) => here && here.shift.source !== "browser" && here.shift.placeByHand(place);
find("go-online").addEventListener("click", () => {
  find("news").hidden = true;
  here.shift.start();
});
find("go-offline").addEventListener("click", () => attempt(() => here.shift.stop()));
find("here").addEventListener("click", () => here.shift.useBrowser());
find("accept").addEventListener("click", () => answer("accept"));
find("decline").addEventListener("click", () => answer("decline"));
find("step").addEventListener("click", () => act((trip) => here.client.trips[STEPS[trip.status]](trip.id)));
const account = visit("driver", { begin, end, leaving });
const history = new History(account, { wants: isOfToday, told: countToday });

function begin(client, user, kept) {
  const trips = new OwnTrips(client, {
    isMine: (trip) => trip.driver?.id === user.id,
    kept: kept.trips ?? [],
    changed,
  });
  const talk = new Talk(client, user.id, ({ sender, text }) => {
    announce(say("new_message", { name: nameOf(sender), text }));
    alertUser();
  });
  here = { client, user, trips, talk };
  here.open = new OpenTrips(client, show);
  here.shift = new Shift(client, moved);
  client.offers.on("change", show);
  client.offers.on("offered", offered);
  client.offers.on("ended", (offer, why) => why in OFFER_ENDS && news(say(OFFER_ENDS[why])));
  show();
}

function end() {
  here?.talk.close();
  here?.shift.close();
  here = null;
  shown = null;
  ring.stop();
  history.clear();
  markTitle("");
}

/** Who logs out is at home: no offers for a page that nobody looks at. */
async function leaving() {
  if (here?.shift.online && here.client.state === "open") await here.shift.stop().catch(() => {});
}

// ---- what is done ---------------------------------------------------------------

async function attempt(doing) {
  put(find("error"), "");
  try {
    return await doing();
  } catch (error) {
    put(find("error"), sayError(error));
    return null;
  }
}

async function act(doing) {
  const trip = here?.trips.active;
  if (!trip) return;
  const after = await busy([find("step")], () => attempt(() => doing(trip)));
  if (after) here.trips.take(after);
}

async function answer(what) {
  const [offer] = here.client.offers.live;
  if (!offer) return;
  const { id } = offer.trip;
  const { trips } = here.client;
  const answered = () =>
    what === "accept" ? trips.accept(id, offer.offer) : trips.decline(id, { offer: offer.offer });
  const after = await busy([find("accept"), find("decline")], () => attempt(answered));
  if (after) here.trips.take(after);
}

async function takeOpen(trip) {
  const after = await attempt(() => here.client.trips.accept(trip.id));
  if (after) here.trips.take(after);
}

// ---- what is shown --------------------------------------------------------------

function offered(offer) {
  const values = figuresOf(offer);
  announce(say("offer_said", { ...values, address: offer.trip.pick_up_address }));
  alertUser();
  map.fit(pins());
}

function changed(trip, before) {
  if (!here) return;
  remember(here.user.id, { trips: here.trips.all.filter(({ status }) => status in STEPS) });
  show();
  if (!trip || trip.status === before?.status) return;
  put(find("error"), "");
  const isGiven = trip.driver?.id !== here.user.id;
  if (isGiven) news(say("trip_over_given"));
  else if (!(trip.status in STEPS)) news(say(`trip_over_${trip.status}`));
  else {
    announce(find("trip-title").textContent);
    map.fit(whatCounts(trip));
  }
  if (trip.status === "CANCELLED") alertUser();
  history.refresh();
}

/** The shift is another, or the driver is elsewhere. */
function moved() {
  show();
  const place = here?.shift?.place;
  const { active } = here?.trips ?? {};
  if (place && active && !map.sees(place)) map.fit(whatCounts(active));
}

/** Of a trip: the car, and where it goes. */
function whatCounts({ status }) {
  const passed = status === "IN_PROGRESS" ? "pick_up" : "drop_off";
  return pins().filter(({ kind }) => kind !== passed);
}

function show() {
  if (!here?.shift) return;
  const { shift, trips, client } = here;
  const { active } = trips;
  const [offer] = client.offers.live;
  const part = active ? "trip" : offer ? "offer" : shift.online ? "on" : "off";
  if (active) showTrip(active);
  showOffer(part === "offer" ? offer : null);
  if (part === "on") showOpen();
  const why = OFFLINE_WHYS[shift.why];
  if (part === "off" && why) news(say(why), { stays: true });
  showWhere(part);
  showOne(PARTS, part);
  here.talk.about(active, active?.rider);
  markTitle(offer && part === "offer" ? say("offer") : "");
  map.show(pins());
}

function showTrip(trip) {
  put(find("trip-title"), say(`trip_${trip.status}`, { name: nameOf(trip.rider) }));
  put(find("step"), say(`step_${trip.status}`));
  put(find("trip-from"), trip.pick_up_address);
  put(find("trip-to"), trip.drop_off_address);
  put(find("trip-note"), trip.note ?? "");
  find("release").hidden = trip.status === "IN_PROGRESS";
  const to = trip.status === "IN_PROGRESS" ? trip.drop_off : trip.pick_up;
  const { place } = here.shift;
  const isKnown = Boolean(to && place) && trip.status !== "ARRIVED";
  find("trip-figures").hidden = !isKnown;
  if (isKnown) put(find("trip-figures"), distance(distanceM(place, to)));
}

function figuresOf({ pick_up_distance_m: metres, pick_up_eta_s: seconds }) {
  return { distance: distance(metres), minutes: minutes(seconds) };
}

function showOffer(offer) {
  if (offer?.offer === shown) return;
  shown = offer?.offer ?? null;
  if (!offer) {
    ring.stop();
    return;
  }
  ring.start(offer.expires_in_ms, Math.max(offer.expires_in_ms, lifeMs(offer)));
  put(find("offer-figures"), say("to_pick_up", figuresOf(offer)));
  put(find("offer-from"), offer.trip.pick_up_address);
  put(find("offer-to"), offer.trip.drop_off_address);
  put(find("offer-note"), offer.trip.note ?? "");
}

/** Of an offer that came with `welcome` a part may be over: its whole life isn't told. */
function lifeMs({ expires_in_ms: leftMs }) {
  return leftMs > 15_000 ? leftMs : 15_000;
}

function showOpen() {
  put(find("on-more"), say("waiting"));
  if (here.open.all === shownOpen) return;
  shownOpen = here.open.all;
  const rows = shownOpen.map((trip) => {
    const way = say("from_to", { from: trip.pick_up_address, to: trip.drop_off_address });
    const take = button("", say("take"), () => takeOpen(trip));
    return element("li", "open-trip", element("p", "", way), take);
  });
  find("open").hidden = !rows.length;
  find("open-list").replaceChildren(...rows);
}

function showWhere(part) {
  const { source, denied } = here.shift;
  find("where").hidden = part === "offer" || part === "off" || (part === "trip" && source === "browser");
  find("where-title").hidden = source !== null;
  let text = say("where_are_you_more");
  if (source === "hand") text = say("by_hand");
  else if (source === "browser") text = say("by_browser");
  else if (denied) text = say("position_denied");
  put(find("where-more"), text);
  find("here").hidden = source === "browser";
}

function news(text, { stays = false } = {}) {
  clearTimeout(newsTimer);
  find("news").hidden = false;
  put(find("news"), text);
  announce(text);
  if (!stays) newsTimer = setTimeout(() => (find("news").hidden = true), NEWS_MS);
}

function countToday(trips) {
  const count = trips.filter(({ status }) => status === "COMPLETED").length;
  put(find("history-count"), count ? say("today_count", { count }) : "");
}

function isOfToday({ created }) {
  return new Date(created).toDateString() === new Date().toDateString();
}

function pins() {
  const made = [];
  const trip = here?.trips.active ?? here?.client.offers.live[0]?.trip;
  for (const kind of ["pick_up", "drop_off"]) {
    if (trip?.[kind]) made.push({ id: kind, kind, ...trip[kind] });
  }
  const place = here?.shift?.place;
  if (place) made.push({ id: "me", kind: trip ? "car" : "me", ...place });
  return made;
}
