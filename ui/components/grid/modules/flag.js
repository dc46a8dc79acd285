// Asks what a reviewer is to be told of the image in focus.

import { button, element, text } from "./dom.js";
import { say } from "./words.js";

const MOST = 500;

export function askFlag(overlay, session) {
  const { page } = session;
  if (!page) return;
  const place = page.focus;
  const asked = page.isPairs ? say("pairs.flag_ask", { number: place + 1 }) : say("label.flag_ask", { number: place + 1 });
  const form = element("form", "card narrow");
  const field = element("textarea", "comment", {
    rows: 3, maxLength: MOST, placeholder: say("label.flag_comment"), ariaLabel: say("label.flag_comment"),
  });
  const send = button(say("label.flag"), "Enter", () => {}, "button primary");
  send.type = "submit";
  const buttons = element("div", "buttons");
  buttons.append(send, button(say("label.no"), "Esc", () => overlay.close()));
  form.append(text("h2", "", asked), text("p", "", say("label.flag_what")), field, buttons);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    overlay.close();
    session.flag(page, place, field.value.trim());
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") overlay.close();
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  overlay.open("flag", say("label.flag"), form, { focus: field });
}
