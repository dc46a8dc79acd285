// How pairs are drawn: two images side by side with the answer on them, what can be said beside them, and the two
// images in turn at one place, where the eye sees at once what differs.

import { element, text } from "./dom.js";
import { ANSWERS } from "./pair_page.js";
import { say } from "./words.js";

const TURN_MS = 450; // slower than three flashes a second
const LOOKS = { IS: "same", IS_NOT: "other", UNSURE: "unsure" };
const SIGNS = { IS: "=", IS_NOT: "≠", UNSURE: "?" };
const WORDS = {
  IS: () => say("pairs.same"),
  IS_NOT: () => say("pairs.other"),
  UNSURE: () => say("pairs.unsure"),
};

// The two images of a tile.
export function halves(page, place) {
  const box = element("div", "halves");
  box.append(...page.picturesOf(place).map((picture) => {
    const half = element("div", "half");
    half.append(picture.src ? picture : text("span", "broken", say("label.broken")));
    return half;
  }));
  return box;
}

export function drawPair(tile, page, place) {
  const answer = page.answerOf(place);
  const flagged = page.flagged.has(place);
  tile.className = `tile pair ${LOOKS[answer]}${place === page.focus ? " focus" : ""}`;
  tile.ariaSelected = String(answer === "IS");
  tile.flag.hidden = !flagged;
  tile.chip.textContent = `${SIGNS[answer]} ${WORDS[answer]()}`;
  tile.ariaLabel = [say("pairs.pair", { number: place + 1 }), WORDS[answer](), flagged && say("label.is_flagged")].filter(Boolean).join(", ");
}

// In place of the classes: what can be said of the pair in focus, and how often it is said.
export class PairAnswers {
  constructor(session) {
    this.session = session;
    this.box = element("div", "answers", { role: "listbox", ariaLabel: say("pairs.answers"), hidden: true });
    this.rows = Object.entries(ANSWERS).map(([key, answer]) => this.#row(key, answer));
    this.box.append(...this.rows, text("p", "dim", say("pairs.what")));
    this.box.addEventListener("pointerdown", (event) => event.preventDefault()); // the keys stay with the page
  }

  #row(key, answer) {
    const made = element("button", `answer ${LOOKS[answer]}`, { type: "button", tabIndex: -1 });
    made.setAttribute("role", "option");
    made.dataset.answer = answer;
    made.count = text("span", "dim", "");
    made.append(text("span", "sign", SIGNS[answer]), text("span", "words", WORDS[answer]()), made.count, text("kbd", "", key));
    made.addEventListener("click", () => this.session.change((page) => page.isPairs && page.answer(answer)));
    return made;
  }

  draw(page) {
    this.box.hidden = !page?.isPairs;
    if (!page?.isPairs) return;
    const here = page.answerOf(page.focus);
    for (const row of this.rows) {
      const { answer } = row.dataset;
      row.count.textContent = String(page.count(answer));
      row.classList.toggle("chosen", answer === here);
      row.ariaSelected = String(answer === here);
    }
  }
}

// Both images in turn at one place, or beside each other for whoever wants nothing to move.
export class Flicker {
  constructor(frame, images) {
    this.frame = frame;
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.sides = images.map((image, side) => this.#side(image, side));
    frame.classList.toggle("beside", this.still);
    frame.replaceChildren(...this.sides);
    this.#show(0);
    if (!this.still) this.timer = setInterval(() => this.frame.isConnected ? this.#show(1 - this.shown) : this.stop(), TURN_MS);
  }

  stop() {
    clearInterval(this.timer);
  }

  #side(images, side) {
    const made = element("div", "side-of");
    made.append(...images, text("span", "chip", side ? say("pairs.right") : say("pairs.left")));
    return made;
  }

  #show(side) {
    this.shown = side;
    this.frame.dataset.side = side;
    for (const [at, each] of this.sides.entries()) each.classList.toggle("hidden", !this.still && at !== side);
  }
}

// "9 the same, 3 not the same".
export function inWords(page) {
  const same = page.count("IS");
  const other = page.count("IS_NOT");
  const unsure = page.count("UNSURE");
  const words = [];
  if (same) words.push(say("pairs.so_many_same", { count: same }));
  if (other) words.push(say("pairs.so_many_other", { count: other }));
  if (unsure) words.push(say("pairs.so_many_unsure", { count: unsure }));
  return words.join(", ");
}

export { WORDS as ANSWER_WORDS };
