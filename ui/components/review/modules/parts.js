// Small parts that several tabs draw.

import { element, text } from "../grid/dom.js";
import { say } from "../grid/words.js";

const MINUTE = 60;
const DAY = 86_400;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

// When something was, as people say it; the exact time is its title.
export function moment(seconds) {
  const then = new Date(seconds * 1000);
  const made = text("time", "when", words(then));
  made.dateTime = then.toISOString();
  made.title = exact.format(then);
  return made;
}

function words(then) {
  const ago = (Date.now() - then) / 1000;
  if (ago < MINUTE) return say("review.just_now");
  if (ago < 60 * MINUTE) return say("review.minutes_ago", { count: Math.floor(ago / MINUTE) });
  const today = new Date().toDateString() === then.toDateString();
  if (today) return clock.format(then);
  return ago < 6 * DAY ? `${day.format(then)}, ${clock.format(then)}` : day.format(then);
}

export function percent(share) {
  return `${(100 * share).toLocaleString(undefined, { maximumFractionDigits: 1 })} %`;
}

// A state in a colour, with its sign and word beside it.
export function state(kind, sign, word) {
  const made = element("span", `state ${kind}`);
  made.append(Object.assign(text("span", "", sign), { ariaHidden: "true" }), text("span", "", word));
  return made;
}

// A class with its colour beside its name.
export function className(desk, classId) {
  const made = element("span", "class-name");
  const dot = element("i", "dot");
  dot.style.background = desk.colour(classId);
  made.append(dot, text("span", "", desk.name(classId)));
  return made;
}

// Nothing to show: what that means, and what to do.
export function empty(title, hint) {
  const made = element("div", "empty");
  made.append(text("strong", "", title), text("p", "", hint));
  return made;
}

export function waiting(words_) {
  const made = element("div", "empty", { role: "status" });
  made.append(element("div", "spinner"), text("p", "", words_));
  return made;
}

// A button that says why it can't be pressed instead of being grey without a word.
export function deed(label, key, act, kind = "") {
  const made = element("button", `button ${kind}`.trim(), { type: "button" });
  made.append(text("span", "", label));
  if (key) made.append(text("kbd", "", key));
  made.addEventListener("click", () => made.ariaDisabled !== "true" && act());
  made.allow = (why) => {
    made.ariaDisabled = why ? "true" : "false";
    made.title = why;
  };
  return made;
}

// A choice among classes by name, the first entry being what it is for.
export function classChoice(desk, label, act) {
  const made = element("select", "field", { ariaLabel: label });
  made.append(new Option(label, ""));
  for (const each of desk.classes) made.append(new Option(each.name, each.class_id));
  made.addEventListener("change", () => {
    const chosen = Number(made.value);
    made.value = "";
    if (chosen) act(chosen);
  });
  made.allow = (why) => {
    made.disabled = Boolean(why);
    made.title = why;
  };
  return made;
}
