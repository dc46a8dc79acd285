// The question over the images, in words.

import { element, text } from "./dom.js";
import { inWords } from "./pairs.js";
import { phrase, say } from "./words.js";

const MOST_CHILDREN = 4;
// How each kind of page asks about a class.
const QUESTIONS = {
  VERIFY: { asks: "label.verify", hint: "label.verify_hint" },
  PICKED: { asks: "label.verify", hint: "label.verify_hint" },
  AUDIT: { asks: "label.audit", hint: "label.audit_hint", note: "label.audit_note" },
  REVIEW: { asks: "label.review", hint: "label.review_hint", note: "label.review_note" },
};
// Where an image may be of several classes: nothing is said of the others.
const QUESTIONS_OF_SEVERAL = {
  VERIFY: { asks: "label.several_verify", hint: "label.several_verify_hint" },
  PICKED: { asks: "label.several_verify", hint: "label.several_verify_hint" },
  AUDIT: { asks: "label.several_audit", hint: "label.several_audit_hint", note: "label.audit_note" },
};
const STATEMENT = { asks: "label.statement", hint: "label.verify_hint" };

export class Question {
  constructor(session, keymap) {
    Object.assign(this, { session, keymap });
    this.box = element("h1", "question", { ariaLive: "polite" });
    this.pill = element("span", "pill");
  }

  draw() {
    const { page, classes } = this.session;
    if (!page) return this.#forget();
    if (this.page !== page || this.named !== page.named || this.classes !== classes || page.isSingle) {
      Object.assign(this, { page, named: page.named, classes });
      this.#ask(page);
    }
    const kicked = page.isPairs ? 0 : page.kicked.size;
    const said = page.isPairs ? inWords(page) : page.isSingle
      ? say("label.named", { done: page.assigned.size + page.unsure.size, total: page.rows.length })
      : kicked ? say("label.kicked", { count: kicked }) : say("label.count", { count: page.rows.length });
    if (this.pill.textContent !== said) this.pill.textContent = said;
    this.pill.classList.toggle("kicks", kicked > 0);
  }

  #forget() {
    this.page = null;
    this.asked = "";
    this.box.replaceChildren();
  }

  #ask(page) {
    const { words, hint, note } = this.#words(page);
    const asked = `${page.token} ${hint}`;
    if (page.isSingle && asked === this.asked) return; // the guess of the image in focus is told in the hint
    this.asked = asked;
    const sentence = element("span", "words");
    sentence.append(...words);
    this.box.replaceChildren(sentence, ...(note ? [text("span", "note", say(note))] : []), text("span", "hint", hint), this.pill);
  }

  #words(page) {
    const { session } = this;
    if (page.isPairs) return { words: phrase("pairs.asks"), hint: say("pairs.hint", { turn: this.keymap.hint("kick"), look: this.keymap.hint("zoom") }) };
    if (page.isSingle) {
      const guess = page.second[page.focus];
      const hint = guess ? say("label.single_hint_guess", { name: session.name(guess), key: this.keymap.hint("guess") }) : say("label.single_hint");
      return { words: phrase("label.single"), hint };
    }
    if (!page.named) {
      const words = session.several ? phrase("label.cluster_several") : phrase("label.cluster");
      return { words, hint: session.classes.length ? say("label.cluster_hint") : say("label.cluster_hint_none", { key: this.keymap.hint("find") }) };
    }
    const questions = session.several ? QUESTIONS_OF_SEVERAL : QUESTIONS;
    const { asks, hint, note } = (page.named === page.asked && questions[page.kind]) || STATEMENT;
    const words = phrase(asks, { name: text("b", "", session.name(page.named)) });
    return { words, hint: `${this.#children(page.named)}${say(hint)}`, note };
  }

  // What else counts as a class with children; it is asked later which of them an image is.
  #children(classId) {
    const names = this.session.classes.filter((each) => each.parent_id === classId).map((each) => each.name);
    if (!names.length) return "";
    const shown = names.slice(0, MOST_CHILDREN).join(", ");
    const more = names.length - MOST_CHILDREN;
    return `${more > 0 ? say("label.children_more", { names: shown, count: more }) : say("label.children", { names: shown })} `;
  }
}
