// The console: one watch of the region, on a map, in tiles and in lists; one trip, driver
// or webhook at a time beside it. What is looked at stands in the address (route.js).

import { element, find, put } from "../dom.js";
import { CityMap } from "../map/map.js";
import { visit } from "../ride/visit.js";
import { say, sayError } from "../words.js";
import { Api } from "./api.js";
import { CellsView } from "./cellsview.js";
import { showHealth } from "./health.js";
import { showHooks } from "./hooks.js";
import { Lists, Names } from "./lists.js";
import { Live } from "./live.js";
import { PersonView } from "./person.js";
import { Route } from "./route.js";
import { Tiles } from "./tiles.js";
import { TripView } from "./trip.js";
import { Users } from "./users.js";

const TABS = ["trips", "drivers", "cells", "users", "hooks", "health"];
const VIEWS = ["list-view", "trip-view", "person-view", "cells-view", "users-view", "hooks-view", "health-view"];
const HEALTH_MS = 5_000;

const route = new Route(() => show());
const live = new Live();
let map = null;
let cells = null;
let watch = null;
let changedAt = null;
let views = null;
let shown = "";

const account = visit("operator", { begin, end });
const api = new Api(account);
const names = new Names(api);
const lists = new Lists(api, route, names);
const users = new Users(api, route, names);
const tiles = new Tiles(() => {
  const open = [...watch.trips.values()].filter(({ status }) => status === "REQUESTED");
  const [oldest] = open.sort((one, other) => one.updated.localeCompare(other.updated));
  if (oldest) route.go({ trip: oldest.id, person: "" });
});
find("tabs").append(
  ...TABS.map((tab) => {
    const link = element("a", "", say(`tab_${tab}`));
    link.dataset.tab = tab;
    return link;
  }),
);
setInterval(() => {
  if (watch && !document.hidden && route.now.tab === "health") showHealth(api, watch, changedAt);
}, HEALTH_MS);
show();

function begin(client, user) {
  // The modules' own parts are made just after the first call.
  queueMicrotask(() => {
    if (!map) {
      map = new CityMap(find("map"));
      map.layers.add(live.draw);
      cells = new CellsView(map, route);
      map.chose = (place) => {
        const found = live.under(map.camera.at(place), map.camera);
        if (found) route.go({ trip: "", person: "", ...found });
      };
    }
    views = {
      trip: new TripView({ api, client, route, names, user }),
      person: new PersonView({ api, route, names }),
    };
    let isFirst = true;
    watch = client.watch();
    watch.on("change", () => {
      changedAt = performance.now();
      names.hear(watch.trips);
      live.set(watch, performance.now());
      if (isFirst && live.places.length) map.fit(live.places);
      isFirst = false;
      map.show([]);
      tiles.show(watch.figures);
      show();
    });
    watch.on("refused", (error) => put(find("error"), sayError(error)));
    show();
  });
}

function end() {
  views?.trip.close();
  views?.person.close();
  views = watch = null;
}

function show() {
  const now = route.now;
  const isTab = TABS.includes(now.tab);
  const wanted = now.trip
    ? "trip-view"
    : now.person
      ? "person-view"
      : isTab && now.tab !== "trips" && now.tab !== "drivers"
        ? `${now.tab}-view`
        : "list-view";
  for (const id of VIEWS) find(id).hidden = id !== wanted;
  for (const link of find("tabs").children) {
    link.href = route.to({ tab: link.dataset.tab, trip: "", person: "", cell: "", q: "", which: "" });
    if (link.dataset.tab === now.tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  for (const id of ["trip-back", "person-back"]) find(id).href = route.to({ trip: "", person: "" });
  const about = `${now.tab} ${now.trip}${now.person}`;
  if (about !== shown) {
    put(find("error"), "");
    find("panel").scrollTop = 0;
    if (shown) find(wanted).querySelector("h2")?.focus();
    if (wanted === "hooks-view" && watch) showHooks(api, route);
    if (wanted === "health-view" && watch) showHealth(api, watch, changedAt);
    users.forget();
  }
  if (watch || !shown) shown = watch ? about : "";
  live.choose(now.trip || now.person);
  map?.refresh();
  if (!watch) return;
  if (wanted === "cells-view") cells.show(watch, now.cell);
  else cells.hide();
  if (now.trip) views.trip.show(now.trip, watch.trips.get(now.trip));
  else if (now.person) views.person.show(now.person, watch.drivers.get(now.person));
  else if (wanted === "list-view") lists.show(watch, now);
  else if (wanted === "users-view") users.show(now);
}
