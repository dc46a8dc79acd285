// What all parts of the view share: the server, the classes, who asks, and how a part is told to say something.

import { cssColourOf } from "../grid/class_colours.js";
import { uuid } from "../grid/dom.js";
import { Server } from "../grid/server.js";
import { say } from "../grid/words.js";

export class Desk extends EventTarget {
  constructor(collection, annotator) {
    super();
    this.collection = collection;
    this.annotator = annotator;
    this.server = new Server(collection);
    this.known = null; // what `overview` said
  }

  async begin() {
    this.known = await this.server.call(`review?annotator=${encodeURIComponent(this.annotator)}`);
    this.dispatchEvent(new CustomEvent("known"));
    return this.known;
  }

  get classes() {
    return this.known.schema.classes;
  }

  name(classId) {
    return this.known.names[classId] ?? say("review.class_without_name", { number: classId });
  }

  // As in every view.
  colour(classId) {
    const place = this.classes.findIndex((each) => each.class_id === classId);
    return cssColourOf(this.classes[place] ?? {}, place);
  }

  // Read the classes again when one of these is new.
  async know(classIds) {
    if (classIds.some((each) => each && !(each in this.known.names))) await this.begin();
  }

  // POST what changes something, under the name of who asks.
  write(path, body) {
    return this.server.call(path, { annotator: this.annotator, request_id: uuid(), ...body });
  }

  async preview(selection) {
    const told = await this.server.call("review/preview", { selection: whole(selection) });
    await this.know([...told.gone, ...told.back].map(([classId]) => classId));
    return told;
  }

  // What was undone, with a way back.
  async undo(selection) {
    const { seq, events } = await this.write("review/undo", { selection: whole(selection) });
    this.changed();
    this.say(say("review.undone", { count: events }), () => this.restore(seq));
  }

  async restore(seq) {
    await this.write("review/restore", { seq });
    this.changed();
    this.say(say("review.restored"));
  }

  // Labels were said again by the events `seqs`; with a way back.
  relabelled(words, seqs) {
    this.say(words, async () => {
      await this.write("review/undo", { selection: whole({ seqs }) });
      this.changed();
      this.say(say("review.restored"));
    });
  }

  say(words, undo = null) {
    this.dispatchEvent(new CustomEvent("say", { detail: { words, undo } }));
  }

  // What is shown is old.
  changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }

  // Do something that may be refused, and say so.
  async try(act) {
    try {
      return await act();
    } catch (error) {
      this.say(say("review.refused", { why: error.message }));
      return undefined;
    }
  }
}

function whole(selection) {
  return { seqs: [], actor: "", since: 0, until: 0, kinds: [], head_seq: 0, ...selection };
}
