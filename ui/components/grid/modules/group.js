// Asks whether a whole group is to be of one class.

import { button, element, text } from "./dom.js";
import { phrase, say } from "./words.js";

export async function askGroup(overlay, session) {
  const { page } = session;
  if (!page?.isGroup) return;
  if (!page.named) {
    session.toast(say("label.group_no_class"));
    return;
  }
  const name = session.name(page.named);
  const size = text("b", "", "…");
  const allowed = text("b", "", "…");
  const question = element("h2");
  question.append(...phrase("label.group_ask", { name: text("b", "", name) }));
  const what = element("p");
  what.append(...phrase("label.group_what", { size, allowed, name }));
  const begin = button(say("label.begin"), "Enter", () => {
    overlay.close();
    session.labelGroup();
  }, "button primary");
  const buttons = element("div", "buttons");
  buttons.append(begin, button(say("label.no"), "Esc", () => overlay.close()));
  const card = element("div", "card narrow");
  card.append(question, what, buttons);
  overlay.open("group", say("label.group"), card, { focus: begin });
  try {
    const found = await session.server.call(`groups/${page.cluster}`);
    size.textContent = say("label.number", { number: found.size });
    allowed.textContent = found.allowed;
  } catch (error) {
    if (!card.isConnected) return;
    overlay.close();
    session.toast(say("label.not_now", { why: error.message }));
  }
}
