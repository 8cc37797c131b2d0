// A list that is shown anew each second and stays where the reader is: rows are kept by
// id, so focus, scrolling and what is read aloud don't jump.

import { element } from "../dom.js";

export const ROWS_MAX = 200;

export class Rows {
  #root;
  #rows = new Map();

  constructor(root) {
    this.#root = root;
  }

  /** `items`: `{id, href, title, more, mark}`, in order; the first 200 are shown. */
  show(items) {
    const rows = new Map();
    for (const item of items.slice(0, ROWS_MAX)) rows.set(item.id, this.#row(item));
    const held = this.#root.contains(document.activeElement) ? document.activeElement : null;
    const at = [...this.#root.children].findIndex((row) => row.contains(held));
    for (const [id, { row }] of this.#rows) if (!rows.has(id)) row.remove();
    let place = this.#root.firstChild;
    for (const { row } of rows.values()) {
      if (row === place) place = place.nextSibling;
      else this.#root.insertBefore(row, place);
    }
    this.#rows = rows;
    // A row that was put elsewhere has lost the focus; of one that went, the next takes it.
    if (!held || held === document.activeElement) return;
    const next = [...rows.values()].at(Math.min(at, rows.size - 1));
    (held.isConnected ? held : next?.link)?.focus({ preventScroll: true });
  }

  #row(item) {
    const said = JSON.stringify(item);
    const known = this.#rows.get(item.id);
    if (known?.said === said) return known;
    const row = known?.row ?? element("li");
    const link = known?.link ?? element("a");
    link.href = item.href;
    if (item.isChosen) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    const mark = element("span", "mark", item.mark);
    mark.dataset.state = item.state;
    link.replaceChildren(element("strong", "", item.title), element("span", "more", item.more), mark);
    if (!known) row.append(link);
    return { row, link, said };
  }
}
