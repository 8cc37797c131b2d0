// A driver's shift: online or not as the server has it, and where the driver is, by the
// browser or by hand. A place by hand is the browser's, so that a second tab says the same.

import { follow, mayAsk } from "./here.js";
import { BY_HAND } from "./kept.js";

export class Shift {
  #client;
  #changed;
  #drive = null;
  #unfollow = null;
  #place = byHand();
  online = false;
  /** Why it is not, where that isn't the driver's own doing: `driver.state`'s `why`. */
  why = null;
  /** `hand`, `browser`, or null: nobody knows where the driver is. */
  source = this.#place ? "hand" : null;
  /** The browser was asked, and doesn't tell. */
  denied = false;

  constructor(client, changed) {
    this.#client = client;
    this.#changed = changed;
    client.on("welcome", ({ online }) => this.#become(Boolean(online), null));
    client.on("driver.state", ({ online, why }) => this.#become(online, why));
    addEventListener("storage", this.#stored);
    mayAsk().then((may) => may && this.useBrowser());
  }

  /** `{lat, lon, heading?}`, or null. */
  get place() {
    return this.#place;
  }

  close() {
    removeEventListener("storage", this.#stored);
    this.#unfollow?.();
    this.#unfollow = null;
    this.#drive = null;
  }

  start() {
    this.#become(true, null);
  }

  /** Resolves once the server knows. */
  async stop() {
    const drive = this.#drive;
    this.#become(false, null, { tell: false });
    if (drive) await drive.stop();
    else await this.#client.trips.offline();
  }

  useBrowser() {
    this.#unfollow?.();
    const moved = (place) => {
      this.denied = false;
      this.#take(place, "browser");
    };
    const lost = () => {
      this.denied = true;
      if (this.source === "browser") this.#take(byHand(), byHand() ? "hand" : null);
      this.#changed();
    };
    this.#unfollow = follow(moved, lost);
  }

  placeByHand({ lat, lon }) {
    const place = { lat: Number(lat.toFixed(5)), lon: Number(lon.toFixed(5)) };
    try {
      localStorage.setItem(BY_HAND, JSON.stringify(place));
    } catch {
      // Forbidden: this tab knows it.
    }
    this.#take(place, "hand");
  }

  #stored = ({ key }) => {
    if (key === BY_HAND && this.source !== "browser") this.#take(byHand(), "hand");
  };

  #take(place, source) {
    this.#place = place;
    this.source = place ? source : null;
    this.#drive?.moved();
    this.#changed();
  }

  #become(online, why, { tell = true } = {}) {
    this.online = online;
    if (online || why) this.why = online ? null : why;
    if (online && !this.#drive) this.#drive = this.#client.drive({ position: () => this.#place });
    if (!online && this.#drive) {
      const drive = this.#drive;
      this.#drive = null;
      if (tell) drive.stop().catch(() => {});
    }
    this.#changed();
  }
}

function byHand() {
  try {
    const { lat, lon } = JSON.parse(localStorage.getItem(BY_HAND));
    return Number.isFinite(lat + lon) ? { lat, lon } : null;
  } catch {
    return null;
  }
}
