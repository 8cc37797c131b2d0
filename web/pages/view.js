// Shows one room: its log, its members, what is unsent. Reads the room, changes only the
// page; everything that people wrote goes in as text, never as HTML.

import { button, element, find } from "./dom.js";
import { date, nameOf, say, time } from "./words.js";

/** A message so soon after the same sender's last one is shown without its name. */
const CONTINUED_MS = 5 * 60 * 1000;
/** So near to the end counts as the end. */
const NEAR_PX = 60;

export class RoomView {
  #room;
  #me;
  #shown = [];
  #log = find("log");
  #scroll = find("scroll");
  #newest = find("newest");
  #unsentShown = "";
  /** Whether the newest message was in sight when somebody last scrolled. */
  #isAtEnd = true;
  #follow = () => this.scrollDown();
  #resized = () => this.#isAtEnd && this.scrollDown();
  #scrolled = () => {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (this.#isAtEnd) this.#newest.hidden = true;
  };

  /** `me`: the id of the user who looks. */
  constructor(room, me) {
    this.#room = room;
    this.#me = me;
    this.#log.setAttribute("aria-busy", "true");
    this.#log.replaceChildren();
    this.#scroll.addEventListener("scroll", this.#scrolled);
    this.#newest.addEventListener("click", this.#follow);
    addEventListener("resize", this.#resized);
  }

  close() {
    this.#scroll.removeEventListener("scroll", this.#scrolled);
    this.#newest.removeEventListener("click", this.#follow);
    removeEventListener("resize", this.#resized);
    this.#newest.hidden = true;
    this.#log.replaceChildren();
    find("unsent").replaceChildren();
    find("member-list").replaceChildren();
    find("members-count").textContent = say("members");
  }

  show() {
    const isAtEnd = this.#isAtEnd;
    const hadLast = this.#shown.at(-1)?.seq ?? 0;
    this.#showLog();
    this.#showUnsent();
    this.#showMembers();
    const first = this.#shown[0];
    find("earlier-row").hidden = !first || first.seq <= 1;
    find("empty").hidden = !this.#room.joined || this.#shown.length > 0;
    // History is read by those who look for it; only what comes now is read aloud.
    if (this.#room.joined) this.#log.setAttribute("aria-busy", "false");
    if (isAtEnd) this.scrollDown();
    else if ((this.#shown.at(-1)?.seq ?? 0) > hadLast) this.#newest.hidden = false;
  }

  #showLog() {
    const messages = this.#room.messages;
    if (messages === this.#shown) return;
    const before = this.#shown;
    this.#shown = messages;
    const added = messages.length - before.length;
    if (added > 0 && messages[before.length - 1] === before.at(-1)) {
      for (let at = before.length; at < messages.length; at += 1) this.#append(at);
      return;
    }
    const fromEnd = this.#scroll.scrollHeight - this.#scroll.scrollTop;
    this.#log.setAttribute("aria-busy", "true");
    this.#log.replaceChildren();
    messages.forEach((_, at) => this.#append(at));
    // What was in sight stays there when earlier messages come in above it.
    this.#scroll.scrollTop = this.#scroll.scrollHeight - fromEnd;
  }

  #append(at) {
    const message = this.#shown[at];
    const previous = this.#shown[at - 1];
    const day = date(message.at);
    const isNewDay = !previous || date(previous.at) !== day;
    if (isNewDay) this.#log.append(element("p", "day", day));
    const isContinued =
      !isNewDay &&
      previous.sender.id === message.sender.id &&
      Date.parse(message.at) - Date.parse(previous.at) < CONTINUED_MS;
    const isMine = message.sender.id === this.#me;
    const row = element("div", `message${isMine ? " mine" : ""}${isContinued ? " continued" : ""}`);
    const head = element("p", "head");
    const clock = element("time", "", time(message.at));
    clock.dateTime = message.at;
    head.append(element("span", "sender", nameOf(message.sender)), " ", clock);
    row.title = clock.textContent;
    row.append(head, element("p", "text", message.text));
    this.#log.append(row);
  }

  #showUnsent() {
    // Made anew only where it differs: a button keeps the focus it has.
    const entries = JSON.stringify(this.#room.unsent);
    if (entries === this.#unsentShown) return;
    this.#unsentShown = entries;
    const rows = this.#room.unsent.map((entry) => {
      const row = element("li", `message mine ${entry.failed ? "failed" : "waiting"}`);
      row.append(element("p", "text", entry.text));
      const state = element("p", "head");
      if (!entry.failed) {
        state.append(say("not_sent_yet"));
      } else {
        state.append(element("span", "", say("not_sent", { why: entry.failed.message })));
        const again = button("quiet", say("send_again"), () => this.#room.retry(entry.key));
        const discard = button("quiet", say("discard"), () => this.#room.discard(entry.key));
        state.append(again, discard);
      }
      row.append(state);
      return row;
    });
    find("unsent").replaceChildren(...rows);
  }

  #showMembers() {
    const members = this.#room.members
      .map((user) => ({ name: nameOf(user), isMe: user.id === this.#me }))
      .sort((one, other) => one.name.localeCompare(other.name));
    const count = members.length;
    find("members-count").textContent = count ? say("member_count", { count }) : say("members");
    const rows = members.map(({ name, isMe }) =>
      element("li", "", isMe ? say("name_you", { name }) : name),
    );
    find("member-list").replaceChildren(...rows);
  }

  scrollDown() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#isAtEnd = true;
    this.#newest.hidden = true;
  }
}
