// Groups of images that are copies of one another: one label counts for all of a group. What is no copy is said
// here, and which image is to stand for the others; pairs that only look alike are judged in the Label view.

import { element, text } from "../grid/dom.js";
import { goToLabel, handOver } from "../grid/picked.js";
import { say } from "../grid/words.js";
import { Gallery } from "./gallery.js";
import { deed, empty, waiting } from "./parts.js";

const STEP = 60;
const MOST = 1000;
const LOOK_MS = 3000;

export class Copies {
  constructor(desk, dialogs, stage, tell) {
    Object.assign(this, { desk, dialogs, stage, tell, galleries: [], limit: STEP, chosen: null });
    const head = element("header", "head");
    this.search = deed(say("pairs.search"), "", () => this.#search(), "small");
    this.search.hidden = true;
    const title = element("div", "title-row");
    title.append(text("h1", "", say("review.copies")), element("span", "spring"), this.search);
    head.append(title, text("p", "hint", say("review.copies_hint")));
    this.waiting = element("div", "waiting-pairs", { hidden: true });
    this.scroll = element("div", "scroll");
    this.count = text("span", "count", "");
    this.keep = deed(say("pairs.keep_one"), "K", () => this.#keep());
    this.split = deed(say("pairs.split"), "T", () => this.#split());
    this.apart = deed(say("pairs.not_copy"), "X", () => this.#apart());
    this.bar = element("div", "actions", { hidden: true });
    this.bar.append(this.count, element("span", "spring"), this.keep, this.split, this.apart);
    this.stage.append(head, this.waiting, this.scroll, this.bar);
    this.scroll.append(waiting(say("review.reading")));
  }

  leave() {
    this.gone = true;
    clearTimeout(this.timer);
    this.#forget();
  }

  #forget() {
    for (const each of this.galleries) each.leave();
    this.galleries = [];
    this.chosen = null;
  }

  async again() {
    const found = await this.desk.try(() => this.desk.server.call(`review/copies?limit=${this.limit}`));
    if (this.gone) return;
    this.#forget();
    this.#drawSearch(found);
    this.#drawWaiting(found?.pairs_open ?? 0);
    this.bar.hidden = !found?.groups.length;
    if (!found?.groups.length) {
      const hint = found?.searched ? say("review.no_copies_hint") : say("review.not_searched");
      this.scroll.replaceChildren(found ? empty(say("review.no_copies"), hint) : empty(say("review.away"), say("review.try_later")));
      return;
    }
    const groups = element("div", "copy-groups");
    groups.append(...found.groups.map((each) => this.#group(each)));
    const top = this.scroll.scrollTop;
    this.scroll.replaceChildren(groups);
    this.scroll.scrollTop = top;
    if (found.groups.length < found.group_count && this.limit < MOST) {
      this.scroll.append(deed(say("review.more_groups"), "", () => {
        this.limit = Math.min(MOST, this.limit + STEP);
        this.again();
      }, "wide"));
    }
    this.#allow();
    const copies = say("review.one_and_copies", { count: found.copy_count });
    this.tell(say("review.copies_count", { count: found.group_count, copies }), [
      [say("review.click"), say("review.key_choose")], ["Shift", say("review.key_run")], ["V", say("review.key_large")],
    ]);
  }

  // --- the search, which heeds what was said

  #drawSearch(found) {
    this.run = found?.run ?? "";
    this.search.hidden = !found?.may_search;
    this.search.firstChild.textContent = found?.searching ? say("pairs.searching") : say("pairs.search");
    this.search.allow(found?.searching ? say("pairs.searching") : "");
    clearTimeout(this.timer);
    if (found?.searching) this.timer = setTimeout(() => this.#look(), LOOK_MS);
  }

  #search() {
    this.dialogs.confirm(say("pairs.search_ask"), say("pairs.search_what"), say("pairs.search"), async () => {
      await this.desk.write("review/search", {});
      this.search.firstChild.textContent = say("pairs.searching");
      this.search.allow(say("pairs.searching"));
      this.timer = setTimeout(() => this.#look(), LOOK_MS);
    });
  }

  // What was chosen stays until there is something new.
  async #look() {
    const found = await this.desk.server.call("review/copies?limit=1").catch(() => ({ searching: true, run: this.run }));
    if (this.gone) return;
    if (found.searching && found.run === this.run) this.timer = setTimeout(() => this.#look(), LOOK_MS);
    else await this.again();
  }

  // --- pairs that look alike

  #drawWaiting(count) {
    this.waiting.hidden = !count;
    if (!count) return;
    const judge = deed(say("pairs.judge"), "J", () => this.#judge(), "primary");
    judge.dataset.deed = "judge";
    this.waiting.replaceChildren(text("span", "", say("pairs.wait", { count })), judge);
  }

  #judge() {
    return this.desk.try(async () => {
      const { leases: [lease] } = await this.desk.server.call("pairs", { annotator: this.desk.annotator, limit: 1 });
      if (!lease) return this.desk.say(say("pairs.all_taken"));
      handOver(this.desk.collection, lease);
      return goToLabel();
    });
  }

  // --- groups

  #group({ representative, rows, distances, copies, apart, kept }) {
    const chips = (row, words) => (row === kept ? say("pairs.is_kept") : apart.includes(row) ? say("pairs.is_apart") : words);
    const images = [
      { row: representative, chip: chips(representative, say("review.stands_for_all")) },
      ...rows.map((row, place) => ({ row, chip: chips(row, distances[place] ? say("review.differs", { count: distances[place] }) : say("review.same")) })),
    ];
    const group = { rows: images.map((each) => each.row), apart, chosen: new Set() };
    const gallery = new Gallery(this.desk.server, images, {
      chosen: group.chosen, onChoose: () => this.#choose(group, gallery), onLook: (row) => this.dialogs.look(row),
    });
    this.galleries.push(gallery);
    const made = element("section", "copy-group");
    const hidden = copies - rows.length;
    made.append(text("h3", "", say("review.one_and_copies", { count: copies })), gallery.box);
    if (hidden > 0) made.append(text("p", "dim", say("review.not_shown", { count: hidden })));
    return made;
  }

  // Images of one group at a time.
  #choose(group, gallery) {
    if (this.chosen && this.chosen.group !== group) {
      this.chosen.group.chosen.clear();
      this.chosen.gallery.draw();
    }
    this.chosen = { group, gallery };
    this.#allow();
  }

  #allow() {
    const { rows = [], chosen = new Set() } = this.chosen?.group ?? {};
    const some = chosen.size ? "" : say("pairs.choose_here");
    this.count.textContent = chosen.size ? say("review.chosen", { count: chosen.size }) : say("pairs.choose");
    this.keep.allow(chosen.size === 1 ? "" : say("pairs.choose_one"));
    this.split.allow(some || (chosen.size < rows.length ? "" : say("pairs.choose_some")));
    this.apart.allow(some);
  }

  get #sides() {
    const { rows, chosen } = this.chosen.group;
    return { inside: rows.filter((row) => chosen.has(row)), outside: rows.filter((row) => !chosen.has(row)) };
  }

  // It stands for all of the group but those that are kept apart.
  #keep() {
    const { inside: [kept], outside } = this.#sides;
    const others = outside.filter((row) => !this.chosen.group.apart.includes(row));
    return this.#say({ IS: others.map((row) => [kept, row]) }, [kept], say("pairs.was_kept"));
  }

  // The chosen ones are copies of one another, and of nothing else here.
  #split() {
    const { inside, outside } = this.#sides;
    const [first, ...rest] = inside;
    const said = { IS_NOT: inside.flatMap((row) => outside.map((other) => [row, other])), IS: rest.map((row) => [first, row]) };
    return this.#say(said, [], say("pairs.was_split", { count: inside.length }));
  }

  // None of the chosen ones is a copy of anything here.
  #apart() {
    const { inside, outside } = this.#sides;
    const said = inside.flatMap((row, place) => [...outside, ...inside.slice(place + 1)].map((other) => [row, other]));
    return this.#say({ IS_NOT: said }, [], say("pairs.was_apart", { count: inside.length }));
  }

  #say(said, kept, words) {
    const judgements = Object.entries(said).filter(([, pairs]) => pairs.length)
      .map(([verdict, pairs]) => ({ class_id: 0, verdict, rows: pairs.map(([row]) => row), others: pairs.map(([, other]) => other) }));
    return this.desk.try(async () => {
      const { seq } = await this.desk.write("review/pairs", { judgements, kept });
      this.desk.relabelled(words, [seq]);
      await this.again();
    });
  }

  key(key) {
    const act = { k: this.keep, t: this.split, x: this.apart, j: this.waiting.querySelector("[data-deed=judge]") }[key];
    act?.click();
    return Boolean(act);
  }
}
