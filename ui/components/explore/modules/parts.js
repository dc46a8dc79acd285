// Buttons of this view.

import { element, text } from "/grid/dom.js";

// A button with its key; `why` says why it can't be pressed, empty when it can.
export function action(label, key, act, className = "") {
  const made = element("button", `button ${className}`.trim(), { type: "button" });
  made.append(text("span", "", label));
  if (key) made.append(text("kbd", "", key));
  made.addEventListener("click", () => { if (made.ariaDisabled !== "true") act(); });
  made.addEventListener("pointerdown", (event) => event.preventDefault()); // keys stay where they were
  return made;
}

export function allow(made, why) {
  made.ariaDisabled = String(Boolean(why));
  made.title = why;
}
