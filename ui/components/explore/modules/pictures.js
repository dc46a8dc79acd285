// Thumbnails as addresses that an <img> takes: asked for in batches, the last used few thousand kept.

import { pause } from "/grid/dom.js";
import { patience } from "/grid/server.js";

const MOST = 3000;
const AT_ONCE = 64;

export class Pictures {
  #kept = new Map();     // row -> address, "" where an image can't be shown
  #wanted = new Map();   // row -> callbacks
  #asking = false;

  constructor(server) {
    this.server = server;
  }

  // Calls back with the address, at once when it is there; "" for a broken image.
  show(row, take) {
    const known = this.#kept.get(row);
    if (known !== undefined) {
      this.#kept.delete(row);
      this.#kept.set(row, known);
      take(known);
      return;
    }
    const waiting = this.#wanted.get(row);
    if (waiting) waiting.push(take); else this.#wanted.set(row, [take]);
    if (!this.#asking) {
      this.#asking = true;
      queueMicrotask(() => this.#ask());
    }
  }

  // The view is gone: nothing is asked for any more.
  leave() {
    this.left = true;
    for (const address of this.#kept.values()) if (address) URL.revokeObjectURL(address);
    this.#kept.clear();
  }

  // What was wanted before and is out of sight now is not asked for.
  forget(row) {
    this.#wanted.delete(row);
  }

  async #ask() {
    for (let failures = 0; this.#wanted.size && !this.left;) {
      const batch = [...this.#wanted].slice(-AT_ONCE); // what came into sight last
      for (const [row] of batch) this.#wanted.delete(row);
      try {
        const found = await this.server.thumbnails(batch.map(([row]) => row));
        batch.forEach(([row, takers], at) => this.#keep(row, found[at], takers));
        failures = 0;
      } catch {
        for (const [row, takers] of batch) this.#wanted.set(row, [...takers, ...(this.#wanted.get(row) ?? [])]);
        await pause(patience(failures++));
      }
    }
    this.#asking = false;
  }

  #keep(row, blob, takers) {
    const address = blob?.size ? URL.createObjectURL(blob) : "";
    this.#kept.set(row, address);
    if (this.#kept.size > MOST) {
      const [oldest, gone] = this.#kept.entries().next().value;
      this.#kept.delete(oldest);
      if (gone) URL.revokeObjectURL(gone);
    }
    for (const take of takers) take(address);
  }
}
