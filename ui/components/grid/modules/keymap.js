// Which key does what. A person may choose other keys; his browser remembers them.

import { say } from "./words.js";

const STORED = "hundredfold:keys";
const USUAL = {
  confirm: ["Enter", " "], undo: ["z", "Backspace"], skip: ["s"], group: ["a"], split: ["t"], flag: ["f"],
  kick: ["x"], invert: ["i"], unsure: ["u"], one: ["o"], guess: ["g"],
  left: ["ArrowLeft"], right: ["ArrowRight"], up: ["ArrowUp"], down: ["ArrowDown"],
  find: ["n", "/"], zoom: ["v"], neighbours: ["b"], guidelines: ["h"], help: ["?"],
};
const SIGNS = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Backspace: "⌫", Escape: "Esc" };
const RESERVED = /^([0-9]|Escape|Tab|Shift|Control|Alt|AltGraph|Meta|CapsLock|Dead|Process|Unidentified)$/;

export class Keymap extends EventTarget {
  constructor() {
    super();
    this.chosen = stored(); // action -> keys, where they are not the usual ones
    this.#index();
  }

  keys(action) {
    return this.chosen[action] ?? USUAL[action];
  }

  // The action of a key that was pressed, if it has one.
  action(key) {
    return this.byKey.get(plain(key));
  }

  // What is written on the button of an action: its first key.
  hint(action) {
    const [first] = this.keys(action);
    return first ? sign(first) : "";
  }

  // Let one key do this, and no longer what it did; returns why not, or nothing.
  choose(action, key) {
    if (RESERVED.test(key)) return say("label.key_reserved", { key: sign(key) });
    const before = this.action(key);
    if (before && before !== action) this.chosen[before] = this.keys(before).filter((each) => each !== plain(key));
    this.chosen[action] = [plain(key)];
    this.#changed();
    return "";
  }

  reset() {
    this.chosen = {};
    this.#changed();
  }

  get isUsual() { return !Object.keys(this.chosen).length; }

  #changed() {
    try {
      localStorage.setItem(STORED, JSON.stringify(this.chosen));
    } catch { /* the storage is full: they last as long as this window */ }
    this.#index();
    this.dispatchEvent(new Event("change"));
  }

  #index() {
    this.byKey = new Map(Object.keys(USUAL).flatMap((action) => this.keys(action).map((key) => [key, action])));
  }
}

// How a key is written.
export function sign(key) {
  if (key === " ") return say("label.key_space");
  return SIGNS[key] ?? (key.length === 1 ? key.toUpperCase() : key);
}

function plain(key) {
  return key.length === 1 ? key.toLowerCase() : key;
}

function stored() {
  try {
    const found = Object.entries(JSON.parse(localStorage.getItem(STORED)) ?? {});
    return Object.fromEntries(found.filter(([action, keys]) => action in USUAL && Array.isArray(keys) && keys.every((each) => typeof each === "string")));
  } catch {
    return {};
  }
}
