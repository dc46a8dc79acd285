// What a class is, beside the images: its guidelines in words, and examples. Follows the class that the page asks about.

import { element, text } from "./dom.js";
import { pictures } from "./pictures.js";
import { say } from "./words.js";

const STORED = "hundredfold:guidelines";
const MOST_EXAMPLES = 12;

export class Guidelines {
  constructor(session) {
    this.session = session;
    this.examples = new Map(); // class and rows -> promise of images
    this.box = element("aside", "guidelines", { ariaLabel: say("label.guidelines"), hidden: localStorage.getItem(STORED) !== "open" });
  }

  toggle() {
    this.box.hidden = !this.box.hidden;
    localStorage.setItem(STORED, this.box.hidden ? "" : "open");
    this.drawn = null;
    this.draw();
  }

  draw() {
    if (this.box.hidden) return;
    const { page, classes } = this.session;
    const shown = classes.find((each) => each.class_id === page?.named) ?? null;
    if (this.drawn?.shown === shown && this.drawn.classes === classes) return;
    this.drawn = { shown, classes };
    if (!shown) {
      this.box.replaceChildren(text("h2", "", say("label.guidelines")), text("p", "dim", say("label.guidelines_no_class")));
      return;
    }
    const words = shown.guidelines || shown.guideline;
    const thumbs = element("div", "thumbs");
    this.box.replaceChildren(
      text("h2", "", shown.name), text("p", words ? "" : "dim", words || say("label.guidelines_none", { name: shown.name })), thumbs,
    );
    this.#show(thumbs, (shown.examples ?? []).slice(0, MOST_EXAMPLES));
  }

  async #show(thumbs, rows) {
    if (!rows.length) return;
    const key = rows.join();
    if (!this.examples.has(key)) this.examples.set(key, this.session.server.thumbnailBytes(rows).then(pictures));
    try {
      thumbs.replaceChildren(...(await this.examples.get(key)).filter((each) => each.src));
    } catch {
      this.examples.delete(key); // away: they come when the class is asked about again
    }
  }
}
