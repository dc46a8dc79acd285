// The map: every image a point. Draw round some to see and pick them, wheel or pinch to zoom, hold the space bar, the
// right button or two fingers to move; arrows, +, - and 0 do the same by keys.

import { element, text } from "/grid/dom.js";
import { say } from "/grid/words.js";
import { Cells } from "./cells.js";
import { bytes, Colours } from "./colours.js";
import { NoWebGL, Points, STATE } from "./points.js";

const HIT = 9;          // pixels round the pointer in which a point is found
const STEP = 60;        // pixels an arrow key moves
const LEAST_DRAG = 5;
const PREVIEW_MS = 40;
const MARGIN = 0.94;
const MANY = 10_000;    // so many points may be too many for a slow machine
const SLOW_MS = 26;     // a frame
const FAST_MS = 18;
const REST_MS = 160;
const MOST_EVERY = 16;

export class Map2D {
  constructor(model, pictures) {
    this.model = model;
    this.pictures = pictures;
    this.tool = "lasso";
    this.pointers = new Map();
    this.drawn = [];       // the shape that is being drawn, in pixels
    this.camera = { x: 0, y: 0, zoom: 1 };
    this.every = 1;        // of so many points one is drawn while the map moves
    this.drawnAt = 0;
    this.#build();
  }

  get available() {
    return Boolean(this.painter);
  }

  #build() {
    this.box = element("div", "plane");
    this.canvas = element("canvas", "points", { tabIndex: 0 });
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", say("explore.map_label"));
    this.shape = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.shape.setAttribute("class", "shape");
    this.shape.setAttribute("aria-hidden", "true");
    this.outline = this.shape.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "path"));
    this.preview = element("div", "preview", { hidden: true });
    this.picture = this.preview.appendChild(element("img", "", { alt: "" }));
    this.caption = this.preview.appendChild(text("span", "", ""));
    this.ring = element("i", "ring", { hidden: true });
    this.hint = text("p", "map-hint", say("explore.map_hint"));
    this.box.append(this.canvas, this.shape, this.ring, this.preview, this.hint);
    try {
      this.painter = new Points(this.canvas);
      this.painter.lost = () => this.reload();
    } catch (error) {
      if (!(error instanceof NoWebGL)) throw error;
      this.painter = null;
    }
    this.#listen();
    this.size = new ResizeObserver(() => this.#resize());
    this.size.observe(this.box);
  }

  leave() {
    this.size.disconnect();
    cancelAnimationFrame(this.due);
    clearTimeout(this.rests);
    clearTimeout(this.soon);
  }

  // --- what is drawn

  // The colours of the frame around it, light or dark.
  dress(style, isDark) {
    this.colours = new Colours(isDark);
    this.aside = [...bytes(isDark ? "#39404f" : "#d7dbe2").map((each) => each / 255), isDark ? 0.55 : 0.6];
    this.strong = [...bytes(isDark ? "#ffffff" : "#111827").map((each) => each / 255), 1];
    this.recolour();
  }

  reload() {
    const { model } = this;
    if (!model.points || !this.painter) return;
    this.cells = new Cells(model.points);
    this.painter.set("place", model.points);
    this.recolour();
    this.restate();
    this.fit();
  }

  recolour() {
    const { model, colours } = this;
    if (!this.painter || !model.points || !colours) return;
    const paint = {
      label: () => colours.paint(model.labels, model.classes),
      prediction: () => colours.paint(model.predictions, model.classes),
      cluster: () => colours.paintNumbers(model.cluster),
      uncertainty: () => colours.paintUnsure(model.unsure),
    };
    this.painter.set("colour", paint[model.colourBy]());
    this.draw();
  }

  restate() {
    const { model } = this;
    if (!this.painter || !model.points) return;
    const state = new Uint8Array(model.rows.length);
    for (let place = 0; place < state.length; place += 1) state[place] = model.failing[place] ? STATE.aside : STATE.plain;
    this.listing = model.list.kind !== "all";
    if (this.listing) for (const place of model.list.places) state[place] = STATE.listed;
    if (model.pickedCount) for (const place of model.list.places) if (model.picked[place]) state[place] = STATE.picked;
    this.painter.set("state", state);
    this.draw();
  }

  draw() {
    if (this.due || !this.painter) return;
    this.due = requestAnimationFrame((now) => {
      this.due = 0;
      if (!this.model.points || !this.aside) return;
      const { aside, strong, listing } = this;
      this.painter.draw(this.camera, { size: this.#pointSize(), aside, strong, listing, every: this.#every(now) });
      this.#place();
    });
  }

  // Where the machine can't draw all points of a large map smoothly it draws a part of them for as long as the map
  // moves, and all as soon as it stands still.
  #every(now) {
    const took = now - this.drawnAt;
    const went = this.went; // whether the frame before was of the same movement
    this.drawnAt = now;
    this.went = this.moves;
    if (!this.moves) return 1;
    if (went && this.model.rows.length > MANY) {
      if (took > SLOW_MS) this.every = Math.min(MOST_EVERY, this.every * (took > 4 * SLOW_MS ? 4 : 2));
      else if (took < FAST_MS && this.every > 1) this.every -= 1;
    }
    return this.every;
  }

  #moving() {
    this.moves = true;
    clearTimeout(this.rests);
    this.rests = setTimeout(() => { this.moves = this.went = false; if (this.every > 1) this.draw(); }, REST_MS);
    this.draw();
  }

  // Small where points are many, larger as one comes near.
  #pointSize() {
    const room = Math.sqrt(this.canvas.clientWidth * this.canvas.clientHeight / Math.max(1, this.model.rows.length));
    const near = Math.sqrt(this.camera.zoom / this.fitted);
    return Math.max(1.5, Math.min(14, 0.5 * room * near, 7 * near));
  }

  #resize() {
    const { clientWidth, clientHeight } = this.box;
    if (!clientWidth || !clientHeight) return;
    const pixels = Math.min(2, window.devicePixelRatio || 1);
    this.canvas.width = Math.round(clientWidth * pixels);
    this.canvas.height = Math.round(clientHeight * pixels);
    const before = this.fitted;
    this.fitted = MARGIN * Math.min(clientWidth, clientHeight) / 2;
    if (before) this.camera.zoom *= this.fitted / before; else this.camera.zoom = this.fitted;
    this.draw();
  }

  fit() {
    this.camera = { x: 0, y: 0, zoom: this.fitted ?? 1 };
    this.draw();
  }

  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const { camera } = this;
    const [atX, atY] = this.#toPlane(x, y);
    camera.zoom = Math.max(this.fitted * 0.5, Math.min(this.fitted * 400, camera.zoom * factor));
    const [nowX, nowY] = this.#toPlane(x, y);
    camera.x += atX - nowX;
    camera.y += atY - nowY;
    this.#moving();
  }

  move(dx, dy) {
    this.camera.x -= dx / this.camera.zoom;
    this.camera.y += dy / this.camera.zoom;
    this.#moving();
  }

  #toPlane(x, y) {
    const { camera, canvas } = this;
    return [camera.x + (x - canvas.clientWidth / 2) / camera.zoom, camera.y - (y - canvas.clientHeight / 2) / camera.zoom];
  }

  #toScreen(x, y) {
    const { camera, canvas } = this;
    return [canvas.clientWidth / 2 + (x - camera.x) * camera.zoom, canvas.clientHeight / 2 - (y - camera.y) * camera.zoom];
  }

  // --- the image under the pointer

  showHover() {
    clearTimeout(this.soon);
    const { hover } = this.model;
    if (hover < 0 || !this.model.points || this.drawn.length) {
      this.preview.hidden = this.ring.hidden = true;
      return;
    }
    this.ring.hidden = false;
    this.#place();
    this.soon = setTimeout(() => {
      this.pictures.show(this.model.rows[hover], (address) => {
        if (this.model.hover !== hover) return;
        this.picture.hidden = !address;
        if (address) this.picture.src = address;
        this.caption.textContent = this.#words(hover);
        this.preview.hidden = false;
        this.#place();
      });
    }, PREVIEW_MS);
  }

  #words(place) {
    const { model } = this;
    const label = model.name(model.labels[place]);
    const guess = model.name(model.predictions[place]);
    if (label) return label;
    return guess ? say("explore.guess", { name: guess }) : say("explore.unlabelled");
  }

  #place() {
    const { hover, points } = this.model;
    if (hover < 0 || !points) return;
    const [x, y] = this.#toScreen(points[2 * hover], points[2 * hover + 1]);
    this.ring.style.transform = `translate(${x}px, ${y}px)`;
    if (this.preview.hidden) return;
    const { clientWidth, clientHeight } = this.box;
    const { offsetWidth, offsetHeight } = this.preview;
    const left = x + 14 + offsetWidth > clientWidth ? x - 14 - offsetWidth : x + 14;
    const top = Math.max(6, Math.min(clientHeight - offsetHeight - 6, y - offsetHeight / 2));
    this.preview.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }

  #hit(x, y) {
    if (!this.cells) return -1;
    const [atX, atY] = this.#toPlane(x, y);
    return this.cells.nearest(atX, atY, HIT / this.camera.zoom, (place) => this.model.shown(place));
  }

  // --- pointers and keys

  setTool(tool) {
    this.tool = tool;
    this.box.dataset.tool = tool;
  }

  #listen() {
    const { canvas } = this;
    this.setTool(this.tool);
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#moved(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", (event) => this.#cancel(event));
    canvas.addEventListener("pointerleave", () => { if (!this.pointers.size) this.model.setHover(-1); });
    canvas.addEventListener("dblclick", () => this.fit());
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("keyup", (event) => { if (event.key === " ") this.holding = false; });
    canvas.addEventListener("blur", () => { this.holding = false; });
  }

  #down(event) {
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    const at = { x: event.offsetX, y: event.offsetY };
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size === 2) this.#stopShape();
    else if (this.pointers.size === 1) {
      this.from = at;
      this.moving = this.tool === "move" || this.holding || event.button > 0;
      this.adding = event.shiftKey;
      this.drawn = [];
    }
  }

  #moved(event) {
    const at = { x: event.offsetX, y: event.offsetY };
    const before = this.pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") this.model.setHover(this.#hit(at.x, at.y));
      return;
    }
    if (this.pointers.size === 2) this.#pinch(event.pointerId, before, at);
    else if (this.moving) this.move(at.x - before.x, at.y - before.y);
    else this.#shape(at);
    this.pointers.set(event.pointerId, at);
  }

  #pinch(id, before, at) {
    const [other] = [...this.pointers].filter(([each]) => each !== id).map(([, place]) => place);
    const far = (place) => Math.hypot(place.x - other.x, place.y - other.y) || 1;
    this.zoom(far(at) / far(before), (at.x + other.x) / 2, (at.y + other.y) / 2);
    this.move((at.x - before.x) / 2, (at.y - before.y) / 2);
  }

  #shape(at) {
    const { from } = this;
    if (!this.drawn.length && Math.hypot(at.x - from.x, at.y - from.y) < LEAST_DRAG) return;
    if (!this.drawn.length) this.model.setHover(-1);
    if (this.tool === "rectangle") this.drawn = [from.x, from.y, at.x, from.y, at.x, at.y, from.x, at.y];
    else if (this.drawn.length) this.drawn.push(at.x, at.y); else this.drawn = [from.x, from.y, at.x, at.y];
    this.#outline();
  }

  #outline() {
    const pairs = [];
    for (let at = 0; at < this.drawn.length; at += 2) pairs.push(`${this.drawn[at]} ${this.drawn[at + 1]}`);
    this.outline.setAttribute("d", pairs.length ? `M${pairs.join("L")}Z` : "");
  }

  #stopShape() {
    this.drawn = [];
    this.#outline();
    this.moving = true;
  }

  #cancel(event) {
    this.pointers.delete(event.pointerId);
    this.#stopShape();
  }

  #up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    const { drawn } = this;
    if (this.pointers.size || this.moving) return;
    this.#stopShape();
    if (drawn.length >= 6) this.#pickInside(drawn);
    else if (!drawn.length) this.#click(event);
  }

  #pickInside(drawn) {
    const polygon = [];
    for (let at = 0; at < drawn.length; at += 2) polygon.push(...this.#toPlane(drawn[at], drawn[at + 1]));
    const found = this.cells.inside(polygon).filter((place) => this.model.shown(place));
    this.#list(found);
  }

  #click(event) {
    const place = this.#hit(event.offsetX, event.offsetY);
    if (place >= 0) {
      this.model.setHover(place);
      this.#list(Uint32Array.of(place));
    } else if (!this.adding && this.model.list.kind !== "all") {
      this.model.listAll();
    }
  }

  // List and pick what was drawn round; with shift beside what is picked already.
  #list(found) {
    const before = this.adding ? [...this.model.pickedPlaces] : [];
    const places = Uint32Array.from(new Set([...before, ...found]));
    this.model.listPlaces("region", places);
    this.model.pick(places);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
    if (moves[event.key]) this.move(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoom(1.4);
    else if (event.key === "-") this.zoom(1 / 1.4);
    else if (event.key === "0") this.fit();
    else if (event.key === " ") this.holding = true;
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
