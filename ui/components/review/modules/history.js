// Who decided what and when; one line an event, its images on demand, and taking it back.

import { element, text } from "../grid/dom.js";
import { say } from "../grid/words.js";
import { Gallery } from "./gallery.js";
import { deed, empty, moment, state, waiting } from "./parts.js";

const JUDGING = ["DECISION", "IMPORT", "CERTIFICATE", "PAIRS"];
const SINGLY = ["CLEAR", "AUDIT", "UNDO_MANY"]; // what is taken back without numbers: nothing is judged in it
const KINDS = { decisions: ["DECISION"], models: ["CERTIFICATE"], imports: ["IMPORT"], pairs: ["PAIRS"], undos: ["UNDO", "UNDO_MANY"], others: ["CLEAR", "AUDIT", "FLAG", "UNFLAG"] };
const KIND_WORDS = {
  decisions: () => say("review.kind_decisions"),
  models: () => say("review.kind_models"),
  imports: () => say("review.kind_imports"),
  pairs: () => say("pairs.kind_pairs"),
  undos: () => say("review.kind_undos"),
  others: () => say("review.kind_others"),
};
const PAGES = {
  CLUSTER: () => say("review.page_cluster"),
  VERIFY: () => say("review.page_verify"),
  SINGLE: () => say("review.page_single"),
  AUDIT: () => say("review.page_audit"),
  REVIEW: () => say("review.page_review"),
  PICKED: () => say("review.page_picked"),
  PAIR: () => say("pairs.page_pair"),
};
const MOST_CLASSES = 3;
const NOBODY = "anonymous";
const SPANS = { hour: 3600, day: 86_400, week: 604_800 };
const SPAN_WORDS = { hour: () => say("review.last_hour"), day: () => say("review.last_day"), week: () => say("review.last_week") };

export class History {
  constructor(desk, dialogs, stage, tell) {
    Object.assign(this, { desk, dialogs, stage, tell });
    this.galleries = [];
    this.#build();
  }

  leave() {
    for (const each of this.galleries) each.leave();
    this.galleries = [];
  }

  // --- the filters

  #build() {
    const head = element("header", "head");
    head.append(text("h1", "", say("review.history")));
    const filters = element("div", "filters");
    this.person = choice(say("review.everybody"), this.desk.known.people.map((each) => [each, each]), say("review.person"));
    this.kind = choice(say("review.everything"), Object.keys(KINDS).map((each) => [each, KIND_WORDS[each]()]), say("review.kind"));
    this.span = choice(say("review.always"), [...Object.keys(SPANS).map((each) => [each, SPAN_WORDS[each]()]), ["own", say("review.own_span")]], say("review.span"));
    this.since = element("input", "field", { type: "datetime-local", ariaLabel: say("review.since") });
    this.until = element("input", "field", { type: "datetime-local", ariaLabel: say("review.until") });
    this.all = deed(say("review.take_back_all"), "B", () => this.#takeAllBack(), "danger");
    this.all.dataset.deed = "all";
    for (const each of [this.person, this.kind, this.span, this.since, this.until]) each.addEventListener("change", () => this.again());
    this.person.hidden = !this.desk.known.reviews;
    filters.append(this.person, this.kind, this.span, this.since, this.until, element("span", "spring"), this.all);
    this.list = element("div", "lines", { role: "list" });
    this.more = deed(say("review.older"), "", () => this.#load(this.token), "wide");
    const scroll = element("div", "scroll");
    scroll.append(this.list, this.more);
    this.stage.append(head, filters, scroll);
  }

  get #filter() {
    const own = this.span.value === "own";
    this.since.hidden = this.until.hidden = !own;
    const span = SPANS[this.span.value];
    return {
      actor: this.desk.known.reviews ? this.person.value : this.desk.known.me,
      kinds: KINDS[this.kind.value] ?? [],
      since: own ? stamp(this.since.value) : span ? Math.floor(Date.now() / 1000) - span : 0,
      until: own ? stamp(this.until.value) : 0,
    };
  }

  // --- the lines

  async again() {
    this.leave();
    this.shown = this.#filter;
    this.#allow();
    this.list.replaceChildren(waiting(say("review.reading")));
    this.more.hidden = true;
    this.lines = [];
    await this.#load("");
  }

  async #load(token) {
    const { actor, kinds, since, until } = this.shown;
    const query = new URLSearchParams({ actor, kinds: kinds.join(","), since, until, token });
    const asked = this.shown;
    const found = await this.desk.try(async () => {
      const answer = await this.desk.server.call(`review/history?${query}`);
      await this.desk.know(answer.lines.flatMap((each) => each.said.map((one) => one.class_id)));
      return answer;
    });
    if (asked !== this.shown) return;
    if (!found) {
      if (!token) this.list.replaceChildren(empty(say("review.away"), say("review.try_later")));
      return;
    }
    if (!token) this.list.replaceChildren();
    this.token = found.token;
    this.more.hidden = !found.token;
    this.lines.push(...found.lines);
    this.list.append(...found.lines.map((each) => this.#line(each)));
    if (!this.lines.length) this.list.append(empty(say("review.no_history"), say("review.no_history_hint")));
    this.tell(say(found.token ? "review.lines_more" : "review.lines", { count: this.lines.length }), [
      ["↑↓", say("review.key_move")], ["Enter", say("review.key_open")], ["T", say("review.key_take_back")],
    ]);
  }

  #line(line) {
    const made = element("article", "line", { role: "listitem" });
    made.dataset.seq = line.seq;
    made.classList.toggle("undone", !line.counts && JUDGING.includes(line.kind));
    const row = element("div", "row");
    const toggle = element("button", "toggle", { type: "button", ariaExpanded: "false" });
    toggle.append(text("span", "arrow", "▸"), moment(line.at), text("span", "who", whose(line)), text("span", "what", this.#words(line)));
    toggle.addEventListener("click", () => this.#open(made, toggle, line));
    row.append(toggle, this.#mark(line));
    row.append(this.#end(line));
    made.append(row);
    return made;
  }

  // What can be done about it, or what was.
  #end(line) {
    if (![...JUDGING, ...SINGLY].includes(line.kind)) return element("span", "small");
    if (line.counts) return this.#deed(line);
    return state("off", "↶", line.kind === "UNDO_MANY" ? say("review.brought_back") : say("review.taken_back"));
  }

  #deed(line) {
    const words = line.kind === "UNDO_MANY" ? say("review.bring_back") : say("review.take_back");
    const made = deed(words, "", () => this.#takeBack(line), "small");
    made.dataset.deed = "one";
    return made;
  }

  #mark(line) {
    if (line.page) return text("span", "chip", PAGES[line.page]());
    return element("span");
  }

  // What was done, in words.
  #words(line) {
    if (line.kind === "UNDO") return say("review.did_undo", { seq: line.undone_seq });
    if (line.kind === "UNDO_MANY") {
      return line.of ? say("review.did_undo_of", { count: line.undone_events, who: line.of }) : say("review.did_undo_many", { count: line.undone_events });
    }
    if (line.kind === "CLEAR") return say("review.did_clear");
    if (line.kind === "AUDIT") return say("review.did_audit");
    if (line.kind === "UNFLAG") return line.comment ? say("review.did_resolve_with", { comment: line.comment }) : say("review.did_resolve");
    if (line.kind === "FLAG") {
      const count = line.flagged.length;
      return line.comment ? say("review.did_flag_with", { count, comment: line.comment }) : say("review.did_flag", { count });
    }
    if (line.kind === "PAIRS") return this.#ofPairs(line);
    const said = this.#said(line);
    if (line.kind === "CERTIFICATE") return line.images ? say("review.did_certify", { what: said }) : say("review.did_certify_nothing");
    if (line.kind === "IMPORT") return say("review.did_import", { what: said });
    return said;
  }

  // "Pairs: 9 the same, 3 not the same".
  #ofPairs(line) {
    const words = {
      IS: (count) => say("pairs.so_many_same", { count }), IS_NOT: (count) => say("pairs.so_many_other", { count }),
      UNSURE: (count) => say("pairs.so_many_unsure", { count }),
    };
    const said = line.said.map(({ verdict, count }) => words[verdict](count)).join(", ");
    const what = say("pairs.did_judge", { what: said || say("review.said_nothing") });
    return line.kept ? say("pairs.did_keep", { what, count: line.kept }) : what;
  }

  // "42 shoe, 3 kicked".
  #said(line) {
    if (!line.said.length) return line.images ? say("review.many_images", { count: line.images }) : say("review.said_nothing");
    const by = new Map();
    for (const { class_id: classId, verdict, count } of line.said) {
      const id = verdict === "IS" ? classId : verdict;
      by.set(id, (by.get(id) ?? 0) + count);
    }
    const kicked = by.get("IS_NOT") ?? 0;
    const unsure = by.get("UNSURE") ?? 0;
    const named = [...by].filter(([id]) => typeof id === "number").sort((one, other) => other[1] - one[1]);
    const words = named.slice(0, MOST_CLASSES).map(([id, count]) => say("review.so_many", { count, what: this.desk.name(id) }));
    if (named.length > MOST_CLASSES) words.push(say("review.more_classes", { count: named.length - MOST_CLASSES }));
    const [first] = line.said.filter((each) => each.verdict === "IS_NOT");
    if (kicked && named.length) words.push(say("review.kicked", { count: kicked }));
    else if (kicked) words.push(say("review.kicked_from", { count: kicked, name: this.desk.name(first.class_id) }));
    if (unsure) words.push(say("review.set_aside", { count: unsure }));
    return words.join(", ");
  }

  // --- looking into a line

  #open(made, toggle, line) {
    const is = toggle.ariaExpanded === "true";
    toggle.ariaExpanded = String(!is);
    const within = made.querySelector(".within");
    if (within) {
      within.hidden = is;
      return;
    }
    const box = element("div", "within");
    const groups = line.kind === "FLAG" ? [{ rows: line.flagged, count: line.flagged.length }] : line.said;
    for (const each of groups) box.append(...this.#group(each));
    if (!groups.length) box.append(text("p", "dim", say("review.no_pictures")));
    made.append(box);
  }

  #group(each) {
    const rows = each.others ? each.rows.flatMap((row, place) => [row, each.others[place]]) : each.rows;
    const gallery = new Gallery(this.desk.server, rows.map((row) => ({ row })), { onLook: (row) => this.dialogs.look(row) });
    gallery.box.classList.toggle("pairs", rows !== each.rows);
    this.galleries.push(gallery);
    const hidden = each.count - each.rows.length;
    const parts = each.verdict ? [text("h3", "", this.#verdict(each))] : [];
    parts.push(gallery.box);
    if (hidden > 0) parts.push(text("p", "dim", say("review.not_shown", { count: hidden })));
    return parts;
  }

  #verdict({ class_id: classId, verdict, count, others }) {
    if (others) {
      if (verdict === "IS") return say("pairs.group_same", { count });
      return verdict === "IS_NOT" ? say("pairs.group_other", { count }) : say("pairs.group_unsure", { count });
    }
    if (verdict === "IS") return say("review.group_is", { count, name: this.desk.name(classId) });
    if (verdict === "IS_NOT") return say("review.group_is_not", { count, name: this.desk.name(classId) });
    return say("review.group_unsure", { count });
  }

  // --- taking back

  #takeBack(line) {
    const title = say("review.ask_one", { what: this.#words(line), who: whose(line) });
    if (!SINGLY.includes(line.kind)) {
      this.dialogs.takeBack(title, { seqs: [line.seq] });
      return;
    }
    const again = line.kind === "UNDO_MANY";
    const words = { UNDO_MANY: say("review.bring_back_hint"), CLEAR: say("review.clear_back_hint"), AUDIT: say("review.audit_back_hint") };
    this.dialogs.confirm(again ? say("review.ask_bring_back", { what: this.#words(line) }) : title, words[line.kind],
      again ? say("review.bring_back") : say("review.take_back"), () => this.desk.restore(line.seq));
  }

  #takeAllBack() {
    const { actor, kinds, since, until } = this.shown;
    const title = actor ? say("review.ask_all_of", { who: actor }) : say("review.ask_all");
    this.dialogs.takeBack(title, { actor, kinds: kinds.length ? kinds : JUDGING, since, until });
  }

  #allow() {
    const { actor, kinds, since, until } = this.shown;
    const chosen = actor || kinds.length || since || until;
    const judging = !kinds.length || kinds.every((each) => JUDGING.includes(each));
    let why = "";
    if (!chosen) why = say("review.choose_first");
    else if (!judging) why = say("review.one_by_one");
    this.all.allow(why);
  }

  key(key) {
    if (key === "b") this.all.click();
    else if (key === "t") this.#focused()?.querySelector("[data-deed=one]")?.click();
    else if (key === "ArrowDown") this.#move(1);
    else if (key === "ArrowUp") this.#move(-1);
    else return false;
    return true;
  }

  #focused() {
    return this.list.getRootNode().activeElement?.closest?.(".line");
  }

  #move(by) {
    const all = [...this.list.querySelectorAll(".toggle")];
    const at = all.indexOf(this.#focused()?.querySelector(".toggle"));
    all[Math.max(0, Math.min(all.length - 1, at + by))]?.focus();
  }
}

// Nobody gave a name for what the loop does by itself.
function whose(line) {
  return line.actor === NOBODY && !line.page && line.kind !== "PAIRS" ? say("review.the_loop") : line.actor;
}

function choice(first, entries, label) {
  const made = element("select", "field", { ariaLabel: label });
  made.append(new Option(first, ""), ...entries.map(([value, words]) => new Option(words, value)));
  return made;
}

function stamp(local) {
  return local ? Math.floor(new Date(local).getTime() / 1000) : 0;
}
