// Groups of images that are copies of one another: one label counts for all of a group.

import { element, text } from "../grid/dom.js";
import { say } from "../grid/words.js";
import { Gallery } from "./gallery.js";
import { deed, empty, waiting } from "./parts.js";

const STEP = 60;
const MOST = 1000;

export class Copies {
  constructor(desk, dialogs, stage, tell) {
    Object.assign(this, { desk, dialogs, stage, tell, galleries: [], limit: STEP });
    const head = element("header", "head");
    head.append(text("h1", "", say("review.copies")), text("p", "hint", say("review.copies_hint")));
    this.scroll = element("div", "scroll");
    this.stage.append(head, this.scroll);
    this.scroll.append(waiting(say("review.reading")));
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
    const found = await this.desk.try(() => this.desk.server.call(`review/copies?limit=${this.limit}`));
    if (this.gone) return;
    this.#forget();
    if (!found?.groups.length) {
      const hint = found?.searched ? say("review.no_copies_hint") : say("review.not_searched");
      this.scroll.replaceChildren(found ? empty(say("review.no_copies"), hint) : empty(say("review.away"), say("review.try_later")));
      return;
    }
    const groups = element("div", "copy-groups");
    groups.append(...found.groups.map((each) => this.#group(each)));
    this.scroll.replaceChildren(groups);
    if (found.groups.length < found.group_count && this.limit < MOST) {
      this.scroll.append(deed(say("review.more_groups"), "", () => {
        this.limit = Math.min(MOST, this.limit + STEP);
        this.again();
      }, "wide"));
    }
    this.tell(say("review.copies_count", { count: found.group_count, copies: say("review.one_and_copies", { count: found.copy_count }) }), [["V", say("review.key_large")]]);
  }

  #group({ representative, rows, distances, copies }) {
    const images = [
      { row: representative, chip: say("review.stands_for_all") },
      ...rows.map((row, place) => ({ row, chip: distances[place] ? say("review.differs", { count: distances[place] }) : say("review.same") })),
    ];
    const gallery = new Gallery(this.desk.server, images, { onLook: (row) => this.dialogs.look(row) });
    this.galleries.push(gallery);
    const made = element("section", "copy-group");
    const hidden = copies - rows.length;
    made.append(text("h3", "", say("review.one_and_copies", { count: copies })), gallery.box);
    if (hidden > 0) made.append(text("p", "dim", say("review.not_shown", { count: hidden })));
    return made;
  }
}
