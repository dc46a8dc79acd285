// The filters: what there is of each kind, with counts, and the chips of those in force.

import { LISTED } from "/grid/class_colours.js";
import { element, text } from "/grid/dom.js";
import { say } from "/grid/words.js";
import { STATUSES } from "./model.js";

const SHOWN = 60;
const COUNTED = { label: "explore.filter_label", prediction: "explore.filter_prediction", cluster: "explore.filter_cluster" };

export class Rail {
  constructor(model, map) {
    this.model = model;
    this.map = map;
    this.box = element("div", "filters");
    this.chips = element("div", "chips", { hidden: true });
    this.open = { label: true, prediction: false, cluster: false };
  }

  draw() {
    const parts = [this.#section(say("explore.filter_status"), this.#statuses())];
    for (const [kind, title] of Object.entries(COUNTED)) {
      const rows = kind === "cluster" ? this.#clusters() : this.#classes(kind);
      if (rows.length) parts.push(this.#folding(kind, say(title), rows));
    }
    const { scrollTop } = this.box;
    const focused = this.box.getRootNode().activeElement?.dataset?.filter;
    this.box.replaceChildren(...parts);
    this.box.scrollTop = scrollTop;
    if (focused) this.box.querySelector(`[data-filter="${focused}"]`)?.focus({ preventScroll: true });
    this.#drawChips();
  }

  #section(title, rows) {
    const box = element("section", "");
    box.append(text("h3", "", title), ...rows);
    return box;
  }

  #folding(kind, title, rows) {
    const box = element("details", "", { open: this.open[kind] });
    box.addEventListener("toggle", () => { this.open[kind] = box.open; });
    box.append(text("summary", "", title), ...rows);
    return box;
  }

  #statuses() {
    const counts = this.model.counts("status");
    return STATUSES.map((status) => this.#row("status", status, say(`explore.status_${status}`), counts.get(status) ?? 0));
  }

  #classes(kind) {
    const counts = this.model.counts(kind);
    const { colours } = this.map;
    const rows = this.model.classes
      .map((each, at) => ({ ...each, count: counts.get(each.class_id) ?? 0, colour: colours.of(each, at) }))
      .filter((each) => each.count || this.model.has(kind, each.class_id));
    return rows.sort((one, other) => other.count - one.count).slice(0, SHOWN)
      .map((each) => this.#row(kind, each.class_id, each.name, each.count, each.colour));
  }

  #clusters() {
    const counts = this.model.counts("cluster");
    const listed = this.model.clusters.filter((each) => counts.has(each.number) || this.model.has("cluster", each.number));
    return listed.map((each) => [each.number, counts.get(each.number) ?? 0]).sort((one, other) => other[1] - one[1]).slice(0, SHOWN)
      .map(([number, count]) => this.#row("cluster", number, say("explore.cluster", { number: String(number) }), count));
  }

  #row(kind, value, name, count, colour = "") {
    const row = element("button", "filter", { type: "button" });
    const on = this.model.has(kind, value);
    row.ariaPressed = String(on);
    row.dataset.filter = `${kind}:${value}`;
    row.append(text("i", "box", on ? "✓" : ""));
    if (colour) row.append(dot(colour));
    row.append(text("span", "name", name), text("span", "number", say("explore.number", { count })));
    row.title = name;
    row.addEventListener("click", () => this.model.toggle(kind, value));
    return row;
  }

  #drawChips() {
    const chips = [];
    for (const [kind, chosen] of this.model.filters) for (const value of chosen) chips.push(this.#chip(kind, value));
    if (chips.length > 1) {
      const all = text("button", "clear", say("explore.clear_filters"));
      all.type = "button";
      all.addEventListener("click", () => this.model.clearFilters());
      chips.push(all);
    }
    this.chips.hidden = !chips.length;
    this.chips.replaceChildren(...chips);
  }

  #chip(kind, value) {
    const words = this.words(kind, value);
    const chip = element("span", "filter-chip");
    const off = element("button", "", { type: "button", textContent: "×", ariaLabel: say("explore.remove_filter", { name: words }) });
    off.addEventListener("click", () => this.model.toggle(kind, value));
    chip.append(text("span", "name", words), text("b", "number", say("explore.number", { count: this.model.counts(kind).get(value) ?? 0 })), off);
    return chip;
  }

  words(kind, value) {
    if (kind === "status") return say(`explore.status_${value}`);
    if (kind === "cluster") return say("explore.cluster", { number: String(value) });
    return say(`explore.chip_${kind}`, { name: this.model.name(value) });
  }
}

// What the colours of the points mean.
export class Legend {
  constructor(model, map) {
    this.model = model;
    this.map = map;
    this.box = element("div", "legend");
  }

  draw() {
    const { model, map } = this;
    const draw = { label: () => this.#classes(model.labels), prediction: () => this.#classes(model.predictions),
      cluster: () => [text("span", "", say("explore.legend_cluster"))], uncertainty: () => this.#ramp() };
    this.box.hidden = !model.points;
    if (map.colours) this.box.replaceChildren(...draw[model.colourBy]());
  }

  #classes(values) {
    const there = new Set(values);
    const { colours } = this.map;
    const found = this.model.classes.map((each, at) => ({ ...each, colour: colours.of(each, at), listed: colours.isListed(each, at) }))
      .filter((each) => there.has(each.class_id));
    const listed = found.filter((each) => each.listed).slice(0, LISTED);
    const entries = listed.map((each) => entry(each.colour, each.name));
    if (listed.length < found.length) entries.push(entry(colours.noneCss, say("explore.legend_others")));
    else if (there.has(0)) entries.push(entry(colours.noneCss, say(this.model.colourBy === "label" ? "explore.unlabelled" : "explore.unknown")));
    return entries;
  }

  #ramp() {
    const bar = element("i", "ramp");
    bar.style.background = `linear-gradient(to right, ${this.map.colours.rampCss.join(",")})`;
    const line = element("span", "entry");
    line.append(text("span", "", say("explore.sure")), bar, text("span", "", say("explore.unsure")));
    return [line];
  }
}

function entry(colour, name) {
  const made = element("span", "entry");
  made.append(dot(colour), text("span", "name", name));
  return made;
}

export function dot(colour) {
  const made = element("i", "dot");
  made.style.background = colour;
  return made;
}
