// The labelling grid. State lives in one Session per collection and annotator; Streamlit calls the
// default export again at every run of the script, so everything here is made once and kept.

const AHEAD = 3;            // pages leased before they are needed
const RENEW_MS = 60_000;
const RETRY_MS = [250, 500, 1000, 2000, 5000];
const DIGITS = "1234567890";
const COLORS = ["#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6", "#ec4899", "#14b8a6", "#f97316", "#84cc16", "#64748b"];

const sessions = (window.__hundredfoldSessions ??= new Map());

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".hf");
  const id = `${data.collection}\n${data.annotator}`;
  if (!sessions.has(id)) {
    for (const other of sessions.values()) other.close();
    sessions.clear();
    sessions.set(id, new Session(data.collection, data.annotator));
  }
  const session = sessions.get(id);
  if (session.root !== root) session.attach(root);
  return () => session.detach(root);
}

// --- talking to the server -----------------------------------------------------------------------

class Refused extends Error {}
class Away extends Error {}

class Server {
  constructor(collection) {
    this.base = `/api/collections/${encodeURIComponent(collection)}`;
  }

  thumbnail(row) { return `${this.base}/thumbnails/${row}`; }
  image(row) { return `${this.base}/images/${row}`; }

  async call(path, body) {
    let answer;
    try {
      answer = await fetch(`${this.base}/${path}`, body === undefined ? {} : {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Hundredfold": "1" },
        body: JSON.stringify(body),
      });
    } catch (error) {
      throw new Away("the server can't be reached");
    }
    if (answer.status >= 500 || answer.status === 401 || answer.status === 429) {
      throw new Away(await reason(answer));
    }
    if (!answer.ok) throw new Refused(await reason(answer));
    return answer.json();
  }

  // Sent while the window closes: nobody waits for the answer.
  release(tokens) {
    fetch(`${this.base}/releases`, {
      method: "POST", keepalive: true,
      headers: { "Content-Type": "application/json", "X-Hundredfold": "1" },
      body: JSON.stringify({ tokens }),
    }).catch(() => {});
  }
}

async function reason(answer) {
  try { return (await answer.json()).message; } catch { return `status ${answer.status}`; }
}

// --- answers, never lost, never twice ------------------------------------------------------------

// Answers wait here, in order and in the browser's storage, until the ledger has them. Each carries a
// request id: sending it again is harmless.
class Outbox {
  constructor(server, name, onChange) {
    this.server = server;
    this.name = name;
    this.onChange = onChange;
    this.waiting = this.#load();
    this.sending = false;
    this.failures = 0;
    this.trouble = "";
    this.settled = new Map();
    this.send();
  }

  put(answer) {
    this.waiting.push(answer);
    this.#save();
    this.send();
    return new Promise((resolve) => this.settled.set(answer.request_id, resolve));
  }

  async send() {
    if (this.sending) return;
    this.sending = true;
    while (this.waiting.length) {
      const batch = this.waiting.slice(0, 16);
      this.onChange();
      try {
        const { answers, progress } = await this.server.call("answers", { answers: batch });
        this.#settle(answers, progress);
      } catch (error) {
        if (error instanceof Refused) {
          this.#settle(batch.map((each) => ({ request_id: each.request_id, refused: error.message })));
          continue;
        }
        this.trouble = error.message;
        this.onChange();
        await pause(RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)]);
      }
    }
    this.sending = false;
    this.onChange();
  }

  #settle(answers, progress) {
    this.failures = 0;
    this.trouble = "";
    const done = new Set(answers.map((each) => each.request_id));
    this.waiting = this.waiting.filter((each) => !done.has(each.request_id));
    this.#save();
    for (const answer of answers) {
      this.settled.get(answer.request_id)?.(answer);
      this.settled.delete(answer.request_id);
    }
    this.onChange(answers, progress);
  }

  #load() {
    try { return JSON.parse(localStorage.getItem(this.name)) ?? []; } catch { return []; }
  }

  #save() {
    try { localStorage.setItem(this.name, JSON.stringify(this.waiting)); } catch { /* storage full: they stay in memory */ }
  }
}

// --- the session ---------------------------------------------------------------------------------

class Session {
  constructor(collection, annotator) {
    this.collection = collection;
    this.annotator = annotator;
    this.server = new Server(collection);
    this.classes = [];
    this.progress = null;
    this.phase = "";
    this.trouble = "";
    this.pages = [];       // leased, the first is on the screen
    this.fetching = false;
    this.history = [];     // what was answered, for undo
    this.toastText = "";
    this.helpOpen = false;
    this.zoomed = null;
    this.closed = false;
    this.outbox = new Outbox(this.server, `hundredfold:${collection}:${annotator}`,
      (answers, progress) => this.#onOutbox(answers, progress));
    this.onKey = (event) => this.#key(event);
    this.onResize = () => this.#fit();
    this.onHide = () => this.server.release(this.pages.map((each) => each.token));
    document.addEventListener("keydown", this.onKey);
    window.addEventListener("resize", this.onResize);
    window.addEventListener("pagehide", this.onHide);
    this.renewing = setInterval(() => this.#renew(), RENEW_MS);
    this.#refresh();
    this.#fetchAhead();
  }

  close() {
    this.closed = true;
    document.removeEventListener("keydown", this.onKey);
    window.removeEventListener("resize", this.onResize);
    window.removeEventListener("pagehide", this.onHide);
    clearInterval(this.renewing);
    this.onHide();
  }

  attach(root) {
    this.root = root;
    root.replaceChildren(...this.#frame());
    this.observer?.disconnect();
    this.observer = new ResizeObserver(() => this.#fit());
    this.observer.observe(this.grid);
    this.#draw();
  }

  // Streamlit took the element away (another view): nobody looks at the pages any more.
  detach(root) {
    setTimeout(() => {
      if (this.root === root && !root.isConnected) {
        sessions.clear();
        this.close();
      }
    }, 1000);
  }

  get page() { return this.pages[0]; }

  // --- pages in, answers out

  async #fetchAhead() {
    if (this.fetching || this.closed) return;
    this.fetching = true;
    let failures = 0;
    while (this.pages.length <= AHEAD && !this.closed) {
      try {
        const { leases, progress } = await this.server.call("leases", {
          annotator: this.annotator, limit: AHEAD + 1 - this.pages.length,
        });
        failures = 0;
        this.trouble = "";
        this.progress = progress;
        if (!leases.length) {
          await this.#refresh();
          if (this.phase === "DONE") break;
          await pause(400);
          continue;
        }
        const wasEmpty = !this.page;
        for (const lease of leases) this.pages.push(this.#prepared(lease));
        if (wasEmpty) this.#draw(); else this.#drawFoot();
      } catch (error) {
        this.trouble = error.message;
        this.#drawFoot();
        await pause(RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
      }
    }
    this.fetching = false;
    this.#draw();
  }

  #prepared(lease) {
    const page = {
      ...lease, kicked: new Set(), assigned: new Map(), focus: 0, anchor: 0, shownAt: 0,
      named: lease.kind === "SINGLE" ? 0 : lease.class_id,
    };
    // Made once, decoded ahead: showing the page is putting them in place.
    page.images = lease.rows.map((row) => {
      const image = new Image();
      image.decoding = "async";
      image.src = this.server.thumbnail(row);
      image.alt = "";
      image.draggable = false;
      return image;
    });
    return page;
  }

  async #refresh() {
    try {
      const state = await this.server.call("state");
      this.classes = state.schema.classes;
      this.progress = state.progress;
      this.phase = state.phase;
      this.trouble = state.trouble;
    } catch (error) {
      this.trouble = error.message;
    }
    if (this.root) { this.#drawClasses(); this.#drawFoot(); }
  }

  async #renew() {
    if (!this.pages.length) return;
    try {
      const { tokens } = await this.server.call("renewals", { tokens: this.pages.map((each) => each.token) });
      const held = new Set(tokens);
      const current = this.page;
      this.pages = this.pages.filter((each) => held.has(each.token));
      if (this.page !== current) { this.#toast("That page was given to somebody else meanwhile."); this.#draw(); }
    } catch { /* away: the next time */ }
  }

  commit() {
    const page = this.page;
    if (!page) return;
    const judgements = this.#judgements(page);
    if (!judgements) return;
    const entry = { page, request_id: uuid(), seq: 0 };
    this.history.push(entry);
    if (this.history.length > 200) this.history.shift();
    this.#next();
    this.outbox.put({
      request_id: entry.request_id, token: page.token, judgements,
      seconds: Math.min(600, (performance.now() - page.shownAt) / 1000),
    }).then((answer) => {
      entry.seq = answer.seq ?? 0;
      if (answer.refused) {
        this.history = this.history.filter((each) => each !== entry);
        this.#toast(`Not taken: ${answer.refused}`);
      }
    });
  }

  #judgements(page) {
    if (page.kind === "SINGLE") {
      const byClass = new Map();
      for (const [place, classId] of page.assigned) {
        byClass.set(classId, [...(byClass.get(classId) ?? []), page.rows[place]]);
      }
      if (!byClass.size) { this.#toast("Give at least one image a class, or press S to skip."); return null; }
      return [...byClass].map(([class_id, rows]) => ({ class_id, verdict: "IS", rows }));
    }
    if (!page.named) { this.#toast("What are these? Choose a class, then press Enter."); return null; }
    const kept = page.rows.filter((_, place) => !page.kicked.has(place));
    const kicked = page.rows.filter((_, place) => page.kicked.has(place));
    const judgements = [];
    if (kept.length) judgements.push({ class_id: page.named, verdict: "IS", rows: kept });
    if (kicked.length) judgements.push({ class_id: page.named, verdict: "IS_NOT", rows: kicked });
    return judgements;
  }

  #next() {
    this.pages.shift();
    this.#draw();
    this.#fetchAhead();
  }

  skip() {
    const page = this.page;
    if (!page) return;
    this.server.release([page.token]);
    this.#next();
  }

  async undo() {
    const entry = this.history.pop();
    if (!entry) { this.#toast("Nothing to undo."); return; }
    // The answer may still be on its way: it must be in the ledger before it can be taken back.
    while (!entry.seq && this.outbox.waiting.some((each) => each.request_id === entry.request_id)) await pause(30);
    try {
      const { lease } = await this.server.call("undo", {
        annotator: this.annotator, seq: entry.seq, request_id: uuid(),
      });
      if (lease) {
        const page = this.#prepared(lease);
        const places = new Map(entry.page.rows.map((row, place) => [row, place]));
        lease.rows.forEach((row, place) => {
          const old = places.get(row);
          if (entry.page.kicked.has(old)) page.kicked.add(place);
          if (entry.page.assigned.has(old)) page.assigned.set(place, entry.page.assigned.get(old));
        });
        page.named = entry.page.named;
        this.pages.unshift(page);
      }
      this.#toast(lease ? "Undone: here it is again." : "Undone. Somebody else has these images now.");
      this.#draw();
    } catch (error) {
      this.history.push(entry);
      this.#toast(`Not undone: ${error.message}`);
    }
  }

  async addClass(name) {
    try {
      const schema = await this.server.call("classes", { name });
      this.classes = schema.classes;
      this.#drawClasses();
      const added = this.classes.find((each) => each.name === name);
      if (added) this.choose(added.class_id);
    } catch (error) {
      this.#toast(`Not added: ${error.message}`);
    }
  }

  // A class was chosen: it names the page, or on a page of singles the image in focus.
  choose(classId) {
    const page = this.page;
    if (!page) return;
    if (page.kind === "SINGLE") {
      page.assigned.set(page.focus, classId);
      const free = page.rows.findIndex((_, place) => place > page.focus && !page.assigned.has(place));
      if (free >= 0) page.focus = free;
    } else {
      page.named = classId;
    }
    this.#drawMarks();
  }

  toggle(place, range) {
    const page = this.page;
    if (!page || place < 0 || place >= page.rows.length) return;
    page.focus = place;
    if (page.kind !== "SINGLE") {
      const kick = !page.kicked.has(place);
      const [from, to] = range ? [Math.min(page.anchor, place), Math.max(page.anchor, place)] : [place, place];
      for (let each = from; each <= to; each++) {
        if (range || kick) page.kicked.add(each); else page.kicked.delete(each);
      }
      page.anchor = place;
    }
    this.#drawMarks();
  }

  invert() {
    const page = this.page;
    if (!page || page.kind === "SINGLE") return;
    page.kicked = new Set([...page.rows.keys()].filter((place) => !page.kicked.has(place)));
    this.#drawMarks();
  }

  move(by) {
    const page = this.page;
    if (!page) return;
    page.focus = Math.max(0, Math.min(page.rows.length - 1, page.focus + by));
    this.#drawMarks();
  }

  // --- keys

  #key(event) {
    if (!this.root?.isConnected || event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.composedPath()[0];
    if (target.closest?.("input, textarea, select, [contenteditable]")) {
      if (event.key === "Escape") target.blur();
      return;
    }
    const action = this.#action(event);
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }

  #action(event) {
    const columns = this.columns ?? 8;
    const page = this.page;
    const actions = {
      " ": () => this.commit(), Enter: () => this.commit(),
      ArrowLeft: () => this.move(-1), ArrowRight: () => this.move(1),
      ArrowUp: () => this.move(-columns), ArrowDown: () => this.move(columns),
      x: () => this.toggle(page?.focus ?? -1, event.shiftKey), i: () => this.invert(),
      z: () => this.undo(), Backspace: () => this.undo(), s: () => this.skip(),
      g: () => page?.kind === "SINGLE" && page.second[page.focus] && this.choose(page.second[page.focus]),
      n: () => this.picker.focus(), "/": () => this.picker.focus(),
      v: () => this.#zoom(page?.focus), "?": () => this.#help(),
      Escape: () => { this.helpOpen = false; this.#unzoom(); this.#drawHelp(); },
    };
    const own = this.classes.find((each) => each.key && each.key === event.key);
    if (own) return () => this.choose(own.class_id);
    const digit = DIGITS.indexOf(event.key);
    if (digit >= 0 && this.classes[digit]) return () => this.choose(this.classes[digit].class_id);
    return actions[event.key] ?? actions[event.key.toLowerCase()];
  }

  // --- drawing

  #frame() {
    this.question = element("div", "question", { role: "status", ariaLive: "polite" });
    this.grid = element("div", "grid", { role: "listbox", ariaMultiSelectable: "true", ariaLabel: "Images" });
    this.grid.addEventListener("click", (event) => {
      const tile = event.target.closest(".tile");
      if (tile) this.toggle(Number(tile.dataset.place), event.shiftKey);
    });
    this.grid.addEventListener("dblclick", (event) => {
      const tile = event.target.closest(".tile");
      if (tile) this.#zoom(Number(tile.dataset.place));
    });
    this.picker = element("input", "picker", { type: "text", placeholder: "Find or add a class", maxLength: 200, ariaLabel: "Find or add a class" });
    this.picker.addEventListener("input", () => this.#drawClasses());
    this.picker.addEventListener("keydown", (event) => this.#pick(event));
    this.list = element("div", "classes", { role: "group", ariaLabel: "Classes" });
    this.foot = element("div", "foot");
    this.toastBox = element("div", "toast", { role: "status", ariaLive: "polite" });
    this.overlay = element("div", "overlay");
    this.overlay.addEventListener("click", () => { this.helpOpen = false; this.#unzoom(); this.#drawHelp(); });
    const side = element("aside", "side");
    side.append(this.picker, this.list, this.#buttons());
    const body = element("div", "body");
    body.append(this.grid, side);
    return [this.question, body, this.foot, this.toastBox, this.overlay];
  }

  #buttons() {
    const box = element("div", "buttons");
    for (const [label, key, act, kind] of [
      ["Confirm", "Enter", () => this.commit(), "primary"], ["Undo", "Z", () => this.undo(), ""],
      ["Skip", "S", () => this.skip(), ""], ["Invert", "I", () => this.invert(), ""], ["Help", "?", () => this.#help(), ""],
    ]) {
      const button = element("button", `button ${kind}`, { type: "button" });
      button.append(text("span", "", label), text("kbd", "", key));
      button.addEventListener("click", (event) => { act(); event.currentTarget.blur(); });
      box.append(button);
    }
    return box;
  }

  #pick(event) {
    if (event.key !== "Enter") return;
    const name = this.picker.value.trim();
    if (!name) return;
    const found = this.classes.find((each) => each.name.toLowerCase() === name.toLowerCase())
      ?? this.#shownClasses()[0];
    this.picker.value = "";
    this.picker.blur();
    if (found) this.choose(found.class_id); else this.addClass(name);
    this.#drawClasses();
  }

  #shownClasses() {
    const wanted = this.picker.value.trim().toLowerCase();
    return this.classes.filter((each) => each.name.toLowerCase().includes(wanted));
  }

  #draw() {
    if (!this.root) return;
    const page = this.page;
    this.#unzoom();
    if (page) {
      page.shownAt ||= performance.now();
      this.grid.replaceChildren(...page.rows.map((row, place) => this.#tile(page, place)));
      this.#fit();
      this.grid.dataset.token = page.token;
    } else {
      this.grid.replaceChildren(this.#empty());
      delete this.grid.dataset.token;
    }
    this.#drawClasses();
    this.#drawMarks();
  }

  #tile(page, place) {
    const tile = element("div", "tile", { role: "option" });
    tile.dataset.place = place;
    tile.append(page.images[place], text("span", "mark", ""), text("span", "chip", ""));
    return tile;
  }

  #empty() {
    const done = this.phase === "DONE";
    const box = element("div", "empty");
    box.append(
      text("strong", "", done ? "All done" : "Preparing the next pages ..."),
      text("p", "", done ? "Every image is labelled or set aside. Take the labels out with: hundredfold export" : "They appear here by themselves."),
    );
    return box;
  }

  // Whatever changes without a new page: kicks, focus, names.
  #drawMarks() {
    const page = this.page;
    this.#drawQuestion();
    this.#drawFoot();
    if (!page) return;
    [...this.grid.children].forEach((tile, place) => {
      const kicked = page.kicked.has(place);
      const assigned = page.assigned.get(place);
      tile.classList.toggle("kicked", kicked);
      tile.classList.toggle("focus", place === page.focus);
      tile.classList.toggle("assigned", assigned !== undefined);
      tile.ariaSelected = String(!kicked);
      tile.querySelector(".mark").textContent = kicked ? "✕" : assigned !== undefined ? "✓" : "";
      const chip = tile.querySelector(".chip");
      const guess = page.second[place];
      chip.textContent = assigned !== undefined ? this.#name(assigned) : guess ? `${this.#name(guess)}?` : "";
      tile.title = this.#hint(page, place);
    });
    for (const button of this.list.children) {
      button.classList.toggle("chosen", Number(button.dataset.classId) === (page.kind === "SINGLE" ? 0 : page.named));
    }
  }

  #hint(page, place) {
    const guess = page.second[place] ? `looks also like ${this.#name(page.second[place])}` : "";
    const sure = page.probability[place] !== undefined ? `${Math.round(100 * page.probability[place])} % sure` : "";
    return [sure, guess].filter(Boolean).join(", ");
  }

  #drawQuestion() {
    const page = this.page;
    this.question.replaceChildren();
    if (!page) return;
    const name = page.named ? text("b", "", this.#name(page.named)) : text("b", "", "...");
    if (page.kind === "CLUSTER") {
      this.question.append("What are most of these? ", name, text("span", "dim", page.named ? " Click what is not, then Enter." : " Choose a class; click what does not belong."));
    } else if (page.kind === "VERIFY") {
      this.question.append("All ", name, "?", text("span", "dim", " Click what is not, then Enter."));
    } else {
      this.question.append("Which class is each?", text("span", "dim", " A digit names the image in focus, G takes the guess."));
    }
    if (page.kicked.size) this.question.append(text("span", "pill", `${page.kicked.size} kicked`));
  }

  #drawClasses() {
    if (!this.root) return;
    const shown = this.#shownClasses();
    this.list.replaceChildren(...shown.slice(0, 200).map((each) => {
      const place = this.classes.indexOf(each);
      const button = element("button", "class", { type: "button", title: each.guideline || each.name });
      button.dataset.classId = each.class_id;
      const dot = element("i", "dot");
      dot.style.background = /^#[0-9a-f]{6}$/i.test(each.color) ? each.color : COLORS[place % COLORS.length];
      button.append(dot, text("span", "name", each.name), text("kbd", "", each.key || DIGITS[place] || ""));
      button.addEventListener("click", (event) => { this.choose(each.class_id); event.currentTarget.blur(); });
      return button;
    }));
    if (!shown.length) {
      this.list.append(text("p", "dim", this.picker.value ? "Enter adds this class." : "No class yet: press N and type the first."));
    }
    if (this.page) this.#drawMarks();
  }

  #drawFoot() {
    if (!this.root) return;
    const progress = this.progress;
    const unsent = this.outbox.waiting.length;
    const badge = this.outbox.trouble ? ["offline", `offline: ${unsent} unsent`] : unsent ? ["busy", `${unsent} unsent`] : ["saved", "✓ saved"];
    this.foot.replaceChildren(text("span", `badge ${badge[0]}`, badge[1]));
    if (progress) {
      const share = progress.total ? progress.labelled / progress.total : 0;
      const bar = element("span", "bar");
      const fill = element("i");
      fill.style.width = `${100 * share}%`;
      bar.append(fill);
      this.foot.append(
        text("span", "", `${format(progress.labelled)} of ${format(progress.total)} labelled`), bar,
        text("span", "", `${format(Math.round(progress.labels_per_minute))} labels a minute`),
      );
    }
    if (this.trouble) this.foot.append(text("span", "trouble", this.trouble));
    this.foot.append(text("span", "spring", ""), text("span", "dim", "? shows the keys"));
  }

  #drawHelp() {
    this.overlay.replaceChildren();
    this.overlay.classList.toggle("open", this.helpOpen || this.zoomed !== null);
    if (!this.helpOpen) return;
    const box = element("div", "help");
    box.append(text("h3", "", "Keys"));
    for (const [key, what] of [
      ["1 .. 0", "choose the class"], ["Enter or Space", "confirm and go on"], ["click, or arrows and X", "kick an image that does not belong"],
      ["Shift + click", "kick a whole run"], ["I", "kick the others instead"], ["Z", "undo, as often as you like"], ["S", "skip the page"],
      ["N or /", "find or add a class"], ["V or double click", "look closely"], ["G", "singles: take the guess"], ["?", "this list"],
    ]) {
      const line = element("div", "line");
      line.append(text("kbd", "", key), text("span", "", what));
      box.append(line);
    }
    this.overlay.append(box);
  }

  #help() { this.helpOpen = !this.helpOpen; this.#drawHelp(); }

  #zoom(place) {
    if (place === undefined || this.zoomed !== null) { this.#unzoom(); return; }
    this.zoomed = place;
    const image = new Image();
    image.src = this.server.image(this.page.rows[place]);
    image.alt = "The image, large";
    this.overlay.replaceChildren(image);
    this.overlay.classList.add("open", "zoom");
  }

  #unzoom() {
    this.zoomed = null;
    this.overlay?.classList.remove("zoom");
    if (!this.helpOpen) { this.overlay?.classList.remove("open"); this.overlay?.replaceChildren(); }
  }

  #toast(message) {
    if (!this.root) return;
    this.toastBox.textContent = message;
    this.toastBox.classList.add("open");
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => this.toastBox.classList.remove("open"), 3000);
  }

  // The largest square tiles with which the whole page is in view.
  #fit() {
    const page = this.page;
    if (!page || !this.grid) return;
    const { clientWidth: width, clientHeight: height } = this.grid;
    let best = { size: 0, columns: 1 };
    for (let columns = 1; columns <= page.rows.length; columns++) {
      const size = Math.min(width / columns, height / Math.ceil(page.rows.length / columns));
      if (size > best.size) best = { size, columns };
    }
    this.columns = best.columns;
    this.grid.style.setProperty("--columns", best.columns);
    this.grid.style.setProperty("--tile", `${Math.max(48, Math.floor(best.size) - 6)}px`);
  }

  #name(classId) {
    return this.classes.find((each) => each.class_id === classId)?.name ?? `class ${classId}`;
  }

  #onOutbox(answers, progress) {
    if (progress) this.progress = progress;
    if (answers && !this.page) this.#fetchAhead();
    this.#drawFoot();
  }
}

// --- small parts: data only ever becomes text ----------------------------------------------------

function element(name, className = "", properties = {}) {
  const made = document.createElement(name);
  made.className = className;
  Object.assign(made, properties);
  return made;
}

function text(name, className, content) {
  return element(name, className, { textContent: content });
}

// `crypto.randomUUID` is there on https and localhost only.
function uuid() {
  const hex = [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function format(number) {
  return number.toLocaleString("en");
}
