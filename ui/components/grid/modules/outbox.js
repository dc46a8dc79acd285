// Answers and flags wait here, in order, in memory and in the browser's storage, until the ledger has them.
// Each carries a request id: sending it again is harmless.

import { pause, uuid } from "./dom.js";
import { Anothers, patience, Refused, Server } from "./server.js";

const PREFIX = "hundredfold:answer:";
const TAB = "hundredfold:tab";
const ANSWERS = "answers";
const BATCH = 16;

export class Outbox extends EventTarget {
  // `tab` tells this window's answers in the storage from those of other windows.
  constructor(tab) {
    super();
    this.tab = tab;
    this.annotator = "";    // under whose name answers are given now
    this.waiting = [];      // entries {collection, path, body, annotator, tried, seq, refused, leftOut}
    this.others = [];       // those of people who are not signed in now; they stay in the storage
    this.trouble = "";      // why they can't be sent now
    this.number = 0;
    this.sending = false;
  }

  // Keep an answer and send it; returns its entry, which gets `seq` or `refused` in time.
  put(collection, answer) {
    return this.post(collection, ANSWERS, answer);
  }

  // The same for what goes to a route by itself.
  post(collection, path, body) {
    const key = `${PREFIX}${this.tab}:${Date.now()}:${String(this.number++).padStart(8, "0")}`;
    const entry = { collection, path, body, annotator: this.annotator, key, tried: false, seq: 0, refused: "", leftOut: 0 };
    this.waiting.push(entry);
    keep(entry);
    this.#send();
    return entry;
  }

  // Take an answer back that was never sent; false when it may have arrived.
  withdraw(entry) {
    const place = this.waiting.indexOf(entry);
    if (place < 0 || entry.tried) return false;
    this.waiting.splice(place, 1);
    forget(entry);
    this.#tell();
    return true;
  }

  // Take over the answers that windows left which are not there any more.
  async adopt() {
    const open = await openTabs();
    open.delete(this.tab);
    const left = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX)
      && !open.has(key.slice(PREFIX.length).split(":")[0])
      && !this.waiting.some((each) => each.key === key) && !this.others.some((each) => each.key === key));
    this.waiting.push(...left.sort().map(read).filter(Boolean));
    this.#send();
  }

  // When something was sent, refused or failed.
  changed() {
    return new Promise((resolve) => this.addEventListener("change", resolve, { once: true }));
  }

  async #send() {
    if (this.sending) return;
    this.sending = true;
    for (let failures = 0; this.waiting.length;) {
      // While the server is away only one is tried: the others may still be taken back.
      const batch = this.#batch(failures ? 1 : BATCH);
      for (const each of batch) each.tried = true;
      this.#tell();
      try {
        await this.#deliver(batch);
        failures = 0;
      } catch (error) {
        this.trouble = error.message;
        this.#tell();
        await pause(patience(failures++));
      }
    }
    this.sending = false;
    this.#tell();
  }

  #batch(most) {
    const { collection, path, annotator } = this.waiting[0];
    if (path !== ANSWERS) return this.waiting.slice(0, 1);
    const end = this.waiting.findIndex((each) => each.collection !== collection || each.path !== path || each.annotator !== annotator);
    return this.waiting.slice(0, Math.min(most, end < 0 ? most : end));
  }

  async #deliver(batch) {
    const server = new Server(batch[0].collection, batch[0].annotator);
    let outcome;
    try {
      outcome = await send(server, batch);
    } catch (error) {
      if (error instanceof Anothers) {
        this.#setAside(batch);
        return;
      }
      if (!(error instanceof Refused)) throw error;
      outcome = { answers: batch.map(() => ({ refused: error.message })) };
    }
    batch.forEach((entry, place) => {
      entry.seq = outcome.answers[place].seq ?? 0;
      entry.refused = outcome.answers[place].refused ?? "";
      entry.leftOut = outcome.answers[place].left_out ?? 0;
      forget(entry);
    });
    this.waiting = this.waiting.filter((each) => !batch.includes(each));
    this.trouble = "";
    this.#tell({ settled: batch, progress: outcome.progress });
  }

  // They wait until he is signed in again who gave them.
  #setAside(batch) {
    this.waiting = this.waiting.filter((each) => !batch.includes(each));
    this.others.push(...batch);
    this.trouble = "";
    this.#tell();
  }

  #tell(detail = { settled: [] }) {
    this.dispatchEvent(new CustomEvent("change", { detail }));
  }
}

// Answers go together, anything else alone.
async function send(server, batch) {
  if (batch[0].path === ANSWERS) return server.call(ANSWERS, { answers: batch.map((each) => each.body) });
  await server.call(batch[0].path, batch[0].body);
  return { answers: [{}] };
}

// A name for this window, the same after a reload, held as a lock for as long as it is open.
export function openTab() {
  const name = sessionStorage.getItem(TAB) ?? uuid();
  sessionStorage.setItem(TAB, name);
  navigator.locks?.request(name, () => new Promise(() => {}));
  return name;
}

// The windows that are open, by the lock each holds. Browsers know locks on https and localhost only;
// without them an answer may be sent by two windows, which the ledger takes as one.
async function openTabs() {
  if (!navigator.locks) return new Set();
  const { held } = await navigator.locks.query();
  return new Set(held.map((each) => each.name));
}

function keep({ key, collection, path, body, annotator }) {
  try {
    localStorage.setItem(key, JSON.stringify({ collection, path, body, annotator }));
  } catch { /* the storage is full: it stays in memory */ }
}

function forget({ key }) {
  localStorage.removeItem(key);
}

function read(key) {
  try {
    const { collection, path = ANSWERS, body, answer, annotator = "" } = JSON.parse(localStorage.getItem(key));
    return { collection, path, body: body ?? answer, annotator, key, tried: true, seq: 0, refused: "", leftOut: 0 }; // `answer`: of an earlier version
  } catch {
    localStorage.removeItem(key);
    return null;
  }
}
