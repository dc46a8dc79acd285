// What a session looks like. Draws what the session says has changed, and nothing else.

import { Palette } from "./classes.js";
import { button, element, format, many, text } from "./dom.js";
import { listen } from "./keys.js";
import { Overlay } from "./overlay.js";

const GAP = 6;
const LARGEST_TILE = 300;
const LONGEST = 4 / 3;
const TOAST_MS = 3500;
const MOST_CHILDREN = 4;
const HINT = "Click what is not, then Enter.";
// How each kind of page asks about a class: the words around its name, and what kind of page it is.
const QUESTIONS = {
  VERIFY: { before: "All ", after: "?", hint: HINT },
  AUDIT: { before: "Check: are all of these ", after: "?", hint: "Look closely: these stand for all the others. " + HINT, note: "random check" },
  REVIEW: { before: "Labelled ", after: ": click what is not.", hint: "Some of these labels look wrong. Enter confirms the rest.", note: "second look" },
};
// Where an image may be of several classes: nothing is said of the others.
const QUESTIONS_OF_SEVERAL = {
  VERIFY: { before: "Is there a ", after: "?", hint: "Click where there is none, then Enter; I turns it round." },
  AUDIT: { before: "Check: is there a ", after: "?", hint: "Look closely: these stand for all the others. Click where there is none, then Enter.", note: "random check" },
};
const STATEMENT = { before: "These are ", after: ".", hint: HINT };

export class View {
  constructor(root, session) {
    this.root = root;
    this.session = session;
    this.columns = 8;
    this.palette = new Palette(session);
    this.overlay = new Overlay(session);
    this.#build();
    const leave = new AbortController();
    const { signal } = leave;
    listen(this, signal);
    session.addEventListener("change", (event) => this.#changed(event.detail), { signal });
    session.addEventListener("toast", (event) => this.#toast(event.detail), { signal });
    window.addEventListener("pagehide", () => session.release(), { signal });
    window.addEventListener("pageshow", () => session.renew(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden || session.renew(), { signal });
    const size = new ResizeObserver(() => this.#fit());
    size.observe(this.stage);
    this.leave = () => { leave.abort(); size.disconnect(); };
    this.#changed("page");
    root.focus({ preventScroll: true }); // not the link or field that led here: keys mean the page
  }

  escape() {
    if (this.overlay.showing) this.overlay.close();
    else this.session.forgetKeys();
  }

  // --- the frame

  #build() {
    this.question = element("h1", "question", { ariaLive: "polite" });
    this.stage = element("div", "stage");
    this.grid = element("div", "grid", { role: "listbox", ariaMultiSelectable: "true", ariaLabel: "Images of the page", tabIndex: 0 });
    this.grid.addEventListener("click", (event) => {
      const place = placeOf(event);
      if (place >= 0) this.session.change((page) => (page.isSingle ? page.move(place - page.focus) : page.toggle(place, event.shiftKey)));
    });
    this.grid.addEventListener("dblclick", (event) => {
      if (placeOf(event) >= 0) this.overlay.image();
    });
    this.toastBox = element("div", "toast", { role: "status", ariaLive: "polite" });
    this.stage.append(this.grid, this.toastBox);
    this.foot = element("footer", "foot");
    const main = element("div", "main");
    main.append(this.stage, this.#side());
    this.root.replaceChildren(this.question, main, this.foot, this.overlay.box);
  }

  #side() {
    const { session } = this;
    this.confirm = button("Confirm", "Enter", () => session.confirm(), "button primary");
    const buttons = element("div", "buttons");
    this.whole = button("Whole group", "A", () => this.overlay.group(), "button wide");
    buttons.append(
      this.confirm, this.whole,
      button("Undo", "Z", () => session.undo()), button("Skip", "S", () => session.skip()),
      button("Invert", "I", () => session.change((page) => page.invert())), button("Keys", "?", () => this.overlay.help()),
    );
    // A click on a button leaves the keys with the grid.
    buttons.addEventListener("pointerdown", (event) => event.preventDefault());
    const side = element("aside", "side");
    side.append(this.palette.field, this.palette.list, buttons);
    return side;
  }

  // --- drawing

  #changed(what) {
    if (what === "page") this.#drawPage();
    if (what === "classes" || what === "page") this.palette.draw();
    if (what !== "foot") this.#drawMarks();
    if (!this.session.page) this.#drawEmpty();
    this.#drawFoot();
  }

  #drawPage() {
    const { page } = this.session;
    this.grid.hidden = !page;
    this.grid.dataset.token = page?.token ?? "";
    this.grid.dataset.kind = page?.kind ?? "";
    if (this.empty) this.empty.hidden = Boolean(page);
    this.tiles = page ? page.rows.map((_, place) => tile(page, place)) : [];
    this.grid.replaceChildren(...this.tiles);
    if (!page) return;
    page.shownAt = performance.now();
    this.#fit();
  }

  // Whatever changes without a new page: kicks, focus, names.
  #drawMarks() {
    const { page } = this.session;
    this.#drawQuestion();
    this.palette.mark();
    this.overlay.follow();
    this.confirm.ariaDisabled = String(Boolean(page?.missing ?? true));
    this.whole.hidden = !page?.isGroup;
    this.confirm.firstChild.textContent = page?.missing || "Confirm";
    this.tiles.forEach((each, place) => this.#drawMark(each, page, place));
    if (page) this.grid.setAttribute("aria-activedescendant", `tile-${page.focus}`);
  }

  #drawMark(tile, page, place) {
    const kicked = page.kicked.has(place);
    const unsure = page.unsure.has(place);
    const assigned = page.assigned.get(place);
    tile.className = ["tile", kicked && "kicked", unsure && "unsure", assigned && "assigned", place === page.focus && "focus"]
      .filter(Boolean).join(" ");
    tile.ariaSelected = String(!kicked && !unsure);
    tile.mark.textContent = kicked ? "✕" : unsure ? "?" : assigned ? "✓" : "";
    const guess = page.second[place];
    tile.chip.textContent = assigned ? this.session.name(assigned) : guess ? `${this.session.name(guess)}?` : "";
    tile.ariaLabel = `Image ${place + 1}${kicked ? ", kicked" : unsure ? ", set aside" : ""}${tile.chip.textContent && `, ${tile.chip.textContent}`}`;
  }

  #drawQuestion() {
    const { page } = this.session;
    this.question.replaceChildren(...(page ? this.#words(page) : []));
    if (!page) return;
    const said = page.isSingle
      ? `${page.assigned.size + page.unsure.size} of ${page.rows.length} named`
      : page.kicked.size ? `${page.kicked.size} kicked` : many(page.rows.length, "image");
    this.question.append(text("span", page.kicked.size ? "pill kicks" : "pill", said));
  }

  #words(page) {
    const words = element("span", "words");
    const asked = (hint) => [words, text("span", "hint", hint)];
    if (page.isSingle) {
      const guess = page.second[page.focus];
      words.append("What is each of these?");
      return asked(guess ? `Press a class, or G for ${this.session.name(guess)}.` : "Press a class.");
    }
    if (!page.named) {
      words.append("What are these?");
      if (this.session.several) words.replaceChildren("What do most of these show?");
      const how = this.session.classes.length ? "Press the class of most" : "Press N and type what most are";
      return asked(`${how}, click what is not, then Enter.`);
    }
    const name = text("b", "", this.session.name(page.named));
    const questions = this.session.several ? QUESTIONS_OF_SEVERAL : QUESTIONS;
    const { before, after, hint, note } = (page.named === page.asked && questions[page.kind]) || STATEMENT;
    words.append(before, name, after);
    const told = this.#children(page.named) + hint;
    return note ? [words, text("span", "note", note), ...asked(told).slice(1)] : asked(told);
  }

  // What else counts as a class with children; it is asked later which of them an image is.
  #children(classId) {
    const names = this.session.classes.filter((each) => each.parent_id === classId).map((each) => each.name);
    if (!names.length) return "";
    const more = names.length > MOST_CHILDREN ? ` and ${many(names.length - MOST_CHILDREN, "other")}` : "";
    return `Any of ${names.slice(0, MOST_CHILDREN).join(", ")}${more} counts. `;
  }

  #drawEmpty() {
    const { phase } = this.session;
    this.empty ??= this.stage.appendChild(element("div", "empty", { role: "status" }));
    const [title, what] = this.#emptyWords();
    const waiting = !["DONE", "NONE"].includes(phase);
    const parts = [text("strong", "", title), ...what.map((each) => text(each.startsWith("hundredfold ") ? "code" : "p", "", each))];
    if (this.session.keys.length) parts.push(text("p", "dim", `${many(this.session.keys.length, "key")} pressed ahead wait; Esc forgets them.`));
    if (waiting) parts.unshift(element("i", "spinner"));
    if (this.empty.textContent !== parts.map((each) => each.textContent).join("")) this.empty.replaceChildren(...parts);
  }

  // A title, and lines of which commands are shown as such.
  #emptyWords() {
    const { phase, work, away, collection, known, progress, proved, several } = this.session;
    if (away) return ["Waiting for the server", [`${away}.`, "Nothing is lost: answers that are not saved yet are kept in this browser."]];
    if (!known) return ["Loading …", []];
    if (phase === "DONE") {
      const title = proved ? `Done: ${proved} of all images are right` : "All done";
      const all = several ? "No class is likely any more where it is unknown, which is no proof." : "Every image is labelled or set aside.";
      const why = proved ? "A random check proved it. Take the labels out with" : `${all} Take the labels out with`;
      return [title, [why, `hundredfold export ${collection} --format csv --out labels.csv`, "Z takes your last answer back."]];
    }
    if (phase === "NONE" && !work) {
      return ["No pages are being made for this collection", ["Prepare its images and open the loop with", `hundredfold bootstrap FOLDER --collection ${collection}`]];
    }
    if (progress.leased && !progress.pool) {
      return ["The rest is on other screens", [`What nobody answers there comes here by itself, after five minutes at most: ${many(progress.leased, "image")}.`]];
    }
    if (work) return ["The images are being prepared", [work, "The first page appears here by itself."]];
    return ["The next pages are being made", ["They appear here by themselves."]];
  }

  #drawFoot() {
    const { progress, trouble, away, outbox, keys, page } = this.session;
    const unsent = outbox.waiting.length;
    const badge = outbox.trouble || away
      ? text("span", "badge offline", `⚠ offline${unsent ? `: ${unsent} unsent` : ""}`)
      : unsent ? text("span", "badge busy", `↑ ${unsent} unsent`) : text("span", "badge saved", "✓ saved");
    badge.title = unsent ? "Answers that are not saved yet are kept in this browser and sent by themselves." : "Every answer is saved.";
    const parts = [badge];
    if (progress) parts.push(...progressParts(progress, this.session.several));
    if (page && keys.length) parts.push(text("span", "dim", `${many(keys.length, "key")} pressed ahead`));
    const why = away || outbox.trouble || trouble;
    if (why) parts.push(Object.assign(text("span", "trouble", why), { title: why }));
    this.foot.replaceChildren(...parts);
  }

  #toast(message) {
    this.toastBox.textContent = message;
    this.toastBox.classList.add("open");
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => this.toastBox.classList.remove("open"), TOAST_MS);
  }

  // The largest tiles with which the whole page is in view; those of a row share its width, none is
  // much longer than wide.
  #fit() {
    const count = this.session.page?.rows.length;
    if (!count) return;
    const { clientWidth: width, clientHeight: height } = this.stage;
    let best = { side: 0 };
    for (let columns = 1; columns <= count; columns++) {
      const wide = Math.floor((width + GAP) / columns - GAP);
      const high = Math.floor((height + GAP) / Math.ceil(count / columns) - GAP);
      const side = Math.min(wide, high, LARGEST_TILE);
      if (side > best.side) best = { side, columns, wide: Math.min(wide, side * LONGEST), high: Math.min(high, side * LONGEST) };
    }
    this.columns = best.columns;
    this.grid.style.setProperty("--columns", best.columns);
    this.grid.style.setProperty("--wide", `${best.wide}px`);
    this.grid.style.setProperty("--high", `${best.high}px`);
  }
}

function tile(page, place) {
  const made = element("div", "tile", { role: "option", id: `tile-${place}` });
  made.dataset.place = place;
  made.mark = element("span", "mark");
  made.chip = element("span", "chip");
  const picture = page.pictures[place];
  made.append(picture.src ? picture : text("span", "broken", "can’t be shown"), made.mark, made.chip);
  return made;
}

function placeOf(event) {
  return Number(event.target.closest(".tile")?.dataset.place ?? -1);
}

function progressParts({ total, labelled, unsure, labels_per_minute: pace, images, images_labelled: whole }, several) {
  const bar = element("span", "bar", { role: "progressbar", ariaLabel: "Labelled", ariaValueNow: labelled, ariaValueMax: total });
  const fill = element("i");
  fill.style.width = `${total ? 100 * labelled / total : 0}%`;
  bar.append(fill);
  const done = several
    ? `${format(labelled)} of ${format(total)} answers known, ${format(whole)} of ${format(images)} images whole`
    : `${format(labelled)} of ${format(total)} labelled`;
  return [
    text("span", "count", done), bar,
    text("span", "count", total ? `${(100 * labelled / total).toFixed(1)} %` : ""),
    text("span", "count dim", unsure ? `${format(unsure)} set aside` : ""),
    text("span", "spring", ""),
    text("span", "count", `${format(pace)} ${several ? "answers" : "labels"} a minute`),
  ];
}
