// What is known of the images, which of them are shown, listed and picked. A place is the number of an image in all
// arrays here; its row is its number in the collection.

import { Server } from "/grid/server.js";
import { fromBase64, unpack } from "./arrays.js";

export const STATUSES = ["unlabelled", "labelled", "doubtful", "flagged"];
export const KINDS = ["status", "label", "prediction", "cluster"];
const NO_ROW = 0xffffffff;

export class Model extends EventTarget {
  constructor(collection, annotator, role) {
    super();
    this.collection = collection;
    this.server = new Server(collection, annotator);
    this.annotator = annotator;
    this.role = role;
    this.classes = [];
    this.images = 0;
    this.space = "";
    this.ready = false;
    this.points = null;       // Float32Array [2n]; null without a map
    this.separated = false;   // whether the points are a view of its own: of two groups, or of what has no label
    this.filters = new Map(KINDS.map((kind) => [kind, new Set()]));
    this.colourBy = "label";
    this.groups = { a: [], b: [] };
    this.hover = -1;
    this.run = "";            // the clustering in use
    this.clusters = [];
    this.#take(new Uint32Array(0));
  }

  // --- reading

  async load() {
    const [overview, map] = await Promise.all([this.server.call("explore"), this.arrays("map")]);
    this.classes = overview.schema.classes;
    this.several = overview.schema.several;
    this.space = overview.space;
    this.images = overview.images;
    const known = map.rows.length ? map : await this.arrays("map/colours?by=cluster");
    this.home = map.rows.length ? map.points : null;
    this.points = this.home;
    this.#take(known.rows.length ? known.rows : Uint32Array.from({ length: overview.images }, (_, row) => row));
    await Promise.all([this.readLabels(), this.readClusters()]);
    this.readPredictions().catch(() => {}); // whoever predicts may be away: asked again soon
    this.ready = true;
    this.listAll();
    this.#tell("data");
  }

  // The packed arrays of a route.
  async arrays(path) {
    return unpack(await this.server.bytes(path));
  }

  async readLabels() {
    const [found, flags] = await Promise.all([this.arrays("map/colours?by=label"), this.arrays("map/colours?by=flag")]);
    const [labels, flagged] = [new Int32Array(this.rows.length), new Int32Array(this.rows.length)];
    this.#join(found, labels);
    this.#join(flags, flagged);
    this.labels = labels;
    this.flagged = flagged;
    this.#filtered();
    this.#tell("labels");
  }

  async readPredictions() {
    const [classes, unsure] = await Promise.all([this.arrays("map/colours?by=prediction"), this.arrays("map/colours?by=uncertainty")]);
    this.#join(classes, this.predictions);
    this.#join(unsure, this.unsure);
    this.#filtered();
    this.#tell("labels");
  }

  async readClusters() {
    const [assignment, listed] = await Promise.all([this.arrays("map/colours?by=cluster"), this.server.call("clusters")]);
    const numbers = new Int32Array(this.rows.length).fill(-1);
    this.#join(assignment, numbers);
    this.cluster = numbers;
    this.run = listed.run;
    this.clusters = listed.clusters;
    this.filters.get("cluster").clear();
    this.#filtered();
    this.#tell("clusters");
  }

  #take(rows) {
    const count = rows.length;
    this.rows = rows;
    this.placeOf = new Uint32Array(count ? rows.reduce((most, row) => Math.max(most, row), 0) + 1 : 0).fill(NO_ROW);
    for (let place = 0; place < count; place += 1) this.placeOf[rows[place]] = place;
    this.labels = new Int32Array(count);
    this.predictions = new Int32Array(count);
    this.flagged = new Int32Array(count);
    this.unsure = new Int32Array(count).fill(-1);
    this.cluster = new Int32Array(count).fill(-1);
    this.failing = new Uint8Array(count); // a bit for each kind of filter that leaves the image out
    this.list = { kind: "all", places: new Uint32Array(0) };
    this.picked = new Uint8Array(count);
    this.pickedCount = 0;
  }

  #join({ rows, values }, into) {
    for (let at = 0; at < rows.length; at += 1) {
      const place = this.placeOf[rows[at]];
      if (place !== undefined && place !== NO_ROW) into[place] = values[at];
    }
  }

  // The places of rows, without those that are not here.
  places(rows) {
    return Uint32Array.from(rows, (row) => this.placeOf[row] ?? NO_ROW).filter((place) => place !== NO_ROW);
  }

  // --- filters

  has(kind, value) {
    return this.filters.get(kind).has(value);
  }

  toggle(kind, value) {
    const chosen = this.filters.get(kind);
    if (!chosen.delete(value)) chosen.add(value);
    this.#afterFilter();
  }

  clearFilters() {
    for (const chosen of this.filters.values()) chosen.clear();
    this.#afterFilter();
  }

  #afterFilter() {
    this.#filtered();
    this.clearPicked(); // nothing out of sight stays picked
    this.#tell("shown");
    this.relist();
  }

  #filtered() {
    this.failing.fill(0);
    KINDS.forEach((kind, bit) => {
      const chosen = this.filters.get(kind);
      if (!chosen.size) return;
      const fits = this.#fits(kind, chosen);
      for (let place = 0; place < this.rows.length; place += 1) if (!fits(place)) this.failing[place] |= 1 << bit;
    });
  }

  #fits(kind, chosen) {
    if (kind === "label") return (place) => chosen.has(this.labels[place]);
    if (kind === "prediction") return (place) => chosen.has(this.predictions[place]);
    if (kind === "cluster") return (place) => chosen.has(this.cluster[place]);
    return (place) => [...chosen].some((status) => this.is(status, place));
  }

  is(status, place) {
    if (status === "unlabelled") return !this.labels[place];
    if (status === "labelled") return this.labels[place] > 0;
    if (status === "flagged") return this.flagged[place] > 0;
    return this.labels[place] > 0 && this.predictions[place] > 0 && this.labels[place] !== this.predictions[place];
  }

  // How many images have each value of a kind, of those that the other filters leave.
  counts(kind) {
    const others = ~(1 << KINDS.indexOf(kind));
    const found = new Map();
    const add = (value) => found.set(value, (found.get(value) ?? 0) + 1);
    const values = { label: this.labels, prediction: this.predictions, cluster: this.cluster }[kind];
    for (let place = 0; place < this.rows.length; place += 1) {
      if (this.failing[place] & others) continue;
      if (values) add(values[place]);
      else for (const status of STATUSES) if (this.is(status, place)) add(status);
    }
    return found;
  }

  shown(place) {
    return this.failing[place] === 0;
  }

  get shownCount() {
    let count = 0;
    for (let place = 0; place < this.failing.length; place += 1) count += this.failing[place] === 0;
    return count;
  }

  get labelledCount() {
    let count = 0;
    for (let place = 0; place < this.labels.length; place += 1) count += this.labels[place] > 0;
    return count;
  }

  // --- what the gallery lists

  listAll() {
    this.#setList({ kind: "all" });
  }

  // List images that came from somewhere: a region of the map, a search, a cluster.
  listPlaces(kind, places, about = {}) {
    this.#setList({ kind, from: places, ...about });
  }

  #setList(list) {
    this.wanted = list;
    this.clearPicked();
    this.relist();
  }

  // List anew what the filters leave.
  relist() {
    const { from } = this.wanted;
    const all = from ?? Uint32Array.from({ length: this.rows.length }, (_, place) => place);
    this.list = { ...this.wanted, places: all.filter((place) => this.shown(place)) };
    this.#tell("list");
  }

  // --- what is picked

  get pickedPlaces() {
    return this.list.places.filter((place) => this.picked[place]);
  }

  pick(places, on = true) {
    for (const place of places) {
      this.pickedCount += (on ? 1 : 0) - this.picked[place];
      this.picked[place] = on ? 1 : 0;
    }
    this.#tell("picked");
  }

  clearPicked() {
    if (!this.pickedCount) return;
    this.picked.fill(0);
    this.pickedCount = 0;
    this.#tell("picked");
  }

  setHover(place) {
    if (place === this.hover) return;
    this.hover = place;
    this.#tell("hover");
  }

  setColour(by) {
    this.colourBy = by;
    this.#tell("colour");
  }

  // Show labels at once, before the server has them.
  setLabels(places, classIds) {
    places.forEach((place, at) => { this.labels[place] = classIds[at]; });
    this.#filtered();
    this.#tell("labels");
  }

  name(classId) {
    return this.classes.find((each) => each.class_id === classId)?.name ?? "";
  }

  // --- two groups

  setGroup(name, places) {
    this.groups = { ...this.groups, [name]: [...places] };
    this.#tell("groups");
  }

  async separate() {
    const [a, b] = ["a", "b"].map((name) => this.groups[name].map((place) => this.rows[place]));
    await this.#see("map/separate", { a, b });
  }

  // Show all images by what those without a label differ by; the share of it that is shown from left to right.
  async unlabelled() {
    return (await this.#see("map/unlabelled")).shares[0];
  }

  async #see(view, about) {
    const answer = await this.server.call(view, about);
    const found = unpack(fromBase64(answer.packed));
    const points = new Float32Array(2 * this.rows.length);
    for (let at = 0; at < found.rows.length; at += 1) {
      const place = this.placeOf[found.rows[at]];
      if (place !== undefined && place !== NO_ROW) points.set(found.points.subarray(2 * at, 2 * at + 2), 2 * place);
    }
    this.points = points;
    this.separated = true;
    this.#tell("points");
    return answer;
  }

  backToMap() {
    this.points = this.home;
    this.separated = false;
    this.groups = { a: [], b: [] };
    this.#tell("points");
    this.#tell("groups");
  }

  #tell(what) {
    this.dispatchEvent(new CustomEvent("change", { detail: what }));
  }
}
