// What just happened, in a few words, right in the foot line.

import { button, element, text } from "./dom.js";
import { say } from "./words.js";

const SHOWN_MS = 3500;

export class Toast {
  constructor(undo) {
    this.words = text("span", "", "");
    this.undo = button(say("label.undo"), "", undo);
    this.box = element("div", "toast", { role: "status", ariaLive: "polite" });
    this.box.append(this.words, this.undo);
    this.box.addEventListener("pointerdown", (event) => event.preventDefault()); // the grid keeps the keys
    this.until = 0;
  }

  // Something a person must know.
  show(words) {
    this.until = performance.now() + SHOWN_MS;
    this.#open(words, false);
  }

  // What an answer said, with a way back; not over what he must know.
  tell(words, key) {
    if (performance.now() < this.until) return;
    this.undo.lastChild.textContent = key;
    this.#open(words, true);
  }

  #open(words, withUndo) {
    this.words.textContent = words;
    this.box.title = words;
    this.undo.hidden = !withUndo;
    this.box.classList.add("open");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.box.classList.remove("open"), SHOWN_MS);
  }
}
