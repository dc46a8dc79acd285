// Pages leased ahead of the one on the screen, with their pictures; the first of them is shown.

import { pause } from "./dom.js";
import { pageOf } from "./pair_page.js";
import { takeOver } from "./picked.js";
import { pictures } from "./pictures.js";
import { Denied, patience } from "./server.js";

const AHEAD = 3;             // pages leased before they are needed
const MOST_AHEAD = 12;       // for who answers many a second
const LOOK_AGAIN_MS = 400;   // while no page is ready
const MOST_TOKENS = 64;
const PACE_MS = 1000;

export class Supply {
  constructor(session) {
    this.session = session;
    this.pages = [];        // with their pictures; the first is on the screen
    this.held = new Map();  // token -> every page leased and not answered
    this.turned = [];       // when the last pages were turned
    this.open = false;
  }

  start() {
    this.open = true;
    const lease = takeOver(this.session.collection);
    this.pairing = lease?.kind === "PAIR"; // who asked for pairs gets them as long as there are any
    if (lease) this.#begin(this.hold(lease));
    this.fetchAhead();
  }

  // The page that was put together in Explore comes before all others.
  async #begin(page) {
    await this.load(page);
    if (!this.open || !this.held.has(page.token)) return;
    this.pages.unshift(page);
    this.session.arrived(page);
  }

  // Give all pages back.
  stop() {
    this.open = false;
    this.clear();
  }

  // The same; those too that are still on their way. Resolves when the server has them.
  async leave() {
    this.open = false;
    await Promise.all([this.fetching, this.clear()]);
  }

  clear() {
    const released = this.release();
    this.held.clear();
    this.pages = [];
    return released;
  }

  // The window closes, or is kept out of sight. What is on its way is aborted first: pages given back just now
  // must not be leased again to a window that is gone.
  hide() {
    this.asking?.abort();
    this.release();
  }

  release() {
    return this.session.server.release([...this.held.keys()]);
  }

  // The page on the screen is answered, or given back by whoever calls.
  turn() {
    this.held.delete(this.pages[0].token);
    this.pages.shift();
    this.turned.push(performance.now());
    this.fetchAhead();
  }

  // Show these no more. They stay leased, so that they do not come again before they are let go.
  withhold(gone) {
    this.pages = this.pages.filter((each) => !gone.includes(each));
    this.fetchAhead();
  }

  letGo(gone) {
    for (const { token } of gone) this.held.delete(token);
    this.session.server.release(gone.map((each) => each.token));
  }

  // Show a page before the others.
  putFirst(page) {
    this.held.set(page.token, page);
    this.pages.unshift(page);
  }

  get wanted() {
    const since = performance.now() - PACE_MS;
    this.turned = this.turned.filter((each) => each > since);
    return 1 + Math.min(MOST_AHEAD, Math.max(AHEAD, this.turned.length));
  }

  get #wants() {
    return this.open && this.pages.length < this.wanted;
  }

  fetchAhead() {
    if (this.#wants) this.fetching ??= this.#fetchAhead();
  }

  async #fetchAhead() {
    const { session } = this;
    for (let failures = 0; this.#wants;) {
      try {
        if (!session.known) await session.read(); // a page can't be answered before its classes are there
        if (!await this.#fetch(this.wanted - this.pages.length)) {
          await session.read();
          if (session.phase === "DONE") break;
          await session.readWork();
          await pause(LOOK_AGAIN_MS);
        }
        failures = 0;
      } catch (error) {
        session.failed(error);
        await pause(patience(error instanceof Denied ? Infinity : failures++));
      }
    }
    this.fetching = null;
  }

  // Lease pages and load their pictures; returns how many there were.
  async #fetch(limit) {
    const { session } = this;
    this.asking = new AbortController();
    const asked = { annotator: session.annotator, limit };
    const { leases, progress } = await this.#ask(asked, this.asking.signal);
    session.answered(progress);
    const pages = leases.map((lease) => this.hold(lease));
    if (pages.length) this.#keep();
    if (!this.open) {
      await this.clear();
      return 0;
    }
    if (pages.some((page) => !session.knows(page))) await session.read().catch(() => {}); // numbers for names, at worst
    // All are asked for at once, and shown in the order in which they came.
    const loading = pages.map((page) => this.load(page));
    for (const [place, page] of pages.entries()) {
      await loading[place];
      if (this.open && this.held.has(page.token)) {
        this.pages.push(page);
        session.arrived(page);
      }
    }
    return pages.length;
  }

  async #ask(asked, signal) {
    if (this.pairing) {
      const found = await this.session.server.call("pairs", asked, signal);
      this.pairing = found.leases.length > 0;
      if (this.pairing) return found;
    }
    return this.session.server.call("leases", asked, signal);
  }

  // A lease is short until it is renewed for the first time: one that never arrives is soon free again.
  async #keep() {
    this.fresh = true;
    if (this.keeping) return;
    this.keeping = true;
    for (let failures = 0; this.fresh && this.open; ) {
      this.fresh = false;
      try {
        await this.session.renew();
      } catch {
        this.fresh = true;
        await pause(patience(failures++));
      }
    }
    this.keeping = false;
  }

  hold(lease) {
    const page = pageOf(lease);
    this.held.set(page.token, page);
    return page;
  }

  async load(page) {
    for (let failures = 0; !page.pictures && this.open; ) {
      try {
        page.pictures = await pictures(await this.session.server.thumbnailBytes(page.images));
      } catch (error) {
        this.session.failed(error);
        await pause(patience(failures++));
      }
    }
  }

  // Prolong what is held; returns whether the page on the screen went to somebody else. Throws while away.
  async renew() {
    const asked = [...this.held.keys()].slice(0, MOST_TOKENS);
    if (!asked.length) return false;
    const kept = new Set((await this.session.server.call("renewals", { tokens: asked })).tokens);
    const lost = new Set(asked.filter((token) => !kept.has(token) && this.held.has(token)));
    if (!lost.size) return false;
    const shown = this.pages[0];
    for (const token of lost) this.held.delete(token);
    this.pages = this.pages.filter((each) => !lost.has(each.token));
    this.fetchAhead();
    return this.pages[0] !== shown;
  }
}
