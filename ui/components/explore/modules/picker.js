// Which class? A field to type in and the classes that fit; Enter takes the first.

import { element, text } from "/grid/dom.js";
import { say } from "/grid/words.js";
import { dot } from "./rail.js";

const SHOWN = 200;
const DIGITS = "1234567890";

export class Picker {
  constructor(model, map) {
    this.model = model;
    this.map = map;
    this.box = element("div", "picker-box", { hidden: true, role: "dialog", ariaLabel: say("explore.label_as") });
    this.field = element("input", "picker", { type: "text", placeholder: say("explore.type_class"), autocomplete: "off", spellcheck: false, maxLength: 100, ariaLabel: say("explore.type_class") });
    this.list = element("div", "picker-list", { role: "listbox", ariaLabel: say("explore.picker_label") });
    this.title = text("h3", "", "");
    this.box.append(this.title, this.field, this.list);
    this.field.addEventListener("input", () => { this.at = 0; this.#draw(); });
    this.box.addEventListener("keydown", (event) => this.#key(event));
  }

  get showing() {
    return !this.box.hidden;
  }

  // The key of a class: its own, else the digit of its place among the first ten.
  static keyOf(classes, at) {
    return classes[at].key || DIGITS[at] || "";
  }

  open(title, take) {
    this.title.textContent = title;
    this.take = take;
    this.at = 0;
    this.field.value = "";
    this.box.hidden = false;
    this.#draw();
    this.field.focus();
  }

  close() {
    this.box.hidden = true;
    this.closed?.();
  }

  #draw() {
    const wanted = this.field.value.trim().toLowerCase();
    const all = this.model.classes.map((each, at) => ({ ...each, at, key: Picker.keyOf(this.model.classes, at) }));
    const rank = ({ name }) => (name.toLowerCase() === wanted ? 0 : name.toLowerCase().startsWith(wanted) ? 1 : name.toLowerCase().includes(wanted) ? 2 : 3);
    const fitting = all.filter((each) => rank(each) < 3).sort((one, other) => rank(one) - rank(other) || one.at - other.at);
    this.entries = fitting.slice(0, SHOWN);
    if (wanted && !fitting.some((each) => each.name.toLowerCase() === wanted)) this.entries.push({ class_id: 0, name: this.field.value.trim() });
    this.list.replaceChildren(...this.entries.map((each, at) => this.#row(each, at)));
    if (!this.entries.length) this.list.append(text("p", "nothing", say("explore.no_classes")));
    this.list.querySelector(".marked")?.scrollIntoView({ block: "nearest" });
  }

  #row(each, at) {
    const row = element("button", `class${at === this.at ? " marked" : ""}`, { type: "button", role: "option", tabIndex: -1 });
    row.ariaSelected = String(at === this.at);
    if (each.class_id) row.append(dot(this.map.colours.of(each, each.at)), text("span", "name", each.name), text("kbd", "", each.key));
    else row.append(text("i", "plus", "+"), text("span", "name", say("explore.add_class", { name: each.name })));
    row.addEventListener("click", () => this.#choose(each));
    return row;
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    event.stopPropagation();
    if (step) this.at = Math.max(0, Math.min(this.entries.length - 1, this.at + step));
    else if (event.key === "Enter") this.#choose(this.entries[this.at]);
    else if (event.key === "Escape") this.close();
    else return;
    event.preventDefault();
    if (step) this.#draw();
  }

  #choose(entry) {
    if (!entry) return;
    this.close();
    this.take(entry);
  }
}
