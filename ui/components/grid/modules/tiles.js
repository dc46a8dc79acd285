// The images of a page. They are made before the page is shown; afterwards only those that changed are drawn.

import { element, text } from "./dom.js";
import { drawPair, halves } from "./pairs.js";
import { say } from "./words.js";

const GAP = 6;
const LARGEST = 420;
const LONGEST = 4 / 3;
const NEVER = -1;

export class Tiles {
  constructor(session) {
    this.session = session;
    this.made = new WeakMap(); // page -> its tiles
    this.shown = [];
    this.columns = 8;
    this.ratio = 1;            // how much wider than high a tile may be: a pair is two images
    this.size = { width: 0, height: 0, left: 0, top: 0 };
    this.grid = element("div", "grid", {
      role: "listbox", ariaMultiSelectable: "true", ariaLabel: say("label.images"), tabIndex: 0,
    });
  }

  prepare(page) {
    let made = this.made.get(page);
    if (!made) {
      made = page.rows.map((_, place) => tile(page, place));
      this.made.set(page, made);
      this.#drawAll(made, page);
    }
    return made;
  }

  show(page) {
    this.grid.hidden = !page;
    this.grid.dataset.token = page?.token ?? "";
    this.grid.dataset.kind = page?.kind ?? "";
    this.shown = page ? this.prepare(page) : [];
    this.ratio = page?.isPairs ? 2 : 1;
    this.#fit();
    this.grid.replaceChildren(...this.shown);
  }

  // Draw what changed since it was last drawn.
  mark(page) {
    this.#drawAll(this.shown, page);
    const focus = `tile-${page.focus}`;
    if (this.focus === focus) return;
    this.focus = focus;
    this.grid.setAttribute("aria-activedescendant", focus);
  }

  #drawAll(tiles, page) {
    for (let place = 0; place < tiles.length; place++) {
      const state = page.state(place);
      if (tiles[place].state === state) continue;
      tiles[place].state = state;
      this.#draw(tiles[place], page, place);
    }
  }

  // The names of classes have changed.
  rename(pages) {
    for (const page of pages) for (const each of this.made.get(page) ?? []) each.state = NEVER;
  }

  #draw(tile, page, place) {
    if (page.isPairs) {
      drawPair(tile, page, place);
      return;
    }
    const kicked = page.kicked.has(place);
    const unsure = page.unsure.has(place);
    const own = page.assigned.get(place);
    const flagged = page.flagged.has(place);
    tile.className = `tile${kicked ? " kicked" : ""}${unsure ? " unsure" : ""}${own ? " assigned" : ""}${place === page.focus ? " focus" : ""}`;
    tile.ariaSelected = String(!kicked && !unsure);
    tile.mark.textContent = kicked ? "✕" : unsure ? "?" : own ? "✓" : "";
    tile.flag.hidden = !flagged;
    const guess = page.second[place];
    const chip = own ? this.session.name(own) : guess ? say("label.guess", { name: this.session.name(guess) }) : "";
    if (tile.chip.textContent !== chip) tile.chip.textContent = chip;
    tile.ariaLabel = [
      say("label.image", { number: place + 1 }), kicked && say("label.is_kicked"), unsure && say("label.is_unsure"),
      flagged && say("label.is_flagged"), chip,
    ].filter(Boolean).join(", ");
  }

  // --- where things are

  placeOf(target) {
    return Number(target.closest?.(".tile")?.dataset.place ?? -1);
  }

  // Where the grid is on the screen, before `placesBetween` is asked.
  measure() {
    const { left, top } = this.grid.getBoundingClientRect();
    this.size.left = left;
    this.size.top = top;
  }

  // The places on a straight way between two points of the screen.
  placesBetween(fromX, fromY, toX, toY) {
    const steps = 1 + Math.ceil(2 * Math.max(Math.abs(toX - fromX) / this.wide, Math.abs(toY - fromY) / this.high));
    const found = new Set();
    for (let step = 0; step <= steps; step++) {
      found.add(this.#placeAt(fromX + (step / steps) * (toX - fromX), fromY + (step / steps) * (toY - fromY)));
    }
    found.delete(-1);
    return [...found];
  }

  #placeAt(x, y) {
    const column = Math.floor((x - this.size.left) / (this.wide + GAP));
    const line = Math.floor((y - this.size.top) / (this.high + GAP));
    const place = line * this.columns + column;
    return column >= 0 && column < this.columns && place >= 0 && place < this.shown.length ? place : -1;
  }

  resize(width, height) {
    Object.assign(this.size, { width, height });
    this.fitted = "";
    this.#fit();
  }

  // The largest tiles with which the whole page is in view; those of a row share its width, none is
  // much longer than wide.
  #fit() {
    const count = this.shown.length;
    const { width, height } = this.size;
    const { ratio } = this;
    const fitted = `${count} ${width} ${height} ${ratio}`;
    if (!count || !width || this.fitted === fitted) return;
    this.fitted = fitted;
    let best = { side: 0, columns: 1, wide: 1, high: 1 };
    for (let columns = 1; columns <= count; columns++) {
      const wide = Math.floor((width + GAP) / columns - GAP);
      const high = Math.floor((height + GAP) / Math.ceil(count / columns) - GAP);
      const side = Math.min(Math.floor(wide / ratio), high, LARGEST);
      if (side > best.side) best = { side, columns, wide: Math.min(wide, side * ratio * LONGEST), high: Math.min(high, side * LONGEST) };
    }
    Object.assign(this, best);
    this.grid.style.setProperty("--columns", best.columns);
    this.grid.style.setProperty("--wide", `${best.wide}px`);
    this.grid.style.setProperty("--high", `${best.high}px`);
  }
}

function tile(page, place) {
  const made = element("div", "tile", { role: "option", id: `tile-${place}` });
  made.dataset.place = place;
  made.state = NEVER;
  made.mark = element("span", "mark");
  made.chip = element("span", "chip");
  made.flag = text("span", "flag", "⚑");
  made.flag.hidden = true;
  made.append(page.isPairs ? halves(page, place) : shown(page.pictures[place]), made.mark, made.flag, made.chip);
  return made;
}

function shown(picture) {
  return picture.src ? picture : text("span", "broken", say("label.broken"));
}
