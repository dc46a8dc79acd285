// The images of the list as tiles. Only those in sight are in the page; their cells never move.

import { element, text } from "/grid/dom.js";
import { say } from "/grid/words.js";

const GAP = 6;
const BEYOND = 2; // rows drawn beyond the window

export class Gallery {
  constructor(model, pictures) {
    this.model = model;
    this.pictures = pictures;
    this.side = 96;
    this.tiles = new Map(); // number in the list -> tile
    this.focus = 0;
    this.anchor = 0;
    this.scroller = element("div", "gallery", { tabIndex: 0, role: "listbox", ariaMultiSelectable: "true", ariaLabel: say("explore.gallery_label") });
    this.sheet = this.scroller.appendChild(element("div", "sheet"));
    this.scroller.addEventListener("scroll", () => this.#draw(), { passive: true });
    this.#listen();
    this.size = new ResizeObserver(() => this.#measure());
    this.size.observe(this.scroller);
  }

  leave() {
    this.size.disconnect();
  }

  get places() {
    return this.model.list.places;
  }

  // Another list: from its beginning.
  reset() {
    this.focus = this.anchor = 0;
    this.scroller.scrollTop = 0;
    this.#clear();
    this.#measure();
  }

  resize(side) {
    this.side = side;
    this.#clear();
    this.#measure();
  }

  // The marks of tiles that are there: picked, labelled, focus.
  mark() {
    for (const [number, tile] of this.tiles) this.#mark(number, tile);
  }

  // Light the tile of the point under the pointer up.
  showHover() {
    for (const [number, tile] of this.tiles) tile.classList.toggle("lit", this.places[number] === this.model.hover);
  }

  #measure() {
    const wide = this.scroller.clientWidth - 16;
    if (wide <= 0) return;
    const columns = Math.max(2, Math.floor((wide + GAP) / (this.side + GAP)));
    const cell = Math.floor((wide - (columns - 1) * GAP) / columns);
    if (columns !== this.columns || cell !== this.cell) this.#clear();
    this.columns = columns;
    this.cell = cell;
    this.#draw();
  }

  #clear() {
    for (const [number, tile] of this.tiles) this.#drop(number, tile);
  }

  #drop(number, tile) {
    this.pictures.forget(tile.row);
    tile.remove();
    this.tiles.delete(number);
  }

  #draw() {
    if (!this.cell) return;
    const step = this.cell + GAP;
    const rows = Math.ceil(this.places.length / this.columns);
    this.sheet.style.height = `${Math.max(0, rows * step - GAP)}px`;
    const from = Math.max(0, Math.floor(this.scroller.scrollTop / step) - BEYOND) * this.columns;
    const seen = Math.ceil(this.scroller.clientHeight / step) + 2 * BEYOND + 1;
    const to = Math.min(this.places.length, from + seen * this.columns);
    for (const [number, tile] of this.tiles) if (number < from || number >= to) this.#drop(number, tile);
    for (let number = from; number < to; number += 1) if (!this.tiles.has(number)) this.#add(number, step);
  }

  #add(number, step) {
    const place = this.places[number];
    const tile = element("div", "tile", { role: "option", id: `explore-${number}` });
    tile.row = this.model.rows[place];
    tile.dataset.number = number;
    tile.style.cssText = `width:${this.cell}px;height:${this.cell}px;transform:translate(${number % this.columns * step}px,${Math.floor(number / this.columns) * step}px)`;
    tile.mark = text("b", "mark", "✓");
    tile.chip = text("span", "chip", "");
    tile.append(tile.mark, tile.chip);
    this.tiles.set(number, tile);
    this.#mark(number, tile);
    this.sheet.append(tile);
    this.pictures.show(tile.row, (address) => {
      if (address) tile.prepend(element("img", "", { src: address, alt: "", draggable: false, decoding: "async" }));
      else tile.prepend(text("span", "broken", say("explore.broken")));
    });
  }

  #mark(number, tile) {
    const { model } = this;
    const place = this.places[number];
    const picked = Boolean(model.picked[place]);
    const label = model.name(model.labels[place]);
    const guess = label ? "" : model.name(model.predictions[place]);
    tile.classList.toggle("picked", picked);
    tile.classList.toggle("focus", number === this.focus);
    tile.classList.toggle("labelled", Boolean(label));
    tile.ariaSelected = String(picked);
    tile.chip.textContent = label || (guess && say("explore.guess", { name: guess }));
    tile.ariaLabel = say("explore.tile", { number: number + 1, name: label || say("explore.unlabelled") });
  }

  // --- picking

  #listen() {
    const { scroller } = this;
    scroller.addEventListener("pointerdown", (event) => {
      const number = numberOf(event);
      if (number < 0 || event.button) return;
      if (event.shiftKey) { this.#pickTo(number, true); return; }
      this.anchor = number;
      this.dragging = event.pointerType === "touch" ? null : { from: number, on: !this.model.picked[this.places[number]], last: number };
      if (this.dragging) {
        event.preventDefault();
        scroller.focus({ preventScroll: true });
        this.#paint(number);
      } else this.touched = number;
    });
    scroller.addEventListener("pointermove", (event) => {
      const number = numberOf(event);
      this.model.setHover(number < 0 ? -1 : this.places[number]);
      if (this.dragging && number >= 0 && number !== this.dragging.last) this.#paint(number);
    });
    scroller.addEventListener("click", (event) => { // a finger that scrolled makes no click
      const number = numberOf(event);
      if (this.touched !== undefined && number === this.touched) this.#toggle(number);
      this.touched = undefined;
    });
    const stop = () => { this.dragging = null; };
    scroller.addEventListener("pointerup", stop);
    scroller.addEventListener("pointercancel", stop);
    scroller.addEventListener("pointerleave", () => { stop(); this.model.setHover(-1); });
    scroller.addEventListener("dblclick", (event) => {
      const number = numberOf(event);
      if (number >= 0) this.look?.(this.places[number]);
    });
    scroller.addEventListener("keydown", (event) => this.#key(event));
  }

  // Give all tiles from where the drag began to here what the first got.
  #paint(number) {
    const { from, on } = this.dragging;
    this.dragging.last = number;
    this.#pickRange(from, number, on);
  }

  #pickTo(number, on) {
    this.#pickRange(this.anchor, number, on);
  }

  #pickRange(from, to, on) {
    this.focus = to;
    this.model.pick(this.places.slice(Math.min(from, to), Math.max(from, to) + 1), on);
  }

  #toggle(number) {
    this.focus = this.anchor = number;
    const place = this.places[number];
    this.model.pick([place], !this.model.picked[place]);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns }[event.key];
    if (step) {
      this.focus = Math.max(0, Math.min(this.places.length - 1, this.focus + step));
      this.#reveal();
      if (event.shiftKey) this.#pickTo(this.focus, true); else { this.anchor = this.focus; this.mark(); }
    } else if (event.key === " " && this.places.length) this.#toggle(this.focus);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #reveal() {
    const step = this.cell + GAP;
    const top = Math.floor(this.focus / this.columns) * step;
    const { scroller } = this;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + step > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + step - scroller.clientHeight;
    scroller.setAttribute("aria-activedescendant", `explore-${this.focus}`);
    this.#draw();
  }
}

function numberOf(event) {
  const tile = event.target.closest?.(".tile");
  return tile ? Number(tile.dataset.number) : -1;
}
