// What lies over the view: one image large, or the question whether to take something back.

import { element, text } from "../grid/dom.js";
import { say } from "../grid/words.js";
import { className, deed, waiting } from "./parts.js";

const TOAST_MS = 12_000;

export class Dialogs {
  constructor(desk) {
    this.desk = desk;
    this.box = element("div", "overlay", { role: "dialog", ariaModal: "true" });
    this.box.addEventListener("click", (event) => event.target === this.box && this.close());
    this.box.addEventListener("keydown", (event) => this.#key(event));
    this.toast = element("div", "toast", { role: "status", ariaLive: "polite" });
    desk.addEventListener("say", (event) => this.#say(event.detail));
  }

  get open() {
    return this.box.classList.contains("open");
  }

  close() {
    this.box.classList.remove("open");
    this.box.replaceChildren();
    this.before?.focus?.({ preventScroll: true });
    this.before = null;
  }

  look(row) {
    const picture = element("img", "", { src: this.desk.server.image(row), alt: say("review.image", { number: row }) });
    const figure = element("figure", "large");
    figure.append(picture, text("figcaption", "", say("review.image", { number: row })), deed(say("review.close"), "Esc", () => this.close()));
    this.#show(say("review.large"), figure);
  }

  // Ask, and do it when that is wanted.
  confirm(title, words, label, act) {
    const go = deed(label, "Enter", async () => {
      this.close();
      await this.desk.try(act);
    }, "primary");
    const card = element("div", "card");
    card.append(text("h2", "", title), text("p", "", words), this.#buttons(go));
    this.#show(title, card);
  }

  // Show what taking a selection back would do, and do it when that is wanted.
  async takeBack(title, selection) {
    const card = element("div", "card");
    card.append(text("h2", "", title), waiting(say("review.counting")));
    this.#show(title, card);
    let told;
    try {
      told = await this.desk.preview(selection);
    } catch (error) {
      card.replaceChildren(text("h2", "", title), text("p", "", say("review.refused", { why: error.message })), this.#buttons());
      return;
    }
    const go = deed(say("review.take_back"), "Enter", async () => {
      go.allow(say("review.working"));
      this.close();
      await this.desk.try(() => this.desk.undo({ ...selection, head_seq: told.head_seq }));
    }, "primary");
    card.replaceChildren(text("h2", "", title), ...this.#told(told), this.#buttons(go));
    go.focus();
  }

  #told(told) {
    const numbers = element("div", "numbers");
    numbers.append(number(told.events, "events", say("review.events", { count: told.events })), number(told.images, "images", say("review.images", { count: told.images })));
    const gone = sum(told.gone);
    const back = sum(told.back);
    const table = element("div", "changes");
    const rows = classesOf(told);
    if (rows.length) {
      table.append(text("span", "head", say("review.class")), text("span", "head", say("review.go")), text("span", "head", say("review.come_back")));
      for (const [classId, goes, comes] of rows) {
        table.append(className(this.desk, classId), change("gone", goes, "−"), change("back", comes, "+"));
      }
    }
    const words = gone || !told.pairs_gone ? [say("review.labels_go", { count: gone })] : [];
    if (back) words.push(say("review.labels_back", { count: back }));
    if (told.negatives_gone) words.push(say("review.negatives_go", { count: told.negatives_gone }));
    if (told.negatives_back) words.push(say("review.negatives_back", { count: told.negatives_back }));
    if (told.unsure_gone) words.push(say("review.unsure_go", { count: told.unsure_gone }));
    if (told.unsure_back) words.push(say("review.unsure_back", { count: told.unsure_back }));
    if (told.pairs_gone) words.push(say("pairs.pairs_go", { count: told.pairs_gone }));
    if (told.pairs_back) words.push(say("pairs.pairs_back", { count: told.pairs_back }));
    const sum_ = text("p", "sums", words.join(" "));
    sum_.dataset.gone = gone;
    sum_.dataset.back = back;
    return [numbers, table, sum_, text("p", "dim", say("review.nothing_lost"))];
  }

  #buttons(...deeds) {
    const box = element("div", "deeds");
    box.append(...deeds, deed(say("review.cancel"), "Esc", () => this.close()));
    return box;
  }

  #show(label, content) {
    if (!this.open) this.before = this.box.getRootNode().activeElement;
    this.box.ariaLabel = label;
    this.box.replaceChildren(content);
    this.box.classList.add("open");
    content.querySelector("button")?.focus();
  }

  #key(event) {
    if (event.key === "Escape") this.close();
    if (event.key === "Tab") this.#hold(event);
    event.stopPropagation();
  }

  // Tab stays within what is open.
  #hold(event) {
    const all = [...this.box.querySelectorAll("button")];
    const at = all.indexOf(this.box.getRootNode().activeElement);
    const next = all[(at + (event.shiftKey ? -1 : 1) + all.length) % all.length];
    next?.focus();
    event.preventDefault();
  }

  #say({ words, undo }) {
    clearTimeout(this.timer);
    this.toast.replaceChildren(text("span", "", words));
    if (undo) {
      this.toast.append(deed(say("review.undo_this"), "", async () => {
        this.toast.classList.remove("open");
        await this.desk.try(undo);
      }, "plain"));
    }
    const close = element("button", "close", { type: "button", textContent: "✕", ariaLabel: say("review.close") });
    close.addEventListener("click", () => this.toast.classList.remove("open"));
    this.toast.append(close);
    this.toast.classList.add("open");
    this.timer = setTimeout(() => this.toast.classList.remove("open"), TOAST_MS);
  }
}

function number(count, kind, words) {
  const made = element("div", "number");
  const shown = text("b", "", count.toLocaleString());
  shown.dataset[kind] = count;
  made.append(shown, text("span", "", words));
  return made;
}

function change(kind, count, sign) {
  return text("span", `change ${kind}`, count ? `${sign} ${count.toLocaleString()}` : "");
}

function sum(pairs) {
  return pairs.reduce((all, [, count]) => all + count, 0);
}

function classesOf({ gone, back }) {
  const rows = new Map(gone.map(([classId, count]) => [classId, [classId, count, 0]]));
  for (const [classId, count] of back) {
    const row = rows.get(classId) ?? [classId, 0, 0];
    row[2] = count;
    rows.set(classId, row);
  }
  return [...rows.values()];
}
