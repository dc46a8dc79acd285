// One image large: for as long as its key or the pointer is held, or until it is closed.

import { element } from "./dom.js";
import { ANSWER_WORDS, Flicker } from "./pairs.js";
import { say } from "./words.js";

const HELD_MS = 300;
const REMEMBERED = 8;

export class Zoom {
  constructor(overlay, session, tiles, keymap) {
    Object.assign(this, { overlay, session, tiles, keymap });
    this.large = new Map(); // row -> its image, of the last ones seen and those beside
  }

  // `byKey`: it is closed again when the key is let go, unless it was only tapped.
  toggle(byKey = false) {
    if (this.overlay.showing === "zoom") return this.overlay.close();
    this.open();
    this.heldSince = byKey ? performance.now() : 0;
  }

  release() {
    if (this.overlay.showing === "zoom" && this.heldSince && performance.now() - this.heldSince > HELD_MS) this.overlay.close();
    this.heldSince = 0;
  }

  open() {
    if (!this.session.page) return;
    this.frame = element("div", "frame");
    this.caption = element("figcaption");
    const figure = element("figure", "large");
    figure.append(this.frame, this.caption);
    figure.addEventListener("click", () => this.overlay.close());
    this.row = -1;
    this.overlay.open("zoom", say("label.zoom"), figure, { follow: () => this.#draw() });
    this.#draw();
  }

  #draw() {
    const { page } = this.session;
    if (!page) return this.overlay.close();
    if (page.isPairs) return this.#drawPair(page);
    const row = page.rows[page.focus];
    if (this.row !== row) this.#show(page, row);
    const said = { number: page.focus + 1, total: page.rows.length, kick: this.keymap.hint("kick"), zoom: this.keymap.hint("zoom") };
    const caption = page.kicked.has(page.focus) ? say("label.zoom_kicked", said) : say("label.zoom_caption", said);
    if (this.caption.textContent !== caption) this.caption.textContent = caption;
  }

  #drawPair(page) {
    const shown = `${page.token} ${page.focus}`;
    if (this.row !== shown) {
      this.row = shown;
      this.flicker?.stop();
      const rows = [page.rows[page.focus], page.others[page.focus]];
      const small = page.picturesOf(page.focus).map((picture) => painted(picture));
      this.flicker = new Flicker(this.frame, rows.map((row, side) => [small[side], this.#image(row)]));
    }
    const said = { number: page.focus + 1, total: page.rows.length, answer: ANSWER_WORDS[page.answerOf(page.focus)](), turn: this.keymap.hint("kick"), look: this.keymap.hint("zoom") };
    const caption = say("pairs.caption", said);
    if (this.caption.textContent !== caption) this.caption.textContent = caption;
    return undefined;
  }

  // The thumbnail is there at once, and the large image lies over it as soon as it came.
  #show(page, row) {
    this.row = row;
    this.frame.replaceChildren(painted(page.pictures[page.focus]), this.#image(row));
    for (const beside of [page.rows[page.focus + 1], page.rows[page.focus - 1]]) if (beside !== undefined) this.#image(beside);
  }

  #image(row) {
    let image = this.large.get(row);
    if (!image) {
      image = new Image();
      image.alt = say("label.zoom");
      image.src = this.session.server.image(row);
    }
    this.large.delete(row);
    this.large.set(row, image);
    if (this.large.size > REMEMBERED) this.large.delete(this.large.keys().next().value);
    return image;
  }
}

function painted(picture) {
  const small = element("canvas");
  small.width = picture.naturalWidth;
  small.height = picture.naturalHeight;
  if (picture.naturalWidth) small.getContext("2d").drawImage(picture, 0, 0);
  return small;
}
