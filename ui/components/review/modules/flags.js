// Notes that labelers left on images: what was written, saying what they are, done with it.

import { element, text } from "../grid/dom.js";
import { say } from "../grid/words.js";
import { Gallery } from "./gallery.js";
import { classChoice, deed, empty, moment, state, waiting } from "./parts.js";

export class Flags {
  constructor(desk, dialogs, stage, tell) {
    Object.assign(this, { desk, dialogs, stage, tell, galleries: [] });
    const head = element("header", "head");
    head.append(text("h1", "", say("review.flags")), text("p", "hint", say("review.flags_hint")));
    const filters = element("div", "filters");
    this.done = element("input", "", { type: "checkbox" });
    this.done.addEventListener("change", () => this.again());
    const label = element("label", "check");
    label.append(this.done, text("span", "", say("review.show_resolved")));
    filters.append(label);
    this.scroll = element("div", "scroll");
    this.scroll.append(waiting(say("review.reading")));
    this.stage.append(head, filters, this.scroll);
  }

  leave() {
    this.gone = true;
    this.#forget();
  }

  #forget() {
    for (const each of this.galleries) each.leave();
    this.galleries = [];
  }

  async again() {
    const found = await this.desk.try(() => this.desk.server.call(`review/flags?open=${this.done.checked ? 0 : 1}`));
    if (this.gone) return;
    this.#forget();
    if (!found?.flags.length) {
      this.scroll.replaceChildren(found ? empty(say("review.no_flags"), say("review.no_flags_hint")) : empty(say("review.away"), say("review.try_later")));
      this.tell("");
      return;
    }
    this.scroll.replaceChildren(...found.flags.map((each) => this.#flag(each)));
    this.tell(say("review.flags_count", { count: found.flags.length }));
  }

  #flag(flag) {
    const made = element("article", "flag");
    made.dataset.seq = flag.seq;
    const head = element("div", "flag-head");
    head.append(text("strong", "", flag.actor), moment(flag.at), text("span", "dim", say("review.images_flagged", { count: flag.rows.length })), element("span", "spring"));
    if (flag.resolved_by) {
      const done = state("good", "✓", say("review.resolved_by", { who: flag.resolved_by }));
      head.append(done);
    } else head.append(...this.#deeds(flag));
    const gallery = new Gallery(this.desk.server, flag.rows.map((row) => ({ row })), { onLook: (row) => this.dialogs.look(row) });
    this.galleries.push(gallery);
    made.append(head);
    if (flag.comment) made.append(text("blockquote", "", flag.comment));
    if (flag.answer) made.append(text("p", "dim", say("review.answer", { answer: flag.answer })));
    made.append(gallery.box);
    return made;
  }

  #deeds(flag) {
    const resolve = deed(say("review.resolve"), "", () => this.#resolve(flag, ""), "small");
    resolve.dataset.deed = "resolve";
    if (!this.desk.known.reviews) return [resolve];
    const name = classChoice(this.desk, say("review.these_are"), (classId) => this.#name(flag, classId));
    return [name, resolve];
  }

  async #resolve(flag, comment) {
    await this.desk.try(async () => {
      await this.desk.write("review/resolve", { seqs: [flag.seq], comment });
      this.desk.say(say("review.flag_resolved"));
    });
    await this.desk.try(() => this.desk.begin());
    await this.again();
  }

  // Say what the images are, and be done with the flag.
  async #name(flag, classId) {
    await this.desk.try(async () => {
      const { rows, seqs } = await this.desk.write("review/name", { rows: flag.rows, to: classId });
      if (!rows.length) {
        this.desk.say(say("review.all_leased"));
        return;
      }
      const name = this.desk.name(classId);
      await this.desk.write("review/resolve", { seqs: [flag.seq], comment: say("review.answer_named", { name }) });
      this.desk.relabelled(say("review.named", { count: rows.length, name }), seqs);
    });
    await this.desk.try(() => this.desk.begin());
    await this.again();
  }
}
