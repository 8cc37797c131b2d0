// The conversation of a trip, folded away until somebody wants it.

import { button, element, find, put } from "../dom.js";
import { nameOf, say, time } from "../words.js";

export class Talk {
  #client;
  #me;
  #room = null;
  #unread = 0;
  #off = [];
  /** Told of a message of the other's. */
  #heard;

  constructor(client, me, heard) {
    this.#client = client;
    this.#me = me;
    this.#heard = heard;
    find("talk").addEventListener("toggle", () => this.#show());
    find("talk-form").addEventListener("submit", this.#send);
  }

  /** With whom of which trip; `trip` null: with nobody. */
  about(trip, other) {
    const name = trip && other ? `trip_${trip.id}` : null;
    if (name !== (this.#room?.name ?? null)) this.#enter(name);
    find("talk").hidden = name === null;
    if (other) put(find("talk-title"), say("chat_with", { name: nameOf(other) }));
  }

  close() {
    this.#enter(null);
    find("talk-form").removeEventListener("submit", this.#send);
  }

  #enter(name) {
    for (const off of this.#off) off();
    this.#off = [];
    this.#room = null;
    this.#unread = 0;
    find("talk").open = false;
    find("talk-log").replaceChildren();
    if (name === null) return;
    this.#room = this.#client.room(name).join();
    this.#off = [
      this.#room.on("change", () => this.#show()),
      this.#room.on("message", (message) => this.#take(message)),
    ];
    this.#show();
  }

  #take(message) {
    if (message.sender.id === this.#me) return;
    if (!find("talk").open) this.#unread += 1;
    this.#heard(message);
    this.#show();
  }

  #show() {
    if (!this.#room) return;
    if (find("talk").open) this.#unread = 0;
    put(find("talk-unread"), this.#unread ? say("unread", { count: this.#unread }) : "");
    const rows = this.#room.messages.map((message) => {
      const isMine = message.sender.id === this.#me;
      const who = isMine ? say("you") : nameOf(message.sender);
      const head = element("p", "head", `${who} · ${time(message.at)}`);
      return element("div", isMine ? "said mine" : "said", head, element("p", "text", message.text));
    });
    for (const entry of this.#room.unsent) rows.push(this.#unsent(entry));
    if (!rows.length) rows.push(element("p", "hint", say("no_messages")));
    find("talk-log").replaceChildren(...rows);
    find("talk-log").scrollTop = find("talk-log").scrollHeight;
    find("talk-form").hidden = this.#room.error !== null;
  }

  #unsent(entry) {
    const row = element("div", "said mine waiting", element("p", "text", entry.text));
    if (!entry.failed) {
      row.append(element("p", "head", say("not_sent_yet")));
      return row;
    }
    const again = button("quiet", say("send_again"), () => this.#room.retry(entry.key));
    const discard = button("quiet", say("discard"), () => this.#room.discard(entry.key));
    const why = say("not_sent", { why: entry.failed.message });
    row.append(element("p", "error", why), element("div", "row", again, discard));
    return row;
  }

  #send = (event) => {
    event.preventDefault();
    const text = find("talk-text");
    if (!this.#room || !text.value.trim()) return;
    try {
      this.#room.send(text.value);
    } catch (error) {
      put(find("talk-error"), error.message);
      return;
    }
    put(find("talk-error"), "");
    text.value = "";
    text.focus();
  };
}
