// What was answered here, for undo: the last first, as often as one likes.

import { uuid } from "./dom.js";
import { Away } from "./server.js";
import { say } from "./words.js";

const REMEMBERED = 200; // answers that can be undone without asking the ledger which was the last

export class History {
  constructor(session) {
    this.session = session;
    this.answers = []; // {page, entry, undoId}
  }

  add(page, entry) {
    this.answers.push({ page, entry, undoId: uuid() });
    if (this.answers.length > REMEMBERED) this.answers.shift();
  }

  // The ledger has an answer, or refused it: there is nothing to take back then.
  settle(entry) {
    const mine = this.answers.find((each) => each.entry === entry);
    if (!mine) return;
    mine.page = null; // its pictures are not needed any more
    if (entry.refused) this.answers = this.answers.filter((each) => each !== mine);
  }

  async undo() {
    const { session } = this;
    const last = this.answers.pop();
    try {
      if (last && session.outbox.withdraw(last.entry)) session.again(last.page);
      else if (!last || await this.#isTaken(last)) await this.#takeBack(last);
    } catch (error) {
      if (last && error instanceof Away) this.answers.push(last);
      session.toast(say("label.not_undone", { why: error.message }));
    }
  }

  // Whether the ledger has an answer; it must, before it can be taken back there.
  async #isTaken({ entry }) {
    const { outbox } = this.session;
    while (!entry.seq && !entry.refused) {
      if (outbox.trouble) throw new Away(say("label.on_its_way"));
      await outbox.changed();
    }
    return !entry.refused;
  }

  async #takeBack(last) {
    const { session } = this;
    const { lease, judgements } = await session.server.call("undo", {
      annotator: session.annotator, seq: last?.entry.seq ?? 0, request_id: last?.undoId ?? uuid(),
    });
    if (!lease) {
      session.toast(say("label.undone_gone"));
      return;
    }
    const page = session.supply.hold(lease);
    page.restore(judgements);
    await session.supply.load(page);
    if (page.pictures) session.again(page);
  }
}
