// Thumbnails as addresses that an <img> takes: asked for in batches, the last used few thousand kept.

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

  // What was wanted before and is out of sight now is not asked for.
  forget(row) {
    this.#wanted.delete(row);
  }

  async #ask() {
    while (this.#wanted.size) {
      const batch = [...this.#wanted].slice(-AT_ONCE); // what came into sight last
      for (const [row] of batch) this.#wanted.delete(row);
      try {
        const found = await this.server.thumbnails(batch.map(([row]) => row));
        batch.forEach(([row, takers], at) => this.#keep(row, found[at], takers));
      } catch {
        break; // whoever still shows these asks again when drawn
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
