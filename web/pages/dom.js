// Making and finding elements. What people wrote goes in as text, never as HTML.

export const find = (id) => document.getElementById(id);

/** `children`: elements and texts. */
export function element(tag, className = "", ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (tag === "button") made.type = "button";
  made.append(...children);
  return made;
}

export function button(className, text, act) {
  const made = element("button", className, text);
  made.addEventListener("click", act);
  return made;
}

/** Only where it differs: what is read aloud isn't read twice. */
export function put(target, text) {
  if (target.textContent !== text) target.textContent = text;
}
