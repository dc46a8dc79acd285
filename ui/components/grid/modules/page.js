// What a person says about a leased page, before it is sent.

export class Page {
  constructor({ token, kind, rows, class_id: asked, cluster, second, probability }) {
    this.token = token;
    this.kind = kind;
    this.rows = rows;
    this.asked = asked;              // the class the page asks about; 0 = none
    this.cluster = cluster;          // `run/number` of the group they are of; may be empty
    this.second = second;            // the likeliest other class of each image; may be empty
    this.probability = probability;  // of the asked class; may be empty
    this.named = kind === "SINGLE" ? 0 : asked;
    this.kicked = new Set();         // places of images that are not `named`
    this.unsure = new Set();         // places of images nobody can tell
    this.assigned = new Map();       // SINGLE: the class of each place
    this.focus = 0;
    this.anchor = 0;
    this.shownAt = 0;
  }

  // Whether it shows a part of a group that may be labelled as a whole.
  get isGroup() { return this.kind === "CLUSTER" && this.cluster !== ""; }

  get isSingle() { return this.kind === "SINGLE"; }

  // Why it can't be confirmed yet; empty when it can.
  get missing() {
    if (this.isSingle) return this.assigned.size || this.unsure.size ? "" : "Name at least one image";
    return this.named ? "" : "Choose a class first";
  }

  move(by) {
    this.focus = Math.max(0, Math.min(this.rows.length - 1, this.focus + by));
  }

  // Kick an image or take it back; with `range` all from the last one touched.
  toggle(place, range = false) {
    this.focus = place;
    this.unsure.delete(place);
    if (this.isSingle) {
      this.assigned.delete(place);
      return;
    }
    const kick = !this.kicked.has(place);
    const from = range ? Math.min(this.anchor, place) : place;
    const to = range ? Math.max(this.anchor, place) : place;
    for (let each = from; each <= to; each++) {
      if (kick) this.kicked.add(each); else this.kicked.delete(each);
    }
    this.anchor = place;
  }

  invert() {
    if (this.isSingle) return;
    const places = this.rows.map((_, place) => place);
    this.kicked = new Set(places.filter((place) => !this.kicked.has(place) && !this.unsure.has(place)));
  }

  // A class was chosen: it names the page, or on a page of singles the image in focus.
  choose(classId) {
    if (!this.isSingle) {
      this.named = classId;
      return;
    }
    this.unsure.delete(this.focus);
    this.assigned.set(this.focus, classId);
    this.#goOn();
  }

  guess() {
    if (this.isSingle && this.second[this.focus]) this.choose(this.second[this.focus]);
  }

  doubt() {
    if (this.unsure.delete(this.focus)) return;
    this.unsure.add(this.focus);
    this.kicked.delete(this.focus);
    if (this.assigned.delete(this.focus) || this.isSingle) this.#goOn();
  }

  #goOn() {
    const open = (place) => !this.assigned.has(place) && !this.unsure.has(place);
    const places = this.rows.map((_, place) => place).filter(open);
    this.focus = places.find((place) => place > this.focus) ?? places[0] ?? this.focus;
  }

  judgements() {
    const said = [];
    const say = (class_id, verdict, places) => {
      if (places.length) said.push({ class_id, verdict, rows: places.map((place) => this.rows[place]) });
    };
    const places = this.rows.map((_, place) => place);
    if (this.isSingle) {
      for (const classId of new Set(this.assigned.values())) {
        say(classId, "IS", places.filter((place) => this.assigned.get(place) === classId));
      }
    } else {
      say(this.named, "IS", places.filter((place) => !this.kicked.has(place) && !this.unsure.has(place)));
      say(this.named, "IS_NOT", places.filter((place) => this.kicked.has(place)));
    }
    say(0, "UNSURE", places.filter((place) => this.unsure.has(place)));
    return said;
  }

  // Put back what was said before it was undone.
  restore(judgements) {
    const places = new Map(this.rows.map((row, place) => [row, place]));
    for (const { class_id: classId, verdict, rows } of judgements) {
      if (classId && !this.isSingle) this.named = classId;
      for (const place of rows.map((row) => places.get(row)).filter((each) => each !== undefined)) {
        if (verdict === "UNSURE") this.unsure.add(place);
        else if (this.isSingle) this.assigned.set(place, classId);
        else if (verdict === "IS_NOT") this.kicked.add(place);
      }
    }
  }
}
