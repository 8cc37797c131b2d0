// The form that every page asks with who somebody is. It asks; the page decides.

import { CabrankError } from "../client/cabrank.js";
import { element, find } from "./dom.js";
import { say, sayError } from "./words.js";

let isNew = false;
/** Called after a log-in and a sign-up turn into each other. */
let turned = () => {};

/**
 * Fill `#logging-in` with the form.
 * `role`: who signs up here; null: they say so themselves.
 * @param {import("../client/cabrank.js").Account} account
 */
export function askForLogIn(account, role = null) {
  const title = element("h2");
  title.id = "log-in-title";
  const why = element("p", "hint");
  why.id = "log-in-why";
  why.hidden = true;
  const form = element("form");
  form.noValidate = true;
  form.method = "post";
  const username = field("username", "username", { autocomplete: "username", required: true });
  username.input.autocapitalize = "none";
  username.input.spellcheck = false;
  const password = field("password", "password", { type: "password", required: true });
  const passwordHint = element("p", "hint", say("password_hint"));
  passwordHint.id = "password-hint";
  password.input.setAttribute("aria-describedby", "password-hint");
  const more = element("div", "more-fields");
  for (const [id, name] of [["first-name", "first_name"], ["last-name", "last_name"]]) {
    const one = field(id, name, { autocomplete: id === "first-name" ? "given-name" : "family-name" });
    one.label.append(" ", element("span", "hint", say("optional")));
    one.input.maxLength = 150;
    more.append(one.label, one.input);
  }
  if (role === null) more.append(roles());
  const error = element("p", "error");
  error.setAttribute("role", "alert");
  const go = element("button");
  go.type = "submit";
  const other = element("button", "quiet");
  form.append(username.label, username.input, password.label, password.input, passwordHint);
  form.append(more, error, element("div", "row", go, other));
  find("logging-in").replaceChildren(title, why, form);

  turned = () => {
    const verb = say(isNew ? "sign_up" : "log_in");
    title.textContent = verb;
    go.textContent = verb;
    other.textContent = say(isNew ? "have_account" : "new_here");
    more.hidden = passwordHint.hidden = !isNew;
    password.input.autocomplete = isNew ? "new-password" : "current-password";
    error.textContent = "";
  };
  turned();
  other.addEventListener("click", () => {
    isNew = !isNew;
    turned();
    username.input.focus();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(form));
    error.textContent = "";
    go.disabled = true;
    try {
      if (isNew) await account.signUp(role === null ? fields : { ...fields, role });
      else await account.logIn(fields.username, fields.password);
      form.reset();
    } catch (failure) {
      if (!(failure instanceof CabrankError)) throw failure;
      error.textContent = failure.code === "unavailable" ? say("health_gone") : sayError(failure);
      const isOfPassword = failure.code === "bad_credentials" || /^password\b/.test(failure.message);
      (isOfPassword ? password : username).input.focus();
    } finally {
      go.disabled = false;
    }
  });
}

/** `why`: said above the form; "": nothing. */
export function explainLogIn(why) {
  find("log-in-why").textContent = why;
  find("log-in-why").hidden = !why;
}

function field(id, name, attributes) {
  const label = element("label", "", say(name));
  label.htmlFor = id;
  const input = element("input");
  Object.assign(input, { id, name, type: "text", ...attributes });
  return { label, input };
}

function roles() {
  const made = element("fieldset", "", element("legend", "", say("i_am_a")));
  for (const role of ["rider", "driver"]) {
    const input = element("input");
    Object.assign(input, { type: "radio", name: "role", value: role, checked: role === "rider" });
    made.append(element("label", "", input, " ", say(role)));
  }
  return made;
}
