// Thumbnails of many images: asked for when they come into view, many at a time.

import { element, text } from "../grid/dom.js";
import { say } from "../grid/words.js";

const AHEAD = "300px";

export class Gallery {
  // `images` are {row, chip, title}; `chosen` is a Set of rows that can be chosen, or null.
  constructor(server, images, { chosen = null, onChoose = () => {}, onLook = () => {} } = {}) {
    Object.assign(this, { server, images, chosen, onChoose, onLook });
    this.box = element("div", "gallery");
    if (chosen) Object.assign(this.box, { role: "listbox", ariaMultiSelectable: "true", ariaLabel: say("review.gallery") });
    this.urls = [];
    this.wanted = [];
    this.tiles = images.map((image, place) => this.#tile(image, place));
    this.box.append(...this.tiles);
    this.seen = new IntersectionObserver((entries) => this.#appear(entries), { rootMargin: AHEAD });
    for (const tile of this.tiles) this.seen.observe(tile);
    this.last = -1;
  }

  leave() {
    this.seen.disconnect();
    for (const each of this.urls) URL.revokeObjectURL(each);
  }

  draw() {
    for (const [place, tile] of this.tiles.entries()) {
      const is = Boolean(this.chosen?.has(this.images[place].row));
      tile.classList.toggle("chosen", is);
      if (this.chosen) tile.ariaSelected = String(is);
    }
  }

  #tile(image, place) {
    const made = element("div", "tile", { tabIndex: place ? -1 : 0, title: image.title ?? "" });
    made.dataset.row = image.row;
    if (this.chosen) made.setAttribute("role", "option");
    made.ariaLabel = say("review.image", { number: image.row });
    made.append(element("i", "tick", { ariaHidden: "true", textContent: "✓" }));
    if (image.chip) made.append(text("span", "chip", image.chip));
    made.addEventListener("click", (event) => this.#click(place, event.shiftKey));
    made.addEventListener("dblclick", () => this.onLook(image.row));
    made.addEventListener("keydown", (event) => this.#key(event, place));
    return made;
  }

  #click(place, run) {
    this.#focus(place);
    if (!this.chosen) {
      this.onLook(this.images[place].row);
      return;
    }
    this.#choose(place, run);
  }

  #choose(place, run) {
    const { row } = this.images[place];
    const on = !this.chosen.has(row);
    const [from, to] = run && this.last >= 0 ? [Math.min(this.last, place), Math.max(this.last, place)] : [place, place];
    for (let at = from; at <= to; at += 1) {
      if (on) this.chosen.add(this.images[at].row);
      else this.chosen.delete(this.images[at].row);
    }
    this.last = place;
    this.draw();
    this.onChoose();
  }

  #key(event, place) {
    const across = Math.max(1, Math.floor(this.box.clientWidth / (this.tiles[0].offsetWidth + 6)));
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    if (step && this.tiles[place + step]) this.#focus(place + step);
    else if (event.key === " " && this.chosen) this.#choose(place, event.shiftKey);
    else if (["v", "Enter"].includes(event.key)) this.onLook(this.images[place].row);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #focus(place) {
    for (const tile of this.tiles) tile.tabIndex = -1;
    this.tiles[place].tabIndex = 0;
    this.tiles[place].focus();
  }

  #appear(entries) {
    const fresh = entries.filter((each) => each.isIntersecting).map((each) => each.target);
    for (const tile of fresh) this.seen.unobserve(tile);
    this.wanted.push(...fresh);
    if (fresh.length && !this.asking) this.asking = this.#fetch();
  }

  async #fetch() {
    while (this.wanted.length) {
      const tiles = this.wanted.splice(0, 100);
      let blobs;
      try {
        blobs = await this.server.thumbnails(tiles.map((each) => each.dataset.row));
      } catch {
        blobs = tiles.map(() => new Blob([]));
      }
      for (const [place, tile] of tiles.entries()) this.#fill(tile, blobs[place]);
    }
    this.asking = null;
  }

  #fill(tile, blob) {
    if (!blob?.size) {
      tile.prepend(text("div", "broken", say("review.no_picture")));
      return;
    }
    const url = URL.createObjectURL(blob);
    this.urls.push(url);
    tile.prepend(element("img", "", { src: url, alt: "", draggable: false }));
  }
}
