// What lies over the grid: the keys, one image large, or the question about a whole group.

import { button, element, format, text } from "./dom.js";

const KEYS = [
  ["Answer", [
    ["1 … 0", "choose the class"], ["N  /", "find or add a class"], ["Enter  Space", "confirm, and on to the next page"],
    ["Z  ⌫", "undo, as often as you like"], ["S", "skip this page"],
    ["A", "the whole group is this class"],
  ]],
  ["Odd ones out", [
    ["click", "kick an image, or take it back"], ["Shift + click", "the same for a whole run"], ["← ↑ ↓ →", "move the focus"],
    ["X", "kick the image in focus"], ["I", "kick all the others instead"], ["U", "nobody can tell: set it aside"],
  ]],
  ["One by one", [["1 … 0", "name the image in focus, and on"], ["G", "take the guess"]]],
  ["Look", [["V", "see the image in focus large, also by double click"], ["?", "these keys"], ["Esc", "close"]]],
];

export class Overlay {
  constructor(session) {
    this.session = session;
    this.showing = ""; // "help", "image", "group" or nothing
    this.box = element("div", "overlay", { role: "dialog", ariaModal: "true" });
    this.box.addEventListener("click", () => this.close());
  }

  close() {
    this.showing = "";
    this.box.classList.remove("open");
    this.box.replaceChildren();
  }

  help() {
    if (this.showing === "help") return this.close();
    const card = element("div", "card");
    card.append(text("h2", "", "Keys"));
    const columns = element("div", "columns");
    for (const [title, keys] of KEYS) columns.append(section(title, keys));
    card.append(columns, text("p", "dim", "Answers are kept in this browser until they are saved: you can go on while the server is away."));
    return this.#open("help", "Keys", card);
  }

  image() {
    if (this.showing === "image" || !this.session.page) return this.close();
    this.picture = new Image();
    this.picture.alt = "The image in focus, large";
    this.caption = element("figcaption");
    const figure = element("figure", "large");
    figure.append(this.picture, this.caption);
    this.#open("image", "The image in focus, large", figure);
    return this.follow();
  }

  // Ask whether the whole group is to be of one class.
  async group() {
    const { page } = this.session;
    if (this.showing === "group" || !page?.isGroup) return;
    if (!page.named) {
      this.session.toast("Choose the class of the group first.");
      return;
    }
    const name = this.session.name(page.named);
    const size = text("b", "", "…");
    const allowed = text("b", "", "…");
    const question = element("h2");
    question.append("Is the whole group ", text("b", "", name), "?");
    const what = element("p");
    what.append("It has ", size, " images. Some of them, chosen at random, are shown to you first. If they prove that at most ", allowed,
      ` of the group are wrong, all others become ${name} by themselves. Progress tells, and takes it back at once.`);
    const buttons = element("div", "buttons");
    buttons.append(button("Begin", "Enter", () => this.begin(), "button primary"), button("No", "Esc", () => this.close()));
    const card = element("div", "card narrow");
    card.append(question, what, buttons);
    this.#open("group", "The whole group", card);
    try {
      const found = await this.session.sizeOfGroup(page);
      size.textContent = format(found.size);
      allowed.textContent = found.allowed;
    } catch (error) {
      if (this.showing !== "group") return;
      this.close();
      this.session.toast(`Not now: ${error.message}.`);
    }
  }

  begin() {
    this.close();
    this.session.labelGroup();
  }

  // The large image is always the one in focus.
  follow() {
    const { page, server } = this.session;
    if (this.showing !== "image") return;
    if (!page) {
      this.close();
      return;
    }
    const source = server.image(page.rows[page.focus]);
    if (!this.picture.src.endsWith(source)) this.picture.src = source;
    const kicked = page.kicked.has(page.focus) ? " · kicked" : "";
    this.caption.textContent = `${page.focus + 1} of ${page.rows.length}${kicked} · arrows: the next · X: kick · V: back`;
  }

  #open(showing, label, content) {
    this.showing = showing;
    this.box.ariaLabel = label;
    this.box.replaceChildren(content);
    this.box.classList.add("open");
  }
}

function section(title, keys) {
  const box = element("section");
  box.append(text("h3", "", title));
  for (const [key, what] of keys) {
    const line = element("div", "line");
    const names = element("span", "names");
    names.append(...key.split("  ").map((each) => text("kbd", "", each)));
    line.append(names, text("span", "", what));
    box.append(line);
  }
  return box;
}
