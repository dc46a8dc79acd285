// Pointers on the grid: a click kicks, a drag paints over a whole run, holding still shows the image large.

const HOLD_MS = 450;
const SLACK = 8;          // px a finger may move and still hold still
const TWICE_MS = 400;

export function point(view, signal) {
  const { grid } = view.tiles;
  const pointer = new Pointer(view);
  const on = (target, name, act) => target.addEventListener(name, act, { signal });
  on(grid, "pointerdown", (event) => pointer.down(event));
  on(window, "pointermove", (event) => pointer.move(event));
  on(window, "pointerup", (event) => pointer.up(event));
  on(window, "pointercancel", (event) => pointer.cancel(event));
  on(grid, "contextmenu", (event) => event.preventDefault()); // a finger that holds still
  // What has no pointer, such as a screen reader.
  on(grid, "click", (event) => event.detail === 0 && pointer.activate(event));
}

class Pointer {
  constructor(view) {
    this.view = view;
    this.held = null;   // what is pressed: {id, page, place, x, y, done, kick, zoomed, timer}
    this.last = { place: -1, at: 0 };
  }

  down(event) {
    const { session, tiles, zoom } = this.view;
    const place = tiles.placeOf(event.target);
    if (this.held || place < 0 || event.button > 1) return;
    const { clientX: x, clientY: y, pointerId: id, shiftKey: range } = event;
    this.held = { id, page: session.page, place, x, y, range, done: false, zoomed: false };
    tiles.measure();
    if (event.button === 1) {
      event.preventDefault(); // it would scroll
      this.#look();
    } else if (this.#isSecond(event, place)) {
      if (event.pointerType !== "touch") this.#begin();
      zoom.open();
      this.held = null;
    } else {
      if (event.pointerType !== "touch") this.#begin();
      this.held.timer = setTimeout(() => this.#hold(), HOLD_MS);
    }
  }

  move(event) {
    const { held } = this;
    if (held?.id !== event.pointerId || held.zoomed || !this.#isShown()) return;
    if (!held.moved && Math.hypot(event.clientX - held.x, event.clientY - held.y) < SLACK) return;
    clearTimeout(held.timer);
    held.moved = true;
    if (!held.done) this.#begin();
    this.#paint(event.clientX, event.clientY);
  }

  up(event) {
    const { held } = this;
    if (held?.id !== event.pointerId) return;
    if (!held.done && !held.zoomed && this.#isShown()) this.#begin();
    this.cancel(event);
  }

  cancel(event) {
    if (this.held?.id !== event.pointerId) return;
    clearTimeout(this.held.timer);
    if (this.held.zoomed) this.view.overlay.close();
    this.held = null;
  }

  activate(event) {
    const place = this.view.tiles.placeOf(event.target);
    if (place >= 0) this.view.session.change((page) => page.touch(place));
  }

  // Whether the page that was pressed on is still there.
  #isShown() {
    return this.held.page === this.view.session.page;
  }

  #isSecond(event, place) {
    const second = this.last.place === place && event.timeStamp - this.last.at < TWICE_MS;
    this.last = second ? { place: -1, at: 0 } : { place, at: event.timeStamp };
    return second;
  }

  #begin() {
    const { held } = this;
    held.done = true;
    this.view.session.change((page) => page.touch(held.place, held.range));
    held.kick = held.page.kicked.has(held.place);
  }

  // All tiles on the way get what the first got.
  #paint(x, y) {
    const { held, view } = this;
    if (held.page.isSingle) return;
    const places = view.tiles.placesBetween(held.x, held.y, x, y)
      .filter((place) => place !== held.place && held.page.kicked.has(place) !== held.kick);
    [held.x, held.y] = [x, y];
    if (places.length) view.session.change((page) => places.forEach((place) => page.set(place, held.kick)));
  }

  #hold() {
    if (!this.#isShown()) return;
    if (this.held.done) this.view.session.change((page) => page.touch(this.held.place)); // it was no click
    this.#look();
  }

  // Large for as long as it is held.
  #look() {
    const { held, view } = this;
    held.zoomed = true;
    view.session.change((page) => page.moveTo(held.place));
    view.zoom.open();
  }
}
