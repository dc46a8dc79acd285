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
    this.flagged = new Set();        // places of images a reviewer is to look at
    this.assigned = new Map();       // the class of a place by itself; on a page that has a name it is kicked, too
    this.focus = 0;
    this.anchor = 0;
    this.shownAt = 0;
  }

  // Whether it shows a part of a group that may be labelled as a whole.
  get isGroup() { return this.kind === "CLUSTER" && this.cluster !== ""; }

  get isSingle() { return this.kind === "SINGLE"; }

  // Whether its places are pairs of images (`PairPage`).
  get isPairs() { return false; }

  // All that it shows.
  get images() { return this.rows; }

  // Whether all that is missing is a class for the page.
  get isNameless() { return !this.isSingle && !this.named; }

  // Whether it can be confirmed.
  get isAnswered() {
    return this.isSingle ? this.assigned.size + this.unsure.size > 0 : this.named > 0;
  }

  // All that is drawn of one image, as a number.
  state(place) {
    return Number(this.kicked.has(place)) + 2 * Number(this.unsure.has(place)) + 4 * Number(this.flagged.has(place))
      + 8 * Number(this.focus === place) + 16 * (this.assigned.get(place) ?? 0);
  }

  move(by) {
    this.moveTo(this.focus + by);
  }

  moveTo(place) {
    this.focus = Math.max(0, Math.min(this.rows.length - 1, place));
  }

  // A click: the focus goes there, and on a page that has one question the image is kicked or taken back.
  touch(place, range = false) {
    if (this.isSingle) this.moveTo(place);
    else this.toggle(place, range);
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
    for (let each = from; each <= to; each++) this.set(each, kick);
    this.anchor = place;
  }

  set(place, kick) {
    this.unsure.delete(place);
    this.assigned.delete(place);
    if (kick) this.kicked.add(place); else this.kicked.delete(place);
  }

  invert() {
    if (this.isSingle) return;
    const places = this.rows.map((_, place) => place);
    this.kicked = new Set(places.filter((place) => !this.kicked.has(place) && !this.unsure.has(place)));
    this.assigned.clear();
  }

  // A class was chosen: it names the page, or on a page of singles the image in focus.
  choose(classId) {
    if (this.isSingle) {
      this.unsure.delete(this.focus);
      this.assigned.set(this.focus, classId);
      this.#goOn();
      return;
    }
    this.named = classId;
    for (const [place, own] of this.assigned) if (own === classId) this.set(place, false);
  }

  // The image in focus is of another class than the page.
  nameOne(classId) {
    if (this.isSingle || classId === this.named) {
      if (this.isSingle) this.choose(classId); else this.set(this.focus, false);
      return;
    }
    this.set(this.focus, true);
    this.assigned.set(this.focus, classId);
  }

  guess() {
    if (this.second[this.focus]) this.nameOne(this.second[this.focus]);
  }

  doubt() {
    if (this.unsure.delete(this.focus)) return;
    this.unsure.add(this.focus);
    this.kicked.delete(this.focus);
    if (this.assigned.delete(this.focus) || this.isSingle) this.#goOn();
  }

  #goOn() {
    if (!this.isSingle) return;
    const open = (place) => !this.assigned.has(place) && !this.unsure.has(place);
    const places = this.rows.map((_, place) => place).filter(open);
    this.focus = places.find((place) => place > this.focus) ?? places[0] ?? this.focus;
  }

  // The class of the page first.
  judgements() {
    const said = [];
    const say = (class_id, verdict, places) => {
      if (places.length) said.push({ class_id, verdict, rows: places.map((place) => this.rows[place]) });
    };
    const places = this.rows.map((_, place) => place);
    if (!this.isSingle) {
      say(this.named, "IS", places.filter((place) => !this.kicked.has(place) && !this.unsure.has(place)));
      say(this.named, "IS_NOT", places.filter((place) => this.kicked.has(place)));
    }
    for (const classId of new Set(this.assigned.values())) {
      say(classId, "IS", places.filter((place) => this.assigned.get(place) === classId));
    }
    say(0, "UNSURE", places.filter((place) => this.unsure.has(place)));
    return said;
  }

  // Put back what was said before it was undone.
  restore(judgements) {
    const places = new Map(this.rows.map((row, place) => [row, place]));
    if (!this.isSingle && judgements[0]?.class_id) this.named = judgements[0].class_id;
    for (const { class_id: classId, verdict, rows } of judgements) {
      for (const place of rows.map((row) => places.get(row)).filter((each) => each !== undefined)) {
        if (verdict === "UNSURE") this.unsure.add(place);
        else if (verdict === "IS_NOT") this.kicked.add(place);
        else if (this.isSingle || classId !== this.named) this.#restoreOne(place, classId);
      }
    }
  }

  #restoreOne(place, classId) {
    if (!this.isSingle) this.kicked.add(place);
    this.assigned.set(place, classId);
  }
}
