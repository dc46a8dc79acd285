// All keys; a click on one lets a person choose another.

import { element, text } from "./dom.js";
import { sign } from "./keymap.js";
import { say } from "./words.js";

// What each action does; what is done without a key that can be chosen has its keys in words.
const SECTIONS = [
  ["label.help_answer", [
    { keys: ["1", "…", "0"], does: "label.does_class" }, { keys: ["1", "2", "3"], does: "pairs.does_answer" }, { action: "find", does: "label.does_find" },
    { action: "confirm", does: "label.does_confirm" }, { action: "undo", does: "label.does_undo" },
    { action: "skip", does: "label.does_skip" }, { action: "group", does: "label.does_group" }, { action: "split", does: "label.does_split" },
  ]],
  ["label.help_odd", [
    { action: "kick", does: "label.does_kick" }, { action: "invert", does: "label.does_invert" },
    { action: "unsure", does: "label.does_unsure" }, { action: "flag", does: "label.does_flag" },
    { action: "left", does: "label.does_left" }, { action: "right", does: "label.does_right" },
    { action: "up", does: "label.does_up" }, { action: "down", does: "label.does_down" },
  ]],
  ["label.help_one", [
    { keys: ["⇧ 1", "…", "⇧ 0"], does: "label.does_class_one" }, { action: "one", does: "label.does_one" },
    { action: "guess", does: "label.does_guess" },
  ]],
  ["label.help_look", [
    { action: "zoom", does: "label.does_zoom" }, { action: "neighbours", does: "label.does_neighbours" },
    { action: "guidelines", does: "label.does_guidelines" }, { action: "help", does: "label.does_help" },
    { keys: ["Esc"], does: "label.does_escape" },
  ]],
  ["label.help_pointer", [
    { word: "label.key_click", does: "label.does_click" }, { word: "label.key_shift_click", does: "label.does_shift_click" },
    { word: "label.key_drag", does: "label.does_drag" }, { word: "label.key_hold", does: "label.does_hold" },
  ]],
];

export function help(overlay, keymap) {
  const card = element("div", "card keys");
  overlay.open("help", say("label.keys"), card);
  new Help(overlay, card, keymap).draw();
}

class Help {
  constructor(overlay, card, keymap) {
    Object.assign(this, { overlay, card, keymap });
    this.told = text("p", "told", "");
    this.told.setAttribute("role", "status");
  }

  draw() {
    const columns = element("div", "columns");
    columns.append(...SECTIONS.map(([title, lines]) => this.#section(title, lines)));
    const reset = element("button", "button", { type: "button", textContent: say("label.key_reset"), hidden: this.keymap.isUsual });
    reset.addEventListener("click", () => {
      this.keymap.reset();
      this.told.textContent = "";
      this.draw();
    });
    const end = element("div", "end");
    end.append(text("p", "dim", say("label.keys_what")), reset);
    this.card.replaceChildren(text("h2", "", say("label.keys")), columns, this.told, end);
  }

  #section(title, lines) {
    const box = element("section");
    box.append(text("h3", "", say(title)), ...lines.map((line) => this.#line(line)));
    return box;
  }

  #line({ action, keys, word, does }) {
    const line = element("div", "line");
    const names = action ? this.#changeable(action, say(does)) : element("span", "names");
    const written = action ? this.keymap.keys(action).map(sign) : keys ?? [say(word)];
    names.append(...(written.length ? written : ["–"]).map((each) => text("kbd", "", each)));
    line.append(names, text("span", "", say(does)));
    return line;
  }

  #changeable(action, what) {
    const made = element("button", "names", { type: "button", title: say("label.key_change", { what }), ariaLabel: say("label.key_change", { what }) });
    made.addEventListener("click", () => this.#ask(action, made));
    return made;
  }

  // The next key that is pressed does this.
  #ask(action, made) {
    made.replaceChildren(text("kbd", "asked", say("label.key_press")));
    const asked = new AbortController();
    this.overlay.asking = true;
    const { signal } = asked;
    made.addEventListener("blur", () => this.#end(asked), { signal });
    window.addEventListener("keydown", (event) => {
      if (["Shift", "Control", "Alt", "AltGraph", "Meta"].includes(event.key)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      this.told.textContent = event.key === "Escape" ? "" : this.#choose(action, event.key);
      this.#end(asked);
    }, { capture: true, signal });
    made.focus();
  }

  #choose(action, key) {
    const before = this.keymap.action(key);
    const refused = this.keymap.choose(action, key);
    if (refused) return refused;
    return before && before !== action ? say("label.key_taken", { key: sign(key) }) : "";
  }

  #end(asked) {
    if (asked.signal.aborted) return;
    asked.abort();
    this.overlay.asking = false;
    this.draw();
  }
}
