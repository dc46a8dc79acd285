// What lies over the grid, one thing at a time: the keys, one image large, a question.

import { element } from "./dom.js";
import { say } from "./words.js";

export class Overlay {
  // `beneath`: what can't be reached meanwhile.
  constructor(beneath) {
    this.showing = ""; // the name of the action that opened it
    this.asking = false; // the next key is meant for what is open
    this.follow = null; // called when something of the page has changed
    this.beneath = beneath;
    this.box = element("div", "overlay", { role: "dialog", ariaModal: "true", tabIndex: -1 });
    this.out = element("button", "out", { type: "button", textContent: "✕", ariaLabel: say("label.close"), title: say("label.close") });
    this.out.addEventListener("click", () => this.close());
    this.box.addEventListener("click", (event) => event.target === this.box && this.close());
  }

  open(showing, label, content, { follow = null, focus = this.box } = {}) {
    if (!this.showing) this.before = this.box.getRootNode().activeElement;
    Object.assign(this, { showing, follow });
    this.box.ariaLabel = label;
    this.box.replaceChildren(content);
    if (!content.querySelector(".buttons")) this.box.append(this.out); // fingers have no Esc
    this.box.classList.add("open");
    for (const each of this.beneath) each.inert = true;
    focus?.focus({ preventScroll: true });
  }

  close() {
    if (!this.showing) return;
    Object.assign(this, { showing: "", asking: false, follow: null });
    this.box.classList.remove("open");
    this.box.replaceChildren();
    for (const each of this.beneath) each.inert = false;
    this.before?.focus({ preventScroll: true });
  }
}
