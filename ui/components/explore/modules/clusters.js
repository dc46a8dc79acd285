// The clusters: the image in the middle of each, how many there are, how alike, and how far labelled. Opened one is
// listed in the gallery; picked ones are merged, an opened one is split or labelled as a whole.

import { element, text } from "/grid/dom.js";
import { say } from "/grid/words.js";

const LOOSE = 1.25; // of the mean spread

export class Clusters {
  constructor(model, pictures, acts) {
    this.model = model;
    this.pictures = pictures;
    this.acts = acts;
    this.chosen = new Set();
    this.box = element("div", "clusters");
    this.list = element("div", "cluster-list");
    this.foot = element("div", "cluster-foot", { hidden: true });
    this.box.append(this.list, this.foot);
    this.sight = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) if (isIntersecting) this.#show(target);
    }, { root: this.list, rootMargin: "200px" });
  }

  leave() {
    this.sight.disconnect();
  }

  draw() {
    const { clusters } = this.model;
    for (const number of this.chosen) if (!clusters.some((each) => each.number === number)) this.chosen.delete(number);
    this.sight.disconnect();
    if (!clusters.length) {
      this.list.replaceChildren(text("p", "nothing", say("explore.no_clusters")));
      this.foot.hidden = true;
      return;
    }
    const labelled = this.#labelled();
    const spread = clusters.reduce((sum, each) => sum + each.spread, 0) / clusters.length;
    const ranked = [...clusters].sort((one, other) => other.size - one.size || one.number - other.number);
    const { scrollTop } = this.list;
    const focused = this.list.getRootNode().activeElement?.closest?.("[data-cluster]")?.dataset.cluster;
    this.list.replaceChildren(...ranked.map((each) => this.#card(each, labelled.get(each.number) ?? 0, each.spread > LOOSE * spread)));
    this.list.scrollTop = scrollTop;
    if (focused) this.list.querySelector(`[data-cluster="${focused}"] .go`)?.focus({ preventScroll: true });
    this.#drawFoot();
  }

  #labelled() {
    const found = new Map();
    const { cluster, labels } = this.model;
    for (let place = 0; place < cluster.length; place += 1) if (labels[place]) found.set(cluster[place], (found.get(cluster[place]) ?? 0) + 1);
    return found;
  }

  #card(cluster, labelled, loose) {
    const open = this.model.list.cluster === cluster.number;
    const card = element("div", `cluster${open ? " open" : ""}`);
    card.dataset.cluster = cluster.number;
    const go = element("button", "go", { type: "button" });
    const frame = element("i", "frame");
    frame.row = cluster.medoid;
    const share = Math.min(1, labelled / cluster.size);
    const words = element("span", "about");
    const bar = element("i", "bar");
    bar.append(element("b", ""));
    bar.firstChild.style.width = `${100 * share}%`;
    words.append(
      text("b", "", say("explore.cluster", { number: String(cluster.number) })),
      text("span", "dim", `${say("explore.images", { count: cluster.size })} · ${say(loose ? "explore.loose" : "explore.tight")}`),
      bar, text("span", "dim small", say("explore.share_labelled", { share: Math.round(100 * share) })),
    );
    go.append(frame, words);
    go.addEventListener("click", () => this.acts.open(cluster.number));
    const tick = element("input", "tick", { type: "checkbox", checked: this.chosen.has(cluster.number), ariaLabel: say("explore.pick_cluster", { number: String(cluster.number) }) });
    tick.addEventListener("change", () => {
      if (tick.checked) this.chosen.add(cluster.number); else this.chosen.delete(cluster.number);
      this.#drawFoot();
    });
    card.append(go, tick);
    this.sight.observe(frame);
    return card;
  }

  #show(frame) {
    this.sight.unobserve(frame);
    this.pictures.show(frame.row, (address) => {
      if (address) frame.replaceChildren(element("img", "", { src: address, alt: "" }));
    });
  }

  #drawFoot() {
    this.foot.hidden = this.chosen.size < 2;
    if (this.foot.hidden) return;
    const merge = text("button", "button primary", say("explore.merge", { count: this.chosen.size }));
    merge.type = "button";
    merge.addEventListener("click", () => this.acts.merge([...this.chosen]));
    this.foot.replaceChildren(merge);
  }
}
