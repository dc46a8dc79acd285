// One person at one collection: pages leased ahead, what is done with them, answers out, undo.
// It draws nothing; it tells its view what changed: "page", "marks", "classes", "foot" or "toast".

import { format, many, nextFrame, pause, uuid } from "./dom.js";
import { Page } from "./page.js";
import { Away, patience, Server } from "./server.js";

const AHEAD = 3;             // pages leased before they are needed
const RENEW_MS = 60_000;
const REFRESH_MS = 10_000;
const PROOF_MS = 1500;       // a proof takes about so long after the last answer of a check
const LOOK_AGAIN_MS = 400;   // while no page is ready
const REMEMBERED = 200;      // answers that can be undone without asking the ledger which was the last
const MOST_WAITING_KEYS = 100;
const MOST_TOKENS = 64;

export class Session extends EventTarget {
  constructor(collection, annotator, outbox) {
    super();
    this.collection = collection;
    this.annotator = annotator;
    this.outbox = outbox;
    this.server = new Server(collection);
    this.classes = [];
    this.several = false;   // an image may be of several classes, each asked about by itself
    this.progress = null;
    this.phase = "";
    this.work = "";         // what is being prepared
    this.proved = "";       // the share of images that is proved to be right, in words
    this.group = null;      // the last group that was to be labelled as a whole
    this.trouble = "";      // what keeps the loop from going on
    this.away = "";         // why the server could not be asked; empty while it answers
    this.known = false;     // the state was read once
    this.pages = [];        // with their pictures; the first is on the screen
    this.held = new Map();  // token -> every page leased and not answered
    this.history = [];      // what was answered here, for undo
    this.keys = [];         // actions that wait for a page
    this.busy = false;      // those actions are being worked off
    this.open = false;
    outbox.addEventListener("change", (event) => this.#onOutbox(event.detail));
  }

  get page() { return this.pages[0]; }

  // --- open while somebody looks at it

  start() {
    if (this.open) return;
    this.open = true;
    this.timers = [setInterval(() => this.renew(), RENEW_MS), setInterval(() => this.#refresh(), REFRESH_MS)];
    this.#fetchAhead();
  }

  // Give all pages back; what was answered stays known for undo.
  stop() {
    this.open = false;
    this.timers?.forEach(clearInterval);
    this.release();
    this.keys = [];
    this.pages = [];
    this.held.clear();
  }

  release() {
    this.server.release([...this.held.keys()]);
  }

  // --- pages in

  async #fetchAhead() {
    if (this.fetching) return;
    this.fetching = true;
    for (let failures = 0; this.open && this.pages.length <= AHEAD;) {
      try {
        if (!this.known) await this.#read(); // a page can't be answered before its classes are there
        if (!await this.#fetch(AHEAD + 1 - this.pages.length)) {
          await this.#read();
          if (this.phase === "DONE") break;
          await this.#readWork();
          await pause(LOOK_AGAIN_MS);
        }
        failures = 0;
      } catch (error) {
        this.#failed(error);
        await pause(patience(failures++));
      }
    }
    this.fetching = false;
  }

  // Lease pages and load their pictures; returns how many there were.
  async #fetch(limit) {
    const { leases, progress } = await this.server.call("leases", { annotator: this.annotator, limit });
    this.progress = progress;
    this.away = "";
    const pages = leases.map((lease) => this.#hold(lease));
    if (!this.open) {
      this.release();
      this.held.clear();
      return 0;
    }
    if (pages.some((page) => !this.#isKnown(page))) await this.#read().catch(() => {}); // numbers for names, at worst
    // All are asked for at once, and shown in the order in which they came.
    const loading = pages.map((page) => this.#load(page));
    for (const [place, page] of pages.entries()) {
      await loading[place];
      if (this.open && this.held.has(page.token)) this.#show(page);
    }
    return pages.length;
  }

  #hold(lease) {
    const page = new Page(lease);
    this.held.set(page.token, page);
    return page;
  }

  async #load(page) {
    for (let failures = 0; !page.pictures && this.open; ) {
      try {
        page.pictures = await pictures(await this.server.thumbnails(page.rows));
      } catch (error) {
        this.#failed(error);
        await pause(patience(failures++));
      }
    }
  }

  #failed(error) {
    this.away = error.message;
    this.#tell("foot");
  }

  #show(page, { first = false } = {}) {
    if (first) this.pages.unshift(page); else this.pages.push(page);
    if (this.page === page) this.#tell("page");
    this.#workOff();
  }

  #isKnown(page) {
    const known = new Set([0, ...this.classes.map((each) => each.class_id)]);
    return known.has(page.asked) && page.second.every((each) => known.has(each));
  }

  async #read() {
    const state = await this.server.call("state");
    const ended = this.phase !== "DONE" && state.phase === "DONE" && state.proved;
    this.classes = state.schema.classes;
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

  // What became of a group is told once.
  #hear(group) {
    const news = this.group?.audit_id === group?.audit_id && this.group?.state !== group?.state;
    this.group = group;
    if (news && ["CERTIFIED", "FAILED"].includes(group?.state)) this.toast(group.words);
  }

  // Let the whole group be of the class that the page is named: the images that prove it come first.
  async labelGroup() {
    const { page } = this;
    const asked = { cluster: page.cluster, class_id: page.named, tokens: [...this.held.keys()], request_id: uuid() };
    try {
      const { sample, total } = await this.server.call("groups", asked);
      this.#letGo();
      this.toast(`First ${many(sample, "random image")} of ${format(total)}.`);
    } catch (error) {
      this.toast(`Not begun: ${error.message}.`);
      await this.renew();
    }
    this.#fetchAhead();
  }

  // How large a group is, and how much of it may be wrong.
  async sizeOfGroup(page) {
    return this.server.call(`groups/${page.cluster}`);
  }

  // What is held need not be answered now.
  #letGo() {
    this.release();
    this.held.clear();
    this.pages = [];
    this.keys = [];
    this.#tell("page");
  }

  // While there is no loop, or it has no clusters yet, other services are at work.
  async #readWork() {
    const preparing = ["NONE", "PREPARING"].includes(this.phase) && !this.page;
    this.work = preparing ? (await this.server.call("work")).work : "";
    this.#tell("foot");
  }

  async #refresh() {
    try {
      await this.#read();
    } catch (error) {
      this.#failed(error);
    }
    if (this.open && this.phase !== "DONE" && this.pages.length <= AHEAD) this.#fetchAhead();
  }

  // Prolong what is held; what somebody else has by now goes.
  async renew() {
    const asked = [...this.held.keys()].slice(0, MOST_TOKENS);
    if (!asked.length) return;
    let kept;
    try {
      kept = new Set((await this.server.call("renewals", { tokens: asked })).tokens);
    } catch {
      return; // away: the next time
    }
    const lost = new Set(asked.filter((token) => !kept.has(token) && this.held.has(token)));
    if (!lost.size) return;
    const shown = this.page;
    for (const token of lost) this.held.delete(token);
    this.pages = this.pages.filter((each) => !lost.has(each.token));
    if (this.page !== shown) {
      this.toast("You were away: that page went back to the queue.");
      this.#tell("page");
    }
    this.#fetchAhead();
  }

  // --- actions: those that need a page wait for one

  // Do something with the page on the screen, or with the next as soon as it is there.
  #act(run, needsPage = true) {
    if (needsPage && !this.page && this.phase === "DONE") return;
    if (this.keys.length >= MOST_WAITING_KEYS) {
      this.toast("Too many keys are waiting for pages: this one is not taken.");
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
    while (this.keys.length && (this.page || !this.keys[0].needsPage)) {
      const shown = this.page;
      const ended = this.keys.shift().run();
      if (ended) await ended;
      // Each page is painted before a key that was pressed ahead is applied to it.
      if (this.page !== shown && this.keys.length) await nextFrame();
    }
    this.busy = false;
  }

  change(change) {
    this.#act(() => {
      change(this.page);
      this.#tell("marks");
    });
  }

  confirm() {
    this.#act(() => {
      const page = this.page;
      if (page.missing) {
        this.toast(`${page.missing}.`);
        return;
      }
      const answer = {
        request_id: uuid(),
        token: page.token,
        judgements: page.judgements(),
        seconds: Math.min(600, (performance.now() - page.shownAt) / 1000),
      };
      const entry = this.outbox.put(this.collection, answer);
      this.history.push({ page, entry, undoId: uuid() });
      if (this.history.length > REMEMBERED) this.history.shift();
      if (page.kind === "AUDIT") setTimeout(() => this.open && this.#refresh(), PROOF_MS); // it may have been the last
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
    this.held.delete(this.page.token);
    this.pages.shift();
    this.#tell("page");
    this.#fetchAhead();
  }

  // Take back the last key that waits, or else the last answer.
  undo() {
    if (this.keys.at(-1)?.needsPage) {
      this.keys.pop();
      this.#tell("foot");
    } else {
      this.#act(() => this.#undo(), false);
    }
  }

  async #undo() {
    const last = this.history.pop();
    try {
      if (last && this.outbox.withdraw(last.entry)) this.#again(last.page);
      else if (!last || await this.#arrived(last)) await this.#takeBack(last);
    } catch (error) {
      if (last && error instanceof Away) this.history.push(last);
      this.toast(`Not undone: ${error.message}.`);
    }
  }

  // Whether the ledger has an answer; it must, before it can be taken back there.
  async #arrived(last) {
    while (!last.entry.seq && !last.entry.refused) {
      if (this.outbox.trouble) throw new Away("that answer is still on its way, and the server is away");
      await this.outbox.changed();
    }
    return !last.entry.refused;
  }

  async #takeBack(last) {
    const { lease, judgements } = await this.server.call("undo", {
      annotator: this.annotator, seq: last?.entry.seq ?? 0, request_id: last?.undoId ?? uuid(),
    });
    if (!lease) {
      this.toast("Undone. Somebody else has these images now.");
      return;
    }
    const page = this.#hold(lease);
    page.restore(judgements);
    await this.#load(page);
    if (page.pictures) this.#again(page);
  }

  #again(page) {
    this.held.set(page.token, page);
    this.#show(page, { first: true });
    this.toast("Undone: here it is again.");
  }

  async addClass(name) {
    try {
      this.classes = (await this.server.call("classes", { name })).classes;
      this.#tell("classes");
    } catch (error) {
      this.toast(`Not added: ${error.message}`);
      return;
    }
    const added = this.classes.find((each) => each.name === name);
    if (added) this.change((page) => page.choose(added.class_id));
  }

  name(classId) {
    return this.classes.find((each) => each.class_id === classId)?.name ?? `class ${classId}`;
  }

  toast(message) {
    this.dispatchEvent(new CustomEvent("toast", { detail: message }));
  }

  #onOutbox({ settled, progress }) {
    if (progress) this.away = "";
    if (progress && settled[0].collection === this.collection) this.progress = progress;
    for (const entry of settled) {
      const mine = this.history.find((each) => each.entry === entry);
      if (mine) mine.page = null; // its pictures are not needed any more
      if (!entry.refused) continue;
      this.history = this.history.filter((each) => each !== mine);
      this.toast(`Not taken: ${entry.refused}.`);
    }
    this.#tell("foot");
  }

  #tell(what) {
    this.dispatchEvent(new CustomEvent("change", { detail: what }));
  }
}

// Images that can be painted at once: decoded before they are needed.
async function pictures(blobs) {
  return Promise.all(blobs.map(async (blob) => {
    const image = new Image();
    image.alt = "";
    image.draggable = false;
    if (!blob.size) return image;
    image.src = URL.createObjectURL(blob);
    try {
      await image.decode();
    } catch { /* shown as an image that can't be shown */ }
    URL.revokeObjectURL(image.src);
    return image;
  }));
}
