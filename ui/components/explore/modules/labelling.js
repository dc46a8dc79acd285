// Labels for what was picked: shown at once, sent in pieces that a lease may hold, taken back with one key.

import { uuid } from "/grid/dom.js";
import { Away } from "/grid/server.js";
import { say } from "/grid/words.js";

const PIECE = 1024;
export const PAGE = 200; // images of a page at the most
const UNDOS = 50;

export class Labelling {
  #done = []; // what can be taken back: {seqs, places, before}

  constructor(model, tell) {
    this.model = model;
    this.tell = tell; // (words, action) => void
    this.queue = Promise.resolve();
  }

  // Label places as a class; the promise is done when the server has all.
  label(places, classId) {
    const before = Int32Array.from(places, (place) => this.model.labels[place]);
    this.model.setLabels(places, new Int32Array(places.length).fill(classId));
    this.queue = this.queue.then(() => this.#send(places, classId, before));
    return this.queue;
  }

  async #send(places, classId, before) {
    const begun = performance.now();
    const seqs = [];
    const missed = []; // numbers in `places`
    let trouble = null;
    for (let from = 0; from < places.length && !trouble; from += PIECE) {
      const piece = places.slice(from, from + PIECE);
      try {
        const answer = await this.#post(piece, classId, (performance.now() - begun) / 1000);
        if (answer.seq) seqs.push(answer.seq);
        const taken = new Set(answer.rows);
        piece.forEach((place, at) => { if (!taken.has(this.model.rows[place])) missed.push(from + at); });
      } catch (error) {
        trouble = error;
        for (let at = from; at < places.length; at += 1) missed.push(at);
      }
    }
    if (missed.length) this.model.setLabels(missed.map((at) => places[at]), missed.map((at) => before[at]));
    const count = places.length - missed.length;
    if (count) this.#remember({ seqs, places, before, count, classId });
    this.#say(count, missed.length, classId, trouble, () => this.label(missed.map((at) => places[at]), classId));
  }

  #post(piece, classId, seconds) {
    const { model } = this;
    return model.server.call("labels", {
      annotator: model.annotator, rows: [...piece].map((place) => model.rows[place]), class_id: classId, seconds, request_id: uuid(),
    });
  }

  #remember(done) {
    this.#done.push(done);
    if (this.#done.length > UNDOS) this.#done.shift();
  }

  #say(count, missed, classId, trouble, again) {
    const name = this.model.name(classId);
    const undo = { words: say("explore.undo"), key: "Z", act: () => this.undo() };
    if (trouble) {
      const retry = { words: say("explore.again"), key: "", act: again };
      this.tell(say("explore.not_labelled", { count: missed, why: trouble.message }), trouble instanceof Away ? retry : null);
    } else if (!count) this.tell(say("explore.none_labelled", { count: missed }), null);
    else if (missed) this.tell(`${say("explore.labelled_as", { count, name })} ${say("explore.left_out", { count: missed })}`, undo);
    else this.tell(say("explore.labelled_as", { count, name }), undo);
  }

  // Lease places as a page of the Label view, asked about the class that most are thought to be of; null when none is free.
  async page(places) {
    const { model } = this;
    const answer = await model.server.call("pages", {
      annotator: model.annotator, rows: [...places].map((place) => model.rows[place]), class_id: likeliest(places, model.predictions), request_id: uuid(),
    });
    return answer.lease;
  }

  // Take the last labelling back.
  async undo() {
    await this.queue;
    const last = this.#done.pop();
    if (!last) {
      this.tell(say("explore.nothing_to_undo"), null);
      return;
    }
    try {
      await this.model.server.call("labels/undo", { annotator: this.model.annotator, seqs: last.seqs, request_id: uuid() });
      this.model.setLabels(last.places, last.before);
      if (!this.model.pickedCount) this.model.relist();
      this.tell(say("explore.undone", { count: last.count, name: this.model.name(last.classId) }), null);
    } catch (error) {
      this.#done.push(last);
      this.tell(say("explore.not_undone", { why: error.message }), { words: say("explore.again"), key: "Z", act: () => this.undo() });
    }
  }
}

// The class that more than half are predicted to be of; 0 = none.
function likeliest(places, predictions) {
  const counts = new Map();
  for (const place of places) counts.set(predictions[place], (counts.get(predictions[place]) ?? 0) + 1);
  const [classId, count] = [...counts].reduce((best, each) => (each[1] > best[1] ? each : best), [0, 0]);
  return 2 * count > places.length ? classId : 0;
}
