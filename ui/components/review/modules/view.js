// The frame of the view: a rail of parts, the part that is chosen, a foot line.

import { element, text } from "../grid/dom.js";
import { say } from "../grid/words.js";
import { Audits } from "./audits.js";
import { Copies } from "./copies.js";
import { Desk } from "./desk.js";
import { Dialogs } from "./dialogs.js";
import { Flags } from "./flags.js";
import { History } from "./history.js";
import { empty, waiting } from "./parts.js";
import { Suspicious } from "./suspicious.js";

const AGAIN_MS = 4000;
const PARTS = [
  { id: "history", part: History, everybody: true },
  { id: "suspicious", part: Suspicious },
  { id: "audits", part: Audits },
  { id: "copies", part: Copies },
  { id: "flags", part: Flags, everybody: true },
];
const TITLES = {
  history: () => say("review.history"),
  suspicious: () => say("review.suspicious"),
  audits: () => say("review.audits"),
  copies: () => say("review.copies"),
  flags: () => say("review.flags"),
};

export class View {
  constructor(root, collection, annotator) {
    this.root = root;
    this.desk = new Desk(collection, annotator);
    this.dialogs = new Dialogs(this.desk);
    this.rail = element("nav", "rail", { role: "tablist", ariaLabel: say("review.title"), ariaOrientation: "vertical" });
    this.stage = element("section", "stage", { role: "tabpanel" });
    this.foot = element("footer", "foot");
    const main = element("div", "main");
    main.append(this.rail, this.stage);
    root.replaceChildren(main, this.foot, this.dialogs.toast, this.dialogs.box);
    this.desk.addEventListener("change", () => this.part?.again());
    this.desk.addEventListener("known", () => this.#count());
    const leave = new AbortController();
    // On the window, since what had the focus may be gone when a part is drawn again, and before Streamlit, which
    // has keys of its own (C, R).
    window.addEventListener("keydown", (event) => this.#key(event), { capture: true, signal: leave.signal });
    this.leave = () => {
      leave.abort();
      this.left = true;
      this.part?.leave();
    };
    this.#begin();
  }

  async #begin() {
    this.stage.replaceChildren(waiting(say("review.reading")));
    try {
      await this.desk.begin();
    } catch (error) {
      if (this.left) return;
      this.stage.replaceChildren(empty(say("review.away"), say("review.away_hint", { why: error.message })));
      setTimeout(() => this.left || this.#begin(), AGAIN_MS);
      return;
    }
    if (this.left) return;
    this.parts = PARTS.filter((each) => each.everybody || this.desk.known.reviews);
    this.rail.replaceChildren(...this.parts.map((each, place) => this.#tab(each, place)));
    this.#count();
    this.#open(this.parts[0].id);
    this.root.focus({ preventScroll: true });
  }

  #tab({ id }, place) {
    const made = element("button", "tab", { type: "button", role: "tab", id: `review-${id}` });
    made.append(text("span", "name", TITLES[id]()), text("kbd", "", String(place + 1)));
    made.addEventListener("click", () => this.#open(id));
    return made;
  }

  // How many flags wait, beside their name.
  #count() {
    const tab = this.rail.querySelector("#review-flags");
    if (!tab) return;
    const { open_flags: count } = this.desk.known;
    tab.querySelector(".badge")?.remove();
    if (count) tab.querySelector(".name").after(Object.assign(text("span", "badge", String(count)), { title: say("review.open_flags", { count }) }));
  }

  #open(id) {
    this.part?.leave();
    for (const each of this.rail.children) {
      const is = each.id === `review-${id}`;
      each.ariaSelected = String(is);
      each.tabIndex = is ? 0 : -1;
    }
    const { part: Part } = this.parts.find((each) => each.id === id);
    this.stage.replaceChildren();
    this.stage.ariaLabel = TITLES[id]();
    this.foot.replaceChildren();
    this.part = new Part(this.desk, this.dialogs, this.stage, (words, keys) => this.#tell(words, keys));
    this.part.again();
  }

  #tell(words, keys = []) {
    this.foot.replaceChildren(text("span", "count", words), element("span", "spring"));
    for (const [key, what] of keys) {
      const hint = element("span", "dim");
      hint.append(text("kbd", "", key), ` ${what}`);
      this.foot.append(hint);
    }
  }

  #key(event) {
    if (!this.root.isConnected || this.dialogs.open || event.ctrlKey || event.metaKey || event.altKey) return;
    const [target] = event.composedPath();
    if (target.closest?.("input, select, textarea, [contenteditable], [role=combobox], [role=dialog]")) return;
    const chosen = this.parts?.[Number(event.key) - 1];
    if (chosen) this.#open(chosen.id);
    else if (target.closest?.(".rail") && ["ArrowDown", "ArrowUp"].includes(event.key)) this.#step(event.key === "ArrowDown" ? 1 : -1);
    else if (!this.part?.key?.(event.key)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  #step(by) {
    const at = this.parts.findIndex((each) => `review-${each.id}` === this.rail.querySelector("[aria-selected=true]").id);
    const next = this.parts[(at + by + this.parts.length) % this.parts.length];
    this.#open(next.id);
    this.rail.querySelector(`#review-${next.id}`).focus();
  }
}
