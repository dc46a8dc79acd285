// The palette: the classes with their keys, and a field that finds one of many or adds one.

import { cssColourOf } from "./class_colours.js";
import { element, text } from "./dom.js";
import { say } from "./words.js";

export const DIGITS = "1234567890";
const SHOWN = 300;

export class Palette {
  constructor(session) {
    this.session = session;
    this.marked = 0;    // which of the shown entries Enter takes
    this.one = false;   // the class that is chosen next is that of the image in focus alone
    this.field = element("input", "picker", { type: "text", maxLength: 200, autocomplete: "off", spellcheck: false });
    this.#ask();
    this.list = element("div", "classes", { role: "listbox", ariaLabel: say("label.classes"), id: "classes" });
    this.field.setAttribute("aria-controls", "classes");
    this.field.addEventListener("input", () => { this.marked = 0; this.draw(); });
    this.field.addEventListener("focus", () => this.draw());
    this.field.addEventListener("blur", () => this.#leave());
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
    this.list.addEventListener("click", (event) => {
      const entry = event.target.closest(".class");
      if (entry) this.#take(this.entries[Number(entry.dataset.place)], event.shiftKey);
    });
  }

  focus() {
    this.field.focus();
    this.field.select();
  }

  // The class that is chosen next is that of the image in focus alone.
  focusOne() {
    if (!this.session.page) return;
    if (this.session.several && !this.session.page.isSingle) {
      this.session.toast(say("label.one_of_several"));
      return;
    }
    this.one = true;
    this.#ask();
    this.focus();
  }

  #ask() {
    const words = this.one ? say("label.find_one", { number: this.session.page.focus + 1 }) : say("label.find");
    Object.assign(this.field, { placeholder: words, ariaLabel: words });
    this.field.classList.toggle("one", this.one);
  }

  #leave() {
    this.one = false;
    this.#ask();
    this.draw();
  }

  // The class that a key means, if any: its own key first, then its digit.
  byKey(key) {
    const own = this.session.classes.find((each) => each.key && each.key === key);
    return own ?? this.session.classes[DIGITS.indexOf(key)];
  }

  draw() {
    this.entries = this.#found();
    this.marked = Math.min(this.marked, Math.max(0, this.entries.length - 1));
    this.list.replaceChildren(...this.entries.map((entry, place) => this.#row(entry, place)));
    if (!this.entries.length) this.list.append(text("p", "dim", this.#hint()));
    this.mark();
  }

  // Show which class the page is named, and which entry Enter would take.
  mark() {
    const named = this.session.page?.named ?? 0;
    const searching = this.#searching();
    if (!searching && this.drawn?.named === named && this.drawn.entries === this.entries) return;
    this.drawn = { named: searching ? -1 : named, entries: this.entries };
    this.entries?.forEach(({ classId }, place) => {
      const row = this.list.children[place];
      row.classList.toggle("chosen", classId === named && named > 0);
      row.classList.toggle("marked", searching && place === this.marked);
      row.ariaSelected = String(classId === named && named > 0);
    });
    this.#scrollTo(this.list.querySelector(searching ? ".marked" : ".chosen"));
  }

  #scrollTo(row) {
    if (!row) return;
    const top = row.offsetTop - this.list.offsetTop;
    const lowest = top + row.offsetHeight - this.list.clientHeight;
    if (this.list.scrollTop > top) this.list.scrollTop = top;
    else if (this.list.scrollTop < lowest) this.list.scrollTop = lowest;
  }

  #searching() {
    return this.field.matches(":focus") && this.field.value.trim() !== "";
  }

  #hint() {
    if (!this.session.known) return "";
    return say("label.no_class");
  }

  // Entries {classId, name, key, guideline, color} that fit what is typed, and one that adds it.
  #found() {
    const typed = this.field.value.trim();
    const wanted = typed.toLowerCase();
    const all = this.session.classes.map((each, place) => ({
      classId: each.class_id, name: each.name, key: each.key || DIGITS[place] || "",
      guideline: each.guideline, color: cssColourOf(each, place),
    }));
    if (!wanted) return all.slice(0, SHOWN);
    const fitting = [[], [], []];
    for (const entry of all) fitting[rank(entry.name.toLowerCase(), wanted)]?.push(entry);
    const [same, beginning, inside] = fitting;
    const added = same.length ? [] : [{ classId: 0, name: typed }];
    // Enter takes the first: `shirt` is not meant to be `t-shirt`.
    return beginning.length || same.length
      ? [...same, ...beginning, ...inside, ...added].slice(0, SHOWN) : [...added, ...inside].slice(0, SHOWN);
  }

  #row(entry, place) {
    const row = element("button", "class", { type: "button", tabIndex: -1, role: "option" });
    row.dataset.place = place;
    if (!entry.classId) {
      row.append(text("i", "plus", "+"), text("span", "name", say("label.add_class", { name: entry.name })));
      return row;
    }
    row.dataset.classId = entry.classId;
    row.title = entry.guideline || entry.name;
    const dot = element("i", "dot");
    dot.style.background = entry.color;
    row.append(dot, text("span", "name", entry.name), text("kbd", "", entry.key));
    return row;
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      this.marked = Math.max(0, Math.min(this.entries.length - 1, this.marked + step));
      this.mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (this.field.value.trim()) this.#take(this.entries[this.marked], event.shiftKey); else this.field.blur();
    } else if (event.key === "Escape") {
      this.#close();
    }
  }

  #take(entry, shift = false) {
    if (!entry) return;
    const one = this.one || shift;
    this.#close();
    if (!entry.classId) this.session.addClass(entry.name, one);
    else if (one) this.session.nameOne(entry.classId);
    else this.session.change((page) => page.choose(entry.classId));
  }

  #close() {
    this.field.value = "";
    this.field.blur();
    this.draw();
  }
}

// How well a name fits: 0 the same, 1 begins so, 2 has it inside, 3 not at all.
function rank(name, wanted) {
  if (name === wanted) return 0;
  if (name.startsWith(wanted)) return 1;
  return name.includes(wanted) ? 2 : 3;
}
