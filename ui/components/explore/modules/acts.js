// What can be done: search, clusters, groups, the map. Each says in a toast what came of it.

import { pause, uuid } from "/grid/dom.js";
import { percent, say } from "/grid/words.js";
import { small, Unreadable } from "./searching.js";

const FOUND = 96;
const MOST_QUERIES = 64;
const MOST_GROUP = 10_000;
const POLL_MS = 700;
export const REVIEWER = 3;
export const LABELER = 2;

export class Acts {
  constructor(model, tell) {
    this.model = model;
    this.tell = tell;
    this.busy = "";
  }

  // Do something that takes a while; what goes wrong is told.
  async #during(what, act) {
    if (this.busy) return;
    this.busy = what;
    this.model.dispatchEvent(new CustomEvent("change", { detail: "busy" }));
    try {
      await act();
    } catch (error) {
      this.tell(error instanceof Unreadable ? say("explore.unreadable") : error.message, null);
    } finally {
      this.busy = "";
      this.model.dispatchEvent(new CustomEvent("change", { detail: "busy" }));
    }
  }

  // --- search

  similar(places) {
    const asked = [...places].slice(0, MOST_QUERIES).map((place) => this.model.rows[place]);
    if (!asked.length) return Promise.resolve();
    return this.#during(say("explore.searching"), async () => {
      const found = await this.model.server.call(`neighbours?row=${asked}&limit=${FOUND}`);
      this.#list(found, { title: say("explore.similar_to", { count: asked.length }), query: asked });
    });
  }

  byImage(file) {
    return this.#during(say("explore.searching"), async () => {
      const found = await this.model.server.call("search", { image: await small(file), limit: FOUND });
      this.#list(found, { title: say("explore.like_image"), file });
    });
  }

  #list(found, about) {
    const places = this.model.places(found.rows);
    this.model.clearFilters(); // what was found is shown, whatever was looked at before
    this.model.listPlaces("found", places, about);
    if (!places.length) this.tell(say("explore.nothing_found"), null);
  }

  // --- clusters

  open(number) {
    return this.#during(say("explore.reading"), async () => {
      const found = await this.model.server.call(`clusters/${this.model.run}/${number}/rows`);
      this.model.listPlaces("cluster", this.model.places(found.rows), { cluster: number });
    });
  }

  split(number, into) {
    return this.#during(say("explore.splitting"), async () => {
      const cluster = `${this.model.run}/${number}`;
      const last = Math.max(...this.model.clusters.map((each) => each.number));
      await this.model.server.call("clusters/split", { cluster, into, tokens: [], request_id: uuid() });
      await this.model.readClusters();
      const parts = [number, ...this.model.clusters.map((each) => each.number).filter((each) => each > last)];
      this.tell(say("explore.split_done", { number: String(number), numbers: parts.join(", ") }), null);
      const found = await this.model.server.call(`clusters/${this.model.run}/${number}/rows`);
      this.model.listPlaces("cluster", this.model.places(found.rows), { cluster: number });
    });
  }

  merge(numbers) {
    return this.#during(say("explore.merging"), async () => {
      const clusters = numbers.map((number) => `${this.model.run}/${number}`);
      await this.model.server.call("clusters/merge", { clusters, request_id: uuid() });
      await this.model.readClusters();
      const number = Math.min(...numbers);
      this.tell(say("explore.merge_done", { count: numbers.length, number: String(number) }), null);
      const found = await this.model.server.call(`clusters/${this.model.run}/${number}/rows`);
      this.model.listPlaces("cluster", this.model.places(found.rows), { cluster: number });
    });
  }

  // Let all of a cluster be of a class, if a random sample proves it.
  whole(number, classId) {
    return this.#during(say("explore.reading"), async () => {
      const cluster = `${this.model.run}/${number}`;
      const asked = await this.model.server.call("groups", { cluster, class_id: classId, tokens: [], request_id: uuid() });
      this.tell(say("explore.whole_asked", { count: asked.sample, name: this.model.name(classId) }), null);
    });
  }

  async addClass(name) {
    let added = 0;
    await this.#during(say("explore.reading"), async () => {
      const schema = await this.model.server.call("classes", { name });
      this.model.classes = schema.classes;
      added = schema.classes.find((each) => each.name === name)?.class_id ?? 0;
    });
    return added;
  }

  // --- the map

  separate() {
    return this.#during(say("explore.separating"), () => this.model.separate());
  }

  gaps() {
    return this.#during(say("explore.looking_gaps"), async () => {
      const share = await this.model.unlabelled();
      this.tell(say("explore.gaps_told", { share: percent(share) }), null);
    });
  }

  group(name, places) {
    if (places.length > MOST_GROUP) this.tell(say("explore.group_too_large", { most: MOST_GROUP }), null);
    else this.model.setGroup(name, places);
  }

  // Make the map and tell how far it is, from 0 to 1.
  async layOut(progress) {
    try {
      await this.model.server.call("map/run", { request_id: uuid() });
      await this.follow(progress);
    } catch (error) {
      this.tell(error.message, null);
    }
  }

  async follow(progress) {
    for (;;) {
      const run = await this.model.server.call("map/run");
      if (run.state === "SUCCEEDED") break;
      if (!["PENDING", "RUNNING"].includes(run.state)) throw new Error(run.error || say("explore.map_cancelled"));
      progress(run.total ? run.done / run.total : 0);
      await pause(POLL_MS);
    }
    await this.model.load();
  }
}
