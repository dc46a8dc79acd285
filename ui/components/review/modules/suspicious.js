// Labels that people gave and a model that has not seen them doubts: keep them, or say what they are.

import { element, text } from "../grid/dom.js";
import { say } from "../grid/words.js";
import { Gallery } from "./gallery.js";
import { classChoice, className, deed, empty, percent, waiting } from "./parts.js";

export class Suspicious {
  constructor(desk, dialogs, stage, tell) {
    Object.assign(this, { desk, dialogs, stage, tell });
    this.galleries = [];
    this.chosen = new Map(); // class -> Set of rows
    this.#build();
  }

  leave() {
    this.gone = true;
    this.#forget();
  }

  #forget() {
    for (const each of this.galleries) each.leave();
    this.galleries = [];
  }

  #build() {
    const head = element("header", "head");
    const hint = this.desk.known.second_looks ? say("review.suspicious_hint_loop") : say("review.suspicious_hint");
    head.append(text("h1", "", say("review.suspicious")), text("p", "hint", hint));
    this.scroll = element("div", "scroll");
    this.count = text("span", "count", "");
    this.keep = deed(say("review.keep"), "K", () => this.#say((_, classId) => classId, "kept"));
    this.suggested = deed(say("review.as_suggested"), "R", () => this.#say((image) => image.other, "relabelled"));
    this.other = classChoice(this.desk, say("review.relabel_as"), (classId) => this.#say(() => classId, "relabelled"));
    this.kick = deed(say("review.not_that"), "X", () => this.#say(() => 0, "relabelled"));
    const bar = element("div", "actions");
    bar.append(this.count, element("span", "spring"), this.keep, this.suggested, this.other, this.kick);
    this.stage.append(head, this.scroll, bar);
  }

  async again() {
    this.#forget();
    this.chosen.clear();
    this.#allow();
    this.scroll.replaceChildren(waiting(say("review.suspicious_looking")));
    const found = await this.desk.try(async () => {
      const answer = await this.desk.server.call("review/suspicious");
      await this.desk.know(answer.groups.flatMap((each) => [each.class_id, ...each.images.map((one) => one.other)]));
      return answer;
    });
    if (this.gone) return;
    if (!found?.groups.length) {
      const title = found && !found.why ? say("review.nothing_suspicious") : say("review.nothing_to_tell");
      const hint = found ? found.why || say("review.nothing_suspicious_hint", { count: found.labels }) : say("review.try_later");
      this.scroll.replaceChildren(empty(title, hint));
      this.tell("");
      return;
    }
    this.groups = found.groups;
    this.scroll.replaceChildren(...found.groups.map((each) => this.#group(each)));
    const images = found.groups.reduce((all, each) => all + each.images.length, 0);
    this.tell(say("review.suspicious_count", { count: images, labels: found.labels }), [
      [say("review.click"), say("review.key_choose")], ["Shift", say("review.key_run")], ["V", say("review.key_large")],
    ]);
  }

  #group(group) {
    const rows = new Set();
    this.chosen.set(group.class_id, rows);
    const images = group.images.map(({ row, other, wrong }) => ({
      row,
      chip: say("review.rather", { name: this.desk.name(other), share: percent(wrong) }),
      title: say("review.doubt", { name: this.desk.name(group.class_id), other: this.desk.name(other), share: percent(wrong) }),
    }));
    const gallery = new Gallery(this.desk.server, images, { chosen: rows, onChoose: () => this.#allow(), onLook: (row) => this.dialogs.look(row) });
    this.galleries.push(gallery);
    const all = deed(say("review.choose_all"), "", () => {
      const full = rows.size === images.length;
      rows.clear();
      if (!full) for (const each of images) rows.add(each.row);
      gallery.draw();
      this.#allow();
    }, "small");
    const title = element("h2", "group");
    title.append(className(this.desk, group.class_id), text("span", "dim", say("review.look_wrong", { count: images.length })), element("span", "spring"), all);
    const made = element("section");
    made.append(title, gallery.box);
    return made;
  }

  #allow() {
    const count = [...this.chosen.values()].reduce((all, each) => all + each.size, 0);
    this.count.textContent = count ? say("review.chosen", { count }) : say("review.choose_images");
    const why = count ? "" : say("review.choose_images");
    for (const each of [this.keep, this.suggested, this.other, this.kick]) each.allow(why);
  }

  // `to` says for an image, and the class it has, what it is from now on; 0 = not that.
  async #say(to, what) {
    const asked = new Map(); // one request for each pair of classes
    for (const { class_id: classId, images } of this.groups) {
      for (const image of images.filter((each) => this.chosen.get(classId).has(each.row))) {
        const key = `${classId} ${to(image, classId)}`;
        asked.set(key, [...(asked.get(key) ?? []), image.row]);
      }
    }
    await this.desk.try(async () => {
      const seqs = [];
      let count = 0;
      for (const [key, rows] of asked) {
        const [classId, target] = key.split(" ").map(Number);
        const { seq, rows: done } = await this.desk.write("review/relabel", { rows, class_id: classId, to: target });
        if (seq) seqs.push(seq);
        count += done.length;
      }
      if (!count) this.desk.say(say("review.all_leased"));
      else this.desk.relabelled(what === "kept" ? say("review.kept", { count }) : say("review.relabelled", { count }), seqs);
    });
    await this.again();
  }

  key(key) {
    const act = { k: this.keep, r: this.suggested, x: this.kick }[key];
    act?.click();
    return Boolean(act);
  }
}
