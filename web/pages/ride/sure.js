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
    await busy([confirm], act);
    reset();
  });
  const back = button("quiet", say(no), () => {
    root.replaceChildren(first);
    first.focus();
  });
  const asked = element("div", "sure", element("p", "", say(question)), element("div", "row", confirm, back));
  root.replaceChildren(first);
  const reset = () => {
    const hadFocus = root.contains(document.activeElement);
    root.replaceChildren(first);
    if (hadFocus) first.focus({ preventScroll: true });
  };
  return reset;
}

/** Once at a time: `buttons` do nothing meanwhile, and keep the focus that `disabled` would take. */
export async function busy(buttons, doing) {
  if (buttons.some((each) => each.ariaDisabled === "true")) return null;
  for (const each of buttons) each.ariaDisabled = "true";
  try {
    return await doing();
  } finally {
    for (const each of buttons) each.ariaDisabled = null;
  }
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
