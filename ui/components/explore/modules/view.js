// The frame: filters and clusters on the left, the map in the middle, the gallery on the right, a pill over them with
// what can be done to what is picked, and a foot line.

import { element, text } from "/grid/dom.js";
import { goToLabel, handOver } from "/grid/picked.js";
import { percent, say } from "/grid/words.js";
import { Acts, LABELER, REVIEWER } from "./acts.js";
import { Clusters } from "./clusters.js";
import { Gallery } from "./gallery.js";
import { listen } from "./input.js";
import { Labelling, PAGE } from "./labelling.js";
import { Map2D } from "./map.js";
import { Model } from "./model.js";
import { action, allow } from "./parts.js";
import { Picker } from "./picker.js";
import { Pictures } from "./pictures.js";
import { Legend, Rail } from "./rail.js";

const TOAST_MS = 6000;
const READ_AGAIN_MS = 20_000;
const SIDES = [76, 96, 116, 148, 196, 252];
const SMALL = 1;
const COLOURINGS = ["label", "prediction", "cluster", "uncertainty"];
const PARTS = [2, 3, 4, 6, 8, 12, 16];

export class View {
  constructor(root, collection, annotator, role) {
    this.root = root;
    this.model = new Model(collection, annotator, role);
    this.pictures = new Pictures(this.model.server);
    const tell = (words, act) => this.toast(words, act);
    this.acts = new Acts(this.model, tell);
    this.labelling = new Labelling(this.model, tell);
    this.map = new Map2D(this.model, this.pictures);
    this.gallery = new Gallery(this.model, this.pictures);
    this.gallery.look = (place) => this.look(place);
    this.rail = new Rail(this.model, this.map);
    this.legend = new Legend(this.model, this.map);
    this.clusters = new Clusters(this.model, this.pictures, this.acts);
    this.picker = new Picker(this.model, this.map);
    this.#build();
    this.ended = new AbortController();
    const { signal } = this.ended;
    this.model.addEventListener("change", (event) => this.#changed(event.detail), { signal });
    listen(this, signal);
    this.reading = setInterval(() => this.#readAgain(), READ_AGAIN_MS);
    this.#start();
  }

  leave() {
    this.ended.abort();
    clearInterval(this.reading);
    this.map.leave();
    this.pictures.leave();
    this.gallery.leave();
    this.clusters.leave();
  }

  // Take over the colours of the page; called again when it changes between light and dark.
  dress() {
    const ground = getComputedStyle(this.root).backgroundColor;
    const [red, green, blue] = (ground.match(/[\d.]+/g) ?? [255, 255, 255]).map(Number);
    const isDark = red + green + blue < 384;
    this.root.classList.toggle("dark", isDark);
    this.map.dress(getComputedStyle(this.root), isDark);
    if (this.model.ready) this.#changed("labels");
  }

  async #start() {
    this.root.dataset.state = "reading";
    try {
      await this.model.load();
      const run = await this.model.server.call("map/run");
      if (!this.model.points && ["PENDING", "RUNNING"].includes(run.state)) this.#layOut(true);
    } catch (error) {
      this.root.dataset.state = "away";
      this.#drawEmpty(error.message);
      this.retry = setTimeout(() => this.#start(), 3000);
      this.ended.signal.addEventListener("abort", () => clearTimeout(this.retry));
    }
  }

  // What others have labelled meanwhile.
  #readAgain() {
    if (document.hidden || !this.model.ready || this.model.pickedCount) return;
    for (const read of [this.model.readLabels(), this.model.readPredictions()]) read.catch(() => {}); // asked again soon
  }

  // --- the frame

  #build() {
    const rail = element("aside", "rail");
    rail.append(this.#tabs(), this.rail.box, this.clusters.box);
    const middle = element("main", "middle");
    this.empty = element("div", "empty", { hidden: true, role: "status" });
    middle.append(this.#tools(), this.rail.chips, this.map.box, this.legend.box, this.empty);
    this.map.box.hidden = true;
    const right = element("section", "right");
    right.append(this.#head(), this.gallery.scroller, this.#nothing());
    this.foot = element("footer", "foot");
    this.body = element("div", "body");
    this.drop = element("div", "drop", { hidden: true });
    this.drop.append(text("strong", "", say("explore.drop")));
    this.zoomed = element("div", "zoomed", { hidden: true });
    this.zoomed.addEventListener("click", () => { this.zoomed.hidden = true; });
    this.body.append(rail, middle, right, this.#pill(), this.picker.box, this.#toastBox(), this.drop, this.zoomed);
    this.picker.closed = () => this.root.focus({ preventScroll: true });
    this.root.replaceChildren(this.body, this.foot);
    this.#tab("filters");
  }

  #tabs() {
    const tabs = element("div", "tabs", { role: "tablist" });
    this.tabs = Object.fromEntries(["filters", "clusters"].map((name) => {
      const made = element("button", "tab", { type: "button", role: "tab", textContent: say(`explore.tab_${name}`) });
      made.addEventListener("click", () => this.#tab(name));
      tabs.append(made);
      return [name, made];
    }));
    return tabs;
  }

  #tab(name) {
    for (const [each, made] of Object.entries(this.tabs)) made.ariaSelected = String(each === name);
    this.rail.box.hidden = name !== "filters";
    this.clusters.box.hidden = name !== "clusters";
  }

  #tools() {
    const bar = element("div", "tools");
    this.colour = element("select", "select", { ariaLabel: say("explore.colour_by") });
    for (const by of COLOURINGS) this.colour.append(element("option", "", { value: by, textContent: say(`explore.by_${by}`) }));
    this.colour.addEventListener("change", () => { this.model.setColour(this.colour.value); this.root.focus({ preventScroll: true }); });
    const label = element("label", "colour-by");
    label.append(text("span", "dim", say("explore.colour_by")), this.colour);
    this.toolButtons = Object.fromEntries([["lasso", "Q"], ["rectangle", "R"], ["move", "M"]].map(([tool, key]) => [tool, action(say(`explore.tool_${tool}`), key, () => this.tool(tool))]));
    const tools = element("div", "group", { role: "group" });
    tools.append(...Object.values(this.toolButtons));
    this.fit = action(say("explore.fit"), "0", () => this.map.fit(), "fit");
    this.gaps = action(say("explore.gaps"), "U", () => this.acts.gaps(), "gaps");
    this.file = element("input", "", { type: "file", accept: "image/*", hidden: true });
    this.file.addEventListener("change", () => { if (this.file.files[0]) this.acts.byImage(this.file.files[0]); this.file.value = ""; });
    this.search = action(say("explore.by_image"), "", () => this.file.click());
    bar.append(label, tools, this.fit, this.gaps, element("span", "spring"), this.search, this.file);
    return bar;
  }

  // Draw with another tool.
  tool(tool) {
    this.map.setTool(tool);
    for (const [name, made] of Object.entries(this.toolButtons)) made.ariaPressed = String(name === tool);
  }

  #head() {
    const head = element("header", "head");
    this.title = element("h2", "title", { ariaLive: "polite" });
    this.back = action(say("explore.show_all"), "Esc", () => this.model.listAll(), "quiet");
    this.split = action(say("explore.split"), "", () => this.acts.split(this.model.list.cluster, Number(this.into.value)));
    this.into = element("select", "select small", { ariaLabel: say("explore.split_into") });
    for (const count of PARTS) this.into.append(element("option", "", { value: count, textContent: say("explore.into", { count }) }));
    this.whole = action(say("explore.whole"), "", () => this.#whole());
    this.ofCluster = element("div", "of-cluster", { hidden: true });
    this.ofCluster.append(this.split, this.into, this.whole);
    const size = element("input", "size", { type: "range", min: 0, max: SIDES.length - 1, value: SMALL, ariaLabel: say("explore.tile_size") });
    size.addEventListener("input", () => this.gallery.resize(SIDES[size.value]));
    this.wide = action(say("explore.wide"), "W", () => this.widen());
    this.all = action(say("explore.pick_all"), "A", () => this.model.pick(this.model.list.places));
    const line = element("div", "line");
    line.append(this.all, this.wide, element("span", "spring"), size);
    const top = element("div", "line");
    top.append(this.title, element("span", "spring"), this.back);
    head.append(top, line, this.ofCluster);
    return head;
  }

  #nothing() {
    this.none = text("p", "nothing", "");
    this.none.hidden = true;
    return this.none;
  }

  #pill() {
    this.pill = element("div", "pill", { hidden: true, role: "toolbar", ariaLabel: say("explore.picked_label") });
    this.count = text("b", "", "");
    const clear = element("button", "clear", { type: "button", textContent: "×", ariaLabel: say("explore.clear"), title: say("explore.clear") });
    clear.addEventListener("click", () => this.model.clearPicked());
    this.buttons = {
      label: action(say("explore.label_as"), "L", () => this.#label(), "primary"),
      page: action(say("explore.make_page"), "P", () => this.#makePage()),
      similar: action(say("explore.similar"), "F", () => this.acts.similar(this.model.pickedPlaces)),
      a: action(say("explore.group_a"), "1", () => this.acts.group("a", this.model.pickedPlaces)),
      b: action(say("explore.group_b"), "2", () => this.acts.group("b", this.model.pickedPlaces)),
      separate: action(say("explore.separate"), "S", () => (this.model.separated ? this.model.backToMap() : this.acts.separate())),
    };
    this.pill.append(this.count, clear, ...Object.values(this.buttons));
    return this.pill;
  }

  #toastBox() {
    this.toaster = element("div", "toast", { role: "status", ariaLive: "polite" });
    return this.toaster;
  }

  // More room for the gallery, or less again.
  widen() {
    this.root.classList.toggle("wide");
    this.wide.ariaPressed = String(this.root.classList.contains("wide"));
  }

  // --- drawing

  #changed(what) {
    const { model, map } = this;
    if (what === "data" || what === "points") map.reload();
    if (what === "colour" || what === "labels" || what === "clusters") map.recolour();
    if (["shown", "list", "picked", "labels"].includes(what)) map.restate();
    if (what === "hover") { map.showHover(); this.gallery.showHover(); return; }
    if (what === "data" || what === "list") this.gallery.reset();
    if (what === "picked" || what === "labels") this.gallery.mark();
    if (["data", "labels", "shown", "clusters"].includes(what)) this.rail.draw();
    if (["data", "labels", "clusters", "list"].includes(what) && model.ready) this.clusters.draw();
    if (["data", "labels", "colour"].includes(what)) this.legend.draw();
    this.#drawHead();
    this.#drawPill();
    this.#drawFoot();
    if (what === "data") this.#ready();
  }

  #ready() {
    this.tool(this.map.tool);
    this.map.box.hidden = !this.model.points || !this.map.available;
    this.#drawEmpty("");
    this.map.reload();
    this.root.dataset.state = "ready";
    this.gaps.hidden = !this.model.points;
    for (const each of [this.search, this.gaps]) allow(each, this.model.space ? "" : say("explore.no_vectors"));
    this.gaps.title ||= say("explore.gaps_what");
  }

  #drawHead() {
    const { model } = this;
    const { list } = model;
    const count = say("explore.images", { count: list.places.length });
    const titles = { all: say("explore.all_images"), region: say("explore.region"), found: list.title, cluster: say("explore.cluster", { number: String(list.cluster) }) };
    this.title.replaceChildren(text("span", "what", titles[list.kind]), text("span", "dim", count));
    this.back.hidden = list.kind === "all";
    this.ofCluster.hidden = list.kind !== "cluster";
    const label = model.role < LABELER ? say("explore.needs_labeler") : "";
    const review = model.role < REVIEWER ? say("explore.needs_reviewer") : "";
    allow(this.split, label);
    allow(this.whole, review);
    allow(this.all, list.places.length ? "" : say("explore.nothing_here"));
    this.none.hidden = list.places.length > 0 || !model.ready;
    this.none.textContent = say(model.images ? "explore.nothing_here" : "explore.no_images");
  }

  #drawPill() {
    const { model } = this;
    const separable = model.groups.a.length && model.groups.b.length;
    const busy = this.acts.busy;
    this.pill.hidden = !model.pickedCount && !model.groups.a.length && !model.groups.b.length && !model.separated && !busy;
    this.count.textContent = busy || (model.pickedCount ? say("explore.picked", { count: model.pickedCount }) : say("explore.none_picked"));
    this.pill.classList.toggle("busy", Boolean(busy));
    const none = model.pickedCount ? "" : say("explore.pick_first");
    const named = (name) => (model.groups[name].length ? say(`explore.group_${name}_of`, { count: model.groups[name].length }) : say(`explore.group_${name}`));
    for (const name of ["a", "b"]) {
      this.buttons[name].firstChild.textContent = named(name);
      this.buttons[name].classList.toggle("set", model.groups[name].length > 0);
      this.buttons[name].hidden = !model.points;
      allow(this.buttons[name], none);
    }
    const { separate } = this.buttons;
    separate.hidden = !model.points;
    separate.firstChild.textContent = say(model.separated ? "explore.back_to_map" : "explore.separate");
    allow(separate, separable || model.separated ? "" : say("explore.need_groups"));
    allow(this.buttons.label, model.role < LABELER ? say("explore.needs_labeler") : none);
    const large = model.pickedCount > PAGE ? say("explore.page_too_large", { most: PAGE }) : none;
    allow(this.buttons.page, model.role < LABELER ? say("explore.needs_labeler") : large);
    allow(this.buttons.similar, model.space ? none : say("explore.no_vectors"));
  }

  #drawFoot() {
    const { model } = this;
    if (!model.ready) return;
    const share = model.rows.length ? model.labelledCount / model.rows.length : 0;
    const bar = element("span", "progress");
    bar.append(element("i", ""));
    bar.firstChild.style.width = `${100 * share}%`;
    this.foot.replaceChildren(
      text("span", "", say("explore.showing", { shown: model.shownCount, all: model.rows.length })), bar,
      text("span", "", say("explore.labelled", { count: model.labelledCount, share: percent(share) })),
      element("span", "spring"),
      text("span", "dim", say("explore.foot_hint")),
    );
  }

  #drawEmpty(trouble) {
    const { model } = this;
    if (trouble) return this.#say(say("explore.away"), [trouble]);
    if (!model.images) return this.#say(say("explore.no_images"), [say("explore.no_images_what")]);
    if (model.points && !this.map.available) return this.#say(say("explore.no_webgl"), [say("explore.no_webgl_what")]);
    if (model.points) { this.empty.hidden = true; return undefined; }
    if (!model.space) return this.#say(say("explore.no_map"), [say("explore.no_vectors")]);
    this.#say(say("explore.no_map"), [say("explore.no_map_what")]);
    const make = action(say("explore.lay_out"), "", () => this.#layOut(false), "primary");
    allow(make, model.role < REVIEWER ? say("explore.needs_reviewer") : "");
    this.empty.append(make);
    return undefined;
  }

  #say(title, lines) {
    this.empty.hidden = false;
    this.empty.replaceChildren(text("strong", "", title), ...lines.map((line) => text("p", "", line)));
  }

  async #layOut(started) {
    this.#say(say("explore.laying_out"), [say("explore.laying_out_what")]);
    const bar = element("progress", "", { max: 1, ariaLabel: say("explore.laying_out") });
    this.empty.append(bar);
    const progress = (share) => { if (share) bar.value = share; };
    await (started ? this.acts.follow(progress).catch((error) => this.toast(error.message, null)) : this.acts.layOut(progress));
    if (!this.model.points) this.#drawEmpty("");
  }

  toast(words, act) {
    clearTimeout(this.toastEnds);
    this.toaster.replaceChildren(text("span", "", words));
    if (act) {
      const made = action(act.words, act.key, () => { this.toaster.classList.remove("open"); act.act(); });
      this.toaster.append(made);
    }
    this.toaster.classList.add("open");
    this.toastEnds = setTimeout(() => this.toaster.classList.remove("open"), TOAST_MS);
  }

  // One image, large.
  look(place) {
    const image = element("img", "", { src: this.model.server.image(this.model.rows[place]), alt: say("explore.large") });
    this.zoomed.replaceChildren(image, text("p", "", say("explore.close_large")));
    this.zoomed.hidden = false;
  }

  // --- acting

  #label() {
    const places = this.model.pickedPlaces;
    if (!places.length) return;
    this.picker.open(say("explore.label_these", { count: places.length }), (entry) => this.#labelAs(places, entry));
  }

  async #labelAs(places, entry) {
    const classId = entry.class_id || await this.acts.addClass(entry.name);
    if (!classId) return;
    this.model.clearPicked();
    await this.labelling.label(places, classId);
    await this.model.readLabels().catch(() => {}); // read again soon
    // What was labelled does not stay in the way of what is to be.
    if (!this.model.filters.get("status").size || this.model.pickedCount) return;
    this.model.relist();
    if (!this.model.list.places.length) this.model.listAll();
  }

  // Answer what is picked as a page: all of one class but those that are clicked.
  async #makePage() {
    const places = this.model.pickedPlaces;
    try {
      const lease = await this.labelling.page(places);
      if (!lease) {
        this.toast(say("explore.none_labelled", { count: places.length }), null);
        return;
      }
      handOver(this.model.collection, lease);
      goToLabel();
    } catch (error) {
      this.toast(error.message, null);
    }
  }

  #whole() {
    const { cluster } = this.model.list;
    this.picker.open(say("explore.whole_as", { number: String(cluster) }), async (entry) => {
      const classId = entry.class_id || await this.acts.addClass(entry.name);
      if (classId) await this.acts.whole(cluster, classId);
    });
  }

  // One step back.
  escape() {
    if (!this.zoomed.hidden) this.zoomed.hidden = true;
    else if (this.model.pickedCount) this.model.clearPicked();
    else if (this.model.list.kind !== "all") this.model.listAll();
  }
}
