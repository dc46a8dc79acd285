// What a session looks like. Draws what the session says has changed, and nothing else.

import { actionsOf } from "./actions.js";
import { Palette } from "./classes.js";
import { button, element } from "./dom.js";
import { Empty } from "./empty.js";
import { Foot } from "./foot.js";
import { Guidelines } from "./guidelines.js";
import { Keymap } from "./keymap.js";
import { listen } from "./keys.js";
import { Overlay } from "./overlay.js";
import { PairAnswers } from "./pairs.js";
import { point } from "./pointer.js";
import { Question } from "./question.js";
import { LEAVING } from "./signing_in.js";
import { Tiles } from "./tiles.js";
import { Toast } from "./toast.js";
import { say } from "./words.js";
import { Zoom } from "./zoom.js";

// The buttons beside the images, in order.
const BUTTONS = [
  ["confirm", "label.confirm", "button primary"], ["group", "label.group"], ["split", "label.split"],
  ["undo", "label.undo"], ["skip", "label.skip"], ["invert", "label.invert"], ["unsure", "label.unsure"],
  ["one", "label.one"], ["flag", "label.flag"], ["zoom", "label.look"], ["neighbours", "label.neighbours"],
  ["guidelines", "label.guidelines"], ["help", "label.keys"],
];

const OF_CLASSES = ["one", "neighbours", "guidelines"]; // where pairs are judged there are none

export class View {
  constructor(root, session) {
    Object.assign(this, { root, session });
    this.keymap = new Keymap();
    this.tiles = new Tiles(session);
    this.palette = new Palette(session);
    this.answers = new PairAnswers(session);
    this.question = new Question(session, this.keymap);
    this.empty = new Empty(session);
    this.foot = new Foot(session);
    this.guidelines = new Guidelines(session);
    this.side = element("aside", "side");
    this.overlay = new Overlay([this.tiles.grid, this.side]);
    this.zoom = new Zoom(this.overlay, session, this.tiles, this.keymap);
    this.toast = new Toast(() => session.undo());
    this.actions = actionsOf(this);
    this.#build();
    this.#listen();
    root.focus({ preventScroll: true }); // not the link or field that led here: keys mean the page
    this.#changed("page");
    session.showIn(root);
  }

  escape() {
    if (this.overlay.showing) this.overlay.close();
    else this.session.forgetKeys();
  }

  #build() {
    this.stage = element("div", "stage");
    this.stage.append(this.tiles.grid, this.empty.box);
    this.foot.pace.before(this.toast.box); // over no image: it is there after each answer
    this.side.append(this.palette.field, this.palette.list, this.answers.box, this.#buttons());
    const main = element("div", "main");
    main.append(this.guidelines.box, this.stage, this.side);
    this.root.replaceChildren(this.question.box, main, this.foot.box, this.overlay.box);
  }

  #buttons() {
    this.buttons = Object.fromEntries(BUTTONS.map(([action, label, look]) => [
      action, button(say(label), "", () => this.#press(action), look),
    ]));
    const box = element("div", "buttons");
    box.append(...Object.values(this.buttons));
    // A click on a button leaves the keys with the grid.
    box.addEventListener("pointerdown", (event) => event.preventDefault());
    this.#hint();
    return box;
  }

  #press(action) {
    const why = this.buttons[action].title;
    if (this.buttons[action].ariaDisabled === "true") this.toast.show(`${why}.`);
    else this.actions[action].run();
  }

  #hint() {
    for (const [action, made] of Object.entries(this.buttons)) {
      made.lastChild.textContent = this.keymap.hint(action);
      made.setAttribute("aria-keyshortcuts", this.keymap.keys(action).join(" "));
    }
  }

  #listen() {
    const leave = new AbortController();
    const { signal } = leave;
    const { session } = this;
    const on = (target, name, act) => target.addEventListener(name, act, { signal });
    listen(this, signal);
    point(this, signal);
    on(this.keymap, "change", () => this.#hint());
    on(session, "change", (event) => this.#changed(event.detail));
    on(session, "ahead", (event) => this.tiles.prepare(event.detail));
    on(session, "toast", (event) => this.toast.show(event.detail));
    on(session, "done", (event) => this.toast.tell(event.detail, this.keymap.hint("undo")));
    on(window, "pagehide", () => session.hide());
    on(window, LEAVING, (event) => event.detail.push(session.leave()));
    on(window, "pageshow", () => session.tryToRenew());
    on(document, "visibilitychange", () => document.hidden || session.tryToRenew());
    const size = new ResizeObserver(([{ contentRect }]) => this.tiles.resize(contentRect.width, contentRect.height));
    size.observe(this.stage);
    this.leave = () => { leave.abort(); size.disconnect(); };
  }

  // --- drawing

  #changed(what) {
    const { page } = this.session;
    if (what === "page") this.#drawPage(page);
    if (what === "classes") this.#drawClasses();
    if (what !== "foot") this.#drawMarks(page);
    if (!page) this.empty.draw();
    if (what !== "marks") this.foot.draw();
  }

  // They are read again and again, and seldom new.
  #drawClasses() {
    const { classes, known, supply } = this.session;
    if (this.classes === classes && this.known === known) return;
    Object.assign(this, { classes, known });
    this.tiles.rename(supply.pages);
    this.palette.draw();
  }

  #drawPage(page) {
    this.tiles.show(page);
    this.empty.draw();
    if (!page) return;
    page.shownAt = performance.now();
    const at = this.root.getRootNode().activeElement;
    if (at === this.root || document.activeElement === document.body) this.tiles.grid.focus({ preventScroll: true });
  }

  // Whatever changes without a new page: kicks, focus, names.
  #drawMarks(page) {
    if (page) this.tiles.mark(page);
    this.question.draw();
    this.palette.mark();
    this.answers.draw(page);
    this.guidelines.draw();
    this.overlay.follow?.();
    this.#drawButtons(page);
  }

  #drawButtons(page) {
    const group = page?.isGroup ?? false;
    const pairs = page?.isPairs ?? false;
    const state = `${group} ${pairs} ${page?.isAnswered} ${page?.isNameless} ${page?.isSingle}`;
    if (state === this.drawn) return;
    this.drawn = state;
    const missing = !page ? say("label.no_page") : page.isAnswered ? "" : page.isNameless ? say("label.choose_class") : say("label.name_one");
    this.buttons.confirm.ariaDisabled = String(missing !== "");
    this.buttons.confirm.title = missing;
    this.buttons.confirm.firstChild.textContent = missing || say("label.confirm");
    this.buttons.group.hidden = !group;
    this.buttons.split.hidden = !group;
    for (const action of OF_CLASSES) this.buttons[action].hidden = pairs;
    this.palette.field.hidden = this.palette.list.hidden = pairs;
  }
}
