// A leased page of pairs: of each, whether both images are the same picture. It begins with what is likelier.

import { Page } from "./page.js";

const EVEN = 0.5;
// The answers, by the digit that gives them.
export const ANSWERS = { 1: "IS", 2: "IS_NOT", 3: "UNSURE" };

export function pageOf(lease) {
  return lease.kind === "PAIR" ? new PairPage(lease) : new Page(lease);
}

// Its places are pairs; a kicked one is not the same picture.
export class PairPage extends Page {
  constructor(lease) {
    super(lease);
    this.others = lease.others; // the right images; `rows` are the left ones
    for (const place of this.rows.keys()) if ((this.probability[place] ?? EVEN) < EVEN) this.kicked.add(place);
  }

  get isPairs() { return true; }

  get isNameless() { return false; }

  get isAnswered() { return true; }

  get images() { return [...this.rows, ...this.others]; }

  // The pictures of a pair, left and right.
  picturesOf(place) {
    return [this.pictures[place], this.pictures[this.rows.length + place]];
  }

  answerOf(place) {
    return this.unsure.has(place) ? "UNSURE" : this.kicked.has(place) ? "IS_NOT" : "IS";
  }

  count(answer) {
    return [...this.rows.keys()].filter((place) => this.answerOf(place) === answer).length;
  }

  // Answer for the pair in focus; the next one is in focus then.
  answer(answer) {
    this.#put(this.focus, answer);
    this.move(1);
  }

  #put(place, answer) {
    this.set(place, answer === "IS_NOT");
    if (answer === "UNSURE") this.unsure.add(place);
  }

  // Classes mean nothing here.
  choose() {}

  nameOne() {}

  guess() {}

  judgements() {
    return Object.values(ANSWERS).map((verdict) => {
      const places = [...this.rows.keys()].filter((place) => this.answerOf(place) === verdict);
      return { class_id: 0, verdict, rows: places.map((place) => this.rows[place]), others: places.map((place) => this.others[place]) };
    }).filter(({ rows }) => rows.length);
  }

  restore(judgements) {
    const places = new Map(this.rows.map((row, place) => [keyOf(row, this.others[place]), place]));
    for (const { verdict, rows, others } of judgements) {
      for (const [at, row] of rows.entries()) {
        const place = places.get(keyOf(row, others[at]));
        if (place !== undefined) this.#put(place, verdict);
      }
    }
  }
}

function keyOf(row, other) {
  return `${Math.min(row, other)} ${Math.max(row, other)}`;
}
