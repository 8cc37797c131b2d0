// One button that asks before it acts: the question stands where the button stood.

import { button, element, find, put } from "../dom.js";
import { say } from "../words.js";

/** Fill `root`: `ask` the button's text, `question` and `yes` those of the answer. */
export function sure(root, { ask, question, yes, no = "cancel_no", act }) {
  const first = button("quiet bad", say(ask), () => {
    root.replaceChildren(asked);
    confirm.focus();
  });
  const confirm = button("bad", say(yes), async () => {
    confirm.disabled = true;
    await act();
    confirm.disabled = false;
    root.replaceChildren(first);
  });
  const back = button("quiet", say(no), () => {
    root.replaceChildren(first);
    first.focus();
  });
  const asked = element("div", "sure", element("p", "", say(question)), element("div", "row", confirm, back));
  root.replaceChildren(first);
  return () => root.replaceChildren(first);
}

/** Show which of `ids` is up, and nothing else; the focus goes along where it was inside. */
export function showOne(ids, wanted) {
  let hadFocus = false;
  for (const id of ids) {
    const part = find(id);
    if (id !== wanted && !part.hidden && part.contains(document.activeElement)) hadFocus = true;
    part.hidden = id !== wanted;
  }
  if (hadFocus) find(wanted)?.querySelector("h2")?.focus();
}

/** Read aloud, once. */
export function announce(text) {
  put(find("said"), text);
}
