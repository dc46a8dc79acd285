// One person at one collection: what is done with the pages, answers out, undo.
// It draws nothing; it tells its view what changed: "page", "marks", "classes", "foot", and by events of
// their own "toast", "done" (an answer, in words) and "ahead" (a page that will be shown).

import { nextFrame, uuid } from "./dom.js";
import { History } from "./history.js";
import { inWords } from "./pairs.js";
import { Denied, Server } from "./server.js";
import { Supply } from "./supply.js";
import { say } from "./words.js";

const RENEW_MS = 60_000;
const REFRESH_MS = 10_000;
const PROOF_MS = 1500;       // a proof takes about so long after the last answer of a check
const MOST_WAITING_KEYS = 400;
const MOST_SECONDS = 600;

export class Session extends EventTarget {
  constructor(collection, annotator, outbox) {
    super();
    this.collection = collection;
    this.annotator = annotator;
    this.outbox = outbox;
    this.server = new Server(collection);
    this.supply = new Supply(this);
    this.classes = [];
    this.several = false;   // an image may be of several classes, each asked about by itself
    this.progress = null;
    this.phase = "";
    this.work = "";         // what is being prepared
    this.proved = "";       // the share of images that is proved to be right, in words
    this.group = null;      // the last group that was to be labelled as a whole
    this.trouble = "";      // what keeps the loop from going on
    this.away = "";         // why the server could not be asked; empty while it answers
    this.denied = "";       // why this person gets no pages
    this.known = false;     // the state was read once
    this.history = new History(this);
    this.keys = [];         // actions that wait for a page
    this.busy = false;      // those actions are being worked off
    this.root = null;       // where it is shown
    outbox.addEventListener("change", (event) => this.#onOutbox(event.detail));
  }

  get page() { return this.supply.pages[0]; }

  // --- open while somebody looks at it

  start() {
    if (this.supply.open) return;
    this.timers = [setInterval(() => this.tryToRenew(), RENEW_MS), setInterval(() => this.#refresh(), REFRESH_MS)];
    this.supply.start();
  }

  // It is drawn here now.
  async showIn(root) {
    this.root = root;
    await nextFrame();
    this.#workOff();
  }

  // Give all pages back; what was answered stays known for undo.
  stop() {
    this.#rest();
    this.supply.stop();
  }

  // The same; resolves when the server has them.
  leave() {
    this.#rest();
    return this.supply.leave();
  }

  #rest() {
    this.timers?.forEach(clearInterval);
    this.keys = [];
  }

  hide() {
    this.supply.hide();
  }

  // While the server is away: the next time.
  async tryToRenew() {
    await this.renew().catch(() => {});
  }

  async renew() {
    if (!await this.supply.renew()) return;
    this.toast(say("label.went_back"));
    this.#tell("page");
  }

  // --- what the supply tells

  arrived(page) {
    this.dispatchEvent(new CustomEvent("ahead", { detail: page }));
    if (this.page === page) this.#tell("page");
    this.#workOff();
  }

  answered(progress) {
    this.progress = progress;
    this.away = this.denied = "";
  }

  failed(error) {
    if (error instanceof Denied) this.denied = error.message; else this.away = error.message;
    this.#tell("foot");
  }

  knows(page) {
    const known = new Set([0, ...this.classes.map((each) => each.class_id)]);
    return known.has(page.asked) && page.second.every((each) => known.has(each));
  }

  async read() {
    const state = await this.server.call("state");
    const ended = this.phase !== "DONE" && state.phase === "DONE" && state.proved;
    // The same classes stay the same object: whoever drew them need not draw them again.
    if (JSON.stringify(this.classes) !== JSON.stringify(state.schema.classes)) this.classes = state.schema.classes;
    this.several = state.schema.several;
    this.progress = state.progress;
    this.phase = state.phase;
    this.proved = state.proved;
    this.#hear(state.group);
    this.trouble = state.trouble;
    this.away = "";
    this.known = true;
    if (ended) this.#letGo();
    this.#tell("classes");
  }

  // While there is no loop, or it has no clusters yet, other services are at work.
  async readWork() {
    const preparing = ["NONE", "PREPARING"].includes(this.phase) && !this.page;
    this.work = preparing ? (await this.server.call("work")).work : "";
    this.#tell("foot");
  }

  // What became of a group is told once.
  #hear(group) {
    const news = this.group?.audit_id === group?.audit_id && this.group?.state !== group?.state;
    this.group = group;
    if (news && ["CERTIFIED", "FAILED"].includes(group?.state)) this.toast(group.words);
  }

  async #refresh() {
    try {
      await this.read();
    } catch (error) {
      this.failed(error);
    }
    if (this.phase !== "DONE") this.supply.fetchAhead();
  }

  // --- groups

  // Let the whole group be of the class that the page is named: the images that prove it come first.
  async labelGroup() {
    const { page, supply } = this;
    const asked = { cluster: page.cluster, class_id: page.named, tokens: [...supply.held.keys()], request_id: uuid() };
    try {
      const { sample, total } = await this.server.call("groups", asked);
      this.#letGo();
      this.toast(say("label.group_begun", { count: sample, total }));
    } catch (error) {
      this.toast(say("label.not_begun", { why: error.message }));
      await this.tryToRenew();
    }
    supply.fetchAhead();
  }

  // The group on the screen is not one thing: its parts come as groups of their own.
  async split() {
    const { page, supply } = this;
    if (!page?.isGroup) return;
    const gone = [...supply.held.values()].filter((each) => each.cluster === page.cluster);
    supply.withhold(gone);
    this.#tell("page");
    this.toast(say("label.splitting"));
    try {
      await this.server.call("clusters/split", {
        cluster: page.cluster, into: 2, tokens: gone.map((each) => each.token), request_id: uuid(),
      });
      this.toast(say("label.was_split"));
    } catch (error) {
      this.toast(say("label.not_split", { why: error.message }));
    }
    supply.letGo(gone);
    supply.fetchAhead();
  }

  // What is held need not be answered now.
  #letGo() {
    this.supply.clear();
    this.keys = [];
    this.#tell("page");
  }

  // --- pairs

  // When nothing else is left: pairs that look alike, as long as there are any.
  judgePairs() {
    this.supply.pairing = true;
    this.supply.fetchAhead();
  }

  // --- actions: those that need a page wait for one

  // Do something with the page on the screen, or with the next as soon as it is there.
  #act(run, needsPage = true) {
    if (needsPage && !this.page && this.phase === "DONE") return;
    if (this.keys.length >= MOST_WAITING_KEYS) {
      this.toast(say("label.too_many_keys"));
      return;
    }
    this.keys.push({ run, needsPage });
    this.#workOff();
    if (this.keys.length) this.#tell("foot");
  }

  forgetKeys() {
    this.keys = [];
    this.#tell("foot");
  }

  async #workOff() {
    if (this.busy) return;
    this.busy = true;
    while (this.keys.length && (this.#isSeen() || !this.keys[0].needsPage)) {
      const shown = this.page;
      const ended = this.keys.shift().run();
      if (ended) await ended;
      // Each page is painted before a key that was pressed ahead is applied to it.
      if (this.page !== shown && this.keys.length) await nextFrame();
    }
    this.busy = false;
  }

  // What nobody sees nobody means.
  #isSeen() {
    return this.page && this.root?.isConnected;
  }

  change(change) {
    this.#act(() => {
      change(this.page);
      this.#tell("marks");
    });
  }

  // The image in focus is of a class of its own.
  nameOne(classId) {
    if (this.several && !this.page?.isSingle) this.toast(say("label.one_of_several"));
    else this.change((page) => page.nameOne(classId));
  }

  guess() {
    this.change((page) => (page.isSingle || !this.several) && page.guess());
  }

  confirm() {
    this.#act(() => {
      const page = this.page;
      if (!page.isAnswered) {
        this.toast(page.isNameless ? say("label.choose_class_first") : say("label.name_one_first"));
        return;
      }
      const answer = {
        request_id: uuid(),
        token: page.token,
        judgements: page.judgements(),
        seconds: Math.min(MOST_SECONDS, (performance.now() - page.shownAt) / 1000),
      };
      const entry = this.outbox.put(this.collection, answer);
      this.history.add(page, entry);
      if (page.kind === "AUDIT") setTimeout(() => this.supply.open && this.#refresh(), PROOF_MS); // it may have been the last
      this.dispatchEvent(new CustomEvent("done", { detail: this.#said(page) }));
      this.#next();
    });
  }

  skip() {
    this.#act(() => {
      this.server.release([this.page.token]);
      this.#next();
    });
  }

  #next() {
    this.supply.turn();
    this.#tell("page");
  }

  #said(page) {
    if (page.isPairs) return inWords(page);
    if (page.isSingle) return say("label.answered_single", { count: page.assigned.size + page.unsure.size });
    const kicked = page.kicked.size;
    const values = { count: page.rows.length - kicked - page.unsure.size, name: this.name(page.named), kicked };
    return kicked ? say("label.answered_kicked", values) : say("label.answered", values);
  }

  // Tell a reviewer of an image.
  flag(page, place, comment) {
    const rows = page.isPairs ? [page.rows[place], page.others[place]] : [page.rows[place]];
    const flag = { rows, comment, request_id: uuid(), annotator: this.annotator };
    this.outbox.post(this.collection, "flags", flag);
    page.flagged.add(place);
    this.#tell("marks");
    this.toast(say("label.was_flagged"));
  }

  // --- undo

  // Take back the last key that waits, or else the last answer.
  undo() {
    if (this.keys.at(-1)?.needsPage) {
      this.keys.pop();
      this.#tell("foot");
    } else {
      this.#act(() => this.history.undo(), false);
    }
  }

  // It was taken back, and is on the screen again.
  again(page) {
    this.supply.putFirst(page);
    this.#tell("page");
    this.toast(say("label.undone"));
  }

  // --- classes

  // Add a class; the page is named so, or with `one` the image in focus alone.
  async addClass(name, one = false) {
    try {
      this.classes = (await this.server.call("classes", { name })).classes;
      this.#tell("classes");
    } catch (error) {
      this.toast(say("label.not_added", { why: error.message }));
      return;
    }
    const added = this.classes.find((each) => each.name === name);
    if (added && one) this.nameOne(added.class_id);
    else if (added) this.change((page) => page.choose(added.class_id));
  }

  name(classId) {
    return this.classes.find((each) => each.class_id === classId)?.name ?? say("label.class", { number: classId });
  }

  // --- telling

  toast(message) {
    this.dispatchEvent(new CustomEvent("toast", { detail: message }));
  }

  #onOutbox({ settled, progress }) {
    if (progress) this.away = "";
    if (progress && settled[0].collection === this.collection) this.progress = progress;
    for (const entry of settled) {
      this.history.settle(entry);
      if (entry.refused) this.toast(say("label.not_taken", { why: entry.refused }));
    }
    // You were away for long: what others answered meanwhile stays as they said.
    const leftOut = settled.reduce((sum, entry) => sum + entry.leftOut, 0);
    if (leftOut) this.toast(say("label.left_out", { count: leftOut }));
    this.#tell("foot");
  }

  #tell(what) {
    this.dispatchEvent(new CustomEvent("change", { detail: what }));
  }
}
